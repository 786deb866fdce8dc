/**
 * The API key by which a run was reserved, sealed: its completion needs the same key, also after a restart. Erased when delivered.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { Encryption } from "../platform/Encryption.ts"
import { Day, type OrgSlug, type RunId } from "../platform/Identifiers.ts"

/** Longer than the 24 hours for which a completion is repeated, and than any run. */
const RETENTION_DAYS = 7
const SWEEP_INTERVAL_HOURS = 6

/** What a run was reserved with. */
export interface Authority {
  readonly apiKey: Redacted.Redacted
  /** The UTC day of the first ask: also that of a repeated one. */
  readonly reservationDate: Day
}

/** Opens the store; rows of long ended runs are swept away while the scope lives. */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const encryption = yield* Encryption
  yield* sql`create table if not exists run_authorities (
    run_id text primary key, org_slug text not null, sealed_api_key text, reservation_date text not null,
    created_at text not null)`

  const sweep = Effect.gen(function* () {
    const oldest = DateTime.subtract(yield* DateTime.now, { days: RETENTION_DAYS })
    yield* sql`delete from run_authorities where created_at < ${DateTime.formatIso(oldest)}`
  })
  yield* sweep.pipe(
    Effect.catchAll((error) => Effect.logWarning("old run authorities could not be deleted", error.message)),
    Effect.repeat(Schedule.spaced(Duration.hours(SWEEP_INTERVAL_HOURS))),
    Effect.forkScoped
  )

  /** Undefined: this run was never reserved. `settled`: its completion was delivered and the key erased. */
  const find = Effect.fnUntraced(function* (org: OrgSlug, runId: RunId) {
    const [row] = yield* sql<AuthorityRow>`select sealed_api_key, reservation_date from run_authorities
      where run_id = ${runId} and org_slug = ${org}`
    if (row === undefined) return undefined
    if (row.sealed_api_key === null) return "settled" as const
    const apiKey = yield* encryption.open(row.sealed_api_key, { org, id: runId })
    return { apiKey, reservationDate: row.reservation_date } satisfies Authority
  })

  const remember = Effect.fnUntraced(function* (org: OrgSlug, runId: RunId, apiKey: Redacted.Redacted) {
    const now = DateTime.formatIso(yield* DateTime.now)
    const reservationDate = Day.make(now.slice(0, "yyyy-mm-dd".length))
    yield* sql`insert into run_authorities ${sql.insert({
      run_id: runId,
      org_slug: org,
      sealed_api_key: yield* encryption.seal(apiKey, { org, id: runId }),
      reservation_date: reservationDate,
      created_at: now
    })}`
    return { apiKey, reservationDate } satisfies Authority
  })

  /** Erases the key. */
  const settle = (runId: RunId) => sql`update run_authorities set sealed_api_key = null where run_id = ${runId}`

  return { find, remember, settle }
})

interface AuthorityRow {
  readonly sealed_api_key: string | null
  readonly reservation_date: Day
}
