/**
 * A run as a decider: `decide` turns a command into events, `evolve` folds events into a state. Pure; the actor does the rest.
 */
import * as Either from "effect/Either"
import type { StepOutput } from "../pipelines/Processor.ts"
import type { NoticeTrigger, Step } from "../pipelines/Pipeline.ts"
import type { Day } from "../platform/Identifiers.ts"
import type { Reservation } from "../validator/Validator.ts"
import type { Failure, RetryOf, RunEvent, RunRequested } from "./RunEvent.ts"
import { runTimeout } from "./RunEvent.ts"
import type { RunStatus, StepStatus } from "./Runs.ts"

/** A step in the fold. WAITING is a failed attempt whose repetition is due at `retryAt`; the API shows it as RUNNING. */
export interface StepState {
  readonly step: Step
  readonly status: StepStatus | "WAITING"
  readonly attempt: number
  readonly retryAt: number | undefined
  readonly output: StepOutput | undefined
  readonly failure: Failure | undefined
  /** Rows of the last progress report. */
  readonly progressRows: number | undefined
  readonly startedAt: number | undefined
  readonly endedAt: number | undefined
}

/** What the fold of a run's events says; times are milliseconds since 1970 UTC. */
export interface RunState {
  readonly request: typeof RunRequested.Type
  readonly version: number
  readonly status: RunStatus | "REFUSED"
  readonly reservationDate: Day | undefined
  readonly steps: ReadonlyMap<string, StepState>
  readonly failure: Failure | undefined
  readonly failedSteps: ReadonlyArray<string>
  readonly cancelReason: string | undefined
  readonly requestedAt: number
  readonly admittedAt: number | undefined
  readonly endedAt: number | undefined
  readonly completionReported: boolean
}

/** What the actor may ask for. `now` and `retryAt` are milliseconds since 1970 UTC. */
export type RunCommand =
  /** `start`: a slot is free, so the first steps begin at once. */
  | (Reservation & { readonly _tag: "Admit"; readonly start: boolean })
  | { readonly _tag: "Refuse"; readonly code: string; readonly message: string }
  /** Starts what can be started: at the beginning, and after a recovery. */
  | { readonly _tag: "Advance" }
  | { readonly _tag: "ReportProgress"; readonly stepId: string; readonly rows?: number; readonly bytes?: number }
  | { readonly _tag: "SucceedStep"; readonly stepId: string; readonly output: StepOutput }
  /** `retryAt` undefined: no further attempt. */
  | {
      readonly _tag: "FailAttempt"
      readonly stepId: string
      readonly failure: Failure
      readonly retryAt: number | undefined
    }
  | { readonly _tag: "RetryStep"; readonly stepId: string }
  | { readonly _tag: "Cancel"; readonly by: string; readonly reason: string }
  /** All fibers of a cancelled run have stopped. */
  | { readonly _tag: "ConfirmCancelled" }
  | { readonly _tag: "TimeOut" }
  | {
      readonly _tag: "ReportCompletion"
      readonly delivered: boolean
      readonly problem?: string
    }

/** The command does not fit the state: another one was faster. Harmless; the actor drops it. */
export interface Refusal {
  readonly reason: string
}

/** Bounds that the service sets, not the run. */
export interface Limits {
  readonly maxParallelSteps: number
}

type Decision = Either.Either<ReadonlyArray<RunEvent>, Refusal>

/** The events that follow from a command. Pure: equal arguments give equal events. */
export const decide = (state: RunState, command: RunCommand, limits: Limits): Decision => {
  switch (command._tag) {
    case "Admit":
      return isAsking(state) ? admit(state, command, limits) : refuse("the run is admitted already or has ended")
    case "Refuse":
      return isAsking(state)
        ? Either.right([{ _tag: "RunRefused", code: command.code, message: command.message }])
        : refuse("the run is admitted already or has ended")
    case "Advance":
      return isWorking(state) ? Either.right(advance(state, limits)) : refuse("the run is not working")
    case "ReportProgress":
      return stepIs(state, command.stepId, "RUNNING")
        ? Either.right([progressed(command)])
        : refuse("the step is not running")
    case "SucceedStep":
      return stepIs(state, command.stepId, "RUNNING")
        ? andThenAdvance(state, limits, {
            _tag: "StepSucceeded",
            output: command.output,
            stepId: command.stepId
          })
        : refuse("the step is not running")
    case "FailAttempt":
      return failAttempt(state, command, limits)
    case "RetryStep": {
      const step = state.steps.get(command.stepId)
      return isWorking(state) && step?.status === "WAITING"
        ? Either.right([{ _tag: "StepStarted", attempt: step.attempt + 1, stepId: command.stepId }])
        : refuse("the step does not wait for another attempt")
    }
    case "Cancel":
      return cancel(state, command)
    case "ConfirmCancelled":
      return state.status === "CANCELLING"
        ? Either.right([...notices(state, "CANCELLED"), { _tag: "RunCancelled", reason: state.cancelReason ?? "" }])
        : refuse("the run is not being cancelled")
    case "TimeOut":
      return isWorking(state)
        ? Either.right([
            ...notices(state, "TIMEOUT"),
            { _tag: "RunTimedOut", timeoutSeconds: state.request.pipeline.timeoutSeconds }
          ])
        : refuse("the run is not working")
    case "ReportCompletion":
      return isEnded(state.status) && !state.completionReported
        ? Either.right([
            {
              _tag: "CompletionReported",
              delivered: command.delivered,
              outcome: outcomeOf(state),
              ...(command.problem === undefined ? {} : { problem: command.problem })
            }
          ])
        : refuse("the run has not ended, or its completion is reported already")
  }
}

/** What the validator is told: only a completed run is a success. */
export const outcomeOf = (state: RunState): "SUCCESS" | "FAILED" =>
  state.status === "COMPLETED" ? "SUCCESS" : "FAILED"

/** True when the status never changes again. */
export const isEnded = (status: RunState["status"]): boolean =>
  status === "COMPLETED" || status === "FAILED" || status === "CANCELLED" || status === "TIMEOUT"

/** True when nothing more will happen to the run: it has ended and the validator knows, or it was refused. */
export const isOver = (state: RunState): boolean =>
  state.completionReported && (state.status === "REFUSED" || isEnded(state.status))

/** True while the validator has not answered: a slot may be reserved that nobody has recorded. */
export const isAsking = (state: RunState): boolean => state.status === "PENDING" && state.reservationDate === undefined

const admit = (state: RunState, command: RunCommand & { readonly _tag: "Admit" }, limits: Limits): Decision => {
  const { allowance, reservationDate, start } = command
  const admitted: RunEvent = { _tag: "RunAdmitted", ...(allowance === undefined ? {} : { allowance }), reservationDate }
  return start ? andThenAdvance(state, limits, admitted) : Either.right([admitted])
}

const isWorking = (state: RunState): boolean =>
  state.reservationDate !== undefined && (state.status === "PENDING" || state.status === "RUNNING")

const stepIs = (state: RunState, stepId: string, status: StepState["status"]): boolean =>
  isWorking(state) && state.steps.get(stepId)?.status === status

const refuse = (reason: string): Decision => Either.left({ reason })

const progressed = (command: RunCommand & { readonly _tag: "ReportProgress" }): RunEvent => ({
  ...command,
  _tag: "StepProgressed"
})

const failAttempt = (
  state: RunState,
  command: RunCommand & { readonly _tag: "FailAttempt" },
  limits: Limits
): Decision => {
  const step = state.steps.get(command.stepId)
  if (step === undefined || !stepIs(state, command.stepId, "RUNNING")) return refuse("the step is not running")
  const { attempt } = step
  const { stepId, failure, retryAt } = command
  return retryAt === undefined
    ? andThenAdvance(state, limits, { _tag: "StepFailed", stepId, attempt, failure })
    : Either.right([{ _tag: "StepAttemptFailed", stepId, attempt, failure, retryAt }])
}

const cancel = (state: RunState, command: RunCommand & { readonly _tag: "Cancel" }): Decision => {
  if (state.status !== "PENDING" && state.status !== "RUNNING") return refuse("the run has ended or is being cancelled")
  const requested: RunEvent = { _tag: "CancelRequested", by: command.by, reason: command.reason }
  return Either.right(
    state.status === "PENDING"
      ? [requested, ...notices(state, "CANCELLED"), { _tag: "RunCancelled", reason: command.reason }]
      : [requested]
  )
}

const andThenAdvance = (state: RunState, limits: Limits, event: RunEvent): Decision =>
  Either.right([event, ...advance(evolve(state, event, 0), limits)])

/** All that follows without a further word from outside: skips, starts, the end. */
const advance = (state: RunState, limits: Limits): ReadonlyArray<RunEvent> => {
  const steps = [...state.steps.values()].filter(({ step }) => step.trigger === undefined)
  const stopper = steps.find((each) => isFailed(each) && each.step.onFailure === "stop")
  const busy = steps.filter((each) => each.status === "RUNNING" || each.status === "WAITING").length
  const pending = steps.filter((each) => each.status === "PENDING")
  if (stopper !== undefined) {
    if (busy > 0) return []
    const skips = pending.map(({ step }) => skipped(step, `step ${stopper.step.stepId} failed`))
    const failure = stopper.failure ?? lostFailure
    return [...skips, ...notices(state, "FAILED"), { _tag: "RunFailed", stepId: stopper.step.stepId, failure }]
  }
  const disabled = pending.find((each) => isReady(state, each) && each.step.enabled === false)
  if (disabled !== undefined) {
    const skip = skipped(disabled.step, "disabled")
    return [skip, ...advance(evolve(state, skip, 0), limits)]
  }
  const starts = pending
    .filter((each) => isReady(state, each))
    .slice(0, Math.max(0, limits.maxParallelSteps - busy))
    .map(({ step }): RunEvent => ({ _tag: "StepStarted", attempt: 1, stepId: step.stepId }))
  return starts.length === 0 && busy === 0
    ? [...notices(state, "COMPLETED"), { _tag: "RunCompleted", failedSteps: failedSteps(steps) }]
    : starts
}

type Outcome = "COMPLETED" | "FAILED" | "TIMEOUT" | "CANCELLED"

const outcomesOf: Readonly<Record<NoticeTrigger, ReadonlyArray<Outcome>>> = {
  on_success: ["COMPLETED"],
  on_failure: ["FAILED", "TIMEOUT"],
  on_completion: ["COMPLETED", "FAILED", "TIMEOUT"],
  always: ["COMPLETED", "FAILED", "TIMEOUT", "CANCELLED"]
}

/** What the end of the run makes of its notices. A due one is handed to the notifier, which follows the log: that cannot fail. */
const notices = (state: RunState, outcome: Outcome): ReadonlyArray<RunEvent> =>
  [...state.steps.values()].flatMap(({ step }): ReadonlyArray<RunEvent> => {
    if (step.trigger === undefined) return []
    if (step.enabled === false) return [skipped(step, "disabled")]
    return outcomesOf[step.trigger].includes(outcome)
      ? [{ _tag: "StepSucceeded", stepId: step.stepId, output: { rowsProcessed: 0, rowsWritten: 0, details: {} } }]
      : [skipped(step, `trigger ${step.trigger}, and the run is ${outcome}`)]
  })

const lostFailure: Failure = { errorType: "UNKNOWN", code: "UNKNOWN", message: "the step failed" }

const skipped = (step: Step, reason: string): RunEvent => ({ _tag: "StepSkipped", stepId: step.stepId, reason })

const isFailed = (step: StepState): boolean => step.status === "FAILED" || step.status === "TIMEOUT"

const isReady = (state: RunState, { step }: StepState): boolean =>
  step.dependsOn.every((id) => {
    const dependency = state.steps.get(id)
    return (
      dependency !== undefined &&
      (dependency.status === "COMPLETED" || dependency.status === "SKIPPED" || isFailed(dependency))
    )
  })

const failedSteps = (steps: ReadonlyArray<StepState>): ReadonlyArray<string> =>
  steps.filter(isFailed).map(({ step }) => step.stepId)

/** The state of a new run: what `RunRequested` says. Steps that the retried run had finished are finished here. */
export const begin = (request: typeof RunRequested.Type, at: number): RunState => ({
  request,
  version: 1,
  status: "PENDING",
  reservationDate: undefined,
  steps: withFinished(new Map(request.pipeline.steps.map((step) => [step.stepId, newStep(step)])), request.retryOf),
  failure: undefined,
  failedSteps: [],
  cancelReason: undefined,
  requestedAt: at,
  admittedAt: undefined,
  endedAt: undefined,
  completionReported: false
})

const newStep = (step: Step): StepState => ({
  step,
  status: "PENDING",
  attempt: 0,
  retryAt: undefined,
  output: undefined,
  failure: undefined,
  progressRows: undefined,
  startedAt: undefined,
  endedAt: undefined
})

const withFinished = (steps: Map<string, StepState>, retryOf: RetryOf | undefined): Map<string, StepState> => {
  for (const { stepId, output } of retryOf?.finished ?? []) {
    const step = steps.get(stepId)
    if (step !== undefined) steps.set(stepId, { ...step, status: "COMPLETED", output })
  }
  return steps
}

/** The state after one more event, recorded at `at` (milliseconds since 1970 UTC). */
export const evolve = (state: RunState, event: RunEvent, at: number): RunState =>
  event._tag === "RunRequested"
    ? begin(event, at)
    : { ...state, version: state.version + 1, ...changeOf(state, event, at) }

const changeOf = (
  state: RunState,
  event: Exclude<RunEvent, { readonly _tag: "RunRequested" }>,
  at: number
): Partial<RunState> => {
  switch (event._tag) {
    case "RunAdmitted":
      return { reservationDate: event.reservationDate, admittedAt: at }
    case "RunRefused":
      return { status: "REFUSED", endedAt: at, completionReported: true }
    case "StepStarted": {
      const { attempt, stepId } = event
      const startedAt = state.steps.get(stepId)?.startedAt ?? at
      const steps = withStep(state, stepId, { status: "RUNNING", attempt, retryAt: undefined, startedAt })
      return { status: "RUNNING", steps }
    }
    case "StepProgressed":
      return event.rows === undefined ? {} : { steps: withStep(state, event.stepId, { progressRows: event.rows }) }
    case "StepSucceeded": {
      const { output, stepId } = event
      return { steps: withStep(state, stepId, { status: "COMPLETED", output, failure: undefined, endedAt: at }) }
    }
    case "StepAttemptFailed": {
      const { failure, retryAt, stepId } = event
      return { steps: withStep(state, stepId, { status: "WAITING", failure, retryAt }) }
    }
    case "StepFailed": {
      const { failure, stepId } = event
      const status = failure.errorType === "TIMEOUT" ? "TIMEOUT" : "FAILED"
      return { steps: withStep(state, stepId, { status, failure, endedAt: at }) }
    }
    case "StepSkipped":
      return { steps: withStep(state, event.stepId, { status: "SKIPPED", endedAt: at }) }
    case "CancelRequested":
      return { status: "CANCELLING", cancelReason: event.reason }
    case "RunCompleted":
      return { status: "COMPLETED", failedSteps: event.failedSteps, endedAt: at }
    case "RunFailed":
      return { status: "FAILED", failure: event.failure, endedAt: at }
    case "RunCancelled":
      return { status: "CANCELLED", endedAt: at, steps: endedSteps(state, "CANCELLED", at) }
    case "RunTimedOut": {
      const failure = runTimeout(event.timeoutSeconds)
      return { status: "TIMEOUT", failure, endedAt: at, steps: endedSteps(state, "TIMEOUT", at) }
    }
    case "CompletionReported":
      return { completionReported: true }
  }
}

/** {@link begin} for the first event, {@link evolve} for the others; undefined while there was no `RunRequested`. */
export const foldEvent = (state: RunState | undefined, event: RunEvent, at: number): RunState | undefined => {
  if (state !== undefined) return evolve(state, event, at)
  return event._tag === "RunRequested" ? begin(event, at) : undefined
}

const withStep = ({ steps }: RunState, stepId: string, change: Partial<StepState>): RunState["steps"] => {
  const step = steps.get(stepId)
  return step === undefined ? steps : new Map(steps).set(stepId, { ...step, ...change })
}

/** The run ended above its steps: those under way share its fate, those not begun are skipped. */
const endedSteps = ({ steps }: RunState, status: "CANCELLED" | "TIMEOUT", at: number): RunState["steps"] =>
  new Map(
    [...steps].map(([id, step]) => [
      id,
      step.status === "RUNNING" || step.status === "WAITING"
        ? { ...step, status, retryAt: undefined, endedAt: at }
        : step.status === "PENDING"
          ? { ...step, status: "SKIPPED", endedAt: at }
          : step
    ])
  )
