/**
 * What a store holds, as of a moment ago: read when it is used, kept for a short time, the same for all who ask meanwhile. Every request
 * looks into several of these, so what is kept stands in a plain map.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Shared from "./Shared.ts"

/** How long and how much a snapshot keeps. */
export interface Bounds {
  readonly seconds: number
  /** Of several snapshots by key those used last are kept. */
  readonly keys: number
}

export interface Snapshots<A, E, Key extends string = string> {
  readonly get: (key: Key) => Effect.Effect<A, E>
  /** At most so old. */
  readonly younger: (key: Key, seconds: number) => Effect.Effect<A, E>
  /** What is being read meanwhile is not kept either. */
  readonly forget: (key: Key) => Effect.Effect<void>
}

interface Kept<A, E> {
  readonly at: number
  /** The store's, as of before the reading. */
  readonly version: number | undefined
  readonly isRead: boolean
  readonly found: Effect.Effect<A, E>
}

/**
 * Snapshots by key; a failure is not kept. With the `version` of the store, another number after each change, what is too old is read again
 * only when the store has changed since.
 */
export const make = <A, E, Key extends string>(
  { keys, seconds }: Bounds,
  read: (key: Key) => Effect.Effect<A, E>,
  version?: Effect.Effect<number, E>
): Effect.Effect<Snapshots<A, E, Key>> =>
  Effect.sync(() => {
    // In the order of their last use.
    const all = new Map<Key, Kept<A, E>>()
    const keep = (key: Key, kept: Kept<A, E>) => {
      all.delete(key)
      all.set(key, kept)
      if (all.size <= keys) return
      const [oldest = key] = all.keys()
      all.delete(oldest)
    }
    const readNow = Effect.fnUntraced(function* (key: Key, at: number, version?: number) {
      const found = yield* Shared.once(
        Effect.onExit(read(key), (exit) =>
          Effect.sync(() => {
            if (all.get(key) !== reading) return
            if (Exit.isSuccess(exit)) keep(key, { at, version, isRead: true, found: exit })
            else all.delete(key)
          })
        )
      )
      const reading = { at, version, isRead: false, found }
      keep(key, reading)
      return yield* found
    })
    const younger = (key: Key, atMost: number) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const kept = all.get(key)
        if (kept !== undefined && !(kept.isRead && kept.at + atMost * 1000 <= now)) {
          keep(key, kept)
          return kept.found
        }
        return version === undefined
          ? readNow(key, now)
          : Effect.flatMap(version, (current) => {
              const latest = all.get(key)
              if (latest === undefined || (latest === kept && kept.version !== current))
                return readNow(key, now, current)
              keep(key, latest === kept ? { ...kept, at: now } : latest)
              return latest.found
            })
      })
    return {
      get: (key) => younger(key, seconds),
      younger,
      forget: (key) => Effect.sync(() => void all.delete(key))
    }
  })
