/**
 * The fold of the log into everything that is derived from it: the held keys and the projections.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Sqlite from "../platform/Sqlite.ts"
import { EventLogUnavailable, type RecordedEvent } from "./EventLog.ts"
import { decode, EVENT_COLUMNS, type EventRow, PAGE_EVENTS } from "./EventTables.ts"
import * as Keys from "./Keys.ts"
import type { EventModel } from "./Projection.ts"

const FIRST_SHAPE = 1

/** Creates the derived tables if they are absent. */
export const migrate = Effect.fnUntraced(function* (model: typeof EventModel.Service) {
  yield* Keys.migrate
  yield* Effect.forEach(model.projections, (projection) => projection.migrate, { discard: true })
})

/** Makes the derived tables ready: those of a log whose projections had another shape are made anew from its events. */
export const prepare = Effect.fnUntraced(function* (model: typeof EventModel.Service) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`create table if not exists event_log_projections (name text primary key, shape integer not null)`
  const kept = new Map(
    (yield* sql<{ readonly name: string; readonly shape: number }>`select name, shape from event_log_projections`).map(
      ({ name, shape }) => [name, shape]
    )
  )
  // Logs that are older than this table have projections of the first shape.
  const stale = model.projections.filter(({ name, shape }) => (kept.get(name) ?? FIRST_SHAPE) !== shape)
  const [event] = yield* sql`select position from event_log limit 1`
  if (event !== undefined && stale.length > 0) {
    const { events } = yield* rebuild(model)
    yield* Effect.logInfo(`${stale.map(({ name }) => name).join(", ")}: tables made anew from ${events} events`)
  } else yield* migrate(model)
  const shapes = JSON.stringify(model.projections.map(({ name, shape }) => [name, shape]))
  yield* sql`insert into event_log_projections select value ->> 0, value ->> 1 from json_each(${shapes}) where true
    on conflict (name) do update set shape = excluded.shape`
})

/** Folds the next events into the derived tables. */
export const fold = (
  session: Sqlite.Session,
  model: typeof EventModel.Service,
  events: ReadonlyArray<RecordedEvent>
): void => {
  const changes: Array<Keys.RecordedKeyChange> = []
  for (const event of events) {
    const change = Keys.changeOf(model, event.stream, event)
    if (change !== undefined) changes.push({ ...change, recordedAt: event.recordedAt })
  }
  Keys.write(session, changes)
  for (const projection of model.projections) projection.apply(session, events)
}

/** Throws the derived tables away and folds the whole log into new ones, in one transaction: appends wait meanwhile. */
export const rebuild = Effect.fnUntraced(function* (model: typeof EventModel.Service) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql.withTransaction(
    Effect.gen(function* () {
      const tables = ["event_log_keys", ...model.projections.flatMap((projection) => projection.tables)]
      yield* Effect.forEach(tables.toReversed(), (table) => sql`drop table if exists ${sql(table)}`, { discard: true })
      yield* migrate(model)
      let events = 0
      let position = 0
      for (;;) {
        const page = yield* readPage(position, PAGE_EVENTS)
        const last = page.at(-1)
        if (last === undefined) return { events }
        yield* Sqlite.use((session) => fold(session, model, page))
        events += page.length
        position = last.position
      }
    })
  )
})

/** The next events after a position, at most `limit`. */
export const readPage = Effect.fnUntraced(function* (position: number, limit: number) {
  const sql = yield* SqlClient.SqlClient
  return yield* decodeAll(
    yield* sql<EventRow>`
      select ${sql.literal(EVENT_COLUMNS)}
      from event_log as event left join event_log_streams as stream on stream.id = event.stream_id
      where event.position > ${position} order by event.position limit ${limit}`
  )
})

/** The events of one stream, beginning with version `from`. */
export const readStream = Effect.fnUntraced(function* (stream: string, from: number) {
  const sql = yield* SqlClient.SqlClient
  return yield* decodeAll(
    yield* sql<EventRow>`
      select ${sql.literal(EVENT_COLUMNS)}
      from event_log_streams as stream join event_log as event on event.stream_id = stream.id
      where stream.stream = ${stream} and event.version >= ${from} order by event.version`
  )
})

const decodeAll = (rows: ReadonlyArray<EventRow>): Effect.Effect<ReadonlyArray<RecordedEvent>, EventLogUnavailable> => {
  const events: Array<RecordedEvent> = []
  for (const row of rows) {
    const event = decode(row)
    if (Option.isNone(event)) return Effect.fail(damaged(row))
    events.push(event.value)
  }
  return Effect.succeed(events)
}

const damaged = (row: EventRow) =>
  new EventLogUnavailable({
    operation: `read version ${row.version} of stream ${row.stream}`,
    cause: new Error("the event's data is not a JSON object: verify the log")
  })
