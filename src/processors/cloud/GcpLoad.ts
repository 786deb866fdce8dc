/**
 * Loads what one credential of Google Cloud can read: billing exports in BigQuery, or files of them.
 */
import * as Effect from "effect/Effect"
import { Day } from "../../platform/Identifiers.ts"
import { fileOf, formatOf, prepareJson } from "../../sources/gcp/GcpDataFile.ts"
import * as BillingTable from "../../sources/gcp/BillingTable.ts"
import type { ObjectStore } from "../../sources/object-store/ObjectStore.ts"
import { SourceError } from "../../sources/SourceError.ts"
import { monthsOf } from "../focus/Periods.ts"
import { type Content, loadFound } from "./ExportLoad.ts"
import { billingMapping } from "./gcp/BillingMapping.ts"
import { focusMapping } from "./gcp/FocusMapping.ts"
import type { FileSet, LoadRequest, Target } from "./PeriodLoad.ts"

const billing = (columns: ReadonlyArray<string>): Target => ({
  table: "cloud_gcp_billing_raw_daily",
  periodColumn: "billing_period_start",
  runDateColumn: "usage_start_time",
  mapping: billingMapping(columns)
})
const focus: Target = {
  table: "cloud_gcp_focus_raw_daily",
  periodColumn: "billing_period_start_date",
  runDateColumn: "ChargePeriodStart",
  mapping: focusMapping
}

const reading = (request: LoadRequest, store: ObjectStore): Omit<FileSet, "files" | "token"> => ({
  store,
  fileFormat: (key) => fileOf(key) ?? "csv",
  prepare: (file) => {
    const known = { ...file, values: { x_cloud_provider: "gcp" } }
    return file.format === "ndjson"
      ? Effect.map(prepareJson(file, request.folder), (path) => ({ ...known, path }))
      : Effect.succeed(known)
  },
  classify: (uri, columns) =>
    Effect.map(formatOf(uri, columns), (format) => ({ format, target: format === "focus" ? focus : billing(columns) })),
  targets: [billing([]), focus]
})

/**
 * Loads the invoice months of an export table that the run's dates touch, and those loaded before whose rows have changed since; a month
 * without rows is emptied. The report tells the bytes that the queries were announced to process.
 */
export const loadTable = Effect.fn("GcpLoad.loadTable")(function* (
  request: LoadRequest,
  table: BillingTable.BillingTable
) {
  const { estimatedBytes, store } = table
  const objects = new Map((yield* store.list).map((object) => [object.key, object]))
  const wanted = monthsOf(request.context).map((month) => Day.make(month))
  const known = [...objects.keys()].map((key) => Day.make(`${key.slice(0, 4)}-${key.slice(4, 6)}-01`))
  const periods = [...new Set([...known, ...wanted])].sort().map((period) => {
    const object = objects.get(BillingTable.keyOf(period))
    const content: Content =
      object === undefined ? { files: [], token: "no rows" } : { files: [object], token: object.etag }
    return { period, content: Effect.succeed(content) }
  })
  const report = yield* loadFound(request, { _tag: "Periods", periods }, reading(request, store))
  return { ...report, details: { estimated_bytes: Object.fromEntries(estimatedBytes) } }
})

/** Loads all data files of a place; every invoice month that they contain is replaced as a whole. */
export const loadFiles = Effect.fn("GcpLoad.loadFiles")(function* (request: LoadRequest, store: ObjectStore) {
  const files = (yield* store.list).filter(({ key }) => fileOf(key) !== undefined)
  if (files.length === 0) {
    return yield* new SourceError({
      kind: "permanent",
      code: "NO_EXPORT",
      message: `${store.location} holds no billing export: no file that ends in csv, json, jsonl, ndjson (or their .gz) or parquet`,
      suggestedAction: "export the billing table into this place"
    })
  }
  return yield* loadFound(request, { _tag: "BareFiles", content: { files } }, reading(request, store))
})
