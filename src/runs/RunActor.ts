/**
 * One run as an actor: it takes commands from its mailbox one at a time, records what follows from them, and only then acts: a fiber per
 * running step, a timer per waiting one. All of it lives in one scope; closing the scope stops the run without a word in the log, so that
 * another process can go on with it.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberMap from "effect/FiberMap"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type { EventLogService } from "../eventlog/EventLog.ts"
import type { Processor, StepContext, StepOutput } from "../pipelines/Processor.ts"
import { StepError } from "../pipelines/Processor.ts"
import { resolveObject } from "../pipelines/Variables.ts"
import type { ValidatorService } from "../validator/Validator.ts"
import { isRetryable, waitAfter } from "./Retry.ts"
import type { Limits, RunCommand, RunState, StepState } from "./Run.ts"
import { decide, evolve, isEnded, outcomeOf } from "./Run.ts"
import type { Failure, RunEvent } from "./RunEvent.ts"
import { streamOf, toNewEvent } from "./RunEvent.ts"
import * as RunMetrics from "./RunMetrics.ts"
import { systemVariables } from "./RunVariables.ts"

/** How long a cancelled run waits for its fibers before it says that it is cancelled. */
const cancelGrace = Duration.seconds(25)
/** At most one progress event of a step in this time. */
const progressIntervalMilliseconds = 1000
const longestCompletionWait = Duration.minutes(15)
const completionPatience = Duration.hours(24)

/** What an actor needs of the service around it. */
export interface ActorContext {
  readonly log: EventLogService
  readonly validator: ValidatorService
  readonly processors: ReadonlyMap<string, Processor>
  readonly limits: Limits
  /** Runs that may work at the same time in this process. */
  readonly permits: Effect.Semaphore
  readonly environment: string
  readonly projectId: string
}

/** A live run. */
export interface RunActor {
  /** The state as last recorded. */
  readonly state: () => RunState
  /** Gives the actor a command; answers when it is recorded, or was found not to fit. */
  readonly send: (command: RunCommand) => Effect.Effect<void>
  /** Waits for the end of the run; none when another process took it over. */
  readonly ended: Effect.Effect<Option.Option<RunState>>
  /** The actor's life; ends when the run has ended and its completion is reported. */
  readonly run: Effect.Effect<void>
}

interface Envelope {
  readonly command: RunCommand
  readonly handled: Deferred.Deferred<void> | undefined
}

/** An actor for a run that is admitted; `initial` is the fold of its stream. */
export const make = (context: ActorContext, initial: RunState): Effect.Effect<RunActor> =>
  Effect.gen(function* () {
    let state = initial
    const runId = initial.request.runId
    // Unbounded is bounded here: each step has at most one outcome, one retry and one progress report on its way.
    const mailbox = yield* Queue.unbounded<Envelope>()
    const ended = yield* Deferred.make<Option.Option<RunState>>()

    const tell = (command: RunCommand) => Queue.offer(mailbox, { command, handled: undefined })

    const record = Effect.fnUntraced(function* (command: RunCommand) {
      const decision = decide(state, command, context.limits)
      if (Either.isLeft(decision)) return []
      const [first, ...rest] = decision.right
      if (first === undefined) return []
      const recorded = yield* context.log
        .append({
          stream: streamOf(runId),
          expectedVersion: state.version,
          events: [toNewEvent(first), ...rest.map(toNewEvent)]
        })
        .pipe(Effect.retry({ while: (error) => error._tag === "EventLogUnavailable", schedule: storeRetry }))
      decision.right.forEach((event, index) => {
        state = evolve(state, event, recorded[index]?.recordedAt ?? 0)
      })
      return decision.right
    })

    const work = Effect.gen(function* () {
      const fibers = yield* FiberMap.make<string>()

      const stopSteps = FiberMap.clear(fibers).pipe(Effect.disconnect, Effect.timeoutOption(cancelGrace))

      const act = Effect.fnUntraced(function* (event: RunEvent) {
        switch (event._tag) {
          case "StepStarted":
            return yield* FiberMap.run(fibers, event.stepId, executeStep(context, state, event.stepId, tell))
          case "StepAttemptFailed":
            return yield* FiberMap.run(fibers, event.stepId, retryLater(event.stepId, event.retryAt, tell))
          case "CancelRequested":
            yield* stopSteps
            return yield* tell({ _tag: "ConfirmCancelled" })
          case "RunTimedOut":
            return yield* stopSteps
          default:
            return undefined
        }
      })

      const end = Effect.gen(function* () {
        yield* Deferred.succeed(ended, Option.some(state))
        yield* RunMetrics.runEnded(state)
        if (!state.completionReported) yield* Effect.forkScoped(reportCompletion(context, state, tell))
      })

      if (isEnded(state.status)) yield* end
      else yield* beginWork(context, state, ended, tell)

      while (!(isEnded(state.status) && state.completionReported)) {
        const { command, handled } = yield* Queue.take(mailbox)
        const wasEnded = isEnded(state.status)
        const events = yield* record(command)
        if (handled !== undefined) yield* Deferred.succeed(handled, undefined)
        yield* Effect.forEach(events, act, { discard: true })
        if (!wasEnded && isEnded(state.status)) yield* end
      }
    })

    return {
      state: () => state,
      send: (command) =>
        Effect.gen(function* () {
          const handled = yield* Deferred.make<void>()
          yield* Queue.offer(mailbox, { command, handled })
          yield* Effect.race(Deferred.await(handled), Deferred.await(ended))
        }),
      ended: Deferred.await(ended),
      run: Effect.scoped(work).pipe(
        Effect.catchAll((error) =>
          Effect.logWarning(`run ${runId} is left to its new owner: ${error.message}`).pipe(
            Effect.zipRight(Deferred.succeed(ended, Option.none()))
          )
        ),
        Effect.annotateLogs({ run: runId, org: initial.request.org }),
        Effect.withSpan("run", { attributes: { run: runId, org: initial.request.org } })
      )
    }
  })

type Tell = (command: RunCommand) => Effect.Effect<boolean>

/** The store may come back at any time; the run waits for it. */
const storeRetry = Schedule.exponential("100 millis").pipe(
  Schedule.modifyDelay((_, delay) => Duration.min(delay, Duration.seconds(5)))
)

/** Takes a permit for as long as the run works, deals with steps that a crash interrupted, and watches the run's time. */
const beginWork = (
  context: ActorContext,
  state: RunState,
  ended: Deferred.Deferred<Option.Option<RunState>>,
  tell: Tell
) =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const deadline = (state.admittedAt ?? now) + state.request.pipeline.timeoutSeconds * 1000
    yield* Effect.forkScoped(
      Effect.sleep(Duration.millis(Math.max(0, deadline - now))).pipe(Effect.zipRight(tell({ _tag: "TimeOut" })))
    )
    const goOn = Effect.gen(function* () {
      if (state.status === "CANCELLING") return yield* tell({ _tag: "ConfirmCancelled" })
      for (const step of state.steps.values()) {
        if (step.status === "RUNNING") yield* tell(yield* failAttempt(step, interrupted(step)))
        if (step.status === "WAITING") yield* Effect.forkScoped(retryLater(step.step.stepId, step.retryAt ?? now, tell))
      }
      return yield* tell({ _tag: "Advance" })
    })
    yield* Effect.forkScoped(context.permits.withPermits(1)(Effect.zipRight(goOn, Deferred.await(ended))))
  })

const interrupted = (step: StepState) =>
  new StepError({
    errorType: "TRANSIENT",
    code: "INTERRUPTED",
    message: `attempt ${step.attempt} of step ${step.step.stepId} was interrupted by a restart of the service`
  })

const retryLater = (stepId: string, retryAt: number, tell: Tell) =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    yield* Effect.sleep(Duration.millis(Math.max(0, retryAt - now)))
    yield* tell({ _tag: "RetryStep", stepId })
  })

const failAttempt = (step: StepState, error: StepError): Effect.Effect<RunCommand> =>
  Effect.gen(function* () {
    const { retry, stepId } = step.step
    const failure: Failure = {
      errorType: error.errorType,
      code: error.code,
      message: error.message,
      ...(error.suggestedAction === undefined ? {} : { suggestedAction: error.suggestedAction })
    }
    if (!isRetryable(error.errorType) || step.attempt >= retry.maxAttempts) {
      return { _tag: "FailAttempt", stepId, failure, retryAt: undefined }
    }
    const wait = yield* waitAfter(retry, step.attempt, error.retryAfterSeconds)
    const now = yield* Clock.currentTimeMillis
    return { _tag: "FailAttempt", stepId, failure, retryAt: now + Math.round(Duration.toMillis(wait)) }
  })

/** One attempt of a step, from its start to the command that tells its outcome. */
const executeStep = (context: ActorContext, state: RunState, stepId: string, tell: Tell): Effect.Effect<void> =>
  Effect.gen(function* () {
    const step = state.steps.get(stepId)
    if (step === undefined) return
    const exit = yield* Effect.exit(attempt(context, state, step, tell))
    if (Exit.isSuccess(exit)) {
      yield* RunMetrics.attemptEnded(step.step.psType, "succeeded")
      yield* tell({ _tag: "SucceedStep", stepId, output: exit.value })
    } else if (!Cause.isInterruptedOnly(exit.cause)) {
      yield* RunMetrics.attemptEnded(step.step.psType, "failed")
      yield* tell(yield* failAttempt(step, yield* errorOf(exit.cause, step)))
    }
  }).pipe(Effect.annotateLogs({ step: stepId }), Effect.withSpan("step", { attributes: { step: stepId } }))

const attempt = (
  context: ActorContext,
  state: RunState,
  step: StepState,
  tell: Tell
): Effect.Effect<StepOutput, StepError> => {
  const { psType, stepId, timeoutSeconds } = step.step
  const processor = context.processors.get(psType)
  if (processor === undefined) {
    return new StepError({
      errorType: "PERMANENT",
      code: "PROCESSOR_MISSING",
      message: `step ${stepId} needs the processor ${psType}, which this program does not have`
    })
  }
  return processor.execute(stepContext(context, state, step, tell)).pipe(
    Effect.timeoutFail({
      duration: Duration.seconds(timeoutSeconds),
      onTimeout: () =>
        new StepError({
          errorType: "TIMEOUT",
          code: "STEP_TIMEOUT",
          message: `step ${stepId} took longer than its ${timeoutSeconds} s`,
          suggestedAction: "raise timeout_seconds of the step, or ask for fewer days"
        })
    })
  )
}

const errorOf = (cause: Cause.Cause<StepError>, step: StepState): Effect.Effect<StepError> => {
  const failure = Cause.failureOrCause(cause)
  if (Either.isLeft(failure)) return Effect.succeed(failure.left)
  return Effect.logError(`step ${step.step.stepId} died`, failure.right).pipe(
    Effect.as(
      new StepError({
        errorType: "UNKNOWN",
        code: "INTERNAL_ERROR",
        message: `step ${step.step.stepId} hit a fault of the service itself; its log has the details`
      })
    )
  )
}

const stepContext = (context: ActorContext, state: RunState, step: StepState, tell: Tell): StepContext => {
  const { request } = state
  const outputs: Record<string, StepOutput> = {}
  for (const id of step.step.dependsOn) {
    const output = state.steps.get(id)?.output
    if (output !== undefined) outputs[id] = output
  }
  let lastProgressAt = 0
  return {
    org: request.org,
    runId: request.runId,
    pipelineId: request.pipeline.templateId,
    stepId: step.step.stepId,
    attempt: step.attempt,
    config: resolveObject(step.step.config, systemVariables(context, state, step, outputs)),
    outputs,
    startDate: request.startDate,
    endDate: request.endDate,
    forceRefresh: request.forceRefresh,
    ...(request.credentialId === undefined ? {} : { credentialId: request.credentialId }),
    progress: (progress) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        if (now - lastProgressAt < progressIntervalMilliseconds) return
        lastProgressAt = now
        yield* tell({ _tag: "ReportProgress", stepId: step.step.stepId, ...progress })
      })
  }
}

/** Tells the validator the outcome until it hears it: at once, after 1 s, 2 s, then up to every 15 minutes for a day. */
const reportCompletion = (context: ActorContext, state: RunState, tell: Tell): Effect.Effect<void> => {
  const { request, reservationDate } = state
  if (reservationDate === undefined) return Effect.asVoid(tell({ _tag: "ReportCompletion", delivered: true }))
  return context.validator
    .complete({ org: request.org, runId: request.runId, outcome: outcomeOf(state), reservationDate })
    .pipe(
      Effect.retry({
        while: (error) => error.retryable,
        schedule: Schedule.exponential("1 second").pipe(
          Schedule.modifyDelay((_, delay) => Duration.min(delay, longestCompletionWait)),
          Schedule.upTo(completionPatience)
        )
      }),
      Effect.matchEffect({
        onSuccess: () => tell({ _tag: "ReportCompletion", delivered: true }),
        onFailure: (error) =>
          Effect.logError(error.message).pipe(
            Effect.zipRight(tell({ _tag: "ReportCompletion", delivered: false, problem: error.message }))
          )
      })
    )
}
