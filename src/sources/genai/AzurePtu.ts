/**
 * Azure OpenAI's provisioned throughput by day: the units (PTU) of each deployment by the hours that it was there, and how far they were
 * used.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { OpenCredential } from "../../credentials/Credentials.ts"
import * as AzureSession from "../azure/AzureSession.ts"
import * as Metrics from "../azure/Metrics.ts"
import * as OpenAiAccounts from "../azure/OpenAiAccounts.ts"
import * as OpenAiDeployments from "../azure/OpenAiDeployments.ts"
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

/** Days of one question to Azure Monitor. */
const questionDays = 31
const hundred = BigDecimal.fromBigInt(100n)

/**
 * What is not secret, beside the accounts. Azure's deployments do not say whether a reservation pays for them: `commitment_term_months` and
 * `commitment_start` say it.
 */
const Metadata = Schema.Struct({
  region: Schema.optional(Schema.NonEmptyString),
  commitment_term_months: Schema.optional(Schema.Int.pipe(Schema.between(0, 36))),
  commitment_start: Schema.optional(Schema.String.pipe(Schema.pattern(/^\d{4}-\d{2}-\d{2}$/)))
})

const provisionedSkus = new Set(["GlobalProvisionedManaged", "ProvisionedManaged", "DataZoneProvisionedManaged"])
const utilization = "AzureOpenAIProvisionedManagedUtilizationV2"
const tokenMetrics = ["ProcessedPromptTokens", "GeneratedTokens"]
const requestMetric = "AzureOpenAIRequests"
const byDeployment = ["ModelDeploymentName"]

/** What the accounts of a credential have deployed on the days. */
export const read = Effect.fn("AzurePtu.read")(function* (credential: OpenCredential, days: Days) {
  const fault = credentialIncomplete(credential.credential)
  const metadata = yield* Schema.decodeUnknown(Metadata)(credential.credential.metadata).pipe(
    Effect.mapError(() => fault("metadata: region, commitment_term_months and commitment_start as documented"))
  )
  const { client, managementEndpoint, subscriptionId } = yield* AzureSession.open(credential)
  const metrics = Metrics.make(client, managementEndpoint)
  const accounts = yield* OpenAiAccounts.accountsOf(credential, subscriptionId)
  if (accounts.length === 0) return yield* fault(OpenAiAccounts.neededForAccounts)
  const term = metadata.commitment_term_months ?? null
  const start = term === null || term === 0 ? null : (metadata.commitment_start ?? null)
  const lines: Array<CommitmentLine> = []
  for (const account of accounts) {
    const deployments = (yield* OpenAiDeployments.list(client, managementEndpoint, account)).filter(({ sku }) =>
      provisionedSkus.has(sku.name)
    )
    if (deployments.length === 0) continue
    const points: Array<Metrics.MetricPoint> = []
    for (let from = days.first; from <= days.last;) {
      const to = [dayAfter(days.last), addDays(from, questionDays)].sort()[0] ?? from
      const question = {
        resourceId: account,
        from: `${from}T00:00:00Z`,
        to: `${to}T00:00:00Z`,
        interval: "PT1H",
        dimensions: byDeployment
      }
      points.push(
        ...(yield* metrics.points({ ...question, metrics: [utilization], aggregation: "Average" })),
        ...(yield* metrics.points({ ...question, metrics: [...tokenMetrics, requestMetric], aggregation: "Total" }))
      )
      from = to
    }
    for (const deployment of deployments) {
      for (const day of eachDay(days)) {
        const created = deployment.systemData?.createdAt
        const hours = hoursOn(day, created === undefined ? undefined : Date.parse(created), days.nowMillis)
        if (BigDecimal.isZero(hours)) continue
        const sum = (names: ReadonlyArray<string>) =>
          sumOf(
            points
              .filter(
                (point) =>
                  point.startTime.startsWith(day) &&
                  point.dimensions["ModelDeploymentName"] === deployment.name &&
                  names.includes(point.metric)
              )
              .map(({ value }) => value)
          )
        const percents = sum([utilization])
        const [tokens, requests] = [sum(tokenMetrics), sum([requestMetric])]
        lines.push({
          usage_date: day,
          commitment_id: `${account}/deployments/${deployment.name}`,
          commitment_name: deployment.name,
          model: deployment.properties.model.name,
          region: deployment.sku.name === "GlobalProvisionedManaged" ? "global" : (metadata.region ?? "global"),
          hours_active: decimalText(hours),
          provisioned_units: deployment.sku.capacity,
          // Hours without a value had no load: the mean is over all hours that the deployment was there.
          average_used_units:
            percents === null
              ? null
              : decimalText(
                  BigDecimal.unsafeDivide(
                    BigDecimal.multiply(percents, BigDecimal.unsafeFromString(deployment.sku.capacity)),
                    BigDecimal.multiply(hundred, hours)
                  )
                ),
          tokens_processed: tokens === null ? null : decimalText(tokens, 0),
          request_count: requests === null ? null : decimalText(requests, 0),
          commitment_term_months: term,
          commitment_start: start,
          commitment_end: start === null || term === null ? null : monthsFrom(start, term),
          x_genai_account_id: subscriptionOf(account),
          x_genai_project_id: null
        })
      }
    }
  }
  return { lines, findings: [] } satisfies Commitments
}) satisfies (credential: OpenCredential, days: Days) => Effect.Effect<Commitments, SourceError, HttpClient.HttpClient>

const subscriptionOf = (account: string) => account.split("/")[2] ?? null

const addDays = (day: string, count: number) =>
  new Date(Date.parse(day) + count * 86_400_000).toISOString().slice(0, 10)
