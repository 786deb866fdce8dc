/**
 * Loads what one Azure credential can read: the months of cost exports, bare files, or cost details reports. The actual and the amortized costs of a month are one
 * slice, told apart by `cost_view`: what is read together is replaced together.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Day } from "../../platform/Identifiers.ts"
import * as AzureExports from "../../sources/azure/AzureExports.ts"
import { type AzureFormat, type CostView, fileOf, formatOf, viewOf } from "../../sources/azure/AzureDataFile.ts"
import type * as CostDetails from "../../sources/azure/CostDetails.ts"
import type { ObjectStore, StoredObject } from "../../sources/object-store/ObjectStore.ts"
import { costDetailsMapping } from "./azure/CostDetailsMapping.ts"
import { focusMapping } from "./azure/FocusMapping.ts"
import { type Found, loadFound } from "./ExportLoad.ts"
import type { FileSet, LoadRequest, Target } from "./PeriodLoad.ts"

const details: Target = {
  table: "cloud_azure_billing_raw_daily",
  periodColumn: "billing_period_start",
  runDateColumn: "usage_date",
  mapping: costDetailsMapping()
}
const focus: Target = {
  table: "cloud_azure_focus_raw_daily",
  periodColumn: "billing_period_start_date",
  runDateColumn: "ChargePeriodStart",
  mapping: focusMapping
}
const isWords = Schema.is(Schema.Record({ key: Schema.String, value: Schema.String }))

/**
 * How files are read of which `viewOfFile` knows the view. In the credential's metadata `currency` is that of files that name none,
 * `currency_codes` says which currency a code means that is none of ISO 4217 (`{"MC": "USD"}`), and `short_rows: true` accepts rows that
 * lack cells at their end.
 */
const reading = (
  { credential: { metadata } }: LoadRequest,
  store: FileSet["store"],
  viewOfFile: (object: StoredObject) => CostView
): Omit<FileSet, "files" | "token"> => {
  const codes = metadata["currency_codes"]
  const mapping = costDetailsMapping({
    shortRows: metadata["short_rows"] === true,
    currencyCodes: isWords(codes) ? codes : {}
  })
  const targetOf: Readonly<Record<AzureFormat, Target>> = { "cost-details": { ...details, mapping }, focus }
  const currency = metadata["currency"]
  const common = { x_cloud_provider: "azure", ...(typeof currency === "string" ? { billing_currency: currency } : {}) }
  return {
    store,
    fileFormat: (key) => fileOf(key) ?? "csv",
    classify: (uri, columns) => Effect.map(formatOf(uri, columns), (format) => ({ format, target: targetOf[format] })),
    values: (object, format) => (format === "focus" ? {} : { ...common, cost_view: viewOfFile(object) }),
    targets: [details, focus]
  }
}

/** Loads the store's exports. */
export const loadExports = Effect.fn("AzureLoad.loadExports")(function* (request: LoadRequest, store: ObjectStore) {
  const exported = yield* AzureExports.discover(store)
  if (exported._tag === "BareFiles") return yield* loadFiles(request, store, exported.files)
  const views = new Map<string, CostView>()
  const found: Found = {
    _tag: "Periods",
    periods: exported.months.map((month) => ({
      period: month.period,
      content: Effect.map(AzureExports.contentOf(store, exported.objects, month), ({ files, token }) => {
        for (const { object, kind } of files) if (kind !== "focus") views.set(object.key, kind)
        return { files: files.map(({ object }) => object), token }
      })
    }))
  }
  return yield* loadFound(
    request,
    found,
    reading(request, store, ({ key }) => views.get(key) ?? "actual")
  )
})

/** Asks for the reports of the months that the run's dates touch, and loads them. A month without costs becomes empty. */
export const loadReports = Effect.fn("AzureLoad.loadReports")(function* (
  request: LoadRequest,
  { report, store }: ReturnType<typeof CostDetails.make>
) {
  const today = new Date(yield* Clock.currentTimeMillis).toISOString().slice(0, 10)
  const views = new Map<string, CostView>()
  const of = Effect.fnUntraced(function* (view: CostView, period: Day) {
    const end = [lastDayOf(period), today].sort()[0] ?? today
    const files = yield* report(view, period, end)
    for (const { key } of files) views.set(key, view)
    return files
  })
  // One after the other: the API counts calls per tenant.
  const found: Found = {
    _tag: "Periods",
    periods: reportMonths(request.context)
      .filter((period) => period <= today)
      .map((period) => ({
        period,
        content: Effect.map(
          Effect.forEach(["actual", "amortized"] as const, (view) => of(view, period)),
          (files) => ({ files: files.flat() })
        )
      }))
  }
  return yield* loadFound(
    { ...request, context: { ...request.context, startDate: found.periods[0]?.period ?? request.context.startDate } },
    found,
    reading(request, store, ({ key }) => views.get(key) ?? "actual")
  )
})

/** In the first days of a month Azure still restates the whole month before it. */
const restatedDays = 5

const isDay = Schema.is(Day)

/** First days of the months that the run's dates touch, and of the month before them while it is restated; ascending. */
const reportMonths = ({ endDate, startDate }: LoadRequest["context"]): ReadonlyArray<Day> => {
  const first = new Date(`${startDate}T00:00:00Z`)
  first.setUTCDate(first.getUTCDate() - restatedDays)
  const months: Array<Day> = []
  for (first.setUTCDate(1); first.toISOString().slice(0, 10) <= endDate; first.setUTCMonth(first.getUTCMonth() + 1)) {
    const day = first.toISOString().slice(0, 10)
    if (isDay(day)) months.push(day)
  }
  return months
}

const lastDayOf = (month: Day): string => {
  const day = new Date(`${month}T00:00:00Z`)
  day.setUTCMonth(day.getUTCMonth() + 1, 0)
  return day.toISOString().slice(0, 10)
}

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
  const load = (view: (object: StoredObject) => CostView) => loadFound(request, found, reading(request, store, view))
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
