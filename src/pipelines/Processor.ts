/**
 * What a step runs: the interface that implementations of a `ps_type` fulfil. The engine knows nothing else of them, so a program can
 * bring its own.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Day, OrgSlug, RunId } from "../platform/Identifiers.ts"
import { JsonObject } from "../platform/Json.ts"

/** Decides whether a failed attempt is repeated: TRANSIENT, TIMEOUT and UNKNOWN are, the others are not. */
export const ErrorType = Schema.Literal(
  "TRANSIENT",
  "PERMANENT",
  "TIMEOUT",
  "VALIDATION_ERROR",
  "DEPENDENCY_FAILURE",
  "UNKNOWN"
)
export type ErrorType = typeof ErrorType.Type

/** Why an attempt of a step failed. `message` says what happened and to whom, `suggestedAction` what to do; neither holds a secret or a provider's own text. */
export class StepError extends Schema.TaggedError<StepError>()("StepError", {
  errorType: ErrorType,
  /** Stable code in capitals: `MANIFEST_FILE_MISSING`. */
  code: Schema.String,
  message: Schema.String,
  suggestedAction: Schema.optionalWith(Schema.String, { exact: true }),
  /** The provider asked to wait this long. */
  retryAfterSeconds: Schema.optionalWith(Schema.Number, { exact: true })
}) {}

/** What a step did; kept in the log and given to its dependents. `details` holds `output_*` values, statistics and reports. */
export const StepOutput = Schema.Struct({
  rowsProcessed: Schema.Number,
  rowsWritten: Schema.Number,
  outputTable: Schema.optionalWith(Schema.String, { exact: true }),
  /** First days of the billing periods that the step changed. */
  affectedPeriods: Schema.optionalWith(Schema.Array(Schema.String), { exact: true }),
  details: JsonObject
})
export type StepOutput = typeof StepOutput.Type

/** All that a processor is told about the attempt it makes. */
export interface StepContext {
  readonly org: OrgSlug
  readonly runId: RunId
  /** Template id: `cloud_aws_cost_billing`. */
  readonly pipelineId: string
  readonly stepId: string
  /** 1 for the first attempt. */
  readonly attempt: number
  /** The step's `config`, variables resolved. */
  readonly config: JsonObject
  /** Outputs of the steps that this one depends on directly, by step id. */
  readonly outputs: Readonly<Record<string, StepOutput>>
  /** Inclusive range of data dates. */
  readonly startDate: Day
  readonly endDate: Day
  /** True: ignore change tokens, load everything again. */
  readonly forceRefresh: boolean
  /** Only this credential, when given; otherwise every active one of the provider. */
  readonly credentialId?: string
  /** Tells followers of the run how far the step is; sparse, at most about once a second. */
  readonly progress: (progress: { readonly rows?: number; readonly bytes?: number }) => Effect.Effect<void>
}

/** What the dates of a run may be, where a pipeline's differ from "yesterday, and no day in the future". */
export interface DateRules {
  /** A day after today is data too: what is known to come. */
  readonly allowsFuture: boolean
  /** First day of a run that names no dates, up to today; undefined: there is nothing yet, so today alone. */
  readonly earliest: (org: OrgSlug) => Effect.Effect<Day | undefined, StepError>
}

/** An implementation of one `ps_type`. Interrupting `execute` must stop its outside work. Executing it again must be safe: it writes slices. */
export interface Processor {
  readonly type: string
  /** Checks a step's `config` when the catalogue is loaded; a text says what is wrong. */
  readonly check: (config: JsonObject) => string | undefined
  /** The rules of dates that a step with this `config` sets for its pipeline. */
  readonly dateRules?: (config: JsonObject) => DateRules | undefined
  /**
   * Whether a run with this step may be accepted at all, asked before anything of it is stored: fails when what the step needs is not
   * configured. Only the one credential when `credentialId` is given.
   */
  readonly admits?: (
    config: JsonObject,
    request: { readonly org: OrgSlug; readonly credentialId?: string }
  ) => Effect.Effect<void, StepError>
  readonly execute: (context: StepContext) => Effect.Effect<StepOutput, StepError>
}

/** The processors that this program has, by `ps_type`; each is made when a step first needs it. */
export class Processors extends Context.Tag("pipeline-service/Processors")<
  Processors,
  ReadonlyMap<string, Effect.Effect<Processor>>
>() {
  /** Entries of the map for processors that are made already. */
  static readonly entries = (
    processors: ReadonlyArray<Processor>
  ): ReadonlyArray<readonly [string, Effect.Effect<Processor>]> =>
    processors.map((processor) => [processor.type, Effect.succeed(processor)])
}
