/**
 * What the rooms above tell the event log about their events: the tables to keep beside the log, and the keys that events claim.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Session } from "../platform/Sqlite.ts"
import type { JsonObject } from "../platform/Json.ts"
import type { Append, NewEvent, RecordedEvent } from "./EventLog.ts"

/** Tables that are written in the same transaction as the events they show, and can be rebuilt from them at any time. */
export interface Projection {
  readonly name: string
  /** A number that rises whenever the tables change: those of an older shape are made anew from the log at the next start. */
  readonly shape: number
  /** The tables, all rows of which are a function of the log. `verify` compares them row by row. */
  readonly tables: ReadonlyArray<string>
  /** Creates the tables if they are absent. */
  readonly migrate: Effect.Effect<void, SqlError, SqlClient.SqlClient>
  /** Applies events in order, inside the transaction that records them. Called with whole batches: use few statements. */
  readonly apply: (session: Session, events: ReadonlyArray<RecordedEvent>) => void
}

/** A key is held by at most one stream at a time; claiming a held key makes the append fail with `KeyHeld`. */
export interface KeyChange {
  /** Keys to claim; one with `ttlSeconds` may be claimed by another stream after that time. */
  readonly acquire?: ReadonlyArray<{ readonly key: string; readonly ttlSeconds?: number }>
  /** Releases those of this stream's keys that start with this prefix. */
  readonly release?: string
}

/** What a rule looks at. */
export type JudgedAppend = Pick<Append, "stream" | "events">

/** A condition over many streams; an append that breaks it fails with `AppendForbidden`. Judged inside the transaction that records. */
export interface Rule {
  /** Reads what the appends of a batch are judged by, in few statements: none when no rule concerns them. */
  readonly open: (session: Session, appends: ReadonlyArray<JudgedAppend>) => Judge
}

/** Judges the appends of one batch in their order. */
export interface Judge {
  /** Why the append may not be recorded, with a `message`; undefined: it may. */
  readonly objection: (append: JudgedAppend) => JsonObject | undefined
  /** The append will be recorded: the next ones are judged with it. */
  readonly recorded: (append: JudgedAppend) => void
}

/** How the events of this program are projected, which keys they claim and release, and which rules they keep. */
export class EventModel extends Context.Tag("pipeline-service/EventModel")<
  EventModel,
  {
    readonly projections: ReadonlyArray<Projection>
    readonly keys: (stream: string, event: NewEvent) => KeyChange | undefined
    readonly rules: ReadonlyArray<Rule>
  }
>() {}
