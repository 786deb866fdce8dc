/**
 * May this organisation run this pipeline now? Asked before every run; told after every run. Fails closed.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type Day, OrgSlug, type RunId } from "../platform/Identifiers.ts"

/** The run may not start. `code` and `status` are those of the HTTP contract (QUOTA_EXCEEDED 429, VALIDATION_TIMEOUT 503 ...). */
export class RunNotAllowed extends Schema.TaggedError<RunNotAllowed>()("RunNotAllowed", {
  code: Schema.String,
  status: Schema.Literal(400, 401, 403, 404, 429, 500, 502, 503),
  message: Schema.String,
  retryAfterSeconds: Schema.optional(Schema.Number)
}) {}

/** Seconds until a refused run may be asked for again: the day's or month's quota, a slot of the concurrent ones. */
export const RETRY_AFTER_QUOTA_SECONDS = 86_400
export const RETRY_AFTER_CONCURRENT_SECONDS = 300

/** The completion could not be delivered; ask again later. */
export class CompletionUndelivered extends Schema.TaggedError<CompletionUndelivered>()("CompletionUndelivered", {
  message: Schema.String,
  /** False: the answer is final (4xx), another try is useless. */
  retryable: Schema.Boolean
}) {}

/** The validator cannot start: a setting is wrong, or its tables cannot be made. */
export class ValidatorUnavailable extends Schema.TaggedError<ValidatorUnavailable>()("ValidatorUnavailable", {
  message: Schema.String
}) {}

/** Runs that an organisation's plan allows it: successful ones of a day and a month (UTC), and runs at a time. */
export const Allowance = Schema.Struct({
  org: OrgSlug,
  plan: Schema.String,
  dailyLimit: Schema.Number,
  monthlyLimit: Schema.Number,
  concurrentLimit: Schema.Number
})
export type Allowance = typeof Allowance.Type

/**
 * A reservation; `reservationDate` is the UTC day it counts for, also when the run ends after midnight. One with an `allowance` holds
 * only if the run's admission is recorded: the log refuses it when the allowance is used up.
 */
export interface Reservation {
  readonly reservationDate: Day
  readonly allowance?: Allowance
}

export interface ValidatorService {
  /**
   * True: the quota is a fold of the runs' own events. `reserve` answers with an allowance and, like `complete`, writes nothing: a run's
   * admission may be recorded together with its request, and its end is the release.
   */
  readonly isQuotaInLog: boolean
  /** Reserves a slot of the org's quota. Idempotent by run id: asking again for the same run takes no second slot. */
  readonly reserve: (request: {
    readonly org: OrgSlug
    readonly runId: RunId
    /** Template id: `cloud_aws_cost_billing`. */
    readonly pipelineId: string
    /** The caller's org key; absent for in-process and CLI runs of a local installation. */
    readonly apiKey?: Redacted.Redacted
  }) => Effect.Effect<Reservation, RunNotAllowed>
  /** One attempt to release the slot; SUCCESS counts against the day and the month. Idempotent by run id; repeat it until it succeeds. */
  readonly complete: (completion: {
    readonly org: OrgSlug
    readonly runId: RunId
    readonly outcome: "SUCCESS" | "FAILED"
    readonly reservationDate: Day
  }) => Effect.Effect<void, CompletionUndelivered>
}

/** The validator service. */
export class Validator extends Context.Tag("pipeline-service/Validator")<Validator, ValidatorService>() {}
