/**
 * What the usage and cost APIs of model providers answer, in one shape: the columns of genai_payg_usage_raw and genai_payg_billed_raw.
 * Every figure is the text that the provider sent.
 */
import type { JsonObject } from "../../platform/Json.ts"

/** What one day used, as far apart as the provider tells. Absent members are not told. */
export interface UsageLine {
  readonly usage_date: string
  /** The model; of a meter without one, the meter. */
  readonly model: string
  /** `tokens`, or what is counted instead: `images`, `characters`, `seconds`, `sessions`, `requests`, `bytes`, `web_search_requests`. */
  readonly meter: string
  readonly service_tier: string | null
  readonly context_window: string | null
  readonly region: string | null
  readonly is_batch: boolean
  readonly x_genai_project_id: string | null
  readonly x_genai_api_key_id: string | null
  readonly request_count: string | null
  /** All input, cached reads and cache writes among them. */
  readonly input_tokens: string | null
  readonly cached_input_tokens: string | null
  /** Written to the cache for 5 minutes. */
  readonly cache_write_tokens: string | null
  /** Written to the cache for an hour. */
  readonly cache_write_1h_tokens: string | null
  readonly output_tokens: string | null
  /** Of meters other than tokens. */
  readonly quantity: string | null
  /** What has no column of its own: audio and image tokens, sizes, fields that this program does not know. */
  readonly details: JsonObject | null
}

/** One line of the provider's own bill. */
export interface BilledLine {
  readonly cost_date: string
  readonly line_item: string
  readonly model: string | null
  readonly token_type: string | null
  readonly service_tier: string | null
  readonly context_window: string | null
  /** ISO 4217, upper case. */
  readonly currency: string
  /** In units of the currency. */
  readonly amount: string
  readonly quantity: string | null
  readonly quantity_unit: string | null
  readonly x_genai_project_id: string | null
  readonly x_genai_api_key_id: string | null
}

/** A month of lines, and the names of fields that this program does not know. */
export interface Month<Line> {
  readonly lines: ReadonlyArray<Line>
  readonly unknownFields: ReadonlyArray<string>
}

/** No token class is told: what a line of another meter says of tokens. */
export const noTokens = {
  input_tokens: null,
  cached_input_tokens: null,
  cache_write_tokens: null,
  cache_write_1h_tokens: null,
  output_tokens: null
} as const

/** Exact sum of counts as text; what is not told counts as none. */
export const addCounts = (counts: ReadonlyArray<string | null | undefined>): string =>
  String(counts.reduce((total, count) => total + BigInt(count ?? "0"), 0n))
