/**
 * AWS restates a month as a whole: what arrives late replaces its own billing period and nothing else.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as support from "./support.ts"

const march = support.line({ line_item_id: "march" })
const february = support.line({
  line_item_id: "february",
  billing_period_start: "2026-02-01",
  usage_date: "2026-02-10",
  usage_start_time: "2026-02-10T00:00:00Z",
  usage_end_time: "2026-02-10T01:00:00Z",
  unblended_cost: "7"
})

layer(support.layer)("AWS restatement", (it) => {
  it.effect.skipIf(support.samplesMissing)("replaces an open bill by the invoiced one", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("restated_bill")
      const accounts = dataset.query(
        "SELECT DISTINCT BillingAccountId AS account, InvoiceId AS invoice FROM cost_data_standard_1_3 ORDER BY account"
      )
      yield* support.loadReport(dataset, "aws/cur1/savings_plan_covered_2023-06_open.csv")
      yield* support.convert(dataset, { from: "2023-06-15" })
      expect(yield* accounts).toEqual([{ account: "9999999999999", invoice: null }])
      yield* support.loadReport(dataset, "aws/cur1/savings_plan_covered_2023-06_final.csv")
      yield* support.convert(dataset, { from: "2023-06-15" })
      expect(yield* accounts).toEqual([{ account: "0099999999999", invoice: "987654321" }])
    })
  )

  it.effect("leaves the rows of other billing periods as they are", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("restated_month")
      yield* support.loadLines(dataset, [february, march])
      yield* support.convert(dataset, { from: "2026-02-01", to: "2026-03-31" })
      yield* support.loadLines(dataset, [support.line({ line_item_id: "late", unblended_cost: "3" })])
      yield* support.convert(dataset, { from: "2026-03-31", run: support.secondRun })
      expect(
        yield* dataset.query(
          "SELECT x_source_record_id AS line, CAST(BilledCost AS STRING) AS billed, x_run_id AS run FROM cost_data_standard_1_3 ORDER BY line"
        )
      ).toEqual([
        { line: "february", billed: "7", run: support.firstRun },
        { line: "late", billed: "3", run: support.secondRun }
      ])
    })
  )

  it.effect("selects by billing period, not by usage date, and keeps the lineage of the source", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("late_usage")
      const late = {
        usage_date: "2026-02-27",
        usage_start_time: "2026-02-27T00:00:00Z",
        usage_end_time: "2026-02-27T01:00:00Z"
      }
      yield* support.loadLines(dataset, [support.line(late)])
      yield* support.convert(dataset, { from: "2026-02-27" })
      expect(yield* support.totals(dataset)).toEqual([])
      yield* support.convert(dataset, { from: "2026-03-01", run: support.secondRun })
      expect(
        yield* dataset.query(
          `SELECT ChargeClass AS class, CAST(x_pipeline_run_date AS STRING) AS day, x_pipeline_id AS pipeline,
            x_credential_id AS credential, x_run_id AS run, x_org_slug AS org FROM cost_data_standard_1_3`
        )
      ).toEqual([
        {
          class: null,
          day: "2026-02-27",
          pipeline: "cloud_aws_cost_billing",
          credential: "main",
          run: support.secondRun,
          org: "late_usage"
        }
      ])
    })
  )

  it.effect("replaces the rows of the named credential only, and an emptied period by nothing", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("two_credentials")
      yield* support.loadLines(dataset, [march], "main")
      yield* support.loadLines(dataset, [support.line({ line_item_id: "other" })], "other")
      yield* support.convert(dataset, { from: "2026-03-01" })
      const lines = dataset.query(
        "SELECT x_source_record_id AS line, x_credential_id AS credential FROM cost_data_standard_1_3 ORDER BY line"
      )
      expect(yield* lines).toEqual([
        { line: "march", credential: "main" },
        { line: "other", credential: "other" }
      ])
      yield* support.emptyMonth(dataset, "2026-03-01", "main")
      const result = yield* support.convert(dataset, { from: "2026-03-01", credentialId: "main" })
      expect(result).toMatchObject({ rows_native: 0, rows_inserted: 0 })
      expect(yield* lines).toEqual([{ line: "other", credential: "other" }])
    })
  )
})
