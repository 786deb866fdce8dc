import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { StepContext } from "../../src/pipelines/Processor.ts"
import { Day, OrgSlug } from "../../src/platform/Identifiers.ts"
import type { JsonObject } from "../../src/platform/Json.ts"
import { Settings } from "../../src/platform/Settings.ts"
import { Judge } from "../../src/focus/Judge.ts"
import * as Conform from "../../src/processors/focus/Conform.ts"
import * as support from "../procedures/support.ts"

const day = Schema.decodeSync(Day)

/** A FOCUS row of an AWS bill that violates nothing, without the account name that old bills do not have. */
const row = (change: JsonObject): JsonObject => ({
  BilledCost: "0.192",
  EffectiveCost: "0.192",
  ListCost: "0.2",
  ContractedCost: "0.192",
  ListUnitPrice: "0.1",
  ContractedUnitPrice: "0.096",
  PricingQuantity: "2",
  PricingUnit: "Hours",
  PricingCategory: "Standard",
  PricingCurrency: "USD",
  PricingCurrencyContractedUnitPrice: "0.096",
  PricingCurrencyEffectiveCost: "0.192",
  PricingCurrencyListUnitPrice: "0.1",
  ConsumedQuantity: "2",
  ConsumedUnit: "Hours",
  BillingAccountId: "111111111111",
  BillingAccountType: "Payer Account",
  BillingCurrency: "USD",
  BillingPeriodStart: "2026-03-01T00:00:00Z",
  BillingPeriodEnd: "2026-04-01T00:00:00Z",
  ChargePeriodStart: "2026-03-02T00:00:00Z",
  ChargePeriodEnd: "2026-03-02T02:00:00Z",
  ChargeCategory: "Usage",
  ChargeDescription: "Two hours of m6i.large",
  ChargeFrequency: "Usage-Based",
  HostProviderName: "AWS",
  InvoiceIssuerName: "AWS",
  ServiceCategory: "Compute",
  ServiceSubcategory: "Virtual Machines",
  ServiceName: "Amazon EC2",
  ServiceProviderName: "AWS",
  ProviderName: "AWS",
  PublisherName: "AWS",
  SkuId: "SKU1",
  SkuMeter: "BoxUsage",
  SkuPriceId: "SKU1.TERM.RATE",
  SkuPriceDetails: { InstanceType: "m6i.large" },
  Tags: { team: "core" },
  x_source_system: "cloud_aws_billing_raw_daily",
  x_source_record_id: "line-1",
  x_source_file: "report.csv",
  x_source_row: 7,
  x_SourceGaps: "BillingAccountName",
  ...change
})

const conform = (slug: string, rows: ReadonlyArray<JsonObject>, config: JsonObject = {}) =>
  Effect.gen(function* () {
    const dataset = yield* support.org(slug)
    yield* dataset.replaceSlice({
      slice: {
        table: "cost_data_standard_1_3",
        pipelineId: "cloud_aws_cost_billing",
        credentialId: "main",
        extent: { kind: "day", date: day("2026-03-02") }
      },
      source: { _tag: "Rows", rows: Stream.fromIterable(rows) },
      runId: support.firstRun
    })
    const processor = yield* Conform.make
    const context: StepContext = {
      org: Schema.decodeSync(OrgSlug)(slug),
      runId: support.firstRun,
      pipelineId: "cloud_aws_cost_billing",
      stepId: "check_conformance",
      attempt: 1,
      config: { provider: "aws", ...config },
      outputs: { reconcile: { rowsProcessed: 1, rowsWritten: 0, affectedPeriods: ["2026-03-01"], details: {} } },
      startDate: day("2026-03-02"),
      endDate: day("2026-03-02"),
      forceRefresh: false,
      progress: () => Effect.void
    }
    return yield* processor.execute(context)
  })

/** Where the rows of each cloud come from. */
const sourcesOfClouds: Readonly<Record<string, ReadonlyArray<string>>> = {
  aws: ["cloud_aws_billing_raw_daily", "cloud_aws_focus_raw_daily"],
  azure: ["cloud_azure_billing_raw_daily", "cloud_azure_focus_raw_daily"],
  gcp: ["cloud_gcp_billing_raw_daily", "cloud_gcp_focus_raw_daily"],
  oci: ["cloud_oci_billing_raw_daily", "cloud_oci_focus_raw_daily"]
}

const Found = Schema.Array(Schema.Struct({ rule: Schema.String, rows: Schema.Number }))
const Verdict = Schema.Struct({ violated: Found, gaps: Found })
const rowsOf = (found: typeof Found.Type) => Object.fromEntries(found.map(({ rows, rule }) => [rule, rows]))

/** The rules that want the price, each with so many rows. */
const prices = (kind: "Contracted" | "List", rows: number) =>
  Object.fromEntries(
    (kind === "List"
      ? ["ListUnitPrice-C-005-C", "ListUnitPrice-C-013-C"]
      : ["ContractedUnitPrice-C-006-C", "ContractedUnitPrice-C-015-C"]
    )
      .concat([`PricingCurrency${kind}UnitPrice-C-005-C`, `PricingCurrency${kind}UnitPrice-C-012-C`])
      .map((rule) => [`CAU-${rule}`, rows])
  )

const services = Judge.layer.pipe(Layer.provideMerge(Layer.mergeAll(support.layer, Settings.layer, NodeContext.layer)))

layer(services)("focus.conformance", (it) => {
  it.effect("excuses only what the source cannot know, and reports it apart", () =>
    Effect.gen(function* () {
      const output = yield* conform("known_gaps", [row({}), row({ BillingAccountName: "Acme" })])
      expect(output.affectedPeriods).toEqual(["2026-03-01"])
      expect(output.details["conformance"]).toMatchObject({
        version: "1.3",
        rows: 2,
        violated: [],
        warnings: [],
        gaps: [{ rule: "CAU-BillingAccountName-C-003-C", rows: 1 }],
        overridden: 35
      })
    })
  )

  it.effect("a price that is missing is a violation, unless the source's cells are named as blank", () =>
    Effect.gen(function* () {
      const unpriced = {
        BillingAccountName: "Acme",
        ListUnitPrice: null,
        ContractedUnitPrice: null,
        PricingCurrencyListUnitPrice: null,
        PricingCurrencyContractedUnitPrice: null
      }
      const gaps = [null, "SubAccountName", "ListUnitPrice", "BillingAccountName ContractedUnitPrice ListUnitPrice"]
      for (const [cloud, sources] of Object.entries(sourcesOfClouds)) {
        const { details } = yield* conform(
          `unpriced_${cloud}`,
          sources.flatMap((source) =>
            gaps.map((x_SourceGaps) => row({ ...unpriced, x_source_system: source, x_SourceGaps }))
          ),
          { provider: cloud }
        )
        const { gaps: excused, violated } = Schema.decodeUnknownSync(Verdict)(details["conformance"])
        const all = sources.length
        expect([cloud, rowsOf(violated)]).toEqual([
          cloud,
          { ...prices("Contracted", 3 * all), ...prices("List", 2 * all) }
        ])
        expect([cloud, rowsOf(excused)]).toEqual([cloud, { ...prices("Contracted", all), ...prices("List", 2 * all) }])
      }
    })
  )

  it.effect("reports a violated rule with its rows and an example, and passes unless told otherwise", () =>
    Effect.gen(function* () {
      const named = { BillingAccountName: "Acme" }
      const rows = [
        row(named),
        row({ ...named, PricingQuantity: "2.000000000000000000000001", x_source_record_id: "line-2" })
      ]
      const output = yield* conform("reports", rows)
      expect(output.details["conformance"]).toMatchObject({
        violated: [
          { rule: "CAU-ContractedCost-C-011-C", severity: "error", column: "ContractedCost", rows: 1 },
          { rule: "CAU-ContractedUnitPrice-C-013-C" },
          { rule: "CAU-ListCost-C-011-C" },
          { rule: "CAU-ListUnitPrice-C-014-C" }
        ]
      })
      expect(JSON.stringify(output.details)).toContain(
        "x_source_record_id=line-2, x_source_file=report.csv, x_source_row=7, ContractedUnitPrice=0.096, PricingQuantity=2.000000000000000000000001"
      )
      const error = yield* Effect.flip(conform("reports", rows, { fail_on_violation: true }))
      expect(error).toMatchObject({ errorType: "PERMANENT", code: "FOCUS_NOT_CONFORMANT" })
      expect(error.message).toContain("CAU-ContractedCost-C-011-C by 1 rows (x_source_record_id=line-2")
    })
  )

  it.effect("judges the affected periods of its own provider alone", () =>
    Effect.gen(function* () {
      const broken = { ServiceCategory: "Nope" }
      const output = yield* conform("own_rows", [
        row({ BillingAccountName: "Acme" }),
        row({ ...broken, x_source_system: "cloud_gcp_billing_raw_daily" }),
        row({ ...broken, BillingPeriodStart: "2026-02-01T00:00:00Z", BillingPeriodEnd: "2026-03-01T00:00:00Z" })
      ])
      expect(output.details["conformance"]).toMatchObject({ rows: 1, violated: [], gaps: [] })
    })
  )

  it.effect("nothing to judge violates nothing", () =>
    Effect.gen(function* () {
      const output = yield* conform("no_rows", [])
      expect(output.details["conformance"]).toMatchObject({ rows: 0, violated: [], warnings: [], gaps: [] })
    })
  )
})

it.effect("the step's config is checked when pipelines are loaded", () =>
  Effect.gen(function* () {
    const processor = yield* Conform.make
    expect(processor.check({ provider: "aws", fail_on_violation: true })).toBeUndefined()
    expect(processor.check({ provider: "../aws" })).toContain("config.provider")
  }).pipe(Effect.provide(services))
)
