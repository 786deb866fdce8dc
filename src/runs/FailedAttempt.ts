/**
 * How an attempt of a step fails, and what the actor does about it.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { StepError } from "../pipelines/Processor.ts"
import { isRetryable, waitAfter } from "./Retry.ts"
import type { RunCommand, StepState } from "./Run.ts"
import type { Failure } from "./RunEvent.ts"

/** The attempt was under way when something ended that it needs. */
export const interrupted = (step: StepState, by: "a restart of the service" | "the end of what it waited for") =>
  new StepError({
    errorType: "TRANSIENT",
    code: "INTERRUPTED",
    message: `attempt ${step.attempt} of step ${step.step.stepId} was interrupted by ${by}`
  })

/** The attempt took longer than its step may. */
export const timedOut = ({ step }: StepState) =>
  new StepError({
    errorType: "TIMEOUT",
    code: "STEP_TIMEOUT",
    message: `step ${step.stepId} took longer than its ${step.timeoutSeconds} s`,
    suggestedAction: "raise timeout_seconds of the step, or ask for fewer days"
  })

/** What follows from a failed attempt: another one after a wait, or the end of the step. */
export const failAttempt = (step: StepState, error: StepError): Effect.Effect<RunCommand> =>
  Effect.gen(function* () {
    const { retry, stepId } = step.step
    const failure: Failure = {
      errorType: error.errorType,
      code: error.code,
      message: error.message,
      ...(error.suggestedAction === undefined ? {} : { suggestedAction: error.suggestedAction })
    }
    if (!isRetryable(error.errorType) || step.attempt >= retry.maxAttempts) {
      return { _tag: "FailAttempt", stepId, failure, retryAt: undefined }
    }
    const wait = yield* waitAfter(retry, step.attempt, error.retryAfterSeconds)
    const now = yield* Clock.currentTimeMillis
    return { _tag: "FailAttempt", stepId, failure, retryAt: now + Math.round(Duration.toMillis(wait)) }
  })
