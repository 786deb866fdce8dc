/**
 * Dates and times as BigQuery computes them.
 */
import {
  addToDate,
  civil,
  dayNumber,
  daysInMonth,
  differenceOfDates,
  firstDay,
  inRange,
  lastDay,
  microsPer,
  microsPerDay,
  split,
  truncateDate
} from "./Calendar.ts"
import {
  date,
  datetime,
  fail,
  int64,
  list,
  native1,
  native2,
  native3,
  nativeN,
  Refusal,
  text,
  time,
  timestamp,
  unsupported,
  type Codec,
  type Native
} from "./Native.ts"
import { formatTime, offsetText, parseTime, type Has } from "./TimeFormat.ts"
import { floorDivide, fromLocal, offsetAt, toLocal } from "./Zone.ts"
import type { DuckDBValue } from "@duckdb/node-api"

const two = (value: bigint | number): string => String(value).padStart(2, "0")
const checkedDay = (days: number, what: string) =>
  Number.isFinite(days) && inRange(days) ? days : fail(`${what} overflow`)
const checkedMicros = (micros: bigint, what: string) =>
  micros >= BigInt(firstDay) * microsPerDay && micros < BigInt(lastDay + 1) * microsPerDay
    ? micros
    : fail(`${what} overflow`)

const dateText = (days: number): string => {
  const { year, month, day } = civil(days)
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`
}
const timeText = (micros: bigint): string => {
  const seconds = micros / 1_000_000n
  const fraction = String(micros % 1_000_000n).padStart(6, "0")
  const shown = fraction === "000000" ? "" : fraction.endsWith("000") ? `.${fraction.slice(0, 3)}` : `.${fraction}`
  return `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}${shown}`
}
const datetimeText = (micros: bigint): string => {
  const { day, time } = split(micros)
  return `${dateText(day)} ${timeText(time)}`
}
/** Offsets without minutes are written as +hh. */
const timestampText = (micros: bigint, zone: string) => {
  const offset = offsetAt(zone, micros)
  return offset instanceof Refusal
    ? offset
    : `${datetimeText(micros + offset)}${offsetText(offset).replace(/:00$/, "")}`
}

const datePattern = /^(\d{4})-(\d{1,2})-(\d{1,2})/
const clockPattern = /^(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,6}))?/

const readDate = (source: string): { readonly days: number; readonly length: number } | undefined => {
  const match = datePattern.exec(source)
  const [year, month, day] = [Number(match?.[1]), Number(match?.[2]), Number(match?.[3])]
  if (match === null || year < 1 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month))
    return undefined
  return { days: dayNumber(year, month, day), length: match[0].length }
}
const readClock = (source: string): { readonly micros: bigint; readonly length: number } | undefined => {
  const match = clockPattern.exec(source)
  const [hour, minute, second] = [Number(match?.[1]), Number(match?.[2]), Number(match?.[3])]
  if (match === null || hour > 23 || minute > 59 || second > 59) return undefined
  return {
    micros: BigInt((hour * 60 + minute) * 60 + second) * 1_000_000n + BigInt((match[4] ?? "").padEnd(6, "0")),
    length: match[0].length
  }
}

const readDatetime = (source: string): { readonly micros: bigint; readonly rest: string } | undefined => {
  const day = readDate(source)
  if (day === undefined) return undefined
  const start = BigInt(day.days) * microsPerDay
  const rest = source.slice(day.length)
  if (!/^[ Tt]\d/.test(rest)) return { micros: start, rest }
  const clock = readClock(rest.slice(1))
  return clock === undefined ? undefined : { micros: start + clock.micros, rest: rest.slice(1 + clock.length) }
}

const parseTimestamp = (source: string, otherwise = "UTC") => {
  const trimmed = source.trim()
  const local = readDatetime(trimmed)
  const zone = local?.rest.trim() ?? ""
  if (local === undefined || !/^$|^[Zz]$|^[+-]\d{1,2}(:\d{2})?$|^[A-Za-z][\w/+-]*$/.test(zone))
    return fail(`Invalid timestamp: '${source}'`)
  const instant = fromLocal(zone === "" ? otherwise : zone.toUpperCase() === "Z" ? "UTC" : zone, local.micros)
  return instant instanceof Refusal ? instant : checkedMicros(instant, "Timestamp")
}

const addDays = (days: number, amount: bigint, unit: string) => {
  const size = Number(amount)
  return Math.abs(size) > 5_000_000
    ? fail("Date overflow")
    : checkedDay(addToDate(days, size, unit), `Adding ${amount} ${unit} to ${dateText(days)} causes`)
}

const addMicros = (what: string) => (micros: bigint, amount: bigint, unit: string) => {
  const per = microsPer[unit]
  if (per !== undefined) return checkedMicros(micros + amount * per, what)
  const { day, time } = split(micros)
  const moved = addDays(day, amount, unit)
  return moved instanceof Refusal ? moved : BigInt(moved) * microsPerDay + time
}

const truncateMicros = (micros: bigint, part: string, firstWeekday: bigint): bigint => {
  const per = microsPer[part]
  if (per !== undefined) return floorDivide(micros, per) * per
  return BigInt(truncateDate(split(micros).day, part, Number(firstWeekday))) * microsPerDay
}

const differenceOfMicros = (a: bigint, b: bigint, part: string, firstWeekday: bigint): bigint => {
  const per = microsPer[part]
  // Boundaries crossed for a DATETIME, whole parts for a TIMESTAMP: see `whole`.
  if (per !== undefined) return floorDivide(a, per) - floorDivide(b, per)
  return BigInt(differenceOfDates(split(a).day, split(b).day, part, Number(firstWeekday)))
}
const whole = (a: bigint, b: bigint, part: string) => {
  const per = microsPer[part]
  return per === undefined ? unsupported(`a difference of TIMESTAMPs in ${part}`) : (a - b) / per
}

/** A function of two equal values, a part and a weekday. */
const withPart = <A>(
  name: string,
  a: Codec<A>,
  run: (x: A, y: A, part: string, firstWeekday: bigint) => bigint | Refusal
): Native => ({
  name,
  parameters: [a.type, a.type, text.type, int64.type],
  returns: int64.type,
  row: ([x = null, y = null, p = null, w = null]): DuckDBValue | Refusal => {
    const [first, second, part, day] = [a.read(x), a.read(y), text.read(p), int64.read(w)]
    return first === undefined || second === undefined || part === undefined || day === undefined
      ? null
      : run(first, second, part, day)
  }
})

const truncateIn: Native = {
  name: "bq_timestamp_trunc",
  parameters: [timestamp.type, text.type, int64.type, text.type],
  returns: timestamp.type,
  row: ([x = null, p = null, w = null, z = null]) => {
    const [micros, part, day, zone] = [timestamp.read(x), text.read(p), int64.read(w), text.read(z)]
    if (micros === undefined || part === undefined || day === undefined || zone === undefined) return null
    const local = toLocal(zone, micros)
    if (local instanceof Refusal) return local
    if (zone !== "UTC" && microsPer[part] !== undefined && part !== "DAY")
      return unsupported("TIMESTAMP_TRUNC of a time part in a zone")
    const instant = fromLocal(zone, truncateMicros(local, part, day))
    const checked = instant instanceof Refusal ? instant : checkedMicros(instant, "Timestamp")
    return checked instanceof Refusal ? checked : timestamp.write(checked)
  }
}

const generateDates: Native = {
  name: "bq_generate_date_array",
  parameters: [date.type, date.type, int64.type, text.type],
  returns: list(date).type,
  row: ([a = null, b = null, n = null, u = null]) => {
    const [from, to, step, unit] = [date.read(a), date.read(b), int64.read(n), text.read(u)]
    if (from === undefined || to === undefined || step === undefined || unit === undefined) return null
    if (step === 0n) return fail("Sequence step cannot be 0.")
    const days: Array<number> = []
    for (let index = 0n; ; index++) {
      const day = addToDate(from, Number(index * step), unit)
      if (step > 0n ? day > to : day < to) break
      if (!inRange(day)) break
      days.push(day)
    }
    return list(date).write(days)
  }
}

const last = (days: number, part: string, firstWeekday: bigint): number => {
  const start = truncateDate(days, part, Number(firstWeekday))
  if (part === "ISOYEAR") return truncateDate(start + 380, part, 0) - 1
  return addToDate(start, 1, part === "ISOWEEK" ? "WEEK" : part) - 1
}

const construct = (values: ReadonlyArray<bigint>): { readonly day: number } | undefined => {
  const [year = 0, month = 0, day = 0] = values.map(Number)
  return year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)
    ? undefined
    : { day: dayNumber(year, month, day) }
}
const clockMicros = (values: ReadonlyArray<bigint>): bigint | undefined => {
  const [hour = -1n, minute = -1n, second = -1n] = values
  return hour < 0n || hour > 23n || minute < 0n || minute > 59n || second < 0n || second > 59n
    ? undefined
    : ((hour * 60n + minute) * 60n + second) * 1_000_000n
}

const parsed = (has: Has) => (format: string, source: string) => {
  const result = parseTime(format, source, has, false)
  return result instanceof Refusal ? result : result.micros
}

export const timeNatives: ReadonlyArray<Native> = [
  native1("bq_string_to_date", text, date, (source) => {
    const day = readDate(source)
    return day === undefined || day.length !== source.length ? fail(`Invalid date: '${source}'`) : day.days
  }),
  native1("bq_string_to_datetime", text, datetime, (source) => {
    const local = readDatetime(source)
    return local === undefined || local.rest !== "" ? fail(`Invalid datetime string "${source}"`) : local.micros
  }),
  native1("bq_string_to_time", text, time, (source) => {
    const clock = readClock(source)
    return clock === undefined || clock.length !== source.length
      ? fail(`Invalid time string "${source}"`)
      : clock.micros
  }),
  native1("bq_timestamp_from_string", text, timestamp, (source) => parseTimestamp(source)),
  native2("bq_timestamp_from_string_in", text, text, timestamp, parseTimestamp),
  native1("bq_datetime_to_string", datetime, text, datetimeText),
  native1("bq_time_to_string", time, text, timeText),
  native1("bq_timestamp_to_string", timestamp, text, (micros) => timestampText(micros, "UTC")),
  native2("bq_timestamp_to_string_in", timestamp, text, text, timestampText),
  native1("bq_timestamp_to_iso", timestamp, text, (micros) => `${datetimeText(micros).replace(" ", "T")}Z`),
  native2("bq_local", timestamp, text, datetime, (micros, zone) => toLocal(zone, micros)),
  native2("bq_from_local", datetime, text, timestamp, (micros, zone) => fromLocal(zone, micros)),
  native2("bq_date_add_days", date, int64, date, (days, amount) => addDays(days, amount, "DAY")),
  native3("bq_date_add", date, int64, text, date, addDays),
  native3("bq_datetime_add", datetime, int64, text, datetime, addMicros("Datetime")),
  native3("bq_timestamp_add", timestamp, int64, text, timestamp, addMicros("Timestamp")),
  native3("bq_time_add", time, int64, text, time, (micros, amount, unit) => {
    const moved = micros + amount * (microsPer[unit] ?? 0n)
    return moved - floorDivide(moved, microsPerDay) * microsPerDay
  }),
  withPart("bq_date_diff", date, (a, b, part, day) => BigInt(differenceOfDates(a, b, part, Number(day)))),
  withPart("bq_datetime_diff", datetime, differenceOfMicros),
  withPart("bq_timestamp_diff", timestamp, whole),
  withPart("bq_time_diff", time, differenceOfMicros),
  native3("bq_date_trunc", date, text, int64, date, (days, part, day) =>
    checkedDay(truncateDate(days, part, Number(day)), "Date")
  ),
  native3("bq_datetime_trunc", datetime, text, int64, datetime, (micros, part, day) =>
    checkedMicros(truncateMicros(micros, part, day), "Datetime")
  ),
  native3("bq_time_trunc", time, text, int64, time, truncateMicros),
  truncateIn,
  native3("bq_last_day", date, text, int64, date, (days, part, day) => checkedDay(last(days, part, day), "Date")),
  generateDates,
  nativeN(
    "bq_date",
    3,
    int64,
    date,
    (values) => construct(values)?.day ?? fail(`Input calculates to invalid date: ${values.join("-")}`)
  ),
  nativeN("bq_datetime", 6, int64, datetime, (values) => {
    const day = construct(values)?.day
    const clock = clockMicros(values.slice(3))
    return day === undefined || clock === undefined
      ? fail(`Input calculates to invalid datetime: ${values.join(" ")}`)
      : BigInt(day) * microsPerDay + clock
  }),
  nativeN(
    "bq_time",
    3,
    int64,
    time,
    (values) => clockMicros(values) ?? fail(`Input calculates to invalid time: ${values.join(":")}`)
  ),
  native1("bq_unix_date", date, int64, (days) => BigInt(days)),
  native1("bq_date_from_unix_date", int64, date, (days) => checkedDay(Number(days), "Date")),
  native1("bq_unix_micros", timestamp, int64, (micros) => micros),
  native1("bq_unix_millis", timestamp, int64, (micros) => floorDivide(micros, 1000n)),
  native1("bq_unix_seconds", timestamp, int64, (micros) => floorDivide(micros, 1_000_000n)),
  native1("bq_timestamp_micros", int64, timestamp, (micros) => checkedMicros(micros, "Timestamp")),
  native1("bq_timestamp_millis", int64, timestamp, (millis) => checkedMicros(millis * 1000n, "Timestamp")),
  native1("bq_timestamp_seconds", int64, timestamp, (seconds) => checkedMicros(seconds * 1_000_000n, "Timestamp")),
  native2("bq_format_date", text, date, text, (format, days) =>
    formatTime(format, BigInt(days) * microsPerDay, "DATE")
  ),
  native2("bq_format_datetime", text, datetime, text, (format, micros) => formatTime(format, micros, "DATETIME")),
  native2("bq_format_time", text, time, text, (format, micros) => formatTime(format, micros, "TIME")),
  native3("bq_format_timestamp", text, timestamp, text, text, (format, micros, zone) => {
    const offset = offsetAt(zone, micros)
    return offset instanceof Refusal
      ? offset
      : formatTime(format, micros + offset, "DATETIME", { offset, instant: micros })
  }),
  native2("bq_parse_date", text, text, date, (format, source) => {
    const micros = parsed("DATE")(format, source)
    return micros instanceof Refusal ? micros : split(micros).day
  }),
  native2("bq_parse_datetime", text, text, datetime, parsed("DATETIME")),
  native2("bq_parse_time", text, text, time, parsed("TIME")),
  native3("bq_parse_timestamp", text, text, text, timestamp, (format, source, zone) => {
    const result = parseTime(format, source, "DATETIME", true)
    return result instanceof Refusal ? result : fromLocal(result.zone ?? zone, result.micros)
  })
]
