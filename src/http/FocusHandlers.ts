/**
 * Answers the endpoints of FOCUS data: judges rows when asked, and reads what runs found.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { sum } from "../focus/DecimalText.ts"
import { convertedCosts } from "../focus/ExchangeRates.ts"
import { Judge } from "../focus/Judge.ts"
import { Organizations } from "../organizations/Organizations.ts"
import { Day } from "../platform/Identifiers.ts"
import { type OrgWarehouse, Warehouse } from "../warehouse/Warehouse.ts"
import { DeferredApi } from "./DeferredApi.ts"
import { CurrentCaller } from "./Authentication.ts"
import { type ApiError, apiError, fromDomain, internalErrorDetail } from "./Errors.ts"
import { InvoiceEntry, QuarantineEntry, ReconciliationEntry } from "./FocusApi.ts"

/** A judgement reads every row that is asked for; more wait. */
const MAX_JUDGEMENTS_AT_A_TIME = 2

const periodOf = (text: string | undefined): Effect.Effect<Day | undefined, ApiError> => {
  if (text === undefined) return Effect.succeed(undefined)
  return Effect.mapError(Schema.decode(FirstOfMonth)(text), () =>
    apiError("INVALID_DATE", "billing_period is the first day of a month, as in 2026-08-01")
  )
}

const FirstOfMonth = Day.pipe(Schema.filter((day) => day.endsWith("-01")))

/** The handlers of the group `focus`. */
export const layer = HttpApiBuilder.group(DeferredApi, "focus", (handlers) =>
  Effect.gen(function* () {
    const warehouse = yield* Warehouse
    const { judge } = yield* Judge
    const judging = yield* Effect.makeSemaphore(MAX_JUDGEMENTS_AT_A_TIME)
    const organizations = yield* Organizations
    const ownCurrency = Effect.gen(function* () {
      const { org } = yield* CurrentCaller
      const found = yield* Effect.mapError(organizations.get(org), fromDomain)
      return found === undefined
        ? yield* apiError("INVALID_PARAMETER", `${org} has no currency of its own: name one`)
        : found.defaultCurrency
    })
    const ofCaller = Effect.flatMap(CurrentCaller, ({ org }) => Effect.mapError(warehouse.org(org), fromDomain))

    return handlers
      .handle("conformance", ({ urlParams }) =>
        Effect.gen(function* () {
          const period = yield* periodOf(urlParams.billing_period)
          const scope = {
            ...(period === undefined ? {} : { billingPeriods: [period] }),
            ...(urlParams.source === undefined ? {} : { sourcePrefix: urlParams.source })
          }
          return yield* judge(yield* ofCaller, scope).pipe(
            judging.withPermits(1),
            Effect.map(({ contractCommitment, ...judged }) => ({ ...judged, contract_commitment: contractCommitment })),
            Effect.mapError((error) =>
              error._tag === "RuleSetInvalid" || error._tag === "InvalidTable"
                ? apiError("CONFIG_INVALID", internalErrorDetail, { cause: error })
                : fromDomain(error)
            )
          )
        })
      )
      .handle("reconciliation", ({ urlParams }) =>
        Effect.gen(function* () {
          const period = yield* periodOf(urlParams.billing_period)
          const org = yield* ofCaller
          const entries = yield* read(org, ReconciliationEntry, reconciliationSql, period)
          const invoices = yield* read(org, InvoiceEntry, invoicesSql, period)
          return {
            is_exact: [...entries, ...invoices].every(({ difference }) => difference === "0"),
            entries,
            invoices,
            quarantined: yield* read(org, QuarantineEntry, quarantineSql, period)
          }
        })
      )
      .handle("convertedCosts", ({ urlParams }) =>
        Effect.gen(function* () {
          const period = yield* periodOf(urlParams.billing_period)
          const currency = urlParams.currency ?? (yield* ownCurrency)
          const entries = yield* Effect.mapError(convertedCosts(yield* ofCaller, currency, period), fromDomain)
          const total = (amounts: ReadonlyArray<string | null>) => {
            const known = amounts.filter((amount) => amount !== null)
            return known.length > 0 && known.length === amounts.length ? sum(known) : null
          }
          return {
            currency,
            billed: total(entries.map(({ billed }) => billed)),
            effective: total(entries.map(({ effective }) => effective)),
            entries,
            findings: entries.flatMap((entry) =>
              entry.days_without_rate === 0
                ? []
                : [
                    `no rate from ${entry.original_currency} to ${currency} for ${entry.days_without_rate} days of billing period ` +
                      `${entry.billing_period}, first for ${entry.first_day_without_rate}: import it with rates import`
                  ]
            )
          }
        })
      )
  })
)

/** Rows of the period, or of all. */
const read = <A, I>(org: OrgWarehouse, row: Schema.Schema<A, I>, sql: string, period: Day | undefined) =>
  org.query(sql, { period: { type: "DATE", value: period ?? null } }).pipe(
    Effect.mapError(fromDomain),
    // The statement is our own: rows of another shape are a defect.
    Effect.flatMap((rows) => Effect.orDie(Schema.decodeUnknown(Schema.Array(row))(rows)))
  )

const reconciliationSql = `
SELECT
  CAST(billing_period AS STRING) AS billing_period, currency, source, credential_id, CAST(covered_from AS STRING) AS covered_from,
  CAST(covered_to AS STRING) AS covered_to, native_billed, focus_billed, difference, native_effective, focus_effective,
  effective_difference, rows_in, rows_converted, rows_extra, rows_explained, x_run_id AS run_id, x_ingested_at AS compared_at
FROM focus_reconciliation
WHERE @period IS NULL OR billing_period = @period
ORDER BY billing_period DESC, source, currency, credential_id`

const invoicesSql = `
SELECT
  CAST(billing_period AS STRING) AS billing_period, currency, source, credential_id, invoice_id, native_billed, focus_billed, difference
FROM focus_reconciliation_invoices
WHERE @period IS NULL OR billing_period = @period
ORDER BY billing_period DESC, source, currency, credential_id, invoice_id`

const quarantineSql = `
SELECT
  table_name AS source, CAST(x_pipeline_run_date AS STRING) AS billing_period, x_credential_id AS credential_id, reason, COUNT(*) AS \`rows\`
FROM org_quarantine
WHERE @period IS NULL OR x_pipeline_run_date = @period
GROUP BY source, billing_period, credential_id, reason
ORDER BY billing_period DESC, source, credential_id, reason`
