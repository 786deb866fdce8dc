/**
 * The price file that ships with the program, kept in each organisation's genai_payg_pricing beside the organisation's own prices.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { zero } from "../../genai/Listed.ts"
import type { Price } from "../../genai/PaygPrice.ts"
import type { PriceRow } from "../../genai/PriceListRows.ts"
import type { JsonObject } from "../../platform/Json.ts"
import { RunId } from "../../platform/Identifiers.ts"
import type { OrgWarehouse } from "../../warehouse/Warehouse.ts"
import { SourceRejected } from "../../warehouse/Warehouse.ts"
import * as PriceFile from "./PriceFile.ts"

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
    slice: PriceFile.sliceOf(kind.table, PriceFile.importOwner, format.replaceAll("-", "_")),
    source: { _tag: "Rows", rows: Stream.fromIterable(rows.map((row): JsonObject => ({ ...row }))) },
    runId: yield* Effect.sync(() => Schema.decodeSync(RunId)(crypto.randomUUID())),
    token
  })
  const [fault] = report.quarantine
  if (fault !== undefined) {
    return yield* new SourceRejected({ file: format, reason: `${fault.reason}: ${fault.example}` })
  }
})

const priceOf = (row: JsonObject): Price => {
  const text = (name: string) => PriceFile.textAt(row, name)
  const decimal = (name: string) => PriceFile.decimalAt(row, name)
  return {
    ...PriceFile.listedOf(row),
    model: text("model") ?? "",
    serviceTier: text("service_tier"),
    contextWindow: text("context_window"),
    tokenKind: text("token_kind"),
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
