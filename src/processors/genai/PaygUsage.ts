/**
 * `genai.payg_usage`: loads what models were used for, and what their provider billed, of every credential, month by month. A month is
 * replaced as a whole; one that has not changed is not written. Usage and bill are slices of their own: where one cannot be read, the other
 * is loaded and the step fails.
 */
import { createHash } from "node:crypto"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Credentials, type OpenCredential } from "../../credentials/Credentials.ts"
import { type Processor, StepError, type StepContext } from "../../pipelines/Processor.ts"
import { Day } from "../../platform/Identifiers.ts"
import * as Json from "../../platform/Json.ts"
import { Settings } from "../../platform/Settings.ts"
import { addCounts } from "../../sources/genai/Lines.ts"
import type { SourceError } from "../../sources/SourceError.ts"
import { type OrgWarehouse, type SliceReport, Warehouse, type WarehouseError } from "../../warehouse/Warehouse.ts"
import { failed, unusableCredential } from "../cloud/BillingExtractor.ts"
import { monthsOf } from "../focus/Periods.ts"
import * as StepFailure from "../StepFailure.ts"
import { monthSlice, withIds } from "./PaygRows.ts"
import { type PaygProvider, providerOf, providers } from "./Providers.ts"

const Config = Schema.Struct({
  provider: Schema.String.pipe(Schema.filter((name) => providerOf(name) !== undefined))
})
const isDay = Schema.is(Day)
const decode = Schema.decodeUnknownOption(Config)

const usageKey = [
  "usage_date",
  "model",
  "meter",
  "region",
  "is_batch",
  "service_tier",
  "context_window",
  "x_genai_project_id",
  "x_genai_api_key_id"
]
const billedKey = ["cost_date", "line_item", "currency", "token_type", "x_genai_project_id", "x_genai_api_key_id"]

interface Loaded {
  readonly month: string
  readonly table: string
  readonly skipped: boolean
  readonly rows: number
  readonly report: SliceReport | undefined
  readonly unknownFields: ReadonlyArray<string>
}

/**
 * Makes the processor. A run that reaches to yesterday also reads the current and the previous month again, since usage comes late.
 * Output: `affectedPeriods` are the months that were read; `details` has the months by credential and fields that no column knows.
 */
export const make: Effect.Effect<Processor, never, Warehouse | Credentials | Settings | HttpClient.HttpClient> =
  Effect.gen(function* () {
    const warehouse = yield* Warehouse
    const credentials = yield* Credentials
    const settings = yield* Settings
    const client = yield* HttpClient.HttpClient

    const execute = Effect.fn("PaygUsage.execute")(function* (context: StepContext) {
      const { name, provider } = yield* configOf(context.config)
      const opened = yield* credentials
        .open({
          org: context.org,
          providers: [provider.credential],
          ...(context.credentialId === undefined ? {} : { credentialId: context.credentialId })
        })
        .pipe(Effect.mapError((error) => unusable(error, provider)))
      const org = yield* Effect.mapError(warehouse.org(context.org), StepFailure.ofWarehouse)
      const months = yield* monthsToRead(context)
      const load = (credential: OpenCredential) =>
        loadCredential({ context, org, name, provider, settings, months }, credential).pipe(
          Effect.provideService(HttpClient.HttpClient, client),
          Effect.mapError(failureOf),
          Effect.mapBoth({
            onFailure: (error) => ({ credentialId: credential.credential.credentialId, error }),
            onSuccess: (loaded) => ({ credentialId: credential.credential.credentialId, loaded })
          })
        )
      const [failures, reports] = yield* Effect.partition(opened, load)
      const [first, ...others] = failures
      if (first !== undefined) return yield* failed(context, provider.label, [first, ...others], opened.length)
      const loads = reports.flatMap(({ loaded }) => loaded)
      const unknown = [...new Set(loads.flatMap(({ unknownFields }) => unknownFields))].sort()
      if (unknown.length > 0) {
        yield* Effect.logWarning(`${provider.label} of ${context.org} sends fields that are new: ${unknown.join(", ")}`)
      }
      return {
        rowsProcessed: loads.reduce((total, { rows }) => total + rows, 0),
        rowsWritten: loads.reduce((total, { report }) => total + (report?.rowsWritten ?? 0), 0),
        outputTable: "genai_payg_usage_raw",
        affectedPeriods: months,
        details: {
          credentials: reports.map(({ credentialId, loaded }) => ({
            credential_id: credentialId,
            months: loaded.map(({ month, rows, skipped, table }) => ({ month, table, rows, skipped }))
          })),
          quarantined: loads.reduce((total, { report }) => total + (report?.rowsQuarantined ?? 0), 0),
          quarantine: loads.flatMap(({ report }) => report?.quarantine ?? []).map((entry) => ({ ...entry })),
          unknown_fields: unknown
        }
      }
    })

    return {
      type: "genai.payg_usage",
      check: (config) =>
        Option.isSome(decode(config))
          ? undefined
          : `config.provider must be one of ${Object.keys(providers).join(", ")}`,
      admits: (config, request) =>
        Effect.flatMap(configOf(config), ({ provider }) =>
          Effect.mapError(credentials.check({ ...request, providers: [provider.credential] }), (error) =>
            unusable(error, provider)
          )
        ),
      execute
    }
  })

const failureOf = (error: StepError | SourceError | WarehouseError): StepError => {
  if (error._tag === "StepError") return error
  return error._tag === "SourceError" ? StepFailure.ofSource(error) : StepFailure.ofWarehouse(error)
}

interface LoadRequest {
  readonly context: StepContext
  readonly org: OrgWarehouse
  readonly name: string
  readonly provider: PaygProvider
  readonly settings: Settings["Type"]
  readonly months: ReadonlyArray<Day>
}

const loadCredential = Effect.fn("PaygUsage.loadCredential")(function* (
  request: LoadRequest,
  { credential, secret, superseded }: OpenCredential
) {
  const { context, months, name, org, provider, settings } = request
  const { credentialId, metadata } = credential
  const key = yield* keyOf(secret, provider)
  const source = yield* provider.open(key, settings)
  const common = {
    provider: name,
    x_genai_provider: name,
    x_genai_account_id: Json.textOrNull(metadata["organization_id"])
  }
  const prefix = [context.org, provider.pipelineId, credentialId]
  const replace = Effect.fnUntraced(function* (
    month: Day,
    { kind, table }: { readonly table: string; readonly kind: "usage" | "cost" },
    rows: ReadonlyArray<Json.JsonObject>,
    unknownFields: ReadonlyArray<string>
  ) {
    const slice = monthSlice(table, kind, { pipelineId: provider.pipelineId, credentialId }, month)
    const token = createHash("sha256").update(Json.canonical(rows)).digest("hex")
    const skipped = !context.forceRefresh && (yield* org.token(slice)) === token
    const report = skipped
      ? undefined
      : yield* org.replaceSlice({
          slice,
          source: { _tag: "Rows", rows: Stream.fromIterable(rows) },
          runId: context.runId,
          token
        })
    for (const former of superseded) {
      const old = monthSlice(table, kind, { pipelineId: provider.pipelineId, credentialId: former }, month)
      if ((yield* org.token(old)) === undefined) continue
      yield* org.replaceSlice({ slice: old, source: { _tag: "Rows", rows: Stream.empty }, runId: context.runId })
    }
    return { month, table, rows: rows.length, skipped, report, unknownFields } satisfies Loaded
  })
  const billed = (month: Day) =>
    Effect.flatMap(source.billed(month), ({ lines, unknownFields }) => {
      const rows = lines.map((line): Json.JsonObject => ({ ...line, ...common, cost_month: month }))
      return replace(
        month,
        { table: "genai_payg_billed_raw", kind: "cost" },
        withIds(rows, billedKey, prefix),
        unknownFields
      )
    })
  const usage = (month: Day) =>
    Effect.flatMap(source.usage(month), ({ lines, unknownFields }) => {
      const rows = lines.map((line): Json.JsonObject => ({
        ...line,
        ...common,
        usage_month: month,
        total_tokens: line.meter === "tokens" ? addCounts([line.input_tokens, line.output_tokens]) : null
      }))
      return replace(
        month,
        { table: "genai_payg_usage_raw", kind: "usage" },
        withIds(rows, usageKey, prefix),
        unknownFields
      )
    })
  const loaded: Array<Loaded> = []
  for (const month of months) {
    // The bill first: it is the money, and usage that cannot be read must not lose it. A key that is refused is refused for both.
    const bill = yield* Effect.either(billed(month))
    if (Either.isLeft(bill) && bill.left._tag === "SourceError" && bill.left.kind === "auth") return yield* bill.left
    const used = yield* Effect.either(usage(month))
    loaded.push(yield* bill, yield* used)
    yield* context.progress({ rows: loaded.reduce((total, { rows }) => total + rows, 0) })
  }
  return loaded
})

/** The months of the run's days; of a run that reaches to yesterday, the current and the previous one too. */
const monthsToRead = Effect.fnUntraced(function* (context: StepContext) {
  const now = new Date(yield* Clock.currentTimeMillis)
  const dayOf = (month: number, day: number) =>
    new Date(Date.UTC(now.getUTCFullYear(), month, day)).toISOString().slice(0, 10)
  const month = now.getUTCMonth()
  const isDaily = context.endDate >= dayOf(month, now.getUTCDate() - 1)
  const late = isDaily ? [dayOf(month - 1, 1), dayOf(month, 1)] : []
  return [...new Set([...monthsOf(context), ...late])].filter(isDay).sort()
})

const keyOf = (secret: Redacted.Redacted<Json.JsonObject>, provider: PaygProvider) => {
  const key = Redacted.value(secret)["api_key"]
  return typeof key === "string" && /^[\x21-\x7e]+$/.test(key)
    ? Effect.succeed(Redacted.make(key))
    : Effect.fail(
        new StepError({
          errorType: "PERMANENT",
          code: "CREDENTIAL_UNUSABLE",
          message: `the secret of the ${provider.label} credential has no api_key that can be sent`,
          suggestedAction: "store the key again, without spaces and line ends"
        })
      )
}

const configOf = (config: Json.JsonObject) =>
  Option.match(
    Option.flatMapNullable(decode(config), ({ provider }) => providerOf(provider)),
    {
      onNone: () =>
        Effect.fail(
          new StepError({
            errorType: "VALIDATION_ERROR",
            code: "STEP_CONFIG_INVALID",
            message: "the step's config is no config of genai.payg_usage",
            suggestedAction: "correct the pipeline's file"
          })
        ),
      onSome: Effect.succeed
    }
  )

const unusable = (error: { readonly _tag: string; readonly message: string }, provider: PaygProvider) =>
  unusableCredential(error, { label: provider.label, providers: [provider.credential] })
