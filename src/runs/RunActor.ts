/**
 * One run as an actor: it takes messages from its mailbox one at a time, records what follows from them, and only then acts: a fiber per
 * running step, a timer per waiting one. Closing its scope stops the run without a word in the log, so that another process can go on
 * with it.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { AppendRefusal, EventLogService, EventLogUnavailable } from "../eventlog/EventLog.ts"
import type { StepError } from "../pipelines/Processor.ts"
import type { Timer, Timers } from "../platform/Timers.ts"
import type { ValidatorService } from "../validator/Validator.ts"
import { failAttempt, interrupted, timedOut } from "./FailedAttempt.ts"
import * as Mailbox from "./Mailbox.ts"
import type { Limits, RunCommand, RunState } from "./Run.ts"
import { decide, evolve, isEnded, isOver, outcomeOf } from "./Run.ts"
import type { RunEvent } from "./RunEvent.ts"
import { isTerminal, streamOf, toNewEvent } from "./RunEvent.ts"
import * as RunMetrics from "./RunMetrics.ts"
import type { Claim, Slots } from "./Slots.ts"
import { annotate, type AttemptContext, attemptStep, spanOf } from "./StepAttempt.ts"

/** How long a cancelled or timed-out run waits for its fibers before it says so. */
const interruptionGrace = Duration.seconds(25)
const firstCompletionWait = Duration.seconds(1)
const longestCompletionWait = Duration.minutes(15)
const completionPatience = Duration.hours(24)

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
  readonly record: Effect.Effect<void, AppendRefusal | EventLogUnavailable>
  /** Records the validator's answer to a run that is not admitted yet, and the request if it is not; part of the opening of `run`. */
  readonly answer: (
    answer: RunCommand & { readonly _tag: "Admit" | "Refuse" }
  ) => Effect.Effect<void, AppendRefusal | EventLogUnavailable>
  /** Gives the actor a command; answers when it is recorded, or was found not to fit. */
  readonly send: (command: RunCommand) => Effect.Effect<void>
  /** Waits for the end of the run; none when another process took it over. */
  readonly ended: Effect.Effect<Option.Option<RunState>>
  /** The actor's life, after its opening; ends when the run has ended and its completion is reported, or with the opening's failure. */
  readonly run: <E>(opening: Effect.Effect<void, E>) => Effect.Effect<void, E>
}

/** What the mailbox holds: commands, and what the actor's own fibers and timers tell it. */
type Message =
  | { readonly _tag: "Command"; readonly command: RunCommand; readonly handled?: Deferred.Deferred<void> }
  | { readonly _tag: "AttemptEnded"; readonly stepId: string; readonly attempt: number; readonly error: StepError }

/** Tells the actor something; never waits. */
export type Tell = (message: Message) => void

/**
 * An actor for a run that is not over; `initial` is the fold of its stream and of `unrecorded`, the request that is yet to be recorded
 * together with the validator's answer.
 */
export const make = (context: ActorContext, initial: RunState, unrecorded: ReadonlyArray<RunEvent> = []): RunActor => {
  // The mailbox is bounded by this: each step has at most one outcome, one retry and one progress report on its way.
  const mailbox = Mailbox.make<Message>()
  const ended = Deferred.unsafeMake<Option.Option<RunState>>(FiberId.none)
  const life = new Life(context, initial, unrecorded, mailbox, ended)
  return {
    record: life.record,
    answer: life.answer,
    send: (command) =>
      Effect.gen(function* () {
        const handled = yield* Deferred.make<void>()
        mailbox.offer({ _tag: "Command", command, handled })
        yield* Effect.raceFirst(Deferred.await(handled), Deferred.await(ended))
      }),
    ended: Deferred.await(ended),
    run: life.run
  }
}

/** A schedule is set up only when it is needed: it would cost as much as the append. */
const untilAvailable = <A, E extends { readonly _tag: string }>(append: Effect.Effect<A, E>) =>
  Effect.catchIf(
    append,
    (error) => error._tag === "EventLogUnavailable",
    () => Effect.retry(append, { while: (error) => error._tag === "EventLogUnavailable", schedule: storeRetry })
  )

/** The store may come back at any time; the run waits for it. */
const storeRetry = Schedule.exponential("100 millis").pipe(
  Schedule.modifyDelay((_, delay) => Duration.min(delay, Duration.seconds(5)))
)

/** The mutable part of an actor: only its own loop touches it. */
class Life {
  readonly #context: ActorContext
  readonly #mailbox: Mailbox.Mailbox<Message>
  readonly #ended: Deferred.Deferred<Option.Option<RunState>>
  readonly #attempts = new Map<string, Fiber.RuntimeFiber<void>>()
  readonly #timers = new Map<string, Timer>()
  #state: RunState
  #unrecorded: ReadonlyArray<RunEvent>
  /** When the newest of this actor's events was recorded. */
  #recordedAt = 0
  /** What followed from the validator's answer, to be acted on when the run begins. */
  #answered: ReadonlyArray<RunEvent> | undefined
  #claim: Claim | undefined
  #report: Fiber.RuntimeFiber<void> | undefined

  constructor(
    context: ActorContext,
    initial: RunState,
    unrecorded: ReadonlyArray<RunEvent>,
    mailbox: Mailbox.Mailbox<Message>,
    ended: Deferred.Deferred<Option.Option<RunState>>
  ) {
    this.#context = context
    this.#state = initial
    this.#unrecorded = unrecorded
    this.#mailbox = mailbox
    this.#ended = ended
  }

  readonly #tell: Tell = (message) => this.#mailbox.offer(message)
  readonly #command = (command: RunCommand): void => this.#tell({ _tag: "Command", command })

  readonly record: RunActor["record"] = Effect.suspend(() => Effect.asVoid(this.#append([])))

  readonly answer: RunActor["answer"] = (answer) => {
    const command = answer._tag === "Admit" ? this.#claimFor(answer) : answer
    return this.#append(this.#eventsOf(command)).pipe(
      Effect.map((events) => void (this.#answered = events)),
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

  get #live() {
    return Effect.gen(this, function* () {
      let events = this.#answered
      if (events === undefined) {
        if (isEnded(this.#state.status)) yield* this.#end()
        else this.#resume()
      }
      for (;;) {
        // Acts on what was recorded.
        for (const event of events ?? []) {
          const acting = this.#act(event)
          if (acting !== undefined) yield* acting
        }
        if (isOver(this.#state)) return
        const message = yield* this.#mailbox.take
        const command = message._tag === "Command" ? message.command : yield* this.#judge(message)
        events = command === undefined ? [] : yield* this.#append(this.#eventsOf(command))
        if (message._tag === "Command" && message.handled !== undefined) {
          yield* Deferred.succeed(message.handled, undefined)
        }
      }
    })
  }

  /** Turns a failed attempt into a command with the time of the next one; a late word of an attempt that is over is dropped. */
  #judge({ stepId, attempt, error }: Message & { readonly _tag: "AttemptEnded" }) {
    return Effect.gen(this, function* () {
      const step = this.#state.steps.get(stepId)
      if (step === undefined || step.status !== "RUNNING" || step.attempt !== attempt) return undefined
      yield* this.#interrupt([stepId])
      return yield* failAttempt(step, error)
    })
  }

  /** Appends events after those not recorded yet. The log is waited for, but not with a request that nobody knows of yet. */
  #append(
    events: ReadonlyArray<RunEvent>
  ): Effect.Effect<ReadonlyArray<RunEvent>, AppendRefusal | EventLogUnavailable> {
    const unrecorded = this.#unrecorded
    const [first, ...rest] = [...unrecorded, ...events]
    if (first === undefined) return Effect.succeed([])
    const append = this.#context.log.append({
      stream: streamOf(this.#state.request.runId),
      expectedVersion: this.#state.version - unrecorded.length,
      events: [toNewEvent(first), ...rest.map(toNewEvent)]
    })
    return Effect.map(unrecorded.length === 0 ? untilAvailable(append) : append, (recorded) => {
      const recordedAt = recorded[0]?.recordedAt ?? 0
      this.#recordedAt = recordedAt
      this.#state = [first, ...rest].reduce((state, event) => evolve(state, event, recordedAt), this.#state)
      this.#unrecorded = []
      return events
    })
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

  /** What is left to do when it is more than to note something. */
  #act(event: RunEvent): Effect.Effect<void> | undefined {
    switch (event._tag) {
      case "RunAdmitted":
        this.#watchTime()
        return undefined
      case "StepStarted":
        return this.#startAttempt(event.stepId)
      case "StepSucceeded":
      case "StepFailed":
        this.#forget(event.stepId)
        return undefined
      case "StepAttemptFailed":
        this.#retryAt(event.stepId, event.retryAt)
        return undefined
      case "CancelRequested":
        return Effect.zipRight(
          this.#interrupt([...this.#attempts.keys()]),
          Effect.sync(() => this.#command({ _tag: "ConfirmCancelled" }))
        )
      case "RunTimedOut":
        return Effect.zipRight(
          this.#interrupt([...this.#attempts.keys()]),
          Effect.suspend(() => this.#end())
        )
      case "RunCompleted":
      case "RunFailed":
      case "RunCancelled":
        return this.#end()
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
          this.#tell({ _tag: "AttemptEnded", stepId, attempt: step.attempt, error: interrupted(step) })
        }
        if (step.status === "WAITING") this.#retryAt(stepId, step.retryAt ?? 0)
      }
      this.#command({ _tag: "Advance" })
    })
  }

  #watchTime(): void {
    const { admittedAt = 0, request } = this.#state
    const deadline = admittedAt + request.pipeline.timeoutSeconds * 1000
    this.#setTimer("", deadline, () => this.#command({ _tag: "TimeOut" }))
  }

  #end(): Effect.Effect<void> {
    this.#leaveSlot()
    this.#forget("")
    Deferred.unsafeDone(this.#ended, Effect.succeed(Option.some(this.#state)))
    RunMetrics.runEnded(this.#state)
    if (this.#state.completionReported) return Effect.void
    return Effect.map(Effect.forkDaemon(this.#reportCompletion), (fiber) => void (this.#report = fiber))
  }

  #startAttempt(stepId: string): Effect.Effect<void> | undefined {
    const step = this.#state.steps.get(stepId)
    if (step === undefined) return undefined
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
    this.#setTimer(stepId, this.#recordedAt + definition.timeoutSeconds * 1000, () =>
      this.#tell({ _tag: "AttemptEnded", stepId, attempt, error: timedOut(step) })
    )
    return Effect.map(Effect.forkDaemon(work), (fiber) => void this.#attempts.set(stepId, fiber))
  }

  /** Tells the validator the outcome until it hears it: at once, after 1 s, 2 s, then up to every 15 minutes for a day. */
  get #reportCompletion(): Effect.Effect<void> {
    const { request, reservationDate } = this.#state
    if (reservationDate === undefined) {
      return Effect.sync(() => this.#command({ _tag: "ReportCompletion", delivered: true }))
    }
    const complete = this.#context.validator.complete({
      org: request.org,
      runId: request.runId,
      outcome: outcomeOf(this.#state),
      reservationDate
    })
    return complete.pipe(
      Effect.catchAll((error) =>
        error.retryable
          ? complete.pipe(
              Effect.delay(firstCompletionWait),
              Effect.retry({ while: (again) => again.retryable, schedule: completionRetry })
            )
          : Effect.fail(error)
      ),
      Effect.match({
        onSuccess: () => this.#command({ _tag: "ReportCompletion", delivered: true }),
        onFailure: ({ message }) => this.#command({ _tag: "ReportCompletion", delivered: false, problem: message })
      })
    )
  }

  #retryAt(stepId: string, time: number): void {
    this.#forget(stepId)
    this.#setTimer(stepId, time, () => this.#command({ _tag: "RetryStep", stepId }))
  }

  #setTimer(key: string, time: number, due: () => void): void {
    this.#timers.set(key, this.#context.timers.at(time, due))
  }

  #forget(key: string): void {
    this.#timers.get(key)?.drop()
    this.#timers.delete(key)
    this.#attempts.delete(key)
  }

  #interrupt(stepIds: ReadonlyArray<string>): Effect.Effect<void> {
    const fibers = stepIds.flatMap((stepId) => this.#attempts.get(stepId) ?? [])
    for (const stepId of stepIds) this.#forget(stepId)
    return Fiber.interruptAll(fibers).pipe(Effect.disconnect, Effect.timeoutOption(interruptionGrace), Effect.asVoid)
  }

  /** Leaves nothing running and nobody waiting, whether the run has ended or only this process. */
  get #stop(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#leaveSlot()
      for (const timer of this.#timers.values()) timer.drop()
      Deferred.unsafeDone(this.#ended, Effect.succeed(Option.none()))
      const fibers = [...this.#attempts.values(), ...(this.#report === undefined ? [] : [this.#report])]
      return fibers.length === 0 ? Effect.void : Fiber.interruptAll(fibers)
    })
  }
}

const completionRetry = Schedule.exponential("2 seconds").pipe(
  Schedule.modifyDelay((_, delay) => Duration.min(delay, longestCompletionWait)),
  Schedule.upTo(completionPatience)
)
