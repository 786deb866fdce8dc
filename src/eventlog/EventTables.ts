/**
 * The tables of the log and how its events stand in them.
 */
import { hash } from "node:crypto"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { isObject, type Json, type JsonObject } from "../platform/Json.ts"
import * as Sqlite from "../platform/Sqlite.ts"
import type { RecordedEvent } from "./EventLog.ts"

/** Events that a long read (follow, verify, rebuild) takes at a time. */
export const PAGE_EVENTS = 512

/** What the first event of a stream has as the hash of the one before it. */
export const NO_HASH = "0".repeat(64)

/** An event as its row has it: `data` is the canonical JSON text that the hash covers. */
export interface EventRow extends Omit<RecordedEvent, "data"> {
  readonly data: string
}

/** The newest event of a stream; `id` is the stream's number in this database. */
export interface StreamHead {
  readonly id: number
  readonly stream: string
  readonly version: number
  readonly hash: string
}

/** An event as it is inserted. */
export type NewRow = readonly [
  position: number,
  streamId: number,
  version: number,
  type: string,
  data: string,
  recordedAt: number,
  previousHash: string,
  hash: string
]

/** Columns of an {@link EventRow} from the joined tables `event` and `stream`; an event whose stream is gone shows the stream's number. */
export const EVENT_COLUMNS = `
  event.position, coalesce(stream.stream, 'stream number ' || event.stream_id) as stream, event.version, event.type,
  event.data, event.recorded_at as "recordedAt", event.previous_hash as "previousHash", event.hash`

/** Creates the tables of the log if they are absent. */
export const migrate = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Streams have numbers, because their names are random: an index of names would write one page for each event of a batch, numbers
  // keep the streams of a time together. The head stands beside the events, so that a stream which lost its newest ones is found out.
  yield* sql`
    create table if not exists event_log_streams (
      id integer primary key,
      stream text not null unique,
      version bigint not null,
      hash text not null
    )`
  yield* sql`
    create table if not exists event_log (
      position integer primary key,
      stream_id bigint not null,
      version bigint not null,
      type text not null,
      data text not null,
      recorded_at bigint not null,
      previous_hash text not null,
      hash text not null,
      unique (stream_id, version)
    )`
})

/** SHA-256 (hex) of the canonical JSON of all fields but `position` and `hash`. */
export const hashOf = (row: Omit<EventRow, "position" | "hash">): string =>
  hash(
    "sha256",
    `{"data":${row.data},"previousHash":"${row.previousHash}","recordedAt":${row.recordedAt},` +
      `"stream":${JSON.stringify(row.stream)},"type":${JSON.stringify(row.type)},"version":${row.version}}`
  )

/** An event's data from its stored text; none when the text is not a JSON object, that is, when it was damaged. */
const decodeData = (text: string): Option.Option<JsonObject> => {
  try {
    const data: Json = JSON.parse(text)
    return isObject(data) ? Option.some(data) : Option.none()
  } catch {
    return Option.none()
  }
}

/** The event of a row; none when its data was damaged. */
export const decode = (row: EventRow): Option.Option<RecordedEvent> =>
  Option.map(decodeData(row.data), (data) => ({ ...row, data }))

/** What a batch builds on: the heads of those of the streams that exist, and the newest numbers. */
export const readEnds = (session: Sqlite.Session, streams: ReadonlyArray<string>) => {
  const heads = selectHead(
    session,
    streams.map((stream) => [stream])
  )
  const [newest] = selectNewest(session, [[]])
  return { heads, lastStreamId: newest?.streamId ?? 0, lastPosition: newest?.position ?? 0 }
}

const selectHead = Sqlite.statement<StreamHead>(
  "select id, stream, version, hash from event_log_streams where stream = ?"
)
const selectNewest = Sqlite.statement<{ readonly streamId: number | null; readonly position: number | null }>(
  `select (select max(id) from event_log_streams) as "streamId", (select max(position) from event_log) as position`
)

/** The position of the newest event, 0 for an empty log. */
export const lastPosition = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly position: number | null }>`select max(position) as position from event_log`
  return rows[0]?.position ?? 0
})

/** Inserts the events and moves the heads of their streams. */
export const insert = (
  session: Sqlite.Session,
  rows: ReadonlyArray<NewRow>,
  heads: ReadonlyArray<StreamHead>
): void => {
  insertEvents(session, rows)
  moveHeads(
    session,
    heads.map(({ id, stream, version, hash }) => [id, stream, version, hash])
  )
}

const insertEvents = Sqlite.insertion("event_log", [
  "position",
  "stream_id",
  "version",
  "type",
  "data",
  "recorded_at",
  "previous_hash",
  "hash"
])
const moveHeads = Sqlite.insertion(
  "event_log_streams",
  ["id", "stream", "version", "hash"],
  "on conflict (id) do update set version = excluded.version, hash = excluded.hash"
)
