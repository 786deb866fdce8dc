/**
 * Loads what one Azure credential can read: the months of cost exports, or bare files. The actual and the amortized costs of a month are one
 * slice, told apart by `cost_view`: what is read together is replaced together.
 */
import * as Effect from "effect/Effect"
import * as AzureExports from "../../sources/azure/AzureExports.ts"
import { type AzureFormat, type CostView, fileOf, formatOf, viewOf } from "../../sources/azure/AzureDataFile.ts"
import type { ObjectStore, StoredObject } from "../../sources/object-store/ObjectStore.ts"
import { costDetailsMapping } from "./azure/CostDetailsMapping.ts"
import { focusMapping } from "./azure/FocusMapping.ts"
import { type Found, loadFound } from "./ExportLoad.ts"
import type { FileSet, LoadRequest, Target } from "./PeriodLoad.ts"

const details: Target = {
  table: "cloud_azure_billing_raw_daily",
  periodColumn: "billing_period_start",
  runDateColumn: "usage_date",
  mapping: costDetailsMapping
}
const focus: Target = {
  table: "cloud_azure_focus_raw_daily",
  periodColumn: "billing_period_start_date",
  runDateColumn: "ChargePeriodStart",
  mapping: focusMapping
}
const targetOf: Readonly<Record<AzureFormat, Target>> = { "cost-details": details, focus }

/** How files are read of which `viewOfFile` knows the view. */
export const reading = (
  store: FileSet["store"],
  viewOfFile: (object: StoredObject) => CostView | "focus"
): Omit<FileSet, "files" | "token"> => ({
  store,
  fileFormat: (key) => fileOf(key) ?? "csv",
  classify: (uri, columns) => Effect.map(formatOf(uri, columns), (format) => ({ format, target: targetOf[format] })),
  prepare: (file, object) => {
    const view = viewOfFile(object)
    return Effect.succeed(view === "focus" ? file : { ...file, values: { cost_view: view, x_cloud_provider: "azure" } })
  },
  targets: [details, focus]
})

/** Loads the store's exports. */
export const loadExports = Effect.fn("AzureLoad.loadExports")(function* (request: LoadRequest, store: ObjectStore) {
  const exported = yield* AzureExports.discover(store)
  if (exported._tag === "BareFiles") return yield* loadFiles(request, store, exported.files)
  const kinds = new Map<string, AzureExports.ExportKind>()
  const found: Found = {
    _tag: "Periods",
    periods: exported.months.map((month) => ({
      period: month.period,
      content: Effect.map(AzureExports.contentOf(store, exported.objects, month), ({ files, token }) => {
        for (const { object, kind } of files) kinds.set(object.key, kind)
        return { files: files.map(({ object }) => object), token }
      })
    }))
  }
  return yield* loadFound(
    request,
    found,
    reading(store, ({ key }) => kinds.get(key) ?? "actual")
  )
})

/**
 * Loads bare files. What cost they have is told by their names; where these are silent, the rows tell: only the amortized view has unused
 * commitments, or a cost on usage that a commitment covers.
 */
const loadFiles = Effect.fnUntraced(function* (
  request: LoadRequest,
  store: ObjectStore,
  files: ReadonlyArray<StoredObject>
) {
  const found: Found = { _tag: "BareFiles", content: { files } }
  const load = (view: (object: StoredObject) => CostView) => loadFound(request, found, reading(store, view))
  const named = ({ key }: StoredObject) => viewOf(key)
  const report = yield* load((object) => named(object) ?? "actual")
  const silent = files.filter((object) => named(object) === undefined).map(({ key }) => store.uri(key))
  if (silent.length === 0 || report.format !== "cost-details") return report
  const rows = yield* request.org.query(
    `SELECT DISTINCT x_source_file AS file FROM ${details.table}
    WHERE x_credential_id = @credential_id AND cost_view = 'actual' AND (STARTS_WITH(LOWER(charge_type), 'unused')
      OR (LOWER(charge_type) = 'usage' AND cost_in_billing_currency <> 0
        AND (LOWER(pricing_model) IN ('reservation', 'savingsplan') OR (pricing_model IS NULL AND reservation_id IS NOT NULL))))`,
    { credential_id: { type: "STRING", value: request.credential.credentialId } }
  )
  const amortized = new Set(rows.map((row) => String(row["file"])).filter((file) => silent.includes(file)))
  if (amortized.size === 0) return report
  return yield* load((object) => named(object) ?? (amortized.has(store.uri(object.key)) ? "amortized" : "actual"))
})
