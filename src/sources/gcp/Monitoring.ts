/**
 * Time series of Google Cloud Monitoring, aligned and reduced by Google, read with a service account that has the role Monitoring Viewer.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Json from "../../platform/Json.ts"
import { checkEndpoint } from "../Endpoint.ts"
import { SourceError } from "../SourceError.ts"
import { make as makeClient, type ServiceAccount } from "./GoogleClient.ts"

const ownEndpoint = "https://monitoring.googleapis.com"
const pagesLimit = 10_000
const pageLimitBytes = 64 * 1024 ** 2

/** One question. Several series with equal labels become one. */
export interface SeriesQuery {
  readonly project: string
  /** `generativelanguage.googleapis.com/generate_content_usage_output_token_count`. */
  readonly metric: string
  /** Further conditions in Monitoring's filter language, such as `resource.type="aiplatform.googleapis.com/PublisherModel"`. */
  readonly filter?: string
  /** First and last instant, ISO 8601 in UTC; the length is a multiple of the alignment, so that each point is of one period. */
  readonly from: string
  readonly to: string
  readonly alignmentSeconds: number
  /** How the values of a period become one: ALIGN_SUM of a DELTA, ALIGN_MEAN or ALIGN_MAX of a GAUGE. */
  readonly aligner: "ALIGN_SUM" | "ALIGN_DELTA" | "ALIGN_MEAN" | "ALIGN_MAX" | "ALIGN_NEXT_OLDER"
  /** How several series become one. */
  readonly reducer: "REDUCE_SUM" | "REDUCE_MEAN" | "REDUCE_MAX"
  /** Labels that keep series apart: `metric.labels.model`, `resource.labels.location`. */
  readonly groupBy: ReadonlyArray<string>
}

/** One value of one period. */
export interface Point {
  /** By the names of the question's `groupBy`; a label that a series does not have is absent. */
  readonly labels: Readonly<Record<string, string>>
  readonly startTime: string
  readonly endTime: string
  /** The text that Google sent: a whole number of an INT64, a decimal of a DOUBLE. */
  readonly value: string
}

const Labels = Schema.optional(Schema.Record({ key: Schema.String, value: Schema.String }))
const Decimal = Schema.String.pipe(Schema.pattern(/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/))
const Page = Schema.Struct({
  timeSeries: Schema.optionalWith(
    Schema.Array(
      Schema.Struct({
        metric: Schema.optional(Schema.Struct({ labels: Labels })),
        resource: Schema.optional(Schema.Struct({ labels: Labels })),
        points: Schema.optionalWith(
          Schema.Array(
            Schema.Struct({
              interval: Schema.Struct({ startTime: Schema.NonEmptyString, endTime: Schema.NonEmptyString }),
              value: Schema.Union(
                Schema.Struct({ int64Value: Schema.String.pipe(Schema.pattern(/^-?\d{1,19}$/)) }),
                Schema.Struct({ doubleValue: Decimal })
              )
            })
          ),
          { default: () => [] }
        )
      })
    ),
    { default: () => [] }
  ),
  nextPageToken: Schema.optional(Schema.String),
  executionErrors: Schema.optional(Schema.Array(Schema.Unknown))
})

/** Opens Monitoring; `endpoint` replaces Google's own. Nothing is asked of Google yet. */
export const make = Effect.fnUntraced(function* (account: ServiceAccount, endpoint?: string) {
  yield* checkEndpoint(endpoint)
  const base = (endpoint ?? ownEndpoint).replace(/\/+$/, "")
  const client = yield* makeClient(account, {
    scope: "https://www.googleapis.com/auth/monitoring.read",
    role: "Monitoring Viewer on the project"
  })

  /**
   * All points of a question; none when there is no data. A metric that the project does not know fails with code `GOOGLE_NOT_FOUND`: it
   * has never had data there.
   */
  const points = Effect.fn("Monitoring.points")(function* (query: SeriesQuery) {
    const target = `${query.metric} of project ${query.project}`
    const unreadable = (reason: string) =>
      new SourceError({
        kind: "permanent",
        code: "GOOGLE_ANSWER_UNREADABLE",
        message: `${target}: ${reason}`,
        suggestedAction: "check the endpoint of the credential; if it is right, report that the answers have changed"
      })
    const found: Array<Point> = []
    const seen = new Set<string>()
    let pageToken: string | undefined
    do {
      const answer = yield* client.send(
        {
          target,
          request: HttpClientRequest.get(`${base}/v3/projects/${encodeURIComponent(query.project)}/timeSeries`).pipe(
            HttpClientRequest.setUrlParams([
              [
                "filter",
                [`metric.type="${query.metric}"`, ...(query.filter === undefined ? [] : [query.filter])].join(" AND ")
              ],
              ["interval.startTime", query.from],
              ["interval.endTime", query.to],
              ["aggregation.alignmentPeriod", `${query.alignmentSeconds}s`],
              ["aggregation.perSeriesAligner", query.aligner],
              ["aggregation.crossSeriesReducer", query.reducer],
              ...query.groupBy.map((label): readonly [string, string] => ["aggregation.groupByFields", label]),
              ...(pageToken === undefined ? [] : [["pageToken", pageToken] as const])
            ])
          )
        },
        pageLimitBytes
      )
      const page = yield* Json.parseLossless(new TextDecoder().decode(answer.body)).pipe(
        Effect.flatMap(Schema.decodeUnknown(Page)),
        Effect.mapError(() => unreadable("the answer is not what the contract says"))
      )
      if ((page.executionErrors ?? []).length > 0) return yield* unreadable("the answer is partial")
      for (const { metric, points: values, resource } of page.timeSeries) {
        const all: Readonly<Record<string, string>> = {
          ...prefixed("metric.labels", metric?.labels),
          ...prefixed("resource.labels", resource?.labels)
        }
        const labels = Object.fromEntries(
          query.groupBy.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]]))
        )
        for (const { interval, value } of values)
          found.push({ labels, ...interval, value: "int64Value" in value ? value.int64Value : value.doubleValue })
      }
      pageToken = page.nextPageToken === "" ? undefined : page.nextPageToken
      if (pageToken !== undefined && seen.has(pageToken)) return yield* unreadable("a page's token came twice")
      if (pageToken !== undefined && seen.add(pageToken).size >= pagesLimit)
        return yield* unreadable(`there are more than ${pagesLimit} pages`)
    } while (pageToken !== undefined)
    return found
  })

  return { points }
})

/** Monitoring as one service account sees it. */
export type Monitoring = Effect.Effect.Success<ReturnType<typeof make>>

const prefixed = (prefix: string, labels: Readonly<Record<string, string>> | undefined) =>
  Object.fromEntries(Object.entries(labels ?? {}).map(([name, value]) => [`${prefix}.${name}`, value]))
