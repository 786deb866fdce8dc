import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { AuditLog } from "../../src/audit/AuditLog.ts"
import type { OrgSlug } from "../../src/platform/Identifiers.ts"
import { acme, globex, layer, plan, query, run, writePlans } from "./support.ts"

const detail = (ended: Effect.Effect.Success<ReturnType<typeof run>>, stepId: string) =>
  ended.steps.find((step) => step.stepId === stepId)?.metadata["output"]

/** Everything of a table but what a second run changes. */
const content = (org: OrgSlug, table: string) =>
  query(
    org,
    `SELECT * EXCEPT (x_run_id, x_ingested_at, x_ingestion_date${table === "subscription_plan_costs_daily" ? ", created_at, updated_at" : ""})
    FROM ${table} WHERE x_org_slug = '${org}' ORDER BY TO_JSON_STRING(STRUCT(x_pipeline_run_date, ${
      table === "subscription_plan_costs_daily"
        ? "subscription_id, plan_start_date"
        : "ResourceId, x_SplitPart, SkuPriceId, BilledCost"
    }))`
  )

withLayer(layer, { excludeTestServices: true })("subscription pipeline", (it) => {
  it.effect("reconciles to the last decimal, breaks no rule, and a second run changes nothing", () =>
    Effect.gen(function* () {
      const plans = [
        plan("seats", { seats: 3, discount_type: "percent", discount_value: "12.5" }),
        plan("anchored", { billing_anchor_day: 31, discount_type: "fixed", discount_value: "3", seats: 4 }),
        plan("yearly", { start_date: "2024-02-29", billing_cycle: "annual", seats: 7, unit_price: "99.99" }),
        plan("quarter", {
          start_date: "2026-01-31",
          billing_cycle: "quarterly",
          pricing_model: "FLAT_FEE",
          currency: "EUR"
        }),
        plan("week", {
          billing_cycle: "weekly",
          currency: "JPY",
          unit_price: "1000",
          provider: "acme soft",
          category: "ai"
        }),
        plan("free", { unit_price: "0", provider: "nobody" })
      ]
      yield* writePlans(acme, plans)
      yield* writePlans(globex, [plan("other", { unit_price: "7" })])
      yield* run(globex, "2026-01-01", "2026-01-31")
      const before = yield* content(globex, "cost_data_standard_1_3")

      const first = yield* run(acme, "2026-01-20", "2026-05-10")
      expect([first.run.status, first.run.errorMessage]).toEqual(["COMPLETED", null])
      expect(detail(first, "reconcile")).toMatchObject({ rows: { quarantined: 0, dropped: {} } })
      expect(JSON.stringify(detail(first, "reconcile"))).not.toMatch(/[dD]ifference":"(?!0")/)
      expect(detail(first, "check_conformance")).toMatchObject({ conformance: { violated: [], warnings: [] } })

      // 111 days of five plans that run throughout, 100 of the quarterly one; purchases: yearly on 28 February, quarterly on 31 January and 30 April.
      const costs = yield* content(acme, "subscription_plan_costs_daily")
      const focus = yield* content(acme, "cost_data_standard_1_3")
      expect([costs.length, focus.length]).toEqual([5 * 111 + 100, 5 * 111 + 100 + 3])
      const second = yield* run(acme, "2026-01-20", "2026-05-10")
      expect(second.run.status).toBe("COMPLETED")
      expect(yield* content(acme, "subscription_plan_costs_daily")).toEqual(costs)
      expect(yield* content(acme, "cost_data_standard_1_3")).toEqual(focus)

      expect(yield* content(globex, "cost_data_standard_1_3")).toEqual(before)
      const entries = yield* (yield* AuditLog).list(acme, 10)
      expect(entries.map(({ resourceId, status }) => `${status} ${resourceId}`).toReversed()).toEqual([
        "START organizations.sp_subscription_1_validate_data",
        "SUCCESS organizations.sp_subscription_1_validate_data",
        "START organizations.sp_subscription_4_run_pipeline",
        "SUCCESS organizations.sp_subscription_4_run_pipeline",
        "START organizations.sp_subscription_1_validate_data",
        "SUCCESS organizations.sp_subscription_1_validate_data",
        "START organizations.sp_subscription_4_run_pipeline",
        "SUCCESS organizations.sp_subscription_4_run_pipeline"
      ])
    })
  )
})
