/**
 * Amazon Bedrock's provisioned throughput by day: model units by the hours that they were in service, and the tokens that went through them.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import * as AwsSession from "../aws/AwsSession.ts"
import * as Bedrock from "../aws/Bedrock.ts"
import * as CloudWatch from "../aws/CloudWatch.ts"
import { credentialIncomplete, type SourceError } from "../SourceError.ts"
import {
  type CommitmentLine,
  type Commitments,
  dayAfter,
  type Days,
  decimalText,
  eachDay,
  hoursOn,
  monthsFrom,
  sumOf
} from "./Commitments.ts"

const regionsLimit = 50

/** What is not secret. The regions that are looked at; that of the credential when absent. The endpoints replace AWS's own. */
const Metadata = Schema.Struct({
  regions: Schema.optional(
    Schema.Array(Schema.String.pipe(Schema.pattern(/^[a-z0-9-]{4,32}$/))).pipe(
      Schema.minItems(1),
      Schema.maxItems(regionsLimit)
    )
  ),
  bedrock_endpoint: Schema.optional(Schema.String),
  cloudwatch_endpoint: Schema.optional(Schema.String)
})

const termMonths: Readonly<Record<string, number>> = { OneMonth: 1, SixMonths: 6 }
const tokenMetrics = ["InputTokenCount", "OutputTokenCount"]
const requestMetric = "Invocations"

/** What a credential's account has in service on the days. */
export const read = Effect.fn("BedrockThroughput.read")(function* (credential: OpenCredential, days: Days) {
  const fault = credentialIncomplete(credential.credential)
  const metadata = yield* Schema.decodeUnknown(Metadata)(credential.credential.metadata).pipe(
    Effect.mapError(() => fault("metadata.regions (a list of regions)"))
  )
  const { keys, region: own } = yield* AwsSession.open(credential)
  const lines: Array<CommitmentLine> = []
  for (const region of metadata.regions ?? [own]) {
    const provisioned = yield* Bedrock.list({
      region,
      keys,
      ...(metadata.bedrock_endpoint === undefined ? {} : { endpoint: metadata.bedrock_endpoint })
    })
    // What is being created, or has failed, serves nothing and is not billed.
    const serving = provisioned.filter(({ status }) => status === "InService" || status === "Updating")
    const queries = serving.flatMap(({ provisionedModelArn }) =>
      [...tokenMetrics, requestMetric].map((metric): CloudWatch.MetricQuery => ({
        namespace: "AWS/Bedrock",
        metric,
        dimensions: { ModelId: provisionedModelArn },
        statistic: "Sum"
      }))
    )
    const values =
      queries.length === 0
        ? []
        : yield* CloudWatch.daily(
            {
              region,
              keys,
              ...(metadata.cloudwatch_endpoint === undefined ? {} : { endpoint: metadata.cloudwatch_endpoint })
            },
            queries,
            { start: days.first, end: dayAfter(days.last) }
          )
    const countOf = (arn: string, day: string, metrics: ReadonlyArray<string>) => {
      const sum = sumOf(
        values
          .filter(
            (each) =>
              each.day === day && each.query.dimensions["ModelId"] === arn && metrics.includes(each.query.metric)
          )
          .map(({ value }) => value)
      )
      return sum === null ? null : decimalText(sum, 0)
    }
    for (const each of serving) {
      const months = termMonths[each.commitmentDuration ?? ""] ?? 0
      const end = each.commitmentExpirationTime?.slice(0, 10) ?? null
      for (const day of eachDay(days)) {
        const hours = hoursOn(day, Date.parse(each.creationTime), days.nowMillis)
        if (BigDecimal.isZero(hours)) continue
        const arn = each.provisionedModelArn
        lines.push({
          usage_date: day,
          commitment_id: arn,
          commitment_name: each.provisionedModelName,
          model: each.foundationModelArn.slice(each.foundationModelArn.lastIndexOf("/") + 1),
          region,
          hours_active: decimalText(hours),
          provisioned_units: each.modelUnits,
          average_used_units: null,
          tokens_processed: countOf(arn, day, tokenMetrics),
          request_count: countOf(arn, day, [requestMetric]),
          commitment_term_months: months,
          commitment_start: months === 0 || end === null ? null : monthsFrom(end, -months),
          commitment_end: months === 0 ? null : end,
          x_genai_account_id: arn.split(":")[4] ?? null,
          x_genai_project_id: null
        })
      }
    }
  }
  return { lines, findings: [] } satisfies Commitments
}) satisfies (
  credential: OpenCredential,
  days: Days
) => Effect.Effect<Commitments, SourceError, HttpClient.HttpClient | Scope.Scope>
