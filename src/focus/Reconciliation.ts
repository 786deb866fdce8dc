/**
 * Compares what a cloud's native rows cost with what the FOCUS rows made of them cost, to the last decimal, per billing period, currency,
 * native table and credential, and per invoice of these, and accounts for every native row.
 */
import * as Effect from "effect/Effect"
import type { Day } from "../platform/Identifiers.ts"
import type { Json, JsonObject } from "../platform/Json.ts"
import type { OrgWarehouse } from "../warehouse/Warehouse.ts"
import { difference, sum } from "./DecimalText.ts"
import { type NativeTable, nativeTables } from "./NativeTotals.ts"
import { dateList, startsOnOneOf, text } from "./SqlText.ts"
import type { Days } from "./SubscriptionTotals.ts"

/** Length of `2026-03-01`, the day of a date or a timestamp. */
const DAY_CHARACTERS = 10

/** What one kind of native row contributes: `kind` is the native line item type or charge category. */
export type KindTotals = {
  readonly kind: string
  readonly rows: number
  readonly nativeBilled: string
  readonly nativeEffective: string
}

/** One billing period of one native table, currency and credential. Amounts are exact decimal text. */
export type PeriodTotals = {
  readonly billingPeriod: string
  readonly currency: string
  readonly source: string
  readonly credentialId: string
  /** First and last day that were compared: the whole period, or what the run has of it where a source is written by day. */
  readonly coveredFrom: string
  readonly coveredTo: string
  readonly nativeBilled: string
  readonly focusBilled: string
  /** nativeBilled - focusBilled; anything but 0 is a defect. */
  readonly difference: string
  /** Amortised: prepaid commitments spread over what they cover, so it may differ from the billed total. */
  readonly nativeEffective: string
  readonly focusEffective: string
  readonly effectiveDifference: string
  /** Explains how the billed total becomes the amortised one. */
  readonly kinds: ReadonlyArray<KindTotals>
  readonly rows: RowCounts
}

/** One invoice of a billing period, native table, currency and credential; amounts as in PeriodTotals. */
export type InvoiceTotals = {
  readonly billingPeriod: string
  readonly currency: string
  readonly source: string
  readonly credentialId: string
  /** Null: the rows that no invoice has yet, beside others of the period that have one. */
  readonly invoiceId: string | null
  readonly nativeBilled: string
  readonly focusBilled: string
  readonly difference: string
}

/** in = converted + dropped; the FOCUS table has converted + extra. */
export type RowCounts = {
  readonly in: number
  readonly converted: number
  /** FOCUS rows beside the first of their native row. */
  readonly extra: number
  /** Native rows without a FOCUS row, by reason. */
  readonly dropped: Readonly<Record<string, number>>
}

/** The whole comparison. */
export type ReconciliationReport = {
  readonly reconciliation: ReadonlyArray<PeriodTotals>
  /** Every invoice, where the source tells invoices. */
  readonly invoices: ReadonlyArray<InvoiceTotals>
  /** `in` counts the quarantined rows too: in = converted + dropped + quarantined. */
  readonly rows: RowCounts & { readonly quarantined: number }
}

/** The clouds whose bills can be reconciled. */
export const providers: ReadonlyArray<string> = Object.keys(nativeTables)

/**
 * Compares the billing periods that begin on these days; of sources that are written by day, only the days of the run. With
 * `keepsCloudOverlap` what a cloud bills itself is expected among the rows of GenAI, too.
 */
export const compare = Effect.fn("Reconciliation.compare")(function* (
  warehouse: OrgWarehouse,
  provider: string,
  periods: ReadonlyArray<Day>,
  days?: Days,
  keepsCloudOverlap?: boolean
) {
  const tables = nativeTables[provider] ?? []
  const reconciliation: Array<PeriodTotals> = []
  const invoices: Array<InvoiceTotals> = []
  let quarantined = 0
  if (periods.length > 0) {
    for (const native of tables) {
      const compared = yield* compareTable(warehouse, native, periods, days, keepsCloudOverlap)
      reconciliation.push(...compared.map(({ total }) => total))
      invoices.push(...compared.flatMap((each) => each.invoices))
    }
    quarantined = yield* countQuarantine(warehouse, tables, periods)
  }
  const counts = reconciliation.map((entry) => entry.rows)
  const add = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)
  const report: ReconciliationReport = {
    reconciliation: reconciliation.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)),
    invoices: invoices.sort((a, b) => (invoiceKeyOf(a) < invoiceKeyOf(b) ? -1 : 1)),
    rows: {
      in: add(counts.map((rows) => rows.in)) + quarantined,
      converted: add(counts.map((rows) => rows.converted)),
      extra: add(counts.map((rows) => rows.extra)),
      dropped: addByReason(counts.flatMap((rows) => Object.entries(rows.dropped))),
      quarantined
    }
  }
  return report
})

/** The entries whose money or rows do not agree. */
export const mismatches = (report: ReconciliationReport): ReadonlyArray<PeriodTotals> =>
  report.reconciliation.filter(
    ({ difference, rows }) =>
      difference !== "0" || rows.in !== rows.converted + Object.values(rows.dropped).reduce((a, b) => a + b, 0)
  )

/** The invoices whose money does not agree. */
export const invoiceMismatches = (report: ReconciliationReport): ReadonlyArray<InvoiceTotals> =>
  report.invoices.filter(({ difference }) => difference !== "0")

interface Key {
  readonly billingPeriod: string
  readonly currency: string
  readonly source: string
  readonly credentialId: string
}

const compareTable = Effect.fn("Reconciliation.compareTable")(function* (
  warehouse: OrgWarehouse,
  native: NativeTable,
  periods: ReadonlyArray<Day>,
  days: Days | undefined,
  keepsCloudOverlap: boolean | undefined
) {
  const ofDays = native.isByDay === true ? days : undefined
  const onDays =
    ofDays === undefined
      ? ""
      : ` AND x_pipeline_run_date BETWEEN DATE ${text(ofDays.startDate)} AND DATE ${text(ofDays.endDate)}`
  const nativeRows = yield* warehouse.query(native.statement(periods, days, keepsCloudOverlap))
  const focusRows = yield* warehouse.query(`
SELECT
  BillingPeriodStart AS period, BillingCurrency AS currency, x_credential_id AS credential, InvoiceId AS invoice, COUNT(*) AS n,
  COUNTIF(x_SplitPart > 1 OR (x_source_row IS NULL AND x_cloud_provider IS NOT NULL)) AS extra, SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective
FROM cost_data_standard_1_3
WHERE x_source_system = ${text(native.table)} AND ${startsOnOneOf("BillingPeriodStart", periods)}${onDays}
GROUP BY period, currency, credential, invoice`)
  const ofNative = groupByKey(nativeRows, native.table)
  const ofFocus = groupByKey(focusRows, native.table)
  return [...new Map([...ofNative, ...ofFocus].map(([name, { key }]) => [name, key]))].map(([name, key]) => {
    const [nativeOfKey, focusOfKey] = [ofNative.get(name)?.rows ?? [], ofFocus.get(name)?.rows ?? []]
    return {
      total: totals(key, coveredBy(key.billingPeriod, ofDays), nativeOfKey, focusOfKey),
      invoices: invoicesOf(key, nativeOfKey, focusOfKey)
    }
  })
})

/** None where no row has an invoice. */
const invoicesOf = (
  key: Key,
  native: ReadonlyArray<JsonObject>,
  focus: ReadonlyArray<JsonObject>
): ReadonlyArray<InvoiceTotals> => {
  const ids = [...new Set([...native, ...focus].map(({ invoice }) => textOf(invoice)))]
  if (ids.every((id) => id === "")) return []
  return ids.map((id) => {
    const billed = (rows: ReadonlyArray<JsonObject>) =>
      sum(rows.filter(({ invoice }) => textOf(invoice) === id).map((row) => decimalOf(row["billed"])))
    const [nativeBilled, focusBilled] = [billed(native), billed(focus)]
    return {
      ...key,
      invoiceId: id === "" ? null : id,
      nativeBilled,
      focusBilled,
      difference: difference(nativeBilled, focusBilled)
    }
  })
}

const coveredBy = (period: string, days: Days | undefined) => {
  const [year = 0, month = 0] = period.split("-").map(Number)
  const last = new Date(Date.UTC(year, month, 0)).toISOString().slice(0, DAY_CHARACTERS)
  return {
    coveredFrom: days !== undefined && days.startDate > period ? days.startDate : period,
    coveredTo: days !== undefined && days.endDate < last ? days.endDate : last
  }
}

const totals = (
  key: Key,
  covered: Pick<PeriodTotals, "coveredFrom" | "coveredTo">,
  native: ReadonlyArray<JsonObject>,
  focus: ReadonlyArray<JsonObject>
): PeriodTotals => {
  const amount = (rows: ReadonlyArray<JsonObject>, column: string) => sum(rows.map((row) => decimalOf(row[column])))
  const count = (rows: ReadonlyArray<JsonObject>, column: string) =>
    rows.reduce((total, row) => total + Number(row[column] ?? 0), 0)
  const [nativeBilled, focusBilled] = [amount(native, "billed"), amount(focus, "billed")]
  const [nativeEffective, focusEffective] = [amount(native, "effective"), amount(focus, "effective")]
  const extra = count(focus, "extra")
  const kinds = [...Map.groupBy(native, (row) => `${textOf(row["kind"])}\u0000${textOf(row["dropped"])}`).values()].map(
    (rows): KindTotals => ({
      kind: textOf(rows[0]?.["kind"]),
      rows: count(rows, "n"),
      nativeBilled: amount(rows, "billed"),
      nativeEffective: amount(rows, "effective")
    })
  )
  return {
    ...key,
    ...covered,
    nativeBilled,
    focusBilled,
    difference: difference(nativeBilled, focusBilled),
    nativeEffective,
    focusEffective,
    effectiveDifference: difference(nativeEffective, focusEffective),
    kinds: kinds.sort((a, b) => (a.kind < b.kind ? -1 : 1)),
    rows: {
      in: count(native, "n"),
      converted: count(focus, "n") - extra,
      extra,
      dropped: addByReason(
        native.flatMap((row) => (typeof row["dropped"] === "string" ? [[row["dropped"], Number(row["n"] ?? 0)]] : []))
      )
    }
  }
}

const countQuarantine = Effect.fn("Reconciliation.countQuarantine")(function* (
  warehouse: OrgWarehouse,
  tables: ReadonlyArray<NativeTable>,
  periods: ReadonlyArray<Day>
) {
  const names = tables.map(({ table }) => text(table)).join(", ")
  const [row] = yield* warehouse.query(
    `SELECT COUNT(*) AS n FROM org_quarantine WHERE table_name IN (${names}) AND x_pipeline_run_date IN (${dateList(periods)})`
  )
  return Number(row?.["n"] ?? 0)
})

const groupByKey = (rows: ReadonlyArray<JsonObject>, source: string) => {
  const groups = new Map<string, { readonly key: Key; readonly rows: Array<JsonObject> }>()
  for (const row of rows) {
    const key: Key = {
      billingPeriod: textOf(row["period"]).slice(0, DAY_CHARACTERS),
      currency: textOf(row["currency"]),
      source,
      credentialId: textOf(row["credential"])
    }
    const name = keyOf(key)
    const group = groups.get(name) ?? { key, rows: [] }
    groups.set(name, group)
    group.rows.push(row)
  }
  return groups
}

const keyOf = (key: Key) => [key.billingPeriod, key.currency, key.source, key.credentialId].join(" ")

const invoiceKeyOf = (entry: InvoiceTotals) => `${keyOf(entry)} ${entry.invoiceId ?? ""}`

const addByReason = (entries: ReadonlyArray<readonly [string, number]>): Readonly<Record<string, number>> => {
  const totals: Record<string, number> = {}
  for (const [reason, rows] of entries) totals[reason] = (totals[reason] ?? 0) + rows
  return totals
}

const textOf = (value: Json | undefined): string => (value === undefined || value === null ? "" : String(value))

/** A sum over rows that have no such amount is null: they contribute nothing. */
const decimalOf = (value: Json | undefined): string => textOf(value) || "0"
