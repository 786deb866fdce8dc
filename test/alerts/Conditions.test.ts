/**
 * Conditions of alerts over hand-made sums; every expected answer is worked out beside its case.
 */
import { describe, expect, it } from "@effect/vitest"
import * as BigDecimal from "effect/BigDecimal"
import * as Schema from "effect/Schema"
import { Alert } from "../../src/alerts/AlertDefinition.ts"
import { daysNeeded, judge } from "../../src/alerts/Conditions.ts"
import type { DaySum } from "../../src/alerts/CostQuery.ts"

const now = Date.parse("2026-05-11T08:00:00Z")

const alert = (condition: unknown, source: Record<string, unknown> = {}) =>
  Schema.decodeUnknownSync(Alert, { onExcessProperty: "error" })({
    id: "a",
    name: "A",
    schedule: { cron: "0 8 * * *" },
    source: { type: "bigquery", query_template: "total_costs", ...source },
    conditions: [condition].flat(),
    recipients: { type: "org_owners" },
    notification: { severity: "warning" }
  })

const sum = (day: string, cost: string, currency = "USD"): DaySum => ({
  day: `2026-${day}`,
  currency,
  cost: BigDecimal.unsafeFromString(cost),
  records: 2
})

const outcome = (condition: unknown, sums: ReadonlyArray<DaySum>, source: Record<string, unknown> = {}) =>
  judge(alert(condition, source), sums, now).outcome

/** 100.10 in May so far, 80.05 in the same days of April, 7 after those. */
const may = [sum("04-01", "80.05"), sum("04-20", "7"), sum("05-01", "60.10"), sum("05-11", "40")]

describe("conditions of an alert", () => {
  it.each([
    ["gt", "100.09", "match"],
    ["gt", "100.10", "no_match"],
    ["gte", "100.10", "match"],
    ["lt", "100.10", "no_match"],
    ["lte", 100.1, "match"],
    ["eq", "100.1000", "match"],
    ["ne", "100.1", "no_match"],
    ["between", ["100.10", "200"], "match"],
    ["between", ["0", "100.10"], "match"],
    ["between", ["100.11", "200"], "no_match"],
    ["not_between", ["100.10", "200"], "no_match"],
    ["not_between", ["0", "100.09"], "match"],
    ["in", ["1", "100.10"], "match"],
    ["not_in", ["1", "100.10"], "no_match"],
    // 50 % of 200.20 is 100.10, which is reached, not exceeded.
    ["percentage_of_exceeds", ["200.20", "50"], "no_match"],
    ["percentage_of_exceeds", ["200.19", "50"], "match"]
  ])("total_cost %s %s: %s", (operator, value, expected) => {
    expect(outcome({ field: "total_cost", operator, value }, may)).toBe(expected)
  })

  it("compare more digits than a binary number has", () => {
    const sums = [sum("05-01", "9007199254740993.000000000000000000000001")]
    const at = (value: string) => outcome({ field: "total_cost", operator: "gt", value }, sums)
    expect(at("9007199254740993")).toBe("match")
    expect(at("9007199254740993.000000000000000000000001")).toBe("no_match")
  })

  it("compare with the same days of the month before, by amount and percent, without rounding", () => {
    // 100.10 - 80.05 = 20.05; 20.05 x 100 / 80.05 = 25.0468...
    expect(judge(alert({ field: "change_amount", operator: "eq", value: "20.05" }), may, now)).toEqual({
      outcome: "match",
      currency: "USD",
      values: {
        total_cost: "100.1",
        record_count: "4",
        currency: "USD",
        projected_cost: "1863.1",
        previous_cost: "80.05",
        change_amount: "20.05",
        change_percent: "25.05"
      }
    })
    const percent = (operator: string, value: string) => outcome({ field: "change_percent", operator, value }, may)
    // Shown as 25.05, it is less.
    expect(percent("lt", "25.05")).toBe("match")
    expect(percent("gt", "25.04")).toBe("match")
    expect(percent("eq", "25.05")).toBe("no_match")
  })

  it("have no change without costs before: is_null alone holds", () => {
    const sums = [sum("05-11", "5")]
    expect(outcome({ field: "change_percent", operator: "gt", value: "0" }, sums)).toBe("no_match")
    expect(outcome({ field: "previous_cost", operator: "is_null" }, sums)).toBe("match")
    expect(outcome({ field: "previous_cost", operator: "is_not_null" }, sums)).toBe("no_match")
    expect(outcome({ field: "change_percent", operator: "not_in", value: ["1"] }, sums)).toBe("no_match")
  })

  it("must all hold", () => {
    const both = [
      { field: "total_cost", operator: "gt", value: 100 },
      { field: "currency", operator: "contains", value: "EU" }
    ]
    expect(outcome(both, may)).toBe("no_match")
    expect(outcome(both.slice(0, 1), may)).toBe("match")
    expect(outcome({ field: "currency", operator: "in", value: ["EUR", "USD"] }, may)).toBe("match")
  })

  it("never add up currencies, and never compare one with a limit in another", () => {
    const condition = { field: "total_cost", operator: "gt", value: "1" }
    expect(judge(alert(condition), [sum("05-01", "5"), sum("05-02", "5", "EUR")], now)).toEqual({
      outcome: "error",
      reason: "the costs are in USD and EUR, which are never added up: set params.currency"
    })
    expect(outcome({ ...condition, unit: "EUR" }, may)).toBe("error")
    expect(outcome({ ...condition, unit: "USD" }, may)).toBe("match")
  })

  it("say no_data where there is none", () => {
    const condition = { field: "total_cost", operator: "gte", value: "0" }
    expect(outcome(condition, [])).toBe("no_data")
    expect(outcome(condition, [sum("04-30", "5")])).toBe("no_data")
  })

  it("forecast: mean of the complete days x 31 days of May; today is not complete", () => {
    // (60 + 40) / 2 x 31 = 1550; today's 1000 does not count.
    const sums = [sum("05-01", "60"), sum("05-02", "40"), sum("05-11", "1000")]
    const forecast = { query_template: "cost_forecast" }
    const at = (operator: string, value: string) =>
      outcome({ field: "projected_cost", operator, value }, sums, forecast)
    expect(at("eq", "1550")).toBe("match")
    expect(at("gt", "1550")).toBe("no_match")
    expect(outcome({ field: "projected_cost", operator: "gt", value: "0" }, sums.slice(2), forecast)).toBe("no_data")
    // A third of 10 over three days: 10 x 31 / 3 is 103.333..., never 103.33.
    const thirds = [sum("05-01", "3"), sum("05-02", "3"), sum("05-03", "4")]
    const exact = (operator: string, value: string) =>
      outcome({ field: "projected_cost", operator, value }, thirds, forecast)
    expect(exact("gt", "103.33")).toBe("match")
    expect(exact("lt", "103.34")).toBe("match")
  })

  it("anomaly: the last complete day against mean and deviation of those before", () => {
    // Eight days: 8, 12, 8, 12 ... have mean 10 and deviation 2. 16 is exactly 3 deviations above.
    const before = Array.from({ length: 8 }, (_, index) => sum(`05-0${index + 2}`, index % 2 === 0 ? "8" : "12"))
    const at = (yesterday: string, value = "3") =>
      outcome({ field: "total_cost", operator: "deviates_by", value, days: 8 }, [...before, sum("05-10", yesterday)], {
        params: { period: "yesterday" }
      })
    expect(at("16")).toBe("no_match")
    expect(at("16.000000001")).toBe("match")
    expect(at("14.01", "2")).toBe("match")
    // Far below is not what the alert is about.
    expect(at("0")).toBe("no_match")
    // Two of the eight days are not enough to know what is usual.
    const few = [...before.slice(0, 2), sum("05-10", "99")]
    expect(
      outcome({ field: "total_cost", operator: "deviates_by", value: "3" }, few, { params: { period: "yesterday" } })
    ).toBe("no_data")
  })

  it.each([
    ["today", "2026-05-10", "2026-05-11"],
    ["yesterday", "2026-05-09", "2026-05-10"],
    // 11 May 2026 is a Monday.
    ["current_week", "2026-05-04", "2026-05-11"],
    ["current_month", "2026-04-01", "2026-05-11"],
    ["last_7_days", "2026-04-27", "2026-05-10"],
    ["last_30_days", "2026-03-12", "2026-05-10"]
  ])("of %s need the days from %s to %s", (period, start, end) => {
    const condition = { field: "total_cost", operator: "gt", value: 1 }
    expect(daysNeeded(alert(condition, { params: { period } }), now)).toEqual({ start, end })
  })

  it.each([
    ["a text for a number", { field: "total_cost", operator: "gt", value: "many" }],
    ["a number in E notation", { field: "total_cost", operator: "gt", value: "1e3" }],
    ["an order of texts", { field: "currency", operator: "gt", value: "1" }],
    ["an unknown operator", { field: "total_cost", operator: "above", value: "1" }],
    ["a limit without percent", { field: "total_cost", operator: "percentage_of_exceeds", value: ["1"] }],
    ["an unknown member", { field: "total_cost", operator: "gt", value: "1", values: [] }]
  ])("refuse %s", (_, condition) => {
    expect(() => alert(condition)).toThrow()
  })
})
