/**
 * What the kind of subscription makes of the same OCI lines: pay-as-you-go bills them all, universal credits only what exceeds the commitment.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { costReportMapping } from "../../src/processors/cloud/oci/CostReportMapping.ts"
import { expectSound, periods } from "../support/FocusProof.ts"
import * as support from "./support.ts"

const converted = (kind: string) =>
  Effect.gen(function* () {
    const dataset = yield* support.org(`oci_${kind}`)
    yield* support.load(
      dataset,
      {
        table: "cloud_oci_billing_raw_daily",
        pipelineId: "cloud_oci_cost_billing",
        credentialId: "main",
        extent: { kind: "periods", periodColumn: "billing_period_start", runDateColumn: "usage_start_time" }
      },
      {
        _tag: "Files",
        format: "csv",
        files: support.samples(["oci/cost-report/hard_cases.csv"]).map((file) => ({
          ...file,
          values: { billing_period_start: "2026-03-01", subscription_kind: kind, x_cloud_provider: "oci" }
        })),
        mapping: costReportMapping
      }
    )
    yield* support.convert(dataset, { from: "2026-03-01", to: "2026-03-31" }, "oci")
    yield* expectSound(dataset, "oci", periods("2026-03-01"))
    return yield* dataset.query(`
      SELECT
        x_ReferenceNo AS line, BilledCost AS billed, EffectiveCost AS effective, ChargeClass AS class, ListUnitPrice AS list,
        PricingUnit AS unit, ContractApplied AS applied, x_OverageQuantity AS overage
      FROM cost_data_standard_1_3 ORDER BY line`)
  })

layer(support.layer)("OCI subscriptions", (it) => {
  it.effect.skipIf(support.samplesMissing)("pay-as-you-go bills each line", () =>
    Effect.gen(function* () {
      const rows = yield* converted("payg")
      expect(rows.map(({ billed, line }) => [line, billed])).toEqual([
        ["r-1001", "0.1"],
        ["r-1002", "0.096"],
        ["r-1003", "0.0008499999999915"],
        ["r-1004", "2.6882"],
        ["r-1005", "-0.025"],
        ["r-1006", "0"]
      ])
      expect(rows.map(({ unit }) => unit)).toEqual([
        "OCPU-Hours",
        "GiB-Hours",
        "GiB-Months",
        "OCPU-Hours",
        "OCPU-Hours",
        "GiB"
      ])
      // The correction of February stands in the March report that brings it.
      expect(rows.map((row) => row["class"])).toEqual([null, null, null, null, "Correction", null])
      expect(rows[3]).toMatchObject({ applied: null, list: "1.3441", overage: "1" })
    })
  )

  it.effect.skipIf(support.samplesMissing)(
    "universal credits bill the overage, and the contract carries the rest",
    () =>
      Effect.gen(function* () {
        const rows = yield* converted("universal_credits")
        expect(rows.map(({ billed, effective }) => [billed, effective])).toEqual([
          ["0", "0.1"],
          ["0", "0.096"],
          ["0", "0.0008499999999915"],
          ["1.6801", "2.6882"],
          ["0", "-0.025"],
          ["0", "0"]
        ])
        expect(rows[3]).toMatchObject({
          list: null,
          applied: {
            Elements: [
              {
                ContractId: "8800001",
                ContractCommitmentID: "8800001",
                ContractCommitmentAppliedCost: 1.0081,
                ContractCommitmentAppliedQuantity: null,
                ContractCommitmentAppliedUnit: null
              }
            ]
          }
        })
      })
  )
})
