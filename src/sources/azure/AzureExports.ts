/**
 * What a place of Azure cost exports holds: its months by the manifests of the exports' runs, the data files of a month, and the token that
 * changes when the month's content does. Folders are no contract; of several runs of one month the one that was submitted last counts.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Day } from "../../platform/Identifiers.ts"
import { canonical } from "../../platform/Json.ts"
import { objectChanged, type ObjectStore, type StoredObject } from "../object-store/ObjectStore.ts"
import { SourceError } from "../SourceError.ts"
import { type CostView, fileOf } from "./AzureDataFile.ts"

/** What an export's rows are. */
export type ExportKind = CostView | "focus"

/** A data file and the kind of its export. */
export interface ExportFile {
  readonly object: StoredObject
  readonly kind: ExportKind
}

/** One month: the newest run of each export that delivered it. */
export interface ExportMonth {
  readonly period: Day
  readonly runs: ReadonlyArray<ExportRun>
}

/** The store's content: months by manifests, or bare data files that are not governed by any. */
export type AzureExport =
  | {
      readonly _tag: "Months"
      readonly objects: ReadonlyArray<StoredObject>
      readonly months: ReadonlyArray<ExportMonth>
    }
  | { readonly _tag: "BareFiles"; readonly files: readonly [StoredObject, ...ReadonlyArray<StoredObject>] }

/** One run of an export: what its manifest says. */
export interface ExportRun {
  readonly manifest: StoredObject
  readonly kind: ExportKind
  readonly exportName: string
  readonly period: Day
  /** Time of submission, to be compared with others as text. */
  readonly submitted: string
  readonly blobs: ReadonlyArray<{ readonly blobName: string; readonly byteCount?: number | undefined }>
}

const manifestLimitBytes = 4 * 1024 * 1024
/** Manifests of one place: daily runs of several exports over years. */
const manifestLimit = 20_000
const manifestsAtATime = 8

/** Lists the store and finds what it holds. Fails when it holds no export, or two exports that would count costs twice. */
export const discover = Effect.fn("AzureExports.discover")(function* (store: ObjectStore) {
  const objects = yield* store.list
  const manifests = objects.filter(({ key }) => /manifest\.json$/i.test(key))
  if (manifests.length === 0) return yield* bareFiles(store, objects)
  if (manifests.length > manifestLimit) {
    return yield* permanent(
      "TOO_MANY_MANIFESTS",
      `${store.location} holds ${manifests.length} manifests, more than ${manifestLimit}`,
      "let the credential's prefix lead to one export, or delete runs that are no longer needed"
    )
  }
  const runs = yield* Effect.forEach(manifests, (manifest) => runOf(store, manifest), { concurrency: manifestsAtATime })
  const known = runs.filter((run) => run !== undefined)
  yield* refuseDoubles(store, known)
  const newest = new Map<string, ExportRun>()
  for (const run of known) {
    const key = `${run.period} ${run.kind}`
    const other = newest.get(key)
    if (other === undefined || run.submitted > other.submitted) newest.set(key, run)
  }
  const months = Map.groupBy(newest.values(), (run) => run.period)
  const content: AzureExport = {
    _tag: "Months",
    objects,
    months: [...months].map(([period, runs]) => ({ period, runs })).sort((a, b) => (a.period < b.period ? -1 : 1))
  }
  return content
})

/** The files of a month, as they were listed, and the change token. */
export const contentOf = Effect.fn("AzureExports.contentOf")(function* (
  store: ObjectStore,
  objects: ReadonlyArray<StoredObject>,
  month: ExportMonth
) {
  const byKey = new Map(objects.map((object) => [object.key, object]))
  const files: Array<ExportFile> = []
  for (const run of month.runs) {
    const where = store.uri(run.manifest.key)
    for (const { blobName, byteCount } of run.blobs) {
      const object = yield* namedFile(store, byKey, blobName, run)
      if (byteCount !== undefined && byteCount !== object.size) return yield* objectChanged(store.uri(object.key))
      if (files.some((file) => file.object === object)) {
        return yield* permanent(
          "MANIFEST_DUPLICATE_FILE",
          `${where} names ${object.key} twice; loading it twice would double its costs`,
          "let the export run again"
        )
      }
      files.push({ object, kind: run.kind })
    }
  }
  const manifests = month.runs.map(({ kind, manifest }) => [
    kind,
    manifest.key,
    manifest.etag,
    manifest.lastModified ?? null,
    manifest.size
  ])
  return {
    files,
    token: tokenOf(
      files.map(({ object }) => object),
      manifests.sort()
    )
  }
})

/** The change token of bare files. */
export const tokenOfFiles = (files: ReadonlyArray<StoredObject>): string => tokenOf(files, [])

const tokenOf = (
  files: ReadonlyArray<StoredObject>,
  manifests: ReadonlyArray<ReadonlyArray<string | number | null>>
): string =>
  createHash("sha256")
    .update(canonical({ manifests, files: files.map(({ key, etag }) => `${key} ${etag}`).sort() }))
    .digest("hex")

const bareFiles = Effect.fnUntraced(function* (store: ObjectStore, objects: ReadonlyArray<StoredObject>) {
  const isOneObject = objects.length === 1 && objects[0]?.key === store.prefix
  const packed = objects.find(({ key }) => /\.zip$/i.test(key))
  if (packed !== undefined) {
    return yield* permanent(
      "FILE_TYPE_UNSUPPORTED",
      `${store.uri(packed.key)} is a zip archive`,
      "unpack it, or let the export write CSV with gzip or Parquet"
    )
  }
  const [first, ...others] = objects.filter(({ key }) => fileOf(key) !== undefined)
  if (first === undefined || (store.bucket !== undefined && !isOneObject)) {
    return yield* permanent(
      "NO_EXPORT_FOUND",
      `${store.location} holds no manifest of a cost export${first === undefined ? " and no csv, csv.gz or parquet file" : ""}`,
      "check container and prefix: they must lead to the folder of the exports, with file partitioning on; the first run takes up to a day"
    )
  }
  const content: AzureExport = { _tag: "BareFiles", files: [first, ...others] }
  return content
})

const Manifest = Schema.parseJson(
  Schema.Struct({
    exportConfig: Schema.Struct({ exportName: Schema.String, type: Schema.String }),
    runInfo: Schema.Struct({
      submittedTime: Schema.String.pipe(Schema.pattern(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}/)),
      startDate: Schema.String.pipe(Schema.pattern(/^\d{4}-\d{2}-\d{2}/))
    }),
    blobs: Schema.Array(Schema.Struct({ blobName: Schema.NonEmptyString, byteCount: Schema.optional(Schema.Number) }))
  })
)

/** Exports of other types, such as price sheets, hold no costs. */
const kinds: Readonly<Record<string, ExportKind>> = {
  actualcost: "actual",
  usage: "actual",
  amortizedcost: "amortized",
  focuscost: "focus"
}

const isDay = Schema.is(Day)

const runOf = Effect.fnUntraced(function* (store: ObjectStore, manifest: StoredObject) {
  const invalid = permanentError(
    "MANIFEST_INVALID",
    `${store.uri(manifest.key)} is no manifest of a cost export`,
    "let the export run again; the file may be cut"
  )
  const text = new TextDecoder().decode(yield* store.read(manifest, manifestLimitBytes))
  const { blobs, exportConfig, runInfo } = yield* Effect.mapError(Schema.decode(Manifest)(text), () => invalid)
  const kind = kinds[exportConfig.type.toLowerCase()]
  const period = `${runInfo.startDate.slice(0, 7)}-01`
  if (!isDay(period)) return yield* invalid
  if (kind === undefined) return undefined
  // The fraction has up to seven digits, and there may be a Z or not; both are UTC.
  const submitted = runInfo.submittedTime.replace(/Z$/i, "").padEnd("2024-02-03T18:33:03.1032074".length, "0")
  const run: ExportRun = { manifest, kind, period, submitted, blobs, exportName: exportConfig.exportName }
  return run
})

const refuseDoubles = Effect.fnUntraced(function* (store: ObjectStore, runs: ReadonlyArray<ExportRun>) {
  const names = new Map<ExportKind, ExportRun>()
  for (const run of runs) {
    const other = names.get(run.kind)
    names.set(run.kind, run)
    if (other === undefined || other.exportName === run.exportName) continue
    return yield* permanent(
      "SEVERAL_EXPORTS",
      `${store.location} holds several exports of ${run.kind} costs, among them ${other.exportName} and ${run.exportName}`,
      "give each scope its own credential with a prefix that leads to its exports alone"
    )
  }
  const [focus, other] = [names.get("focus"), names.get("actual") ?? names.get("amortized")]
  if (focus === undefined || other === undefined) return
  return yield* permanent(
    "SEVERAL_FORMATS",
    `${store.location} holds the FOCUS export ${focus.exportName} and the cost export ${other.exportName}; together they would count costs twice`,
    "give each format its own folder and credential"
  )
})

/**
 * Finds the listed object that a manifest names. In a container the name must be exact and below the store's prefix. A local folder may be a
 * copy of any part of a container, so there the first folders of the name may be missing; the last folder that is left must be the
 * manifest's own.
 */
const namedFile = Effect.fnUntraced(function* (
  store: ObjectStore,
  objects: ReadonlyMap<string, StoredObject>,
  blobName: string,
  { manifest }: ExportRun
) {
  const key = blobName.replace(/^\/+/, "")
  const refuse = (code: string, problem: string, suggestedAction: string) =>
    permanentError(code, `${store.uri(manifest.key)} names ${blobName}, ${problem}`, suggestedAction)
  const isInside = !key.split("/").includes("..") && (store.bucket === undefined || key.startsWith(store.prefix))
  if (!isInside) {
    return yield* refuse(
      "MANIFEST_OUTSIDE",
      `which lies outside of ${store.location}`,
      "let the credential's prefix end at the export's folder"
    )
  }
  const object = objects.get(key) ?? (store.bucket === undefined ? beside(manifest, objects, key) : undefined)
  if (object === undefined) {
    return yield* refuse(
      "MANIFEST_FILE_MISSING",
      "which is missing",
      "let the export run again, or copy the whole folder"
    )
  }
  if (fileOf(object.key) === undefined) {
    return yield* refuse(
      "FILE_TYPE_UNSUPPORTED",
      "which is neither csv, csv.gz nor parquet",
      "let the export write CSV with gzip or Parquet"
    )
  }
  return object
})

/** The file of that name in the manifest's folder or below it. */
const beside = (manifest: StoredObject, objects: ReadonlyMap<string, StoredObject>, key: string) => {
  const folder = manifest.key.slice(0, manifest.key.lastIndexOf("/") + 1)
  const segments = key.split("/")
  return segments
    .map((_, index) => objects.get(`${folder}${segments.slice(index).join("/")}`))
    .find((object) => object !== undefined)
}

const permanentError = (code: string, message: string, suggestedAction: string) =>
  new SourceError({ kind: "permanent", code, message, suggestedAction })

const permanent = (code: string, message: string, suggestedAction: string) =>
  Effect.fail(permanentError(code, message, suggestedAction))
