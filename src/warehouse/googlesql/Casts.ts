/**
 * CAST and SAFE_CAST. Every pair of types is either native, a function of the prelude, or refused.
 */
import * as Either from "effect/Either"
import { coerce, fits, packStruct } from "./Coercion.ts"
import { fieldOf } from "./Names.ts"
import type { Token } from "./Tokens.ts"
import { rejected, unsupported, type Translate, type Translator, type Typed } from "./Translator.ts"
import { arrayOf, duckType, sameType, typeName, type SqlType } from "./Types.ts"

/** SQL of a decimal's text, without zeros at its end. */
export function decimalText(sql: string): string {
  return `rtrim(rtrim(CAST(${sql} AS VARCHAR), '0'), '.')`
}

/** SQL of a cast that DuckDB does as BigQuery does; `$` is the value. */
const native: Readonly<Record<string, string>> = {
  "INT64>BOOL": "($ != 0)",
  "INT64>FLOAT64": "CAST($ AS DOUBLE)",
  "INT64>NUMERIC": "CAST($ AS DECIMAL(38,9))",
  "INT64>BIGNUMERIC": "CAST($ AS DECIMAL(38,24))",
  "INT64>STRING": "CAST($ AS VARCHAR)",
  "BOOL>INT64": "CAST($ AS BIGINT)",
  "BOOL>STRING": "CAST($ AS VARCHAR)",
  "NUMERIC>BIGNUMERIC": "CAST($ AS DECIMAL(38,24))",
  "BIGNUMERIC>NUMERIC": "CAST($ AS DECIMAL(38,9))",
  "NUMERIC>FLOAT64": "CAST(CAST($ AS VARCHAR) AS DOUBLE)",
  "BIGNUMERIC>FLOAT64": "CAST(CAST($ AS VARCHAR) AS DOUBLE)",
  "NUMERIC>STRING": decimalText("$"),
  "BIGNUMERIC>STRING": decimalText("$"),
  "STRING>BYTES": "encode($)",
  "DATE>STRING": "strftime($, '%Y-%m-%d')",
  "DATE>DATETIME": "CAST($ AS TIMESTAMP)",
  "DATE>TIMESTAMP": "timezone('UTC', CAST($ AS TIMESTAMP))",
  "DATETIME>DATE": "CAST($ AS DATE)",
  "DATETIME>TIME": "CAST($ AS TIME)",
  "DATETIME>TIMESTAMP": "timezone('UTC', $)",
  "TIMESTAMP>DATE": "CAST(make_timestamp(epoch_us($)) AS DATE)",
  "TIMESTAMP>DATETIME": "make_timestamp(epoch_us($))",
  "TIMESTAMP>TIME": "CAST(make_timestamp(epoch_us($)) AS TIME)"
}

/** Functions of the prelude; those that can fail have a `_safe` twin. */
const functions: Readonly<Record<string, { readonly name: string; readonly fails: boolean }>> = {
  "FLOAT64>INT64": { name: "bq_float64_to_int64", fails: true },
  "FLOAT64>STRING": { name: "bq_float64_to_string", fails: false },
  "FLOAT64>NUMERIC": { name: "bq_float64_to_numeric", fails: true },
  "FLOAT64>BIGNUMERIC": { name: "bq_float64_to_bignumeric", fails: true },
  "NUMERIC>INT64": { name: "bq_numeric_to_int64", fails: true },
  "BIGNUMERIC>INT64": { name: "bq_bignumeric_to_int64", fails: true },
  "STRING>INT64": { name: "bq_string_to_int64", fails: true },
  "STRING>FLOAT64": { name: "bq_string_to_float64", fails: true },
  "STRING>NUMERIC": { name: "bq_string_to_numeric", fails: true },
  "STRING>BIGNUMERIC": { name: "bq_string_to_bignumeric", fails: true },
  "STRING>BOOL": { name: "bq_string_to_bool", fails: true },
  "STRING>DATE": { name: "bq_string_to_date", fails: true },
  "STRING>DATETIME": { name: "bq_string_to_datetime", fails: true },
  "STRING>TIME": { name: "bq_string_to_time", fails: true },
  "STRING>TIMESTAMP": { name: "bq_timestamp_from_string", fails: true },
  "BYTES>STRING": { name: "bq_bytes_to_string", fails: true },
  "DATETIME>STRING": { name: "bq_datetime_to_string", fails: false },
  "TIME>STRING": { name: "bq_time_to_string", fails: false },
  "TIMESTAMP>STRING": { name: "bq_timestamp_to_string", fails: false }
}

/** `CAST(value AS target)`. */
export const castTo = (t: Translator, at: Token, value: Typed, target: SqlType, safe: boolean): Translate<Typed> =>
  Either.gen(function* () {
    if (value.type.kind === "NULL") return { sql: `CAST(NULL AS ${duckType(target)})`, type: target }
    if (value.operands !== undefined && target.kind === "NUMERIC" && value.type.kind === "BIGNUMERIC") {
      const { operation, left, right, safe: inner } = value.operands
      const sql = `bq_bignumeric_${operation}_round${inner ? "_safe" : ""}(${left}, ${right}, 9)`
      return { sql: `CAST(${sql} AS DECIMAL(38,9))`, type: target }
    }
    if (sameType(value.type, target))
      return { sql: value.parts === undefined ? value.sql : yield* coerce(t, at, value, target), type: target }
    if (target.kind === "ARRAY") {
      if (
        value.type.kind === "ARRAY" &&
        (value.type.element.kind === "NULL" || (value.parts !== undefined && fits(value, target, false)))
      ) {
        return { sql: yield* coerce(t, at, value, target), type: target }
      }
      if (value.type.kind !== "ARRAY") return yield* noCast(t, at, value, target)
      const element = yield* castTo(t, at, { sql: "element", type: value.type.element }, target.element, safe)
      return { sql: `list_transform(${value.sql}, lambda element: ${element.sql})`, type: arrayOf(target.element) }
    }
    if (target.kind === "STRUCT") {
      if (value.type.kind !== "STRUCT" || value.type.fields.length !== target.fields.length)
        return yield* noCast(t, at, value, target)
      const fields: Array<string> = []
      for (const [index, field] of value.type.fields.entries()) {
        const part = value.parts?.[index] ?? fieldOf(value, index, field)
        fields.push((yield* castTo(t, at, part, target.fields[index]?.type ?? field.type, safe)).sql)
      }
      const packed = packStruct(target, fields)
      return {
        sql: value.parts === undefined ? `CASE WHEN ${value.sql} IS NULL THEN NULL ELSE ${packed} END` : packed,
        type: target
      }
    }
    // DATE '...' written as a cast of a literal.
    if (
      value.literal === "float" &&
      value.text !== undefined &&
      (target.kind === "NUMERIC" || target.kind === "BIGNUMERIC")
    ) {
      return target.kind === "NUMERIC" && fits(value, target, true)
        ? { sql: yield* coerce(t, at, value, target), type: target }
        : yield* unsupported(t, at, "a FLOAT64 literal cast to BIGNUMERIC; write it as BIGNUMERIC '...'")
    }
    const pair = `${value.type.kind}>${target.kind}`
    const sql = native[pair]
    if (sql !== undefined) return { sql: sql.replace("$", () => value.sql), type: target }
    const call = functions[pair]
    if (call !== undefined)
      return { sql: `${call.name}${safe && call.fails ? "_safe" : ""}(${value.sql})`, type: target }
    return yield* noCast(t, at, value, target)
  })

const noCast = (t: Translator, at: Token, value: Typed, target: SqlType) =>
  value.type.kind === "JSON" || target.kind === "JSON" || value.type.kind === "STRUCT" || target.kind === "STRUCT"
    ? rejected(t, at, `Invalid cast from ${typeName(value.type)} to ${typeName(target)}`)
    : unsupported(t, at, `a cast from ${typeName(value.type)} to ${typeName(target)}`)
