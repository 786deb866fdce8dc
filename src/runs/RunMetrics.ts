/**
 * What `/metrics` tells of runs. Labels are bounded: statuses and registered processor types.
 */
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

// A tagged metric is looked up by its labels each time it is made, so each is made once.
const endedByStatus = new Map<string, typeof ended>()
const attemptsByLabels = new Map<string, typeof attempts>()

const once = <A>(made: Map<string, A>, key: string, make: () => A): A => {
  const known = made.get(key) ?? make()
  made.set(key, known)
  return known
}

/** Counts a run that has ended. */
export const runEnded = (state: RunState): void => {
  once(endedByStatus, state.status, () => Metric.tagged(ended, "status", state.status)).unsafeUpdate(1, [])
  seconds.unsafeUpdate(((state.endedAt ?? state.requestedAt) - state.requestedAt) / 1000, [])
}

/** Counts an attempt of a step. */
export const attemptEnded = (psType: string, outcome: "succeeded" | "failed"): void =>
  once(attemptsByLabels, `${psType} ${outcome}`, () =>
    Metric.tagged(Metric.tagged(attempts, "ps_type", psType), "outcome", outcome)
  ).unsafeUpdate(1, [])
