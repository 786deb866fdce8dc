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
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

/** Callers wait in `submit` while so many tasks are queued. */
const MAX_QUEUED_TASKS = 4_096

export interface GroupCommit<Task, Answer, Refusal> {
  /**
   * Durable when it succeeds. Fails with the task's refusal, or with the database's error when the task could not be written.
   * An interrupted caller does not hear whether its task was committed; the other callers notice nothing.
   */
  readonly submit: (task: Task) => Effect.Effect<Answer, Refusal | SqlError>
}

interface Entry<Task, Answer, Refusal> {
  readonly task: Task
  readonly answer: Deferred.Deferred<Answer, Refusal | SqlError>
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
  const queue = yield* Queue.bounded<Waiting>(MAX_QUEUED_TASKS)
  const waiting = new Set<Waiting>()

  const committed = options.committed ?? Effect.void

  const commit = (batch: Arr.NonEmptyReadonlyArray<Waiting>) =>
    options.run(Arr.map(batch, (entry) => entry.task)).pipe(
      sql.withTransaction,
      Effect.catchAllDefect((defect) => (defect instanceof SqlError ? Effect.fail(defect) : Effect.die(defect))),
      Effect.withSpan(`${options.name}.commit`, { attributes: { tasks: batch.length }, captureStackTrace: false })
    )

  const settle = (batch: Arr.NonEmptyReadonlyArray<Waiting>): Effect.Effect<void, never, R> =>
    Effect.matchCauseEffect(commit(batch), {
      onSuccess: (exits) =>
        Effect.zipRight(
          committed,
          Effect.sync(() => batch.forEach((entry, index) => answer(entry, exits[index] ?? unanswered(options.name))))
        ),
      onFailure: (cause) =>
        batch.length === 1 || isBusy(cause)
          ? Effect.sync(() => batch.forEach((entry) => answer(entry, Exit.failCause(cause))))
          : Effect.forEach(batch, (entry) => settle([entry]), { discard: true })
    })

  const answer = (entry: Waiting, exit: Exit.Exit<Answer, Refusal | SqlError>) =>
    Deferred.unsafeDone(entry.answer, exit)

  const takeBatch = Effect.gen(function* () {
    const first = yield* Queue.take(queue)
    // Fibers that are ready to run submit before the batch is closed.
    yield* Effect.yieldNow()
    return Arr.prepend(yield* Queue.takeUpTo(queue, options.maxBatch - 1), first)
  })

  yield* Effect.addFinalizer(() =>
    Effect.zipRight(
      Queue.shutdown(queue),
      Effect.sync(() => waiting.forEach((entry) => answer(entry, Exit.interrupt(FiberId.none))))
    )
  )
  yield* Effect.uninterruptibleMask((restore) => Effect.flatMap(restore(takeBatch), settle)).pipe(
    Effect.forever,
    Effect.forkScoped
  )

  return {
    submit: (task) =>
      Effect.suspend(() => {
        const entry = { task, answer: Deferred.unsafeMake<Answer, Refusal | SqlError>(FiberId.none) }
        waiting.add(entry)
        return Effect.ensuring(
          Effect.zipRight(Queue.offer(queue, entry), Deferred.await(entry.answer)),
          Effect.sync(() => waiting.delete(entry))
        )
      })
  }
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
