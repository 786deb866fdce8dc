/**
 * How much of its memory limit an engine uses. It keeps what it has read until the limit is full, and most statements gain nothing from
 * that. Those that read a file need more, above all one of JSON, whose reader keeps the documents; and those that write wide rows much:
 * vectors of every column in every operator, of which they touch little.
 */
import type { DuckDBConnection } from "@duckdb/node-api"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { text } from "./SqlText.ts"

const COMMON_SHARE = 1 / 3
const SHARES = { load: 0.5, documents: 0.6, wide: 1 }

/** What a statement does that needs more than the common share. */
export type Need = keyof typeof SHARES

/** Lets the engine use what is needed until the scope is closed, and the scopes of others that need as much. */
export type Raised = (need: Need) => Effect.Effect<void, never, Scope.Scope>

/** Leaves the engine of this connection a share of its limit. */
export const make = Effect.fn("MemoryLimit.make")(function* (connection: DuckDBConnection) {
  const reader = yield* Effect.promise(() => connection.runAndReadAll("SELECT current_setting('memory_limit')"))
  const [amount, unit] = String(reader.getRows()[0]?.[0]).split(" ")
  const turn = yield* Effect.makeSemaphore(1)
  const needed: Array<number> = []
  let share = 1
  const adjust = Effect.suspend(() => {
    const wanted = Math.max(COMMON_SHARE, ...needed)
    if (wanted === share) return Effect.void
    const limit = text(`${Number(amount) * wanted} ${unit}`)
    // The engine refuses a limit below what it holds at the time; then the former one stays until the next change.
    return Effect.tryPromise(async () => {
      await connection.run(`SET GLOBAL memory_limit = ${limit}`)
      share = wanted
    }).pipe(Effect.ignore)
  }).pipe(turn.withPermits(1))
  yield* adjust
  const raised: Raised = (need) =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        needed.push(SHARES[need])
        return adjust
      }),
      () =>
        Effect.suspend(() => {
          needed.splice(needed.indexOf(SHARES[need]), 1)
          return adjust
        })
    )
  return raised
})
