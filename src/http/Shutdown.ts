/**
 * Whether the process is on its way out: told to load balancers by `/health/live` and `/health/ready` before the port closes, and to live
 * streams, which end then.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Begins, is asked about, and waits for the end of the process. */
export class Shutdown extends Context.Tag("pipeline-service/Shutdown")<
  Shutdown,
  {
    readonly begin: Effect.Effect<void>
    readonly hasBegun: Effect.Effect<boolean>
    readonly begun: Effect.Effect<void>
  }
>() {
  static readonly layer = Layer.effect(
    Shutdown,
    Effect.map(Deferred.make<void>(), (begun) => ({
      begin: Effect.asVoid(Deferred.succeed(begun, undefined)),
      hasBegun: Deferred.isDone(begun),
      begun: Deferred.await(begun)
    }))
  )
}
