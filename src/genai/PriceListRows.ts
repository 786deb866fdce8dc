/**
 * What a list of prices becomes: rows, and reasons for what is not taken.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Option from "effect/Option"
import type { Json } from "../platform/Json.ts"

/** Prices by class, US dollars per million tokens as text. */
export interface PriceCells {
  readonly input_per_1m?: string
  readonly output_per_1m?: string
  readonly cached_input_per_1m?: string
  readonly cached_write_per_1m?: string
  readonly cached_write_1h_per_1m?: string
  readonly batch_input_per_1m?: string
  readonly batch_output_per_1m?: string
}

/** One price of one model. */
export interface PriceRow extends PriceCells {
  readonly provider: string
  readonly model: string
  readonly region: string
  readonly service_tier?: string
  readonly context_window?: string
  readonly token_kind?: string
  readonly effective_from?: string
  readonly effective_to?: string
  readonly source: string
}

/** What was taken, and how many models or fields of each kind were not. */
export interface PriceList {
  readonly format: "litellm" | "genai-prices"
  readonly rows: ReadonlyArray<PriceRow>
  readonly models: number
  readonly skipped: ReadonlyArray<{ readonly reason: string; readonly count: number; readonly example: string }>
}

/** Collects rows, once for each place, and reasons. */
export class Taking {
  readonly rows = new Map<string, PriceRow>()
  readonly models = new Set<string>()
  readonly #skipped = new Map<string, { count: number; readonly example: string }>()

  skip(reason: string, example: string): void {
    const known = this.#skipped.get(reason)
    if (known === undefined) this.#skipped.set(reason, { count: 1, example })
    else known.count++
  }

  /** Keeps the row unless it has no price or its place is taken. */
  add(row: PriceRow): void {
    const name = `${row.provider} ${row.model}`
    if (row.input_per_1m === undefined && row.output_per_1m === undefined) return this.skip("no price per token", name)
    const { context_window, effective_from, model, provider, region, service_tier, token_kind } = row
    const place = JSON.stringify([provider, model, region, service_tier, context_window, token_kind, effective_from])
    if (this.rows.has(place)) return this.skip("another entry has the same name", name)
    this.rows.set(place, row)
    this.models.add(name)
  }

  list(format: PriceList["format"]): PriceList {
    const skipped = [...this.#skipped].map(([reason, each]) => ({ reason, ...each }))
    return {
      format,
      rows: [...this.rows.values()],
      models: this.models.size,
      skipped: skipped.sort((a, b) => b.count - a.count)
    }
  }
}

/** Lists carry the noise of binary floats beyond these digits. */
const significantDigits = 12
const keptDecimals = 9

/**
 * A price in the list's own text times 10 to the `shift`, to 12 significant digits; undefined when it is no price, or finer than what is
 * kept.
 */
export const priceOf = (value: Json | undefined, shift: number): string | undefined => {
  const parsed = typeof value === "string" ? Option.getOrUndefined(BigDecimal.fromString(value)) : undefined
  if (parsed === undefined || parsed.value < 0n) return undefined
  const digits = String(parsed.value).length
  const rounded =
    digits > significantDigits
      ? BigDecimal.round(parsed, { scale: parsed.scale - (digits - significantDigits), mode: "half-from-zero" })
      : parsed
  const shifted = BigDecimal.normalize(BigDecimal.make(rounded.value, rounded.scale - shift))
  return shifted.scale > keptDecimals ? undefined : BigDecimal.format(shifted)
}
