/**
 * The data dates of a run: inclusive UTC days, at most 730, none in the future.
 */
import * as Either from "effect/Either"
import { type Day, dayOf } from "../platform/Identifiers.ts"
import { InvalidDateRange } from "./Runs.ts"

const maximumDays = 730
const millisecondsPerDay = 86_400_000

/** An inclusive range of UTC days. */
export interface DateRange {
  readonly startDate: Day
  readonly endDate: Day
}

/** Fills in what the caller left out (start only: one day; nothing: yesterday) and refuses what cannot be run. `now` in milliseconds. */
export const resolveDates = (
  request: { readonly startDate?: Day; readonly endDate?: Day },
  now: number,
  allowsFuture = false
): Either.Either<DateRange, InvalidDateRange> => {
  if (request.startDate === undefined && request.endDate !== undefined) {
    return invalid("INVALID_DATE_RANGE", "end_date is given without start_date: give both, or only start_date")
  }
  const startDate = request.startDate ?? dayOf(now - millisecondsPerDay)
  const endDate = request.endDate ?? startDate
  if (startDate > endDate) {
    return invalid("INVALID_DATE_RANGE", `start_date ${startDate} is after end_date ${endDate}: swap them`)
  }
  const days = (Date.parse(endDate) - Date.parse(startDate)) / millisecondsPerDay + 1
  if (days > maximumDays) {
    return invalid("INVALID_DATE_RANGE", `${days} days are more than ${maximumDays}: split the range into several runs`)
  }
  if (endDate > dayOf(now) && !allowsFuture) {
    return invalid("INVALID_DATE", `${endDate} is in the future: its figures do not exist yet`)
  }
  return Either.right({ startDate, endDate })
}

/** From the earliest day of a pipeline's data to today, at most 730 days. */
export const sinceEarliest = (earliest: Day | undefined, now: number): DateRange => {
  const endDate = dayOf(now)
  const longest = dayOf(now - (maximumDays - 1) * millisecondsPerDay)
  return {
    startDate: earliest === undefined || earliest > endDate ? endDate : earliest < longest ? longest : earliest,
    endDate
  }
}

const invalid = (code: InvalidDateRange["code"], message: string) =>
  Either.left(new InvalidDateRange({ code, message }))
