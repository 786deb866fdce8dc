/**
 * `genai.commitment_usage`: loads what throughput each credential's account has provisioned, and how far it was used, for every day of the
 * run. Providers tell what is provisioned now: of days that are long past, what has ended since is not there any more.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as BigDecimal from "effect/BigDecimal"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Credentials, type OpenCredential } from "../../credentials/Credentials.ts"
import { type Processor, StepError, type StepContext } from "../../pipelines/Processor.ts"
import type { JsonObject } from "../../platform/Json.ts"
import { type CommitmentLine, decimalText } from "../../sources/genai/Commitments.ts"
import { type OrgWarehouse, type SliceReport, Warehouse } from "../../warehouse/Warehouse.ts"
import { failed, unusableCredential } from "../cloud/BillingExtractor.ts"
import { monthsOf } from "../focus/Periods.ts"
import * as StepFailure from "../StepFailure.ts"
import * as Allocation from "./Allocation.ts"
import { type CommitmentProvider, providerOf, providers } from "./Commitments.ts"
import { daysOf, filledDays, replaceDay, totalOf } from "./DaySlices.ts"
import { Findings } from "./Findings.ts"
import { identify } from "./PaygRows.ts"

const table = "genai_commitment_usage_raw"
const rowKey = ["usage_date", "commitment_id", "model", "region"]
/** Days that lie further back are loaded with what is provisioned now. */
const presentDays = 2
const dayMillis = 86_400_000

const Config = Schema.Struct({
  provider: Schema.String.pipe(Schema.filter((name) => providerOf(name) !== undefined))
})
const decode = Schema.decodeUnknownOption(Config)

/** Makes the processor. Output: `details` has the rows by credential and the findings, which are kept in org_meta_dq_results too. */
export const make: Effect.Effect<Processor, never, Warehouse | Credentials | HttpClient.HttpClient> = Effect.gen(
  function* () {
    const warehouse = yield* Warehouse
    const credentials = yield* Credentials
    const client = yield* HttpClient.HttpClient

    const execute = Effect.fn("CommitmentUsage.execute")(function* (context: StepContext) {
      const { name, provider } = yield* configOf(context.config)
      const unusable = (error: { readonly _tag: string; readonly message: string }) =>
        unusableCredential(error, { label: provider.label, providers: [provider.credential] })
      const opened = yield* Effect.mapError(
        credentials.open({
          org: context.org,
          providers: [provider.credential],
          ...(context.credentialId === undefined ? {} : { credentialId: context.credentialId })
        }),
        unusable
      )
      const org = yield* Effect.mapError(warehouse.org(context.org), StepFailure.ofWarehouse)
      const allocate = yield* Allocation.load(org, credentials, context.org).pipe(
        Effect.mapError((error) =>
          error._tag === "CredentialsUnavailable" ? StepFailure.ofCredentials(error) : StepFailure.ofWarehouse(error)
        )
      )
      const nowMillis = yield* Clock.currentTimeMillis
      const findings = new Findings()
      const load = (credential: OpenCredential) =>
        loadCredential({ context, org, name, provider, allocate, nowMillis, findings }, credential).pipe(
          Effect.provideService(HttpClient.HttpClient, client),
          Effect.scoped,
          Effect.mapError((error) =>
            error._tag === "SourceError" ? StepFailure.ofSource(error) : StepFailure.ofWarehouse(error)
          ),
          Effect.mapBoth({
            onFailure: (error) => ({ credentialId: credential.credential.credentialId, error }),
            onSuccess: (loaded) => ({ credentialId: credential.credential.credentialId, ...loaded })
          })
        )
      const [failures, loads] = yield* Effect.partition(opened, load)
      yield* Effect.mapError(findings.record(org, context, table), StepFailure.ofWarehouse)
      const [first, ...others] = failures
      if (first !== undefined) return yield* failed(context, provider.label, [first, ...others], opened.length)
      const { quarantine, quarantined, written } = totalOf(loads.flatMap(({ reports }) => reports))
      return {
        rowsProcessed: loads.reduce((total, { rows }) => total + rows, 0),
        rowsWritten: written,
        outputTable: table,
        affectedPeriods: monthsOf(context),
        details: {
          credentials: loads.map(({ credentialId, rows }) => ({ credential_id: credentialId, rows })),
          findings: findings.report(),
          quarantined,
          quarantine
        }
      }
    })

    return {
      type: "genai.commitment_usage",
      check: (config) =>
        Option.isSome(decode(config))
          ? undefined
          : `config.provider must be one of ${Object.keys(providers).join(", ")}`,
      admits: (config, request) =>
        Effect.flatMap(configOf(config), ({ provider }) =>
          Effect.mapError(credentials.check({ ...request, providers: [provider.credential] }), (error) =>
            unusableCredential(error, { label: provider.label, providers: [provider.credential] })
          )
        ),
      execute
    }
  }
)

interface LoadRequest {
  readonly context: StepContext
  readonly org: OrgWarehouse
  readonly name: string
  readonly provider: CommitmentProvider
  readonly allocate: Allocation.Allocate
  readonly nowMillis: number
  readonly findings: Findings
}

const loadCredential = Effect.fn("CommitmentUsage.loadCredential")(function* (
  { allocate, context, findings, name, nowMillis, org, provider }: LoadRequest,
  credential: OpenCredential
) {
  const { pipelineId } = provider
  const { credentialId } = credential.credential
  const read = yield* provider.read(credential, { first: context.startDate, last: context.endDate, nowMillis })
  for (const { check, text } of read.findings) findings.add(check, "WARNING", text)
  const present = new Date(nowMillis - presentDays * dayMillis).toISOString().slice(0, 10)
  const rows = read.lines.map((line) => {
    if (line.usage_date < present) {
      findings.add(
        "genai_commitment_present_state",
        "WARNING",
        `${provider.label} of credential ${credentialId}: days before ${present} have the units that are provisioned now`
      )
    }
    return rowOf(line, { name, credentialId, provider, allocate })
  })
  const identified = rows.map(identify(rowKey, [context.org, pipelineId, credentialId]))
  const reports: Array<SliceReport> = []
  for (const day of daysOf(context)) {
    const ofDay = identified.filter(({ usage_date }) => usage_date === day)
    reports.push(yield* replaceDay(org, context, { table, pipelineId, credentialId, date: day }, ofDay))
    yield* context.progress({ rows: totalOf(reports).written })
  }
  const former = new Set(credential.superseded)
  for (const { credentialId: owner, day } of yield* filledDays(org, context, [table], pipelineId)) {
    if (former.has(owner)) yield* replaceDay(org, context, { table, pipelineId, credentialId: owner, date: day }, [])
  }
  return { rows: identified.length, reports }
})

const rowOf = (
  line: CommitmentLine,
  {
    allocate,
    credentialId,
    name,
    provider
  }: Pick<LoadRequest, "name" | "provider" | "allocate"> & { readonly credentialId: string }
): JsonObject => {
  const used = line.average_used_units === null ? undefined : BigDecimal.unsafeFromString(line.average_used_units)
  const units = BigDecimal.unsafeFromString(line.provisioned_units)
  return {
    ...line,
    provider: name,
    commitment_type: provider.commitmentType,
    used_units: used === undefined ? null : decimalText(used, 0),
    utilization_pct:
      used === undefined || BigDecimal.isZero(units)
        ? null
        : decimalText(BigDecimal.unsafeDivide(BigDecimal.multiply(used, BigDecimal.fromBigInt(100n)), units), 4),
    ...allocate({ credentialId, day: line.usage_date, keys: [line.commitment_id, line.x_genai_project_id] })
  }
}

const configOf = (config: JsonObject) =>
  Option.match(
    Option.flatMapNullable(decode(config), ({ provider }) => providerOf(provider)),
    {
      onNone: () =>
        Effect.fail(
          new StepError({
            errorType: "VALIDATION_ERROR",
            code: "STEP_CONFIG_INVALID",
            message: "the step's config is no config of genai.commitment_usage",
            suggestedAction: "correct the pipeline's file"
          })
        ),
      onSome: Effect.succeed
    }
  )
