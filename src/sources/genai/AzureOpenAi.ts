/**
 * Tokens of Azure OpenAI's deployments by Azure Monitor. There is no bill among them: that is in Azure's cost export. Deployments with
 * provisioned throughput are a commitment and left out.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type AzureClient, badAnswer } from "../azure/AzureClient.ts"
import * as Metrics from "../azure/Metrics.ts"
import * as OpenAiDeployments from "../azure/OpenAiDeployments.ts"
import { addCounts, bareLine, type Month, type PaygSource, type UsageLine } from "./Lines.ts"
import { monthAfter } from "./Pages.ts"

/** Azure Monitor keeps metrics for 93 days. */
const retentionDays = 93
const dayMillis = 86_400_000
const deploymentName = "ModelDeploymentName"

const metrics = { ProcessedPromptTokens: "input", GeneratedTokens: "output", AzureOpenAIRequests: "requests" } as const
const isMetric = (name: string): name is keyof typeof metrics => name in metrics

/** Usage of accounts, by their resource ids. Days that are not over are not read. */
export const make = Effect.fnUntraced(function* (
  client: AzureClient,
  accounts: ReadonlyArray<string>,
  endpoint: string
) {
  const monitor = Metrics.make(client, endpoint)
  const now = yield* Clock.currentTimeMillis
  const midnight = `${new Date(now).toISOString().slice(0, 10)}T00:00:00Z`

  const usageOf = Effect.fn("AzureOpenAi.usageOf")(function* (resourceId: string, from: string, to: string) {
    const known = new Map(
      (yield* OpenAiDeployments.list(client, endpoint, resourceId)).map((each) => [each.name.toLowerCase(), each])
    )
    const region = yield* OpenAiDeployments.locationOf(client, endpoint, resourceId)
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
        if (/Provisioned/i.test(deployment?.sku.name ?? "")) return []
        if (deployment === undefined) {
          doubts.set(name, `azure_openai deployment ${name}: it is not there any more, so its model is not known`)
        }
        return [
          {
            ...bareLine(day, deployment === undefined ? `deployment ${name}` : modelOf(deployment)),
            meter: "tokens",
            region: deployment === undefined ? null : placeOf(deployment.sku.name, region),
            is_batch: /Batch$/i.test(deployment?.sku.name ?? ""),
            x_genai_project_id: name,
            request_count: counts.requests.length === 0 ? null : addCounts(counts.requests),
            input_tokens: addCounts(counts.input),
            cached_input_tokens: "0",
            cache_write_tokens: "0",
            cache_write_1h_tokens: "0",
            output_tokens: addCounts(counts.output),
            details: {
              account: resourceId.split("/").at(-1) ?? null,
              ...(deployment === undefined ? {} : { sku: deployment.sku.name })
            }
          }
        ]
      })
    return { lines, doubts: [...doubts.values()].map((text) => ({ check: "genai_unknown_deployment", text })) }
  })

  const usage = Effect.fn("AzureOpenAi.usage")(function* (month: string) {
    const end = `${monthAfter(month)}T00:00:00Z`
    const to = end < midnight ? end : midnight
    const from = `${month}T00:00:00Z`
    const months = to <= from ? [] : yield* Effect.forEach(accounts, (account) => usageOf(account, from, to))
    return {
      lines: months.flatMap(({ lines }) => lines),
      unknownFields: [],
      doubts: months.flatMap(({ doubts }) => doubts)
    } satisfies Month<UsageLine>
  })

  const knownSince = new Date(now - retentionDays * dayMillis).toISOString().slice(0, 10)
  return { usage, knownSince } satisfies PaygSource
})

/** Dates are versions of OpenAI's models; prices stand under both together. */
const modelOf = ({ properties: { model } }: OpenAiDeployments.Deployment) =>
  /^\d{4}-\d{2}-\d{2}$/.test(model.version ?? "") ? `${model.name}-${model.version}` : model.name

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
