/**
 * The parameters of a procedure as a pipeline's file gives them: typed values, defaults, what may be absent.
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { Day } from "../../platform/Identifiers.ts"
import { Json } from "../../platform/Json.ts"
import type { SqlParameter } from "../../warehouse/FileMapping.ts"

/** One parameter, in call order. A null value becomes the default, and without one NULL if `optional`. */
export const ProcedureParameter = Schema.Struct({
  name: Schema.String.pipe(Schema.pattern(/^[A-Za-z_][A-Za-z0-9_]*$/)),
  type: Schema.Literal("STRING", "DATE", "TIMESTAMP", "INT64", "FLOAT64", "NUMERIC", "BOOL"),
  value: Schema.optionalWith(Json, { default: () => null }),
  optional: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  /** TODAY, YESTERDAY, MONTH_START, MONTH_END, YEAR_START, YEAR_END (UTC days of the call), or a value. */
  default: Schema.optionalWith(Json, { default: () => null })
})
export type ProcedureParameter = typeof ProcedureParameter.Type

/** The bound value of a parameter, or what is wrong with it. `now` in milliseconds since 1970. */
export const bind = (parameter: ProcedureParameter, now: number): Either.Either<SqlParameter, string> => {
  const { name, optional, type } = parameter
  const given = parameter.value ?? defaultOf(parameter.default, now)
  if (given === null) {
    return optional ? Either.right({ type, value: null }) : Either.left(`Missing required parameter: ${name}`)
  }
  const value = typed(type, given)
  return value === undefined
    ? Either.left(`parameter ${name}: ${JSON.stringify(given)} is no ${type}`)
    : Either.right({ type, value })
}

const defaultOf = (value: Json, now: number): Json => {
  const today = new Date(now)
  const [year, month, day] = [today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate()]
  const dayOf = (y: number, m: number, d: number) => new Date(Date.UTC(y, m, d)).toISOString().slice(0, 10)
  switch (value) {
    case "TODAY":
      return dayOf(year, month, day)
    case "YESTERDAY":
      return dayOf(year, month, day - 1)
    case "MONTH_START":
      return dayOf(year, month, 1)
    case "MONTH_END":
      return dayOf(year, month + 1, 0)
    case "YEAR_START":
      return dayOf(year, 0, 1)
    case "YEAR_END":
      return dayOf(year, 11, 31)
    default:
      return value
  }
}

const isDay = Schema.is(Day)
const integer = /^-?\d{1,19}$/
const decimal = /^-?(\d+\.?\d*|\.\d+)$/
const float = /^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

const typed = (type: ProcedureParameter["type"], given: Json): SqlParameter["value"] | undefined => {
  if (typeof given === "object") return undefined
  const text = String(given)
  switch (type) {
    case "STRING":
      return text
    case "DATE":
      return isDay(text) ? text : undefined
    case "TIMESTAMP":
      return Number.isNaN(Date.parse(text)) ? undefined : new Date(Date.parse(text)).toISOString()
    case "INT64":
      return integer.test(text) ? text : undefined
    case "NUMERIC":
      return decimal.test(text) ? text : undefined
    case "FLOAT64":
      return float.test(text) ? Number(text) : undefined
    case "BOOL":
      return text === "true" ? true : text === "false" ? false : undefined
  }
}
