/**
 * Anthropic's report on Claude Code: what each user did on a day, and what its tokens are estimated to have cost. The tokens of API customers
 * are in the usage report too, and the estimates are nobody's bill: rows of a table of their own.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Json from "../../platform/Json.ts"
import type { HttpCalls } from "../HttpCalls.ts"
import { Amount, buckets, Count, maybe } from "./Pages.ts"

/** Records of one page: the most that the API gives. */
const recordsLimit = 1000

const text = maybe(Schema.String)
const Open = { key: Schema.String, value: Schema.Unknown }
const Record = Schema.Struct(
  {
    date: Schema.String.pipe(Schema.pattern(/^\d{4}-\d{2}-\d{2}/)),
    actor: Schema.Struct({ type: text, email_address: text, api_key_name: text }, Open),
    organization_id: text,
    customer_type: text,
    terminal_type: text,
    core_metrics: maybe(Schema.Struct({ num_sessions: maybe(Count) }, Open)),
    model_breakdown: Schema.optionalWith(
      Schema.Array(
        Schema.Struct({
          model: Schema.String,
          tokens: Schema.Struct({
            input: maybe(Count),
            output: maybe(Count),
            cache_read: maybe(Count),
            cache_creation: maybe(Count)
          }),
          estimated_cost: maybe(Schema.Struct({ currency: Schema.String, amount: Amount }))
        })
      ),
      { default: () => [] }
    )
  },
  Open
)

/** The rows of a day, for genai_claude_code_daily: one per user, terminal and model; a user without models has one. */
export const read = Effect.fn("ClaudeCode.read")(function* (
  calls: HttpCalls,
  day: string,
  request: (path: string) => HttpClientRequest.HttpClientRequest
) {
  const records = buckets(calls, {
    vendor: "ANTHROPIC",
    target: `Anthropic usage_report/claude_code of ${day}`,
    bucket: Record,
    request: (cursor) =>
      request("usage_report/claude_code").pipe(
        HttpClientRequest.setUrlParams([
          ["starting_at", day],
          ["limit", String(recordsLimit)],
          ...(cursor === undefined ? [] : [["page", cursor] as const])
        ])
      )
  })
  const found = yield* Stream.runCollect(records)
  return [...found].flatMap((record): ReadonlyArray<Json.JsonObject> => {
    const { actor, core_metrics, customer_type, model_breakdown, organization_id, terminal_type } = record
    const all = Schema.decodeUnknownSync(Json.JsonObject)(record)
    const common = {
      usage_date: day,
      actor: actor.email_address ?? actor.api_key_name ?? "unknown",
      actor_type: actor.type ?? null,
      customer_type: customer_type ?? null,
      terminal_type: terminal_type ?? null,
      x_genai_account_id: organization_id ?? null
    }
    // What counts for the user and not for a model stands in the first row alone, so that sums are right.
    const once = (isFirst: boolean) => ({
      sessions: isFirst ? (core_metrics?.num_sessions ?? null) : null,
      details: isFirst
        ? Object.fromEntries(
            ["core_metrics", "tool_actions"].flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]]))
          )
        : null
    })
    if (model_breakdown.length === 0) return [{ ...common, ...once(true), model: null }]
    return model_breakdown.map(({ estimated_cost, model, tokens }, index) => ({
      ...common,
      ...once(index === 0),
      model,
      input_tokens: tokens.input ?? null,
      output_tokens: tokens.output ?? null,
      cache_read_tokens: tokens.cache_read ?? null,
      cache_creation_tokens: tokens.cache_creation ?? null,
      estimated_cost:
        estimated_cost === undefined || estimated_cost === null ? null : centsToUnits(estimated_cost.amount),
      currency: estimated_cost?.currency.toUpperCase() ?? null
    }))
  })
})

/** "123.45" cents are 1.2345. */
export const centsToUnits = (cents: string): string => {
  const { scale, value } = BigDecimal.unsafeFromString(cents)
  return BigDecimal.format(BigDecimal.make(value, scale + 2))
}
