/**
 * Group commit: tasks of many fibers that arrive together share one transaction, hence one flush to the disk.
 *
 * The tasks that wait, up to `maxBatch`, are given to `run` inside a transaction; each caller then gets its own answer. A refusal is an
 * answer: it harms no other task of the batch, so `run` must leave nothing of a refused task in the database. When the whole batch fails (a
 * statement or the commit), it is rolled back and its tasks are run again one by one, each in its own transaction: only the task that
 * cannot be written fails.
 *
 * Plain functions do it, for where few callers share a commit, fibers would cost as much as the commit. The thread of the callers waits for
 * the disk with them, unless there is another one for crowds ({@link Elsewhere}).
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Sqlite from "./Sqlite.ts"

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

export interface GroupCommit<Task, Answer, Refusal> {
  /**
   * Durable when it succeeds. Fails with the task's refusal, or with the database's error when the task could not be written.
   * A caller that is interrupted takes its task back, unless it is committed already.
   */
  readonly submit: (task: Task) => Effect.Effect<Answer, Refusal | SqlError>
  /** The same for a caller that is no fiber: calls `answer` once; answers how to take the task back. */
  readonly enqueue: (task: Task, answer: (exit: Exit.Exit<Answer, Refusal | SqlError>) => void) => () => void
}

/** Commits tasks as one, or, when that fails, one by one. Answers one exit per task, in their order; tells `committed` of each commit. */
export const commitAll = <Task, Answer, Refusal>(
  commit: (tasks: Arr.NonEmptyReadonlyArray<Task>) => Exit.Exit<ReadonlyArray<Exit.Exit<Answer, Refusal>>, SqlError>,
  tasks: Arr.NonEmptyReadonlyArray<Task>,
  committed: (...commit: Committed) => void
): ReadonlyArray<Exit.Exit<Answer, Refusal | SqlError>> => {
  const begun = performance.now()
  const exit = commit(tasks)
  if (Exit.isSuccess(exit)) {
    committed(tasks.length, (performance.now() - begun) / 1000)
    return exit.value
  }
  return tasks.length === 1 || isBusy(exit.cause)
    ? tasks.map(() => Exit.failCause(exit.cause))
    : tasks.flatMap((task) => commitAll(commit, [task], committed))
}

/** A durable commit: the tasks that shared it, and the seconds it took. */
export type Committed = readonly [tasks: number, seconds: number]

/** Another thread with a connection of its own to the same database. */
export interface Elsewhere<Task, Answer, Refusal> {
  /** Commits a batch after those before it (see {@link commitAll}); calls `then` with an exit per task, in their order, and the commits. */
  readonly commit: (
    tasks: Arr.NonEmptyReadonlyArray<Task>,
    then: (exits: ReadonlyArray<Exit.Exit<Answer, Refusal | SqlError>>, commits: ReadonlyArray<Committed>) => void
  ) => void
}

/** Tasks that are committed on the thread of their callers at most, where there is another: the way there and back takes longer than they. */
const FEW_TASKS = 4

/** How long all tasks go to the other thread after a crowd: a connection must read anew what another one has written. */
const CROWD_MILLISECONDS = 100

/** Tasks that are given to the other thread without waiting for more. */
const MANY_TASKS = 48

interface Entry<Task, Answer, Refusal> {
  readonly task: Task
  readonly answer: (exit: Exit.Exit<Answer, Refusal | SqlError>) => void
}

/**
 * Tasks may wait without a bound: each keeps a caller waiting, so there are as many as those. When the scope closes, callers that still
 * wait are interrupted.
 */
export const make = Effect.fn("GroupCommit.make")(function* <Task, Answer, Refusal>(options: {
  /** Names the work in traces. */
  readonly name: string
  /** Tasks of one transaction at most. */
  readonly maxBatch: number
  /**
   * Runs inside the transaction; answers with one exit per task, in the order of the tasks. Tasks of a batch take effect in that order. What
   * it throws fails the batch.
   */
  readonly run: (
    session: Sqlite.Session,
    tasks: Arr.NonEmptyReadonlyArray<Task>
  ) => ReadonlyArray<Exit.Exit<Answer, Refusal>>
  /** Does the same for crowds, so that this thread goes on meanwhile. */
  readonly elsewhere?: Elsewhere<Task, Answer, Refusal>
  /** Called after each commit, before the callers hear of it. */
  readonly committed?: () => void
}): Effect.fn.Return<GroupCommit<Task, Answer, Refusal>, never, SqlClient.SqlClient | Scope.Scope> {
  type Waiting = Entry<Task, Answer, Refusal>
  type Answers = ReadonlyArray<Exit.Exit<Answer, Refusal | SqlError>>
  const { elsewhere } = options
  const database = yield* Sqlite.direct
  const runtime = yield* Effect.runtime()
  // When nobody collects spans, even a disabled one costs a part of a short commit.
  const isTraced = yield* FiberRef.get(FiberRef.currentTracerEnabled)
  const labels = [MetricLabel.make("log", options.name)]
  const waiting: Array<Waiting> = []
  /** Batches that the other thread has. */
  let away = 0
  let crowdedUntil = 0
  let isDue = false
  let isClosed = false

  const enqueue: GroupCommit<Task, Answer, Refusal>["enqueue"] = (task, answer) => {
    const entry = { task, answer }
    if (isClosed) answer(interrupted)
    else waiting.push(entry)
    // While this thread is busy with a crowd, the other one shall not wait for the last of it.
    if (elsewhere !== undefined && waiting.length === MANY_TASKS) commitNow()
    else commitSoon()
    return () => {
      const index = waiting.indexOf(entry)
      if (index >= 0) waiting.splice(index, 1)
    }
  }

  // A turn of the event loop lets fibers that are ready, and requests that wait in their sockets, submit first: a batch begins with all of
  // them, not with the first alone.
  const commitSoon = (): void => {
    if (isDue || away > 0 || waiting.length === 0) return
    isDue = true
    setImmediate(() => {
      isDue = false
      commitNow()
    })
  }

  // Also what goes to the other thread waits for a transaction that is open here: that one would wait for it too, and in the end give up.
  const commitNow = () => void database.alone(commitNext, answerAll)

  const commitNext = () => {
    const batch = waiting.splice(0, options.maxBatch)
    const tasks = batch.map(({ task }) => task)
    if (!Arr.isNonEmptyReadonlyArray(tasks)) return { batch, exits: [] }
    if (tasks.length > FEW_TASKS) crowdedUntil = performance.now() + CROWD_MILLISECONDS
    if (elsewhere === undefined || (away === 0 && performance.now() > crowdedUntil)) {
      return { batch, exits: commitAll(commit, tasks, committed) }
    }
    away += 1
    elsewhere.commit(tasks, (exits, commits) => {
      away -= 1
      for (const each of commits) committed(...each)
      // The other thread has what came meanwhile before the callers of this batch go on.
      commitNow()
      answerEach(batch, exits)
    })
    return { batch: [], exits: [] }
  }

  const answerAll = ({ batch, exits }: { readonly batch: ReadonlyArray<Waiting>; readonly exits: Answers }) => {
    commitSoon()
    answerEach(batch, exits)
  }

  const answerEach = (batch: ReadonlyArray<Waiting>, exits: Answers) =>
    batch.forEach((entry, index) => entry.answer(exits[index] ?? unanswered(options.name)))

  const committed = (...[tasks, seconds]: Committed): void => {
    options.committed?.()
    tasksOfCommit.unsafeUpdate(tasks, labels)
    secondsOfCommit.unsafeUpdate(seconds, labels)
  }

  const commit = (tasks: Arr.NonEmptyReadonlyArray<Task>) => {
    const transact = () => database.transact((session) => options.run(session, tasks))
    if (!isTraced) return transact()
    return Effect.suspend(transact).pipe(
      Effect.withSpan(`${options.name}.commit`, { attributes: { tasks: tasks.length }, captureStackTrace: false }),
      Runtime.runSyncExit(runtime)
    )
  }

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isClosed = true
      for (const entry of waiting.splice(0)) entry.answer(interrupted)
    })
  )

  return {
    submit: (task) => Effect.async((resume) => Effect.sync(enqueue(task, resume))),
    enqueue
  }
})

const interrupted = Exit.interrupt(FiberId.none)

const unanswered = (name: string) => Exit.die(new Error(`${name} answered fewer tasks than it was given`))

/** Another connection holds the database: every further try of this batch would block the thread just as long. */
const isBusy = (cause: Cause.Cause<unknown>): boolean =>
  Option.exists(
    Cause.failureOption(cause),
    (error) =>
      error instanceof SqlError &&
      error.cause instanceof Error &&
      "code" in error.cause &&
      String(error.cause.code).startsWith("SQLITE_BUSY")
  )
