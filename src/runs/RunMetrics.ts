/**
 * What `/metrics` tells of runs. Labels are bounded: statuses and registered processor types.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import type { RunState } from "./Run.ts"

const ended = Metric.counter("pipeline_runs_ended_total", { description: "Runs by final status", incremental: true })
const attempts = Metric.counter("pipeline_step_attempts_total", {
  description: "Attempts of steps by processor and outcome",
  incremental: true
})
const seconds = Metric.histogram(
  "pipeline_run_duration_seconds",
  MetricBoundaries.exponential({ start: 0.01, factor: 4, count: 10 }),
  "Seconds from request to end of a run"
)

/** Counts a run that has ended. */
export const runEnded = (state: RunState): Effect.Effect<void> =>
  Effect.zipRight(
    Metric.increment(Metric.tagged(ended, "status", state.status)),
    Metric.update(seconds, ((state.endedAt ?? state.requestedAt) - state.requestedAt) / 1000)
  )

/** Counts an attempt of a step. */
export const attemptEnded = (psType: string, outcome: "succeeded" | "failed"): Effect.Effect<void> =>
  Metric.increment(Metric.tagged(Metric.tagged(attempts, "ps_type", psType), "outcome", outcome))
