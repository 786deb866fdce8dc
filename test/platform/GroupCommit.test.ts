import { describe, expect, it } from "@effect/vitest"
import { statSync } from "node:fs"
import { dirname } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Database from "../../src/platform/Database.ts"
import * as GroupCommit from "../../src/platform/GroupCommit.ts"
import * as Sqlite from "../../src/platform/Sqlite.ts"
import * as TemporaryDatabase from "../support/TemporaryDatabase.ts"

/** Writes words; refuses "refused"; the table itself rejects a word that is there already. */
const wordList = Effect.fn("wordList")(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`create table words (word text primary key, batch bigint not null)`
  const batches: Array<number> = []
  const commits = yield* GroupCommit.make({
    name: "words",
    maxBatch: 64,
    run: (session, words: ReadonlyArray<string>) => {
      const batch = batches.push(words.length)
      const accepted = words.filter((word) => word !== "refused")
      insertWord(
        session,
        accepted.map((word) => [word, batch])
      )
      return words.map((word) => (word === "refused" ? Exit.fail("refused" as const) : Exit.succeed(batch)))
    }
  })
  const stored = Effect.map(sql<{ readonly word: string }>`select word from words order by word`, (rows) =>
    rows.map((row) => row.word)
  )
  return { ...commits, sql, batches, stored }
})

const insertWord = Sqlite.statement("insert into words values (?, ?)")

const selectNumber = Sqlite.statement("select ? as number")

/** Keeps the database from everybody else until it is released. */
const occupy = Effect.fn("occupy")(function* (sql: SqlClient.SqlClient) {
  const begun = yield* Deferred.make<void>()
  const ended = yield* Deferred.make<void>()
  const transaction = yield* Effect.fork(
    sql.withTransaction(Effect.zipRight(Deferred.succeed(begun, undefined), Deferred.await(ended)))
  )
  yield* Deferred.await(begun)
  return { release: Effect.zipRight(Deferred.succeed(ended, undefined), Fiber.join(transaction)) }
})

const turnOfTheEventLoop = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

const numbered = (count: number) =>
  Array.from({ length: count }, (_, index) => `word ${String(index).padStart(3, "0")}`)

describe("GroupCommit", () => {
  it.scoped("lets tasks that arrive together share a transaction", () =>
    Effect.gen(function* () {
      const list = yield* wordList()
      const words = numbered(200)
      yield* Effect.forEach(words, list.submit, { concurrency: "unbounded", discard: true })
      expect(yield* list.stored).toEqual(words)
      expect(list.batches.length).toBeLessThan(20)
      expect(Math.max(...list.batches)).toBeLessThanOrEqual(64)
    }).pipe(Effect.provide(TemporaryDatabase.layer))
  )

  it.scoped("answers a refused task alone with its refusal", () =>
    Effect.gen(function* () {
      const list = yield* wordList()
      const exits = yield* Effect.forEach(["a", "refused", "b"], (word) => Effect.exit(list.submit(word)), {
        concurrency: "unbounded"
      })
      expect(exits.map(Exit.isSuccess)).toEqual([true, false, true])
      expect(exits[1]).toEqual(Exit.fail("refused"))
      expect(yield* list.stored).toEqual(["a", "b"])
    }).pipe(Effect.provide(TemporaryDatabase.layer))
  )

  it.scoped("runs the tasks of a failed batch one by one, so that only the faulty one fails", () =>
    Effect.gen(function* () {
      const list = yield* wordList()
      const exits = yield* Effect.forEach(["a", "b", "a", "c"], (word) => Effect.exit(list.submit(word)), {
        concurrency: "unbounded"
      })
      expect(exits.map(Exit.isSuccess)).toEqual([true, true, false, true])
      expect(yield* Effect.flip(list.submit("a"))).toMatchObject({ _tag: "SqlError" })
      expect(yield* list.stored).toEqual(["a", "b", "c"])
      expect(list.batches).toEqual([4, 1, 1, 1, 1, 1])
    }).pipe(Effect.provide(TemporaryDatabase.layer))
  )

  it.scoped("survives a commit that fails: the next transaction begins", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`create table parents (id text primary key)`
      yield* sql`create table children (parent text references parents (id) deferrable initially deferred)`
      const insertChild = Sqlite.statement("insert into children values (?)")
      const commits = yield* GroupCommit.make({
        name: "children",
        maxBatch: 64,
        run: (session, parents: ReadonlyArray<string>) => {
          insertChild(
            session,
            parents.map((parent) => [parent])
          )
          return parents.map((parent) => Exit.succeed(parent))
        }
      })
      yield* sql`insert into parents values ('known')`
      const exits = yield* Effect.forEach(["unknown", "known"], (parent) => Effect.exit(commits.submit(parent)), {
        concurrency: "unbounded"
      })
      expect(exits.map(Exit.isSuccess)).toEqual([false, true])
      expect(yield* Effect.flip(commits.submit("unknown"))).toMatchObject({ _tag: "SqlError" })
      expect(yield* sql`select parent from children`).toEqual([{ parent: "known" }])
    }).pipe(Effect.provide(TemporaryDatabase.layer))
  )

  it.scoped(
    "waits for the transaction of another fiber, and gives its task back to a caller that is interrupted meanwhile",
    () =>
      Effect.gen(function* () {
        const list = yield* wordList()
        const occupied = yield* occupy(list.sql)
        const impatient = yield* Effect.fork(list.submit("impatient"))
        const patient = yield* Effect.fork(list.submit("patient"))
        yield* turnOfTheEventLoop
        expect(Exit.isInterrupted(yield* Fiber.interrupt(impatient))).toBe(true)
        expect(list.batches).toEqual([])
        yield* occupied.release
        expect(yield* Fiber.join(patient)).toBe(1)
        expect(yield* list.stored).toEqual(["patient"])
      }).pipe(Effect.provide(TemporaryDatabase.layer))
  )

  it.scoped("answers each plain caller once, and takes the task of one back", () =>
    Effect.gen(function* () {
      const list = yield* wordList()
      const answers: Array<unknown> = []
      yield* Effect.async<void>((resume) => {
        list.enqueue("first", (exit) => answers.push(exit))
        list.enqueue("withdrawn", (exit) => answers.push(exit))()
        list.enqueue("last", () => resume(Effect.void))
      })
      expect(answers).toEqual([Exit.succeed(1)])
      expect(yield* list.stored).toEqual(["first", "last"])
    }).pipe(Effect.provide(TemporaryDatabase.layer))
  )

  it.scoped("lets thousands of callers wait", () =>
    Effect.gen(function* () {
      const list = yield* wordList()
      const fibers = yield* Effect.forEach(numbered(5_000), (word) => Effect.fork(list.submit(word)))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fibers[4_999]!)
      yield* Fiber.joinAll(fibers.slice(0, 4_999))
      expect((yield* list.stored).length).toBe(4_999)
    }).pipe(Effect.provide(TemporaryDatabase.layer))
  )

  it.scoped("interrupts the callers that wait when its scope closes, and those that come later", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const list = yield* wordList().pipe(Scope.extend(scope))
      yield* list.submit("in time")
      const occupied = yield* occupy(list.sql)
      const behind = yield* Effect.fork(list.submit("behind"))
      yield* turnOfTheEventLoop
      yield* Scope.close(scope, Exit.void)
      yield* occupied.release
      expect(Exit.isInterrupted(yield* Fiber.await(behind))).toBe(true)
      expect(Exit.isInterrupted(yield* Effect.exit(list.submit("late")))).toBe(true)
      expect(yield* list.stored).toEqual(["in time"])
    }).pipe(Effect.provide(TemporaryDatabase.layer))
  )
})

describe("Database", () => {
  it.scoped("creates a folder and files that are its owner's alone, and flushes every commit", () =>
    Effect.gen(function* () {
      const path = yield* TemporaryDatabase.temporaryFile
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        expect(yield* sql`pragma synchronous`).toEqual([{ synchronous: 2 }])
        expect(yield* sql`pragma journal_mode`).toEqual([{ journal_mode: "wal" }])
        yield* sql`create table written (value bigint)`
        for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o777).toBe(0o600)
      }).pipe(Effect.provide(Database.layerFile(path)))
      expect(statSync(dirname(path)).mode & 0o777).toBe(0o700)
    })
  )

  it.scoped("keeps the snapshot of a transaction that reads before it writes, whatever another process does", () =>
    Effect.gen(function* () {
      const path = yield* TemporaryDatabase.temporaryFile
      const one = yield* connect(path)
      const other = yield* connect(path)
      yield* one`create table counters (value bigint)`
      yield* one`insert into counters values (0)`
      yield* other`pragma busy_timeout = 1`
      const readDone = yield* Deferred.make<void>()
      // Forked outside: a fiber of the transaction would use its connection.
      const intruder = yield* Effect.fork(
        Effect.zipRight(Deferred.await(readDone), Effect.flip(other`update counters set value = 9`))
      )
      const refused = yield* one.withTransaction(
        Effect.gen(function* () {
          yield* one`select value from counters`
          yield* Deferred.succeed(readDone, undefined)
          const error = yield* Fiber.join(intruder)
          yield* one`update counters set value = value + 1`
          return error
        })
      )
      expect(refused).toMatchObject({ _tag: "SqlError", cause: { code: "SQLITE_BUSY" } })
      expect(yield* one`select value from counters`).toEqual([{ value: 1 }])
    })
  )

  it.scoped("tells that another process is busy when a transaction cannot begin", () =>
    Effect.gen(function* () {
      const path = yield* TemporaryDatabase.temporaryFile
      const one = yield* connect(path)
      const other = yield* connect(path)
      yield* other`pragma busy_timeout = 1`
      const begun = yield* Deferred.make<void>()
      const intruder = yield* Effect.fork(
        Effect.zipRight(Deferred.await(begun), Effect.flip(other.withTransaction(Effect.void)))
      )
      const refused = yield* one.withTransaction(
        Effect.zipRight(Deferred.succeed(begun, undefined), Fiber.join(intruder))
      )
      expect(refused).toMatchObject({ _tag: "SqlError", cause: { code: "SQLITE_BUSY" } })
      yield* other.withTransaction(other`create table later (value bigint)`)
    })
  )

  it.scoped("lets nobody into the transaction of another fiber", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`create table words (word text)`
      const begun = yield* Deferred.make<void>()
      const insertOne = Sqlite.statement("insert into words values (?)")
      const others = yield* Effect.forEach(
        [
          sql`insert into words values ('alone')`,
          Sqlite.use((session) => insertOne(session, [["prepared"]])),
          sql.withTransaction(sql`insert into words values ('together')`)
        ],
        (write) => Effect.fork(Effect.zipRight(Deferred.await(begun), write))
      )
      const failed = yield* Effect.exit(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`insert into words values ('undone')`
            yield* Deferred.succeed(begun, undefined)
            yield* Effect.yieldNow()
            yield* Effect.exit(
              sql.withTransaction(Effect.zipRight(sql`insert into words values ('nested')`, Effect.fail("no")))
            )
            expect(yield* sql`select word from words`).toEqual([{ word: "undone" }])
            return yield* Effect.fail("no")
          })
        )
      )
      expect(failed).toEqual(Exit.fail("no"))
      yield* Fiber.joinAll(others)
      expect(yield* sql`select word from words order by word`).toEqual(
        ["alone", "prepared", "together"].map((word) => ({ word }))
      )
    }).pipe(Effect.provide(TemporaryDatabase.layer))
  )

  it.scoped("serves thousands that waited for a transaction, but for one who does not wait any more", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const occupied = yield* occupy(sql)
      const fibers = yield* Effect.forEach(Array.from({ length: 10_000 }).keys(), (number) =>
        Effect.fork(Sqlite.use((session) => selectNumber(session, [[number]])))
      )
      const transaction = yield* Effect.fork(sql.withTransaction(Effect.void))
      yield* turnOfTheEventLoop
      yield* Fiber.interruptAll([fibers[5_000]!, transaction])
      yield* occupied.release
      const exits = yield* Effect.forEach(fibers, Fiber.await)
      expect(exits.filter(Exit.isSuccess).length).toBe(9_999)
      expect(exits[9_999]).toEqual(Exit.succeed([{ number: 9_999 }]))
    }).pipe(Effect.provide(TemporaryDatabase.layer))
  )

  it.scoped("says which file it could not open", () =>
    Effect.gen(function* () {
      const folder = yield* TemporaryDatabase.temporaryFolder
      const error = yield* Effect.flip(connect(folder))
      expect(error.message).toContain(folder)
    })
  )
})

const connect = (path: string) =>
  Effect.flatMap(Effect.scope, (scope) =>
    Effect.map(Layer.buildWithScope(Database.layerFile(path), scope), (context) =>
      Context.get(context, SqlClient.SqlClient)
    )
  )
