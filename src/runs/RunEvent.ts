/**
 * The facts of a run. Old events stay readable for ever: a change of meaning takes a new tag or a new optional member, never another
 * reading of an old one.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { NewEvent, RecordedEvent } from "../eventlog/EventLog.ts"
import { ErrorType, StepOutput } from "../pipelines/Processor.ts"
import { Pipeline } from "../pipelines/Pipeline.ts"
import { Day, OrgSlug, RunId } from "../platform/Identifiers.ts"
import { JsonObject } from "../platform/Json.ts"
import { Allowance } from "../validator/Validator.ts"
import { Trigger } from "./Runs.ts"

/** Why an attempt, a step or a run failed, as the log keeps it. */
export const Failure = Schema.Struct({
  errorType: ErrorType,
  code: Schema.String,
  message: Schema.String,
  suggestedAction: Schema.optionalWith(Schema.String, { exact: true })
})
export type Failure = typeof Failure.Type

/** What `RunTimedOut` means as a failure. */
export const runTimeout = (seconds: number): Failure => ({
  errorType: "TIMEOUT",
  code: "RUN_TIMEOUT",
  message: `the run took longer than its ${seconds} s`,
  suggestedAction: "raise timeout_minutes of the pipeline, or ask for fewer days"
})

/** The run that this one repeats, and what of it is not done again: its finished steps with their outputs. */
export const RetryOf = Schema.Struct({
  runId: RunId,
  finished: Schema.Array(Schema.Struct({ stepId: Schema.String, output: StepOutput }))
})
export type RetryOf = typeof RetryOf.Type

/** Somebody asked for a run. Carries the definition it will follow. */
export const RunRequested = Schema.TaggedStruct("RunRequested", {
  runId: RunId,
  org: OrgSlug,
  trackingId: Schema.String,
  trigger: Trigger,
  triggerBy: Schema.String,
  startDate: Day,
  endDate: Day,
  forceRefresh: Schema.Boolean,
  credentialId: Schema.optionalWith(Schema.String, { exact: true }),
  idempotencyKey: Schema.optionalWith(Schema.String, { exact: true }),
  /** What the caller sent, without nulls, with the resolved dates. */
  parameters: JsonObject,
  pipeline: Pipeline,
  retryOf: Schema.optionalWith(RetryOf, { exact: true })
})
/** The validator reserved a slot of the quota. */
export const RunAdmitted = Schema.TaggedStruct("RunAdmitted", {
  reservationDate: Day,
  allowance: Schema.optionalWith(Allowance, { exact: true })
})
/** The validator said no: an audit trail, no run. */
export const RunRefused = Schema.TaggedStruct("RunRefused", { code: Schema.String, message: Schema.String })
/** An attempt of a step begins; attempts count from 1. */
export const StepStarted = Schema.TaggedStruct("StepStarted", { stepId: Schema.String, attempt: Schema.Number })
/** How far the running attempt is. */
export const StepProgressed = Schema.TaggedStruct("StepProgressed", {
  stepId: Schema.String,
  rows: Schema.optionalWith(Schema.Number, { exact: true }),
  bytes: Schema.optionalWith(Schema.Number, { exact: true })
})
/** The step is done; it is never executed again in this run. */
export const StepSucceeded = Schema.TaggedStruct("StepSucceeded", { stepId: Schema.String, output: StepOutput })
/** The attempt failed and another one is due at `retryAt` (milliseconds since 1970 UTC). */
export const StepAttemptFailed = Schema.TaggedStruct("StepAttemptFailed", {
  stepId: Schema.String,
  attempt: Schema.Number,
  failure: Failure,
  retryAt: Schema.Number
})
/** The step failed for good. */
export const StepFailed = Schema.TaggedStruct("StepFailed", {
  stepId: Schema.String,
  attempt: Schema.Number,
  failure: Failure
})
/** The step is not executed: disabled, or the run stopped before it. */
export const StepSkipped = Schema.TaggedStruct("StepSkipped", { stepId: Schema.String, reason: Schema.String })
/** Somebody wants the run to stop. */
export const CancelRequested = Schema.TaggedStruct("CancelRequested", { by: Schema.String, reason: Schema.String })
/** Every step that had to succeed did; `failedSteps` are those whose failure the definition tolerates. */
export const RunCompleted = Schema.TaggedStruct("RunCompleted", { failedSteps: Schema.Array(Schema.String) })
/** A step failed and the run with it. */
export const RunFailed = Schema.TaggedStruct("RunFailed", { stepId: Schema.String, failure: Failure })
/** The run stopped on request; its running steps were interrupted. */
export const RunCancelled = Schema.TaggedStruct("RunCancelled", { reason: Schema.String })
/** The run's time was up; its running steps were interrupted. */
export const RunTimedOut = Schema.TaggedStruct("RunTimedOut", { timeoutSeconds: Schema.Number })
/** The validator knows the outcome, or (`delivered` false) has refused to hear it for good. */
export const CompletionReported = Schema.TaggedStruct("CompletionReported", {
  outcome: Schema.Literal("SUCCESS", "FAILED"),
  delivered: Schema.Boolean,
  problem: Schema.optionalWith(Schema.String, { exact: true })
})

/** Every event of a run. */
export const RunEvent = Schema.Union(
  RunRequested,
  RunAdmitted,
  RunRefused,
  StepStarted,
  StepProgressed,
  StepSucceeded,
  StepAttemptFailed,
  StepFailed,
  StepSkipped,
  CancelRequested,
  RunCompleted,
  RunFailed,
  RunCancelled,
  RunTimedOut,
  CompletionReported
)
export type RunEvent = typeof RunEvent.Type

/** The stream of a run. */
export const streamOf = (runId: RunId): string => `run/${runId}`

/** The run of a stream. */
export const runIdOf = (stream: string): string => stream.slice("run/".length)

/** The event as the log takes it: its members are plain JSON already. */
export const toNewEvent = ({ _tag, ...data }: RunEvent): NewEvent => ({ type: _tag, data })

const decode = Schema.decodeUnknown(RunEvent)

/** The event that the log kept. An event that this program cannot read is a defect: the log is its own. */
export const fromRecorded = (recorded: RecordedEvent): Effect.Effect<RunEvent> =>
  Effect.orDie(decode({ _tag: recorded.type, ...recorded.data }))

/** True for the events after which a run never changes its status. */
export const isTerminal = (type: string): boolean =>
  type === "RunCompleted" || type === "RunFailed" || type === "RunCancelled" || type === "RunTimedOut"
