/**
 * Vertex AI's provisioned throughput by day. Google has no API for orders: the scale units (GSU) are those that the credential names, held
 * against the limit that Cloud Monitoring tells; how far they were used is measured.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import { accountOf } from "../gcp/GoogleClient.ts"
import * as Monitoring from "../gcp/Monitoring.ts"
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

const ordersLimit = 100
const Day = Schema.String.pipe(Schema.pattern(/^\d{4}-\d{2}-\d{2}$/))

/** What is not secret: the orders, each with its units; `start` is the first day, `end` the first one after. */
const Metadata = Schema.Struct({
  gsu_commitments: Schema.Array(
    Schema.Struct({
      id: Schema.optional(Schema.NonEmptyString),
      model: Schema.NonEmptyString,
      region: Schema.optionalWith(Schema.NonEmptyString, { default: () => "global" }),
      units: Schema.Int.pipe(Schema.between(1, 1_000_000)),
      term_months: Schema.optional(Schema.Int.pipe(Schema.between(1, 36))),
      start: Schema.optional(Day),
      end: Schema.optional(Day)
    })
  ).pipe(Schema.minItems(1), Schema.maxItems(ordersLimit)),
  monitoring_endpoint: Schema.optional(Schema.String)
})

const prefix = "aiplatform.googleapis.com/publisher/online_serving"
const ofModels = 'resource.type="aiplatform.googleapis.com/PublisherModel"'
const dedicated = `${ofModels} AND metric.labels.request_type="dedicated"`
const modelLabel = "resource.labels.model_user_id"
const placeLabel = "resource.labels.location"
const daySeconds = 86_400
const secondsOfHour = BigDecimal.fromBigInt(3600n)

/** What a credential's orders give on the days. */
export const read = Effect.fn("VertexGsu.read")(function* (credential: OpenCredential, days: Days) {
  const fault = credentialIncomplete(credential.credential)
  const metadata = yield* Schema.decodeUnknown(Metadata)(credential.credential.metadata).pipe(
    Effect.mapError(() => fault("metadata.gsu_commitments, a list of {model, region, units, term_months, start, end}"))
  )
  const account = yield* accountOf(credential)
  const monitoring = yield* Monitoring.make(account, metadata.monitoring_endpoint)
  // Of a day that is not over Monitoring has no whole period yet.
  const until = [dayAfter(days.last), new Date(days.nowMillis).toISOString().slice(0, 10)].sort()[0] ?? days.first
  const ask = (metric: string, aligner: "ALIGN_SUM" | "ALIGN_MEAN" | "ALIGN_MAX", filter: string) =>
    until <= days.first
      ? Effect.succeed([])
      : monitoring
          .points({
            project: account.projectId,
            metric: `${prefix}/${metric}`,
            filter,
            from: `${days.first}T00:00:00Z`,
            to: `${until}T00:00:00Z`,
            alignmentSeconds: daySeconds,
            aligner,
            reducer: "REDUCE_SUM",
            groupBy: [modelLabel, placeLabel]
          })
          .pipe(
            // A metric that has never had data is unknown to the project.
            Effect.catchIf(
              (error) => error.code === "GOOGLE_NOT_FOUND",
              () => Effect.succeed([])
            )
          )
  const consumed = yield* ask("consumed_token_throughput", "ALIGN_SUM", dedicated)
  const tokensPerSecond = yield* ask("dedicated_token_limit", "ALIGN_MEAN", ofModels)
  const limits = yield* ask("dedicated_gsu_limit", "ALIGN_MAX", ofModels)
  const requests = yield* ask("model_invocation_count", "ALIGN_SUM", dedicated)
  const valueOf = (points: ReadonlyArray<Monitoring.Point>, day: string, model: string, region: string) =>
    sumOf(
      points
        .filter(
          ({ labels, startTime }) =>
            startTime.startsWith(day) && labels[modelLabel] === model && (labels[placeLabel] ?? "global") === region
        )
        .map(({ value }) => value)
    )

  const lines: Array<CommitmentLine> = []
  const findings: Array<Commitments["findings"][number]> = []
  for (const day of eachDay(days)) {
    const hours = hoursOn(day, undefined, days.nowMillis)
    if (BigDecimal.isZero(hours)) continue
    const orders = metadata.gsu_commitments.filter(
      ({ end, start }) => (start === undefined || start <= day) && (end === undefined || day < end)
    )
    for (const [place, ofPlace] of Map.groupBy(orders, ({ model, region }) => `${model} in ${region}`)) {
      const [{ model, region } = { model: "", region: "" }] = ofPlace
      const configured = ofPlace.reduce((sum, { units }) => sum + units, 0)
      const limit = valueOf(limits, day, model, region)
      if (limit !== null && !BigDecimal.equals(limit, BigDecimal.fromBigInt(BigInt(configured)))) {
        findings.push({
          check: "genai_gsu_limit_differs",
          text: `${place} on ${day}: the credential names ${configured} GSU, Google's limit is ${decimalText(limit)}`
        })
      }
      const capacity = valueOf(tokensPerSecond, day, model, region)
      const used = valueOf(consumed, day, model, region)
      const share =
        used === null || capacity === null || BigDecimal.isZero(capacity)
          ? null
          : BigDecimal.unsafeDivide(used, BigDecimal.multiply(capacity, BigDecimal.multiply(hours, secondsOfHour)))
      const calls = valueOf(requests, day, model, region)
      ofPlace.forEach((order, index) => {
        const term = order.term_months ?? null
        lines.push({
          usage_date: day,
          commitment_id: order.id ?? [account.projectId, model, region, order.start ?? "always", index + 1].join("/"),
          commitment_name: null,
          model,
          region,
          hours_active: decimalText(hours),
          provisioned_units: String(order.units),
          average_used_units:
            share === null ? null : decimalText(BigDecimal.multiply(share, BigDecimal.fromBigInt(BigInt(order.units)))),
          // Several orders of one model serve it together: what is told of the model stands with the first.
          tokens_processed: used === null || index > 0 ? null : decimalText(used, 0),
          request_count: calls === null || index > 0 ? null : decimalText(calls, 0),
          commitment_term_months: term,
          commitment_start: order.start ?? null,
          commitment_end:
            order.end ?? (order.start === undefined || term === null ? null : monthsFrom(order.start, term)),
          x_genai_account_id: null,
          x_genai_project_id: account.projectId
        })
      })
    }
  }
  return { lines, findings } satisfies Commitments
}) satisfies (credential: OpenCredential, days: Days) => Effect.Effect<Commitments, SourceError, HttpClient.HttpClient>
