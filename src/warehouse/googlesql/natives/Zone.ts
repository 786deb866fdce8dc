/**
 * Time zones: offsets of an instant, and the instant of a local time.
 */
import { fail, Refusal, unsupported } from "./Native.ts"

const second = 1_000_000n
const quarterHour = 900n * second
const offsets = new Map<string, bigint>()
const formats = new Map<string, Intl.DateTimeFormat>()
const maxCachedOffsets = 20_000

/** Division that rounds down. */
export const floorDivide = (a: bigint, b: bigint): bigint => (a % b < 0n ? a / b - 1n : a / b)

const formatOf = (zone: string): Intl.DateTimeFormat | undefined => {
  const cached = formats.get(zone)
  if (cached !== undefined) return cached
  if (!/^[A-Za-z_]+(\/[A-Za-z0-9_+-]+)+$|^(UTC|GMT)$/.test(zone)) return undefined
  try {
    const format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      era: "short",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric"
    })
    formats.set(zone, format)
    return format
  } catch {
    return undefined
  }
}

/** Microseconds that the zone is ahead of UTC at an instant. */
export const offsetAt = (zone: string, micros: bigint): bigint | Refusal => {
  if (zone === "UTC") return 0n
  const fixed = /^(?:UTC)?([+-])(\d{1,2})(?::(\d{2}))?$/.exec(zone)
  if (fixed !== null) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3] ?? "0")
    if (minutes > 14 * 60 || Number(fixed[3] ?? "0") > 59) return fail(`Invalid time zone: ${zone}`)
    return BigInt(fixed[1] === "-" ? -minutes : minutes) * 60n * second
  }
  const bucket = floorDivide(micros, quarterHour)
  const key = `${zone}|${bucket}`
  const cached = offsets.get(key)
  if (cached !== undefined) return cached
  const format = formatOf(zone)
  if (format === undefined) return fail(`Invalid time zone: ${zone}`)
  const instant = Number(floorDivide(bucket * quarterHour, 1000n))
  const parts: Record<string, string> = {}
  for (const part of format.formatToParts(new Date(instant))) parts[part.type] = part.value
  if (parts["era"] !== "AD") return unsupported("a local time before the year 1")
  const local = new Date(0)
  local.setUTCFullYear(Number(parts["year"]), Number(parts["month"]) - 1, Number(parts["day"]))
  local.setUTCHours(Number(parts["hour"]), Number(parts["minute"]), Number(parts["second"]))
  const offset = BigInt(local.getTime() - instant) * 1000n
  // Local mean times of the past have seconds, and change within a quarter of an hour.
  if (offset % (60n * second) !== 0n) return unsupported(`local mean time in ${zone}`)
  if (offsets.size >= maxCachedOffsets) offsets.clear()
  offsets.set(key, offset)
  return offset
}

/** The local time of an instant. */
export const toLocal = (zone: string, micros: bigint): bigint | Refusal => {
  const offset = offsetAt(zone, micros)
  return offset instanceof Refusal ? offset : micros + offset
}

/** The instant of a local time: the earlier of two, and for a skipped one that of the offset before the change. */
export const fromLocal = (zone: string, local: bigint): bigint | Refusal => {
  const day = 86_400n * second
  const before = offsetAt(zone, local - day)
  const after = offsetAt(zone, local + day)
  if (before instanceof Refusal) return before
  if (after instanceof Refusal) return after
  if (before === after) return local - before
  const checked = offsetAt(zone, local - before)
  if (checked instanceof Refusal || checked === before) return local - before
  return offsetAt(zone, local - after) === after ? local - after : local - before
}
