/**
 * Tokens of Azure OpenAI's deployments by Azure Monitor. There is no bill among them: that is in Azure's cost export. Deployments with
 * provisioned throughput are a commitment and left out.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as BigDecimal from "effect/BigDecimal"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Json from "../../platform/Json.ts"
import { type AzureClient, badAnswer, textOf } from "../azure/AzureClient.ts"
import type { Answer } from "../HttpCalls.ts"
import * as Metrics from "../azure/Metrics.ts"
import { addCounts, bareLine, type Month, type PaygSource, type UsageLine } from "./Lines.ts"
import { monthAfter } from "./Pages.ts"

const apiVersion = "2024-10-01"
const answerLimitBytes = 16 * 1024 ** 2
const pagesLimit = 1000
/** Azure Monitor keeps metrics for 93 days. */
const retentionDays = 93
const dayMillis = 86_400_000
const deploymentName = "ModelDeploymentName"

const metrics = { ProcessedPromptTokens: "input", GeneratedTokens: "output", AzureOpenAIRequests: "requests" } as const
const isMetric = (name: string): name is keyof typeof metrics => name in metrics

const Page = Schema.Struct({
  value: Schema.Array(
    Schema.Struct({
      name: Schema.NonEmptyString,
      sku: Schema.optional(Schema.Struct({ name: Schema.optional(Schema.String) })),
      properties: Schema.optional(
        Schema.Struct({
          model: Schema.optional(
            Schema.Struct({ name: Schema.optional(Schema.String), version: Schema.optional(Schema.String) })
          )
        })
      )
    })
  ),
  nextLink: Schema.optional(Schema.NullOr(Schema.String))
})

interface Deployment {
  readonly model: string | undefined
  readonly sku: string
}

/** Usage of one account, by its resource id; `endpoint` replaces the management API's own. Days that are not over are not read. */
export const make = Effect.fnUntraced(function* (
  client: AzureClient,
  resourceId: string,
  endpoint = "https://management.azure.com"
) {
  const monitor = Metrics.make(client, endpoint)
  const calls = client.authorized("https://management.azure.com/.default")
  const now = yield* Clock.currentTimeMillis
  const midnight = `${new Date(now).toISOString().slice(0, 10)}T00:00:00Z`

  const deployments = Effect.gen(function* () {
    const target = `deployments of ${resourceId}`
    const found = new Map<string, Deployment>()
    const seen = new Set<string>()
    let link: string | undefined = `${endpoint}${resourceId}/deployments?api-version=${apiVersion}`
    while (link !== undefined) {
      if (!link.startsWith(`${endpoint}/`) || seen.has(link) || seen.add(link).size > pagesLimit) {
        return yield* badAnswer(`${target}, the link to the next page`)
      }
      const answer: Answer = yield* calls.send({ target, request: HttpClientRequest.get(link) }, answerLimitBytes)
      const page: typeof Page.Type = yield* Json.parse(textOf(answer.body)).pipe(
        Effect.flatMap(Schema.decodeUnknown(Page)),
        Effect.mapError(() => badAnswer(target))
      )
      for (const { name, properties, sku } of page.value) {
        const { name: model, version } = properties?.model ?? {}
        // Dates are versions of OpenAI's models; prices stand under both together.
        const dated = version !== undefined && /^\d{4}-\d{2}-\d{2}$/.test(version) ? `${model}-${version}` : model
        found.set(name.toLowerCase(), { model: model === undefined ? undefined : dated, sku: sku?.name ?? "" })
      }
      link = page.nextLink ?? undefined
    }
    return found
  })

  /** Where the account lies: a data zone is that of its place. */
  const location = Effect.gen(function* () {
    const target = `account ${resourceId}`
    const request = HttpClientRequest.get(`${endpoint}${resourceId}?api-version=${apiVersion}`)
    const answer = yield* calls.send({ target, request }, answerLimitBytes)
    return yield* Json.parse(textOf(answer.body)).pipe(
      Effect.flatMap(Schema.decodeUnknown(Schema.Struct({ location: Schema.NonEmptyString }))),
      Effect.mapBoth({ onFailure: () => badAnswer(target), onSuccess: (account) => account.location })
    )
  })

  const usage = Effect.fn("AzureOpenAi.usage")(function* (month: string) {
    const from = `${month}T00:00:00Z`
    const end = `${monthAfter(month)}T00:00:00Z`
    const to = end < midnight ? end : midnight
    if (to <= from) return { lines: [], unknownFields: [] } satisfies Month<UsageLine>
    const known = yield* deployments
    const region = yield* location
    const points = yield* monitor.points({
      resourceId,
      metrics: Object.keys(metrics),
      from,
      to,
      interval: "PT1H",
      aggregation: "Total",
      dimensions: [deploymentName]
    })
    const days = new Map<string, { input: Array<string>; output: Array<string>; requests: Array<string> }>()
    for (const { dimensions, metric, startTime, value } of points) {
      const count = wholeOf(value)
      if (count === undefined) return yield* badAnswer(`${metric} of ${resourceId}`)
      if (!isMetric(metric) || count === "0") continue
      const place = JSON.stringify([startTime.slice(0, 10), dimensions[deploymentName] ?? "unknown"])
      const one = days.get(place) ?? { input: [], output: [], requests: [] }
      days.set(place, one)
      one[metrics[metric]].push(count)
    }
    const doubts = new Map<string, string>()
    const lines = [...days]
      .sort(([a], [b]) => a.localeCompare(b))
      .flatMap(([place, counts]): ReadonlyArray<UsageLine> => {
        const [day = "", name = ""]: ReadonlyArray<string> = JSON.parse(place)
        const deployment = known.get(name.toLowerCase())
        if (/Provisioned/i.test(deployment?.sku ?? "")) return []
        if (deployment?.model === undefined) {
          doubts.set(name, `azure_openai deployment ${name}: it is not there any more, so its model is not known`)
        }
        return [
          {
            ...bareLine(day, deployment?.model ?? `deployment ${name}`),
            meter: "tokens",
            region: deployment === undefined ? null : placeOf(deployment.sku, region),
            is_batch: /Batch$/i.test(deployment?.sku ?? ""),
            x_genai_project_id: name,
            request_count: counts.requests.length === 0 ? null : addCounts(counts.requests),
            input_tokens: addCounts(counts.input),
            cached_input_tokens: "0",
            cache_write_tokens: "0",
            cache_write_1h_tokens: "0",
            output_tokens: addCounts(counts.output),
            details: deployment === undefined ? null : { sku: deployment.sku }
          }
        ]
      })
    return {
      lines,
      unknownFields: [],
      doubts: [...doubts.values()].map((text) => ({ check: "genai_unknown_deployment", text }))
    } satisfies Month<UsageLine>
  })

  const knownSince = new Date(now - retentionDays * dayMillis).toISOString().slice(0, 10)
  return { usage, knownSince } satisfies PaygSource
})

/** `GlobalStandard` computes anywhere, `DataZoneStandard` in the zone of the account, of which there are two, the others in its region. */
const placeOf = (sku: string, region: string) => {
  if (/^Global/i.test(sku)) return "global"
  return /^DataZone/i.test(sku) ? (/us/i.test(region) ? "us" : "eu") : region
}

const wholeOf = (text: string): string | undefined => {
  const number = Option.getOrUndefined(BigDecimal.fromString(text))
  const whole = number === undefined ? undefined : BigDecimal.scale(number, 0)
  return number !== undefined && whole !== undefined && BigDecimal.equals(number, whole) && whole.value >= 0n
    ? String(whole.value)
    : undefined
}
