/**
 * The state of a run from what the log recorded of it.
 */
import * as Effect from "effect/Effect"
import type { RecordedEvent } from "../eventlog/EventLog.ts"
import { foldEvent, type RunState } from "./Run.ts"
import { fromRecorded } from "./RunEvent.ts"

/** Folds the first events of a run's stream, in their order: the state after the last of them. Undefined where no run begins. */
export const stateAfter = Effect.fnUntraced(function* (recorded: ReadonlyArray<RecordedEvent>) {
  let state: RunState | undefined
  for (const each of recorded) state = foldEvent(state, yield* fromRecorded(each), each.recordedAt)
  return state
})
