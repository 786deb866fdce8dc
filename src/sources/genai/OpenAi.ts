/**
 * OpenAI's usage and cost APIs, one UTC month at a time, read with an organisation's admin key.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Json, textOrNull } from "../../platform/Json.ts"
import type { Vendor } from "../HttpCalls.ts"
import { type BilledLine, type Month, noTokens, type PaygSource, type UsageLine } from "./Lines.ts"
import * as Media from "./OpenAiMedia.ts"
import { Amount, Count, detailsOf, maybe, monthAfter, pacedCalls, quantityOf, buckets, unknownOf } from "./Pages.ts"

/** Day buckets of one page: the most that each API gives. */
const usageBucketsLimit = 31
const costBucketsLimit = 180
const millisecondsPerSecond = 1000

const vendor: Vendor = {
  name: "OPENAI",
  isWait: (header) => header === "retry-after",
  codeOf: (_headers, body) =>
    (/"code"\s*:\s*"([A-Za-z0-9_.-]{1,64})"/.exec(body) ?? /"type"\s*:\s*"([A-Za-z0-9_.-]{1,64})"/.exec(body))?.[1],
  requestIdHeader: "x-request-id",
  accessAdvice:
    "store an admin key of the organisation (sk-admin-...), made by an owner; keys of projects cannot read usage and costs"
}

interface Endpoint {
  readonly name: string
  readonly groupBy: ReadonlyArray<string>
  /** The meter, and the field that counts it. */
  readonly meter: string
  readonly count: string
  /** Further fields that are kept as details. */
  readonly details: ReadonlyArray<string>
}

const byKey = ["project_id", "api_key_id"]
const byModel = [...byKey, "model"]

/** Every usage endpoint; what is asked for by dimension is what it can be grouped by, users apart. */
const endpoints: ReadonlyArray<Endpoint> = [
  {
    name: "completions",
    groupBy: [...byModel, "batch", "service_tier"],
    meter: "tokens",
    count: "input_tokens",
    details: ["input", "output", "input_cached"].flatMap((side) =>
      ["text", "audio", "image"].map((kind) => `${side}_${kind}_tokens`)
    )
  },
  { name: "embeddings", groupBy: byModel, meter: "tokens", count: "input_tokens", details: [] },
  { name: "moderations", groupBy: byModel, meter: "tokens", count: "input_tokens", details: [] },
  {
    name: "images",
    groupBy: [...byModel, "size", "source"],
    meter: "images",
    count: "images",
    details: ["size", "source"]
  },
  { name: "audio_speeches", groupBy: byModel, meter: "characters", count: "characters", details: [] },
  { name: "audio_transcriptions", groupBy: byModel, meter: "seconds", count: "seconds", details: [] },
  { name: "vector_stores", groupBy: ["project_id"], meter: "bytes", count: "usage_bytes", details: [] },
  { name: "code_interpreter_sessions", groupBy: ["project_id"], meter: "sessions", count: "num_sessions", details: [] },
  {
    name: "file_search_calls",
    groupBy: [...byKey, "vector_store_id"],
    meter: "requests",
    count: "num_requests",
    details: ["vector_store_id"]
  },
  {
    name: "web_search_calls",
    groupBy: [...byModel, "context_level"],
    meter: "requests",
    count: "num_requests",
    details: ["context_level"]
  }
]

const text = maybe(Schema.String)
const UsageResult = Schema.Struct(
  {
    project_id: text,
    api_key_id: text,
    model: text,
    batch: maybe(Schema.Boolean),
    service_tier: text,
    num_model_requests: maybe(Count),
    input_tokens: maybe(Count),
    input_cached_tokens: maybe(Count),
    input_cache_write_tokens: maybe(Count),
    output_tokens: maybe(Count),
    images: maybe(Count),
    characters: maybe(Count),
    seconds: maybe(Count),
    usage_bytes: maybe(Count),
    num_sessions: maybe(Count),
    num_requests: maybe(Count)
  },
  { key: Schema.String, value: Json }
)
const CostResult = Schema.Struct({
  amount: Schema.Struct({ value: Amount, currency: Schema.String.pipe(Schema.pattern(/^[A-Za-z]{3}$/)) }),
  line_item: text,
  project_id: text,
  api_key_id: text,
  /** A quantity that cannot be read is left out, the amount is not. */
  quantity: Schema.optionalWith(Schema.Unknown, { exact: true }),
  quantity_unit: text
})
const bucketOf = <A, I>(result: Schema.Schema<A, I>) =>
  Schema.Struct({ start_time: Count, results: Schema.Array(result) })

const knownUsage = new Set([
  "object",
  "user_id",
  "input_uncached_tokens",
  ...Object.keys(UsageResult.fields),
  ...endpoints.flatMap(({ details }) => details)
])

/** Opens the APIs with a key; `baseUrl` is `https://api.openai.com/v1` or what replaces it. */
export const make = Effect.fnUntraced(function* (key: Redacted.Redacted, baseUrl: string) {
  const calls = yield* pacedCalls(vendor)

  const ask = <A, I>(
    path: string,
    month: string,
    settings: { readonly limit: number; readonly groupBy: ReadonlyArray<string> },
    result: Schema.Schema<A, I>
  ) =>
    buckets(calls, {
      vendor: vendor.name,
      target: `OpenAI ${path} of ${month.slice(0, 7)}`,
      bucket: bucketOf(result),
      request: (cursor) =>
        HttpClientRequest.get(`${baseUrl}/organization/${path}`).pipe(
          HttpClientRequest.bearerToken(key),
          HttpClientRequest.setUrlParams([
            ["start_time", seconds(month)],
            ["end_time", seconds(monthAfter(month))],
            ["bucket_width", "1d"],
            ["limit", String(settings.limit)],
            ...settings.groupBy.map((dimension): readonly [string, string] => ["group_by[]", dimension]),
            ...(cursor === undefined ? [] : [["page", cursor] as const])
          ])
        )
    })

  /** The usage of the month that begins on this day, of every endpoint. */
  const usage = Effect.fn("OpenAi.usage")(function* (month: string) {
    const lines: Array<UsageLine> = []
    const unknown = new Set<string>()
    for (const endpoint of endpoints) {
      const settings = { limit: usageBucketsLimit, groupBy: endpoint.groupBy }
      const asked = ask(`usage/${endpoint.name}`, month, settings, UsageResult)
      yield* Stream.runForEach(asked, (bucket) =>
        Effect.sync(() => {
          for (const result of bucket.results) {
            const strange = unknownOf(result, knownUsage)
            for (const name of strange) unknown.add(`${endpoint.name}.${name}`)
            const isTokens = endpoint.meter === "tokens"
            const line: UsageLine = {
              usage_date: dayOf(bucket.start_time),
              model: result.model ?? (isTokens ? `unknown ${endpoint.name} model` : endpoint.name),
              meter: endpoint.meter,
              service_tier: result.service_tier ?? null,
              context_window: null,
              region: null,
              is_batch: result.batch === true || result.service_tier === "batch",
              x_genai_project_id: result.project_id ?? null,
              x_genai_api_key_id: result.api_key_id ?? null,
              request_count: result.num_model_requests ?? result.num_requests ?? null,
              ...(isTokens
                ? {
                    input_tokens: result.input_tokens ?? "0",
                    cached_input_tokens: result.input_cached_tokens ?? "0",
                    cache_write_tokens: result.input_cache_write_tokens ?? "0",
                    cache_write_1h_tokens: "0",
                    output_tokens: result.output_tokens ?? "0"
                  }
                : noTokens),
              quantity: isTokens ? null : textOrNull(result[endpoint.count]),
              details: detailsOf(result, [...endpoint.details, ...strange])
            }
            lines.push(...(isTokens ? Media.split(line, result, strange) : [line]))
          }
        })
      )
    }
    return { lines, unknownFields: [...unknown].sort() } satisfies Month<UsageLine>
  })

  /** What the month was billed, by line item, project and key. */
  const billed = Effect.fn("OpenAi.billed")(function* (month: string) {
    const settings = { limit: costBucketsLimit, groupBy: ["line_item", "project_id", "api_key_id"] }
    const found = yield* Stream.runCollect(ask("costs", month, settings, CostResult))
    const lines = [...found].flatMap(({ results, start_time }) =>
      results.map((result): BilledLine => ({
        cost_date: dayOf(start_time),
        line_item: result.line_item ?? "unnamed",
        model: null,
        token_type: null,
        service_tier: null,
        context_window: null,
        currency: result.amount.currency.toUpperCase(),
        amount: result.amount.value,
        quantity: quantityOf(result.quantity),
        quantity_unit: result.quantity_unit ?? null,
        x_genai_project_id: result.project_id ?? null,
        x_genai_api_key_id: result.api_key_id ?? null
      }))
    )
    return { lines, unknownFields: [] } satisfies Month<BilledLine>
  })

  return { usage, billed } satisfies PaygSource
})

const seconds = (day: string) => String(Date.parse(`${day}T00:00:00Z`) / millisecondsPerSecond)

const dayOf = (startTime: string) => new Date(Number(startTime) * millisecondsPerSecond).toISOString().slice(0, 10)
