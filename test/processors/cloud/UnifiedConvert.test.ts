/**
 * `cloud/unified/focus_convert` and AWS's own conversion pipeline, run as the service runs them.
 */
import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { OrgSlug } from "../../../src/platform/Identifiers.ts"
import { Day } from "../../../src/platform/Identifiers.ts"
import { Runs } from "../../../src/runs/Runs.ts"
import { Warehouse } from "../../../src/warehouse/Warehouse.ts"
import * as azure from "../../procedures/azureSupport.ts"
import * as aws from "../../procedures/support.ts"
import { acme, globex, layer, query } from "../../subscriptions/support.ts"

const dataset = (org: OrgSlug) => Effect.flatMap(Warehouse, (warehouse) => warehouse.org(org))

const run = (org: OrgSlug, configId: string) =>
  Effect.gen(function* () {
    const runs = yield* Runs
    const { runId } = yield* runs.request({
      org,
      configId,
      trigger: "manual",
      triggerBy: "test",
      startDate: Day.make("2026-03-15"),
      endDate: Day.make("2026-04-15")
    })
    yield* runs.awaitEnd(runId)
    return yield* runs.get(runId)
  })

const billed = (org: OrgSlug) =>
  query(
    org,
    "SELECT x_cloud_provider AS cloud, SUM(BilledCost) AS cost FROM cost_data_standard_1_3 GROUP BY cloud ORDER BY cloud"
  )

withLayer(layer, { excludeTestServices: true })("conversion pipelines", (it) => {
  it.effect("convert the clouds that there are rows of, and leave the others out", () =>
    Effect.gen(function* () {
      yield* aws.loadLines(yield* dataset(globex), [aws.line({ unblended_cost: "1.25" })])
      yield* azure.loadLines(yield* dataset(globex), [azure.line({ cost_in_billing_currency: "2.5" })])
      const own = yield* run(globex, "cloud/aws/cost/focus_convert")
      expect([own.run.status, own.run.errorMessage]).toEqual(["COMPLETED", null])
      expect(yield* billed(globex)).toEqual([{ cloud: "aws", cost: "1.25" }])

      const all = yield* run(globex, "cloud/unified/focus_convert")
      expect([all.run.status, all.run.errorMessage]).toEqual(["COMPLETED", null])
      expect(yield* billed(globex)).toEqual([
        { cloud: "aws", cost: "1.25" },
        { cloud: "azure", cost: "2.5" }
      ])
      expect(all.steps[0]?.metadata["output"]).toMatchObject({
        rows_inserted: 2,
        clouds_without_rows: ["gcp", "oci"]
      })

      // A month that is emptied at the source is emptied here, too, though nothing native is left of it.
      yield* aws.emptyMonth(yield* dataset(globex), "2026-03-01", "main")
      yield* run(globex, "cloud/unified/focus_convert")
      expect(yield* billed(globex)).toEqual([{ cloud: "azure", cost: "2.5" }])
    })
  )

  it.effect("go on after one cloud that fails, then fail and name it", () =>
    Effect.gen(function* () {
      const org = yield* dataset(acme)
      // Of one payer's month there is a report and a FOCUS export: AWS is refused.
      yield* aws.loadLines(org, [aws.line({})])
      yield* aws.loadCharges(org, [aws.charge({ BillingAccountId: "111111111111" })])
      yield* azure.loadLines(org, [azure.line({ cost_in_billing_currency: "2.5" })])
      const { run: ended } = yield* run(acme, "cloud/unified/focus_convert")
      expect(ended.status).toBe("FAILED")
      expect(ended.errorMessage).toMatch(/acme_corp, aws was not converted \(.*payer 111111111111.*; converted: azure/s)
      expect(yield* billed(acme)).toEqual([{ cloud: "azure", cost: "2.5" }])
    })
  )
})
