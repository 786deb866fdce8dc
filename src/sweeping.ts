/**
 * Keeps the service database from growing with what is over: each room says what of its tables may be forgotten when, one fiber does it in
 * small transactions. The event log and what is folded from it (runs, notifications, alerts, quotas) stay.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as AuditLogSql from "./audit/AuditLogSql.ts"
import * as QueueSweep from "./scheduler/Sweep.ts"

const SWEEP_INTERVAL = "1 hour"
/** Rows of one transaction and table: others wait for the write lock meanwhile. */
const SWEEP_ROWS = 500

const sweeps = [QueueSweep.sweep, AuditLogSql.sweep]

/** Forgets all that may be forgotten now; answers how many rows. */
export const sweepOnce = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Clock.currentTimeMillis
  let total = 0
  for (const sweep of sweeps) {
    for (;;) {
      const swept = yield* sql.withTransaction(sweep(now, SWEEP_ROWS))
      total += swept
      if (swept === 0) break
      yield* Effect.yieldNow()
    }
  }
  return total
})

/** Sweeps every hour; never ends. */
export const keepSwept: Effect.Effect<never, never, SqlClient.SqlClient> = sweepOnce.pipe(
  Effect.catchAll(({ message }) => Effect.logWarning(`old rows could not be deleted: ${message}`)),
  Effect.zipRight(Effect.sleep(SWEEP_INTERVAL)),
  Effect.forever
)
