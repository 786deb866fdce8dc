/**
 * `cloud.focus_converter`: converts billing periods of a cloud's native tables to FOCUS, each by one call of the cloud's procedure, which
 * replaces the period's FOCUS rows as a whole.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { StepError, type Processor, type StepContext } from "../../pipelines/Processor.ts"
import type { Day } from "../../platform/Identifiers.ts"
import type { JsonObject } from "../../platform/Json.ts"
import { Warehouse, type OrgWarehouse } from "../../warehouse/Warehouse.ts"
import { periodsOf } from "../focus/Periods.ts"
import * as StepFailure from "../StepFailure.ts"
import { type Cloud, clouds } from "./Clouds.ts"

/** Clouds by any name: a step may ask for one that there is not. */
const byName: Readonly<Record<string, Cloud>> = clouds

const Config = Schema.Struct({ provider: Schema.Literal("all", ...Object.keys(clouds)) })

/**
 * Makes the processor. It works on the periods that a direct dependency names as affected, else on those of the run's dates. With provider
 * `all` it works on the clouds that have rows in these periods, native ones or FOCUS rows of theirs; one that fails does not stop the
 * others, but the step fails and names it. `details` has the procedure's answers and the clouds that were left out.
 */
export const make: Effect.Effect<Processor, never, Warehouse> = Effect.gen(function* () {
  const warehouse = yield* Warehouse

  const execute = Effect.fn("FocusConverter.execute")(function* (context: StepContext) {
    const { provider } = yield* Schema.decodeUnknown(Config)(context.config).pipe(Effect.mapError(invalidConfig))
    const org = yield* warehouse.org(context.org).pipe(Effect.mapError(StepFailure.ofWarehouse))
    const [skipped, names] = provider === "all" ? yield* partitionByRows(org, periodsOf(context)) : [[], [provider]]
    const [failed, converted] = yield* Effect.partition(names, (name) =>
      Effect.mapError(convert(org, name, context), (error) => ({ name, error }))
    )
    if (Arr.isNonEmptyReadonlyArray(failed)) {
      return yield* provider === "all" ? unconverted(context, failed, names) : failed[0].error
    }
    const answers = converted.flat()
    return {
      rowsProcessed: total(answers, "rows_inserted"),
      rowsWritten: total(answers, "rows_inserted"),
      outputTable: "cost_data_standard_1_3",
      affectedPeriods: periodsOf(context),
      details: {
        rows_inserted: total(answers, "rows_inserted"),
        // Null: a check could not be made, the answer says why.
        orphan_hierarchy_count: answers.some((answer) => answer["orphan_hierarchy_count"] === null)
          ? null
          : total(answers, "orphan_hierarchy_count"),
        conversions: answers,
        clouds_without_rows: skipped
      }
    }
  })

  return {
    type: "cloud.focus_converter",
    check: (config) =>
      Schema.is(Config)(config) ? undefined : `config.provider must be one of ${Object.keys(clouds).join(", ")}, all`,
    execute
  }
})

/** Splits the clouds into those without and those with native or FOCUS rows in the periods. */
const partitionByRows = (org: OrgWarehouse, periods: ReadonlyArray<Day>) =>
  Effect.map(
    Effect.filter(Object.keys(clouds), (name) => hasRows(org, name, periods)),
    (found) => [Object.keys(clouds).filter((name) => !found.includes(name)), found] as const
  )

const hasRows = Effect.fn("FocusConverter.hasRows")(function* (
  org: OrgWarehouse,
  provider: string,
  periods: ReadonlyArray<Day>
) {
  for (const { period, table } of byName[provider]?.nativeTables ?? []) {
    const rows = yield* org
      .query(
        `SELECT 1 AS found FROM ${table} WHERE ${period} BETWEEN @first AND @last
        UNION ALL
        SELECT 1 FROM cost_data_standard_1_3
        WHERE x_source_system = @table AND DATE(BillingPeriodStart) BETWEEN @first AND @last
        LIMIT 1`,
        {
          table: { type: "STRING", value: table },
          first: { type: "DATE", value: periods[0] ?? null },
          last: { type: "DATE", value: periods.at(-1) ?? null }
        }
      )
      .pipe(Effect.mapError(StepFailure.ofWarehouse))
    if (rows.length > 0) return true
  }
  return false
})

/** Calls a cloud's procedure once per billing period. */
const convert = Effect.fn("FocusConverter.convert")(function* (
  org: OrgWarehouse,
  provider: string,
  context: StepContext
) {
  const cloud = byName[provider]
  if (cloud === undefined) return yield* invalidConfig()
  const answers: Array<JsonObject> = []
  for (const period of periodsOf(context)) {
    for (const credentialId of credentialsOf(context)) {
      const rows = yield* org
        .call(cloud.procedure, [
          { type: "DATE", value: period },
          { type: "DATE", value: period },
          { type: "STRING", value: cloud.pipelineId },
          { type: "STRING", value: credentialId },
          { type: "STRING", value: context.runId }
        ])
        .pipe(Effect.mapError(StepFailure.ofWarehouse))
      answers.push(...rows)
      yield* warnOfGaps(`${provider} ${period} of ${context.org}`, rows)
      yield* context.progress({ rows: total(answers, "rows_inserted") })
    }
  }
  return answers
})

/** Logs what a bill leaves open: services that no lookup knows, a cost view that was not delivered. */
const warnOfGaps = (bill: string, answers: ReadonlyArray<JsonObject>) =>
  Effect.forEach(
    answers.flatMap((answer) => Object.entries(answer)),
    ([column, value]) =>
      /^(unknown|missing)_/.test(column) && typeof value === "string"
        ? Effect.logWarning(`${bill}: ${column.replaceAll("_", " ")}: ${value}`)
        : Effect.void,
    { discard: true }
  )

const Superseded = Schema.Struct({
  credentials: Schema.Array(Schema.Struct({ superseded: Schema.Array(Schema.String) }))
})

/** All (null), or the run's own and those whose slices the load before has emptied. */
const credentialsOf = ({ credentialId, outputs }: StepContext): ReadonlyArray<string | null> => {
  if (credentialId === undefined) return [null]
  const emptied = Object.values(outputs).flatMap(({ details }) =>
    Schema.is(Superseded)(details) ? details.credentials.flatMap(({ superseded }) => superseded) : []
  )
  return [credentialId, ...emptied]
}

const total = (answers: ReadonlyArray<JsonObject>, column: string): number =>
  answers.reduce((sum, answer) => sum + Number(answer[column] ?? 0), 0)

/** Names each cloud that failed; worth another attempt when one of the failures is. */
const unconverted = (
  { org }: StepContext,
  failed: Arr.NonEmptyReadonlyArray<{ readonly name: string; readonly error: StepError }>,
  names: ReadonlyArray<string>
) => {
  const decisive = failed.find(({ error }) => error.errorType === "TRANSIENT") ?? failed[0]
  const done = names.filter((name) => failed.every((failure) => failure.name !== name))
  return new StepError({
    ...decisive.error,
    message:
      `of the clouds of ${org}, ${failed.map(({ error, name }) => `${name} was not converted (${error.message})`).join("; ")}` +
      (done.length === 0 ? "" : `; converted: ${done.join(", ")}`)
  })
}

const invalidConfig = () =>
  new StepError({
    errorType: "VALIDATION_ERROR",
    code: "STEP_CONFIG_INVALID",
    message: "the step's config is no config of cloud.focus_converter",
    suggestedAction: "correct the pipeline's file"
  })
