/**
 * When an engine closes its file and opens it again. Of each column of each row group that it has written or read it keeps some kilobytes
 * outside its memory limit until then: with a large bill more than it needs to work on the bill.
 */
import * as Effect from "effect/Effect"

/** The engine keeps 35 to 50 bytes for each row of a table of a hundred columns. A catalogue takes 10 ms for each organisation to open. */
const WRITTEN_ROWS = 600_000
/** More than use a database at a time. */
const USERS = 1_000_000

/** Runs an effect during which the file stays open. */
export type Using = <A, E, R>(use: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Is told how many rows a statement has written. */
export type Count = (rows: number) => void

/** After many written rows runs `reopen` as soon as nobody uses the database, and lets nobody use it meanwhile. */
export const make = Effect.fn("Reopening.make")(function* (reopen: Effect.Effect<unknown>) {
  const users = yield* Effect.makeSemaphore(USERS)
  let written = 0
  const ifDue = Effect.suspend(() =>
    written < WRITTEN_ROWS
      ? Effect.void
      : Effect.tap(reopen, () => {
          written = 0
        }).pipe(users.withPermitsIfAvailable(USERS))
  )
  const using: Using = (use) => Effect.ensuring(users.withPermits(1)(use), ifDue)
  const count: Count = (rows) => {
    written += rows
  }
  return { count, using }
})
