/**
 * What the usage and cost APIs of model providers answer, in one shape: the columns of genai_payg_usage_raw and genai_payg_billed_raw.
 * Every figure is the text that the provider sent.
 */
import type * as Effect from "effect/Effect"
import type { JsonObject } from "../../platform/Json.ts"
import { SourceError } from "../SourceError.ts"

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
  /** What the tokens are of: `audio`, `image`, `video`; text, or not told, when absent. */
  readonly token_kind?: string
  /** Organisation at the provider, where the line tells it. */
  readonly x_genai_account_id?: string
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
  /** What the provider's own export says that this cost: its tokens times its prices. */
  readonly exported_cost?: string
  /** ISO 4217, upper case. */
  readonly exported_currency?: string
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
  /** Organisation at the provider, where the line tells it. */
  readonly x_genai_account_id?: string
  readonly x_genai_project_id: string | null
  readonly x_genai_api_key_id: string | null
}

/** Something doubtful about a month, for org_meta_dq_results. */
export interface Doubt {
  /** `genai_bill_mismatch`. */
  readonly check: string
  readonly text: string
}

/** A month of lines, and what is to be said of it. */
export interface Month<Line> {
  readonly lines: ReadonlyArray<Line>
  /** Names of fields that this program does not know. */
  readonly unknownFields: ReadonlyArray<string>
  readonly doubts?: ReadonlyArray<Doubt>
}

/** What a provider tells of a month, by its first day. */
export interface PaygSource {
  readonly usage: (month: string) => Effect.Effect<Month<UsageLine>, SourceError>
  /** Absent: the provider has no bill of its own, only the one of its cloud. */
  readonly billed?: (month: string) => Effect.Effect<Month<BilledLine>, SourceError>
  /** The months that there are, of a place of files; every other one stays as it is. */
  readonly months?: ReadonlyArray<string>
  /** The first day that the provider still knows. A month that begins earlier is read while it is not loaded, and then kept. */
  readonly knownSince?: string
  /** What else its users did on a day, by a report that is no part of usage and bill. */
  readonly activity?: (day: string) => Effect.Effect<ReadonlyArray<JsonObject>, SourceError>
  /** What is left of prepaid money, now. */
  readonly balances?: Effect.Effect<ReadonlyArray<JsonObject>, SourceError>
}

/** The credential opens nothing that tells usage; `needed` says what would. */
export const usageUnavailable = (what: string, needed: string) =>
  new SourceError({
    kind: "permanent",
    code: "PROVIDER_USAGE_UNAVAILABLE",
    message: `${what}: usage is not available with it`,
    suggestedAction: needed
  })

/** A line of this day and model of which nothing else is told. */
export const bareLine = (usageDate: string, model: string) =>
  ({
    usage_date: usageDate,
    model,
    service_tier: null,
    context_window: null,
    region: null,
    is_batch: false,
    x_genai_project_id: null,
    x_genai_api_key_id: null,
    request_count: null,
    quantity: null,
    details: null
  }) as const

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
