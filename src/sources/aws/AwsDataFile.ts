/**
 * The data files of AWS billing exports: which file a manifest means, how it is packed, and which format its header shows.
 */
import * as Effect from "effect/Effect"
import type { FileFormat } from "../../warehouse/FileMapping.ts"
import type { ObjectStore, StoredObject } from "../object-store/ObjectStore.ts"
import { objectChanged } from "../object-store/ObjectStore.ts"
import { SourceError } from "../SourceError.ts"

/** The reader that a data file needs, by its name; undefined for a file that holds no rows. */
export const fileOf = (key: string): FileFormat | undefined =>
  /\.(csv|csv\.gz|zip)$/i.test(key) ? "csv" : /\.parquet$/i.test(key) ? "parquet" : undefined

/**
 * Finds the listed object that a manifest names. In a bucket the name must be exact: same bucket, below the store's prefix. A local folder may be
 * a copy of any part of a bucket, so there the named key is compared without its first folders, one after the other, until what is left
 * (at least from the period's folder on: `BILLING_PERIOD=`, `year=`, `yyyymmdd-yyyymmdd`) is a file below the export's root.
 */
export const namedFile = Effect.fnUntraced(function* (
  store: ObjectStore,
  root: string,
  objects: ReadonlyMap<string, StoredObject>,
  named: { readonly name: string; readonly bucket?: string; readonly size?: number },
  manifest: string
) {
  const uri = /^s3:\/\/([^/]+)\/(.+)$/.exec(named.name)
  const bucket = uri?.[1] ?? named.bucket
  const key = (uri?.[2] ?? named.name).replace(/^\/+/, "")
  const refuse = (code: string, problem: string, suggestedAction: string) =>
    new SourceError({
      kind: "permanent",
      code,
      message: `${manifest} names ${named.name}, ${problem}`,
      suggestedAction
    })
  if (
    key.split("/").includes("..") ||
    (store.bucket !== undefined && bucket !== undefined && bucket !== store.bucket)
  ) {
    return yield* refuse(
      "MANIFEST_OUTSIDE",
      `which lies outside of ${store.location}`,
      "read the export from the bucket that AWS writes it to"
    )
  }
  const object = store.bucket === undefined ? copied(objects, root, key) : objects.get(key)
  if (object === undefined) {
    return yield* store.bucket === undefined || key.startsWith(store.prefix)
      ? refuse(
          "MANIFEST_FILE_MISSING",
          "which is missing",
          "let AWS deliver the export again, or copy the whole folder"
        )
      : refuse(
          "MANIFEST_OUTSIDE",
          `which lies outside of ${store.location}`,
          "let the credential's prefix end at the export's name"
        )
  }
  if (named.size !== undefined && named.size !== object.size) return yield* objectChanged(store.uri(object.key))
  if (fileOf(object.key) === undefined) {
    return yield* refuse(
      "FILE_TYPE_UNSUPPORTED",
      "which is neither csv, csv.gz, zip nor parquet",
      "let the export write GZIP or Parquet"
    )
  }
  return object
})

const periodFolder = /^(?:BILLING_PERIOD=\d{4}-\d{2}|year=\d{4}|\d{8}-\d{8})$/i

const copied = (objects: ReadonlyMap<string, StoredObject>, root: string, key: string): StoredObject | undefined => {
  const segments = key.split("/")
  const last = segments.findIndex((segment) => periodFolder.test(segment))
  for (let first = 0; first <= Math.max(last, 0); first++) {
    const rest = segments.slice(first).join("/")
    const object = objects.get(`${root}${rest}`) ?? objects.get(rest)
    if (object !== undefined) return object
  }
  return undefined
}

/** The formats of AWS billing files. */
export type AwsFormat = "cur1" | "cur2" | "focus"

const curKeys = [
  "bill_billing_period_start_date",
  "line_item_usage_start_date",
  "line_item_line_item_type",
  "line_item_unblended_cost",
  "line_item_currency_code"
]
const focusKeys = ["BillingPeriodStart", "ChargePeriodStart", "ChargeCategory", "BilledCost", "BillingCurrency"]

/** Tells a file's format by its column names. Fails, naming the missing key columns, when it is none that is known. */
export const formatOf = (file: string, columns: ReadonlyArray<string>): Effect.Effect<AwsFormat, SourceError> => {
  const present = new Set(columns.map(reduced))
  const missing = (keys: ReadonlyArray<string>) => keys.filter((key) => !present.has(reduced(key)))
  const missingCur = missing(curKeys)
  const missingFocus = missing(focusKeys)
  if (missingFocus.length === 0) return Effect.succeed("focus")
  if (missingCur.length === 0) return Effect.succeed(isCur2(columns) ? "cur2" : "cur1")
  const looksLikeFocus = missingFocus.length < missingCur.length
  return Effect.fail(
    new SourceError({
      kind: "permanent",
      code: "FORMAT_UNKNOWN",
      message: `${file} is neither CUR 1.0, CUR 2.0 nor FOCUS: as ${looksLikeFocus ? "FOCUS" : "a CUR"} it lacks ${(looksLikeFocus ? missingFocus : missingCur).join(", ")}`,
      suggestedAction: "export all standard columns, and check that the file is a billing export of AWS"
    })
  )
}

/** CUR 1.0 has slashes, or Athena's underscores with one column per product attribute and tag; CUR 2.0 gathers them in maps. */
const isCur2 = (columns: ReadonlyArray<string>) => {
  const names = new Set(columns.map((name) => name.trim().toLowerCase()))
  return ["product", "resource_tags", "cost_category", "bill_payer_account_name"].some((name) => names.has(name))
}

const reduced = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, "")
