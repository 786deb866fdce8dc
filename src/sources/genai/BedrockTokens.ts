/**
 * Tokens of models on Amazon Bedrock by CloudWatch, on demand: what provisioned throughput serves is a commitment and left out. There is no
 * bill among them: that is in AWS's cost export.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as BigDecimal from "effect/BigDecimal"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { AwsKeys } from "../aws/AwsClient.ts"
import * as CloudWatch from "../aws/CloudWatch.ts"
import { SourceError } from "../SourceError.ts"
import { addCounts, bareLine, type Month, type PaygSource, type UsageLine } from "./Lines.ts"
import { monthAfter } from "./Pages.ts"

/** CloudWatch keeps hours for 455 days. */
const retentionDays = 455
const dayMillis = 86_400_000
const namespace = "AWS/Bedrock"
const metrics = [
  "Invocations",
  "InputTokenCount",
  "OutputTokenCount",
  "CacheReadInputTokenCount",
  "CacheWriteInputTokenCount"
]

/** Usage in one region. CloudWatch lists the models of the last two weeks; `modelIds` names further ones. Days that are not over are not read. */
export const make = Effect.fnUntraced(function* (
  place: { readonly region: string; readonly keys: AwsKeys; readonly endpoint?: string },
  modelIds: ReadonlyArray<string>
) {
  const client = yield* HttpClient.HttpClient
  const now = yield* Clock.currentTimeMillis
  const today = new Date(now).toISOString().slice(0, 10)

  const usage = Effect.fn("BedrockTokens.usage")(
    function* (month: string) {
      const after = monthAfter(month)
      const end = after < today ? after : today
      if (end <= month) return { lines: [], unknownFields: [] } satisfies Month<UsageLine>
      const listed = yield* CloudWatch.dimensionValues(place, {
        namespace,
        metric: "Invocations",
        dimension: "ModelId"
      })
      const models = [...new Set([...listed, ...modelIds])].filter((id) => !id.includes(":provisioned-model/")).sort()
      const queries = models.flatMap((ModelId) =>
        metrics.map((metric) => ({ namespace, metric, dimensions: { ModelId }, statistic: "Sum" }) as const)
      )
      const values = yield* CloudWatch.daily(place, queries, { start: month, end })
      const days = new Map<string, Map<string, string>>()
      for (const { day, query, value } of values) {
        const count = BigDecimal.unsafeFromString(value)
        const whole = BigDecimal.scale(count, 0)
        if (!BigDecimal.equals(count, whole) || whole.value < 0n) {
          return yield* new SourceError({
            kind: "permanent",
            code: "AWS_ANSWER_UNREADABLE",
            message: `${query.metric} of ${query.dimensions["ModelId"] ?? ""} in ${place.region}: a value is no count`,
            suggestedAction: "report that the metric has changed"
          })
        }
        const at = JSON.stringify([day, query.dimensions["ModelId"]])
        days.set(at, (days.get(at) ?? new Map<string, string>()).set(query.metric, String(whole.value)))
      }
      const lines = [...days]
        .sort(([a], [b]) => a.localeCompare(b))
        .map(([at, counts]): UsageLine => {
          const [day = "", model = ""]: ReadonlyArray<string> = JSON.parse(at)
          const [read, write] = [counts.get("CacheReadInputTokenCount"), counts.get("CacheWriteInputTokenCount")]
          return {
            ...bareLine(day, model),
            meter: "tokens",
            region: place.region,
            request_count: counts.get("Invocations") ?? null,
            input_tokens: addCounts([counts.get("InputTokenCount"), read, write]),
            cached_input_tokens: read ?? "0",
            cache_write_tokens: write ?? "0",
            cache_write_1h_tokens: "0",
            output_tokens: counts.get("OutputTokenCount") ?? "0"
          }
        })
      return { lines, unknownFields: [] } satisfies Month<UsageLine>
    },
    Effect.provideService(HttpClient.HttpClient, client)
  )

  const knownSince = new Date(now - retentionDays * dayMillis).toISOString().slice(0, 10)
  return { usage, knownSince } satisfies PaygSource
})
