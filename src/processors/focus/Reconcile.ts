/**
 * `focus.reconcile`: the native bill and its FOCUS rows must come to the same total, to the last decimal, or the step fails and says where.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Reconciliation from "../../focus/Reconciliation.ts"
import { StepError, type Processor, type StepContext } from "../../pipelines/Processor.ts"
import { Settings } from "../../platform/Settings.ts"
import { Warehouse } from "../../warehouse/Warehouse.ts"
import * as StepFailure from "../StepFailure.ts"
import { periodsOf } from "./Periods.ts"
import * as ReconciliationTable from "./ReconciliationTable.ts"

/** A message names at most so many periods and invoices. */
const MAX_NAMED_MISMATCHES = 5

const Config = Schema.Struct({ provider: Schema.Literal(...Reconciliation.providers) })

/**
 * Makes the processor. `details` has `reconciliation`, `invoices` and `rows` of the report, also kept in the tables focus_reconciliation and
 * focus_reconciliation_invoices; periods without any row are left out. A difference of the
 * amortised totals is reported and logged, for it is no money on the bill.
 */
export const make: Effect.Effect<Processor, never, Warehouse | Settings> = Effect.gen(function* () {
  const warehouse = yield* Warehouse
  const { genaiCloudOverlap } = yield* Settings

  const execute = Effect.fn("Reconcile.execute")(function* (context: StepContext) {
    const { provider } = yield* Schema.decodeUnknown(Config)(context.config).pipe(Effect.mapError(invalidConfig))
    const periods = periodsOf(context)
    const report = yield* warehouse.org(context.org).pipe(
      Effect.flatMap((org) =>
        Effect.tap(Reconciliation.compare(org, provider, periods, context, genaiCloudOverlap === "keep"), (report) =>
          ReconciliationTable.keep(org, provider, periods, report, context.runId)
        )
      ),
      Effect.mapError(StepFailure.ofWarehouse)
    )
    const faulty = [
      ...Reconciliation.mismatches(report).map(describe),
      ...Reconciliation.invoiceMismatches(report).map(describeInvoice)
    ]
    if (faulty.length > 0) return yield* mismatch(context, faulty)
    for (const entry of report.reconciliation.filter(({ effectiveDifference }) => effectiveDifference !== "0")) {
      yield* Effect.logWarning(
        `${entry.source} ${entry.billingPeriod} ${entry.currency} of ${context.org}: the amortised total is ${entry.nativeEffective} ` +
          `by the native rows and ${entry.focusEffective} by the FOCUS rows`
      )
    }
    return {
      rowsProcessed: report.rows.in,
      rowsWritten: 0,
      outputTable: "cost_data_standard_1_3",
      affectedPeriods: periods,
      details: report
    }
  })

  return {
    type: "focus.reconcile",
    check: (config) =>
      Schema.is(Config)(config) ? undefined : `config.provider must be one of ${Reconciliation.providers.join(", ")}`,
    execute
  }
})

const mismatch = (context: StepContext, faulty: ReadonlyArray<string>) => {
  const named = faulty.slice(0, MAX_NAMED_MISMATCHES)
  const more = faulty.length > named.length ? `; and ${faulty.length - named.length} more` : ""
  return new StepError({
    errorType: "PERMANENT",
    code: "RECONCILIATION_MISMATCH",
    message: `FOCUS rows of ${context.org} do not match their native rows: ${named.join("; ")}${more}`,
    suggestedAction:
      "do not use the FOCUS rows of these periods; convert them again and report the defect if they still differ"
  })
}

const describe = (entry: Reconciliation.PeriodTotals): string =>
  `${entry.source} ${entry.billingPeriod} ${entry.currency} (credential ${entry.credentialId}): native billed ${entry.nativeBilled}, ` +
  `FOCUS billed ${entry.focusBilled}, difference ${entry.difference}; ${entry.rows.in} native rows, ${entry.rows.converted} converted, ` +
  `dropped ${JSON.stringify(entry.rows.dropped)}`

const describeInvoice = (entry: Reconciliation.InvoiceTotals): string =>
  `${entry.source} ${entry.billingPeriod} ${entry.currency} (credential ${entry.credentialId}) ` +
  `${entry.invoiceId === null ? "without an invoice" : `invoice ${entry.invoiceId}`}: native billed ${entry.nativeBilled}, ` +
  `FOCUS billed ${entry.focusBilled}, difference ${entry.difference}`

const invalidConfig = () =>
  new StepError({
    errorType: "VALIDATION_ERROR",
    code: "STEP_CONFIG_INVALID",
    message: "the step's config is no config of focus.reconcile",
    suggestedAction: "correct the pipeline's file"
  })
