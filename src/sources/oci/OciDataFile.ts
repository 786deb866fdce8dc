/**
 * The data files of OCI's cost and usage reports: which format a header shows, and which month a cost report is of.
 */
import { createReadStream } from "node:fs"
import { open } from "node:fs/promises"
import { createGunzip } from "node:zlib"
import { parse } from "csv-parse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Day } from "../../platform/Identifiers.ts"
import { reduced } from "../../warehouse/FileMapping.ts"
import { SourceError } from "../SourceError.ts"

/** The formats: cost reports, and FOCUS reports. */
export type OciFormat = "cost-report" | "focus"

const costKeys = ["lineItem/intervalUsageStart", "cost/myCost", "cost/currencyCode"]
const focusKeys = ["BillingPeriodStart", "ChargePeriodStart", "ChargeCategory", "BilledCost", "BillingCurrency"]

/** Tells a file's format by its column names. Fails, naming the missing key columns, when it is none that is known. */
export const formatOf = (file: string, columns: ReadonlyArray<string>): Effect.Effect<OciFormat, SourceError> => {
  const present = new Set(columns.map(reduced))
  const missing = (keys: ReadonlyArray<string>) => keys.filter((key) => !present.has(reduced(key)))
  const [missingCost, missingFocus] = [missing(costKeys), missing(focusKeys)]
  if (missingCost.length === 0) return Effect.succeed("cost-report")
  if (missingFocus.length === 0) return Effect.succeed("focus")
  const looksLikeFocus = missingFocus.length < focusKeys.length - 1
  return Effect.fail(
    new SourceError({
      kind: "permanent",
      code: "FORMAT_UNKNOWN",
      message: `${file} is neither a cost report nor a FOCUS report: as a ${looksLikeFocus ? "FOCUS" : "cost"} report it lacks ${(looksLikeFocus ? missingFocus : missingCost).join(", ")}`,
      suggestedAction: "check that the file is a cost report of OCI"
    })
  )
}

/** Kilobytes of one line; a longer one is no line of a report. */
const maximumLineBytes = 1024 * 1024
const gzipMagic = 0x1f8b

/**
 * The first day of the month that a cost report is of: that of its newest usage, corrections aside, which may go back to any month. None
 * for a report without a row. Reads the whole file as a stream.
 */
export const reportMonth = Effect.fn("OciDataFile.reportMonth")(function* (path: string, uri: string) {
  const newest = yield* Effect.tryPromise({
    try: async () => {
      const packed = await isGzip(path)
      const parser = parse({
        bom: true,
        columns: (names: ReadonlyArray<string>) => names.map(reduced),
        skip_empty_lines: true,
        max_record_size: maximumLineBytes
      })
      const file = createReadStream(path)
      const text = packed ? file.pipe(createGunzip()) : file
      for (const each of [file, text]) each.once("error", (error: Error) => parser.destroy(error))
      const found = { usage: "", correction: "" }
      for await (const row of text.pipe(parser)) {
        const { lineitemintervalusagestart: start, lineitemiscorrection: correction } = decodeRow(row)
        const kind = correction === "true" ? "correction" : "usage"
        if (start > found[kind]) found[kind] = start
      }
      return found.usage || found.correction
    },
    catch: (cause) =>
      new SourceError({
        kind: "permanent",
        code: "SOURCE_REJECTED",
        message: `${uri}: ${cause instanceof Error ? cause.message : String(cause)}`,
        suggestedAction: "correct the file at its source; what was loaded before is unchanged"
      })
  })
  if (newest === "") return Option.none<Day>()
  return yield* Effect.mapBoth(Schema.decodeUnknown(Day)(`${newest.slice(0, "2026-03".length)}-01`), {
    onSuccess: Option.some,
    onFailure: () =>
      new SourceError({
        kind: "permanent",
        code: "SOURCE_REJECTED",
        message: `${uri}: ${JSON.stringify(newest)} is no time of usage`,
        suggestedAction: "check that the file is a cost report of OCI"
      })
  })
})

const decodeRow = Schema.decodeUnknownSync(
  Schema.Struct({
    lineitemintervalusagestart: Schema.String,
    lineitemiscorrection: Schema.optionalWith(Schema.String, { default: () => "" })
  })
)

const isGzip = async (path: string): Promise<boolean> => {
  const file = await open(path)
  try {
    const { bytesRead, buffer } = await file.read({ buffer: Buffer.alloc(2) })
    return bytesRead === 2 && buffer.readUInt16BE(0) === gzipMagic
  } finally {
    await file.close()
  }
}
