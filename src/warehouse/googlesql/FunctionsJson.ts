/**
 * Functions on JSON, as text and as the type. A JSON value is kept as text; its numbers keep their source text.
 */
import * as Either from "effect/Either"
import { decimalText } from "./Casts.ts"
import { convert } from "./Coercion.ts"
import { functionTable } from "./Signatures.ts"
import { fieldOf } from "./Names.ts"
import type { Token } from "./Tokens.ts"
import { unsupported, type Translate, type Translator, type Typed } from "./Translator.ts"
import { quoteText, scalar, typeName } from "./Types.ts"

const pathed = (name: string, returns: string, ofJson = returns): ReadonlyArray<readonly [string, string]> => [
  [`STRING -> ${returns}`, `${name}($1, '$')`],
  [`STRING, STRING -> ${returns}`, `${name}($1, $2)`],
  [`JSON -> ${ofJson}`, `${name}($1, '$')`],
  [`JSON, STRING -> ${ofJson}`, `${name}($1, $2)`]
]

const valued: ReadonlyArray<readonly [string, string]> = [
  ["STRING -> STRING", "bq_json_value($1, '$')"],
  ["STRING, STRING -> STRING", "bq_json_value($1, $2)"],
  ["JSON -> STRING", "bq_json_value_of_json($1, '$')"],
  ["JSON, STRING -> STRING", "bq_json_value_of_json($1, $2)"]
]

const query = (name: string): ReadonlyArray<readonly [string, string]> => [
  ["STRING, STRING -> STRING", `${name}($1, $2)`],
  ["STRING -> STRING", `${name}($1, '$')`],
  ["JSON, STRING -> JSON", `${name}_of_json($1, $2)`],
  ["JSON -> JSON", `${name}_of_json($1, '$')`]
]

export const jsonFunctions = functionTable({
  JSON_VALUE: valued,
  JSON_EXTRACT_SCALAR: valued,
  JSON_QUERY: query("bq_json_query"),
  JSON_EXTRACT: query("bq_json_query"),
  JSON_VALUE_ARRAY: pathed("bq_json_value_array", "[STRING]"),
  JSON_EXTRACT_STRING_ARRAY: pathed("bq_json_value_array", "[STRING]"),
  JSON_QUERY_ARRAY: pathed("bq_json_query_array", "[STRING]", "[JSON]"),
  JSON_EXTRACT_ARRAY: pathed("bq_json_query_array", "[STRING]", "[JSON]"),
  PARSE_JSON: [
    ["STRING -> JSON", "bq_parse_json($1, 'exact')"],
    ["STRING, STRING -> JSON", "bq_parse_json($1, $2)"]
  ],
  JSON_TYPE: [["JSON -> STRING", "bq_json_type($1)"]],
  JSON_KEYS: [
    ["JSON -> [STRING]", "bq_json_keys($1, CAST(500 AS BIGINT))"],
    ["JSON, INT64 -> [STRING]", "bq_json_keys($1, $2)"]
  ],
  STRING: [["JSON -> STRING", "bq_json_to_string($1)"]],
  INT64: [["JSON -> INT64", "bq_json_to_int64($1)"]],
  FLOAT64: [["JSON -> FLOAT64", "bq_json_to_float64($1)"]],
  DOUBLE: [["JSON -> FLOAT64", "bq_json_to_float64($1)"]],
  BOOL: [["JSON -> BOOL", "bq_json_to_bool($1)"]],
  LAX_STRING: [["JSON -> STRING", "bq_lax_string($1)"]],
  LAX_INT64: [["JSON -> INT64", "bq_lax_int64($1)"]],
  LAX_FLOAT64: [["JSON -> FLOAT64", "bq_lax_float64($1)"]],
  LAX_BOOL: [["JSON -> BOOL", "bq_lax_bool($1)"]],
  JSON_REMOVE: [["JSON, STRING -> JSON", "bq_json_remove($1, $2)"]]
})

/** SQL that uses a value several times and evaluates it once. */
const once = (sql: string, use: (value: string) => string): string =>
  isColumn(sql) ? use(sql) : `list_transform([${sql}], lambda cell: ${use("cell")})[1]`

const isColumn = (sql: string): boolean => /^"[^"]+"\."[^"]+"$/.test(sql)

/** A text between quotes. The engine writes other control characters than BigQuery does, and those are rare. */
const quoted = (text: string): string => {
  const written = `CAST(to_json(${text}) AS VARCHAR)`
  return `CASE WHEN contains(${written}, '\\u00') OR contains(${text}, chr(127)) THEN bq_json_of_string(${text}) ELSE ${written} END`
}

/** A decimal as a number of JSON; the engine writes most of them itself. */
const jsonDecimal = (text: string): string =>
  `CASE WHEN length(${text}) <= ${FLOAT64_DIGITS} AND NOT contains(${text}, '0.0000') THEN ${text} ELSE bq_json_of_decimal(${text}, TRUE) END`

const FLOAT64_DIGITS = 15

/** SQL of a value's JSON text: `asJson` as the JSON type keeps it, else as TO_JSON_STRING writes it, which quotes what a FLOAT64 may not hold. */
export const jsonText = (t: Translator, at: Token, value: Typed, asJson: boolean): Translate<string> =>
  Either.gen(function* () {
    const { sql, type } = value
    const orNull = (text: string) => `coalesce(${text}, 'null')`
    switch (type.kind) {
      case "NULL":
        return "'null'"
      case "BOOL":
        return orNull(`CAST(${sql} AS VARCHAR)`)
      case "INT64":
        return orNull(asJson ? `CAST(${sql} AS VARCHAR)` : `bq_json_of_int64(${sql})`)
      case "FLOAT64":
        return orNull(`bq_json_of_float64(${sql}, ${asJson ? "TRUE" : "FALSE"})`)
      case "NUMERIC":
      case "BIGNUMERIC":
        return orNull(asJson ? once(decimalText(sql), jsonDecimal) : `bq_json_of_decimal(${decimalText(sql)}, FALSE)`)
      case "STRING":
        return orNull(once(sql, quoted))
      case "BYTES":
        return orNull(`('"' || to_base64(${sql}) || '"')`)
      case "DATE":
        return orNull(`('"' || strftime(${sql}, '%Y-%m-%d') || '"')`)
      case "TIMESTAMP":
        return orNull(`('"' || bq_timestamp_to_iso(${sql}) || '"')`)
      case "DATETIME":
        return orNull(`('"' || replace(bq_datetime_to_string(${sql}), ' ', 'T') || '"')`)
      case "TIME":
        return orNull(`('"' || bq_time_to_string(${sql}) || '"')`)
      case "JSON":
        return orNull(`CAST(${sql} AS VARCHAR)`)
      case "ARRAY": {
        const element = yield* jsonText(t, at, { sql: "element", type: type.element }, asJson)
        return `coalesce('[' || list_aggregate(list_transform(${sql}, lambda element: ${element}), 'string_agg', ',') || ']', '[]')`
      }
      case "STRUCT": {
        const fields: Array<string> = []
        for (const [index, field] of type.fields.entries()) {
          const text = yield* jsonText(t, at, value.parts?.[index] ?? fieldOf(value, index, field), asJson)
          fields.push(`${quoteText(`${JSON.stringify(field.name)}:`)} || ${text}`)
        }
        const object = `('{' || ${fields.join(" || ',' || ")} || '}')`
        return value.parts === undefined ? `CASE WHEN ${sql} IS NULL THEN 'null' ELSE ${object} END` : object
      }
      default:
        return yield* unsupported(t, at, `JSON of ${typeName(type)}`)
    }
  })

/** JSON_OBJECT('key', value, ...). */
export const jsonObject = (t: Translator, at: Token, args: ReadonlyArray<Typed>): Translate<Typed> =>
  Either.gen(function* () {
    if (args.length % 2 !== 0 || args.some((arg, index) => index % 2 === 0 && arg.type.kind !== "STRING")) {
      return yield* unsupported(t, at, "this form of JSON_OBJECT")
    }
    const fields: Array<string> = []
    const names = new Set<string>()
    for (let index = 0; index < args.length; index += 2) {
      const key = args[index]
      const value = args[index + 1]
      if (key === undefined || value === undefined) continue
      if (key.text === undefined || names.has(key.text))
        return yield* unsupported(t, at, "a JSON_OBJECT key that is no literal or is there twice")
      names.add(key.text)
      const name = yield* convert(t, at, key, scalar("STRING"), "JSON key")
      fields.push(`bq_json_of_string(${name}) || ':' || ${yield* jsonText(t, at, value, true)}`)
    }
    return {
      sql: `CAST('{' || ${fields.length === 0 ? "''" : fields.join(" || ',' || ")} || '}' AS JSON)`,
      type: scalar("JSON")
    }
  })

/** JSON_ARRAY(value, ...). */
export const jsonArray = (t: Translator, at: Token, args: ReadonlyArray<Typed>): Translate<Typed> =>
  Either.gen(function* () {
    const items: Array<string> = []
    for (const arg of args) items.push(yield* jsonText(t, at, arg, true))
    return {
      sql: `CAST('[' || ${items.length === 0 ? "''" : items.join(" || ',' || ")} || ']' AS JSON)`,
      type: scalar("JSON")
    }
  })

/** A JSONPath that is a literal is checked when the statement is translated. */
export const checkPath = (t: Translator, at: Token, path: Typed): Translate<void> =>
  path.literal !== "string" ||
  /^(lax |strict )?\$((\.[A-Za-z_0-9$-]+)|(\."[^"\\]*")|(\[\d+\])|(\['[^'\\]*'\])|(\["[^"\\]*"\]))*$/.test(
    path.text ?? ""
  )
    ? /^(lax|strict) /.test(path.text ?? "")
      ? unsupported(t, at, "a JSONPath mode")
      : Either.right(undefined)
    : unsupported(t, at, `Unsupported or invalid JSONPath '${path.text ?? ""}'`)

/** An object of one text without escapes is as it is parsed, and the engine sees that with all its threads. */
const plainMember = String.raw`\{"[ !#-\[\]-~]*":"[ !#-\[\]-~]*"\}`

/** PARSE_JSON of a column: most discounts and labels are such objects. */
export const withPlainTest = (result: Typed, args: ReadonlyArray<Typed>): Typed => {
  const [source, mode] = args
  const isKnownMode = mode === undefined || mode.text === "exact" || mode.text === "round"
  return source !== undefined && isKnownMode && isColumn(source.sql)
    ? {
        ...result,
        sql: `(CASE WHEN regexp_full_match(${source.sql}, ${quoteText(plainMember)}) THEN CAST(${source.sql} AS JSON) ELSE ${result.sql} END)`
      }
    : result
}

/** JSON_VALUE of a key asks the engine first whether the text holds the key at all: most tags are on few rows. */
export const withKeyTest = (result: Typed, args: ReadonlyArray<Typed>): Typed => {
  const [source, path] = args
  const key = /^\$(?:\.[A-Za-z_]\w*)*\.([A-Za-z_]\w*)$/.exec(path?.literal === "string" ? (path.text ?? "") : "")?.[1]
  if (source === undefined || key === undefined) return result
  const text = source.type.kind === "JSON" ? `CAST(${source.sql} AS VARCHAR)` : source.sql
  return {
    ...result,
    sql: `(CASE WHEN contains(${text}, '"${key}"') OR contains(${text}, '\\') THEN ${result.sql} END)`
  }
}
