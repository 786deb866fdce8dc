/**
 * What the retry of a run need not do again.
 */
import type { Pipeline, Step } from "../pipelines/Pipeline.ts"
import type { StepOutput } from "../pipelines/Processor.ts"
import { canonical } from "../platform/Json.ts"
import type { RunState } from "./Run.ts"
import type { RetryOf } from "./RunEvent.ts"

/**
 * The steps of `pipeline` that had succeeded, have the same definition as then, and depend on such steps only. None when no step had
 * failed or was cut off: then the caller wants the whole run again.
 */
export const finishedBefore = (before: RunState, pipeline: Pipeline): RetryOf["finished"] => {
  const isWhole = [...before.steps.values()].every(
    ({ status, step }) => status === "COMPLETED" || isDisabled(step) || step.trigger !== undefined
  )
  if (isWhole) return []
  const settled = new Set(pipeline.steps.filter(isDisabled).map(({ stepId }) => stepId))
  const finished = new Map<string, StepOutput>()
  const isFinished = (step: Step, then = before.steps.get(step.stepId)): boolean =>
    then?.status === "COMPLETED" &&
    // A notice is due by the end of its own run.
    step.trigger === undefined &&
    canonical(then.step) === canonical(step) &&
    step.dependsOn.every((id) => settled.has(id))
  // A file may name a step before those that it depends on, so look until nothing more is found.
  for (let known = -1; known < finished.size;) {
    known = finished.size
    for (const step of pipeline.steps.filter((each) => !settled.has(each.stepId) && isFinished(each))) {
      const output = before.steps.get(step.stepId)?.output
      if (output === undefined) continue
      settled.add(step.stepId)
      finished.set(step.stepId, output)
    }
  }
  return [...finished].map(([stepId, output]) => ({ stepId, output }))
}

const isDisabled = (step: Step): boolean => step.enabled === false
