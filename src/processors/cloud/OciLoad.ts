/**
 * Loads what one OCI credential can read, and its Usage API where there are no reports. Cost reports come as numbered files without a date; each belongs to the month of its newest usage,
 * and a month is loaded from all of its reports. FOCUS reports are loaded with the periods that they contain.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Day } from "../../platform/Identifiers.ts"
import { formatOf, type OciFormat, reportMonth } from "../../sources/oci/OciDataFile.ts"
import type { OciPlaces } from "../../sources/oci/OciStore.ts"
import type { ObjectStore, StoredObject } from "../../sources/object-store/ObjectStore.ts"
import { SourceError } from "../../sources/SourceError.ts"
import { type Found, loadFound } from "./ExportLoad.ts"
import { loadUsage } from "./OciUsage.ts"
import { costReportMapping } from "./oci/CostReportMapping.ts"
import { focusMapping } from "./oci/FocusMapping.ts"
import type { FileSet, LoadRequest, Target } from "./PeriodLoad.ts"

/** Bytes of one report. */
const reportLimitBytes = 4 * 1024 ** 3
/** Reports that are looked into at a time, to learn their month. */
const parallelLooks = 4

const costs: Target = {
  table: "cloud_oci_billing_raw_daily",
  periodColumn: "billing_period_start",
  runDateColumn: "usage_start_time",
  mapping: costReportMapping
}
const focus: Target = {
  table: "cloud_oci_focus_raw_daily",
  periodColumn: "billing_period_start_date",
  runDateColumn: "ChargePeriodStart",
  mapping: focusMapping
}
const targetOf: Readonly<Record<OciFormat, Target>> = { "cost-report": costs, focus }

const SubscriptionKind = Schema.Literal("payg", "universal_credits")

/** Loads the reports, or what the Usage API tells where there are none. */
export const load = Effect.fn("OciLoad.load")(function* (request: LoadRequest, { reports, usage }: OciPlaces) {
  const kind = yield* subscriptionKindOf(request)
  const files = reports === undefined ? [] : (yield* reports.list).filter(isReport)
  if (reports !== undefined && files.length > 0) return yield* loadReports(request, reports, files, kind)
  if (usage !== undefined) return yield* loadUsage(request, usage, { kind, targets: [costs, focus] })
  return yield* new SourceError({
    kind: "permanent",
    code: "NO_EXPORT",
    message: `${reports?.location ?? "the credential"} holds no cost report: no file that ends in csv or csv.gz`,
    suggestedAction: "point the credential at a folder of its tenancy's reports"
  })
})

const isReport = ({ key }: StoredObject) => /\.csv(\.gz)?$/i.test(key) && !key.includes("usage-csv/")

/**
 * Loads the store's reports. Where cost reports and FOCUS reports lie together, the cost reports are taken: both have the same charges. The
 * folders of a tenancy's bucket tell them apart; in files of one's own only the columns do.
 */
const loadReports = Effect.fn("OciLoad.loadReports")(function* (
  request: LoadRequest,
  store: ObjectStore,
  files: ReadonlyArray<StoredObject>,
  kind: typeof SubscriptionKind.Type
) {
  const unnamed = files.filter(({ key }) => !/focus/i.test(key))
  const reports = unnamed.length === 0 ? files : unnamed
  const months = new Map<string, Day>()
  const reading: Omit<FileSet, "files" | "token"> = {
    store,
    fileFormat: () => "csv",
    classify: (uri, columns) => Effect.map(formatOf(uri, columns), (format) => ({ format, target: targetOf[format] })),
    values: ({ key }, format) =>
      format === "focus"
        ? {}
        : { billing_period_start: months.get(key) ?? "", subscription_kind: kind, x_cloud_provider: "oci" },
    targets: [costs, focus]
  }
  const isFocusFolder = unnamed.length === 0 && store.bucket !== undefined
  if (isFocusFolder || !(yield* areCostReports(request, store, reports))) {
    return yield* loadFound(request, { _tag: "BareFiles", content: { files: reports } }, reading)
  }
  for (const [key, month] of yield* monthsOf(request, store, reports)) months.set(key, month)
  const periods = [...new Set(months.values())].sort()
  const found: Found = {
    _tag: "Periods",
    periods: periods.map((period) => {
      const own = reports.filter(({ key }) => months.get(key) === period)
      return { period, content: Effect.succeed({ files: own, token: tokenOf(own, kind) }) }
    })
  }
  return yield* loadFound(request, found, reading)
})

const subscriptionKindOf = ({ credential }: LoadRequest) =>
  Schema.decodeUnknown(SubscriptionKind)(credential.metadata["subscription_kind"] ?? "payg").pipe(
    Effect.mapError(
      () =>
        new SourceError({
          kind: "permanent",
          code: "CREDENTIAL_INCOMPLETE",
          message: `credential ${credential.credentialId}: subscription_kind is payg or universal_credits`,
          suggestedAction: "store the credential again with a valid subscription_kind"
        })
    )
  )

/** Bare files may be FOCUS reports under any name: the first one's header tells. */
const areCostReports = Effect.fnUntraced(function* (
  request: LoadRequest,
  store: ObjectStore,
  [first]: ReadonlyArray<StoredObject>
) {
  if (first === undefined) return false
  const path = yield* store.localFile(first, reportLimitBytes)
  const uri = store.uri(first.key)
  const columns = yield* request.warehouse.columnsOf({ path, uri, format: "csv" })
  return (yield* formatOf(uri, columns)) === "cost-report"
}, Effect.scoped)

/** The month of each report: known from the rows that were loaded from it, or learned by reading it. Reports without rows have none. */
const monthsOf = Effect.fnUntraced(function* (
  request: LoadRequest,
  store: ObjectStore,
  files: ReadonlyArray<StoredObject>
) {
  const loaded = yield* request.org.query(
    `SELECT x_source_file AS file, CAST(MAX(billing_period_start) AS STRING) AS month FROM ${costs.table}
    WHERE x_credential_id = @credential_id GROUP BY x_source_file`,
    { credential_id: { type: "STRING", value: request.credential.credentialId } }
  )
  const known = new Map(loaded.map((row) => [String(row["file"]), Day.make(String(row["month"]))]))
  const found = yield* Effect.forEach(
    files,
    (file) => {
      const month = known.get(store.uri(file.key))
      return month === undefined
        ? Effect.map(
            lookInto(store, file),
            Option.map((learned) => [file.key, learned] as const)
          )
        : Effect.succeed(Option.some([file.key, month] as const))
    },
    { concurrency: parallelLooks }
  )
  return found.flatMap(Option.toArray)
})

const lookInto = (store: ObjectStore, file: StoredObject) =>
  store.localFile(file, reportLimitBytes).pipe(
    Effect.flatMap((path) => reportMonth(path, store.uri(file.key))),
    Effect.scoped
  )

const tokenOf = (files: ReadonlyArray<StoredObject>, kind: string): string =>
  createHash("sha256")
    .update(JSON.stringify([kind, ...files.map(({ etag, key }) => [key, etag])]))
    .digest("hex")
