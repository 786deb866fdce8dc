/**
 * One attempt of a step: what the processor is told, and what becomes of its answer.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import * as HashMap from "effect/HashMap"
import { type Processors, type StepContext, StepError, type StepOutput } from "../pipelines/Processor.ts"
import { namesVariables, resolveObject } from "../pipelines/Variables.ts"
import { interrupted } from "./FailedAttempt.ts"
import type { RunCommand, RunState, StepState } from "./Run.ts"
import { variablesOf } from "./RunVariables.ts"

/** At most one progress event of a step in this time. */
const progressIntervalMilliseconds = 1000

/** What an attempt needs of the service around it. */
export interface AttemptContext {
  readonly processors: Processors["Type"]
  /** False: nobody collects spans, so none are made; even a disabled one costs a part of a short step. */
  readonly isTraced: boolean
  readonly environment: string
  readonly projectId: string
}

/** A span, when somebody collects them. */
export const spanOf =
  ({ isTraced }: AttemptContext, name: string, attributes: Readonly<Record<string, string | number>>) =>
  <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    isTraced ? Effect.withSpan(effect, name, { attributes, captureStackTrace: false }) : effect

/** For a fiber that starts with other surroundings: the names in this one's log lines, and its span as the parent where spans are collected. */
export const traceable = <A, E>(
  { isTraced }: AttemptContext,
  effect: Effect.Effect<A, E>
): Effect.Effect<Effect.Effect<A, E>> =>
  Effect.flatMap(FiberRef.get(FiberRef.currentLogAnnotations), (annotations) => {
    const named = Effect.zipRight(FiberRef.set(FiberRef.currentLogAnnotations, annotations), effect)
    return isTraced
      ? Effect.match(Effect.currentParentSpan, {
          onFailure: () => named,
          onSuccess: (span) => Effect.withParentSpan(named, span)
        })
      : Effect.succeed(named)
  })

/** Log lines of this fiber, and of those it starts, carry the names from now on. */
export const annotate = (names: Readonly<Record<string, string>>): Effect.Effect<void> =>
  FiberRef.update(FiberRef.currentLogAnnotations, (annotations) =>
    Object.entries(names).reduce((all, [name, value]) => HashMap.set(all, name, value), annotations)
  )

/**
 * Runs the step's processor. A defect is logged here and told as an error without its details. Wants a fiber of its own, whose log lines
 * carry the step.
 */
export const attemptStep = (
  context: AttemptContext,
  state: RunState,
  step: StepState,
  command: (command: RunCommand) => void
): Effect.Effect<StepOutput, StepError> => {
  const { psType, stepId } = step.step
  const making = context.processors.get(psType)
  if (making === undefined) {
    return new StepError({
      errorType: "PERMANENT",
      code: "PROCESSOR_MISSING",
      message: `step ${stepId} needs the processor ${psType}, which this program does not have`
    })
  }
  const { runId } = state.request
  return Effect.zipRight(
    annotate({ step: stepId }),
    Effect.flatMap(making, (processor) => processor.execute(stepContext(context, state, step, command)))
  ).pipe(
    // Not called for an interrupt of this fiber: that is the actor's own, or the end of the service.
    Effect.catchAllCause((cause) => errorOf(cause, step)),
    spanOf(context, "step", { run: runId, step: stepId, attempt: step.attempt })
  )
}

const errorOf = (cause: Cause.Cause<StepError>, step: StepState): Effect.Effect<never, StepError> => {
  const { stepId } = step.step
  const failure = Cause.failureOrCause(cause)
  if (Either.isLeft(failure)) return Effect.fail(failure.left)
  if (Cause.isInterruptedOnly(cause)) return interrupted(step, "the end of what it waited for")
  return Effect.zipRight(
    Effect.logError(`step ${stepId} died`, failure.right),
    new StepError({
      errorType: "UNKNOWN",
      code: "INTERNAL_ERROR",
      message: `step ${stepId} hit a fault of the service itself; its log has the details`
    })
  )
}

const stepContext = (
  context: AttemptContext,
  state: RunState,
  step: StepState,
  command: (command: RunCommand) => void
): StepContext => {
  const { request } = state
  const { config } = step.step
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
    config: namesVariables(config) ? resolveObject(config, variablesOf(context, state, step, outputs)) : config,
    outputs,
    startDate: request.startDate,
    endDate: request.endDate,
    forceRefresh: request.forceRefresh,
    ...(request.credentialId === undefined ? {} : { credentialId: request.credentialId }),
    progress: (progress) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (now - lastProgressAt < progressIntervalMilliseconds) return
        lastProgressAt = now
        command({ _tag: "ReportProgress", stepId: step.step.stepId, ...progress })
      })
  }
}
