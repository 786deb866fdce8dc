/**
 * Proves that nothing in the log was altered or lost and that every derived table is the fold of the log.
 *
 * It works on a connection of its own, on one snapshot: appends go on meanwhile. The connection's own database is a temporary file that
 * SQLite removes; the service's file is attached to it. Projections name their tables without a database, so they are created and
 * folded in the temporary one, and the two can be compared by the database itself, in bounded memory.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Sqlite from "../platform/Sqlite.ts"
import type { Finding, RecordedEvent, Verification } from "./EventLog.ts"
import { decode, EVENT_COLUMNS, type EventRow, hashOf, NO_HASH, PAGE_EVENTS, type StreamHead } from "./EventTables.ts"
import * as Fold from "./Fold.ts"
import type { EventModel } from "./Projection.ts"

/** Findings that one verification reports at most; the first ones tell where to look. */
const MAX_FINDINGS = 100

/** Different rows of one table that are reported at most. */
const MAX_ROWS_REPORTED = 10

/** Characters of a different row that are shown. */
const MAX_ROW_CHARACTERS = 300

/** The events of the attached file. */
const SERVICE_EVENTS =
  "service.event_log as event left join service.event_log_streams as stream on stream.id = event.stream_id"

/** Verifies the log in the file of the current SQL client. */
export const verify = Effect.fnUntraced(function* (model: typeof EventModel.Service) {
  const path = yield* databaseFile
  const shadow = yield* Sqlite.make("", "BEGIN DEFERRED")
  yield* shadow`attach database ${path} as service`
  return yield* Effect.gen(function* () {
    const findings: Array<Finding> = []
    const chains = yield* verifyChains(findings)
    yield* verifyDerivedTables(model, findings)
    return { ...chains, findings: findings.slice(0, MAX_FINDINGS) } satisfies Verification
  }).pipe(shadow.withTransaction, Effect.provideService(SqlClient.SqlClient, shadow))
}, Effect.scoped)

const databaseFile = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly file: string }>`select file from pragma_database_list where name = 'main'`
  return rows[0]?.file ?? ""
})

/** Walks each stream from its first event to its last and compares its end with its head. */
const verifyChains = Effect.fnUntraced(function* (findings: Array<Finding>) {
  const sql = yield* SqlClient.SqlClient
  const report = (stream: string, version: number, problem: string) => findings.push({ stream, version, problem })
  let streams = 0
  let events = 0
  let previous: StreamHead | undefined
  do {
    const { id, version } = previous ?? { id: 0, version: 0 }
    const page: ReadonlyArray<EventRow & { readonly id: number }> = yield* sql<EventRow & { readonly id: number }>`
      select event.stream_id as id, ${sql.literal(EVENT_COLUMNS)} from ${sql.literal(SERVICE_EVENTS)}
      where (event.stream_id, event.version) > (${id}, ${version})
      order by event.stream_id, event.version limit ${PAGE_EVENTS}`
    if (page.length === 0) break
    for (const row of page) {
      const before = previous?.id === row.id ? previous : { id: row.id, stream: row.stream, version: 0, hash: NO_HASH }
      if (before.version === 0) streams += 1
      events += 1
      verifyEvent(before, row, report)
      previous = row
    }
  } while (findings.length < MAX_FINDINGS)

  const ends = yield* sql<{ readonly stream: string; readonly version: number; readonly found: number | null }>`
    select head.stream, head.version, last.version as found
    from service.event_log_streams as head
    left join service.event_log as last on last.stream_id = head.id
      and last.version = (select max(version) from service.event_log where stream_id = head.id)
    where last.version is null or last.version <> head.version or last.hash <> head.hash
    limit ${MAX_FINDINGS}`
  for (const end of ends) {
    report(
      end.stream,
      end.version,
      `the stream ends with version ${end.found ?? 0}, or with another hash than it was given; version ${end.version} was recorded last`
    )
  }

  const gaps = yield* sql<{ readonly position: number; readonly before: number }>`
    select position, before from (
      select position, lag(position, 1, 0) over (order by position) as before from service.event_log
    ) where position <> before + 1 limit ${MAX_FINDINGS}`
  for (const gap of gaps) {
    report("", 0, `the log has no events at the positions ${gap.before + 1} to ${gap.position - 1}`)
  }
  return { streams, events }
})

const verifyEvent = (
  before: StreamHead,
  row: EventRow,
  report: (stream: string, version: number, problem: string) => void
) => {
  if (row.version !== before.version + 1) {
    report(row.stream, row.version, `the events between version ${before.version} and this one are missing`)
  } else if (row.previousHash !== before.hash) {
    report(row.stream, row.version, "the hash of the event before is not the one that this event was chained to")
  }
  if (row.hash !== hashOf(row)) {
    report(row.stream, row.version, "the event's fields do not have the event's hash: one of them was altered")
  }
  if (Option.isNone(decode(row))) report(row.stream, row.version, "the event's data is not a JSON object")
}

/** Folds the log into the temporary database and compares each derived table with the stored one. */
const verifyDerivedTables = Effect.fnUntraced(function* (model: typeof EventModel.Service, findings: Array<Finding>) {
  const report = (problem: string) => findings.push({ stream: "", version: 0, problem })
  const folded = yield* Effect.either(foldAll(model))
  if (folded._tag === "Left") {
    report(`the log cannot be folded into its projections: ${reasonOf(folded.left)}`)
    return
  }
  const now = Math.max(yield* Clock.currentTimeMillis, folded.right)
  yield* compare("event_log_keys", `where expires_at is null or expires_at > ${now}`, report)
  for (const projection of model.projections) {
    for (const table of projection.tables) yield* compare(table, "", report)
  }
})

/** Answers the time of the newest event. */
const foldAll = Effect.fnUntraced(function* (model: typeof EventModel.Service) {
  const sql = yield* SqlClient.SqlClient
  yield* Fold.migrate(model)
  let position = 0
  let recordedAt = 0
  for (;;) {
    const rows: ReadonlyArray<EventRow> = yield* sql<EventRow>`
      select ${sql.literal(EVENT_COLUMNS)} from ${sql.literal(SERVICE_EVENTS)}
      where event.position > ${position} order by event.position limit ${PAGE_EVENTS}`
    const last = rows.at(-1)
    if (last === undefined) return recordedAt
    const events: ReadonlyArray<RecordedEvent> = rows.flatMap((row) => Option.toArray(decode(row)))
    yield* Sqlite.use((session) => Fold.fold(session, model, events))
    position = last.position
    recordedAt = events.reduce((latest, event) => Math.max(latest, event.recordedAt), recordedAt)
  }
})

/** Reports the rows that only one of the two tables has. */
const compare = Effect.fnUntraced(
  function* (table: string, where: string, report: (problem: string) => void) {
    const sql = yield* SqlClient.SqlClient
    const of = (database: string) => sql`${sql(database)}.${sql(table)} ${sql.literal(where)}`
    const superfluous = yield* sql<object>`
      select * from ${of("service")} except select * from ${of("main")} limit ${MAX_ROWS_REPORTED}`
    const missing = yield* sql<object>`
      select * from ${of("main")} except select * from ${of("service")} limit ${MAX_ROWS_REPORTED}`
    const counts = yield* sql<{ readonly stored: number; readonly folded: number }>`
      select (select count(*) from ${of("service")}) as stored, (select count(*) from ${of("main")}) as folded`
    for (const row of superfluous) report(`table ${table} has a row that the events do not give: ${show(row)}`)
    for (const row of missing) report(`table ${table} lacks a row that the events give: ${show(row)}`)
    const count = counts[0]
    if (count !== undefined && count.stored !== count.folded) {
      report(`table ${table} has ${count.stored} rows, the events give ${count.folded}`)
    }
  },
  (effect, table, _where, report) =>
    Effect.catchAll(effect, (error) =>
      Effect.sync(() => report(`table ${table} cannot be compared with its events: ${reasonOf(error)}`))
    )
)

const show = (row: object): string => JSON.stringify(row).slice(0, MAX_ROW_CHARACTERS)

const reasonOf = (error: SqlError): string => (error.cause instanceof Error ? error.cause.message : error.message)
