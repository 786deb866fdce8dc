/**
 * What `/metrics` tells of runs. Labels are bounded: statuses and registered processor types.
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"
import type { RunState } from "./Run.ts"

const ended = Metric.counter("pipeline_runs_ended_total", { description: "Runs by final status", incremental: true })
const attempts = Metric.counter("pipeline_step_attempts_total", {
  description: "Attempts of steps by processor and outcome",
  incremental: true
})
const working = Metric.gauge("pipeline_runs_working", { description: "Runs that hold a slot of this process" })
const waiting = Metric.gauge("pipeline_runs_waiting", { description: "Runs that wait for a slot of this process" })
const seconds = Metric.histogram(
  "pipeline_run_duration_seconds",
  MetricBoundaries.exponential({ start: 0.01, factor: 4, count: 10 }),
  "Seconds from request to end of a run"
)

// A metric finds the series of its labels by the array they stand in, so each array is made once.
const madeOnce = (make: (value: string) => ReadonlyArray<MetricLabel.MetricLabel>) => {
  const made = new Map<string, ReadonlyArray<MetricLabel.MetricLabel>>()
  return (value: string) => {
    const known = made.get(value)
    if (known !== undefined) return known
    const labels = make(value)
    made.set(value, labels)
    return labels
  }
}

const statusLabels = madeOnce((status) => [MetricLabel.make("status", status)])
const attemptLabels = (outcome: string) =>
  madeOnce((psType) => [MetricLabel.make("ps_type", psType), MetricLabel.make("outcome", outcome)])
const outcomeLabels = { succeeded: attemptLabels("succeeded"), failed: attemptLabels("failed") }

/** Tells how many runs hold a slot, and how many wait for one. */
export const slotsTaken = (held: number, awaited: number): void => {
  working.unsafeUpdate(held, [])
  waiting.unsafeUpdate(awaited, [])
}

/** Counts a run that has ended. */
export const runEnded = (state: RunState): void => {
  ended.unsafeUpdate(1, statusLabels(state.status))
  seconds.unsafeUpdate(((state.endedAt ?? state.requestedAt) - state.requestedAt) / 1000, [])
}

/** Counts an attempt of a step. */
export const attemptEnded = (psType: string, outcome: "succeeded" | "failed"): void =>
  attempts.unsafeUpdate(1, outcomeLabels[outcome](psType))
