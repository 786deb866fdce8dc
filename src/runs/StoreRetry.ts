/**
 * How a run gets over a log that cannot be written for a while.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

interface Failure {
  readonly _tag: string
}

/** When `failed` has failed because the log was not available, `append` is tried until it is: at once, after 100 ms, then up to every 5 s. */
export const untilAvailable = <A, E extends Failure>(
  failed: Effect.Effect<A, E>,
  append: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.catchIf(
    failed,
    (error) => error._tag === "EventLogUnavailable",
    () => Effect.retry(append, { while: (error) => error._tag === "EventLogUnavailable", schedule })
  )

const schedule = Schedule.exponential("100 millis").pipe(
  Schedule.modifyDelay((_, delay) => Duration.min(delay, Duration.seconds(5)))
)
