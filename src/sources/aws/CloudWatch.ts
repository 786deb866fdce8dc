/**
 * Amazon CloudWatch's GetMetricData in one region: sums and means of metrics by day.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SourceError } from "../SourceError.ts"
import * as AwsCalls from "./AwsCalls.ts"
import type { AwsKeys } from "./AwsClient.ts"

/** Metrics of one call, and the pages of its answer. */
const queriesLimit = 500
const pagesLimit = 1000
const pageLimitBytes = 16 * 1024 ** 2
const daySeconds = 86_400

/** One metric of one thing. */
export interface MetricQuery {
  readonly namespace: string
  readonly metric: string
  readonly dimensions: Readonly<Record<string, string>>
  readonly statistic: "Sum" | "Average" | "Maximum"
}

/** A day's value, as the text that was sent. */
export interface MetricValue {
  readonly query: MetricQuery
  /** `2026-11-01`. */
  readonly day: string
  readonly value: string
}

const list = <A, I>(item: Schema.Schema<A, I>) =>
  Schema.optionalWith(
    Schema.Union(Schema.Struct({ member: Schema.Array(item) }), Schema.Literal("")).pipe(
      Schema.transform(Schema.Array(Schema.typeSchema(item)), {
        strict: true,
        decode: (members) => (members === "" ? [] : members.member),
        encode: (members) => ({ member: members })
      })
    ),
    { default: () => [] }
  )
const Answer = Schema.Struct({
  GetMetricDataResponse: Schema.Struct({
    GetMetricDataResult: Schema.Struct({
      NextToken: Schema.optional(Schema.NonEmptyString),
      MetricDataResults: list(
        Schema.Struct({
          Id: Schema.String,
          StatusCode: Schema.String,
          Timestamps: list(Schema.String.pipe(Schema.pattern(/^\d{4}-\d{2}-\d{2}T/))),
          Values: list(Schema.String.pipe(Schema.pattern(/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/)))
        })
      )
    })
  })
})

/** The values of all queries on the days from `start` (inclusive) to `end` (exclusive); days without data are absent. */
export const daily = Effect.fn("CloudWatch.daily")(function* (
  place: { readonly region: string; readonly keys: AwsKeys; readonly endpoint?: string },
  queries: ReadonlyArray<MetricQuery>,
  days: { readonly start: string; readonly end: string }
) {
  const calls = yield* AwsCalls.make({ ...place, name: "monitoring", permission: "cloudwatch:GetMetricData" })
  const target = `CloudWatch's metrics in ${place.region}`
  const values: Array<MetricValue> = []
  for (const group of Arr.chunksOf(queries, queriesLimit)) {
    const seen = new Set<string>()
    let token: string | undefined
    do {
      const answer = yield* calls.send(
        {
          target,
          request: HttpClientRequest.post(`${calls.url}/`).pipe(
            HttpClientRequest.bodyUrlParams(formOf(group, days, token))
          )
        },
        pageLimitBytes
      )
      const { GetMetricDataResponse: response } = yield* parsed(Answer, target, answer.body)
      const { MetricDataResults: results, NextToken } = response.GetMetricDataResult
      for (const { Id, StatusCode, Timestamps, Values } of results) {
        const query = group[Number(Id.slice(1))]
        if (query === undefined || Timestamps.length !== Values.length) {
          return yield* unreadable(target, "the answer is not what the contract says")
        }
        if (StatusCode !== "Complete" && StatusCode !== "PartialData") {
          return yield* unreadable(target, `${query.metric} ended as ${StatusCode.slice(0, 32)}`)
        }
        Timestamps.forEach((time, index) => values.push({ query, day: time.slice(0, 10), value: Values[index] ?? "0" }))
      }
      token = NextToken
      if (token !== undefined && seen.has(token)) return yield* unreadable(target, "a page's token came twice")
      if (token !== undefined && seen.add(token).size >= pagesLimit) {
        return yield* unreadable(target, `there are more than ${pagesLimit} pages`)
      }
    } while (token !== undefined)
  }
  return values
})

const ListAnswer = Schema.Struct({
  ListMetricsResponse: Schema.Struct({
    ListMetricsResult: Schema.Struct({
      NextToken: Schema.optional(Schema.NonEmptyString),
      Metrics: list(Schema.Struct({ Dimensions: list(Schema.Struct({ Name: Schema.String, Value: Schema.String })) }))
    })
  })
})

/** The values of a dimension that a metric has had data of in the last two weeks, by ListMetrics, ascending. */
export const dimensionValues = Effect.fn("CloudWatch.dimensionValues")(function* (
  place: { readonly region: string; readonly keys: AwsKeys; readonly endpoint?: string },
  of: { readonly namespace: string; readonly metric: string; readonly dimension: string }
) {
  const calls = yield* AwsCalls.make({ ...place, name: "monitoring", permission: "cloudwatch:ListMetrics" })
  const target = `CloudWatch's list of metrics in ${place.region}`
  const found = new Set<string>()
  const seen = new Set<string>()
  let token: string | undefined
  do {
    const form: Readonly<Record<string, string>> = {
      Action: "ListMetrics",
      Version: "2010-08-01",
      Namespace: of.namespace,
      MetricName: of.metric,
      ...(token === undefined ? {} : { NextToken: token })
    }
    const request = HttpClientRequest.post(`${calls.url}/`).pipe(HttpClientRequest.bodyUrlParams(form))
    const answer = yield* calls.send({ target, request }, pageLimitBytes)
    const { ListMetricsResponse: response } = yield* parsed(ListAnswer, target, answer.body)
    for (const { Dimensions } of response.ListMetricsResult.Metrics)
      for (const { Name, Value } of Dimensions) if (Name === of.dimension) found.add(Value)
    token = response.ListMetricsResult.NextToken
    if (token !== undefined && (seen.has(token) || seen.add(token).size >= pagesLimit)) {
      return yield* unreadable(target, "the pages do not end")
    }
  } while (token !== undefined)
  return [...found].sort()
})

const unreadable = (target: string, reason: string) =>
  new SourceError({
    kind: "permanent",
    code: "AWS_ANSWER_UNREADABLE",
    message: `${target}: ${reason}`,
    suggestedAction: "check the endpoint of the credential; if it is right, report that AWS's answers have changed"
  })

const parsed = <A, I>(schema: Schema.Schema<A, I>, target: string, body: Uint8Array) =>
  Effect.gen(function* () {
    const { XMLParser } = yield* Effect.promise(() => import("fast-xml-parser"))
    const parser = new XMLParser({ ignoreAttributes: true, parseTagValue: false, isArray: (name) => name === "member" })
    return yield* Effect.try((): unknown => parser.parse(new TextDecoder().decode(body))).pipe(
      Effect.flatMap(Schema.decodeUnknown(schema)),
      Effect.mapError(() => unreadable(target, "the answer is not what the contract says"))
    )
  })

const formOf = (
  queries: ReadonlyArray<MetricQuery>,
  days: { readonly start: string; readonly end: string },
  token: string | undefined
): Readonly<Record<string, string>> => {
  const form: Record<string, string> = {
    Action: "GetMetricData",
    Version: "2010-08-01",
    StartTime: `${days.start}T00:00:00Z`,
    EndTime: `${days.end}T00:00:00Z`,
    ScanBy: "TimestampAscending",
    ...(token === undefined ? {} : { NextToken: token })
  }
  queries.forEach((query, index) => {
    const at = `MetricDataQueries.member.${index + 1}`
    form[`${at}.Id`] = `m${index}`
    form[`${at}.ReturnData`] = "true"
    form[`${at}.MetricStat.Period`] = String(daySeconds)
    form[`${at}.MetricStat.Stat`] = query.statistic
    form[`${at}.MetricStat.Metric.Namespace`] = query.namespace
    form[`${at}.MetricStat.Metric.MetricName`] = query.metric
    Object.entries(query.dimensions).forEach(([name, value], position) => {
      const dimension = `${at}.MetricStat.Metric.Dimensions.member.${position + 1}`
      form[`${dimension}.Name`] = name
      form[`${dimension}.Value`] = value
    })
  })
  return form
}
