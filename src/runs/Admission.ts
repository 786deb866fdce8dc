/**
 * What must be configured before a run is accepted, as its steps' processors say. Asked before anything of the run is stored.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Step } from "../pipelines/Pipeline.ts"
import type { Processor, Processors, StepError } from "../pipelines/Processor.ts"
import { RunNotAllowed } from "../validator/Validator.ts"
import type { RunRequest } from "./Runs.ts"

/** A step and what runs it. */
export interface StepProcessor {
  readonly step: Step
  readonly processor: Processor
}

/** The steps whose processors this program has, which are all of a pipeline that the catalogue has checked. */
export const withProcessors = (
  steps: ReadonlyArray<Step>,
  processors: Processors["Type"]
): Effect.Effect<ReadonlyArray<StepProcessor>> =>
  Effect.forEach(
    steps.flatMap((step) => {
      const making = processors.get(step.psType)
      return making === undefined ? [] : [{ step, making }]
    }),
    ({ making, step }) => Effect.map(making, (processor) => ({ step, processor }))
  )

/**
 * Fails when a step that stops its run lacks what it needs, or all steps do. A credential that is named need only suit one of the steps.
 * Steps that are disabled, or `finished` in the run that is retried, are not asked.
 */
export const admitted = Effect.fnUntraced(function* (
  { credentialId, org }: RunRequest,
  steps: ReadonlyArray<StepProcessor>,
  finished: ReadonlySet<string>
) {
  const request = { org, ...(credentialId === undefined ? {} : { credentialId }) }
  const asked = steps.flatMap(({ processor: { admits }, step }) => {
    const isIdle = step.enabled === false || finished.has(step.stepId)
    return admits === undefined || isIdle ? [] : [{ step, answer: Effect.either(admits(step.config, request)) }]
  })
  if (asked.length === 0) return
  const failures: Array<{ readonly step: Step; readonly error: StepError }> = []
  for (const { answer, step } of asked) {
    const answered = yield* answer
    if (Either.isLeft(answered)) failures.push({ step, error: answered.left })
  }
  const isAll = failures.length === asked.length
  const decisive = failures.find(({ step }) => isAll || (credentialId === undefined && step.onFailure === "stop"))
  if (decisive !== undefined) return yield* refusalOf(decisive.error)
})

const refusalOf = ({ code, errorType, message }: StepError): RunNotAllowed =>
  errorType === "PERMANENT"
    ? new RunNotAllowed({ code, status: 400, message })
    : new RunNotAllowed({ code: "STORE_UNAVAILABLE", status: 503, message })
