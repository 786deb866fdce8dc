/**
 * What providers of provisioned throughput tell, in one shape: the columns of genai_commitment_usage_raw. Figures are decimal text.
 */
import * as BigDecimal from "effect/BigDecimal"

/** One commitment on one day. Null is what is not told. */
export interface CommitmentLine {
  readonly usage_date: string
  readonly commitment_id: string
  readonly commitment_name: string | null
  readonly model: string
  readonly region: string
  readonly hours_active: string
  readonly provisioned_units: string
  /** Units used in the mean of the hours. */
  readonly average_used_units: string | null
  readonly tokens_processed: string | null
  readonly request_count: string | null
  /** 0: by the hour. */
  readonly commitment_term_months: number | null
  readonly commitment_start: string | null
  /** First day after the term. */
  readonly commitment_end: string | null
  readonly x_genai_account_id: string | null
  readonly x_genai_project_id: string | null
}

/** The lines of a range of days, and what is doubtful about them. */
export interface Commitments {
  readonly lines: ReadonlyArray<CommitmentLine>
  readonly findings: ReadonlyArray<{ readonly check: string; readonly text: string }>
}

/** Days of a run, both inclusive, and the present moment. */
export interface Days {
  readonly first: string
  readonly last: string
  readonly nowMillis: number
}

const dayMillis = 86_400_000
const hourMillis = BigDecimal.fromBigInt(3_600_000n)
const decimals = 9

/** The days one by one. */
export const eachDay = ({ first, last }: Days): ReadonlyArray<string> => {
  const days: Array<string> = []
  for (let at = Date.parse(first); at <= Date.parse(last); at += dayMillis) days.push(dayOf(at))
  return days
}

/** The day after. */
export const dayAfter = (day: string): string => dayOf(Date.parse(day) + dayMillis)

/** The day that lies so many calendar months before or after, cut to the month's last day. */
export const monthsFrom = (day: string, months: number): string => {
  const [year = 0, month = 0, date = 0] = day.split("-").map(Number)
  const last = new Date(Date.UTC(year, month + months, 0)).getUTCDate()
  return dayOf(Date.UTC(year, month - 1 + months, Math.min(date, last)))
}

/** Hours of a day from when something began, until now if the day is not over; 0 before. To 9 decimals. */
export const hoursOn = (day: string, since: number | undefined, nowMillis: number): BigDecimal.BigDecimal => {
  const start = Math.max(Date.parse(day), since ?? 0)
  const end = Math.min(Date.parse(day) + dayMillis, nowMillis)
  return BigDecimal.round(
    BigDecimal.unsafeDivide(BigDecimal.fromBigInt(BigInt(Math.max(0, end - start))), hourMillis),
    { scale: decimals, mode: "half-from-zero" }
  )
}

/** Sum of decimal texts; null when there is none. */
export const sumOf = (values: ReadonlyArray<string>): BigDecimal.BigDecimal | null =>
  values.length === 0 ? null : BigDecimal.sumAll(values.map(BigDecimal.unsafeFromString))

/** A decimal as plain text, to so many decimals. */
export const decimalText = (value: BigDecimal.BigDecimal, scale = decimals): string =>
  BigDecimal.format(BigDecimal.round(value, { scale, mode: "half-from-zero" }))

const dayOf = (millis: number) => new Date(millis).toISOString().slice(0, 10)
