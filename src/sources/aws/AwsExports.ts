/**
 * What a place of AWS billing exports holds: its billing periods by their manifests, the data files of a period, and the token that
 * changes when the period's content does. Layouts: CUR 1.0 (`<name>/yyyymmdd-yyyymmdd/<name>-Manifest.json`) and Data Exports, which are
 * CUR 2.0 and FOCUS (`metadata/BILLING_PERIOD=YYYY-MM/<name>-Manifest.json`). Only files that a manifest names are data: overwriting
 * leaves stale chunks behind.
 */
import { createHash } from "node:crypto"
import { basename } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { canonical } from "../../platform/Json.ts"
import { Day } from "../../platform/Identifiers.ts"
import type { ObjectStore, StoredObject } from "../object-store/ObjectStore.ts"
import { SourceError } from "../SourceError.ts"
import { fileOf, namedFile } from "./AwsDataFile.ts"

/** One billing period of an export; `root` is the key that the export's own keys start with. */
export interface ExportPeriod {
  readonly period: Day
  readonly kind: "cur1" | "data-export"
  readonly root: string
  readonly manifest: StoredObject
}

/** The store's content: periods by manifests, or bare data files that are not governed by any. */
export type AwsExport =
  | {
      readonly _tag: "Periods"
      readonly objects: ReadonlyArray<StoredObject>
      /** Ascending, each once. */
      readonly periods: readonly [ExportPeriod, ...ReadonlyArray<ExportPeriod>]
    }
  | { readonly _tag: "BareFiles"; readonly files: readonly [StoredObject, ...ReadonlyArray<StoredObject>] }

/** The data of one period, or of a set of bare files. */
export interface ExportContent {
  readonly files: ReadonlyArray<StoredObject>
  readonly token: string
}

const manifestLimitBytes = 16 * 1024 * 1024

/** Lists the store and finds what it holds. Fails when it holds no export, several exports, or two manifests for one period. */
export const discover = Effect.fn("AwsExports.discover")(function* (store: ObjectStore) {
  const objects = yield* store.list
  const found = objects.map(periodOf).filter((period) => period !== undefined)
  const [first, ...others] = found.sort((a, b) => (a.period < b.period ? -1 : a.period > b.period ? 1 : 0))
  if (first === undefined) return yield* bareFiles(store, objects)
  const foreign = others.find(({ root }) => root !== first.root)
  if (foreign !== undefined) {
    return yield* permanent(
      "SEVERAL_EXPORTS",
      `${store.location} holds several exports, among them ${first.manifest.key} and ${foreign.manifest.key}`,
      "give each export its own credential with a prefix that ends at the export's name"
    )
  }
  for (const [index, next] of others.entries()) {
    const previous = index === 0 ? first : others[index - 1]
    if (previous?.period !== next.period) continue
    return yield* permanent(
      "TWO_MANIFESTS",
      `billing period ${next.period} has two manifests: ${previous.manifest.key} and ${next.manifest.key}`,
      "remove the manifest of the export that is no longer delivered"
    )
  }
  const content: AwsExport = { _tag: "Periods", objects, periods: [first, ...others] }
  return content
})

/** Reads a period's manifest: the files that it names, as they were listed, and the change token. */
export const contentOf = Effect.fn("AwsExports.contentOf")(function* (
  store: ObjectStore,
  objects: ReadonlyArray<StoredObject>,
  period: ExportPeriod
) {
  const where = store.uri(period.manifest.key)
  const text = new TextDecoder().decode(yield* store.read(period.manifest, manifestLimitBytes))
  const manifest = yield* (period.kind === "cur1" ? decodeCur1 : decodeDataExport)(text).pipe(
    Effect.mapError(() =>
      permanentError(
        "MANIFEST_INVALID",
        `${where} is no manifest of a ${period.kind === "cur1" ? "CUR 1.0 report" : "data export"}`,
        "let AWS write the export again; the file may be cut"
      )
    )
  )
  const start = manifest.periodStart
  if (start !== undefined && start !== period.period) {
    return yield* permanent("MANIFEST_INVALID", `${where} is of billing period ${start}`, "put it into its own folder")
  }
  const byKey = new Map(objects.map((object) => [object.key, object]))
  const files: Array<StoredObject> = []
  for (const named of manifest.files) {
    const file = yield* namedFile(store, period.root, byKey, named, where)
    if (files.includes(file)) {
      return yield* permanent(
        "MANIFEST_DUPLICATE_FILE",
        `${where} names ${file.key} twice; loading it twice would double its costs`,
        "let AWS write the export again"
      )
    }
    files.push(file)
  }
  const content: ExportContent = { files, token: tokenOf(files, period.manifest, manifest.assemblyId) }
  return content
})

/** The change token of bare files. */
export const tokenOfFiles = (files: ReadonlyArray<StoredObject>): string => tokenOf(files, undefined, undefined)

const tokenOf = (
  files: ReadonlyArray<StoredObject>,
  manifest: StoredObject | undefined,
  assemblyId: string | undefined
): string =>
  createHash("sha256")
    .update(
      canonical({
        manifest:
          manifest === undefined
            ? null
            : [manifest.key, manifest.etag, manifest.lastModified ?? null, manifest.size, assemblyId ?? null],
        files: files.map(({ key, etag }) => `${key} ${etag}`).sort()
      })
    )
    .digest("hex")

const bareFiles = Effect.fnUntraced(function* (store: ObjectStore, objects: ReadonlyArray<StoredObject>) {
  const isOneObject = objects.length === 1 && objects[0]?.key === store.prefix
  const orphan = [basename(store.location), ...objects.map(({ key }) => key)].find((path) => periodFolder.test(path))
  if (!isOneObject && orphan !== undefined) {
    return yield* permanent(
      "MANIFEST_MISSING",
      `${store.location} is a part of an export (${orphan}), but without the manifest of its billing period nobody knows which files count`,
      "read the export's whole folder, with metadata/ and data/ or with all its billing periods"
    )
  }
  const packed = objects.find(({ key }) => /\.(bz2|xz|zst|7z|tar|tgz)$/i.test(key))
  if (packed !== undefined) {
    return yield* permanent(
      "FILE_TYPE_UNSUPPORTED",
      `${store.uri(packed.key)} is packed in a way that is not read`,
      "unpack it, or let the export write GZIP or Parquet"
    )
  }
  const [first, ...others] = objects.filter(({ key }) => fileOf(key) !== undefined)
  if (first === undefined || (store.bucket !== undefined && !isOneObject)) {
    return yield* permanent(
      "NO_EXPORT_FOUND",
      `${store.location} holds no manifest of a CUR or a data export${first === undefined ? " and no csv, csv.gz, zip or parquet file" : ""}`,
      "check bucket and prefix: they must lead to the folder of one export; a new export takes up to a day to appear"
    )
  }
  const content: AwsExport = { _tag: "BareFiles", files: [first, ...others] }
  return content
})

/** A billing period's folder in AWS's layouts. */
const periodFolder = /(?:^|\/)(?:\d{8}-\d{8}|BILLING_PERIOD=\d{4}-\d{2})(?:\/|$)/

const cur1Manifest = /^((?:.*\/)?)(\d{4})(\d{2})(\d{2})-\d{8}\/[^/]+-Manifest\.json$/
const dataExportManifest = /^((?:.*\/)?)metadata\/BILLING_PERIOD=(\d{4}-\d{2})\/[^/]+-Manifest\.json$/
const isDay = Schema.is(Day)

const periodOf = (object: StoredObject): ExportPeriod | undefined => {
  const cur1 = cur1Manifest.exec(object.key)
  const match = cur1 ?? dataExportManifest.exec(object.key)
  const period = cur1 === null ? `${match?.[2]}-01` : `${cur1[2]}-${cur1[3]}-${cur1[4]}`
  return match !== null && isDay(period)
    ? { period, kind: cur1 === null ? "data-export" : "cur1", root: match[1] ?? "", manifest: object }
    : undefined
}

/** What both kinds of manifest say, in one shape. A file is named by `s3://bucket/key` or by its key; `size` in bytes where given. */
interface Manifest {
  readonly files: ReadonlyArray<{ readonly name: string; readonly bucket?: string; readonly size?: number }>
  readonly assemblyId?: string
  readonly periodStart?: string
}

const Cur1Manifest = Schema.parseJson(
  Schema.Struct({
    assemblyId: Schema.String,
    reportKeys: Schema.Array(Schema.String),
    bucket: Schema.optional(Schema.String),
    billingPeriod: Schema.optional(Schema.Struct({ start: Schema.String.pipe(Schema.pattern(/^\d{8}T/)) }))
  })
)

const DataExportManifest = Schema.parseJson(
  Schema.Struct({
    dataFiles: Schema.Array(
      Schema.Union(
        Schema.String,
        Schema.Struct({ s3Uri: Schema.String, size: Schema.optional(Schema.Number) }),
        Schema.Struct({ key: Schema.String, size: Schema.optional(Schema.Number) })
      )
    )
  })
)

const decodeCur1 = (text: string) =>
  Schema.decode(Cur1Manifest)(text).pipe(
    Effect.map(({ assemblyId, reportKeys, bucket, billingPeriod }): Manifest => {
      const start = billingPeriod?.start
      return {
        files: reportKeys.map((name) => ({ name, ...(bucket === undefined ? {} : { bucket }) })),
        assemblyId,
        ...(start === undefined
          ? {}
          : { periodStart: `${start.slice(0, 4)}-${start.slice(4, 6)}-${start.slice(6, 8)}` })
      }
    })
  )

const decodeDataExport = (text: string) =>
  Schema.decode(DataExportManifest)(text).pipe(
    Effect.map(({ dataFiles }): Manifest => ({
      files: dataFiles.map((file) => {
        if (typeof file === "string") return { name: file }
        const name = "s3Uri" in file ? file.s3Uri : file.key
        return { name, ...(file.size === undefined ? {} : { size: file.size }) }
      })
    }))
  )

const permanentError = (code: string, message: string, suggestedAction: string) =>
  new SourceError({ kind: "permanent", code, message, suggestedAction })

const permanent = (code: string, message: string, suggestedAction: string) =>
  Effect.fail(permanentError(code, message, suggestedAction))
