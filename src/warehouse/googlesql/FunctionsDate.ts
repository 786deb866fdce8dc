/**
 * Functions on dates and times. A TIMESTAMP is an instant; its parts are those of UTC or of the zone given.
 */
import * as Either from "effect/Either"
import type { Call } from "./Ast.ts"
import { castTo } from "./Casts.ts"
import { convert, fits } from "./Coercion.ts"
import { datePart, localTime, type DatePart } from "./DateParts.ts"
import { functionTable } from "./Signatures.ts"
import { rejected, unsupported, type Scope, type Translate, type Translator, type Typed } from "./Translator.ts"
import { arrayOf, quoteText, scalar, typeName, type ScalarKind } from "./Types.ts"

/** Functions whose arguments are plain values. */
export const dateFunctions = functionTable({
  UNIX_DATE: [["DATE -> INT64", "bq_unix_date($1)"]],
  DATE_FROM_UNIX_DATE: [["INT64 -> DATE", "bq_date_from_unix_date($1)"]],
  UNIX_MICROS: [["TIMESTAMP -> INT64", "bq_unix_micros($1)"]],
  UNIX_MILLIS: [["TIMESTAMP -> INT64", "bq_unix_millis($1)"]],
  UNIX_SECONDS: [["TIMESTAMP -> INT64", "bq_unix_seconds($1)"]],
  TIMESTAMP_MICROS: [["INT64 -> TIMESTAMP", "bq_timestamp_micros($1)"]],
  TIMESTAMP_MILLIS: [["INT64 -> TIMESTAMP", "bq_timestamp_millis($1)"]],
  TIMESTAMP_SECONDS: [["INT64 -> TIMESTAMP", "bq_timestamp_seconds($1)"]],
  FORMAT_DATE: [["STRING, DATE -> STRING", "bq_format_date($1, $2)"]],
  FORMAT_DATETIME: [["STRING, DATETIME -> STRING", "bq_format_datetime($1, $2)"]],
  FORMAT_TIME: [["STRING, TIME -> STRING", "bq_format_time($1, $2)"]],
  FORMAT_TIMESTAMP: [
    ["STRING, TIMESTAMP -> STRING", "bq_format_timestamp($1, $2, 'UTC')"],
    ["STRING, TIMESTAMP, STRING -> STRING", "bq_format_timestamp($1, $2, $3)"]
  ],
  PARSE_DATE: [["STRING, STRING -> DATE", "bq_parse_date($1, $2)"]],
  PARSE_DATETIME: [["STRING, STRING -> DATETIME", "bq_parse_datetime($1, $2)"]],
  PARSE_TIME: [["STRING, STRING -> TIME", "bq_parse_time($1, $2)"]],
  PARSE_TIMESTAMP: [
    ["STRING, STRING -> TIMESTAMP", "bq_parse_timestamp($1, $2, 'UTC')"],
    ["STRING, STRING, STRING -> TIMESTAMP", "bq_parse_timestamp($1, $2, $3)"]
  ]
})

const dateUnits = ["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"]
const timeUnits = ["MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR"]
const truncDate = [...dateUnits, "ISOWEEK", "ISOYEAR"]

const unitsOf = (kind: string, use: "add" | "diff" | "trunc"): ReadonlyArray<string> => {
  if (kind === "TIME") return timeUnits
  const dates = use === "add" ? dateUnits : truncDate
  if (kind === "DATE") return dates
  if (kind === "TIMESTAMP" && use !== "trunc") return [...timeUnits, "DAY"]
  return [...timeUnits, ...dates]
}

/** A call whose arguments may be date parts, intervals and zones; undefined when the name is not one of these. */
export const translateDateCall = (t: Translator, e: Call, name: string, scope: Scope): Translate<Typed | undefined> =>
  Either.gen(function* () {
    const change = /^(DATE|DATETIME|TIMESTAMP|TIME)_(ADD|SUB|DIFF|TRUNC)$/.exec(name)
    if (change !== null) {
      const kind = change[1] ?? ""
      switch (change[2]) {
        case "ADD":
        case "SUB":
          return yield* addInterval(t, e, kind, change[2] === "SUB", scope)
        case "DIFF":
          return yield* difference(t, e, kind, scope)
        default:
          return yield* truncate(t, e, kind, scope)
      }
    }
    switch (name) {
      case "LAST_DAY":
        return yield* lastDay(t, e, scope)
      case "DATE":
      case "DATETIME":
      case "TIMESTAMP":
      case "TIME":
        return yield* construct(t, e, name, scope)
      case "CURRENT_DATE":
      case "CURRENT_TIMESTAMP":
      case "CURRENT_DATETIME":
      case "CURRENT_TIME":
        return yield* current(t, e, name, scope)
      case "GENERATE_DATE_ARRAY":
        return yield* generateDates(t, e, scope)
      case "STRING": {
        const value = e.args[0] === undefined ? undefined : yield* t.expr(e.args[0], scope)
        if (value === undefined || value.type.kind === "JSON") return undefined
        if (e.args.length === 1) return yield* castTo(t, e.at, value, scalar("STRING"), false)
        const zone = yield* zoneArgument(t, e, 1, scope)
        return {
          sql: `bq_timestamp_to_string_in(${yield* convert(t, e.at, value, scalar("TIMESTAMP"), "STRING")}, ${zone})`,
          type: scalar("STRING")
        }
      }
      default:
        return undefined
    }
  })

const dateKind = (t: Translator, e: Call, kind: string): Translate<ScalarKind> =>
  kind === "DATE" || kind === "DATETIME" || kind === "TIMESTAMP" || kind === "TIME"
    ? Either.right(kind)
    : unsupported(t, e.at, kind)

/** The first argument; DATE_ADD and the like take a DATETIME or TIMESTAMP as well. */
const firstArgument = (
  t: Translator,
  e: Call,
  kind: string,
  scope: Scope,
  index = 0
): Translate<{ readonly sql: string; readonly kind: ScalarKind }> =>
  Either.gen(function* () {
    const wanted = yield* dateKind(t, e, kind)
    const arg = e.args[index]
    if (arg === undefined) return yield* unsupported(t, e.at, `${e.path.join(".")} without its arguments`)
    const value = yield* t.expr(arg, scope)
    if (
      value.type.kind !== wanted &&
      (value.type.kind === "DATE" || value.type.kind === "DATETIME" || value.type.kind === "TIMESTAMP")
    ) {
      return yield* unsupported(t, e.at, `${e.path.join(".")} over ${value.type.kind}`)
    }
    return { sql: yield* convert(t, e.at, value, scalar(wanted), `Argument of ${e.path.join(".")}`), kind: wanted }
  })

const partArgument = (t: Translator, e: Call, index: number, allowed: ReadonlyArray<string>): Translate<DatePart> => {
  const arg = e.args[index]
  const part = arg === undefined ? undefined : datePart(arg)
  return part !== undefined && allowed.includes(part.name)
    ? Either.right(part)
    : rejected(t, e.at, `${e.path.join(".")} does not support the ${part?.name ?? "given"} date part`)
}

const zoneArgument = (t: Translator, e: Call, index: number, scope: Scope): Translate<string> => {
  const arg = e.args[index]
  return arg === undefined
    ? Either.right("'UTC'")
    : Either.flatMap(t.expr(arg, scope), (zone) => convert(t, e.at, zone, scalar("STRING"), "Time zone"))
}

const intervalArgument = (t: Translator, e: Call, index: number, allowed: ReadonlyArray<string>, scope: Scope) =>
  Either.gen(function* () {
    const interval = e.args[index]
    if (interval?.kind !== "interval")
      return yield* unsupported(t, e.at, `${e.path.join(".")} without a literal INTERVAL`)
    if (!allowed.includes(interval.unit))
      return yield* rejected(t, e.at, `${e.path.join(".")} does not support the ${interval.unit} date part`)
    const amount = yield* t.expr(interval.amount, scope)
    return { amount: yield* convert(t, e.at, amount, scalar("INT64"), "INTERVAL"), unit: interval.unit }
  })

const count = (t: Translator, e: Call, ...allowed: ReadonlyArray<number>): Translate<void> =>
  allowed.includes(e.args.length)
    ? Either.right(undefined)
    : unsupported(t, e.at, `${e.path.join(".")} with ${e.args.length} arguments`)

const addInterval = (t: Translator, e: Call, kind: string, subtract: boolean, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    yield* count(t, e, 2)
    const value = yield* firstArgument(t, e, kind, scope)
    const interval = yield* intervalArgument(t, e, 1, unitsOf(kind, "add"), scope)
    const amount = subtract ? `(- ${interval.amount})` : interval.amount
    return {
      sql: `bq_${kind.toLowerCase()}_add${e.safe ? "_safe" : ""}(${value.sql}, ${amount}, '${interval.unit}')`,
      type: scalar(value.kind)
    }
  })

const difference = (t: Translator, e: Call, kind: string, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    yield* count(t, e, 3)
    const left = yield* firstArgument(t, e, kind, scope)
    const right = yield* firstArgument(t, e, kind, scope, 1)
    const part = yield* partArgument(t, e, 2, unitsOf(kind, "diff"))
    return {
      sql: `bq_${kind.toLowerCase()}_diff(${left.sql}, ${right.sql}, '${part.name}', ${weekday(part)})`,
      type: scalar("INT64")
    }
  })

const weekday = (part: DatePart): string => `CAST(${part.weekday} AS BIGINT)`

const truncate = (t: Translator, e: Call, kind: string, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    yield* count(t, e, 2, ...(kind === "TIMESTAMP" ? [3] : []))
    const value = yield* firstArgument(t, e, kind, scope)
    const part = yield* partArgument(t, e, 1, unitsOf(kind, "trunc"))
    const type = scalar(value.kind)
    if (value.kind === "DATE" && ["DAY", "MONTH", "QUARTER", "YEAR"].includes(part.name)) {
      return { sql: `CAST(date_trunc('${part.name.toLowerCase()}', ${value.sql}) AS DATE)`, type }
    }
    if (value.kind !== "TIMESTAMP") {
      return { sql: `bq_${kind.toLowerCase()}_trunc(${value.sql}, '${part.name}', ${weekday(part)})`, type }
    }
    const zone = yield* zoneArgument(t, e, 2, scope)
    return { sql: `bq_timestamp_trunc(${value.sql}, '${part.name}', ${weekday(part)}, ${zone})`, type }
  })

const lastDay = (t: Translator, e: Call, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    yield* count(t, e, 1, 2)
    const value = yield* firstArgument(t, e, "DATE", scope)
    const part =
      e.args.length === 1
        ? { name: "MONTH", weekday: 0 }
        : yield* partArgument(t, e, 1, ["WEEK", "MONTH", "QUARTER", "YEAR", "ISOWEEK", "ISOYEAR"])
    return { sql: `bq_last_day(${value.sql}, '${part.name}', ${weekday(part)})`, type: scalar("DATE") }
  })

const current = (t: Translator, e: Call, name: string, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    yield* count(t, e, 0, ...(name === "CURRENT_TIMESTAMP" ? [] : [1]))
    const now = t.environment.system.get("now")
    if (now === undefined) return yield* unsupported(t, e.at, name)
    if (name === "CURRENT_TIMESTAMP") return now
    const local = localTime(now.sql, yield* zoneArgument(t, e, 0, scope))
    if (name === "CURRENT_DATETIME") return { sql: local, type: scalar("DATETIME") }
    const kind = name === "CURRENT_DATE" ? "DATE" : "TIME"
    return { sql: `CAST(${local} AS ${kind})`, type: scalar(kind) }
  })

const construct = (t: Translator, e: Call, name: ScalarKind, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    if (e.safe) return yield* unsupported(t, e.at, `SAFE.${name}`)
    const args: Array<Typed> = []
    for (const arg of e.args) args.push(yield* t.expr(arg, scope))
    const first = args[0]
    const type = scalar(name)
    if (first === undefined) return yield* unsupported(t, e.at, `${name} without arguments`)
    const whole = { DATE: 3, DATETIME: 6, TIME: 3, TIMESTAMP: -1 }[
      name === "DATE" || name === "DATETIME" || name === "TIME" ? name : "TIMESTAMP"
    ]
    if (args.length === whole && args.every((arg) => fits(arg, scalar("INT64"), false))) {
      const numbers: Array<string> = []
      for (const arg of args) numbers.push(yield* convert(t, e.at, arg, scalar("INT64"), name))
      return { sql: `bq_${name.toLowerCase()}(${numbers.join(", ")})`, type }
    }
    const from = first.type.kind
    if (args.length > 2) return yield* unsupported(t, e.at, `${name} with these arguments`)
    if (name !== "TIMESTAMP" && from === "TIMESTAMP") {
      const local = localTime(first.sql, yield* zoneArgument(t, e, 1, scope))
      return { sql: name === "DATETIME" ? local : `CAST(${local} AS ${name})`, type }
    }
    if (name === "TIMESTAMP" && args.length === 2) {
      const zone = yield* zoneArgument(t, e, 1, scope)
      if (from === "DATE" || from === "DATETIME")
        return { sql: `bq_from_local(CAST(${first.sql} AS TIMESTAMP), ${zone})`, type }
      if (from === "STRING") return { sql: `bq_timestamp_from_string_in(${first.sql}, ${zone})`, type }
      return yield* unsupported(t, e.at, `TIMESTAMP of ${typeName(first.type)} with a zone`)
    }
    if (name === "DATETIME" && args.length === 2 && from === "DATE" && args[1]?.type.kind === "TIME") {
      return { sql: `(${first.sql} + ${args[1].sql})`, type }
    }
    if (
      args.length === 1 &&
      ["DATE", "DATETIME", "TIMESTAMP", "STRING", "NULL"].includes(from) &&
      !(name === "TIME" && from === "DATE")
    ) {
      return yield* castTo(t, e.at, first, type, false)
    }
    return yield* unsupported(t, e.at, `${name} of ${typeName(first.type)}`)
  })

const generateDates = (t: Translator, e: Call, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    yield* count(t, e, 2, 3)
    const from = yield* firstArgument(t, e, "DATE", scope)
    const to = yield* firstArgument(t, e, "DATE", scope, 1)
    const step =
      e.args.length === 2
        ? { amount: "CAST(1 AS BIGINT)", unit: "DAY" }
        : yield* intervalArgument(t, e, 2, dateUnits, scope)
    return {
      sql: `bq_generate_date_array(${from.sql}, ${to.sql}, ${step.amount}, ${quoteText(step.unit)})`,
      type: arrayOf(scalar("DATE"))
    }
  })
