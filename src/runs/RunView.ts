/**
 * A run as it is shown: from the fold of its stream, or from a row of the `runs` table.
 */
import * as Schema from "effect/Schema"
import { JsonObject } from "../platform/Json.ts"
import { Day, OrgSlug, RunId } from "../platform/Identifiers.ts"
import { isRetryable } from "./Retry.ts"
import type { RunState, StepState } from "./Run.ts"
import { Failure } from "./RunEvent.ts"
import type { ErrorContext, RunView, StepView } from "./Runs.ts"
import { RunStatus, Trigger } from "./Runs.ts"

/** The run itself. A refused request is no run: undefined. */
export const runViewOf = (state: RunState): RunView | undefined =>
  state.status === "REFUSED"
    ? undefined
    : {
        runId: state.request.runId,
        trackingId: state.request.trackingId,
        org: state.request.org,
        status: state.status,
        trigger: state.request.trigger,
        triggerBy: state.request.triggerBy,
        startTime: isoTime(state.requestedAt),
        endTime: isoTimeOrNull(state.endedAt),
        durationMs: state.endedAt === undefined ? null : state.endedAt - state.requestedAt,
        runDate: state.request.startDate,
        errorMessage: state.failure?.message ?? null,
        errorContext: state.failure === undefined ? null : errorContextOf(state.failure, 0),
        parameters: state.request.parameters,
        metadata: {
          ...metadataOf(state.request.pipeline.definitionHash, state.failedSteps),
          ...(state.request.retryOf === undefined ? {} : { original_pipeline_logging_id: state.request.retryOf.runId })
        }
      }

/** The run and its steps, one view per step of the definition. */
export const viewOf = (
  state: RunState
): { readonly run: RunView; readonly steps: ReadonlyArray<StepView> } | undefined => {
  const run = runViewOf(state)
  return run && { run, steps: Array.from(state.steps.values(), (step, index) => stepView(state, step, index)) }
}

const stepView = (state: RunState, step: StepState, index: number): StepView => ({
  stepId: step.step.stepId,
  stepLoggingId: `${state.request.runId}:${step.step.stepId}`,
  name: step.step.name,
  psType: step.step.psType,
  index,
  status: step.status === "WAITING" ? "RUNNING" : step.status,
  startTime: isoTimeOrNull(step.startedAt),
  endTime: isoTimeOrNull(step.endedAt),
  durationMs: step.startedAt === undefined || step.endedAt === undefined ? null : step.endedAt - step.startedAt,
  rowsProcessed: step.output?.rowsProcessed ?? step.progressRows ?? null,
  errorMessage: step.failure?.message ?? null,
  errorContext: step.failure === undefined ? null : errorContextOf(step.failure, Math.max(0, step.attempt - 1)),
  metadata: {
    attempts: step.attempt,
    ...(step.attempt === 0 && step.output !== undefined && state.request.retryOf !== undefined
      ? { finished_in: state.request.retryOf.runId }
      : {}),
    ...(step.retryAt === undefined ? {} : { next_retry_at: isoTime(step.retryAt) }),
    ...(step.output === undefined ? {} : { output: outputJson(step.output) })
  }
})

const outputJson = (output: NonNullable<StepState["output"]>): JsonObject => ({
  rows_processed: output.rowsProcessed,
  rows_written: output.rowsWritten,
  ...(output.outputTable === undefined ? {} : { output_table: output.outputTable }),
  ...(output.affectedPeriods === undefined ? {} : { affected_periods: output.affectedPeriods }),
  ...output.details
})

const metadataOf = (definitionHash: string, failedSteps: ReadonlyArray<string>): JsonObject => ({
  definition_hash: definitionHash,
  ...(failedSteps.length === 0 ? {} : { failed_steps: failedSteps })
})

const errorContextOf = (failure: Failure, retries: number): ErrorContext => ({
  error_type: failure.errorType,
  error_code: failure.code,
  retry_count: retries,
  is_retryable: isRetryable(failure.errorType),
  suggested_action: failure.suggestedAction ?? null
})

const isoTime = (milliseconds: number): string => new Date(milliseconds).toISOString()
const isoTimeOrNull = (milliseconds: number | undefined): string | null =>
  milliseconds === undefined ? null : isoTime(milliseconds)

/** A row of the `runs` table. */
export const RunRow = Schema.Struct({
  run_id: RunId,
  org_slug: OrgSlug,
  tracking_id: Schema.String,
  status: RunStatus,
  trigger_type: Trigger,
  trigger_by: Schema.String,
  start_time: Schema.Number,
  end_time: Schema.NullOr(Schema.Number),
  run_date: Day,
  error_message: Schema.NullOr(Schema.String),
  error_context: Schema.NullOr(Schema.parseJson(Failure)),
  parameters: Schema.parseJson(JsonObject),
  definition_hash: Schema.String,
  failed_steps: Schema.NullOr(Schema.parseJson(Schema.Array(Schema.String)))
})

/** The run of a row. */
export const viewOfRow = (row: typeof RunRow.Type): RunView => ({
  runId: row.run_id,
  trackingId: row.tracking_id,
  org: row.org_slug,
  status: row.status,
  trigger: row.trigger_type,
  triggerBy: row.trigger_by,
  startTime: isoTime(row.start_time),
  endTime: row.end_time === null ? null : isoTime(row.end_time),
  durationMs: row.end_time === null ? null : row.end_time - row.start_time,
  runDate: row.run_date,
  errorMessage: row.error_message,
  errorContext: row.error_context === null ? null : errorContextOf(row.error_context, 0),
  parameters: row.parameters,
  metadata: metadataOf(row.definition_hash, row.failed_steps ?? [])
})
