/**
 * The files that Google Cloud's billing exports become: which reader one needs, how JSON of any layout becomes one row per line, and
 * which export its columns show.
 */
import { createReadStream, createWriteStream } from "node:fs"
import { open, readFile, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { createGunzip } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { JsonObject, parseLossless } from "../../platform/Json.ts"
import * as TextFile from "../../platform/TextFile.ts"
import { type FileFormat, reduced } from "../../warehouse/FileMapping.ts"
import { SourceError } from "../SourceError.ts"
import { Field, recordOf } from "./BigQueryRows.ts"
import { JsonLines, JsonLinesFault } from "./JsonLines.ts"

/** The reader that a data file needs, by its name; undefined for a file that holds no rows. */
export const fileOf = (key: string): FileFormat | undefined =>
  /\.csv(\.gz)?$/i.test(key)
    ? "csv"
    : /\.parquet$/i.test(key)
      ? "parquet"
      : /\.(json|jsonl|ndjson)(\.gz)?$/i.test(key)
        ? "ndjson"
        : undefined

/** What tells the layout of a JSON file is within these first bytes. */
const START_BYTES = 1024 ** 2
/** An answer of BigQuery's REST interface is read as a whole; its pages are smaller. */
const ENVELOPE_LIMIT_BYTES = 256 * 1024 ** 2

const Envelope = Schema.Struct({
  schema: Schema.Struct({ fields: Schema.Array(Field) }),
  rows: Schema.Array(JsonObject)
})

/**
 * Makes a JSON file one that has a row per line. Layouts: a row per line already, objects one after the other, an array of objects, and
 * an answer of BigQuery's REST interface (schema and cells by position). What is written lies in `folder` and goes with the scope.
 */
export const prepareJson = Effect.fn("GcpDataFile.prepareJson")(function* (
  file: { readonly path: string; readonly uri: string },
  folder: string
) {
  const isGzip = yield* attempt(file.uri, () => startsAsGzip(file.path))
  const start = (yield* attempt(file.uri, () => readStart(file.path, isGzip))).replace(/^\uFEFF/, "").trimStart()
  const isEnvelope = /^\{\s*"(kind|etag|schema|jobReference|totalRows|pageToken|rows)"\s*:/.test(start)
  if (!isEnvelope && isJson(start.split("\n", 1)[0] ?? "") && start.startsWith("{")) return file.path
  const target = join(folder, `${crypto.randomUUID()}.ndjson`)
  yield* Effect.addFinalizer(() => Effect.promise(() => rm(target, { force: true })))
  if (isEnvelope) {
    const { size } = yield* attempt(file.uri, () => stat(file.path))
    if (size > ENVELOPE_LIMIT_BYTES || isGzip) {
      return yield* refused(
        file.uri,
        `it is an answer of BigQuery's REST interface of more than ${ENVELOPE_LIMIT_BYTES} bytes, or packed`
      )
    }
    const text = yield* attempt(file.uri, () => readFile(file.path, "utf8"))
    const { rows, schema } = yield* parseLossless(text).pipe(
      Effect.flatMap(Schema.decodeUnknown(Envelope)),
      Effect.mapError(() =>
        fault(file.uri, "it starts as an answer of BigQuery's REST interface but has no schema and rows")
      )
    )
    const lines = rows.map((row) => `${JSON.stringify(recordOf(schema.fields, row))}\n`)
    yield* attempt(file.uri, () => writeFile(target, lines.join("")))
  } else {
    yield* TextFile.transformed(
      { path: file.path, isGzip },
      new JsonLines(),
      () => createWriteStream(target),
      (cause) => unreadable(file.uri, cause)
    )
  }
  return target
})

const startsAsGzip = async (path: string): Promise<boolean> => {
  const handle = await open(path)
  try {
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(2), position: 0 })
    return TextFile.startsAsGzip(buffer.subarray(0, bytesRead))
  } finally {
    await handle.close()
  }
}

const readStart = async (path: string, isGzip: boolean): Promise<string> => {
  const chunks: Array<Buffer> = []
  let bytes = 0
  const source = createReadStream(path)
  const plain = isGzip ? source.pipe(createGunzip()) : source
  source.on("error", (error) => plain.destroy(error))
  for await (const chunk of plain) {
    const piece = Buffer.from(chunk)
    chunks.push(piece)
    bytes += piece.length
    if (bytes >= START_BYTES) break
  }
  source.destroy()
  return Buffer.concat(chunks).toString("utf8")
}

const isJson = (text: string): boolean => Either.isRight(Either.try(() => JSON.parse(text)))

const attempt = <A>(uri: string, action: () => Promise<A>) =>
  Effect.tryPromise({ try: action, catch: (cause) => unreadable(uri, cause) })

const unreadable = (uri: string, cause: unknown) =>
  fault(
    uri,
    cause instanceof JsonLinesFault ? cause.message : "it cannot be read as JSON text or gzip; it may have been cut"
  )

const fault = (uri: string, problem: string) =>
  new SourceError({
    kind: "permanent",
    code: "JSON_UNREADABLE",
    message: `${uri}: ${problem}`,
    suggestedAction: "export the table again as newline-delimited JSON, CSV or Parquet"
  })

const refused = (uri: string, problem: string) => Effect.fail(fault(uri, problem))

/** The formats of Google Cloud's billing exports. */
export type GcpFormat = "standard" | "detailed" | "focus"

const focusKeys = ["BillingPeriodStart", "ChargePeriodStart", "ChargeCategory", "BilledCost", "BillingCurrency"]
const billingKeys = ["billing_account_id", "usage_start_time", "cost", "currency"]

/** Tells an export by its column names. Fails, naming the missing key columns, when it is none that is known. */
export const formatOf = (file: string, columns: ReadonlyArray<string>): Effect.Effect<GcpFormat, SourceError> => {
  const present = new Set(columns.map(reduced))
  const missing = (keys: ReadonlyArray<string>) => keys.filter((key) => !present.has(reduced(key)))
  const missingFocus = missing(focusKeys)
  const hasMonth = present.has("invoicemonth") || present.has("invoice")
  const missingBilling = [...missing(billingKeys), ...(hasMonth ? [] : ["invoice.month"])]
  if (missingFocus.length === 0) return Effect.succeed("focus")
  if (missingBilling.length === 0) {
    return Effect.succeed(["resource", "resourcename"].some((name) => present.has(name)) ? "detailed" : "standard")
  }
  const looksLikeFocus = missingFocus.length < missingBilling.length
  return Effect.fail(
    new SourceError({
      kind: "permanent",
      code: "FORMAT_UNKNOWN",
      message: `${file} is neither a standard, a detailed nor a FOCUS export: as ${looksLikeFocus ? "FOCUS" : "a billing export"} it lacks ${(looksLikeFocus ? missingFocus : missingBilling).join(", ")}`,
      suggestedAction: "export all columns, and check that the file comes from a billing export of Google Cloud"
    })
  )
}
