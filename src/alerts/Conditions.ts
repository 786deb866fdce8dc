/**
 * Do the conditions of an alert hold for these sums? Pure and exact: nothing is rounded, and currencies are never added up.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Option from "effect/Option"
import type { Alert, Condition, Field } from "./AlertDefinition.ts"
import type { DaySum } from "./CostQuery.ts"
import { addDays, daysOfMonth, type Days, periodAt } from "./Periods.ts"
import * as Rational from "./Rational.ts"

/** The conditions hold, or do not, for these values. */
export interface Match {
  readonly outcome: "match" | "no_match"
  readonly values: Values
  /** Of the amounts; none where there are no costs. */
  readonly currency?: string
}

/** What the costs say. `values` are exact texts for the message, but for means and percentages, which are rounded to two places. */
export type Verdict = Match | { readonly outcome: "no_data" } | { readonly outcome: "error"; readonly reason: string }

/** What an organisation may do and has done, for the alerts of `quota_usage`. */
export interface QuotaUsage {
  readonly today: number
  readonly month: number
  readonly running: number
  readonly dailyLimit: number
  readonly monthlyLimit: number
  readonly concurrentLimit: number
}

/** Judges the use of a plan. */
export const judgeQuota = (alert: Alert, usage: QuotaUsage): Match => {
  const percent = (used: number, limit: number) =>
    Rational.make(BigDecimal.fromBigInt(BigInt(used) * 100n), BigDecimal.fromBigInt(BigInt(limit)))
  const fields: Partial<Fields> = {
    daily_runs: Rational.of(usage.today),
    daily_limit: Rational.of(usage.dailyLimit),
    daily_percent: percent(usage.today, usage.dailyLimit),
    monthly_runs: Rational.of(usage.month),
    monthly_limit: Rational.of(usage.monthlyLimit),
    monthly_percent: percent(usage.month, usage.monthlyLimit),
    concurrent_runs: Rational.of(usage.running),
    concurrent_limit: Rational.of(usage.concurrentLimit),
    concurrent_percent: percent(usage.running, usage.concurrentLimit)
  }
  const isMatch = alert.conditions.every(
    (condition) => condition.operator !== "deviates_by" && holds(condition, fields[condition.field])
  )
  return { outcome: isMatch ? "match" : "no_match", values: shown(fields) }
}

type Values = Readonly<Partial<Record<Field, string>>>
type Fields = Readonly<Partial<Record<Field, Rational.Rational | string | undefined>>>

/** The days whose sums {@link judge} needs. */
export const daysNeeded = (alert: Alert, now: number): Days => {
  const { current, previous } = periodAt(periodOf(alert), now)
  const anomalies = alert.conditions.flatMap((condition) =>
    condition.operator === "deviates_by" ? [addDays(lastCompleteDay(now), -condition.days)] : []
  )
  return { start: [previous.start, ...anomalies].sort()[0] ?? previous.start, end: current.end }
}

/** Judges the sums of {@link daysNeeded}. */
export const judge = (alert: Alert, sums: ReadonlyArray<DaySum>, now: number): Verdict => {
  const { current, previous } = periodAt(periodOf(alert), now)
  const currencies = [...new Set(sums.map(({ currency }) => currency))]
  const [currency] = currencies
  const ofPeriod = within(sums, current)
  if (currency === undefined || ofPeriod.length === 0) return { outcome: "no_data" }
  if (currencies.length > 1) {
    return error(`the costs are in ${currencies.join(" and ")}, which are never added up: set params.currency`)
  }
  const foreign = alert.conditions.find(({ unit }) => unit !== undefined && isCurrency(unit) && unit !== currency)
  if (foreign !== undefined) return error(`the costs are in ${currency}, the condition is in ${foreign.unit}`)
  const fields = fieldsOf(ofPeriod, within(sums, previous), currency, current)
  if (isForecast(alert) && fields.projected_cost === undefined) return { outcome: "no_data" }
  const answers = alert.conditions.map((condition) =>
    condition.operator === "deviates_by" ? deviates(condition, sums, now) : holds(condition, fields[condition.field])
  )
  if (answers.includes("no_data")) return { outcome: "no_data" }
  return { outcome: answers.every((answer) => answer === true) ? "match" : "no_match", values: shown(fields), currency }
}

const error = (reason: string): Verdict => ({ outcome: "error", reason })
const isCurrency = (unit: string): boolean => /^[A-Z]{3}$/.test(unit)
const isForecast = (alert: Alert): boolean => alert.source.query_template === "cost_forecast"
/** A forecast is one of the month. */
const periodOf = (alert: Alert) => (isForecast(alert) ? "current_month" : alert.source.params.period)
const lastCompleteDay = (now: number): string => periodAt("yesterday", now).current.end

const within = (sums: ReadonlyArray<DaySum>, { end, start }: Days): ReadonlyArray<DaySum> =>
  sums.filter(({ day }) => start <= day && day <= end)

const zero = BigDecimal.fromBigInt(0n)
const hundred = BigDecimal.fromBigInt(100n)
const total = (sums: ReadonlyArray<DaySum>): BigDecimal.BigDecimal => BigDecimal.sumAll(sums.map(({ cost }) => cost))

const fieldsOf = (
  current: ReadonlyArray<DaySum>,
  previous: ReadonlyArray<DaySum>,
  currency: string,
  days: Days
): Fields => {
  const cost = total(current)
  const before = previous.length === 0 ? undefined : total(previous)
  const change = before === undefined ? undefined : BigDecimal.subtract(cost, before)
  const complete = current.filter(({ day }) => day < days.end)
  return {
    total_cost: Rational.of(cost),
    record_count: Rational.of(current.reduce((sum, { records }) => sum + records, 0)),
    currency,
    projected_cost:
      complete.length === 0
        ? undefined
        : Rational.make(
            BigDecimal.multiply(total(complete), BigDecimal.fromBigInt(BigInt(daysOfMonth(days.end)))),
            BigDecimal.fromBigInt(BigInt(complete.length))
          ),
    previous_cost: before === undefined ? undefined : Rational.of(before),
    change_amount: change === undefined ? undefined : Rational.of(change),
    change_percent:
      change === undefined || before === undefined
        ? undefined
        : Rational.make(BigDecimal.multiply(change, hundred), before)
  }
}

const shown = (fields: Fields): Values =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === "string" ? value : Rational.toText(value)]]
    )
  )

const decimal = (text: string): BigDecimal.BigDecimal | undefined => Option.getOrUndefined(BigDecimal.fromString(text))

const isEqual = (value: Rational.Rational | string, wanted: string): boolean => {
  if (typeof value === "string") return value === wanted
  const number = decimal(wanted)
  return number !== undefined && Rational.compare(value, number) === 0
}

/** A value that is not there fulfils nothing but `is_null`. */
const holds = (
  condition: Exclude<Condition, { readonly operator: "deviates_by" }>,
  value: Rational.Rational | string | undefined
): boolean => {
  if (condition.operator === "is_null") return value === undefined
  if (value === undefined) return false
  const text = typeof value === "string" ? value : Rational.toText(value)
  const compared = (to: string): number => {
    const number = decimal(to)
    return typeof value === "string" || number === undefined ? Number.NaN : Rational.compare(value, number)
  }
  switch (condition.operator) {
    case "is_not_null":
      return true
    case "gt":
      return compared(condition.value) > 0
    case "lt":
      return compared(condition.value) < 0
    case "gte":
      return compared(condition.value) >= 0
    case "lte":
      return compared(condition.value) <= 0
    case "eq":
      return isEqual(value, condition.value)
    case "ne":
      return !isEqual(value, condition.value)
    case "between":
      return compared(condition.value[0]) >= 0 && compared(condition.value[1]) <= 0
    case "not_between":
      return compared(condition.value[0]) < 0 || compared(condition.value[1]) > 0
    case "contains":
      return text.includes(condition.value)
    case "not_contains":
      return !text.includes(condition.value)
    case "in":
      return condition.value.some((wanted) => isEqual(value, wanted))
    case "not_in":
      return !condition.value.some((wanted) => isEqual(value, wanted))
    case "percentage_of_exceeds": {
      const [limit, percent] = condition.value.map(decimal)
      if (typeof value === "string" || limit === undefined || percent === undefined) return false
      // value > limit x percent / 100, without the division.
      const scaled = { numerator: BigDecimal.multiply(value.numerator, hundred), denominator: value.denominator }
      return Rational.compare(scaled, BigDecimal.multiply(limit, percent)) > 0
    }
  }
}

/**
 * x is the last complete day, S and Q are the sums of the n days before it and of their squares. x - S/n > k x sqrt(Q/n - (S/n)^2), both
 * sides times n and squared: no root, no division. A day without rows is unknown, not zero.
 */
const deviates = (
  { days, value }: Condition & { readonly operator: "deviates_by" },
  sums: ReadonlyArray<DaySum>,
  now: number
): boolean | "no_data" => {
  const day = lastCompleteDay(now)
  const last = sums.find((each) => each.day === day)
  const before = within(sums, { start: addDays(day, -days), end: addDays(day, -1) }).map(({ cost }) => cost)
  const factor = decimal(value)
  if (last === undefined || before.length < MINIMUM_DAYS || factor === undefined) return "no_data"
  const n = BigDecimal.fromBigInt(BigInt(before.length))
  const sum = BigDecimal.sumAll(before)
  const squares = BigDecimal.sumAll(before.map((cost) => BigDecimal.multiply(cost, cost)))
  const excess = BigDecimal.subtract(BigDecimal.multiply(n, last.cost), sum)
  if (!BigDecimal.greaterThan(excess, zero)) return false
  const spread = BigDecimal.subtract(BigDecimal.multiply(n, squares), BigDecimal.multiply(sum, sum))
  return BigDecimal.greaterThan(
    BigDecimal.multiply(excess, excess),
    BigDecimal.multiply(BigDecimal.multiply(factor, factor), spread)
  )
}

/** Fewer days say nothing about what is usual. */
const MINIMUM_DAYS = 7
