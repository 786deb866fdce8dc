/**
 * How a value becomes another type by itself or by a cast that always succeeds.
 */
import * as Either from "effect/Either"
import { plainDecimal } from "./DecimalText.ts"
import { fieldOf } from "./Names.ts"
import type { Token } from "./Tokens.ts"
import {
  invalid as invalidStatement,
  rejected,
  unsupported,
  type Translate,
  type Translator,
  type Typed
} from "./Translator.ts"
import {
  duckType,
  fieldName,
  isNumeric,
  quoteName,
  quoteText,
  sameType,
  scalar,
  supertype,
  typeName,
  widens,
  type SqlType
} from "./Types.ts"

/** Whether the value may stand where `target` is expected, literals included. */
export const fits = (value: Typed, target: SqlType, literals: boolean): boolean => {
  if (widens(value.type, target)) return true
  if (value.parts !== undefined) {
    const parts = value.parts
    if (target.kind === "ARRAY" && value.type.kind === "ARRAY")
      return parts.every((part) => fits(part, target.element, literals))
    if (target.kind === "STRUCT" && value.type.kind === "STRUCT" && target.fields.length === parts.length) {
      return target.fields.every((field, index) => {
        const part = parts[index]
        return part !== undefined && fits(part, field.type, literals)
      })
    }
  }
  if (target.kind === "ARRAY" && value.type.kind === "ARRAY" && value.type.element.kind === "NULL") return true
  if (!literals || value.literal === undefined) return false
  return value.literal === "string"
    ? target.kind === "DATE" ||
        target.kind === "DATETIME" ||
        target.kind === "TIMESTAMP" ||
        target.kind === "TIME" ||
        target.kind === "BYTES"
    : value.literal === "float" && isNumeric(target) && target.kind !== "INT64"
}

/** The value as the target type; the caller has checked `fits`. */
export const coerce = (t: Translator, at: Token, value: Typed, target: SqlType): Translate<string> => {
  if (sameType(value.type, target) && value.type.kind !== "NULL" && value.type.kind !== "STRUCT")
    return Either.right(value.sql)
  if (value.type.kind === "NULL") return Either.right(`CAST(NULL AS ${duckType(target)})`)
  if (value.literal === "string" && target.kind !== "STRING" && value.text !== undefined) {
    return typedLiteral(t, at, target, value.text)
  }
  if (
    value.literal === "float" &&
    value.text !== undefined &&
    (target.kind === "NUMERIC" || target.kind === "BIGNUMERIC")
  ) {
    return exactDecimal(value.text, target.kind)
      ? typedLiteral(t, at, target, value.text)
      : unsupported(t, at, `the FLOAT64 literal ${value.text} as ${target.kind}; write it as ${target.kind} '...'`)
  }
  if (isNumeric(value.type) && target.kind === "FLOAT64") {
    return Either.right(
      value.type.kind === "INT64" ? `CAST(${value.sql} AS DOUBLE)` : `CAST(CAST(${value.sql} AS VARCHAR) AS DOUBLE)`
    )
  }
  if (isNumeric(value.type) && isNumeric(target)) return Either.right(`CAST(${value.sql} AS ${duckType(target)})`)
  if (target.kind === "ARRAY" && value.parts !== undefined) {
    return Either.map(
      Either.all(value.parts.map((part) => coerce(t, at, part, target.element))),
      (parts) => `CAST([${parts.join(", ")}] AS ${duckType(target)})`
    )
  }
  if (target.kind === "STRUCT" && value.parts !== undefined) {
    return Either.map(
      Either.all(value.parts.map((part, index) => coerce(t, at, part, target.fields[index]?.type ?? part.type))),
      (parts) => packStruct(target, parts)
    )
  }
  if (target.kind === "STRUCT" && value.type.kind === "STRUCT") {
    if (sameType(value.type, target)) return Either.right(value.sql)
    return Either.map(
      Either.all(
        value.type.fields.map((field, index) =>
          coerce(t, at, fieldOf(value, index, field), target.fields[index]?.type ?? field.type)
        )
      ),
      (fields) => `CASE WHEN ${value.sql} IS NULL THEN NULL ELSE ${packStruct(target, fields)} END`
    )
  }
  if (target.kind === "ARRAY" && value.type.kind === "ARRAY")
    return Either.right(`CAST(${value.sql} AS ${duckType(target)})`)
  return unsupported(t, at, `a value of ${typeName(value.type)} as ${typeName(target)}`)
}

/** The value as the target type, or the reason why not. */
export const convert = (t: Translator, at: Token, value: Typed, target: SqlType, what: string): Translate<string> =>
  fits(value, target, true)
    ? coerce(t, at, value, target)
    : rejected(t, at, `${what} of type ${typeName(value.type)} cannot be coerced to ${typeName(target)}`)

/** A struct value of the type, from its fields' SQL. */
export const packStruct = (type: SqlType & { readonly kind: "STRUCT" }, fields: ReadonlyArray<string>): string =>
  `struct_pack(${type.fields.map((field, index) => `${quoteName(fieldName(field, index))} := ${fields[index] ?? "NULL"}`).join(", ")})`

/**
 * Whether a FLOAT64 literal becomes the decimal that it looks like: at nine decimals when it has so few digits that rounding restores them,
 * as BIGNUMERIC only when the binary value is that very decimal.
 */
const exactDecimal = (text: string, kind: "NUMERIC" | "BIGNUMERIC"): boolean => {
  const number = plainDecimal(text)
  if (number === undefined) return false
  const { digits, scale } = number
  if (digits < 2n ** 53n && digits % 5n ** BigInt(scale) === 0n) return true
  return kind === "NUMERIC" && scale <= 9 && digits < 10n ** 15n && digits < 10n ** BigInt(6 + scale)
}

/** The common type of several values, as of the branches of a CASE or the items of an array. */
export const commonType = (
  t: Translator,
  at: Token,
  values: ReadonlyArray<Typed>,
  what: string
): Translate<SqlType> => {
  const pick = (candidates: ReadonlyArray<Typed>): SqlType | undefined => {
    let type: SqlType | undefined = { kind: "NULL" }
    for (const value of candidates) type = type === undefined ? undefined : supertype(type, value.type)
    return type
  }
  const firm = values.filter((value) => value.literal === undefined && value.type.kind !== "NULL")
  const literals = values.filter((value) => value.literal !== undefined)
  const firmType = pick(firm)
  if (firm.length > 0 && firmType !== undefined && literals.some((literal) => literal.literal === "float")) {
    if (firmType.kind === "INT64" || firmType.kind === "NULL") {
      const all = pick(values)
      return all === undefined ? rejected(t, at, `No common supertype for ${what}`) : Either.right(all)
    }
  }
  if (
    firmType !== undefined &&
    firmType.kind !== "NULL" &&
    literals.every((literal) => fits(literal, firmType, true))
  ) {
    return Either.right(firmType)
  }
  const type = pick(values)
  if (type !== undefined) return Either.right(type)
  // Struct and array constructors unify by their parts.
  const constructed = values.find((value) => value.parts !== undefined)
  const shape = values.find(
    (value) => value.type.kind !== "NULL" && values.every((other) => fits(other, value.type, true))
  )
  if (shape !== undefined && constructed !== undefined) return Either.right(shape.type)
  return rejected(
    t,
    at,
    `No common supertype for ${what} of types ${values.map((value) => typeName(value.type)).join(", ")}`
  )
}

/** All values as their common type. */
export const unify = (
  t: Translator,
  at: Token,
  values: ReadonlyArray<Typed>,
  what: string
): Translate<{ readonly type: SqlType; readonly sql: ReadonlyArray<string> }> =>
  Either.gen(function* () {
    const type = yield* commonType(t, at, values, what)
    const sql: Array<string> = []
    for (const value of values) sql.push(yield* convert(t, at, value, type, what))
    return { type, sql }
  })

const invalid = (t: Translator, at: Token, type: string, text: string) =>
  rejected(t, at, `Invalid ${type} literal "${text}"`)

/** A literal of a type from its text, as in DATE '...' or BIGNUMERIC '...'. */
export const typedLiteral = (t: Translator, at: Token, type: SqlType, text: string): Translate<string> => {
  switch (type.kind) {
    case "NUMERIC":
    case "BIGNUMERIC": {
      const number = plainDecimal(text)
      if (number === undefined) return invalid(t, at, type.kind, text)
      const limit = type.kind === "NUMERIC" ? { scale: 9, whole: 29 } : { scale: 24, whole: 14 }
      if (number.scale > limit.scale || number.digits >= 10n ** BigInt(limit.whole + number.scale)) {
        return type.kind === "NUMERIC" && number.scale > 9
          ? invalid(t, at, type.kind, text)
          : unsupported(
              t,
              at,
              `a ${type.kind} with more than ${limit.whole} digits before or ${limit.scale} after the point`
            )
      }
      const padded = number.digits.toString().padStart(number.scale + 1, "0")
      const whole = padded.slice(0, padded.length - number.scale)
      const fraction = number.scale === 0 ? "" : `.${padded.slice(padded.length - number.scale)}`
      return Either.right(`CAST('${number.negative ? "-" : ""}${whole}${fraction}' AS ${duckType(type)})`)
    }
    case "DATE": {
      const match = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(text)
      return match === null || !validDate(match[1], match[2], match[3])
        ? badTime(t, at, type, text)
        : Either.right(`DATE '${dateText(match[1], match[2], match[3])}'`)
    }
    case "DATETIME": {
      const match = /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[ Tt](\d{1,2}):(\d{2}):(\d{2})(\.\d{1,6})?)?$/.exec(text)
      return match === null || !validDate(match[1], match[2], match[3]) || !validTime(match[4], match[5], match[6])
        ? badTime(t, at, type, text)
        : Either.right(
            `TIMESTAMP '${dateText(match[1], match[2], match[3])} ${timeText(match[4], match[5], match[6], match[7])}'`
          )
    }
    case "TIME": {
      const match = /^(\d{1,2}):(\d{2}):(\d{2})(\.\d{1,6})?$/.exec(text)
      return match === null || !validTime(match[1], match[2], match[3])
        ? badTime(t, at, type, text)
        : Either.right(`TIME '${timeText(match[1], match[2], match[3], match[4])}'`)
    }
    case "TIMESTAMP":
      return Either.right(`bq_timestamp_from_string(${quoteText(text)})`)
    case "JSON":
      return Either.right(`CAST(bq_parse_json(${quoteText(text)}, 'exact') AS JSON)`)
    case "BYTES":
      return Either.right(`encode(${quoteText(text)})`)
    default:
      return unsupported(t, at, `a literal of ${typeName(type)}`)
  }
}

const badTime = (t: Translator, at: Token, type: SqlType, text: string) =>
  invalidStatement(t, at, `Could not cast literal "${text}" to type ${type.kind}`)

const validDate = (year = "", month = "", day = ""): boolean => {
  const date = new Date(Date.UTC(2000, 0, 1))
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  return Number(year) >= 1 && date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day)
}
const dateText = (year = "", month = "", day = "") => `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`
const validTime = (hour = "0", minute = "0", second = "0") =>
  Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60
const timeText = (hour = "00", minute = "00", second = "00", fraction = "") =>
  `${hour.padStart(2, "0")}:${minute}:${second}${fraction}`

/** INT64 as a typed constant. */
export const intLiteral = (value: bigint | number): Typed => ({
  sql: `CAST(${value} AS BIGINT)`,
  type: scalar("INT64"),
  literal: "int",
  text: String(value)
})
