/**
 * What a store holds, as of a moment ago: read when it is used, kept for a short time, the same for all who ask meanwhile.
 */
import * as Cache from "effect/Cache"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** How long and how much a snapshot keeps. */
export interface Bounds {
  readonly seconds: number
  /** Of several snapshots by key those used last are kept. */
  readonly keys: number
}

export interface Snapshots<A, E> {
  readonly get: (key: string) => Effect.Effect<A, E>
  /** At most so old. */
  readonly younger: (key: string, seconds: number) => Effect.Effect<A, E>
  readonly forget: (key: string) => Effect.Effect<void>
}

/** Snapshots by key; a failure is not kept. */
export const make = <A, E>(
  { keys, seconds }: Bounds,
  read: (key: string) => Effect.Effect<A, E>
): Effect.Effect<Snapshots<A, E>> =>
  Effect.map(
    Cache.makeWith({
      capacity: keys,
      lookup: (key: string) => Effect.zip(Clock.currentTimeMillis, read(key)),
      timeToLive: (exit) => (Exit.isSuccess(exit) ? Duration.seconds(seconds) : Duration.zero)
    }),
    (cache) => {
      const get = (key: string) => Effect.map(cache.get(key), ([, found]) => found)
      return {
        get,
        younger: (key, atMost) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) =>
            Effect.zipRight(
              cache.invalidateWhen(key, ([at]) => at + atMost * 1000 <= now),
              get(key)
            )
          ),
        forget: (key) => cache.invalidate(key)
      }
    }
  )
