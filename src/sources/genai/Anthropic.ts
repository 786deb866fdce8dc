/**
 * Anthropic's usage and cost reports, one UTC month at a time, read with an organisation's admin key.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Json } from "../../platform/Json.ts"
import type { Vendor } from "../HttpCalls.ts"
import * as ClaudeCode from "./ClaudeCode.ts"
import { addCounts, type BilledLine, type Month, noTokens, type PaygSource, type UsageLine } from "./Lines.ts"
import { Amount, Count, detailsOf, maybe, monthAfter, pacedCalls, buckets, unknownOf } from "./Pages.ts"

/** Days of one page. With more than five dimensions the API refuses longer pages. */
const usageBucketsLimit = 7
const costBucketsLimit = 31
const apiVersion = "2023-06-01"

const vendor: Vendor = {
  name: "ANTHROPIC",
  isWait: (header) => header === "retry-after",
  codeOf: (_headers, body) => /"type"\s*:\s*"((?!error")[a-z_]{1,64})"/.exec(body)?.[1],
  requestIdHeader: "request-id",
  accessAdvice:
    "store an admin key of the organisation (sk-ant-admin...), made by an administrator in the Console; other keys cannot read usage and costs"
}

const text = maybe(Schema.String)
const UsageResult = Schema.Struct(
  {
    uncached_input_tokens: maybe(Count),
    cache_read_input_tokens: maybe(Count),
    cache_creation: maybe(
      Schema.Struct({ ephemeral_5m_input_tokens: maybe(Count), ephemeral_1h_input_tokens: maybe(Count) })
    ),
    output_tokens: maybe(Count),
    server_tool_use: maybe(Schema.Record({ key: Schema.String, value: Schema.NullOr(Count) })),
    api_key_id: text,
    workspace_id: text,
    model: text,
    service_tier: text,
    context_window: text,
    inference_geo: text
  },
  { key: Schema.String, value: Json }
)
const CostResult = Schema.Struct(
  {
    amount: Amount,
    currency: Schema.String.pipe(Schema.pattern(/^[A-Za-z]{3}$/)),
    description: text,
    cost_type: text,
    token_type: text,
    service_tier: text,
    context_window: text,
    inference_geo: text,
    model: text,
    workspace_id: text
  },
  { key: Schema.String, value: Json }
)
const Instant = Schema.String.pipe(Schema.pattern(/^\d{4}-\d{2}-\d{2}T00:00:00(\.0+)?(Z|\+00:00)$/))
const bucketOf = <A, I>(result: Schema.Schema<A, I>) =>
  Schema.Struct({ starting_at: Instant, results: Schema.Array(result) })

const knownUsage = new Set([...Object.keys(UsageResult.fields), "account_id", "service_account_id", "speed"])
const knownCost = new Set(Object.keys(CostResult.fields))

/** Opens the reports with a key; `baseUrl` is `https://api.anthropic.com` or what replaces it. */
export const make = Effect.fnUntraced(function* (key: Redacted.Redacted, baseUrl: string) {
  const calls = yield* pacedCalls(vendor)

  const get = (report: string) =>
    HttpClientRequest.get(`${baseUrl}/v1/organizations/${report}`).pipe(
      HttpClientRequest.setHeaders({ "x-api-key": Redacted.value(key), "anthropic-version": apiVersion })
    )

  const ask = <A, I>(
    report: string,
    month: string,
    settings: { readonly limit: number; readonly groupBy: ReadonlyArray<string> },
    result: Schema.Schema<A, I>
  ) =>
    buckets(calls, {
      vendor: vendor.name,
      target: `Anthropic ${report} of ${month.slice(0, 7)}`,
      bucket: bucketOf(result),
      request: (cursor) =>
        get(report).pipe(
          HttpClientRequest.setUrlParams([
            ["starting_at", `${month}T00:00:00Z`],
            ["ending_at", `${monthAfter(month)}T00:00:00Z`],
            ["bucket_width", "1d"],
            ["limit", String(settings.limit)],
            ...settings.groupBy.map((dimension): readonly [string, string] => ["group_by[]", dimension]),
            ...(cursor === undefined ? [] : [["page", cursor] as const])
          ])
        )
    })

  /** The usage of the month that begins on this day. Tools that the server ran are lines of their own. */
  const usage = Effect.fn("Anthropic.usage")(function* (month: string) {
    const groupBy = ["api_key_id", "context_window", "inference_geo", "model", "service_tier", "workspace_id"]
    const unknown = new Set<string>()
    const lines: Array<UsageLine> = []
    const asked = ask("usage_report/messages", month, { limit: usageBucketsLimit, groupBy }, UsageResult)
    yield* Stream.runForEach(asked, ({ results, starting_at }) =>
      Effect.sync(() => {
        for (const result of results) {
          const strange = unknownOf(result, knownUsage)
          for (const name of strange) unknown.add(`usage.${name}`)
          const common = {
            usage_date: starting_at.slice(0, 10),
            model: result.model ?? "unknown model",
            service_tier: result.service_tier ?? null,
            context_window: result.context_window ?? null,
            region: result.inference_geo === "not_available" ? null : (result.inference_geo ?? null),
            is_batch: result.service_tier === "batch",
            x_genai_project_id: result.workspace_id ?? null,
            x_genai_api_key_id: result.api_key_id ?? null,
            request_count: null,
            details: detailsOf(result, strange)
          }
          const { ephemeral_1h_input_tokens: hour, ephemeral_5m_input_tokens: minutes } = result.cache_creation ?? {}
          const input = [result.uncached_input_tokens, result.cache_read_input_tokens, minutes, hour]
          const tools = Object.entries(result.server_tool_use ?? {}).filter(
            ([, count]) => count !== null && count !== "0"
          )
          const isToolOnly =
            tools.length > 0 && [...input, result.output_tokens].every((count) => (count ?? "0") === "0")
          const tokens: UsageLine = {
            ...common,
            meter: "tokens",
            input_tokens: addCounts(input),
            cached_input_tokens: result.cache_read_input_tokens ?? "0",
            cache_write_tokens: minutes ?? "0",
            cache_write_1h_tokens: hour ?? "0",
            output_tokens: result.output_tokens ?? "0",
            quantity: null
          }
          const calls = tools.map(([meter, count]): UsageLine => ({
            ...common,
            ...noTokens,
            meter,
            quantity: count,
            details: null
          }))
          lines.push(...(isToolOnly ? calls : [tokens, ...calls]))
        }
      })
    )
    return { lines, unknownFields: [...unknown].sort() } satisfies Month<UsageLine>
  })

  /** What the month was billed. The report's amounts are cents. */
  const billed = Effect.fn("Anthropic.billed")(function* (month: string) {
    const settings = { limit: costBucketsLimit, groupBy: ["description", "workspace_id"] }
    const found = yield* Stream.runCollect(ask("cost_report", month, settings, CostResult))
    const unknown = new Set<string>()
    const lines = [...found].flatMap(({ results, starting_at }) =>
      results.map((result): BilledLine => {
        for (const name of unknownOf(result, knownCost)) unknown.add(`cost.${name}`)
        return {
          cost_date: starting_at.slice(0, 10),
          line_item: result.description ?? result.cost_type ?? "unnamed",
          model: result.model ?? null,
          token_type: result.token_type ?? result.cost_type ?? null,
          service_tier: result.service_tier ?? null,
          context_window: result.context_window ?? null,
          currency: result.currency.toUpperCase(),
          amount: ClaudeCode.centsToUnits(result.amount),
          quantity: null,
          quantity_unit: null,
          x_genai_project_id: result.workspace_id ?? null,
          x_genai_api_key_id: null
        }
      })
    )
    return { lines, unknownFields: [...unknown].sort() } satisfies Month<BilledLine>
  })

  /** What users of Claude Code did on a day, as rows of genai_claude_code_daily. */
  const activity = (day: string) => ClaudeCode.read(calls, day, get)

  return { usage, billed, activity } satisfies PaygSource
})
