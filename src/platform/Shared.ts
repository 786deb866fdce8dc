/**
 * What the first one who needs it makes for all. `Effect.cached` and `Cache` make it on the asker's fiber, so that the interrupt of that one,
 * such as a request whose caller has hung up, is the answer to all who wait; here a fiber of its own goes on.
 */
import * as Cache from "effect/Cache"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** Makes it once, for the first one who asks, with the surroundings of this call. A failure is kept too. */
export const once = <A, E, R>(make: Effect.Effect<A, E, R>): Effect.Effect<Effect.Effect<A, E>, never, R> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<R>()
    const made = yield* Deferred.make<A, E>()
    // What is made may end what it waits for too long, though nobody can interrupt the beginning.
    const making = Effect.interruptible(Effect.intoDeferred(Effect.provide(make, context), made))
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

/** How many are kept, those used last, and how long. */
export interface Bounds {
  readonly capacity: number
  readonly timeToLive: Duration.DurationInput
}

/** The same for each key, which is told from others by `Equal`. A failure is not kept: the next one who asks makes it again. */
export const byKey = <Key, A, E, R>(
  bounds: Bounds,
  make: (key: Key) => Effect.Effect<A, E, R>
): Effect.Effect<(key: Key) => Effect.Effect<A, E>, never, R> =>
  Effect.map(
    Cache.make({ ...bounds, lookup: (key: Key) => once(make(key)) }),
    (kept) => (key) =>
      Effect.flatMap(
        kept.get(key),
        Effect.tapErrorCause(() => kept.invalidate(key))
      )
  )
