/**
 * The keys that events claim and release: who may claim one, and the table of those that are held.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Sqlite from "../platform/Sqlite.ts"
import { KeyHeld, type NewEvent } from "./EventLog.ts"
import type { EventModel, KeyChange } from "./Projection.ts"

/** What an event of a stream does to the keys. Of one event's change the release comes first. */
export interface StreamKeyChange extends KeyChange {
  readonly stream: string
}

/** A change that was granted; `recordedAt` starts the time of keys that have one. */
export interface RecordedKeyChange extends StreamKeyChange {
  readonly recordedAt: number
}

/** Key to the stream that holds it. */
export type Holders = Map<string, string>

/** Creates the table of held keys if it is absent. */
export const migrate = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table if not exists event_log_keys (
      key text not null primary key,
      stream text not null,
      expires_at bigint
    ) without rowid`
  yield* sql`create index if not exists event_log_keys_stream on event_log_keys (stream)`
  yield* sql`create index if not exists event_log_keys_expiry on event_log_keys (expires_at)
    where expires_at is not null`
})

/** The changes that the events of a stream make, in order. */
export const changesOf = (
  model: typeof EventModel.Service,
  stream: string,
  events: ReadonlyArray<NewEvent>
): ReadonlyArray<StreamKeyChange> => events.flatMap((event) => changeOf(model, stream, event) ?? [])

/** The change that one event of a stream makes, if it makes one. */
export const changeOf = (
  model: typeof EventModel.Service,
  stream: string,
  event: NewEvent
): StreamKeyChange | undefined => {
  const change = model.keys(stream, event)
  return change === undefined ? undefined : { ...change, stream }
}

/** Forgets the keys whose time is over, then reads who holds the keys that the changes claim. */
export const readHolders = (session: Sqlite.Session, changes: ReadonlyArray<StreamKeyChange>, now: number): Holders => {
  const claimed = changes.flatMap((change) => (change.acquire ?? []).map(({ key }) => [key]))
  if (claimed.length === 0) return new Map()
  forgetExpired(session, [[now]])
  return new Map(selectHolder(session, claimed).map(({ key, stream }) => [key, stream]))
}

const forgetExpired = Sqlite.statement("delete from event_log_keys where expires_at <= ?")
const selectHolder = Sqlite.statement<{ readonly key: string; readonly stream: string }>(
  "select key, stream from event_log_keys where key = ?"
)

/** Makes the changes of one append in `holders`, all or none: the answer is the first key that another stream holds. */
export const claim = (holders: Holders, changes: ReadonlyArray<StreamKeyChange>): KeyHeld | undefined => {
  const changed = new Map<string, string | undefined>()
  for (const { stream, release, acquire } of changes) {
    if (release !== undefined) {
      for (const [key, holder] of [...holders, ...changed]) {
        if (holder === stream && key.startsWith(release)) changed.set(key, undefined)
      }
    }
    for (const { key } of acquire ?? []) {
      const holder = changed.has(key) ? changed.get(key) : holders.get(key)
      if (holder !== undefined && holder !== stream) return new KeyHeld({ key, holder })
      changed.set(key, stream)
    }
  }
  for (const [key, holder] of changed) {
    if (holder === undefined) holders.delete(key)
    else holders.set(key, holder)
  }
  return undefined
}

/** Writes changes that were granted to the table. */
export const write = (session: Sqlite.Session, changes: ReadonlyArray<RecordedKeyChange>): void => {
  const released: Array<readonly [stream: string, prefix: string, samePrefix: string]> = []
  const held = new Map<string, readonly [key: string, stream: string, expiresAt: number | null]>()
  for (const { stream, release, acquire, recordedAt } of changes) {
    if (release !== undefined) {
      released.push([stream, release, release])
      for (const [key, holder] of held.values()) {
        if (holder === stream && key.startsWith(release)) held.delete(key)
      }
    }
    for (const { key, ttlSeconds } of acquire ?? []) {
      held.set(key, [key, stream, ttlSeconds === undefined ? null : recordedAt + ttlSeconds * 1_000])
    }
  }
  deleteHeld(session, released)
  hold(session, [...held.values()])
}

const deleteHeld = Sqlite.statement("delete from event_log_keys where stream = ? and substr(key, 1, length(?)) = ?")
const hold = Sqlite.insertion(
  "event_log_keys",
  ["key", "stream", "expires_at"],
  "on conflict (key) do update set stream = excluded.stream, expires_at = excluded.expires_at"
)
