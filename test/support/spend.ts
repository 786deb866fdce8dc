/**
 * Costs in the FOCUS table, as the converter of a provider writes them.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { OrgSlug } from "../../src/platform/Identifiers.ts"
import type { JsonObject } from "../../src/platform/Json.ts"
import { Warehouse } from "../../src/warehouse/Warehouse.ts"
import { day, runId } from "./pipelines.ts"

interface Spent {
  readonly provider?: string
  readonly system?: string
  readonly currency?: string
  readonly path?: string
}

/** Replaces the costs by those of days of May 2026. */
export const spend = (org: OrgSlug, ...costs: ReadonlyArray<readonly [day: string, cost: string, more?: Spent]>) =>
  Effect.gen(function* () {
    const warehouse = yield* (yield* Warehouse).org(org)
    const rows = costs.map(([date, cost, more = {}], index): JsonObject => {
      const { currency = "USD", path, provider = "Amazon Web Services", system = "cloud_aws_billing_raw_daily" } = more
      return {
        BilledCost: cost,
        EffectiveCost: cost,
        ListCost: cost,
        ContractedCost: cost,
        BillingCurrency: currency,
        BillingAccountId: "1",
        BillingPeriodStart: "2026-05-01T00:00:00Z",
        BillingPeriodEnd: "2026-06-01T00:00:00Z",
        ChargePeriodStart: `2026-05-${date}T00:00:00Z`,
        ChargePeriodEnd: `2026-05-${date}T01:00:00Z`,
        ChargeCategory: "Usage",
        InvoiceIssuerName: provider,
        ProviderName: provider,
        PublisherName: provider,
        ServiceProviderName: provider,
        ServiceCategory: "Compute",
        ServiceName: "Servers",
        x_source_system: system,
        x_source_record_id: String(index),
        ...(path === undefined ? {} : { x_hierarchy_path: path })
      }
    })
    yield* warehouse.replaceSlice({
      slice: {
        table: "cost_data_standard_1_3",
        pipelineId: "test",
        credentialId: "default",
        extent: { kind: "day", date: day("2026-05-11") }
      },
      source: { _tag: "Rows", rows: Stream.fromIterable(rows) },
      runId: runId("00000000-0000-4000-8000-000000000001")
    })
  })
