/**
 * The changes of state that a run's history shows.
 */
import type { RecordedEvent } from "../eventlog/EventLog.ts"
import { foldEvent, type RunState, type StepState } from "./Run.ts"
import type { Failure, RunEvent } from "./RunEvent.ts"
import type { Transition } from "./Runs.ts"

interface Change {
  readonly stepId: string | undefined
  readonly from: string
  readonly to: string
  readonly failure: Failure | undefined
  readonly retryCount: number
}

/** The transitions of a run with these events, in their order; a run that was only refused has none. */
export const transitionsOf = (
  history: ReadonlyArray<{ readonly recorded: RecordedEvent; readonly event: RunEvent }>
): ReadonlyArray<Transition> => {
  const transitions: Array<Transition> = []
  const since = new Map<string | undefined, number>()
  let state: RunState | undefined
  for (const { event, recorded } of history) {
    const { recordedAt, version } = recorded
    const before: RunState | undefined = state
    state = foldEvent(before, event, recordedAt)
    if (state === undefined) return []
    for (const { failure, from, retryCount, stepId, to } of before === undefined ? [] : changes(before, state)) {
      const { requestedAt, request } = state
      const id = `${request.runId}:${version}`
      transitions.push({
        transitionId: stepId === undefined ? id : `${id}:${stepId}`,
        runId: request.runId,
        stepId,
        from,
        to,
        time: new Date(recordedAt).toISOString(),
        errorType: failure?.errorType ?? null,
        errorMessage: failure?.message ?? null,
        retryCount,
        durationInStateMs: recordedAt - (since.get(stepId) ?? requestedAt),
        metadata: { event: event._tag }
      })
      since.set(stepId, recordedAt)
    }
  }
  return transitions
}

/** Steps first, as what happens to them decides on the run. */
const changes = (before: RunState, after: RunState): ReadonlyArray<Change> => {
  const found: Array<Change> = []
  for (const [stepId, step] of after.steps) {
    const from = shown(before.steps.get(stepId))
    const to = shown(step)
    if (from === to) continue
    const failure = to === "COMPLETED" || to === "RUNNING" ? undefined : step.failure
    found.push({ stepId, from, to, failure, retryCount: Math.max(0, step.attempt - 1) })
  }
  if (before.status !== after.status) {
    found.push({ stepId: undefined, from: before.status, to: after.status, failure: after.failure, retryCount: 0 })
  }
  return found
}

const shown = (step: StepState | undefined): string =>
  step === undefined || step.status === "WAITING" ? "PENDING" : step.status
