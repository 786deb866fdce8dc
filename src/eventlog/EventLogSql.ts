/**
 * The event log on a SQL database (SQLite). Appends are group-committed; one transaction writes the events, the heads of their streams,
 * the keys and the projections. Positions are given inside the transaction, which holds the write lock: they are visible in order and
 * without gaps, also when another process appends to the same file.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as GroupCommit from "../platform/GroupCommit.ts"
import * as AppendBatch from "./AppendBatch.ts"
import { type AppendRefusal, EventLog, type EventLogService, EventLogUnavailable } from "./EventLog.ts"
import * as EventTables from "./EventTables.ts"
import * as Fold from "./Fold.ts"
import { EventModel } from "./Projection.ts"
import * as Verify from "./Verify.ts"
import * as Writer from "./Writer.ts"

/** Appends that share one transaction at most. */
const MAX_BATCH_APPENDS = 256

/** Events that one `readAll` answers at most. */
const MAX_READ_EVENTS = 10_000

/** How often a follower looks for events of other processes; those of its own process wake it up. */
const FOLLOW_POLL_MILLISECONDS = 1_000

/** `writerProgram`: the program of the thread that records many appends at a time; undefined: all are recorded on this one. */
const make = Effect.fnUntraced(function* (writerProgram?: URL) {
  const sql = yield* SqlClient.SqlClient
  const model = yield* EventModel
  const withSql = Effect.provideService(SqlClient.SqlClient, sql)

  yield* Effect.all([EventTables.migrate, Fold.prepare(model)]).pipe(
    sql.withTransaction,
    unavailable("create its tables")
  )

  let appended = Deferred.unsafeMake<void>(FiberId.none)
  const wakeFollowers = () => {
    const waitedFor = appended
    appended = Deferred.unsafeMake<void>(FiberId.none)
    Deferred.unsafeDone(waitedFor, Exit.void)
  }

  const clock = yield* Effect.clock
  const commits = yield* GroupCommit.make({
    name: "EventLog",
    maxBatch: MAX_BATCH_APPENDS,
    run: (session, appends: ReadonlyArray<AppendBatch.EncodedAppend>) =>
      AppendBatch.record(session, model, appends, clock.unsafeCurrentTimeMillis()),
    ...(writerProgram === undefined ? {} : { elsewhere: yield* Writer.make(writerProgram) }),
    committed: wakeFollowers
  })

  const readAll = (position: number, limit: number) =>
    Fold.readPage(position, Math.min(limit, MAX_READ_EVENTS)).pipe(withSql, unavailable("read its events"))

  const nextPage = (position: number) =>
    Effect.gen(function* () {
      // Taken before the read: an append between the read and the wait is not missed.
      const signal = appended
      const page = Chunk.fromIterable(yield* readAll(position, EventTables.PAGE_EVENTS))
      if (Chunk.isEmpty(page)) {
        yield* Effect.timeoutOption(Deferred.await(signal), FOLLOW_POLL_MILLISECONDS)
      }
      const next = Option.match(Chunk.last(page), { onNone: () => position, onSome: (event) => event.position })
      return [page, Option.some(next)] as const
    })

  const enqueue = (...[append, answer]: Parameters<EventLogService["enqueue"]>) =>
    commits.enqueue(AppendBatch.encode(append), (exit) => answer(Exit.mapErrorCause(exit, Cause.map(appendFailure))))

  const service: EventLogService = {
    append: (append) => Effect.async((resume) => Effect.sync(enqueue(append, resume))),
    enqueue,
    read: (stream, from = 1) => Fold.readStream(stream, from).pipe(withSql, unavailable("read a stream")),
    readAll,
    follow: (position) => Stream.paginateChunkEffect(position, nextPage),
    head: EventTables.lastPosition.pipe(withSql, unavailable("read its head")),
    verify: Verify.verify(model).pipe(withSql, unavailable("verify itself"), Effect.withSpan("EventLog.verify")),
    rebuild: Fold.rebuild(model).pipe(
      withSql,
      unavailable("rebuild its projections"),
      Effect.withSpan("EventLog.rebuild")
    )
  }
  return service
})

type EventLogLayer = Layer.Layer<EventLog, EventLogUnavailable, SqlClient.SqlClient | EventModel>

/** The event log on the SQL client's database; creates its tables and those of the projections. */
export const layer: EventLogLayer = Layer.scoped(EventLog, make())

/** The same for many callers: a thread records what is appended while others wait. `program` is its file, with the same event model. */
export const layerThread = (program: URL): EventLogLayer => Layer.scoped(EventLog, make(program))

const appendFailure = (error: AppendRefusal | SqlError): AppendRefusal | EventLogUnavailable =>
  error._tag === "SqlError" ? new EventLogUnavailable({ operation: "append", cause: error }) : error

const unavailable =
  (operation: string) =>
  <A, E, R>(effect: Effect.Effect<A, E | SqlError, R>) =>
    Effect.catchIf(
      effect,
      (error): error is SqlError => error instanceof SqlError,
      (cause) => new EventLogUnavailable({ operation, cause })
    )
