/**
 * How much of its memory limit an engine uses. It keeps what it has read until the limit is full, and most statements gain nothing from
 * that. Only those that write wide rows need much: vectors of every column in every operator, of which they touch little.
 */
import type { DuckDBConnection } from "@duckdb/node-api"
import * as Effect from "effect/Effect"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import { text } from "./SqlText.ts"

const COMMON_SHARE = 0.6

/** Gives the engine its whole limit until the scope is closed, and the scopes of others that asked too. */
export type Whole = Effect.Effect<void, never, Scope.Scope>

/** Leaves the engine of this connection a share of its limit. */
export const make = Effect.fn("MemoryLimit.make")(function* (connection: DuckDBConnection) {
  const reader = yield* Effect.promise(() => connection.runAndReadAll("SELECT current_setting('memory_limit')"))
  const whole = String(reader.getRows()[0]?.[0])
  const [amount, unit] = whole.split(" ")
  const share = `${Number(amount) * COMMON_SHARE} ${unit}`
  // The engine refuses a limit below what it holds at the time; then the former one stays until the next change.
  const set = (limit: string) =>
    Effect.ignore(Effect.tryPromise(() => connection.run(`SET GLOBAL memory_limit = ${text(limit)}`)))
  yield* set(share)
  const asked = yield* RcRef.make({ acquire: Effect.acquireRelease(set(whole), () => set(share)) })
  const give: Whole = RcRef.get(asked)
  return give
})
