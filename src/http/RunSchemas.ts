/**
 * The JSON of runs, steps and events, and how the views of `runs/` become it.
 */
import * as Schema from "effect/Schema"
import type { RecordedEvent } from "../eventlog/EventLog.ts"
import { Json, JsonObject } from "../platform/Json.ts"
import { RunStatus, type RunView, StepStatus, type StepView, type Transition, Trigger } from "../runs/Runs.ts"

const timestamp = Schema.String.annotations({ description: "ISO 8601, UTC" })
const runId = Schema.String.annotations({ description: "Run id, a UUID" })
const milliseconds = Schema.NullOr(Schema.Number.annotations({ description: "Milliseconds" }))

/** The body of a run request. Dates are checked by hand: a wrong one has its own code. */
export const RunRequestBody = Schema.Struct({
  trigger_by: Schema.optional(Schema.String.pipe(Schema.minLength(1), Schema.maxLength(200))),
  date: Schema.optional(Schema.NullOr(Schema.String)),
  start_date: Schema.optional(Schema.NullOr(Schema.String)),
  end_date: Schema.optional(Schema.NullOr(Schema.String)),
  force_refresh: Schema.optional(Schema.NullOr(Schema.Boolean)),
  credential_id: Schema.optional(Schema.NullOr(Schema.String.pipe(Schema.minLength(1), Schema.maxLength(200))))
}).annotations({ identifier: "RunRequest" })

/** The answer to a run request. */
export const RunAccepted = Schema.Struct({
  pipeline_logging_id: runId,
  pipeline_id: Schema.String,
  org_slug: Schema.String,
  status: RunStatus,
  message: Schema.String
}).annotations({ identifier: "RunAccepted" })

const runFields = {
  pipeline_logging_id: runId,
  pipeline_id: Schema.String.annotations({ description: "Tracking id: {org}-cloud-aws-cost-billing" }),
  status: RunStatus,
  trigger_type: Trigger,
  trigger_by: Schema.String,
  start_time: timestamp,
  end_time: Schema.NullOr(timestamp),
  duration_ms: milliseconds
}

/** A run in short. */
export const RunSummary = Schema.Struct({ ...runFields, org_slug: Schema.String }).annotations({
  identifier: "RunSummary"
})

const ErrorContext = Schema.Struct({
  error_type: Schema.String,
  error_code: Schema.String,
  retry_count: Schema.Number,
  is_retryable: Schema.Boolean,
  suggested_action: Schema.NullOr(Schema.String)
}).annotations({ identifier: "ErrorContext" })

const recordFields = {
  ...runFields,
  run_date: Schema.String,
  error_message: Schema.NullOr(Schema.String),
  error_context: Schema.NullOr(ErrorContext),
  parameters: JsonObject
}

/** A run of an organisation's list. */
export const RunRecord = Schema.Struct(recordFields).annotations({ identifier: "RunRecord" })

/** One step of a run; `metadata` has its attempts and its output. */
export const StepRecord = Schema.Struct({
  step_logging_id: Schema.String,
  step_name: Schema.String,
  step_type: Schema.String,
  step_index: Schema.Number,
  status: StepStatus,
  start_time: Schema.NullOr(timestamp),
  end_time: Schema.NullOr(timestamp),
  duration_ms: milliseconds,
  rows_processed: Schema.NullOr(Schema.Number),
  error_message: Schema.NullOr(Schema.String),
  error_context: Schema.NullOr(ErrorContext),
  metadata: JsonObject
}).annotations({ identifier: "StepRecord" })

/** A run with its steps. */
export const RunDetail = Schema.Struct({
  ...recordFields,
  run_metadata: JsonObject,
  steps: Schema.Array(StepRecord)
}).annotations({ identifier: "RunDetail" })

/** One event of a run's history, as the log keeps it. */
export const EventRecord = Schema.Struct({
  version: Schema.Number,
  type: Schema.String,
  recorded_at: timestamp,
  data: Json,
  hash: Schema.String.annotations({ description: "SHA-256 over this event and the hash of the one before it" })
}).annotations({ identifier: "EventRecord" })

const page = { total: Schema.Number, limit: Schema.Number, offset: Schema.Number }

export const RunPage = Schema.Struct({ runs: Schema.Array(RunRecord), ...page }).annotations({ identifier: "RunPage" })
export const StepPage = Schema.Struct({ steps: Schema.Array(StepRecord), ...page }).annotations({
  identifier: "StepPage"
})
export const EventPage = Schema.Struct({ events: Schema.Array(EventRecord), ...page }).annotations({
  identifier: "EventPage"
})

/** The answer to a cancellation. */
export const RunCancelled = Schema.Struct({
  pipeline_logging_id: runId,
  status: RunStatus,
  message: Schema.String
}).annotations({ identifier: "RunCancelled" })

/** The answer to a retry. */
export const RunRetried = Schema.Struct({
  success: Schema.Boolean,
  message: Schema.String,
  new_pipeline_logging_id: runId,
  original_pipeline_logging_id: runId
}).annotations({ identifier: "RunRetried" })

/** One change of state; `step_logging_id` is null for the run itself. */
export const TransitionRecord = Schema.Struct({
  transition_id: Schema.String,
  pipeline_logging_id: runId,
  step_logging_id: Schema.NullOr(Schema.String),
  entity_type: Schema.Literal("PIPELINE", "STEP"),
  from_state: Schema.String,
  to_state: Schema.String,
  transition_time: timestamp,
  error_type: Schema.NullOr(Schema.String),
  error_message: Schema.NullOr(Schema.String),
  retry_count: Schema.Number,
  duration_in_state_ms: Schema.Number,
  metadata: JsonObject
}).annotations({ identifier: "TransitionRecord" })

export const TransitionPage = Schema.Struct({ transitions: Schema.Array(TransitionRecord), ...page }).annotations({
  identifier: "TransitionPage"
})

const commonOf = (run: RunView) => ({
  pipeline_logging_id: run.runId,
  pipeline_id: run.trackingId,
  status: run.status,
  trigger_type: run.trigger,
  trigger_by: run.triggerBy,
  start_time: run.startTime,
  end_time: run.endTime,
  duration_ms: run.durationMs
})

export const summaryOf = (run: RunView): typeof RunSummary.Type => ({ ...commonOf(run), org_slug: run.org })

export const recordOf = (run: RunView): typeof RunRecord.Type => ({
  ...commonOf(run),
  run_date: run.runDate,
  error_message: run.errorMessage,
  error_context: run.errorContext,
  parameters: run.parameters
})

export const detailOf = (run: RunView, steps: ReadonlyArray<StepView>): typeof RunDetail.Type => ({
  ...recordOf(run),
  run_metadata: run.metadata,
  steps: steps.map(stepOf)
})

export const stepOf = (step: StepView): typeof StepRecord.Type => ({
  step_logging_id: step.stepLoggingId,
  step_name: step.name,
  step_type: step.psType,
  step_index: step.index,
  status: step.status,
  start_time: step.startTime,
  end_time: step.endTime,
  duration_ms: step.durationMs,
  rows_processed: step.rowsProcessed,
  error_message: step.errorMessage,
  error_context: step.errorContext,
  metadata: step.metadata
})

export const transitionOf = (transition: Transition): typeof TransitionRecord.Type => ({
  transition_id: transition.transitionId,
  pipeline_logging_id: transition.runId,
  step_logging_id: transition.stepId === undefined ? null : `${transition.runId}:${transition.stepId}`,
  entity_type: transition.stepId === undefined ? "PIPELINE" : "STEP",
  from_state: transition.from,
  to_state: transition.to,
  transition_time: transition.time,
  error_type: transition.errorType,
  error_message: transition.errorMessage,
  retry_count: transition.retryCount,
  duration_in_state_ms: transition.durationInStateMs,
  metadata: transition.metadata
})

export const eventOf = (event: RecordedEvent): typeof EventRecord.Type => ({
  version: event.version,
  type: event.type,
  recorded_at: new Date(event.recordedAt).toISOString(),
  data: event.data,
  hash: event.hash
})
