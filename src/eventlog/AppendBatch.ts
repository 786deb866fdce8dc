/**
 * A batch of appends as one set: one read of what they build on, the decisions in memory, then one write for each table.
 */
import * as Arr from "effect/Array"
import * as Exit from "effect/Exit"
import { canonicalForm } from "../platform/Json.ts"
import type * as Sqlite from "../platform/Sqlite.ts"
import {
  type Append,
  AppendForbidden,
  type AppendRefusal,
  type NewEvent,
  type RecordedEvent,
  VersionConflict
} from "./EventLog.ts"
import * as EventTables from "./EventTables.ts"
import * as Fold from "./Fold.ts"
import * as Keys from "./Keys.ts"
import type { EventModel } from "./Projection.ts"

/**
 * An append whose events carry the `text` that is stored and hashed; their `data` is what the text says, so that projections see it (the
 * order of its members too) as a rebuild will.
 */
export interface EncodedAppend {
  readonly stream: string
  readonly expectedVersion: number
  readonly events: Arr.NonEmptyReadonlyArray<EncodedEvent>
}

interface EncodedEvent extends NewEvent {
  readonly text: string
}

/** Encodes in the fiber of the caller: data without a text harms nobody else. */
export const encode = ({ stream, expectedVersion, events }: Append): EncodedAppend => ({
  stream,
  expectedVersion,
  events: Arr.map(events, ({ type, data }) => {
    const { text, value } = canonicalForm(data)
    return { type, text, data: value }
  })
})

/** Records the appends in order; one that is refused leaves nothing behind. Runs inside a transaction that holds the write lock. */
export const record = (
  session: Sqlite.Session,
  model: typeof EventModel.Service,
  appends: ReadonlyArray<EncodedAppend>,
  recordedAt: number
): ReadonlyArray<Exit.Exit<ReadonlyArray<RecordedEvent>, AppendRefusal>> => {
  const ends = EventTables.readEnds(
    session,
    appends.map((append) => append.stream)
  )
  const heads = new Map(ends.heads.map((head) => [head.stream, head]))
  const changes = appends.map((append) => Keys.changesOf(model, append.stream, append.events))
  const holders = Keys.readHolders(session, changes.flat(), recordedAt)
  const judges = model.rules.map((rule) => rule.open(session, appends))
  let position = ends.lastPosition
  let streamId = ends.lastStreamId

  const rows: Array<EventTables.NewRow> = []
  const recorded: Array<RecordedEvent> = []
  const moved = new Map<string, EventTables.StreamHead>()
  const exits = appends.map((append, index): Exit.Exit<ReadonlyArray<RecordedEvent>, AppendRefusal> => {
    const { stream, expectedVersion } = append
    const before = heads.get(stream)
    const actualVersion = before?.version ?? 0
    if (actualVersion !== expectedVersion) {
      return Exit.fail(new VersionConflict({ stream, expectedVersion, actualVersion }))
    }
    for (const judge of judges) {
      const objection = judge.objection(append)
      if (objection !== undefined) return Exit.fail(new AppendForbidden({ stream, objection }))
    }
    const held = Keys.claim(holders, changes[index] ?? [])
    if (held !== undefined) return Exit.fail(held)
    for (const judge of judges) judge.recorded(append)
    const id = before?.id ?? ++streamId
    let head: EventTables.StreamHead = before ?? { id, stream, version: 0, hash: EventTables.NO_HASH }
    const events = append.events.map(({ type, data, text }): RecordedEvent => {
      const version = head.version + 1
      const previousHash = head.hash
      const hash = EventTables.hashOf({ stream, version, type, data: text, recordedAt, previousHash })
      rows.push([++position, id, version, type, text, recordedAt, previousHash, hash])
      head = { id, stream, version, hash }
      return { position, stream, version, type, data, recordedAt, previousHash, hash }
    })
    recorded.push(...events)
    heads.set(stream, head)
    moved.set(stream, head)
    return Exit.succeed(events)
  })

  if (rows.length > 0) {
    EventTables.insert(session, rows, [...moved.values()])
    Fold.fold(session, model, recorded)
  }
  return exits
}
