/**
 * `cloud.focus_converter`: converts billing periods of a cloud's native tables to FOCUS, each by one call of the cloud's procedure, which
 * replaces the period's FOCUS rows as a whole.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { StepError, type Processor, type StepContext } from "../../pipelines/Processor.ts"
import type { JsonObject } from "../../platform/Json.ts"
import { Warehouse, type OrgWarehouse } from "../../warehouse/Warehouse.ts"
import { periodsOf } from "../focus/Periods.ts"
import * as StepFailure from "../StepFailure.ts"
import { type Cloud, clouds } from "./Clouds.ts"

/** Clouds by any name: a step may ask for one that there is not. */
const byName: Readonly<Record<string, Cloud>> = clouds

const Config = Schema.Struct({ provider: Schema.Literal("all", ...Object.keys(clouds)) })

/**
 * Makes the processor. It works on the periods that a direct dependency names as affected, else on those of the run's dates; with provider
 * `all` a cloud that fails does not stop the others, but the step fails. `details` has the procedure's answers.
 */
export const make: Effect.Effect<Processor, never, Warehouse> = Effect.gen(function* () {
  const warehouse = yield* Warehouse

  const execute = Effect.fn("FocusConverter.execute")(function* (context: StepContext) {
    const { provider } = yield* Schema.decodeUnknown(Config)(context.config).pipe(Effect.mapError(invalidConfig))
    const org = yield* warehouse.org(context.org).pipe(Effect.mapError(StepFailure.ofWarehouse))
    const names = provider === "all" ? Object.keys(clouds) : [provider]
    const results = yield* Effect.forEach(names, (name) => Effect.either(convert(org, name, context)))
    const errors = results.filter(Either.isLeft).map(({ left }) => left)
    const [first] = errors
    if (first !== undefined) return yield* first
    const answers = results.filter(Either.isRight).flatMap(({ right }) => right)
    return {
      rowsProcessed: total(answers, "rows_inserted"),
      rowsWritten: total(answers, "rows_inserted"),
      outputTable: "cost_data_standard_1_3",
      affectedPeriods: periodsOf(context),
      details: {
        rows_inserted: total(answers, "rows_inserted"),
        orphan_hierarchy_count: total(answers, "orphan_hierarchy_count"),
        conversions: answers
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

const invalidConfig = () =>
  new StepError({
    errorType: "VALIDATION_ERROR",
    code: "STEP_CONFIG_INVALID",
    message: "the step's config is no config of cloud.focus_converter",
    suggestedAction: "correct the pipeline's file"
  })
