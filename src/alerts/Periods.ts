/**
 * The days of a period and of the one before it, all UTC and inclusive.
 */
import type { Period } from "./AlertDefinition.ts"

export interface Days {
  readonly start: string
  readonly end: string
}

const dayMilliseconds = 86_400_000
const textOf = (time: number): string => new Date(time).toISOString().slice(0, 10)
/** Midnight of the day, so many days later. */
export const addDays = (day: string, days: number): string => textOf(Date.parse(day) + days * dayMilliseconds)

/** The period as of `now` (milliseconds since 1970 UTC), and what it is compared with. */
export const periodAt = (period: Period, now: number): { readonly current: Days; readonly previous: Days } => {
  const today = textOf(now)
  const yesterday = addDays(today, -1)
  const back = (current: Days, days: number) => ({
    current,
    previous: { start: addDays(current.start, -days), end: addDays(current.end, -days) }
  })
  switch (period) {
    case "today":
      return back({ start: today, end: today }, 1)
    case "yesterday":
      return back({ start: yesterday, end: yesterday }, 1)
    case "current_week": {
      const sinceMonday = (new Date(now).getUTCDay() + 6) % 7
      return back({ start: addDays(today, -sinceMonday), end: today }, 7)
    }
    case "current_month": {
      const start = `${today.slice(0, 8)}01`
      const lastOfBefore = addDays(start, -1)
      const startOfBefore = `${lastOfBefore.slice(0, 8)}01`
      const sameDay = `${startOfBefore.slice(0, 8)}${today.slice(8)}`
      return {
        current: { start, end: today },
        // A shorter month before is taken to its end.
        previous: { start: startOfBefore, end: sameDay < lastOfBefore ? sameDay : lastOfBefore }
      }
    }
    case "last_7_days":
      return back({ start: addDays(yesterday, -6), end: yesterday }, 7)
    case "last_30_days":
      return back({ start: addDays(yesterday, -29), end: yesterday }, 30)
  }
}

/** Days of the month that the day is in. */
export const daysOfMonth = (day: string): number =>
  new Date(Date.UTC(Number(day.slice(0, 4)), Number(day.slice(5, 7)), 0)).getUTCDate()

/** The days of a summary that is due at `time`, and those before them. */
export const summaryDays = (
  type: "daily" | "weekly" | "monthly",
  time: number
): { readonly current: Days; readonly previous: Days } => {
  if (type !== "monthly") return periodAt(type === "daily" ? "yesterday" : "last_7_days", time)
  const monthBefore = (day: string): Days => {
    const end = addDays(`${day.slice(0, 8)}01`, -1)
    return { start: `${end.slice(0, 8)}01`, end }
  }
  const current = monthBefore(textOf(time))
  return { current, previous: monthBefore(current.start) }
}
