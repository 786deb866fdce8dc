/**
 * What `/metrics` and traces tell of calls to providers: each attempt, by provider and outcome. Labels are bounded: the vendors of this
 * program and the classes of {@link SourceError}.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as Option from "effect/Option"
import { SourceError } from "./SourceError.ts"

const seconds = Metric.histogram(
  "provider_call_seconds",
  MetricBoundaries.exponential({ start: 0.02, factor: 3, count: 9 }),
  "Seconds of a call to a provider by outcome: succeeded, the class of the failure, or interrupted"
)

/** Measures and traces one attempt of a call; `target` is what errors name, never a query string. */
export const observed = (provider: string, target: string) => {
  const ofProvider = Metric.tagged(seconds, "provider", provider.toLowerCase())
  return <A, E, R>(attempt: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Clock.currentTimeMillis, (started) =>
      Effect.onExit(attempt, (exit) =>
        Effect.flatMap(Clock.currentTimeMillis, (ended) =>
          Metric.update(Metric.tagged(ofProvider, "outcome", outcomeOf(exit)), (ended - started) / 1000)
        )
      )
    ).pipe(
      // A span tells all of a failure, and this one may still be in the vendor's words, with keys in them: only its class is told.
      Effect.exit,
      Effect.tap((exit) => Effect.annotateCurrentSpan("outcome", outcomeOf(exit))),
      Effect.withSpan("provider.call", {
        attributes: { provider: provider.toLowerCase(), target },
        captureStackTrace: false
      }),
      Effect.flatten
    )
}

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isSuccess(exit)
    ? "succeeded"
    : Option.match(Cause.failureOption(exit.cause), {
        onNone: () => "interrupted",
        onSome: (failure) => (failure instanceof SourceError ? failure.kind : "failed")
      })
