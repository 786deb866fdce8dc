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
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Credentials, type OpenCredential } from "../../credentials/Credentials.ts"
import { type Processor, StepError, type StepContext } from "../../pipelines/Processor.ts"
import { Day } from "../../platform/Identifiers.ts"
import * as Json from "../../platform/Json.ts"
import { Settings } from "../../platform/Settings.ts"
import { addCounts, type Doubt } from "../../sources/genai/Lines.ts"
import type { SourceError } from "../../sources/SourceError.ts"
import { monthAfter } from "../../sources/genai/Pages.ts"
import {
  type OrgWarehouse,
  type Slice,
  type SliceReport,
  Warehouse,
  type WarehouseError
} from "../../warehouse/Warehouse.ts"
import { failed, unusableCredential } from "../cloud/BillingExtractor.ts"
import { monthsOf } from "../focus/Periods.ts"
import * as StepFailure from "../StepFailure.ts"
import * as Allocation from "./Allocation.ts"
import { Findings } from "./Findings.ts"
import { identify, monthSlice, rowsOf } from "./PaygRows.ts"
import { type PaygProvider, providerOf, providers } from "./Providers.ts"

const Config = Schema.Struct({
  provider: Schema.String.pipe(Schema.filter((name) => providerOf(name) !== undefined)),
  /** Anthropic: also the report on Claude Code, a call for each day. */
  claude_code: Schema.optionalWith(Schema.Boolean, { default: () => false })
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
  "token_kind",
  "x_genai_account_id",
  "x_genai_project_id",
  "x_genai_api_key_id"
]
const billedKey = [
  "cost_date",
  "line_item",
  "currency",
  "token_type",
  "x_genai_account_id",
  "x_genai_project_id",
  "x_genai_api_key_id"
]

/** What happened to one month, or day, of one table. `kept`: it was not read, and stays as it is. */
interface Loaded {
  readonly month: string
  readonly table: string
  readonly outcome: "written" | "unchanged" | "kept"
  readonly rows: number
  readonly report?: SliceReport
  readonly unknownFields?: ReadonlyArray<string>
  readonly doubts?: ReadonlyArray<Doubt>
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
      const { name, provider, withActivity } = yield* configOf(context.config)
      const opened = yield* credentials
        .open({
          org: context.org,
          providers: provider.credentials,
          ...(context.credentialId === undefined ? {} : { credentialId: context.credentialId })
        })
        .pipe(Effect.mapError((error) => unusable(error, provider)))
      const org = yield* Effect.mapError(warehouse.org(context.org), StepFailure.ofWarehouse)
      const months = yield* monthsToRead(context)
      const allocate = yield* Allocation.load(org, credentials, context.org).pipe(
        Effect.mapError((error) =>
          error._tag === "CredentialsUnavailable" ? StepFailure.ofCredentials(error) : StepFailure.ofWarehouse(error)
        )
      )
      const load = (credential: OpenCredential) =>
        loadCredential({ context, org, name, provider, settings, months, withActivity, allocate }, credential).pipe(
          Effect.scoped,
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
      const unknown = [...new Set(loads.flatMap(({ unknownFields = [] }) => unknownFields))].sort()
      const findings = new Findings()
      for (const field of unknown)
        findings.add("genai_unknown_field", "WARNING", `${name} sends ${field}, which is new`)
      for (const { check, text } of loads.flatMap(({ doubts = [] }) => doubts)) findings.add(check, "WARNING", text)
      yield* Effect.mapError(findings.record(org, context), StepFailure.ofWarehouse)
      return {
        rowsProcessed: loads.reduce((total, { rows }) => total + rows, 0),
        rowsWritten: loads.reduce((total, { report }) => total + (report?.rowsWritten ?? 0), 0),
        outputTable: "genai_payg_usage_raw",
        affectedPeriods: [...new Set([...months, ...loads.flatMap(({ month }) => monthOf(month))])].sort(),
        details: {
          credentials: reports.map(({ credentialId, loaded }) => ({
            credential_id: credentialId,
            months: loaded.map(({ month, outcome, rows, table }) => ({ month, table, rows, outcome }))
          })),
          findings: findings.report(),
          balances: yield* Effect.mapError(balancesOf(org, provider.pipelineId), StepFailure.ofWarehouse),
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
          Effect.mapError(credentials.check({ ...request, providers: provider.credentials }), (error) =>
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
  readonly withActivity: boolean
  readonly allocate: Allocation.Allocate
}

const loadCredential = Effect.fn("PaygUsage.loadCredential")(function* (request: LoadRequest, opened: OpenCredential) {
  const { allocate, context, name, org, provider, settings } = request
  const { credentialId, metadata } = opened.credential
  const source = yield* provider.open(opened, settings)
  const organization = Json.textOrNull(metadata["organization_id"])
  const common = { provider: name, x_genai_provider: name, x_genai_account_id: organization }
  const owner = { pipelineId: provider.pipelineId, credentialId }
  const prefix = [context.org, provider.pipelineId, credentialId]
  /** Makes rows of lines, each with its id and who bears it on its day. */
  const rowMaker = (dayColumn: "usage_date" | "cost_date", key: ReadonlyArray<string>) => {
    const identified = identify(key, prefix)
    return (line: Json.JsonObject): Json.JsonObject => {
      const row = identified({ ...common, ...line })
      const day = Json.textOrNull(row[dayColumn]) ?? ""
      return {
        ...row,
        ...allocate({ credentialId, day, keys: [row["x_genai_api_key_id"], row["x_genai_project_id"]] })
      }
    }
  }
  const replace = Effect.fnUntraced(function* (slice: Slice, month: Day, rows: Iterable<Json.JsonObject>) {
    const { count, token } = contentOf(rows)
    const known = yield* org.token(slice)
    // A day of which nothing was ever written needs no write to be empty.
    const isEmpty = known === undefined && count === 0 && slice.extent.kind === "day"
    const isUnchanged = isEmpty || (!context.forceRefresh && known === token)
    const report = isUnchanged
      ? undefined
      : yield* org.replaceSlice({
          slice,
          source: { _tag: "Rows", rows: Stream.fromIterable(rows) },
          runId: context.runId,
          token
        })
    for (const former of opened.superseded) {
      const old = { ...slice, credentialId: former }
      if ((yield* org.token(old)) === undefined) continue
      yield* org.replaceSlice({ slice: old, source: { _tag: "Rows", rows: Stream.empty }, runId: context.runId })
    }
    const loaded: Loaded = {
      month,
      table: slice.table,
      rows: count,
      outcome: isUnchanged ? "unchanged" : "written",
      ...(report === undefined ? {} : { report })
    }
    return loaded
  })
  const billed = Effect.fnUntraced(function* (month: Day) {
    if (source.billed === undefined) return []
    const { doubts = [], lines, unknownFields } = yield* source.billed(month)
    const rows = rowsOf(lines, () => {
      const rowOf = rowMaker("cost_date", billedKey)
      return (line) => rowOf({ ...line, cost_month: month })
    })
    const slice = monthSlice("genai_payg_billed_raw", "cost", owner, month)
    return [{ ...(yield* replace(slice, month, rows)), unknownFields, doubts }]
  })
  const usage = Effect.fnUntraced(function* (month: Day) {
    const slice = monthSlice("genai_payg_usage_raw", "usage", owner, month)
    // What a provider has forgotten since is not what was not used.
    if (source.knownSince !== undefined && month < source.knownSince) {
      const isForgotten = monthAfter(month) <= source.knownSince
      if (isForgotten || (yield* org.token(slice)) !== undefined) {
        const text = `${name}: the usage of ${month.slice(0, 7)} is known no longer, so it is not in the data`
        const isMissing = isForgotten && (yield* org.token(slice)) === undefined
        const doubts = isMissing ? [{ check: "genai_usage_forgotten", text }] : []
        return [{ month, table: slice.table, rows: 0, outcome: "kept", doubts } satisfies Loaded]
      }
    }
    const { doubts = [], lines, unknownFields } = yield* source.usage(month)
    const rows = rowsOf(lines, () => {
      const rowOf = rowMaker("usage_date", usageKey)
      return (line) =>
        rowOf({
          ...line,
          usage_month: month,
          total_tokens: line.meter === "tokens" ? addCounts([line.input_tokens, line.output_tokens]) : null
        })
    })
    return [{ ...(yield* replace(slice, month, rows)), unknownFields, doubts }]
  })
  const daily = Effect.fnUntraced(function* (
    table: string,
    date: Day,
    found: Effect.Effect<ReadonlyArray<Json.JsonObject>, SourceError>,
    key: ReadonlyArray<string>
  ) {
    const rows = (yield* found).map((row) => ({ provider: name, x_genai_account_id: organization, ...row }))
    const slice: Slice = { table, ...owner, extent: { kind: "day", date } }
    return yield* replace(slice, date, rows.map(identify(key, [...prefix, date])))
  })

  const loaded: Array<Loaded> = []
  if (source.balances !== undefined) {
    const today = yield* todayOf
    const rows = Effect.map(source.balances, (found) => found.map((row) => ({ balance_date: today, ...row })))
    loaded.push(yield* daily("genai_payg_balance_raw", today, rows, ["currency"]))
  }
  const months = source.months === undefined ? request.months : source.months.filter(isDay)
  const asked =
    source.months === undefined
      ? []
      : monthsOf(context)
          .filter(isDay)
          .filter((month) => !months.includes(month))
  for (const month of asked) {
    const text = `${name}: no file of ${credentialId} tells of ${month.slice(0, 7)}, which stays as it is`
    const doubts = [{ check: "genai_month_not_exported", text }]
    loaded.push({ month, table: "genai_payg_usage_raw", rows: 0, outcome: "kept", doubts })
  }
  for (const month of months) {
    // The bill first: it is the money, and usage that cannot be read must not lose it. A key that is refused is refused for both.
    const bill = yield* Effect.either(billed(month))
    if (Either.isLeft(bill) && bill.left._tag === "SourceError" && bill.left.kind === "auth") return yield* bill.left
    const used = yield* Effect.either(usage(month))
    loaded.push(...(yield* bill), ...(yield* used))
    yield* context.progress({ rows: loaded.reduce((total, { rows }) => total + rows, 0) })
  }
  if (source.activity !== undefined && request.withActivity) {
    for (const day of yield* pastDaysOf(context)) {
      const found = yield* Effect.either(daily("genai_claude_code_daily", day, source.activity(day), activityKey))
      if (Either.isRight(found)) {
        loaded.push(found.right)
        continue
      }
      // Not every organisation may read this report; usage and bill are complete without it.
      const { left: error } = found
      if (error._tag !== "SourceError" || !unavailableCodes.has(error.code)) return yield* error
      const doubts = [{ check: "genai_claude_code_unavailable", text: error.message }]
      loaded.push({ month: day, table: "genai_claude_code_daily", rows: 0, outcome: "kept", doubts })
      break
    }
  }
  return loaded
})

/** How many rows there are, and the hash of what they say; when their bearers were looked up makes no difference. */
const contentOf = (rows: Iterable<Json.JsonObject>) => {
  const hash = createHash("sha256")
  let count = 0
  for (const row of rows) {
    hash.update(`${count === 0 ? "[" : ","}${Json.canonical({ ...row, x_hierarchy_validated_at: null })}`)
    count++
  }
  return { count, token: hash.update(count === 0 ? "[]" : "]").digest("hex") }
}

const unavailableCodes = new Set(["ANTHROPIC_ACCESS_DENIED", "ANTHROPIC_NOT_FOUND"])

/** The first day of a day's month. */
const monthOf = (day: string) => [`${day.slice(0, 7)}-01`].filter(isDay)

/** The newest balances, and how much less they are than those before: an estimate of what was spent. A rise is a payment, and tells nothing. */
const balancesOf = (org: OrgWarehouse, pipelineId: string) =>
  org.query(
    `WITH ordered AS (
      SELECT x_credential_id, balance_date, currency, total_balance,
        LAG(total_balance) OVER (PARTITION BY x_credential_id, currency ORDER BY balance_date) AS before,
        ROW_NUMBER() OVER (PARTITION BY x_credential_id, currency ORDER BY balance_date DESC) AS place
      FROM genai_payg_balance_raw WHERE x_pipeline_id = @pipeline_id
    )
    SELECT x_credential_id AS credential_id, balance_date, currency, total_balance AS balance,
      IF(before >= total_balance, before - total_balance, NULL) AS spent_since_last
    FROM ordered WHERE place = 1 ORDER BY credential_id, currency`,
    { pipeline_id: { type: "STRING", value: pipelineId } }
  )

const activityKey = ["actor_type", "actor", "customer_type", "terminal_type", "model"]

const todayOf = Effect.map(Clock.currentTimeMillis, (now) =>
  Schema.decodeSync(Day)(new Date(now).toISOString().slice(0, 10))
)

/** The days of the run, but none in the future. */
const pastDaysOf = Effect.fnUntraced(function* ({ endDate, startDate }: StepContext) {
  const today = yield* todayOf
  const days: Array<Day> = []
  for (let at = Date.parse(startDate); ; at += 86_400_000) {
    const day = new Date(at).toISOString().slice(0, 10)
    if (day > endDate || day > today) return days
    if (isDay(day)) days.push(day)
  }
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

const configOf = (config: Json.JsonObject) =>
  Option.match(
    Option.flatMapNullable(decode(config), ({ claude_code, provider }) => {
      const found = providerOf(provider)
      return found === undefined ? undefined : { ...found, withActivity: claude_code }
    }),
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
  unusableCredential(error, { label: provider.label, providers: provider.credentials })
