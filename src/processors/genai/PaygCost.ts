/**
 * `genai.payg_cost`: calculates what the tokens of genai_payg_usage_raw cost, always anew, and compares it with what providers billed.
 * Usage without a price, or with more cached than there was input, is left out and reported; the other rows are priced.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as BigDecimal from "effect/BigDecimal"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Credentials } from "../../credentials/Credentials.ts"
import { type Cost, costOf, namesOf, type Price, resolve, type Usage } from "../../genai/PaygPrice.ts"
import { type Processor, StepError, type StepContext } from "../../pipelines/Processor.ts"
import { Day } from "../../platform/Identifiers.ts"
import { type JsonObject, textOrNull } from "../../platform/Json.ts"
import { Settings } from "../../platform/Settings.ts"
import { type OrgWarehouse, Warehouse } from "../../warehouse/Warehouse.ts"
import { periodsOf } from "../focus/Periods.ts"
import * as StepFailure from "../StepFailure.ts"
import * as Allocation from "./Allocation.ts"
import { compareMonth } from "./Comparison.ts"
import { Findings } from "./Findings.ts"
import { ingestionId, monthSlice } from "./PaygRows.ts"
import * as Prices from "./Prices.ts"
import { providerOf, providers } from "./Providers.ts"

const all = "all"
const Config = Schema.Struct({
  provider: Schema.optionalWith(
    Schema.String.pipe(Schema.filter((name) => name === all || providerOf(name) !== undefined)),
    { default: () => all }
  )
})
const isDay = Schema.is(Day)

interface Owner {
  readonly pipelineId: string
  readonly credentialId: string
  readonly month: Day
}

/**
 * Makes the processor. Output: `details` has the findings by check (`genai_missing_price` and so on), also kept in org_meta_dq_results, and
 * billed against computed by provider, month and currency; by day and model they are in genai_payg_comparison_daily.
 */
export const make: Effect.Effect<Processor, never, Warehouse | Credentials | Settings | FileSystem.FileSystem> =
  Effect.gen(function* () {
    const warehouse = yield* Warehouse
    const credentials = yield* Credentials
    const { configsPath } = yield* Settings
    const files = yield* FileSystem.FileSystem

    const execute = Effect.fn("PaygCost.execute")(
      function* (context: StepContext) {
        const { provider } = yield* Effect.mapError(Schema.decodeUnknown(Config)(context.config), invalidConfig)
        const owners = provider === all ? Object.keys(providers) : [provider.toLowerCase()]
        const org = yield* warehouse.org(context.org)
        const prices = yield* Effect.provideService(
          Prices.load(org, configsPath, context.runId),
          FileSystem.FileSystem,
          files
        )
        const book = Map.groupBy(prices, placeOf)
        const allocate = yield* Allocation.load(org, credentials, context.org)
        const months = periodsOf(context)
        const findings = new Findings()
        const comparisons: Array<JsonObject> = []
        let [read, written] = [0, 0]
        for (const name of owners) {
          const pipelineId = providerOf(name)?.provider.pipelineId ?? ""
          for (const owner of yield* ownersOf(org, pipelineId, months)) {
            const report = yield* priceMonth(org, context, owner, book, findings, allocate)
            read += report.read
            written += report.written
            yield* context.progress({ rows: written })
          }
          for (const month of months)
            comparisons.push(...(yield* compareMonth(org, context.runId, pipelineId, name, month)))
        }
        yield* findings.record(org, context)
        return {
          rowsProcessed: read,
          rowsWritten: written,
          outputTable: "genai_payg_costs_daily",
          affectedPeriods: months,
          details: { findings: findings.report(), billed_against_computed: comparisons }
        }
      },
      Effect.mapError((error) => {
        if (error._tag === "StepError") return error
        return error._tag === "CredentialsUnavailable"
          ? StepFailure.ofCredentials(error)
          : StepFailure.ofWarehouse(error)
      })
    )

    return {
      type: "genai.payg_cost",
      check: (config) =>
        Option.isSome(Schema.decodeUnknownOption(Config)(config))
          ? undefined
          : `config.provider must be all or one of ${Object.keys(providers).join(", ")}`,
      execute
    }
  })

/** Whose months there are, of the usage or left from earlier usage; every credential's, since a new one may have emptied an older one's. */
const ownersOf = Effect.fnUntraced(function* (org: OrgWarehouse, pipelineId: string, months: ReadonlyArray<Day>) {
  const rows = yield* org.query(
    `SELECT x_credential_id AS credential, usage_month AS month FROM genai_payg_usage_raw WHERE x_pipeline_id = @pipeline_id
    UNION DISTINCT
    SELECT x_credential_id, cost_month FROM genai_payg_costs_daily WHERE x_pipeline_id = @pipeline_id`,
    { pipeline_id: { type: "STRING", value: pipelineId } }
  )
  const wanted = new Set<string>(months)
  return rows.flatMap(({ credential, month }): ReadonlyArray<Owner> =>
    typeof credential === "string" && isDay(month) && wanted.has(month)
      ? [{ pipelineId, credentialId: credential, month }]
      : []
  )
})

const placeOf = ({ model, provider }: { readonly provider: string; readonly model: string }) =>
  JSON.stringify([provider, model])

const priceMonth = Effect.fn("PaygCost.priceMonth")(function* (
  org: OrgWarehouse,
  context: StepContext,
  owner: Owner,
  book: ReadonlyMap<string, ReadonlyArray<Price>>,
  findings: Findings,
  allocate: Allocation.Allocate
) {
  const now = new Date(yield* Clock.currentTimeMillis).toISOString()
  let read = 0
  const rows = Stream.fromIterable(daysOf(owner.month)).pipe(
    Stream.mapEffect((day) => usageOf(org, owner, day)),
    Stream.flatMap((found) => Stream.fromIterable(found)),
    Stream.tap(() => Effect.sync(() => read++)),
    Stream.filterMap((row) => {
      const usage = usageFrom(row)
      if (row["meter"] !== "tokens") {
        findings.add(
          "genai_unpriced_meter",
          "WARNING",
          `${usage.provider} ${usage.model}: ${String(row["meter"])} are not priced here; what they cost is in the provider's bill`
        )
        return Option.none()
      }
      const candidates = namesOf(usage).flatMap((model) => book.get(placeOf({ provider: usage.provider, model })) ?? [])
      const price = resolve(candidates, usage)
      const place = `${usage.provider} ${usage.model}${usage.tokenKind === undefined ? "" : `, ${usage.tokenKind}`}${usage.serviceTier === undefined ? "" : `, tier ${usage.serviceTier}`}${usage.contextWindow === undefined ? "" : `, context ${usage.contextWindow}`}`
      if (price === undefined) {
        findings.add("genai_missing_price", "FAIL", `${place}: no price on ${usage.day}`)
        return Option.none()
      }
      const cost = costOf(price, usage)
      if (cost === undefined) {
        findings.add("genai_negative_tokens", "FAIL", `${place}: more input was cached on ${usage.day} than there was`)
        return Option.none()
      }
      const media = Object.keys(row["details"] ?? {}).filter((name) => /_(audio|image)_tokens$/.test(name))
      if (media.length > 0 || price.tokenKind !== usage.tokenKind) {
        const what = media.length > 0 ? media.join(", ") : `${usage.tokenKind} tokens`
        findings.add("genai_text_price_for_media", "WARNING", `${place}: ${what} are priced like text`)
      }
      if (usage.contextWindow === undefined && price.contextWindow !== undefined) {
        findings.add(
          "genai_context_not_told",
          "WARNING",
          `${place}: its price depends on the length of the context, which the usage does not tell; all count as ${price.contextWindow}`
        )
      }
      const bearer = allocate({
        credentialId: owner.credentialId,
        day: usage.day,
        keys: [row["x_genai_api_key_id"], row["x_genai_project_id"]]
      })
      return Option.some({ ...costRow(context, owner, row, cost, now), ...bearer })
    })
  )
  const report = yield* org.replaceSlice({
    slice: monthSlice("genai_payg_costs_daily", "cost", owner, owner.month),
    source: { _tag: "Rows", rows },
    runId: context.runId
  })
  return { read, written: report.rowsWritten }
})

const kept = [
  "provider",
  "model",
  "model_family",
  "region",
  "is_batch",
  "service_tier",
  "context_window",
  "token_kind",
  "request_count",
  "input_tokens",
  "cached_input_tokens",
  "cache_write_tokens",
  "cache_write_1h_tokens",
  "output_tokens",
  "total_tokens",
  "x_genai_provider",
  "x_genai_account_id",
  "x_genai_project_id",
  "x_genai_api_key_id"
]
const counts = new Set(kept.filter((column) => /_tokens$|_count$/.test(column)))
/** Counts as text: a whole number in JSON may be larger than a JavaScript number holds. */
const selected = kept.map((column) => (counts.has(column) ? `CAST(${column} AS STRING) AS ${column}` : column))

const usageOf = (org: OrgWarehouse, { credentialId, pipelineId }: Owner, day: string) =>
  org.query(
    `SELECT usage_date, meter, details, x_ingestion_id, ${selected.join(", ")} FROM genai_payg_usage_raw
    WHERE x_pipeline_id = @pipeline_id AND x_credential_id = @credential_id AND usage_date = @day ORDER BY x_ingestion_id`,
    {
      pipeline_id: { type: "STRING", value: pipelineId },
      credential_id: { type: "STRING", value: credentialId },
      day: { type: "DATE", value: day }
    }
  )

const usageFrom = (row: JsonObject): Usage => {
  const text = (name: string) => textOrNull(row[name]) ?? undefined
  const count = (name: string) => BigInt(text(name) ?? "0")
  return {
    provider: text("provider") ?? "",
    model: text("model") ?? "",
    modelFamily: text("model_family"),
    region: text("region"),
    serviceTier: text("service_tier"),
    contextWindow: text("context_window"),
    tokenKind: text("token_kind"),
    day: (text("usage_date") ?? "").slice(0, 10),
    isBatch: row["is_batch"] === true,
    input: count("input_tokens"),
    cachedInput: count("cached_input_tokens"),
    cacheWrite: count("cache_write_tokens"),
    cacheWrite1h: count("cache_write_1h_tokens"),
    output: count("output_tokens")
  }
}

const costRow = (context: StepContext, owner: Owner, row: JsonObject, cost: Cost, now: string): JsonObject => {
  const text = BigDecimal.format
  return {
    ...Object.fromEntries(kept.map((column) => [column, row[column] ?? null])),
    cost_date: row["usage_date"] ?? null,
    cost_month: owner.month,
    total_cost_usd: text(cost.total),
    input_cost_usd: text(cost.input),
    output_cost_usd: text(cost.output),
    cached_cost_usd: text(cost.cached),
    cache_write_cost_usd: text(cost.cacheWrite),
    list_cost_usd: text(cost.list),
    discount_applied_pct: text(cost.discountPct),
    effective_rate_input: text(cost.rates.input),
    effective_rate_output: text(cost.rates.output),
    effective_rate_cached: text(cost.rates.cached),
    effective_rate_cache_write: text(cost.rates.cacheWrite),
    effective_rate_cache_write_1h: text(cost.rates.cacheWrite1h),
    list_rate_input: text(cost.listRates.input),
    list_rate_output: text(cost.listRates.output),
    list_rate_cached: text(cost.listRates.cached),
    list_rate_cache_write: text(cost.listRates.cacheWrite),
    list_rate_cache_write_1h: text(cost.listRates.cacheWrite1h),
    calculated_at: now,
    x_ingestion_id: ingestionId([context.org, "genai_payg_costs_daily", textOrNull(row["x_ingestion_id"])])
  }
}

const daysOf = (month: string): ReadonlyArray<string> => {
  const [year = 0, number = 0] = month.split("-").map(Number)
  const length = new Date(Date.UTC(year, number, 0)).getUTCDate()
  return Array.from({ length }, (_, index) => `${month.slice(0, 8)}${String(index + 1).padStart(2, "0")}`)
}

const invalidConfig = () =>
  new StepError({
    errorType: "VALIDATION_ERROR",
    code: "STEP_CONFIG_INVALID",
    message: "the step's config is no config of genai.payg_cost",
    suggestedAction: "correct the pipeline's file"
  })
