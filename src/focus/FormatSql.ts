/**
 * The value formats of FOCUS as GoogleSQL. A column of a fitting stored type meets its format by being stored, so nothing is asked of its
 * rows; a column that is stored as text (a file as somebody delivered it) is read.
 */
import type { ColumnType } from "../warehouse/Table.ts"
import type { Format } from "./Expression.ts"
import { and, not, pattern } from "./SqlText.ts"

const numeric = "^-?([0-9]+\\.?[0-9]*|\\.[0-9]+)([Ee]-?[0-9]+)?$"
const datetime = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"

/** `GB`, `1000 Requests`, `GB-Months`, `GB/Hour`: words, a quantity before them, a unit of time after a hyphen or a slash. */
const unit = "^([1-9][0-9]* )?[A-Za-z][A-Za-z0-9]*([ -][A-Za-z0-9]+)*(/([1-9][0-9]* )?[A-Za-z]+)?$"
/** Spellings that the specification has another word for. */
const unitMisspelt =
  "(^|[ -])([Hh]rs?|[Mm]os?|[Mm]ths?|hours?|months?|days?|Hour|Month|Day|Year|Minute|Second|Request)$"

const string = '"([^"\\\\]|\\\\.)*"'
const scalar = `(${string}|-?[0-9][0-9.eE+-]*|true|false|null)`
const member = `${string}\\s*:\\s*${scalar}\\s*`
/** A JSON object whose values are no objects and no arrays. */
const flatObject = `^\\s*\\{\\s*(${member}(,\\s*${member})*)?\\}\\s*$`

const matches = (value: string, source: string) => `REGEXP_CONTAINS(${value}, ${pattern(source)})`

/** The text follows the numeric format. */
export const isNumericText = (value: string): string => matches(value, numeric)

/** The text follows the unit format. */
export const isUnitText = (value: string): string => and([matches(value, unit), not(matches(value, unitMisspelt))])

/** The text is a flat JSON object. */
export const isFlatObjectText = (value: string): string => matches(value, flatObject)

/** The column as a decimal; text that is none is NULL. */
export const decimal = (sql: string, type: ColumnType | undefined): string =>
  type === "STRING" ? `SAFE_CAST(${sql} AS BIGNUMERIC)` : sql

/** The column as a point in time; text that is none is NULL. */
export const timestamp = (sql: string, type: ColumnType | undefined): string =>
  type === "STRING" ? `SAFE_CAST(${sql} AS TIMESTAMP)` : sql

/** The column as JSON; text that is not JSON is NULL. */
export const json = (sql: string, type: ColumnType | undefined): string =>
  type === "STRING" ? `SAFE.PARSE_JSON(${sql}, wide_number_mode => 'round')` : sql

const numericTypes: ReadonlyArray<ColumnType> = ["INT64", "NUMERIC", "BIGNUMERIC", "FLOAT64"]

/** Does a value that is not null have the format? TRUE or FALSE when the stored type alone decides. */
export const hasFormat = (format: Format, sql: string, type: ColumnType): string => {
  switch (format) {
    case "string":
      return type === "STRING" || type === "JSON" ? "TRUE" : "FALSE"
    case "numeric":
      return type === "STRING" ? matches(sql, numeric) : numericTypes.includes(type) ? "TRUE" : "FALSE"
    case "datetime":
      return type === "STRING" ? matches(sql, datetime) : type === "TIMESTAMP" ? "TRUE" : "FALSE"
    case "unit":
      return isUnitText(sql)
    case "key_value":
      return isFlatObjectText(type === "JSON" ? `TO_JSON_STRING(${sql})` : sql)
    case "json_object":
      return `COALESCE(JSON_TYPE(${json(sql, type)}), '') = 'object'`
  }
}
