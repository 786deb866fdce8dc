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
import * as StepFailure from "../StepFailure.ts"

/** The clouds that can be converted: the procedure, and the template that owns the cloud's data. */
const clouds: Readonly<Record<string, { readonly procedure: string; readonly pipelineId: string }>> = {
  aws: { procedure: "sp_cloud_aws_convert_to_focus", pipelineId: "cloud_aws_cost_billing" }
}

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
    const total = (column: string) => answers.reduce((sum, answer) => sum + Number(answer[column] ?? 0), 0)
    return {
      rowsProcessed: total("rows_inserted"),
      rowsWritten: total("rows_inserted"),
      outputTable: "cost_data_standard_1_3",
      affectedPeriods: affectedBy(context) ?? monthsOf(context),
      details: {
        rows_inserted: total("rows_inserted"),
        orphan_hierarchy_count: total("orphan_hierarchy_count"),
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

/** Calls a cloud's procedure once per affected period, or once for the run's dates. */
const convert = Effect.fn("FocusConverter.convert")(function* (
  org: OrgWarehouse,
  provider: string,
  context: StepContext
) {
  const cloud = clouds[provider]
  if (cloud === undefined) return yield* invalidConfig()
  const ranges = affectedBy(context)?.map((period) => ({ from: period, to: period })) ?? [
    { from: context.startDate, to: context.endDate }
  ]
  const answers: Array<JsonObject> = []
  for (const { from, to } of ranges) {
    const rows = yield* org
      .call(cloud.procedure, [
        { type: "DATE", value: from },
        { type: "DATE", value: to },
        { type: "STRING", value: cloud.pipelineId },
        { type: "STRING", value: context.credentialId ?? null },
        { type: "STRING", value: context.runId }
      ])
      .pipe(Effect.mapError(StepFailure.ofWarehouse))
    answers.push(...rows)
    yield* context.progress({ rows: answers.reduce((sum, answer) => sum + Number(answer["rows_inserted"] ?? 0), 0) })
  }
  return answers
})

/** The periods that direct dependencies changed; undefined when none of them says. */
const affectedBy = ({ outputs }: StepContext): ReadonlyArray<string> | undefined => {
  const named = Object.values(outputs).flatMap((output) =>
    output.affectedPeriods === undefined ? [] : [output.affectedPeriods]
  )
  return named.length === 0 ? undefined : [...new Set(named.flat())].sort()
}

/** First days of the months that the run's dates touch. */
const monthsOf = ({ startDate, endDate }: StepContext): ReadonlyArray<string> => {
  const months: Array<string> = []
  const day = new Date(`${startDate.slice(0, 7)}-01T00:00:00Z`)
  for (; day.toISOString().slice(0, 10) <= endDate; day.setUTCMonth(day.getUTCMonth() + 1)) {
    months.push(day.toISOString().slice(0, 10))
  }
  return months
}

const invalidConfig = () =>
  new StepError({
    errorType: "VALIDATION_ERROR",
    code: "STEP_CONFIG_INVALID",
    message: "the step's config is no config of cloud.focus_converter",
    suggestedAction: "correct the pipeline's file"
  })
