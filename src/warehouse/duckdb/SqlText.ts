/**
 * Small pieces of DuckDB's SQL: quoted names, literals, types.
 */
import type { ColumnType } from "../Table.ts"

/** A quoted identifier. */
export const name = (identifier: string): string => `"${identifier.replaceAll('"', '""')}"`

/** A string literal. */
export const text = (value: string): string => `'${value.replaceAll("'", "''")}'`

/** A list of string literals, without brackets. */
export const texts = (values: Iterable<string>): string => Array.from(values, text).join(", ")

/** DuckDB's type for each type of a declaration. NUMERIC keeps 9 decimals, BIGNUMERIC 24 and 14 digits before the point; beyond is an error. */
export const typeOf: Readonly<Record<ColumnType, string>> = {
  STRING: "VARCHAR",
  INT64: "BIGINT",
  NUMERIC: "DECIMAL(38,9)",
  BIGNUMERIC: "DECIMAL(38,24)",
  FLOAT64: "DOUBLE",
  BOOL: "BOOLEAN",
  DATE: "DATE",
  TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
  JSON: "JSON",
  BYTES: "BLOB",
  "ARRAY<STRING>": "VARCHAR[]"
}

/** Each thread reads JSON into buffers of twice this size; a longer line gets a larger one. */
const JSON_LINE_BYTES = 4 * 1024 ** 2

/** A relation of the lines of a JSON file; `options` are more of the reader's. */
export const readNdjson = (path: string, options: string): string =>
  `read_json(${text(path)}, format = 'newline_delimited', maximum_object_size = ${JSON_LINE_BYTES}, ${options})`
