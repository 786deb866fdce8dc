/**
 * The runs: ask for one, cancel it, look at it, follow it. What HTTP, CLI and programs use; behind it stands one actor per run.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { EventLogUnavailable, RecordedEvent } from "../eventlog/EventLog.ts"
import type { PipelineInvalid, TemplateNotFound } from "../pipelines/Catalogue.ts"
import type { Day, OrgSlug, RunId } from "../platform/Identifiers.ts"
import type { JsonObject } from "../platform/Json.ts"
import type { RunNotAllowed } from "../validator/Validator.ts"

/** What the fold of a run's events says. */
export const RunStatus = Schema.Literal(
  "PENDING",
  "RUNNING",
  "CANCELLING",
  "COMPLETED",
  "FAILED",
  "CANCELLED",
  "TIMEOUT"
)
export type RunStatus = typeof RunStatus.Type

/** As {@link RunStatus}, without CANCELLING, with SKIPPED. */
export const StepStatus = Schema.Literal("PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "SKIPPED")
export type StepStatus = typeof StepStatus.Type

/** Who started a run. */
export const Trigger = Schema.Literal("api", "scheduler", "pubsub", "retry", "manual")
export type Trigger = typeof Trigger.Type

/** Dates are inclusive data dates; absent ones mean yesterday UTC. */
export interface RunRequest {
  readonly org: OrgSlug
  /** `cloud/aws/cost/billing` */
  readonly configId: string
  readonly trigger: Trigger
  readonly triggerBy: string
  readonly startDate?: Day
  readonly endDate?: Day
  readonly forceRefresh?: boolean
  readonly credentialId?: string
  /** Same key, org and pipeline within 24 hours: the first answer again. */
  readonly idempotencyKey?: string
  /** The caller's key, for the validator. */
  readonly apiKey?: Redacted.Redacted
}

/** The answer to a request; `existing` when a live run of the org and pipeline, or the idempotency key's run, is answered instead of a new one. */
export interface RunAccepted {
  readonly runId: RunId
  /** `{org}-cloud-aws-cost-billing` */
  readonly trackingId: string
  readonly status: RunStatus
  readonly existing: boolean
}

/** A date range that cannot be run; `code` is INVALID_DATE or INVALID_DATE_RANGE. Nothing was stored. */
export class InvalidDateRange extends Schema.TaggedError<InvalidDateRange>()("InvalidDateRange", {
  code: Schema.Literal("INVALID_DATE", "INVALID_DATE_RANGE"),
  message: Schema.String
}) {}

/** The dates of a run that names none cannot be found now. */
export class DatesUnavailable extends Schema.TaggedError<DatesUnavailable>()("DatesUnavailable", {
  message: Schema.String
}) {}

/** No such run, or not this org's. */
export class RunNotFound extends Schema.TaggedError<RunNotFound>()("RunNotFound", { runId: Schema.String }) {
  override get message() {
    return `run ${this.runId} not found`
  }
}

/** Only a run that has ended can be retried. */
export class RunNotEnded extends Schema.TaggedError<RunNotEnded>()("RunNotEnded", {
  runId: Schema.String,
  status: Schema.String
}) {
  override get message() {
    return `run ${this.runId} is ${this.status}: wait for its end or cancel it, then retry it`
  }
}

/** The service is stopping; ask again after the restart. */
export class ShuttingDown extends Schema.TaggedError<ShuttingDown>()("ShuttingDown", {}) {
  override get message() {
    return "the service is shutting down: ask again in a few seconds"
  }
}

/** Why a step, an attempt or a run failed, as the API shows it. */
export interface ErrorContext {
  readonly error_type: string
  readonly error_code: string
  readonly retry_count: number
  readonly is_retryable: boolean
  readonly suggested_action: string | null
}

/** One row of the `runs` projection. Times are ISO 8601 UTC. */
export interface RunView {
  readonly runId: RunId
  readonly trackingId: string
  readonly org: OrgSlug
  readonly status: RunStatus
  readonly trigger: Trigger
  readonly triggerBy: string
  readonly startTime: string
  readonly endTime: string | null
  readonly durationMs: number | null
  /** = start date of the range */
  readonly runDate: Day
  readonly errorMessage: string | null
  readonly errorContext: ErrorContext | null
  readonly parameters: JsonObject
  /** definition_hash, failed_steps ... */
  readonly metadata: JsonObject
}

/** One step of a run: exactly one per step of the definition. `metadata` has `attempts` and the step's `output`. */
export interface StepView {
  readonly stepId: string
  /** `{run id}:{step id}` */
  readonly stepLoggingId: string
  readonly name: string
  readonly psType: string
  readonly index: number
  readonly status: StepStatus
  readonly startTime: string | null
  readonly endTime: string | null
  readonly durationMs: number | null
  readonly rowsProcessed: number | null
  readonly errorMessage: string | null
  readonly errorContext: ErrorContext | null
  readonly metadata: JsonObject
}

/** What to list; `pipeline` is a literal part of the tracking id. Dates filter `runDate`. */
export interface RunFilter {
  readonly org: OrgSlug
  readonly status?: RunStatus
  readonly pipeline?: string
  readonly trigger?: Trigger
  readonly triggerBy?: string
  readonly startDate?: Day
  readonly endDate?: Day
  readonly limit: number
  readonly offset: number
}

/** One change of state of a run or of a step. A step whose next attempt is awaited is PENDING here. Times are ISO 8601 UTC. */
export interface Transition {
  /** `{run id}:{version of the event}`, for a step with `:{step id}`. */
  readonly transitionId: string
  readonly runId: RunId
  /** Undefined: the run itself. */
  readonly stepId: string | undefined
  readonly from: string
  readonly to: string
  readonly time: string
  readonly errorType: string | null
  readonly errorMessage: string | null
  /** Attempts before the present one. */
  readonly retryCount: number
  /** How long the state before lasted. */
  readonly durationInStateMs: number
  /** `event`: what caused it. */
  readonly metadata: JsonObject
}

/** Why a run was not accepted. */
export type RequestError =
  | DatesUnavailable
  | InvalidDateRange
  | TemplateNotFound
  | PipelineInvalid
  | RunNotAllowed
  | ShuttingDown
  | EventLogUnavailable

export interface RunsService {
  /** Durable when it answers: a run that was answered is never lost. */
  readonly request: (request: RunRequest) => Effect.Effect<RunAccepted, RequestError>
  /**
   * A new run with the parameters of one that has ended, by the definition as it is now. It goes on where that one failed: a step that had
   * succeeded, is unchanged, and depends on such steps only, is not executed again and keeps its output. A run without a failure is run
   * again as a whole.
   */
  readonly retry: (
    runId: RunId,
    by: {
      readonly org: OrgSlug
      readonly triggerBy: string
      /** `retry` when absent. */
      readonly trigger?: Trigger
      readonly idempotencyKey?: string
      readonly apiKey?: Redacted.Redacted
    }
  ) => Effect.Effect<RunAccepted, RequestError | RunNotFound | RunNotEnded>
  /** A live run becomes CANCELLING, and CANCELLED when its steps have stopped; a finished one stays as it is. `org` absent: root. */
  readonly cancel: (
    runId: RunId,
    by: { readonly org?: OrgSlug; readonly reason: string }
  ) => Effect.Effect<{ readonly status: RunStatus }, RunNotFound | EventLogUnavailable>
  readonly get: (
    runId: RunId
  ) => Effect.Effect<
    { readonly run: RunView; readonly steps: ReadonlyArray<StepView> },
    RunNotFound | EventLogUnavailable
  >
  /** Newest first. */
  readonly list: (
    filter: RunFilter
  ) => Effect.Effect<{ readonly runs: ReadonlyArray<RunView>; readonly total: number }, EventLogUnavailable>
  /** The run's history, in order. */
  readonly events: (
    runId: RunId,
    fromVersion?: number
  ) => Effect.Effect<ReadonlyArray<RecordedEvent>, RunNotFound | EventLogUnavailable>
  /** The changes of state of the run and its steps, in order. */
  readonly transitions: (runId: RunId) => Effect.Effect<ReadonlyArray<Transition>, RunNotFound | EventLogUnavailable>
  /** The run's events from `fromVersion` on, as they are recorded; ends with the run's last event. */
  readonly watch: (
    runId: RunId,
    fromVersion?: number
  ) => Stream.Stream<RecordedEvent, RunNotFound | EventLogUnavailable>
  /** Waits until the run has ended. */
  readonly awaitEnd: (runId: RunId) => Effect.Effect<RunView, RunNotFound | EventLogUnavailable>
  /**
   * Fails unfinished runs that nobody works on: no actor of this process, and no event for so many minutes. The log fences a process that
   * works on one after all: its next event is refused and it lets go of the run. Answers those that were failed.
   */
  readonly failOrphans: (
    idleMinutes: number
  ) => Effect.Effect<ReadonlyArray<{ readonly runId: RunId; readonly org: OrgSlug }>, EventLogUnavailable>
  /** Folds each unfinished run and goes on with it; answers how many. Called once at start. */
  readonly recover: Effect.Effect<number, EventLogUnavailable>
}

/** The runs service. */
export class Runs extends Context.Tag("pipeline-service/Runs")<Runs, RunsService>() {}
