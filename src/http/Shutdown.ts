/**
 * Whether the process is on its way out: told to load balancers by `/health/live` and `/health/ready` before the port closes.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"

/** Begins, and is asked about, the end of the process. */
export class Shutdown extends Context.Tag("pipeline-service/Shutdown")<
  Shutdown,
  { readonly begin: Effect.Effect<void>; readonly hasBegun: Effect.Effect<boolean> }
>() {
  static readonly layer = Layer.effect(
    Shutdown,
    Effect.map(Ref.make(false), (begun) => ({ begin: Ref.set(begun, true), hasBegun: Ref.get(begun) }))
  )
}
