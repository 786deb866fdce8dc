/**
 * When a failed attempt is repeated. The policy is a `Schedule`; because a run outlives its process, the wait before attempt n is found by
 * running the schedule to its n-th delay instead of holding a driver in memory, and the log keeps the resulting time.
 */
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { ErrorType } from "../pipelines/Processor.ts"
import type { RetryPolicy } from "../pipelines/Pipeline.ts"

const longestBackoff = Duration.hours(1)

/** True for the errors that another attempt may cure. */
export const isRetryable = (errorType: ErrorType): boolean =>
  errorType === "TRANSIENT" || errorType === "TIMEOUT" || errorType === "UNKNOWN"

/** The waits between attempts: doubling or constant, at most an hour, jittered by 10 %. */
export const retrySchedule = (policy: RetryPolicy): Schedule.Schedule<unknown> => {
  const base = Duration.seconds(policy.backoffSeconds)
  const growing: Schedule.Schedule<unknown> = policy.exponential ? Schedule.exponential(base) : Schedule.spaced(base)
  return growing.pipe(
    Schedule.modifyDelay((_, delay) => Duration.min(delay, longestBackoff)),
    Schedule.jitteredWith({ min: 0.9, max: 1.1 })
  )
}

/** The wait after attempt `attempt` (1 is the first) failed; a provider's Retry-After wins when it is longer. */
export const waitAfter = (
  policy: RetryPolicy,
  attempt: number,
  retryAfterSeconds: number | undefined
): Effect.Effect<Duration.Duration> =>
  Schedule.run(Schedule.delays(retrySchedule(policy)), 0, Array(attempt).fill(undefined)).pipe(
    Effect.map((delays) =>
      Duration.max(
        Option.getOrElse(Chunk.last(delays), () => Duration.zero),
        Duration.seconds(retryAfterSeconds ?? 0)
      )
    )
  )
