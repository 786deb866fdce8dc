/**
 * What the API tells about FOCUS rows: real rows in a real warehouse, compared by the very step that runs use.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Day, RunId } from "../../src/platform/Identifiers.ts"
import type { JsonObject } from "../../src/platform/Json.ts"
import * as Reconcile from "../../src/processors/focus/Reconcile.ts"
import { Warehouse } from "../../src/warehouse/Warehouse.ts"
import * as World from "../support/HttpWorld.ts"

const runId = Schema.decodeSync(RunId)("7f8a52d1-3f43-4a53-9d0c-1a2b3c4d5e6f")
const day = Schema.decodeSync(Day)

/** A month of the native FOCUS export with one row, and the FOCUS row made of it. */
const bill = (month: string, nativeCost: string, focusCost: string, category = "Compute") =>
  Effect.gen(function* () {
    const org = yield* (yield* Warehouse).org(World.acme)
    const next = month === "2026-03" ? "2026-04" : "2026-05"
    const common = {
      BillingAccountId: "111111111111",
      BillingCurrency: "USD",
      BillingPeriodStart: `${month}-01T00:00:00Z`,
      BillingPeriodEnd: `${next}-01T00:00:00Z`,
      ChargePeriodStart: `${month}-02T00:00:00Z`,
      ChargePeriodEnd: `${month}-03T00:00:00Z`,
      ChargeCategory: "Usage",
      InvoiceId: `INV-${month}`,
      InvoiceIssuerName: "AWS",
      ServiceCategory: category,
      ServiceName: "Amazon EC2",
      ProviderName: "AWS",
      PublisherName: "AWS",
      x_source_file: "focus.csv",
      x_source_row: 1
    }
    const costs = (cost: string) => ({ BilledCost: cost, EffectiveCost: cost, ListCost: cost, ContractedCost: cost })
    const load = (table: string, row: JsonObject) =>
      org.replaceSlice({
        slice: {
          table,
          pipelineId: "cloud_aws_cost_billing",
          credentialId: "main",
          extent: { kind: "day", date: day(`${month}-02`) }
        },
        source: { _tag: "Rows", rows: Stream.make(row) },
        runId
      })
    yield* load("cloud_aws_focus_raw_daily", {
      ...common,
      ...costs(nativeCost),
      billing_period_start_date: `${month}-01`
    })
    yield* load("cost_data_standard_1_3", {
      ...common,
      ...costs(focusCost),
      ServiceProviderName: "AWS",
      x_SplitPart: 1,
      x_source_system: "cloud_aws_focus_raw_daily"
    })
    const processor = yield* Reconcile.make
    return yield* Effect.either(
      processor.execute({
        org: World.acme,
        runId,
        pipelineId: "cloud_aws_cost_billing",
        stepId: "reconcile",
        attempt: 1,
        config: { provider: "aws" },
        outputs: {},
        startDate: day(`${month}-02`),
        endDate: day(`${month}-02`),
        forceRefresh: false,
        progress: () => Effect.void
      })
    )
  })

const get = (path: string) =>
  Effect.flatMap(World.Keys, (keys) => World.call("GET", `/api/v1/focus/acme_corp/${path}`, World.withKey(keys.acme)))

layer(World.layer({ variables: { CONFIGS_BASE_PATH: "configs" } }))("the API tells about FOCUS rows", (it) => {
  it.effect("how each period was reconciled, the unequal ones too", () =>
    Effect.gen(function* () {
      expect((yield* bill("2026-03", "0.1000000000000000000001", "0.1000000000000000000001"))._tag).toBe("Right")
      expect((yield* get("reconciliation")).json).toMatchObject({ is_exact: true, entries: [{ difference: "0" }] })
      expect((yield* bill("2026-04", "2.5", "2.4"))._tag).toBe("Left")

      const all = yield* get("reconciliation")
      expect(all.json).toEqual({
        is_exact: false,
        quarantined: [],
        invoices: [
          expect.objectContaining({
            invoice_id: "INV-2026-04",
            native_billed: "2.5",
            focus_billed: "2.4",
            difference: "0.1"
          }),
          {
            billing_period: "2026-03-01",
            currency: "USD",
            source: "cloud_aws_focus_raw_daily",
            credential_id: "main",
            invoice_id: "INV-2026-03",
            native_billed: "0.1000000000000000000001",
            focus_billed: "0.1000000000000000000001",
            difference: "0"
          }
        ],
        entries: [
          expect.objectContaining({
            billing_period: "2026-04-01",
            native_billed: "2.5",
            focus_billed: "2.4",
            difference: "0.1",
            covered_from: "2026-04-01",
            covered_to: "2026-04-30",
            run_id: runId
          }),
          expect.objectContaining({
            billing_period: "2026-03-01",
            currency: "USD",
            source: "cloud_aws_focus_raw_daily",
            credential_id: "main",
            native_billed: "0.1000000000000000000001",
            focus_billed: "0.1000000000000000000001",
            difference: "0",
            rows_in: 1,
            rows_converted: 1,
            rows_extra: 0,
            rows_explained: {}
          })
        ]
      })
      expect((yield* bill("2026-04", "2.5", "2.5"))._tag).toBe("Right")
      expect((yield* get("reconciliation?billing_period=2026-04-01")).json).toMatchObject({
        is_exact: true,
        entries: [{ billing_period: "2026-04-01", focus_billed: "2.5" }]
      })
    })
  )

  it.effect("which rules the rows violate, in the periods and sources that are asked for", () =>
    Effect.gen(function* () {
      yield* bill("2026-03", "1", "1", "Nope")
      yield* bill("2026-04", "1", "1")
      const rules = (answer: World.Answer) =>
        Object(answer.json).violated.map((each: { readonly rule: string }) => each.rule)
      const march = yield* get("conformance?billing_period=2026-03-01")
      expect(march.json).toMatchObject({ version: "1.3", rows: 1 })
      expect(rules(march)).toContain("CAU-ServiceCategory-C-003-M")
      expect(rules(yield* get("conformance?billing_period=2026-04-01"))).not.toContain("CAU-ServiceCategory-C-003-M")
      expect((yield* get("conformance?source=cloud_aws_")).json).toMatchObject({ rows: 2 })
      expect((yield* get("conformance?source=cloud_gcp_")).json).toMatchObject({ rows: 0, violated: [] })
      expect((yield* get("conformance?billing_period=2026-03-02")).json).toMatchObject({ error_code: "INVALID_DATE" })
      expect((yield* get("conformance?source=';DROP")).status).toBe(422)
    })
  )
})
