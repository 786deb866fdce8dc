/**
 * How the text of a native cell becomes a value of a column: the SQL of the value, and the SQL that tells whether the text can be one.
 */
import type { ColumnType } from "../Table.ts"
import { typeOf } from "./SqlText.ts"

/** `YYYYMM`. */
const MONTH_CHARACTERS = 6

const firstDay = (cell: string): string => `TRY_CAST(${cell}[1:4] || '-' || ${cell}[5:6] || '-01' AS DATE)`

/** Some exports leave out the seconds: `2023-11-13T10:00`, `2023-11-13T10:00Z`. */
const instant = (cell: string): string =>
  `TRY_CAST(CASE WHEN length(${cell}) BETWEEN 16 AND 17 THEN ${cell}[1:16] || ':00' || ${cell}[17:] ELSE ${cell} END AS TIMESTAMPTZ)`

/** Digits before and after the point that a decimal type holds. */
const decimalDigits = { NUMERIC: [29, 9], BIGNUMERIC: [14, 24] } as const

/**
 * SQL of the typed value of `cell`, a VARCHAR expression whose NULL is the missing value. Correct only where {@link unreadable} does not hold:
 * a decimal with more digits than the type would be rounded.
 */
export const value = (cell: string, type: ColumnType): string => {
  switch (type) {
    case "STRING":
      return cell
    case "DATE":
      return (
        `CASE length(${cell}) WHEN 10 THEN TRY_CAST(${cell} AS DATE) WHEN ${MONTH_CHARACTERS} THEN ${firstDay(cell)} ` +
        `ELSE CAST(make_timestamp(epoch_us(${instant(cell)})) AS DATE) END`
      )
    case "TIMESTAMP":
      return instant(cell)
    case "BYTES":
      return `TRY(from_base64(${cell}))`
    case "ARRAY<STRING>":
      return `TRY(from_json(${cell}, '["VARCHAR"]'))`
    case "NUMERIC":
    case "BIGNUMERIC":
      return decimal(cell, type)
    default:
      return `TRY_CAST(${cell} AS ${typeOf[type]})`
  }
}

/** Decimals of the 64-bit types that are tried first: one for prices and costs, one for large quantities. */
const fastDecimals = { NUMERIC: [9, 4], BIGNUMERIC: [12, 6] } as const

/**
 * Most numbers are short. The engine reads 128 bits digit by digit, zeros that are not there included, for eighty times the time of 64
 * bits; so it tries these first, where they hold all decimals. A cell that is empty, as most are, is asked nothing more.
 */
const decimal = (cell: string, type: keyof typeof fastDecimals): string => {
  const [long, short] = fastDecimals[type]
  const whole = `TRY_CAST(${cell} AS ${typeOf[type]})`
  return (
    `CASE WHEN ${cell} IS NULL THEN NULL ` +
    `WHEN instr(${cell}, '.') >= length(${cell}) - ${long} AND NOT contains(${cell}, 'e') AND NOT contains(${cell}, 'E') ` +
    `THEN coalesce(TRY_CAST(${cell} AS DECIMAL(18,${long})), ` +
    `CASE WHEN instr(${cell}, '.') NOT BETWEEN 1 AND length(${cell}) - ${short + 1} THEN TRY_CAST(${cell} AS DECIMAL(18,${short})) END, ${whole}) ` +
    `ELSE ${whole} END`
  )
}

/**
 * SQL of whether a `cell` that is there is not a value of the type, exactly. The cheap test comes first: where it holds, the engine
 * does not evaluate the rest. Undefined for a type that every text is a value of. `rounded` allows more decimals than the type holds.
 */
export const unreadable = (cell: string, type: ColumnType, rounded = false): string | undefined => {
  const isNot = (test: string) => `${cell} IS NOT NULL AND (${test}) IS NOT TRUE`
  switch (type) {
    case "STRING":
      return undefined
    case "NUMERIC":
    case "BIGNUMERIC": {
      const [before, after] = decimalDigits[type]
      const plain = `regexp_full_match(${cell}, '-?[0-9]{1,${before}}(\\.[0-9]{0,${after}})?')`
      const fits = rounded ? numberPattern(cell) : exactDecimal(cell, after)
      return `NOT ${plain} AND ${isNot(`${fits} AND ${value(cell, type)} IS NOT NULL`)}`
    }
    case "INT64":
      // A cast alone would round 1.5 to 2.
      return isNot(`regexp_full_match(${cell}, '[+-]?[0-9]+(\\.0*)?') AND ${value(cell, type)} IS NOT NULL`)
    case "FLOAT64":
      return isNot(`isfinite(${value(cell, type)})`)
    case "DATE":
      return isNot(
        `(length(${cell}) = ${MONTH_CHARACTERS} OR ${isLongEnough(cell)}) AND ${value(cell, type)} IS NOT NULL`
      )
    case "TIMESTAMP":
      return isNot(`${isLongEnough(cell)} AND ${value(cell, type)} IS NOT NULL`)
    case "JSON":
      return `NOT json_valid(${cell})`
    default:
      return isNot(`${value(cell, type)} IS NOT NULL`)
  }
}

/**
 * SQL of whether a number, perhaps in E notation, has at most `scale` decimals when the zeros at its end are not counted. With the
 * mantissa's digits d, f of them after its point, z zeros at their end and the exponent e, it has f - e - z decimals.
 */
const exactDecimal = (cell: string, scale: number): string => {
  const mantissa = `regexp_extract(${cell}, '^[+-]?([0-9]*\\.?[0-9]*)', 1)`
  const exponent = `coalesce(TRY_CAST(nullif(regexp_extract(${cell}, '[eE]([+-]?[0-9]+)$', 1), '') AS INTEGER), 0)`
  const digits = `replace(${mantissa}, '.', '')`
  return (
    `(${numberPattern(cell)} AND (` +
    `rtrim(${digits}, '0') = '' OR length(split_part(${mantissa}, '.', 2)) - ${exponent} - ` +
    `(length(${digits}) - length(rtrim(${digits}, '0'))) <= ${scale}))`
  )
}

/** The engine also knows the words epoch, infinity and -infinity, which are shorter than any date. */
const isLongEnough = (cell: string): string => `length(${cell}) >= 10`

const numberPattern = (cell: string): string =>
  `regexp_full_match(${cell}, '[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]{1,3})?')`

/** The kind of value in words, for the reason of a quarantined row. */
export const kindOf: Readonly<Record<ColumnType, string>> = {
  STRING: "a text",
  INT64: "a whole number",
  NUMERIC: "a decimal of at most 9 decimals",
  BIGNUMERIC: "a decimal of at most 24 decimals and 14 digits before the point",
  FLOAT64: "a number",
  BOOL: "true or false",
  DATE: "a date",
  TIMESTAMP: "a timestamp",
  JSON: "JSON",
  BYTES: "base64",
  "ARRAY<STRING>": "a JSON list of texts"
}
