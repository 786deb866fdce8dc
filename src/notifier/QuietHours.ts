/**
 * Quiet hours: from a time of day to another one, in a time zone, over midnight when the end is not after the start.
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import type { Rule } from "./Channels.ts"

const minutesOf = (clock: string): number => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3, 5))

/** The end of the quiet hours that `now` lies in, or `now`; milliseconds since 1970 UTC. An unknown zone has no quiet hours. */
export const afterQuietHours = (now: number, quiet: NonNullable<Rule["quietHours"]>): number => {
  const local = Option.getOrUndefined(DateTime.makeZoned(now, { timeZone: quiet.timezone }))
  if (local === undefined) return now
  const parts = DateTime.toParts(local)
  const minute = parts.hours * 60 + parts.minutes
  const [start, end] = [minutesOf(quiet.start), minutesOf(quiet.end)]
  const isQuiet = start < end ? start <= minute && minute < end : start !== end && (minute >= start || minute < end)
  if (!isQuiet) return now
  const day = minute < end ? local : DateTime.add(local, { days: 1 })
  const over = DateTime.setParts(day, { hours: Math.floor(end / 60), minutes: end % 60, seconds: 0, millis: 0 })
  return DateTime.toEpochMillis(over)
}
