/**
 * A thread that writes the log: it has a connection of its own to the database file, so that a flush to the disk keeps nobody waiting who has
 * something else to do.
 *
 * Its program is {@link serve} with the event model of the service: what events do to tables and keys cannot be sent to a thread.
 * The thread begins with its first append. If it fails, the process ends with it, as with any other fault of the program: what is recorded of
 * the appends in hand, the next start reads from the file.
 */
import { parentPort, Worker, workerData } from "node:worker_threads"
import { SqlError } from "@effect/sql/SqlError"
import { SqliteError } from "better-sqlite3"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Database from "../platform/Database.ts"
import * as GroupCommit from "../platform/GroupCommit.ts"
import * as Sqlite from "../platform/Sqlite.ts"
import * as AppendBatch from "./AppendBatch.ts"
import { AppendForbidden, type AppendRefusal, KeyHeld, type RecordedEvent, VersionConflict } from "./EventLog.ts"
import type { EventModel } from "./Projection.ts"

/** What the thread is sent; undefined: nothing will follow. */
type Request = Arr.NonEmptyReadonlyArray<SentAppend> | undefined

type Batch = Arr.NonEmptyReadonlyArray<AppendBatch.EncodedAppend>

interface SentAppend {
  readonly stream: string
  readonly expectedVersion: number
  readonly events: Arr.NonEmptyReadonlyArray<readonly [type: string, text: string]>
}

/** What it answers: what has become of the appends, in their order. `recordedAt` is milliseconds since 1970 UTC. */
interface Reply {
  readonly recordedAt: number
  readonly commits: ReadonlyArray<GroupCommit.Committed>
  readonly outcomes: ReadonlyArray<Outcome>
}

type Outcome = Recorded | typeof Refusal.Encoded | Failure

/** `hashes` begins with the one before the first event. */
interface Recorded {
  readonly _tag: "Recorded"
  readonly position: number
  readonly hashes: ReadonlyArray<string>
}

const Refusal = Schema.Union(VersionConflict, KeyHeld, AppendForbidden)
const encodeRefusal = Schema.encodeSync(Refusal)
const decodeRefusal = Schema.decodeSync(Refusal)

/** `code` is SQLite's; undefined: a fault of the program. */
interface Failure {
  readonly _tag: "Failure"
  readonly message: string
  readonly code: string | undefined
}

/** Records the appends that this thread is sent until it is told that none will follow. */
export const serve = (model: typeof EventModel.Service): void => {
  const connection = Database.connect(String(workerData))
  const port = parentPort
  port?.on("message", (request: Request) => {
    if (request !== undefined) return port.postMessage(replyTo(request))
    connection.database.close()
    port.close()
  })

  const replyTo = (appends: Arr.NonEmptyReadonlyArray<SentAppend>): Reply => {
    const recordedAt = Date.now()
    const record = (batch: Batch) =>
      connection.transact((session) => AppendBatch.record(session, model, batch, recordedAt))
    const commits: Array<GroupCommit.Committed> = []
    const exits = GroupCommit.commitAll(record, Arr.map(appends, received), (...each) => commits.push(each))
    return { recordedAt, commits, outcomes: exits.map(outcomeOf) }
  }
}

const received = ({ events, expectedVersion, stream }: SentAppend): AppendBatch.EncodedAppend => ({
  stream,
  expectedVersion,
  events: Arr.map(events, ([type, text]) => ({ type, text, data: JSON.parse(text) }))
})

const outcomeOf = Exit.match({
  onSuccess: (events: ReadonlyArray<RecordedEvent>): Outcome => ({
    _tag: "Recorded",
    position: events[0]?.position ?? 0,
    hashes: [events[0]?.previousHash ?? "", ...events.map(({ hash }) => hash)]
  }),
  onFailure: (cause: Cause.Cause<AppendRefusal | SqlError>): Outcome => {
    const error = Cause.squash(cause)
    return isRefusal(error) ? encodeRefusal(error) : failureOf(error instanceof SqlError ? error.cause : error)
  }
})

const isRefusal = Schema.is(Refusal)

const failureOf = (reason: unknown): Failure => ({
  _tag: "Failure",
  message: reason instanceof Error ? reason.message : String(reason),
  code: reason instanceof SqliteError ? reason.code : undefined
})

/** The thread of a program, whose file is `program`. When the scope closes, what it has is recorded first. */
export const make = Effect.fn("Writer.make")(function* (program: URL) {
  const { path } = yield* Sqlite.direct
  const answers: Array<(reply: Reply) => void> = []
  let thread: Worker | undefined
  const start = () =>
    new Worker(program, { name: "event log", workerData: path }).on("message", (reply: Reply) =>
      answers.shift()?.(reply)
    )

  yield* Effect.addFinalizer(() =>
    Effect.async<void>((resume) => {
      if (thread === undefined) return resume(Effect.void)
      thread.once("exit", () => resume(Effect.void)).postMessage(undefined satisfies Request)
    })
  )

  const elsewhere: GroupCommit.Elsewhere<AppendBatch.EncodedAppend, ReadonlyArray<RecordedEvent>, AppendRefusal> = {
    commit: (appends, then) => {
      answers.push(({ commits, outcomes, recordedAt }) =>
        then(
          Arr.zipWith(appends, outcomes, (append, outcome) => exitOf(append, outcome, recordedAt)),
          commits
        )
      )
      thread ??= start()
      thread.postMessage(Arr.map(appends, sentOf) satisfies Request)
    }
  }
  return elsewhere
})

const sentOf = ({ events, expectedVersion, stream }: AppendBatch.EncodedAppend): SentAppend => ({
  stream,
  expectedVersion,
  events: Arr.map(events, ({ text, type }) => [type, text] as const)
})

const exitOf = (
  append: AppendBatch.EncodedAppend,
  outcome: Outcome,
  recordedAt: number
): Exit.Exit<ReadonlyArray<RecordedEvent>, AppendRefusal | SqlError> => {
  switch (outcome._tag) {
    case "Recorded":
      return Exit.succeed(recordedOf(append, outcome, recordedAt))
    case "Failure":
      return outcome.code === undefined
        ? Exit.die(new Error(outcome.message))
        : Exit.fail(
            new SqlError({
              cause: Object.assign(new Error(outcome.message), { code: outcome.code }),
              message: "SQLite cannot record a batch"
            })
          )
    default:
      return Exit.fail(decodeRefusal(outcome))
  }
}

const recordedOf = (
  { events, expectedVersion, stream }: AppendBatch.EncodedAppend,
  { hashes, position }: Recorded,
  recordedAt: number
): ReadonlyArray<RecordedEvent> =>
  events.map(({ data, type }, index) => ({
    position: position + index,
    stream,
    version: expectedVersion + index + 1,
    type,
    data,
    recordedAt,
    previousHash: hashes[index] ?? "",
    hash: hashes[index + 1] ?? ""
  }))
