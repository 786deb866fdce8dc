/**
 * What a summary of costs says. Currencies stand beside each other and are never added up; amounts are shown to two places, the message's
 * data has all digits.
 */
import * as BigDecimal from "effect/BigDecimal"
import type { Message } from "../notifier/Message.ts"
import type { Summary } from "../notifier/Summaries.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import type { ItemSum } from "./CostQuery.ts"
import type { Days } from "./Periods.ts"
import * as Rational from "./Rational.ts"

const hundred = BigDecimal.fromBigInt(100n)
const sumOf = (sums: ReadonlyArray<ItemSum>): BigDecimal.BigDecimal => BigDecimal.sumAll(sums.map(({ cost }) => cost))
const shown = (cost: BigDecimal.BigDecimal): string => Rational.rounded(Rational.of(cost))

/** The most expensive of what `nameOf` names, the first first. */
const largest = (sums: ReadonlyArray<ItemSum>, nameOf: (sum: ItemSum) => string, count: number) => {
  const byName = new Map<string, BigDecimal.BigDecimal>()
  for (const sum of sums) {
    const before = byName.get(nameOf(sum))
    byName.set(nameOf(sum), before === undefined ? sum.cost : BigDecimal.sum(before, sum.cost))
  }
  return [...byName].sort(([, a], [, b]) => BigDecimal.Order(b, a)).slice(0, count)
}

/** `12.50 (5.0 %) more than before`, against a period without costs nothing. */
const changeOf = (cost: BigDecimal.BigDecimal, before: BigDecimal.BigDecimal): string => {
  const change = BigDecimal.subtract(cost, before)
  const percent = Rational.make(BigDecimal.multiply(BigDecimal.abs(change), hundred), before)
  const part = percent === undefined ? "" : ` (${Rational.rounded(percent)} %)`
  return `${shown(BigDecimal.abs(change))}${part} ${BigDecimal.isNegative(change) ? "less" : "more"} than in the period before`
}

/** The message of a summary of these days. `before` are the sums of the period before. */
export const summaryMessage = (
  summary: Summary,
  org: OrgSlug,
  { end, start }: Days,
  sums: ReadonlyArray<ItemSum>,
  before: ReadonlyArray<ItemSum>
): Message => {
  const period = start === end ? start : `${start} to ${end}`
  const currencies = [...new Set(sums.map(({ currency }) => currency))].sort()
  const of = (all: ReadonlyArray<ItemSum>, currency: string) => all.filter((sum) => sum.currency === currency)
  const totals = currencies.map((currency) => ({ currency, cost: sumOf(of(sums, currency)) }))
  const top = (currency: string, label: string, nameOf: (sum: ItemSum) => string) =>
    largest(of(sums, currency), nameOf, summary.topItems).map(
      ([name, cost]) => [`${label} ${name}`, `${shown(cost)} ${currency}`] as const
    )
  const title = totals.map(({ cost, currency }) => `${shown(cost)} ${currency}`).join(", ")
  return {
    title: `${summary.name}: ${title === "" ? "no costs" : title} (${org})`,
    severity: "info",
    text: totals.map(({ cost, currency }) => {
      const earlier = of(before, currency)
      const change =
        summary.sections.includes("change") && earlier.length > 0 ? `, ${changeOf(cost, sumOf(earlier))}` : ""
      return `${period}: ${shown(cost)} ${currency}${change}.`
    }),
    ...(totals.length === 0 ? { action: `nothing is loaded for ${period}: look at the runs of its pipelines` } : {}),
    facts: currencies.flatMap((currency) => [
      ...(summary.sections.includes("providers") ? top(currency, "Provider", (sum) => sum.provider) : []),
      ...(summary.sections.includes("services") ? top(currency, "Service", (sum) => sum.service) : [])
    ]),
    data: {
      summary_id: summary.summaryId,
      start,
      end,
      totals: totals.map(({ cost, currency }) => ({ currency, total_cost: Rational.toText(Rational.of(cost)) }))
    }
  }
}
