/**
 * The values that a pipeline's file binds to a statement: typed, with defaults, by name.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { StepError, type StepContext } from "../../pipelines/Processor.ts"
import type { SqlParameter } from "../../warehouse/FileMapping.ts"
import { bind, ProcedureParameter } from "./ProcedureParameters.ts"

/** `config.parameters` of a statement. */
export const Parameters = Schema.optionalWith(Schema.Array(ProcedureParameter), { default: () => [] })

/** An unquoted name of a table or column. */
export const Identifier = Schema.String.pipe(Schema.pattern(/^[A-Za-z_][A-Za-z0-9_]*$/))

/** Binds the values, and `@start_date`, `@end_date` and `@run_id` of the run. A date or other value that is missing fails. */
export const bindAll = Effect.fnUntraced(function* (
  context: StepContext,
  parameters: ReadonlyArray<ProcedureParameter>
) {
  const now = yield* Clock.currentTimeMillis
  const bound: Record<string, SqlParameter> = {
    start_date: { type: "DATE", value: context.startDate },
    end_date: { type: "DATE", value: context.endDate },
    run_id: { type: "STRING", value: context.runId }
  }
  for (const parameter of parameters) {
    bound[parameter.name] = yield* Either.mapLeft(bind(parameter, now), invalid)
  }
  return bound
})

/** The step's config cannot be used as it is. */
export const invalid = (message: string) =>
  new StepError({
    errorType: "VALIDATION_ERROR",
    code: "STEP_CONFIG_INVALID",
    message,
    suggestedAction: "correct the step in the pipeline's file, or give the run what it needs"
  })
