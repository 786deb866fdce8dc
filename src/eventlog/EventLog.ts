/**
 * The append-only event log: the one durable truth of every run.
 *
 * A stream is a list of events with versions 1, 2, 3 ...; the whole log has positions that grow and never show a gap that is
 * filled later. An append names the version it expects the stream to have: two writers of one stream cannot both succeed.
 * Each event carries the hash of the one before it in its stream, so an altered or a missing event is found by `verify`.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { JsonObject } from "../platform/Json.ts"

/** What a caller appends: `type` names the event, `data` is its JSON and must not change any more. */
export interface NewEvent {
  readonly type: string
  readonly data: JsonObject
}

/** An event as the log keeps it. `recordedAt` is milliseconds since 1970 UTC; `hash` covers `previousHash` and all other fields but `position`. */
export interface RecordedEvent extends NewEvent {
  readonly position: number
  readonly stream: string
  readonly version: number
  readonly recordedAt: number
  readonly previousHash: string
  readonly hash: string
}

/** One append: all its events are recorded, in order, or none. `expectedVersion` 0 means that the stream must be new. */
export interface Append {
  readonly stream: string
  readonly expectedVersion: number
  readonly events: readonly [NewEvent, ...ReadonlyArray<NewEvent>]
}

/** Another writer was faster: the stream has `actualVersion`. Read the stream again and decide anew. */
export class VersionConflict extends Schema.TaggedError<VersionConflict>()("VersionConflict", {
  stream: Schema.String,
  expectedVersion: Schema.Number,
  actualVersion: Schema.Number
}) {
  override get message() {
    return `stream ${this.stream} is at version ${this.actualVersion}, not at ${this.expectedVersion}: read it again and decide anew`
  }
}

/** A key that an event of this append claims is held by another stream (see `KeyChange`). */
export class KeyHeld extends Schema.TaggedError<KeyHeld>()("KeyHeld", {
  key: Schema.String,
  holder: Schema.String
}) {
  override get message() {
    return `key ${this.key} is held by stream ${this.holder}`
  }
}

/** A rule of the event model forbids the append (see `Rule`); `objection` is the rule's own word, which it alone can read. */
export class AppendForbidden extends Schema.TaggedError<AppendForbidden>()("AppendForbidden", {
  stream: Schema.String,
  objection: JsonObject
}) {
  override get message() {
    return `stream ${this.stream} may not be appended to: ${this.objection["message"] ?? "a rule forbids it"}`
  }
}

/** Why an append is not recorded; nothing of it is. */
export type AppendRefusal = VersionConflict | KeyHeld | AppendForbidden

/** The store could not be read or written. */
export class EventLogUnavailable extends Schema.TaggedError<EventLogUnavailable>()("EventLogUnavailable", {
  operation: Schema.String,
  cause: Schema.Defect
}) {
  override get message() {
    return `the event log could not ${this.operation}: look at the disk and the database of the data folder`
  }
}

/** One thing that `verify` found wrong. */
export interface Finding {
  readonly stream: string
  readonly version: number
  readonly problem: string
}

/** What `verify` looked at and found; `findings` is empty when nothing was altered or lost and each projection equals its fold. */
export interface Verification {
  readonly streams: number
  readonly events: number
  readonly findings: ReadonlyArray<Finding>
}

export interface EventLogService {
  /** Durable when it returns. Appends that arrive together share one transaction; each caller gets its own answer. */
  readonly append: (append: Append) => Effect.Effect<ReadonlyArray<RecordedEvent>, AppendRefusal | EventLogUnavailable>
  /** The same for a caller that is no fiber: `answer` hears the outcome once and must not throw. */
  readonly enqueue: (
    append: Append,
    answer: (exit: Exit.Exit<ReadonlyArray<RecordedEvent>, AppendRefusal | EventLogUnavailable>) => void
  ) => void
  /** The events of one stream in order; empty for an unknown stream. `from` is the first version wanted (1 when absent). */
  readonly read: (stream: string, from?: number) => Effect.Effect<ReadonlyArray<RecordedEvent>, EventLogUnavailable>
  /** At most `limit` events of all streams after `position`, in order of position. */
  readonly readAll: (
    position: number,
    limit: number
  ) => Effect.Effect<ReadonlyArray<RecordedEvent>, EventLogUnavailable>
  /** All events after `position`: first those recorded, then those to come; never ends. Safe for slow readers: it reads the log, it holds no queue. */
  readonly follow: (position: number) => Stream.Stream<RecordedEvent, EventLogUnavailable>
  /** The position of the newest event, 0 for an empty log. */
  readonly head: Effect.Effect<number, EventLogUnavailable>
  /** Recomputes every hash chain and folds the log into fresh projections that must equal the stored ones. */
  readonly verify: Effect.Effect<Verification, EventLogUnavailable>
  /** Empties the projections and the keys and folds the whole log into them again. */
  readonly rebuild: Effect.Effect<{ readonly events: number }, EventLogUnavailable>
}

/** The event log service. */
export class EventLog extends Context.Tag("pipeline-service/EventLog")<EventLog, EventLogService>() {}
