/**
 * What the first one who needs it makes for all.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/**
 * Makes it once, for the first one who asks, with the surroundings of this call. `Effect.cached` makes it on the asker's fiber, so the interrupt
 * of that one, such as a request whose caller has hung up, would be everybody's answer from then on; here a fiber of its own goes on. A failure
 * is kept too.
 */
export const once = <A, E, R>(make: Effect.Effect<A, E, R>): Effect.Effect<Effect.Effect<A, E>, never, R> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<R>()
    const made = yield* Deferred.make<A, E>()
    const making = Effect.intoDeferred(Effect.provide(make, context), made)
    let isBegun = false
    const begin = Effect.uninterruptible(
      Effect.suspend(() => {
        if (isBegun) return Effect.void
        isBegun = true
        return Effect.forkDaemon(making)
      })
    )
    return Effect.suspend(() => (isBegun ? Deferred.await(made) : Effect.zipRight(begin, Deferred.await(made))))
  })
