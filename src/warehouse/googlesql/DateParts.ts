/**
 * Date parts: EXTRACT, and the parts that date functions take as an argument.
 */
import * as Either from "effect/Either"
import type { Expr } from "./Ast.ts"
import { convert } from "./Coercion.ts"
import { rejected, unsupported, type Scope, type Translate, type Translator, type Typed } from "./Translator.ts"
import { scalar } from "./Types.ts"

export interface DatePart {
  readonly name: string
  /** For WEEK(day): 0 is Sunday. */
  readonly weekday: number
}

const days = ["SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"]
const parts = new Set(
  `MICROSECOND MILLISECOND SECOND MINUTE HOUR DAY DAYOFWEEK DAYOFYEAR WEEK ISOWEEK MONTH QUARTER YEAR ISOYEAR DATE TIME DATETIME`.split(
    " "
  )
)

/** The date part that an argument names, or undefined. */
export const datePart = (e: Expr): DatePart | undefined => {
  if (e.kind === "path" && e.parts.length === 1) {
    const name = e.parts[0]?.toUpperCase() ?? ""
    return parts.has(name) ? { name, weekday: 0 } : undefined
  }
  const day = e.kind === "call" ? e.args[0] : undefined
  if (e.kind !== "call" || e.path[0]?.toUpperCase() !== "WEEK" || e.args.length !== 1 || day?.kind !== "path")
    return undefined
  const weekday = days.indexOf(day.parts[0]?.toUpperCase() ?? "")
  return weekday === -1 ? undefined : { name: "WEEK", weekday }
}

/** The zone's argument of DuckDB's `timezone`; offsets as +05:45 are resolved by the prelude. */
export const zoneSql = (t: Translator, e: Expr, scope: Scope): Translate<string> =>
  Either.flatMap(t.expr(e, scope), (zone) => convert(t, e.at, zone, scalar("STRING"), "Time zone"))

const dateParts: Readonly<Record<string, string>> = {
  DAY: "day($)",
  DAYOFWEEK: "(dayofweek($) + 1)",
  DAYOFYEAR: "dayofyear($)",
  ISOWEEK: "weekofyear($)",
  MONTH: "month($)",
  QUARTER: "quarter($)",
  YEAR: "year($)",
  ISOYEAR: "isoyear($)"
}
const timeParts: Readonly<Record<string, string>> = {
  MICROSECOND: "(microsecond($) % 1000000)",
  MILLISECOND: "(millisecond($) % 1000)",
  SECOND: "second($)",
  MINUTE: "minute($)",
  HOUR: "hour($)"
}

/** A timestamp as date and time of a zone. UTC, which most values are read in, needs no calendar. */
export const localTime = (timestamp: string, zone: string): string =>
  zone === "'UTC'" ? `make_timestamp(epoch_us(${timestamp}))` : `bq_local(${timestamp}, ${zone})`

/** EXTRACT(part FROM value [AT TIME ZONE zone]). */
export const translateExtract = (t: Translator, e: Expr & { kind: "extract" }, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    const part = datePart(e.part)
    if (part === undefined) return yield* unsupported(t, e.part.at, "this date part")
    const value = yield* t.expr(e.value, scope)
    const kind = value.type.kind
    const zone = e.zone === undefined ? "'UTC'" : yield* zoneSql(t, e.zone, scope)
    if (e.zone !== undefined && kind !== "TIMESTAMP")
      return yield* rejected(t, e.at, "EXTRACT with AT TIME ZONE needs a TIMESTAMP")
    if (kind === "NULL" || !["DATE", "DATETIME", "TIMESTAMP", "TIME"].includes(kind)) {
      return yield* rejected(t, e.at, `EXTRACT from type ${kind} is not supported`)
    }
    const local = kind === "TIMESTAMP" ? localTime(value.sql, zone) : value.sql
    const fill = (template: string): string => template.replaceAll("$", () => local)
    const int = (template: string): Typed => ({ sql: `CAST(${fill(template)} AS BIGINT)`, type: scalar("INT64") })
    const hasDate = kind !== "TIME"
    const hasTime = kind !== "DATE"
    const ofDate = dateParts[part.name]
    if (ofDate !== undefined && hasDate) return int(ofDate)
    const ofTime = timeParts[part.name]
    if (ofTime !== undefined && hasTime) return int(ofTime)
    if (part.name === "WEEK" && hasDate)
      return { sql: `bq_week(CAST(${local} AS DATE), ${part.weekday})`, type: scalar("INT64") }
    if (part.name === "DATE" && kind !== "DATE" && hasDate)
      return { sql: `CAST(${local} AS DATE)`, type: scalar("DATE") }
    if (part.name === "TIME" && hasDate && hasTime) return { sql: `CAST(${local} AS TIME)`, type: scalar("TIME") }
    if (part.name === "DATETIME" && kind === "TIMESTAMP") return { sql: local, type: scalar("DATETIME") }
    return yield* rejected(t, e.at, `EXTRACT of ${part.name} from ${kind} is not supported`)
  })
