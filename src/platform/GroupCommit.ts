/**
 * Group commit: tasks of many fibers that arrive together share one transaction, hence one flush to the disk.
 *
 * One worker takes the tasks that wait, up to `maxBatch`, and gives them to `run` inside a transaction; each caller then gets its own
 * answer. A refusal is an answer: it harms no other task of the batch, so `run` must leave nothing of a refused task in the database.
 * When the whole batch fails (a statement or the commit), it is rolled back and its tasks are run again one by one, each in its own
 * transaction: only the task that cannot be written fails.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

const tasksOfCommit = Metric.histogram(
  "group_commit_tasks",
  MetricBoundaries.exponential({ start: 1, factor: 2, count: 9 }),
  "Tasks that shared one durable commit"
)
const secondsOfCommit = Metric.histogram(
  "group_commit_seconds",
  MetricBoundaries.exponential({ start: 0.0005, factor: 2, count: 13 }),
  "Seconds of one durable commit, its flush included"
)

/** So many tasks wait for the worker at most; further callers wait for room. */
const MAX_WAITING_TASKS = 4_096

export interface GroupCommit<Task, Answer, Refusal> {
  /**
   * Durable when it succeeds. Fails with the task's refusal, or with the database's error when the task could not be written.
   * A caller that is interrupted takes its task back, or, when the task's batch has begun, does not hear whether it was committed.
   */
  readonly submit: (task: Task) => Effect.Effect<Answer, Refusal | SqlError>
}

interface Entry<Task, Answer, Refusal> {
  readonly task: Task
  readonly answer: (answer: Effect.Effect<Answer, Refusal | SqlError>) => void
}

/**
 * Starts the worker, which lives as long as the scope; a batch in flight is finished before the scope closes, callers that still wait then
 * are interrupted.
 */
export const make = Effect.fn("GroupCommit.make")(function* <Task, Answer, Refusal, R>(options: {
  /** Names the work in traces. */
  readonly name: string
  /** Tasks of one transaction at most. */
  readonly maxBatch: number
  /** Runs inside the transaction; answers with one exit per task, in the order of the tasks. Tasks of a batch take effect in that order. */
  readonly run: (
    tasks: Arr.NonEmptyReadonlyArray<Task>
  ) => Effect.Effect<ReadonlyArray<Exit.Exit<Answer, Refusal>>, SqlError, R>
  /** Runs after each commit, before the callers hear of it. */
  readonly committed?: Effect.Effect<void>
}): Effect.fn.Return<GroupCommit<Task, Answer, Refusal>, never, SqlClient.SqlClient | Scope.Scope | R> {
  type Waiting = Entry<Task, Answer, Refusal>
  const sql = yield* SqlClient.SqlClient
  const committed = options.committed ?? Effect.void
  const waiting: Array<Waiting> = []
  const arrived = Effect.unsafeMakeLatch(false)
  const room = Effect.unsafeMakeLatch(true)
  let closed = false

  const submit = (task: Task): Effect.Effect<Answer, Refusal | SqlError> =>
    Effect.async((resume) => {
      if (closed) return resume(Effect.interrupt)
      if (waiting.length >= MAX_WAITING_TASKS) {
        room.unsafeClose()
        return resume(Effect.zipRight(room.await, submit(task)))
      }
      const entry = { task, answer: resume }
      waiting.push(entry)
      arrived.unsafeOpen()
      return Effect.sync(() => {
        const index = waiting.indexOf(entry)
        if (index >= 0) waiting.splice(index, 1)
      })
    })

  const takeBatch = Effect.sync(() => {
    const batch = waiting.splice(0, options.maxBatch)
    if (waiting.length === 0) arrived.unsafeClose()
    // Not for each batch: all that wait for room wake up when there is some.
    if (waiting.length <= MAX_WAITING_TASKS / 2) room.unsafeOpen()
    return batch
  })

  // When nobody collects spans, even a disabled one costs a part of a short commit.
  const isTraced = yield* FiberRef.get(FiberRef.currentTracerEnabled)
  const commit = (batch: Arr.NonEmptyReadonlyArray<Waiting>) => {
    const committing = sql.withTransaction(options.run(Arr.map(batch, (entry) => entry.task)))
    if (!isTraced) return committing
    const attributes = { tasks: batch.length }
    return Effect.withSpan(committing, `${options.name}.commit`, { attributes, captureStackTrace: false })
  }

  const labels = [MetricLabel.make("log", options.name)]

  const settle = (batch: ReadonlyArray<Waiting>): Effect.Effect<void, never, R> => {
    if (!Arr.isNonEmptyReadonlyArray(batch)) return Effect.void
    const begun = performance.now()
    return Effect.matchCauseEffect(commit(batch), {
      onSuccess: (exits) =>
        Effect.map(committed, () => {
          tasksOfCommit.unsafeUpdate(batch.length, labels)
          secondsOfCommit.unsafeUpdate((performance.now() - begun) / 1000, labels)
          batch.forEach((entry, index) => entry.answer(exits[index] ?? unanswered(options.name)))
        }),
      onFailure: (cause) =>
        batch.length === 1 || isBusy(cause)
          ? Effect.sync(() => batch.forEach((entry) => entry.answer(Exit.failCause(cause))))
          : Effect.forEach(batch, (entry) => settle([entry]), { discard: true })
    })
  }

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
      for (const entry of waiting.splice(0)) entry.answer(Effect.interrupt)
      room.unsafeOpen()
    })
  )
  // A turn of the event loop lets fibers that are ready, and requests that wait in their sockets, submit first: a batch begins with all of
  // them, not with the first alone.
  const turn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))
  const untilWork = Effect.zipRight(arrived.await, turn)
  yield* Effect.uninterruptibleMask((restore) =>
    Effect.zipRight(restore(untilWork), Effect.flatMap(takeBatch, settle))
  ).pipe(Effect.forever, Effect.forkScoped)

  return { submit }
})

const unanswered = (name: string) => Exit.die(new Error(`${name} answered fewer tasks than it was given`))

/** Another process holds the database: every further try of this batch would block the thread just as long. */
const isBusy = (cause: Cause.Cause<unknown>): boolean =>
  Option.exists(
    Cause.failureOption(cause),
    (error) =>
      error instanceof SqlError &&
      error.cause instanceof Error &&
      "code" in error.cause &&
      String(error.cause.code).startsWith("SQLITE_BUSY")
  )
