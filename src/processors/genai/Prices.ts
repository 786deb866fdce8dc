/**
 * The price file that ships with the program, kept in each organisation's genai_payg_pricing beside the organisation's own prices.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Price } from "../../genai/PaygPrice.ts"
import type { PriceRow } from "../../genai/PriceListRows.ts"
import { type Json, type JsonObject, textOrNull } from "../../platform/Json.ts"
import { RunId } from "../../platform/Identifiers.ts"
import type { OrgWarehouse } from "../../warehouse/Warehouse.ts"
import { SourceRejected } from "../../warehouse/Warehouse.ts"
import * as PriceFile from "./PriceFile.ts"

/** x_pipeline_id of the rows that were imported; those that ship have one, too, and all others are the organisation's own. */
export const importOwner = "genai_prices_import"

/** Prices of tokens. */
const kind: PriceFile.PriceKind<Price> = {
  file: "payg.csv",
  table: "genai_payg_pricing",
  read: (row) => priceOf(row)
}

/** Brings the shipped prices into the organisation's table, if they are not there as they are now, and answers all prices. */
export const load = (org: OrgWarehouse, configsPath: string, runId: RunId) =>
  PriceFile.load(org, configsPath, runId, kind)

const columns = [
  "provider",
  "model",
  "region",
  "service_tier",
  "context_window",
  "token_kind",
  "effective_from",
  "effective_to",
  "input_per_1m",
  "output_per_1m",
  "cached_input_per_1m",
  "cached_write_per_1m",
  "cached_write_1h_per_1m",
  "batch_input_per_1m",
  "batch_output_per_1m",
  "batch_discount_pct",
  "source"
] as const

/** Prices as the file that ships has them. */
export const priceCsv = (rows: ReadonlyArray<PriceRow>): string => {
  const cell = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
  const lines = rows.map((row) => {
    const cells: Readonly<Record<string, string | undefined>> = { ...row }
    return columns.map((column) => cell(cells[column] ?? "")).join(",")
  })
  return `${[columns.join(","), ...lines.sort()].join("\n")}\n`
}

/** Replaces the prices that an earlier list in the same format gave the organisation; `token` is the hash of the list. */
export const importPrices = Effect.fn("Prices.importPrices")(function* (
  org: OrgWarehouse,
  format: string,
  rows: ReadonlyArray<PriceRow>,
  token: string
) {
  const report = yield* org.replaceSlice({
    slice: PriceFile.sliceOf(kind.table, importOwner, format.replaceAll("-", "_")),
    source: { _tag: "Rows", rows: Stream.fromIterable(rows.map((row): JsonObject => ({ ...row }))) },
    runId: yield* Effect.sync(() => Schema.decodeSync(RunId)(crypto.randomUUID())),
    token
  })
  const [fault] = report.quarantine
  if (fault !== undefined) {
    return yield* new SourceRejected({ file: format, reason: `${fault.reason}: ${fault.example}` })
  }
})

const precedenceOf = (pipelineId: string | undefined) =>
  pipelineId === PriceFile.shippedOwner ? 0 : pipelineId === importOwner ? 1 : 2

const priceOf = (row: JsonObject): Price => {
  const text = (name: string) => textOrNull(row[name]) ?? undefined
  const decimal = (name: string) => decimalOf(row[name])
  const day = (name: string) => text(name)?.slice(0, 10)
  return {
    provider: (text("provider") ?? "").toLowerCase(),
    model: text("model") ?? "",
    serviceTier: text("service_tier"),
    contextWindow: text("context_window"),
    region: text("region") ?? "global",
    status: text("status"),
    effectiveFrom: day("effective_from"),
    effectiveTo: day("effective_to"),
    lastUpdated: text("last_updated") ?? "",
    tokenKind: text("token_kind"),
    precedence: precedenceOf(text("x_pipeline_id")),
    isOverride: row["is_override"] === true,
    overrideFrom: day("override_effective_from"),
    input: decimal("input_per_1m") ?? zero,
    output: decimal("output_per_1m") ?? zero,
    cachedInput: decimal("cached_input_per_1m"),
    cacheWrite: decimal("cached_write_per_1m"),
    cacheWrite1h: decimal("cached_write_1h_per_1m"),
    batchInput: decimal("batch_input_per_1m"),
    batchOutput: decimal("batch_output_per_1m"),
    overrideInput: decimal("override_input_per_1m"),
    overrideOutput: decimal("override_output_per_1m"),
    cachedDiscountPct: decimal("cached_discount_pct"),
    batchDiscountPct: decimal("batch_discount_pct"),
    volumeDiscountPct: decimal("volume_discount_pct")
  }
}

const zero = BigDecimal.fromBigInt(0n)

const decimalOf = (value: Json | undefined): BigDecimal.BigDecimal | undefined =>
  value === null || value === undefined ? undefined : Option.getOrUndefined(BigDecimal.fromString(String(value)))
