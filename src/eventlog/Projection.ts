/**
 * What the rooms above tell the event log about their events: the tables to keep beside the log, and the keys that events claim.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { NewEvent, RecordedEvent } from "./EventLog.ts"

/** Tables that are written in the same transaction as the events they show, and can be rebuilt from them at any time. */
export interface Projection {
  readonly name: string
  /** The tables, all rows of which are a function of the log. `verify` compares them row by row. */
  readonly tables: ReadonlyArray<string>
  /** Creates the tables if they are absent; the SQL must be valid for SQLite and Postgres. */
  readonly migrate: Effect.Effect<void, SqlError, SqlClient.SqlClient>
  /** Applies events in order, inside the transaction that records them. Called with whole batches: use few statements. */
  readonly apply: (events: ReadonlyArray<RecordedEvent>) => Effect.Effect<void, SqlError, SqlClient.SqlClient>
}

/** A key is held by at most one stream at a time; claiming a held key makes the append fail with `KeyHeld`. */
export interface KeyChange {
  /** Keys to claim; one with `ttlSeconds` may be claimed by another stream after that time. */
  readonly acquire?: ReadonlyArray<{ readonly key: string; readonly ttlSeconds?: number }>
  /** Releases those of this stream's keys that start with this prefix. */
  readonly release?: string
}

/** How the events of this program are projected and which keys they claim and release. */
export class EventModel extends Context.Tag("pipeline-service/EventModel")<
  EventModel,
  {
    readonly projections: ReadonlyArray<Projection>
    readonly keys: (stream: string, event: NewEvent) => KeyChange | undefined
  }
>() {}
