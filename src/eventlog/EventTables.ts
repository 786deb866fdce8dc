/**
 * The tables of the log and how its events stand in them.
 */
import { hash } from "node:crypto"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { canonical, isObject, type Json, type JsonObject } from "../platform/Json.ts"
import type { RecordedEvent } from "./EventLog.ts"

/** Events that a long read (follow, verify, rebuild) takes at a time. */
export const PAGE_EVENTS = 512

/** Rows of one insert statement: few enough that the statements of all sizes stay prepared. */
const INSERT_ROWS = 32

/** What the first event of a stream has as the hash of the one before it. */
export const NO_HASH = "0".repeat(64)

/** An event as its row has it: `data` is the canonical JSON text that the hash covers. */
export interface EventRow extends Omit<RecordedEvent, "data"> {
  readonly data: string
}

/** The newest event of a stream. */
export interface StreamHead {
  readonly stream: string
  readonly version: number
  readonly hash: string
}

/** Columns of an event in the order and with the names of {@link EventRow}. */
export const EVENT_COLUMNS =
  'position, stream, version, type, data, recorded_at as "recordedAt", previous_hash as "previousHash", hash'

/** Creates the tables of the log if they are absent. */
export const migrate = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table if not exists event_log (
      position integer primary key,
      stream text not null,
      version bigint not null,
      type text not null,
      data text not null,
      recorded_at bigint not null,
      previous_hash text not null,
      hash text not null,
      unique (stream, version)
    )`
  // Beside the events, so that a stream which lost its newest events is found out.
  yield* sql`
    create table if not exists event_log_streams (
      stream text not null primary key,
      version bigint not null,
      hash text not null
    )`
})

/** SHA-256 (hex) of the canonical JSON of all fields but `position` and `hash`. */
export const hashOf = (row: Omit<EventRow, "position" | "hash">): string =>
  hash(
    "sha256",
    `{"data":${row.data},"previousHash":"${row.previousHash}","recordedAt":${row.recordedAt},` +
      `"stream":${JSON.stringify(row.stream)},"type":${JSON.stringify(row.type)},"version":${row.version}}`
  )

/** The text of an event's data as it is stored and hashed. */
export const encodeData = (data: JsonObject): string => canonical(data)

/** An event's data from its stored text; none when the text is not a JSON object, that is, when it was damaged. */
export const decodeData = (text: string): Option.Option<JsonObject> => {
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

/** The heads of those of the streams that exist. */
export const readHeads = Effect.fnUntraced(function* (streams: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<StreamHead>`
    select stream, version, hash from event_log_streams
    where stream in (select value from json_each(${JSON.stringify(streams)}))`
})

/** The position of the newest event, 0 for an empty log. */
export const lastPosition = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly position: number | null }>`select max(position) as position from event_log`
  return rows[0]?.position ?? 0
})

/** Inserts the events and moves the heads of their streams. */
export const insert = Effect.fnUntraced(function* (rows: ReadonlyArray<EventRow>, heads: Iterable<StreamHead>) {
  const sql = yield* SqlClient.SqlClient
  for (const chunk of Arr.chunksOf(rows, INSERT_ROWS)) {
    const events = chunk.map(({ recordedAt, previousHash, ...row }) => ({
      ...row,
      recorded_at: recordedAt,
      previous_hash: previousHash
    }))
    yield* sql`insert into event_log ${sql.insert(events)}`
  }
  for (const chunk of Arr.chunksOf(heads, INSERT_ROWS)) {
    const streams = chunk.map(({ stream, version, hash }) => ({ stream, version, hash }))
    yield* sql`
      insert into event_log_streams ${sql.insert(streams)}
      on conflict (stream) do update set version = excluded.version, hash = excluded.hash`
  }
})
