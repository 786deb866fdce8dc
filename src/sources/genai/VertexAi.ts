/**
 * Tokens of models on Vertex AI by Cloud Monitoring: what is shared, not what dedicated throughput serves, which is a commitment. There is no
 * bill among them: that is in the cloud's billing export.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Monitoring, Point } from "../gcp/Monitoring.ts"
import { SourceError } from "../SourceError.ts"
import { addCounts, bareLine, type Month, noTokens, type PaygSource, type UsageLine } from "./Lines.ts"
import { monthAfter } from "./Pages.ts"

const daySeconds = 86_400
/** Google keeps metrics of its own services for six weeks. */
const retentionDays = 42
const prefix = "aiplatform.googleapis.com/publisher/online_serving"
const filter = 'resource.type="aiplatform.googleapis.com/PublisherModel"'
const place = ["resource.labels.model_user_id", "resource.labels.location", "metric.labels.request_type"]

/** Usage by Cloud Monitoring. Days that are not over are not read. */
export const make = Effect.fnUntraced(function* (monitoring: Monitoring, project: string) {
  const now = yield* Clock.currentTimeMillis
  const midnight = `${new Date(now).toISOString().slice(0, 10)}T00:00:00Z`

  const usage = Effect.fn("VertexAi.usage")(function* (month: string) {
    const from = `${month}T00:00:00Z`
    const end = `${monthAfter(month)}T00:00:00Z`
    const to = end < midnight ? end : midnight
    if (to <= from) return { lines: [], unknownFields: [] } satisfies Month<UsageLine>
    const ask = (metric: string, groupBy: ReadonlyArray<string>) =>
      monitoring.points({
        project,
        metric: `${prefix}/${metric}`,
        filter,
        from,
        to,
        groupBy,
        alignmentSeconds: daySeconds,
        aligner: "ALIGN_SUM",
        reducer: "REDUCE_SUM"
      })
    const tokens = yield* ask("token_count", [...place, "metric.labels.type", "metric.labels.modality"])
    const calls = yield* ask("model_invocation_count", place)
    const bad = [...tokens, ...calls].find(({ value }) => !/^\d+$/.test(value))
    if (bad !== undefined) {
      return yield* new SourceError({
        kind: "permanent",
        code: "GOOGLE_ANSWER_UNREADABLE",
        message: `token counts of project ${project}: a value is no count`,
        suggestedAction: "report that the metric has changed"
      })
    }
    return monthOf(tokens, calls)
  })

  const knownSince = new Date(now - retentionDays * daySeconds * 1000).toISOString().slice(0, 10)
  return { usage, knownSince } satisfies PaygSource
})

/** Vertex's words for what tokens are of; text has no kind. */
const kindOf = (modality: string | undefined) => {
  const kind = (modality ?? "").toLowerCase()
  return kind === "" || kind === "text" ? undefined : kind
}

const monthOf = (tokens: ReadonlyArray<Point>, calls: ReadonlyArray<Point>): Month<UsageLine> => {
  const unknown = new Set<string>()
  const groups = new Map<string, Array<Point>>()
  for (const point of [...tokens, ...calls]) {
    if (point.labels["metric.labels.request_type"] === "dedicated") continue
    const at = JSON.stringify([
      point.startTime.slice(0, 10),
      point.labels["resource.labels.model_user_id"] ?? "unknown model",
      point.labels["resource.labels.location"] ?? ""
    ])
    groups.set(at, [...(groups.get(at) ?? []), point])
  }
  const lines = [...groups]
    .sort(([a], [b]) => a.localeCompare(b))
    .flatMap(([at, points]): ReadonlyArray<UsageLine> => {
      const [day = "", model = "", location = ""]: ReadonlyArray<string> = JSON.parse(at)
      const common = { ...bareLine(day, model), region: location === "" ? null : location }
      const counts = (side: string, kind: string | undefined) =>
        points
          .filter(
            ({ labels }) =>
              labels["metric.labels.type"]?.toLowerCase() === side && kindOf(labels["metric.labels.modality"]) === kind
          )
          .map(({ value }) => value)
      const told = points.filter(({ labels }) => labels["metric.labels.type"] !== undefined)
      const requests = points
        .filter(({ labels }) => labels["metric.labels.type"] === undefined)
        .map(({ value }) => value)
      const kinds = [...new Set([undefined, ...told.map(({ labels }) => kindOf(labels["metric.labels.modality"]))])]
      const others = [...new Set(told.map(({ labels }) => (labels["metric.labels.type"] ?? "").toLowerCase()))].filter(
        (side) => side !== "input" && side !== "output"
      )
      for (const side of others) unknown.add(`token_count.type.${side}`)
      return [
        ...kinds.flatMap((kind): ReadonlyArray<UsageLine> => {
          const [input, output] = [counts("input", kind), counts("output", kind)]
          const isMain = kind === undefined
          if (input.length + output.length === 0 && !(isMain && requests.length > 0)) return []
          return [
            {
              ...common,
              meter: "tokens",
              ...(kind === undefined ? {} : { token_kind: kind }),
              request_count: isMain && requests.length > 0 ? addCounts(requests) : null,
              input_tokens: addCounts(input),
              cached_input_tokens: "0",
              cache_write_tokens: "0",
              cache_write_1h_tokens: "0",
              output_tokens: addCounts(output)
            }
          ]
        }),
        ...others.map((side): UsageLine => ({
          ...common,
          ...noTokens,
          meter: `${side}_tokens`,
          quantity: addCounts(
            told
              .filter(({ labels }) => (labels["metric.labels.type"] ?? "").toLowerCase() === side)
              .map(({ value }) => value)
          )
        }))
      ]
    })
  return { lines, unknownFields: [...unknown].sort() }
}
