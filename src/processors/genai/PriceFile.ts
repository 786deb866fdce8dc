/**
 * Price files that ship with the program, kept in tables of each organisation beside the organisation's own prices.
 */
import { createHash } from "node:crypto"
import { join } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Decimal, Listed } from "../../genai/Listed.ts"
import { type JsonObject, textOrNull } from "../../platform/Json.ts"
import { Day, type RunId } from "../../platform/Identifiers.ts"
import type { OrgWarehouse, Slice } from "../../warehouse/Warehouse.ts"
import { SourceRejected } from "../../warehouse/Warehouse.ts"

/** x_pipeline_id of the rows that ship, and of those that were imported from a list; all others are the organisation's own. */
export const shippedOwner = "genai_prices"
export const importOwner = "genai_prices_import"

/** The slice of a table of prices. Prices are no facts of a day: they lie under one that no usage has. */
export const sliceOf = (table: string, pipelineId: string, credentialId: string): Slice => ({
  table,
  pipelineId,
  credentialId,
  extent: { kind: "day", date: Schema.decodeSync(Day)("1970-01-01") }
})

const decodeRecords = Schema.decodeUnknown(Schema.Array(Schema.Record({ key: Schema.String, value: Schema.String })))

/** A kind of prices: its file below `configs/genai/prices`, its table, and what a row of the table is. */
export interface PriceKind<Price> {
  readonly file: string
  readonly table: string
  readonly read: (row: JsonObject) => Price
}

/** Brings the shipped prices into the organisation's table, if they are not there as they are now, and answers all prices. */
export const load = Effect.fn("PriceFile.load")(function* <Price>(
  org: OrgWarehouse,
  configsPath: string,
  runId: RunId,
  { file, read, table }: PriceKind<Price>
) {
  const slice = sliceOf(table, shippedOwner, "default")
  const files = yield* FileSystem.FileSystem
  const { parse } = yield* Effect.promise(() => import("csv-parse/sync"))
  const path = join(configsPath, "genai", "prices", file)
  const refused = (reason: string) => () => new SourceRejected({ file: path, reason })
  const content = yield* Effect.mapError(files.readFileString(path), refused("the price file cannot be read"))
  const records = yield* Effect.try({
    try: (): unknown => parse(content, { columns: true, skip_empty_lines: true }),
    catch: refused("the price file is no CSV with a header")
  }).pipe(Effect.flatMap((rows) => Effect.mapError(decodeRecords(rows), refused("the price file has no rows of text"))))
  const rows = records.map((record): JsonObject => ({
    region: "global",
    ...Object.fromEntries(Object.entries(record).map(([name, cell]) => [name, cell === "" ? null : cell]))
  }))
  const token = createHash("sha256").update(content).digest("hex")
  if ((yield* org.token(slice)) !== token) {
    const report = yield* org.replaceSlice({
      slice,
      source: { _tag: "Rows", rows: Stream.fromIterable(rows) },
      runId,
      token
    })
    const [fault] = report.quarantine
    if (fault !== undefined) return yield* refused(`${fault.reason}: ${fault.example}`)()
  }
  return (yield* org.query(`SELECT * FROM ${table}`)).map(read)
})

const precedenceOf = (owner: JsonObject[string] | undefined) =>
  owner === shippedOwner ? 0 : owner === importOwner ? 1 : 2

/** What every price list has, of one of its rows. */
export const listedOf = (row: JsonObject): Listed => ({
  provider: (textAt(row, "provider") ?? "").toLowerCase(),
  region: textAt(row, "region") ?? "global",
  status: textAt(row, "status"),
  effectiveFrom: dayAt(row, "effective_from"),
  effectiveTo: dayAt(row, "effective_to"),
  lastUpdated: textAt(row, "last_updated") ?? "",
  precedence: precedenceOf(row["x_pipeline_id"]),
  isOverride: row["is_override"] === true,
  overrideFrom: dayAt(row, "override_effective_from")
})

/** The text of a cell, undefined when there is none. */
export const textAt = (row: JsonObject, name: string): string | undefined => textOrNull(row[name]) ?? undefined

/** The number of a cell, undefined when there is none. */
export const decimalAt = (row: JsonObject, name: string): Decimal | undefined => {
  const value = row[name] ?? null
  return value === null ? undefined : Option.getOrUndefined(BigDecimal.fromString(String(value)))
}

const dayAt = (row: JsonObject, name: string) => textAt(row, name)?.slice(0, 10)
