/**
 * FORMAT_* and PARSE_* : only the elements that are listed here, the rest is refused.
 */
import { civil, dayNumber, daysInMonth, isoWeek, isoYear, microsPerDay, split, weekday } from "./Calendar.ts"
import { fail, Refusal, unsupported } from "./Native.ts"

const monthNames = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December"
]
const dayNames = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
const two = (value: number): string => String(value).padStart(2, "0")

export type Has = "DATE" | "TIME" | "DATETIME"

/** An offset as +hh:mm. */
export const offsetText = (offset: bigint): string => {
  const minutes = Number((offset < 0n ? -offset : offset) / 60_000_000n)
  return `${offset < 0n ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}

/** A local time by the elements of a format; `offset` and `zone` for TIMESTAMP only. */
export const formatTime = (
  format: string,
  micros: bigint,
  has: Has,
  zone?: { readonly offset: bigint; readonly instant: bigint }
): string | Refusal => {
  const { day, time } = split(micros)
  const { year, month, day: dayOfMonth } = civil(day)
  const seconds = Number(time / 1_000_000n)
  const fraction = String(time % 1_000_000n).padStart(6, "0")
  const [hour, minute, second] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  const date: Record<string, () => string> = {
    "%Y": () => String(year),
    "%E4Y": () => String(year).padStart(4, "0"),
    "%y": () => two(year % 100),
    "%C": () => two(Math.floor(year / 100)),
    "%m": () => two(month),
    "%d": () => two(dayOfMonth),
    "%e": () => String(dayOfMonth).padStart(2, " "),
    "%F": () => `${String(year).padStart(4, "0")}-${two(month)}-${two(dayOfMonth)}`,
    "%D": () => `${two(month)}/${two(dayOfMonth)}/${two(year % 100)}`,
    "%x": () => `${two(month)}/${two(dayOfMonth)}/${two(year % 100)}`,
    "%B": () => monthNames[month - 1] ?? "",
    "%b": () => (monthNames[month - 1] ?? "").slice(0, 3),
    "%h": () => (monthNames[month - 1] ?? "").slice(0, 3),
    "%A": () => dayNames[weekday(day)] ?? "",
    "%a": () => (dayNames[weekday(day)] ?? "").slice(0, 3),
    "%j": () => String(day - dayNumber(year, 1, 1) + 1).padStart(3, "0"),
    "%u": () => String(weekday(day) === 0 ? 7 : weekday(day)),
    "%w": () => String(weekday(day)),
    "%G": () => String(isoYear(day)),
    "%g": () => two(isoYear(day) % 100),
    "%V": () => two(isoWeek(day)),
    "%U": () => two(Math.floor((day - dayNumber(year, 1, 1) + 7 - weekday(day)) / 7)),
    "%W": () => two(Math.floor((day - dayNumber(year, 1, 1) + 7 - ((weekday(day) + 6) % 7)) / 7)),
    "%Q": () => String(Math.ceil(month / 3))
  }
  const clock: Record<string, () => string> = {
    "%H": () => two(hour),
    "%I": () => two(hour % 12 === 0 ? 12 : hour % 12),
    "%k": () => String(hour).padStart(2, " "),
    "%l": () => String(hour % 12 === 0 ? 12 : hour % 12).padStart(2, " "),
    "%M": () => two(minute),
    "%S": () => two(second),
    "%p": () => (hour < 12 ? "AM" : "PM"),
    "%P": () => (hour < 12 ? "am" : "pm"),
    "%T": () => `${two(hour)}:${two(minute)}:${two(second)}`,
    "%X": () => `${two(hour)}:${two(minute)}:${two(second)}`,
    "%R": () => `${two(hour)}:${two(minute)}`,
    "%E3S": () => `${two(second)}.${fraction.slice(0, 3)}`,
    "%E6S": () => `${two(second)}.${fraction}`,
    "%E*S": () => `${two(second)}${fraction === "000000" ? "" : `.${fraction.replace(/0+$/, "")}`}`
  }
  const instant: Record<string, () => string> =
    zone === undefined
      ? {}
      : {
          "%Ez": () => offsetText(zone.offset),
          "%z": () => offsetText(zone.offset).replace(":", ""),
          "%s": () => String(zone.instant / 1_000_000n)
        }
  const plain: Record<string, () => string> = { "%%": () => "%", "%n": () => "\n", "%t": () => "\t" }
  const elements = { ...plain, ...(has === "TIME" ? {} : date), ...(has === "DATE" ? {} : clock), ...instant }
  if (year < 1000 && /%[FGCD]/.test(format)) return unsupported("this format of a year before 1000")
  let unknown: string | undefined
  const result = format.replaceAll(/%(?:E[0-9*]?)?[\s\S]?/g, (element) => {
    const write = elements[element]
    if (write === undefined) unknown = element
    return write?.() ?? ""
  })
  return unknown === undefined ? result : unsupported(`the format element ${unknown}`)
}

interface Fields {
  year: number
  month: number
  day: number
  hour: number
  minute: number
  second: number
  micros: number
  afternoon: boolean | undefined
  zone: string | undefined
}

/** The local time (microseconds) and zone that a text gives by a format. */
export const parseTime = (
  format: string,
  source: string,
  has: Has,
  zones: boolean
): { readonly micros: bigint; readonly zone: string | undefined } | Refusal => {
  const fields: Fields = {
    year: 1970,
    month: 1,
    day: 1,
    hour: 0,
    minute: 0,
    second: 0,
    micros: 0,
    afternoon: undefined,
    zone: undefined
  }
  const number =
    (set: (value: number) => void, digits: number, low: number, high: number) =>
    (text: string): number | undefined => {
      const match = new RegExp(`^\\d{1,${digits}}`).exec(text)
      const value = Number(match?.[0] ?? "-1")
      if (match === null || value < low || value > high) return undefined
      set(value)
      return match[0].length
    }
  const name =
    (names: ReadonlyArray<string>, set: (index: number) => void) =>
    (text: string): number | undefined => {
      const lower = text.toLowerCase()
      for (const [index, each] of names.entries()) {
        for (const form of [each.toLowerCase(), each.toLowerCase().slice(0, 3)]) {
          if (lower.startsWith(form)) {
            set(index)
            return form.length
          }
        }
      }
      return undefined
    }
  const seconds = number((value) => (fields.second = value), 2, 0, 59)
  const fraction = (text: string): number | undefined => {
    const whole = seconds(text)
    if (whole === undefined) return undefined
    const digits = /^\.(\d{1,6})(?!\d)/.exec(text.slice(whole))
    if (digits !== null) fields.micros = Number((digits[1] ?? "").padEnd(6, "0"))
    return whole + (digits?.[0].length ?? 0)
  }
  const date: Record<string, (text: string) => number | undefined> = {
    "%Y": number((value) => (fields.year = value), 4, 1, 9999),
    "%E4Y": number((value) => (fields.year = value), 4, 1, 9999),
    // POSIX: 69 to 99 are of the twentieth century.
    "%y": number((value) => (fields.year = value < 69 ? 2000 + value : 1900 + value), 2, 0, 99),
    "%m": number((value) => (fields.month = value), 2, 1, 12),
    "%d": number((value) => (fields.day = value), 2, 1, 31),
    "%e": number((value) => (fields.day = value), 2, 1, 31),
    "%B": name(monthNames, (index) => (fields.month = index + 1)),
    "%b": name(monthNames, (index) => (fields.month = index + 1)),
    "%h": name(monthNames, (index) => (fields.month = index + 1))
  }
  const clock: Record<string, (text: string) => number | undefined> = {
    "%H": number((value) => (fields.hour = value), 2, 0, 23),
    "%k": number((value) => (fields.hour = value), 2, 0, 23),
    "%I": number((value) => (fields.hour = value % 12), 2, 1, 12),
    "%M": number((value) => (fields.minute = value), 2, 0, 59),
    "%S": seconds,
    "%E*S": fraction,
    "%E6S": fraction,
    "%E3S": fraction,
    "%p": (text) => {
      const match = /^(am|pm)/i.exec(text)
      if (match !== null) fields.afternoon = match[0].toLowerCase() === "pm"
      return match?.[0].length
    }
  }
  const zone =
    (pattern: RegExp) =>
    (text: string): number | undefined => {
      const match = pattern.exec(text)
      if (match !== null)
        fields.zone = match[0] === "Z" || match[0] === "z" ? "UTC" : match[0].replace(/^([+-]\d{2})(\d{2})$/, "$1:$2")
      return match?.[0].length
    }
  const instant: Record<string, (text: string) => number | undefined> = {
    "%z": zone(/^[+-]\d{2}:?\d{2}|^[Zz]/),
    "%Ez": zone(/^[+-]\d{2}:\d{2}|^[Zz]/),
    "%Z": zone(/^[A-Za-z][A-Za-z_/+-]*\d*/)
  }
  const elements = { ...(has === "TIME" ? {} : date), ...(has === "DATE" ? {} : clock), ...(zones ? instant : {}) }
  const expanded = format
    .replaceAll("%F", "%Y-%m-%d")
    .replaceAll("%T", "%H:%M:%S")
    .replaceAll("%R", "%H:%M")
    .replaceAll("%D", "%m/%d/%y")
  const mismatch = () => fail(`Failed to parse input string "${source}"`)
  let rest = source.replace(/^\s+/, "")
  for (const [element] of expanded.replace(/^\s+/, "").matchAll(/%(?:E[0-9*]?)?[\s\S]?|\s+|[^%\s]/g)) {
    if (element.startsWith("%")) {
      const read = element === "%%" ? (text: string) => (text.startsWith("%") ? 1 : undefined) : elements[element]
      if (read === undefined) return unsupported(`the format element ${element}`)
      const length = read(rest)
      if (length === undefined) return mismatch()
      rest = rest.slice(length)
    } else if (/^\s/.test(element)) rest = rest.replace(/^\s+/, "")
    else if (rest.startsWith(element)) rest = rest.slice(1)
    else return mismatch()
  }
  if (rest.trim() !== "" || fields.day > daysInMonth(fields.year, fields.month)) return mismatch()
  if (fields.afternoon === true) fields.hour = (fields.hour % 12) + 12
  const day = BigInt(dayNumber(fields.year, fields.month, fields.day))
  const inDay = BigInt(((fields.hour * 60 + fields.minute) * 60 + fields.second) * 1_000_000 + fields.micros)
  return { micros: day * microsPerDay + inDay, zone: fields.zone }
}
