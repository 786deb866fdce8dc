/**
 * Functions on strings and bytes. What DuckDB does differently (white space, code points, negative positions) is in the prelude.
 */
import { functionTable } from "./Signatures.ts"

export const textFunctions = functionTable({
  UPPER: [["STRING -> STRING", "CASE WHEN strlen($1) = length($1) THEN upper($1) ELSE bq_upper($1) END"]],
  LOWER: [["STRING -> STRING", "CASE WHEN strlen($1) = length($1) THEN lower($1) ELSE bq_lower($1) END"]],
  INITCAP: [["STRING -> STRING", "bq_initcap($1)"]],
  LENGTH: [
    ["STRING -> INT64", "length($1)"],
    ["BYTES -> INT64", "octet_length($1)"]
  ],
  CHAR_LENGTH: [["STRING -> INT64", "length($1)"]],
  CHARACTER_LENGTH: [["STRING -> INT64", "length($1)"]],
  BYTE_LENGTH: [
    ["STRING -> INT64", "strlen($1)"],
    ["BYTES -> INT64", "octet_length($1)"]
  ],
  OCTET_LENGTH: [
    ["STRING -> INT64", "strlen($1)"],
    ["BYTES -> INT64", "octet_length($1)"]
  ],
  TRIM: [
    ["STRING -> STRING", "bq_trim($1)"],
    ["STRING, STRING -> STRING", "bq_trim_characters($1, $2)"]
  ],
  LTRIM: [
    ["STRING -> STRING", "bq_ltrim($1)"],
    ["STRING, STRING -> STRING", "bq_ltrim_characters($1, $2)"]
  ],
  RTRIM: [
    ["STRING -> STRING", "bq_rtrim($1)"],
    ["STRING, STRING -> STRING", "bq_rtrim_characters($1, $2)"]
  ],
  REPLACE: [["STRING, STRING, STRING -> STRING", "bq_replace($1, $2, $3)"]],
  SUBSTR: [
    ["STRING, INT64 -> STRING", "bq_substr($1, $2, CAST(9223372036854775807 AS BIGINT))"],
    ["STRING, INT64, INT64 -> STRING", "bq_substr($1, $2, $3)"]
  ],
  SUBSTRING: [
    ["STRING, INT64 -> STRING", "bq_substr($1, $2, CAST(9223372036854775807 AS BIGINT))"],
    ["STRING, INT64, INT64 -> STRING", "bq_substr($1, $2, $3)"]
  ],
  LEFT: [["STRING, INT64 -> STRING", "bq_left($1, $2)"]],
  RIGHT: [["STRING, INT64 -> STRING", "bq_right($1, $2)"]],
  LPAD: [
    ["STRING, INT64 -> STRING", "bq_lpad($1, $2, ' ')"],
    ["STRING, INT64, STRING -> STRING", "bq_lpad($1, $2, $3)"]
  ],
  RPAD: [
    ["STRING, INT64 -> STRING", "bq_rpad($1, $2, ' ')"],
    ["STRING, INT64, STRING -> STRING", "bq_rpad($1, $2, $3)"]
  ],
  REPEAT: [["STRING, INT64 -> STRING", "bq_repeat($1, $2)"]],
  REVERSE: [["STRING -> STRING", "bq_reverse($1)"]],
  STARTS_WITH: [["STRING, STRING -> BOOL", "starts_with($1, $2)"]],
  ENDS_WITH: [["STRING, STRING -> BOOL", "ends_with($1, $2)"]],
  STRPOS: [["STRING, STRING -> INT64", "CASE WHEN $2 = '' THEN bq_strpos($1, $2) ELSE strpos($1, $2) END"]],
  INSTR: [
    ["STRING, STRING -> INT64", "bq_instr($1, $2, CAST(1 AS BIGINT), CAST(1 AS BIGINT))"],
    ["STRING, STRING, INT64 -> INT64", "bq_instr($1, $2, $3, CAST(1 AS BIGINT))"],
    ["STRING, STRING, INT64, INT64 -> INT64", "bq_instr($1, $2, $3, $4)"]
  ],
  CONCAT: [
    ["STRING* -> STRING", "CAST($| AS VARCHAR)"],
    ["BYTES* -> BYTES", "CAST($| AS BLOB)"]
  ],
  SPLIT: [
    ["STRING -> [STRING]", "bq_split($1, ',')"],
    ["STRING, STRING -> [STRING]", "bq_split($1, $2)"]
  ],
  TRANSLATE: [["STRING, STRING, STRING -> STRING", "bq_translate($1, $2, $3)"]],
  CONTAINS_SUBSTR: [["STRING, STRING -> BOOL", "bq_contains_substr($1, $2)"]],
  ASCII: [["STRING -> INT64", "bq_ascii($1)"]],
  UNICODE: [["STRING -> INT64", "bq_unicode($1)"]],
  CHR: [["INT64 -> STRING", "bq_chr($1)"]],
  TO_CODE_POINTS: [
    ["STRING -> [INT64]", "bq_to_code_points($1)"],
    ["BYTES -> [INT64]", "bq_bytes_to_code_points($1)"]
  ],
  CODE_POINTS_TO_STRING: [["[INT64] -> STRING", "bq_code_points_to_string($1)"]],
  CODE_POINTS_TO_BYTES: [["[INT64] -> BYTES", "bq_code_points_to_bytes($1)"]],
  NORMALIZE_AND_CASEFOLD: [["STRING -> STRING", "bq_normalize_and_casefold($1, 'NFC')"]],
  NORMALIZE: [["STRING -> STRING", "bq_normalize($1, 'NFC')"]],
  TO_HEX: [["BYTES -> STRING", "lower(hex($1))"]],
  FROM_HEX: [["STRING -> BYTES", "bq_from_hex($1)"]],
  TO_BASE64: [["BYTES -> STRING", "to_base64($1)"]],
  FROM_BASE64: [["STRING -> BYTES", "bq_from_base64($1)"]],
  SAFE_CONVERT_BYTES_TO_STRING: [["BYTES -> STRING", "bq_bytes_to_string_replacing($1)"]],
  MD5: [
    ["STRING -> BYTES", "unhex(md5($1))"],
    ["BYTES -> BYTES", "unhex(md5($1))"]
  ],
  SHA1: [
    ["STRING -> BYTES", "unhex(sha1($1))"],
    ["BYTES -> BYTES", "unhex(sha1($1))"]
  ],
  SHA256: [
    ["STRING -> BYTES", "unhex(sha256($1))"],
    ["BYTES -> BYTES", "unhex(sha256($1))"]
  ],
  SHA512: [
    ["STRING -> BYTES", "bq_sha512(encode($1))"],
    ["BYTES -> BYTES", "bq_sha512($1)"]
  ],
  GENERATE_UUID: [["-> STRING", "CAST(gen_random_uuid() AS VARCHAR)"]],
  ARRAY_TO_STRING: [
    ["[STRING], STRING -> STRING", "bq_array_to_string($1, $2, NULL)"],
    ["[STRING], STRING, STRING -> STRING", "bq_array_to_string($1, $2, $3)"]
  ]
})
