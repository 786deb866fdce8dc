/**
 * Procedures of a test's own in its warehouse.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type ProcedureDefinition, Warehouse } from "../../src/warehouse/Warehouse.ts"

/** Creates or replaces procedures; fails with the reason of the first that is refused. */
export const create = Effect.fnUntraced(function* (...definitions: ReadonlyArray<ProcedureDefinition>) {
  const { procedures } = yield* Warehouse
  const reason = Option.firstSomeOf(yield* procedures.create(definitions))
  if (Option.isSome(reason)) return yield* reason.value
})
