/**
 * How the validator hears of the end of a run: at once, after 1 s, 2 s, then up to every 15 minutes for a day.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { ValidatorService } from "../validator/Validator.ts"
import { outcomeOf, type RunCommand, type RunState } from "./Run.ts"

const firstWait = Duration.seconds(1)
const longestWait = Duration.minutes(15)
const patience = Duration.hours(24)

/** Tells the validator the outcome until it hears it, or for good refuses to; the command for the run says which. */
export const reportCompletion = (
  validator: ValidatorService,
  state: RunState
): Effect.Effect<RunCommand & { readonly _tag: "ReportCompletion" }> => {
  const { request, reservationDate } = state
  if (reservationDate === undefined) return Effect.succeed({ _tag: "ReportCompletion", delivered: true })
  const { org, runId } = request
  const complete = validator.complete({ org, runId, outcome: outcomeOf(state), reservationDate })
  return complete.pipe(
    Effect.catchAll((error) =>
      error.retryable
        ? complete.pipe(
            Effect.delay(firstWait),
            Effect.retry({ while: (again) => again.retryable, schedule: retrySchedule })
          )
        : Effect.fail(error)
    ),
    Effect.match({
      onSuccess: () => ({ _tag: "ReportCompletion", delivered: true }),
      onFailure: ({ message }) => ({ _tag: "ReportCompletion", delivered: false, problem: message })
    })
  )
}

const retrySchedule = Schedule.exponential("2 seconds").pipe(
  Schedule.modifyDelay((_, delay) => Duration.min(delay, longestWait)),
  Schedule.upTo(patience)
)
