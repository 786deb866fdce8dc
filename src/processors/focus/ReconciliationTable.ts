/**
 * Keeps what a reconciliation found, so that it can be asked for later: the tables `focus_reconciliation` and
 * `focus_reconciliation_invoices`.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { ownerOf } from "../../focus/NativeTotals.ts"
import type { InvoiceTotals, PeriodTotals, ReconciliationReport } from "../../focus/Reconciliation.ts"
import type { Day, RunId } from "../../platform/Identifiers.ts"
import type { JsonObject } from "../../platform/Json.ts"
import type { OrgWarehouse } from "../../warehouse/Warehouse.ts"

/** Replaces what was kept of these periods; a period without any row leaves none. */
export const keep = Effect.fn("ReconciliationTable.keep")(function* (
  warehouse: OrgWarehouse,
  provider: string,
  periods: ReadonlyArray<Day>,
  { invoices, reconciliation }: ReconciliationReport,
  runId: RunId
) {
  if (!Arr.isNonEmptyReadonlyArray(periods)) return
  const slice = (table: string) => ({
    table,
    pipelineId: ownerOf(provider),
    credentialId: "default",
    extent: {
      kind: "periods" as const,
      periodColumn: "billing_period",
      runDateColumn: "billing_period",
      expected: periods
    }
  })
  yield* warehouse.replaceSlice({
    slice: slice("focus_reconciliation"),
    source: { _tag: "Rows", rows: Stream.map(Stream.fromIterable(reconciliation), rowOf) },
    runId
  })
  yield* warehouse.replaceSlice({
    slice: slice("focus_reconciliation_invoices"),
    source: { _tag: "Rows", rows: Stream.map(Stream.fromIterable(invoices), invoiceRowOf) },
    runId
  })
})

const rowOf = (entry: PeriodTotals): JsonObject => ({
  billing_period: entry.billingPeriod,
  currency: entry.currency,
  source: entry.source,
  credential_id: entry.credentialId,
  covered_from: entry.coveredFrom,
  covered_to: entry.coveredTo,
  native_billed: entry.nativeBilled,
  focus_billed: entry.focusBilled,
  difference: entry.difference,
  native_effective: entry.nativeEffective,
  focus_effective: entry.focusEffective,
  effective_difference: entry.effectiveDifference,
  rows_in: entry.rows.in,
  rows_converted: entry.rows.converted,
  rows_extra: entry.rows.extra,
  rows_explained: entry.rows.dropped,
  kinds: entry.kinds
})

const invoiceRowOf = (entry: InvoiceTotals): JsonObject => ({
  billing_period: entry.billingPeriod,
  currency: entry.currency,
  source: entry.source,
  credential_id: entry.credentialId,
  invoice_id: entry.invoiceId,
  native_billed: entry.nativeBilled,
  focus_billed: entry.focusBilled,
  difference: entry.difference
})
