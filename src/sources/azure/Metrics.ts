/**
 * Azure Monitor's metrics of one resource, read with a service principal that has the role Monitoring Reader on it.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Json from "../../platform/Json.ts"
import { SourceError } from "../SourceError.ts"
import { type AzureClient, badAnswer, textOf } from "./AzureClient.ts"

const apiVersion = "2023-10-01"
const answerLimitBytes = 64 * 1024 ** 2
/** Series of one metric. Azure would send 10 without a word. */
const seriesLimit = 1000
const ownEndpoint = "https://management.azure.com"

/** One question. */
export interface MetricQuery {
  /** `/subscriptions/.../providers/Microsoft.CognitiveServices/accounts/NAME`. */
  readonly resourceId: string
  readonly metrics: ReadonlyArray<string>
  /** First instant and the first one after, ISO 8601 in UTC. */
  readonly from: string
  readonly to: string
  /** `PT1M`, `PT1H`, `P1D`. */
  readonly interval: string
  readonly aggregation: "Total" | "Average" | "Maximum"
  /** Dimensions that keep series apart: `ModelDeploymentName`. */
  readonly dimensions: ReadonlyArray<string>
}

/** One value of one interval. Intervals without one are left out. */
export interface MetricPoint {
  readonly metric: string
  /** By the names of the question's dimensions. */
  readonly dimensions: Readonly<Record<string, string>>
  readonly startTime: string
  /** The text that Azure sent, a decimal. */
  readonly value: string
}

const Decimal = Schema.optional(Schema.NullOr(Schema.String.pipe(Schema.pattern(/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/))))
const Answer = Schema.Struct({
  value: Schema.Array(
    Schema.Struct({
      name: Schema.Struct({ value: Schema.String }),
      errorCode: Schema.optional(Schema.String),
      timeseries: Schema.Array(
        Schema.Struct({
          metadatavalues: Schema.optionalWith(
            Schema.Array(Schema.Struct({ name: Schema.Struct({ value: Schema.String }), value: Schema.String })),
            { default: () => [] }
          ),
          data: Schema.Array(
            Schema.Struct({ timeStamp: Schema.NonEmptyString, total: Decimal, average: Decimal, maximum: Decimal })
          )
        })
      )
    })
  )
})

/** Opens the metrics that a service principal may read; `endpoint` replaces Azure's own. */
export const make = (client: AzureClient, endpoint = ownEndpoint) => {
  const calls = client.authorized("https://management.azure.com/.default")

  /** All points of a question. Azure keeps metrics for 93 days. */
  const points = Effect.fn("Metrics.points")(function* (query: MetricQuery) {
    const target = `metrics of ${query.resourceId}`
    const answer = yield* calls.send(
      {
        target,
        request: HttpClientRequest.get(`${endpoint}${query.resourceId}/providers/Microsoft.Insights/metrics`).pipe(
          HttpClientRequest.setUrlParams([
            ["api-version", apiVersion],
            ["metricnames", query.metrics.join(",")],
            ["timespan", `${query.from}/${query.to}`],
            ["interval", query.interval],
            ["aggregation", query.aggregation],
            ...(query.dimensions.length === 0
              ? []
              : [
                  ["$filter", query.dimensions.map((name) => `${name} eq '*'`).join(" and ")] as const,
                  ["top", String(seriesLimit)] as const
                ])
          ])
        )
      },
      answerLimitBytes
    )
    const { value } = yield* Json.parseLossless(textOf(answer.body)).pipe(
      Effect.flatMap(Schema.decodeUnknown(Answer)),
      Effect.mapError(() => badAnswer(target))
    )
    const failed = value.find(({ errorCode }) => errorCode !== undefined && errorCode !== "Success")
    if (failed !== undefined) return yield* badAnswer(`${target}, ${failed.name.value}`)
    if (value.some(({ timeseries }) => timeseries.length >= seriesLimit)) {
      return yield* new SourceError({
        kind: "permanent",
        code: "AZURE_TOO_MANY_SERIES",
        message: `${target}: one metric has ${seriesLimit} series or more, and Azure may have left some out`,
        suggestedAction: "spread the deployments over several resources"
      })
    }
    return value.flatMap(({ name, timeseries }) =>
      timeseries.flatMap(({ data, metadatavalues }) => {
        // Azure answers names of dimensions in lower case.
        const told = new Map(metadatavalues.map((each) => [each.name.value.toLowerCase(), each.value]))
        const dimensions = Object.fromEntries(
          query.dimensions.flatMap((dimension) => {
            const found = told.get(dimension.toLowerCase())
            return found === undefined ? [] : [[dimension, found]]
          })
        )
        return data.flatMap((each): ReadonlyArray<MetricPoint> => {
          const text = { Total: each.total, Average: each.average, Maximum: each.maximum }[query.aggregation]
          return text === undefined || text === null
            ? []
            : [{ metric: name.value, dimensions, startTime: each.timeStamp, value: text }]
        })
      })
    )
  })

  return { points }
}

/** Metrics as one service principal sees them. */
export type Metrics = ReturnType<typeof make>
