/**
 * One run as an actor: it takes messages from its mailbox one at a time, records what follows from them, and only then acts: a fiber per
 * running step, a timer per waiting one. Closing its scope stops the run without a word in the log, so that another process can go on
 * with it.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import { constVoid } from "effect/Function"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type {
  Append,
  AppendRefusal,
  EventLogService,
  EventLogUnavailable,
  RecordedEvent
} from "../eventlog/EventLog.ts"
import type { StepError } from "../pipelines/Processor.ts"
import type { Timers } from "../platform/Timers.ts"
import type { ValidatorService } from "../validator/Validator.ts"
import { Attempts } from "./Attempts.ts"
import { reportCompletion } from "./CompletionReport.ts"
import { failAttempt, interrupted, timedOut } from "./FailedAttempt.ts"
import type { Limits, RunCommand, RunState } from "./Run.ts"
import { decide, evolve, isEnded, isOver } from "./Run.ts"
import type { RunEvent } from "./RunEvent.ts"
import { isTerminal, streamOf, toNewEvent } from "./RunEvent.ts"
import * as RunMetrics from "./RunMetrics.ts"
import type { Claim, Slots } from "./Slots.ts"
import { untilAvailable } from "./StoreRetry.ts"
import { annotate, type AttemptContext, attemptStep, spanOf } from "./StepAttempt.ts"

/** What an actor needs of the service around it. */
export interface ActorContext extends AttemptContext {
  readonly log: EventLogService
  readonly validator: ValidatorService
  readonly limits: Limits
  readonly slots: Slots
  readonly timers: Timers
}

/** A live run. */
export interface RunActor {
  /** Records the request alone, for a validator that is asked only then; part of the opening of `run`. */
  readonly record: Effect.Effect<void, RecordingFailure>
  /** Records the validator's answer to a run that is not admitted yet, and the request if it is not; part of the opening of `run`. */
  readonly answer: (answer: RunCommand & { readonly _tag: "Admit" | "Refuse" }) => Effect.Effect<void, RecordingFailure>
  /** Gives the actor a command; answers when it is recorded, or was found not to fit. */
  readonly send: (command: RunCommand) => Effect.Effect<void>
  /** Waits for the end of the run; none when another process took it over. */
  readonly ended: Effect.Effect<Option.Option<RunState>>
  /** The actor's life, after its opening; ends when the run has ended and its completion is reported, or with the opening's failure. */
  readonly run: <E>(opening: Effect.Effect<void, E>) => Effect.Effect<void, E>
}

type RecordingFailure = AppendRefusal | EventLogUnavailable

/** What the actor is told: commands, and what its own fibers and timers have to say. */
type Message =
  | { readonly _tag: "Command"; readonly command: RunCommand; readonly handled?: () => void }
  | { readonly _tag: "AttemptEnded"; readonly stepId: string; readonly attempt: number; readonly error: StepError }

/**
 * An actor for a run that is not over; `initial` is the fold of its stream and of `unrecorded`, the request that is yet to be recorded
 * together with the validator's answer.
 */
export const make = (context: ActorContext, initial: RunState, unrecorded: ReadonlyArray<RunEvent> = []): RunActor =>
  new Life(context, initial, unrecorded)

/**
 * Plain functions handle the messages, one at a time, because a message is less work than a fiber that would wait for it. The cycle is
 * `#tell` - `#next` - `#record` - `#act` - `#next`. What takes time is a fiber of its own: each attempt of a step, the report of the
 * completion, and whatever the message in hand waits for.
 */
class Life implements RunActor {
  readonly #context: ActorContext
  // Bounded by this: each step has at most one outcome, one retry and one progress report on its way.
  readonly #mailbox: Array<Message> = []
  readonly #ended = Deferred.unsafeMake<Option.Option<RunState>>(FiberId.none)
  readonly ended: RunActor["ended"] = Deferred.await(this.#ended)
  readonly #attempts: Attempts
  #state: RunState
  #unrecorded: ReadonlyArray<RunEvent>
  /** When the newest of this actor's events was recorded. */
  #recordedAt = 0
  /** What followed from the validator's answer, to be acted on when the run begins. */
  #answered: ReadonlyArray<RunEvent> | undefined
  #claim: Claim | undefined
  /** A message is in hand, or none is taken yet or any more: those that come wait in the mailbox. */
  #isBusy = true
  #isStopped = false
  /** What the message in hand waits for. */
  #waitedFor: Fiber.RuntimeFiber<unknown, unknown> | undefined
  #report: Fiber.RuntimeFiber<void> | undefined
  /** The actor's own surroundings (log annotations, span), for the fibers that it starts. */
  #runtime = Runtime.defaultRuntime
  /** Ends `#live`. */
  #leave: (exit: Exit.Exit<void, RecordingFailure>) => void = constVoid

  constructor(context: ActorContext, initial: RunState, unrecorded: ReadonlyArray<RunEvent>) {
    this.#context = context
    this.#attempts = new Attempts(context.timers)
    this.#state = initial
    this.#unrecorded = unrecorded
  }

  readonly send: RunActor["send"] = (command) =>
    Effect.raceFirst(
      Effect.async<void>((resume) => this.#tell({ _tag: "Command", command, handled: () => resume(Effect.void) })),
      this.ended
    ).pipe(Effect.asVoid)

  readonly record: RunActor["record"] = Effect.suspend(() => this.#open([]))

  readonly answer: RunActor["answer"] = (answer) => {
    const command = answer._tag === "Admit" ? this.#claimFor(answer) : answer
    const events = this.#eventsOf(command)
    return this.#open(events).pipe(
      Effect.map(() => void (this.#answered = events)),
      Effect.tapErrorCause(() => Effect.sync(() => this.#leaveSlot()))
    )
  }

  readonly run: RunActor["run"] = (opening) => {
    const { runId, org } = this.#state.request
    const live = Effect.catchAll(this.#live, (error) =>
      Effect.logWarning(`run ${runId} is left to its new owner: ${error.message}`)
    )
    return annotate({ run: runId, org }).pipe(
      Effect.zipRight(opening),
      Effect.zipRight(live),
      Effect.ensuring(this.#stop),
      spanOf(this.#context, "run", { run: runId, org })
    )
  }

  /** Records what the opening of the run has to record. A request that nobody knows of yet does not wait for the log. */
  #open(events: ReadonlyArray<RunEvent>): Effect.Effect<void, RecordingFailure> {
    const isKnown = this.#unrecorded.length === 0
    const appended = this.#appendOf(events)
    if (appended === undefined) return Effect.void
    const append = this.#context.log.append(appended.append)
    return Effect.map(isKnown ? untilAvailable(append, append) : append, appended.recorded)
  }

  get #live() {
    return Effect.flatMap(Effect.runtime(), (runtime) =>
      Effect.async<void, RecordingFailure>((resume) => {
        this.#runtime = runtime
        this.#leave = resume
        this.#safely(() => this.#begin())
      })
    )
  }

  #begin(): void {
    if (this.#answered !== undefined) return this.#act(this.#answered)
    if (isEnded(this.#state.status)) this.#end()
    else this.#resume()
    this.#next()
  }

  /** Tells the actor something; never waits. */
  readonly #tell = (message: Message): void => {
    this.#mailbox.push(message)
    if (!this.#isBusy) this.#safely(() => this.#next())
  }
  readonly #command = (command: RunCommand): void => this.#tell({ _tag: "Command", command })

  /** Handles messages until one is to be waited for. */
  #next(): void {
    this.#isBusy = true
    while (!isOver(this.#state)) {
      const message = this.#mailbox.shift()
      if (message === undefined) {
        this.#isBusy = false
        return
      }
      if (message._tag === "AttemptEnded") {
        const step = this.#state.steps.get(message.stepId)
        // A late word of an attempt that is over is dropped.
        if (step?.status !== "RUNNING" || step.attempt !== message.attempt) continue
        const judged = Effect.zipRight(this.#attempts.interrupt(message.stepId), failAttempt(step, message.error))
        return this.#waitFor(judged, (command) => this.#record(this.#eventsOf(command)))
      }
      const events = this.#eventsOf(message.command)
      if (events.length > 0) return this.#record(events, message.handled)
      message.handled?.()
    }
    this.#leave(Exit.void)
  }

  /** Records what follows from the message in hand, waiting for the log as long as need be, and acts on it. */
  #record(events: ReadonlyArray<RunEvent>, handled?: () => void): void {
    const appended = this.#appendOf(events)
    if (appended === undefined) return this.#next()
    const { log } = this.#context
    const recorded = (answer: ReadonlyArray<RecordedEvent>) => {
      appended.recorded(answer)
      handled?.()
      this.#act(events)
    }
    log.enqueue(appended.append, (exit) =>
      this.#safely(() => {
        if (Exit.isSuccess(exit)) recorded(exit.value)
        else this.#waitFor(untilAvailable(exit, log.append(appended.append)), recorded)
      })
    )
  }

  /** The append of events after those not recorded yet, and what is to be done when they are. */
  #appendOf(events: ReadonlyArray<RunEvent>) {
    const unrecorded = this.#unrecorded
    const all = unrecorded.length === 0 ? events : [...unrecorded, ...events]
    const [first, ...rest] = all.map(toNewEvent)
    if (first === undefined) return undefined
    const append: Append = {
      stream: streamOf(this.#state.request.runId),
      expectedVersion: this.#state.version - unrecorded.length,
      events: [first, ...rest]
    }
    const recorded = (answer: ReadonlyArray<RecordedEvent>): void => {
      const recordedAt = answer[0]?.recordedAt ?? 0
      this.#recordedAt = recordedAt
      this.#state = all.reduce((state, event) => evolve(state, event, recordedAt), this.#state)
      this.#unrecorded = []
    }
    return { append, recorded }
  }

  /** Acts on what was recorded, then takes the next message. */
  #act(events: ReadonlyArray<RunEvent>): void {
    for (const [index, event] of events.entries()) {
      const acting = this.#actOn(event)
      if (acting !== undefined) return this.#waitFor(acting, () => this.#act(events.slice(index + 1)))
    }
    this.#next()
  }

  /** Lets a fiber do what the message in hand waits for. */
  #waitFor<A>(effect: Effect.Effect<A, RecordingFailure>, then: (value: A) => void): void {
    const fiber = this.#fork(effect)
    this.#waitedFor = fiber
    fiber.addObserver((exit) =>
      this.#safely(() => {
        if (Exit.isSuccess(exit)) then(exit.value)
        else this.#leave(Exit.failCause(exit.cause))
      })
    )
  }

  /** Nothing happens after the stop, and a fault of the actor ends this run alone. */
  #safely(step: () => void): void {
    if (this.#isStopped) return
    try {
      step()
    } catch (fault) {
      this.#leave(Exit.die(fault))
    }
  }

  #fork<A, E>(effect: Effect.Effect<A, E>): Fiber.RuntimeFiber<A, E> {
    return Runtime.runFork(this.#runtime, effect)
  }

  /** What follows from a command; where the quota is a fold of the runs, the end of a run is also its release. */
  #eventsOf(command: RunCommand): ReadonlyArray<RunEvent> {
    const { limits, validator } = this.#context
    const events = Either.getOrElse(decide(this.#state, command, limits), () => [])
    if (!validator.isQuotaInLog || !events.some((event) => isTerminal(event._tag))) return events
    const ended = events.reduce((state, event) => evolve(state, event, 0), this.#state)
    const released = decide(ended, { _tag: "ReportCompletion", delivered: true }, limits)
    return [...events, ...Either.getOrElse(released, () => [])]
  }

  /** Does what follows from an event; answers what must be waited for. */
  #actOn(event: RunEvent): Effect.Effect<void> | undefined {
    switch (event._tag) {
      case "RunAdmitted":
        this.#watchTime()
        return undefined
      case "StepStarted":
        this.#startAttempt(event.stepId)
        return undefined
      case "StepSucceeded":
      case "StepFailed":
        this.#attempts.forget(event.stepId)
        return undefined
      case "StepAttemptFailed":
        this.#retryAt(event.stepId, event.retryAt)
        return undefined
      case "CancelRequested":
        return Effect.map(this.#attempts.interrupt(), () => this.#command({ _tag: "ConfirmCancelled" }))
      case "RunTimedOut":
        return Effect.map(this.#attempts.interrupt(), () => this.#end())
      case "RunCompleted":
      case "RunFailed":
      case "RunCancelled":
        this.#end()
        return undefined
      default:
        return undefined
    }
  }

  /** A run that is admitted takes a slot; when one is free, its first steps begin in the same append. */
  #claimFor(admit: RunCommand & { readonly _tag: "Admit" }): RunCommand {
    let start = true
    this.#claim = this.#context.slots.enter(() => {
      if (!start) this.#command({ _tag: "Advance" })
    })
    start = this.#claim.isGranted()
    return { ...admit, start }
  }

  #leaveSlot(): void {
    this.#claim?.leave()
    this.#claim = undefined
  }

  /** Goes on with a run that a process before left behind: steps that its end interrupted have failed, waits go on. */
  #resume(): void {
    const { status, steps } = this.#state
    this.#watchTime()
    this.#claim = this.#context.slots.enter(() => {
      if (status === "CANCELLING") return this.#command({ _tag: "ConfirmCancelled" })
      for (const step of steps.values()) {
        const { stepId } = step.step
        if (step.status === "RUNNING") {
          this.#tell({
            _tag: "AttemptEnded",
            stepId,
            attempt: step.attempt,
            error: interrupted(step, "a restart of the service")
          })
        }
        if (step.status === "WAITING") this.#retryAt(stepId, step.retryAt ?? 0)
      }
      this.#command({ _tag: "Advance" })
    })
  }

  #watchTime(): void {
    const { admittedAt = 0, request } = this.#state
    const deadline = admittedAt + request.pipeline.timeoutSeconds * 1000
    this.#attempts.setTimer(undefined, deadline, () => this.#command({ _tag: "TimeOut" }))
  }

  #end(): void {
    this.#leaveSlot()
    this.#attempts.forget()
    Deferred.unsafeDone(this.#ended, Effect.succeed(Option.some(this.#state)))
    RunMetrics.runEnded(this.#state)
    if (this.#state.completionReported) return
    this.#report = this.#fork(Effect.map(reportCompletion(this.#context.validator, this.#state), this.#command))
  }

  #startAttempt(stepId: string): void {
    const step = this.#state.steps.get(stepId)
    if (step === undefined) return
    const { attempt, step: definition } = step
    const work = attemptStep(this.#context, this.#state, step, this.#command).pipe(
      Effect.match({
        onSuccess: (output) => {
          RunMetrics.attemptEnded(definition.psType, "succeeded")
          this.#command({ _tag: "SucceedStep", stepId, output })
        },
        onFailure: (error) => {
          RunMetrics.attemptEnded(definition.psType, "failed")
          this.#tell({ _tag: "AttemptEnded", stepId, attempt, error })
        }
      })
    )
    this.#attempts.setTimer(stepId, this.#recordedAt + definition.timeoutSeconds * 1000, () =>
      this.#tell({ _tag: "AttemptEnded", stepId, attempt, error: timedOut(step) })
    )
    this.#attempts.began(stepId, this.#fork(work))
  }

  #retryAt(stepId: string, time: number): void {
    this.#attempts.forget(stepId)
    this.#attempts.setTimer(stepId, time, () => this.#command({ _tag: "RetryStep", stepId }))
  }

  /** Leaves nothing running and nobody waiting, whether the run has ended or only this process. */
  get #stop(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#isStopped = true
      this.#leaveSlot()
      Deferred.unsafeDone(this.#ended, Effect.succeed(Option.none()))
      const fibers = [...this.#attempts.stop(), this.#report, this.#waitedFor].filter((fiber) => fiber !== undefined)
      return fibers.length === 0 ? Effect.void : Fiber.interruptAll(fibers)
    })
  }
}
