/**
 * Functions on numbers. Decimals are exact: scaled integers in the prelude, never binary floating point.
 */
import { functionTable } from "./Signatures.ts"

const sameForAll = (name: string): ReadonlyArray<readonly [string, string]> =>
  ["INT64", "NUMERIC", "BIGNUMERIC", "FLOAT64"].map((kind) => [`${kind} -> ${kind}`, `${name}($1)`] as const)

const decimals = (name: string, more = ""): ReadonlyArray<readonly [string, string]> =>
  ["NUMERIC", "BIGNUMERIC"].map(
    (kind) => [`${kind}${more} -> ${kind}`, `bq_${kind.toLowerCase()}_${name}($1${more === "" ? "" : ", $2"})`] as const
  )

const digits = "CAST(0 AS BIGINT)"
const rounding = (name: string): ReadonlyArray<readonly [string, string]> => [
  ["FLOAT64 -> FLOAT64", `bq_float64_${name}($1, ${digits})`],
  ["FLOAT64, INT64 -> FLOAT64", `bq_float64_${name}($1, $2)`],
  ["NUMERIC -> NUMERIC", `bq_numeric_${name}($1, ${digits})`],
  ["NUMERIC, INT64 -> NUMERIC", `bq_numeric_${name}($1, $2)`],
  ["BIGNUMERIC -> BIGNUMERIC", `bq_bignumeric_${name}($1, ${digits})`],
  ["BIGNUMERIC, INT64 -> BIGNUMERIC", `bq_bignumeric_${name}($1, $2)`]
]

export const numberFunctions = functionTable({
  ABS: sameForAll("abs"),
  SIGN: [
    ["INT64 -> INT64", "CAST(sign($1) AS BIGINT)"],
    ["FLOAT64 -> FLOAT64", "bq_float64_sign($1)"],
    ["NUMERIC -> NUMERIC", "CAST(sign($1) AS DECIMAL(38,9))"],
    ["BIGNUMERIC -> BIGNUMERIC", "CAST(sign($1) AS DECIMAL(38,24))"]
  ],
  MOD: [["INT64, INT64 -> INT64", "bq_int64_mod($1, $2)"], ...decimalsOfTwo("mod")],
  DIV: [["INT64, INT64 -> INT64", "bq_int64_div($1, $2)"], ...decimalsOfTwo("div")],
  ROUND: [
    ...rounding("round"),
    ["NUMERIC, INT64, STRING -> NUMERIC", "bq_numeric_round_mode($1, $2, $3)"],
    ["BIGNUMERIC, INT64, STRING -> BIGNUMERIC", "bq_bignumeric_round_mode($1, $2, $3)"]
  ],
  TRUNC: rounding("trunc").filter(([notation]) => notation !== "FLOAT64, INT64 -> FLOAT64"),
  CEIL: [["FLOAT64 -> FLOAT64", "ceil($1)"], ...decimals("ceil")],
  CEILING: [["FLOAT64 -> FLOAT64", "ceil($1)"], ...decimals("ceil")],
  FLOOR: [["FLOAT64 -> FLOAT64", "floor($1)"], ...decimals("floor")],
  SQRT: [["FLOAT64 -> FLOAT64", "bq_sqrt($1)"]],
  EXP: [["FLOAT64 -> FLOAT64", "bq_exp($1)"]],
  LN: [["FLOAT64 -> FLOAT64", "bq_ln($1)"]],
  LOG: [
    ["FLOAT64 -> FLOAT64", "bq_ln($1)"],
    ["FLOAT64, FLOAT64 -> FLOAT64", "bq_log($1, $2)"]
  ],
  LOG10: [["FLOAT64 -> FLOAT64", "bq_log10($1)"]],
  POW: [["FLOAT64, FLOAT64 -> FLOAT64", "bq_pow($1, $2)"]],
  POWER: [["FLOAT64, FLOAT64 -> FLOAT64", "bq_pow($1, $2)"]],
  IEEE_DIVIDE: [["FLOAT64, FLOAT64 -> FLOAT64", "bq_ieee_divide($1, $2)"]],
  IS_NAN: [["FLOAT64 -> BOOL", "isnan($1)"]],
  IS_INF: [["FLOAT64 -> BOOL", "isinf($1)"]],
  BIT_COUNT: [["INT64 -> INT64", "CAST(bit_count($1) AS BIGINT)"]],
  RANGE_BUCKET: [
    ["INT64, [INT64] -> INT64", "bq_range_bucket_int64($1, $2)"],
    ["FLOAT64, [FLOAT64] -> INT64", "bq_range_bucket_float64($1, $2)"]
  ],
  PARSE_NUMERIC: [["STRING -> NUMERIC", "bq_string_to_numeric($1)"]],
  PARSE_BIGNUMERIC: [["STRING -> BIGNUMERIC", "bq_string_to_bignumeric($1)"]],
  GENERATE_ARRAY: [
    ["INT64, INT64 -> [INT64]", "bq_generate_array($1, $2, CAST(1 AS BIGINT))"],
    ["INT64, INT64, INT64 -> [INT64]", "bq_generate_array($1, $2, $3)"]
  ]
})

function decimalsOfTwo(name: string): ReadonlyArray<readonly [string, string]> {
  return ["NUMERIC", "BIGNUMERIC"].map(
    (kind) => [`${kind}, ${kind} -> ${kind}`, `bq_${kind.toLowerCase()}_${name}($1, $2)`] as const
  )
}
