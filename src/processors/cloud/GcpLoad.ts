/**
 * Loads what one credential of Google Cloud can read: files of billing exports.
 */
import * as Effect from "effect/Effect"
import { fileOf, formatOf, prepareJson } from "../../sources/gcp/GcpDataFile.ts"
import type { ObjectStore } from "../../sources/object-store/ObjectStore.ts"
import { SourceError } from "../../sources/SourceError.ts"
import { loadFound } from "./ExportLoad.ts"
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
