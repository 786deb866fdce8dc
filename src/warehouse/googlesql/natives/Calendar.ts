/**
 * The Gregorian calendar on day numbers, and date parts of local times.
 */
import { floorDivide } from "./Zone.ts"

export const microsPerDay = 86_400_000_000n
/** 0001-01-01 and 9999-12-31, BigQuery's range. */
export const firstDay = -719_162
export const lastDay = 2_932_896

export interface CivilDate {
  readonly year: number
  readonly month: number
  readonly day: number
}

/** Year, month and day of a day number. */
export const civil = (days: number): CivilDate => {
  const date = new Date(days * 86_400_000)
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() }
}

/** The day number of a date; the month may lie outside 1..12. */
export const dayNumber = (year: number, month: number, day: number): number => {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return Math.round(date.getTime() / 86_400_000)
}

export const daysInMonth = (year: number, month: number): number =>
  dayNumber(year, month + 1, 1) - dayNumber(year, month, 1)
/** 0 is Sunday. */
export const weekday = (days: number): number => (((days + 4) % 7) + 7) % 7
export const inRange = (days: number): boolean => days >= firstDay && days <= lastDay

/** First day of the ISO year that the day belongs to. */
export const isoYearStart = (days: number): number => {
  const thursday = days - ((weekday(days) + 6) % 7) + 3
  const fourth = dayNumber(civil(thursday).year, 1, 4)
  return fourth - ((weekday(fourth) + 6) % 7)
}
export const isoYear = (days: number): number => civil(isoYearStart(days) + 3).year
export const isoWeek = (days: number): number => Math.floor((days - isoYearStart(days)) / 7) + 1

/** The first day of the part that holds the day. */
export const truncateDate = (days: number, part: string, firstWeekday: number): number => {
  const { year, month } = civil(days)
  switch (part) {
    case "WEEK":
      return days - ((weekday(days) - firstWeekday + 7) % 7)
    case "ISOWEEK":
      return days - ((weekday(days) + 6) % 7)
    case "MONTH":
      return dayNumber(year, month, 1)
    case "QUARTER":
      return dayNumber(year, month - ((month - 1) % 3), 1)
    case "YEAR":
      return dayNumber(year, 1, 1)
    case "ISOYEAR":
      return isoYearStart(days)
    default:
      return days
  }
}

/** Parts between two days, as BigQuery counts boundaries. */
export const differenceOfDates = (a: number, b: number, part: string, firstWeekday: number): number => {
  const x = civil(a)
  const y = civil(b)
  switch (part) {
    case "WEEK":
    case "ISOWEEK":
      return (truncateDate(a, part, firstWeekday) - truncateDate(b, part, firstWeekday)) / 7
    case "MONTH":
      return (x.year - y.year) * 12 + x.month - y.month
    case "QUARTER":
      return (x.year - y.year) * 4 + Math.ceil(x.month / 3) - Math.ceil(y.month / 3)
    case "YEAR":
      return x.year - y.year
    case "ISOYEAR":
      return isoYear(a) - isoYear(b)
    default:
      return a - b
  }
}

const monthsPer: Readonly<Record<string, number>> = { MONTH: 1, QUARTER: 3, YEAR: 12 }

/** The day moved by an amount; a day that the month has not becomes its last. */
export const addToDate = (days: number, amount: number, part: string): number => {
  const months = monthsPer[part]
  if (months === undefined) return days + amount * (part === "WEEK" ? 7 : 1)
  const { year, month, day } = civil(days)
  const total = year * 12 + month - 1 + amount * months
  const target = { year: Math.floor(total / 12), month: (((total % 12) + 12) % 12) + 1 }
  return dayNumber(target.year, target.month, Math.min(day, daysInMonth(target.year, target.month)))
}

export const microsPer: Readonly<Record<string, bigint>> = {
  MICROSECOND: 1n,
  MILLISECOND: 1000n,
  SECOND: 1_000_000n,
  MINUTE: 60_000_000n,
  HOUR: 3_600_000_000n,
  DAY: microsPerDay
}

/** A local time as its day and the microseconds since midnight. */
export const split = (micros: bigint): { readonly day: number; readonly time: bigint } => {
  const day = floorDivide(micros, microsPerDay)
  return { day: Number(day), time: micros - day * microsPerDay }
}
