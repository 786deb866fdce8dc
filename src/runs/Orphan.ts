/**
 * The end of a run that no process works on any more.
 */
import { isEnded, type RunState } from "./Run.ts"
import type { Failure, RunEvent } from "./RunEvent.ts"

const orphaned: Failure = {
  errorType: "TRANSIENT",
  code: "RUN_ORPHANED",
  message: "no process works on the run any more",
  suggestedAction: "retry the run: its finished steps are kept"
}

/** The events that end the run: steps at work fail, those not begun are skipped. None when it has ended. */
export const abandon = (state: RunState): ReadonlyArray<RunEvent> => {
  if (isEnded(state.status) || state.status === "REFUSED") return []
  if (state.status === "CANCELLING") return [{ _tag: "RunCancelled", reason: state.cancelReason ?? "" }]
  const steps = [...state.steps.values()]
  const busy = steps.filter(({ status }) => status === "RUNNING" || status === "WAITING")
  const [decisive] = busy.length > 0 ? busy : steps
  return [
    ...busy.map(({ attempt, step: { stepId } }): RunEvent => ({
      _tag: "StepFailed",
      stepId,
      attempt,
      failure: orphaned
    })),
    ...steps
      .filter(({ status }) => status === "PENDING")
      .map(({ step: { stepId } }): RunEvent => ({ _tag: "StepSkipped", stepId, reason: orphaned.message })),
    { _tag: "RunFailed", stepId: decisive?.step.stepId ?? "", failure: orphaned }
  ]
}
