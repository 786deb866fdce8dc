/**
 * Work that is done at its first use.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** Runs until it has succeeded once; then the result is kept. */
export const once = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  const turn = Effect.unsafeMakeSemaphore(1)
  let done: Option.Option<A> = Option.none()
  const first = Effect.tap(effect, (result) => Effect.sync(() => (done = Option.some(result))))
  return turn.withPermits(1)(Effect.suspend(() => Option.match(done, { onNone: () => first, onSome: Effect.succeed })))
}
