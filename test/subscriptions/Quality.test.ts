import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { acme, globex, layer, plan, query, run, writePlans } from "./support.ts"
import { Warehouse } from "../../src/warehouse/Warehouse.ts"

const findings = (runId: string) =>
  Effect.map(
    query(
      acme,
      `SELECT dq_config_id, overall_status, failed_expectations FROM org_meta_dq_results
      WHERE pipeline_logging_id = '${runId}' ORDER BY dq_config_id`
    ),
    (rows) => rows.map((row) => [row["dq_config_id"], row["overall_status"], row["failed_expectations"]])
  )

const daysOf = (...ids: ReadonlyArray<string>) =>
  Effect.map(
    query(
      acme,
      `SELECT subscription_id, plan_start_date, MIN(cost_date) AS first, MAX(cost_date) AS last, COUNT(*) AS days, SUM(daily_cost) AS cost
      FROM subscription_plan_costs_daily GROUP BY subscription_id, plan_start_date ORDER BY subscription_id, plan_start_date`
    ),
    (rows) => rows.filter((row) => ids.includes(String(row["subscription_id"]))).map((row) => Object.values(row))
  )

withLayer(layer, { excludeTestServices: true })("quality of subscription plans", (it) => {
  it.effect("skips what cannot be counted, counts what is odd, and says so", () =>
    Effect.gen(function* () {
      yield* writePlans(acme, [
        plan("no_start", { start_date: null }),
        plan("no_end", { status: "cancelled" }),
        plan("ended", {
          status: "expired",
          end_date: "2026-01-03",
          unit_price: "31",
          contract_id: " ",
          display_name: ""
        }),
        plan("no_seats", { seats: 0, unit_price: "31" }),
        plan("grows", { seats: 5, unit_price: "31", end_date: "2026-01-20" }),
        plan("grows", { seats: 8, unit_price: "31", start_date: "2026-01-21" }),
        plan("twice", { unit_price: "31", end_date: "2026-01-15" }),
        plan("twice", { unit_price: "62", start_date: "2026-01-11" }),
        plan("later", { status: "pending", start_date: "2026-01-30", unit_price: "31" })
      ])
      const { run: ended } = yield* run(acme, "2026-01-01", "2026-01-31")
      expect([ended.status, ended.errorMessage]).toEqual(["COMPLETED", null])
      // A seat change within a cycle: 20 days of 5 seats and 11 of 8, each a dollar a day. An overlap counts for both versions.
      expect(yield* daysOf("no_start", "no_end", "ended", "no_seats", "grows", "twice", "later")).toEqual([
        ["ended", "2026-01-01", "2026-01-01", "2026-01-03", 3, "3"],
        ["grows", "2026-01-01", "2026-01-01", "2026-01-20", 20, "100"],
        ["grows", "2026-01-21", "2026-01-21", "2026-01-31", 11, "88"],
        ["later", "2026-01-30", "2026-01-30", "2026-01-31", 2, "2"],
        ["no_seats", "2026-01-01", "2026-01-01", "2026-01-31", 31, "31"],
        ["twice", "2026-01-01", "2026-01-01", "2026-01-15", 15, "15"],
        ["twice", "2026-01-11", "2026-01-11", "2026-01-31", 21, "42"]
      ])
      // Blank texts are no contract and no name.
      expect(
        yield* query(
          acme,
          "SELECT DISTINCT BillingAccountId, ResourceName FROM cost_data_standard_1_3 WHERE ResourceId = 'ended'"
        )
      ).toEqual([{ BillingAccountId: "slack/acme_corp", ResourceName: null }])
      expect(yield* findings(ended.runId)).toEqual([
        ["end_date_check", "WARNING", ["no_end from 2026-01-01: skipped, it is cancelled but has no end_date"]],
        ["null_seats_check", "WARNING", ["no_seats from 2026-01-01: no seats, counted as 1"]],
        [
          "plan_overlap",
          "WARNING",
          ["twice from 2026-01-01 and twice from 2026-01-11: both versions have the day 2026-01-11"]
        ],
        ["start_date_check", "WARNING", ["no_start: skipped, it has no start_date"]],
        ["subscription_pre_pipeline_validation", "PASS", []]
      ])
    })
  )

  it.effect(
    "counts what is to come, but no plan that is still pending then, and warns of both nothing and the future",
    () =>
      Effect.gen(function* () {
        yield* writePlans(acme, [
          plan("open", { unit_price: "31" }),
          plan("later", { status: "pending", start_date: "2199-01-01" })
        ])
        const future = yield* run(acme, "2199-01-01", "2199-01-02")
        expect([future.run.status, future.run.errorMessage]).toEqual(["COMPLETED", null])
        expect(yield* daysOf("open")).toEqual([["open", "2026-01-01", "2199-01-01", "2199-01-02", 2, "2"]])
        expect(
          yield* query(acme, "SELECT COUNT(*) AS n FROM subscription_plan_costs_daily WHERE cost_date > '2199-01-01'")
        ).toEqual([{ n: 1 }])
        expect(yield* findings(future.run.runId)).toEqual([
          [
            "future_day_check",
            "WARNING",
            ["the days after today, to 2199-01-02, are what the plans will cost if nothing changes"]
          ],
          ["subscription_pre_pipeline_validation", "PASS", []]
        ])
        const past = yield* run(acme, "2025-06-01", "2025-06-30")
        expect(past.run.status).toBe("COMPLETED")
        expect(yield* findings(past.run.runId)).toEqual([
          ["subscription_pre_pipeline_validation", "PASS", []],
          ["zero_cost_check", "WARNING", ["no plan accrues on any of the days"]]
        ])
      })
  )

  it.effect("stops the run when a plan cannot be billed, naming each plan and why, and leaves the figures alone", () =>
    Effect.gen(function* () {
      yield* writePlans(acme, [plan("good", { unit_price: "31" })])
      yield* run(acme, "2026-02-01", "2026-02-28")
      const before = yield* query(acme, "SELECT SUM(BilledCost) AS billed, COUNT(*) AS n FROM cost_data_standard_1_3")
      yield* writePlans(acme, [
        plan("good", { unit_price: "62" }),
        plan("off", { seats: 2, discount_type: "fixed", discount_value: "20.01" }),
        plan("percent", { discount_type: "percent", discount_value: "100.5" }),
        plan("negative", { discount_type: "percent", discount_value: "-1" }),
        plan("coupon", { discount_type: "coupon", discount_value: "1" }),
        plan("fortnight", { billing_cycle: "fortnightly" }),
        plan("backwards", { end_date: "2025-12-31" }),
        plan("anchor", { billing_cycle: "annual", billing_anchor_day: 3 }),
        plan("anchor32", { billing_anchor_day: 32 }),
        plan("money", { currency: "Dollar" }),
        plan("paused", { status: "paused" })
      ])
      const { run: ended, steps } = yield* run(acme, "2026-02-01", "2026-02-28")
      expect(ended.status).toBe("FAILED")
      expect(ended.errorMessage?.slice(ended.errorMessage.indexOf("10 of")).split("; ")).toEqual([
        "10 of 11 plans of acme_corp cannot be billed: anchor from 2026-01-01: billing_anchor_day is only for monthly cycles",
        "anchor32 from 2026-01-01: billing_anchor_day is not from 1 to 31",
        "backwards from 2026-01-01: end_date 2025-12-31 lies before start_date",
        "coupon from 2026-01-01: discount_type coupon is none of percent, fixed",
        "fortnight from 2026-01-01: billing_cycle fortnightly is none of weekly, monthly, quarterly, semi-annual, annual",
        "money from 2026-01-01: currency Dollar is no ISO 4217 code",
        "negative from 2026-01-01: discount -1 is negative",
        "off from 2026-01-01: discount 20.01 is more than the price of a cycle, 20",
        "paused from 2026-01-01: status paused is none of active, pending, cancelled, expired",
        "percent from 2026-01-01: discount 100.5 is more than 100 percent"
      ])
      expect(steps.map(({ status }) => status)).toEqual(["FAILED", "SKIPPED", "SKIPPED", "SKIPPED"])
      expect((yield* findings(ended.runId)).map((row) => row.slice(0, 2))).toEqual([
        ["subscription_pre_pipeline_validation", "FAIL"]
      ])
      expect(yield* query(acme, "SELECT SUM(BilledCost) AS billed, COUNT(*) AS n FROM cost_data_standard_1_3")).toEqual(
        before
      )
    })
  )

  it.effect("never goes below zero and skips unknown cycles where the costs are calculated without the check", () =>
    Effect.gen(function* () {
      yield* writePlans(globex, [
        plan("off", { seats: 2, discount_type: "fixed", discount_value: "20.01" }),
        plan("percent", { discount_type: "percent", discount_value: "150" }),
        plan("negative", { discount_type: "fixed", discount_value: "-5", unit_price: "31" }),
        plan("fortnight", { billing_cycle: "fortnightly" })
      ])
      const dataset = yield* (yield* Warehouse).org(globex)
      const runId = "00000000-0000-4000-8000-000000000001"
      const [answer] = yield* dataset.call("sp_subscription_2_calculate_daily_costs", [
        { type: "DATE", value: "2026-01-01" },
        { type: "DATE", value: null },
        { type: "STRING", value: "subscription_costs_subscription_cost" },
        { type: "STRING", value: "default" },
        { type: "STRING", value: runId }
      ])
      expect(answer).toMatchObject({ start_date: "2026-01-01", end_date: "2026-01-01", rows_inserted: 3 })
      expect(
        yield* query(
          globex,
          "SELECT subscription_id, daily_cost, list_daily_cost FROM subscription_plan_costs_daily ORDER BY 1"
        )
      ).toEqual([
        { subscription_id: "negative", daily_cost: "1", list_daily_cost: "1" },
        { subscription_id: "off", daily_cost: "0", list_daily_cost: "0.64516129" },
        { subscription_id: "percent", daily_cost: "0", list_daily_cost: "0.322580645" }
      ])
      expect(
        yield* query(globex, "SELECT dq_config_id, overall_status, failed_expectations FROM org_meta_dq_results")
      ).toEqual([
        {
          dq_config_id: "billing_cycle_check",
          overall_status: "FAIL",
          failed_expectations: ["fortnight from 2026-01-01: skipped, fortnightly is no billing cycle"]
        }
      ])
      expect(yield* query(globex, "SELECT COUNT(*) AS n FROM cost_data_standard_1_3")).toEqual([{ n: 0 }])
    })
  )

  it.effect("runs from the earliest plan to today when no dates are given, at most 730 days", () =>
    Effect.gen(function* () {
      const today = new Date().toISOString().slice(0, 10)
      const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)
      yield* writePlans(acme, [
        plan("recent", { start_date: daysAgo(40) }),
        plan("coming", { start_date: "2199-01-01" })
      ])
      const recent = yield* run(acme)
      expect(recent.run.parameters).toMatchObject({ start_date: daysAgo(40), end_date: today })
      expect(recent.run.status).toBe("COMPLETED")
      yield* writePlans(acme, [plan("old", { start_date: "2019-02-28", billing_cycle: "annual" })])
      const old = yield* run(acme)
      expect(old.run.parameters).toMatchObject({ start_date: daysAgo(729), end_date: today })
      expect(old.run.status).toBe("COMPLETED")
    })
  )
})
