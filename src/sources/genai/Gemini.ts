/**
 * What Google tells of the Gemini API's usage: metrics of Cloud Monitoring, live or as saved answers of its `timeSeries.list`. There is no
 * bill among them: that is in the cloud's billing export.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { addCounts, bareLine, type Doubt, type Month, noTokens, type PaygSource, type UsageLine } from "./Lines.ts"
import { monthAfter } from "./Pages.ts"
import { SourceError } from "../SourceError.ts"
import type { Monitoring } from "../gcp/Monitoring.ts"

const daySeconds = 86_400
/** Google keeps metrics of its own services for six weeks. */
const retentionDays = 42
const service = "generativelanguage.googleapis.com"

/** What a metric counts. A name that ends with the tier counts input of that tier. */
type Role = "output" | "input" | "requests" | "searches" | "keyRequests"

interface Metric {
  readonly role: Role
  readonly tier?: string
  readonly filter?: string
  readonly groupBy: ReadonlyArray<string>
}

const model = "metric.labels.model"
const key = "resource.labels.credential_id"
const thinking = "metric.labels.thinking_enabled"

/** The metrics by their names. The names of those of input follow the tier of the project's quota, so all are asked for. */
export const metrics: Readonly<Record<string, Metric>> = {
  [`${service}/generate_content_usage_output_token_count`]: { role: "output", groupBy: [model, thinking] },
  ...Object.fromEntries(
    ["free_tier", "paid_tier", "paid_tier_2", "paid_tier_3"].map((tier): readonly [string, Metric] => [
      `${service}/quota/generate_content_${tier}_input_token_count/usage`,
      { role: "input", tier, groupBy: [model] }
    ])
  ),
  [`${service}/quota/generate_requests_per_model/usage`]: { role: "requests", groupBy: [model] },
  [`${service}/quota/generate_content_search_request_usage/usage`]: { role: "searches", groupBy: [model] },
  "serviceruntime.googleapis.com/api/request_count": {
    role: "keyRequests",
    filter: `resource.type="consumed_api" AND resource.labels.service="${service}"`,
    groupBy: [key]
  }
}

/** A count of one metric on one UTC day, by the labels that the metric is grouped by. */
export interface Measure {
  readonly metric: string
  readonly labels: Readonly<Record<string, string>>
  readonly day: string
  readonly count: string
}

/** Usage by Cloud Monitoring. Days that are not over are not read. */
export const live = Effect.fnUntraced(function* (monitoring: Monitoring, project: string) {
  const now = yield* Clock.currentTimeMillis
  const midnight = `${new Date(now).toISOString().slice(0, 10)}T00:00:00Z`

  const usage = Effect.fn("Gemini.usage")(function* (month: string) {
    const from = `${month}T00:00:00Z`
    const end = `${monthAfter(month)}T00:00:00Z`
    const to = end < midnight ? end : midnight
    if (to <= from) return { lines: [], unknownFields: [] } satisfies Month<UsageLine>
    const measures: Array<Measure> = []
    let missing = 0
    for (const [metric, { filter, groupBy }] of Object.entries(metrics)) {
      const points = yield* monitoring
        .points({
          project,
          metric,
          from,
          to,
          groupBy,
          alignmentSeconds: daySeconds,
          aligner: "ALIGN_SUM",
          reducer: "REDUCE_SUM",
          ...(filter === undefined ? {} : { filter })
        })
        .pipe(
          // A tier that the project never was in has no metric.
          Effect.catchIf(
            ({ code }) => code === "GOOGLE_NOT_FOUND",
            () => {
              missing++
              return Effect.succeed([])
            }
          )
        )
      for (const { labels, startTime, value } of points) {
        if (!/^\d+$/.test(value)) return yield* noCount(metric)
        measures.push({ metric, labels, day: startTime.slice(0, 10), count: value })
      }
    }
    if (missing === Object.keys(metrics).length) {
      return yield* new SourceError({
        kind: "permanent",
        code: "PROVIDER_USAGE_UNAVAILABLE",
        message: `project ${project} has none of the metrics of the Gemini API`,
        suggestedAction:
          "store the key file of a service account of the project whose keys call the Gemini API, or name that project in metadata.project"
      })
    }
    return monthOf(measures)
  })

  const knownSince = new Date(now - retentionDays * daySeconds * 1000).toISOString().slice(0, 10)
  return { usage, knownSince } satisfies PaygSource
})

const noCount = (metric: string) =>
  new SourceError({
    kind: "permanent",
    code: "GOOGLE_ANSWER_UNREADABLE",
    message: `${metric}: a value is no count`,
    suggestedAction: "report that the metric has changed"
  })

interface Day {
  readonly day: string
  readonly model: string
  readonly input: Map<string, Array<string>>
  readonly output: Array<string>
  readonly thinkingOutput: Array<string>
  readonly requests: Array<string>
  readonly searches: Array<string>
}

/** The lines of measures: of each day and model one that is paid for, and one of the free tier. */
export const monthOf = (measures: ReadonlyArray<Measure>): Month<UsageLine> => {
  const days = new Map<string, Day>()
  const byKey: Array<UsageLine> = []
  const unknown = new Set<string>()
  const doubts: Array<Doubt> = []
  for (const { count, day, labels, metric } of measures) {
    const known = metrics[metric]
    if (known === undefined) {
      unknown.add(metric)
      continue
    }
    if (known.role === "keyRequests") {
      byKey.push({
        ...bareLine(day, "requests by key"),
        ...noTokens,
        meter: "requests",
        x_genai_api_key_id: (labels[key] ?? "").replace(/^apikey:/, "") || null,
        quantity: count
      })
      continue
    }
    const name = labels[model] ?? "unknown model"
    const place = `${day} ${name}`
    const one = days.get(place) ?? {
      day,
      model: name,
      input: new Map<string, Array<string>>(),
      output: [],
      thinkingOutput: [],
      requests: [],
      searches: []
    }
    days.set(place, one)
    if (known.role === "input") {
      const tier = known.tier ?? ""
      one.input.set(tier, [...(one.input.get(tier) ?? []), count])
    } else one[known.role].push(count)
    if (known.role === "output" && labels[thinking] === "true") one.thinkingOutput.push(count)
  }
  const lines = [...days.values()].flatMap((each): ReadonlyArray<UsageLine> => {
    const [free, paid] = [each.input.get("free_tier") ?? [], [...each.input].filter(([tier]) => tier !== "free_tier")]
    const paidInput = addCounts(paid.flatMap(([, counts]) => counts))
    const freeInput = addCounts(free)
    const isFreeOnly = free.length > 0 && paid.length === 0
    if (free.length > 0 && paid.length > 0) {
      doubts.push({
        check: "genai_tier_not_told",
        text: `gemini ${each.model} on ${each.day}: input of the free and of a paid tier; all output counts as paid`
      })
    }
    const tokens = (input: string, isFree: boolean): UsageLine => {
      const withRest = isFree === isFreeOnly
      const tiers = isFree ? [] : paid.map(([tier]) => tier)
      const details = {
        ...(tiers.length === 0 ? {} : { quota_tier: tiers.join(", ") }),
        ...(withRest && each.thinkingOutput.length > 0
          ? { thinking_output_tokens: addCounts(each.thinkingOutput) }
          : {})
      }
      return {
        ...bareLine(each.day, each.model),
        meter: "tokens",
        service_tier: isFree ? "free" : null,
        request_count: withRest && each.requests.length > 0 ? addCounts(each.requests) : null,
        input_tokens: input,
        cached_input_tokens: "0",
        cache_write_tokens: "0",
        cache_write_1h_tokens: "0",
        output_tokens: withRest ? addCounts(each.output) : "0",
        details: Object.keys(details).length === 0 ? null : details
      }
    }
    const hasTokens = each.input.size > 0 || each.output.length > 0 || each.requests.length > 0
    const search: ReadonlyArray<UsageLine> =
      each.searches.length === 0
        ? []
        : [
            {
              ...bareLine(each.day, each.model),
              ...noTokens,
              meter: "web_search_requests",
              quantity: addCounts(each.searches)
            }
          ]
    return [
      ...(isFreeOnly || !hasTokens ? [] : [tokens(paidInput, false)]),
      ...(free.length > 0 ? [tokens(freeInput, true)] : []),
      ...search
    ]
  })
  const all = [...lines, ...byKey].sort((a, b) => orderOf(a).localeCompare(orderOf(b)))
  return { lines: all, unknownFields: [...unknown].sort(), doubts }
}

const orderOf = (line: UsageLine) =>
  [line.usage_date, line.model, line.meter, line.service_tier ?? "", line.x_genai_api_key_id ?? ""].join("\u0000")
