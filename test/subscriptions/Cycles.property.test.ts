/**
 * Random plans against laws that hold for each of them, whatever its cycle: days sum to cycles, cycles tile the calendar, and no row is
 * lost or doubled.
 */
import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import type { JsonObject } from "../../src/platform/Json.ts"
import { acme, layer, plan, query, run, writePlans } from "./support.ts"

/** Plans of one run; they cost little each, the run itself costs a second. */
const PLANS = 120
const FIRST_DAY = "2023-10-15"
const LAST_DAY = "2025-10-10"

const day = FastCheck.integer({ min: 0, max: 1400 }).map((offset) =>
  new Date(Date.UTC(2022, 0, 1) + offset * 86_400_000).toISOString().slice(0, 10)
)
const amount = (decimals: number, most: number) =>
  FastCheck.integer({ min: 0, max: most * 10 ** decimals }).map((units) => (units / 10 ** decimals).toFixed(decimals))
const discount = FastCheck.oneof(
  FastCheck.constant<JsonObject>({}),
  amount(3, 100).map((value): JsonObject => ({ discount_type: "percent", discount_value: value })),
  FastCheck.integer({ min: 0, max: 100 }).map((part): JsonObject => ({ discount_type: "fixed", part }))
)

const arbitraryPlan = FastCheck.record({
  start_date: day,
  lasts: FastCheck.option(FastCheck.integer({ min: 0, max: 900 })),
  billing_cycle: FastCheck.constantFrom("weekly", "monthly", "monthly", "quarterly", "semi-annual", "annual"),
  anchor: FastCheck.option(FastCheck.integer({ min: 1, max: 31 })),
  pricing_model: FastCheck.constantFrom("PER_SEAT", "PER_SEAT", "FLAT_FEE"),
  unit_price: FastCheck.oneof(amount(2, 500), amount(4, 5)),
  seats: FastCheck.integer({ min: 1, max: 997 }),
  currency: FastCheck.constantFrom("USD", "EUR", "JPY"),
  discount
}).map(({ anchor, discount: { part, ...off }, lasts, ...rest }) => {
  const units = rest.pricing_model === "FLAT_FEE" ? 1 : rest.seats
  // A fixed discount is a part of what the cycle costs, so that the plan is valid.
  const fixed =
    part === undefined ? {} : { discount_value: ((Number(rest.unit_price) * units * Number(part)) / 101).toFixed(2) }
  return {
    ...rest,
    ...off,
    ...fixed,
    ...(anchor === null || rest.billing_cycle !== "monthly" ? {} : { billing_anchor_day: anchor }),
    ...(lasts === null
      ? {}
      : { end_date: new Date(Date.parse(rest.start_date) + lasts * 86_400_000).toISOString().slice(0, 10) })
  }
})

withLayer(layer, { excludeTestServices: true })("random plans", (it) => {
  it.effect("sum to their cycles, tile the calendar, lose and double nothing", () =>
    Effect.gen(function* () {
      const plans = FastCheck.sample(arbitraryPlan, { numRuns: PLANS, seed: 20_260_131 })
      yield* writePlans(
        acme,
        plans.map((each, index) => plan(`plan_${index}`, each))
      )
      const { run: ended } = yield* run(acme, FIRST_DAY, LAST_DAY)
      expect([ended.status, ended.errorMessage]).toEqual(["COMPLETED", null])

      const none = (what: string, sql: string) => Effect.map(query(acme, sql), (rows) => expect(rows, what).toEqual([]))
      yield* none(
        "full cycles whose days do not sum to the price or the quantity",
        `SELECT subscription_id, cycle_start, SUM(daily_cost) AS days, MIN(cycle_cost) AS cost, SUM(day_quantity) AS quantity
        FROM subscription_plan_costs_daily
        GROUP BY subscription_id, cycle_start
        HAVING COUNT(*) = MIN(DATE_DIFF(cycle_end, cycle_start, DAY))
          AND (SUM(daily_cost) <> MIN(cycle_cost) OR SUM(day_quantity) <> MIN(cycle_quantity))`
      )
      yield* none(
        "full cycles whose FOCUS rows do not sum to the price",
        `SELECT cost.subscription_id, cost.cycle_start
        FROM subscription_plan_costs_daily AS cost
        JOIN cost_data_standard_1_3 AS focus ON focus.x_source_record_id = cost.x_ingestion_id
        GROUP BY cost.subscription_id, cost.cycle_start
        HAVING COUNTIF(focus.x_SplitPart = 1) = MIN(DATE_DIFF(cost.cycle_end, cost.cycle_start, DAY))
          AND (SUM(focus.EffectiveCost) <> MIN(cost.contracted_unit_price * cost.cycle_quantity) OR SUM(focus.BilledCost) <> SUM(focus.EffectiveCost))`
      )
      yield* none(
        "days that are no day of the plan, or lie outside their cycle, or cost less than nothing",
        `SELECT subscription_id, cost_date FROM subscription_plan_costs_daily
        WHERE cost_date < cycle_start OR cost_date >= cycle_end OR cost_date < plan_start_date
          OR cost_date > COALESCE(plan_end_date, cost_date) OR daily_cost < 0 OR day_quantity < 0 OR daily_cost > list_daily_cost`
      )
      yield* none(
        "cycles that overlap or leave a gap",
        `SELECT subscription_id, cycle_start, next_start FROM (
          SELECT subscription_id, cycle_start, cycle_end, LEAD(cycle_start) OVER (PARTITION BY subscription_id ORDER BY cycle_start) AS next_start
          FROM (SELECT DISTINCT subscription_id, cycle_start, cycle_end FROM subscription_plan_costs_daily)
        ) WHERE next_start <> cycle_end`
      )
      yield* none(
        "plans with another number of days than they have",
        `SELECT plans.subscription_id, plans.days, COALESCE(costs.n, 0) AS n
        FROM (
          SELECT subscription_id, GREATEST(0, DATE_DIFF(LEAST(COALESCE(end_date, DATE '${LAST_DAY}'), DATE '${LAST_DAY}'),
            GREATEST(start_date, DATE '${FIRST_DAY}'), DAY) + 1) AS days
          FROM subscription_plans
        ) AS plans
        LEFT JOIN (SELECT subscription_id, COUNT(*) AS n FROM subscription_plan_costs_daily GROUP BY subscription_id) AS costs
          ON costs.subscription_id = plans.subscription_id
        WHERE plans.days <> COALESCE(costs.n, 0)`
      )
      yield* none(
        "days without exactly one daily row, or starts of prepaid cycles without exactly one purchase",
        `SELECT cost.subscription_id, cost.cost_date
        FROM subscription_plan_costs_daily AS cost
        LEFT JOIN cost_data_standard_1_3 AS focus ON focus.x_source_record_id = cost.x_ingestion_id
        GROUP BY cost.subscription_id, cost.cost_date
        HAVING COUNTIF(focus.x_SplitPart = 1) <> 1
          OR COUNTIF(focus.x_SplitPart = 2) <> MAX(IF(cost.is_prepaid AND cost.cost_date = cost.cycle_start, 1, 0))`
      )
      const [counted] = yield* query(
        acme,
        `SELECT (SELECT COUNT(DISTINCT x_ingestion_id) FROM subscription_plan_costs_daily) AS ids,
          (SELECT COUNT(*) FROM subscription_plan_costs_daily) AS days, (SELECT COUNT(*) FROM cost_data_standard_1_3 WHERE x_SplitPart = 1) AS charges`
      )
      expect(counted?.["ids"]).toBe(counted?.["days"])
      expect(counted?.["charges"]).toBe(counted?.["days"])
      expect(Number(counted?.["days"])).toBeGreaterThan(20_000)
    })
  )
})
