import { describe, expect, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type Append, EventLog, KeyHeld, VersionConflict } from "../../src/eventlog/EventLog.ts"
import * as Accounts from "../support/Accounts.ts"
import { claim, deposit } from "../support/Accounts.ts"
import { temporaryFile } from "../support/TemporaryDatabase.ts"

const newLog = Layer.unwrapScoped(Effect.map(temporaryFile, Accounts.logWithThreadOn))

const crowd = 500

const account = (n: number) => `account ${n}`

/** Appends all at once: more than the thread of the callers records. */
const appendAll = (appends: ReadonlyArray<Append>) =>
  Effect.flatMap(EventLog, (log) =>
    Effect.forEach(appends, (append) => Effect.exit(log.append(append)), { concurrency: "unbounded" })
  )

const deposits = Arr.makeBy(crowd, (n): Append => ({
  stream: account(n),
  expectedVersion: 0,
  events: [deposit(n + 1), deposit(1)]
}))

describe("the thread of the log", () => {
  it.scoped("records a crowd of appends and answers each with what a reader sees", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const answers = Arr.map(
        yield* appendAll(deposits),
        Exit.getOrElse(() => [])
      )
      const read = yield* Effect.forEach(deposits, ({ stream }) => log.read(stream))
      expect(answers).toEqual(read)
      const positions = (yield* log.readAll(0, 10_000)).map(({ position }) => position)
      expect(positions).toEqual(Arr.range(1, 2 * crowd))
      expect(yield* log.verify).toEqual({ streams: crowd, events: 2 * crowd, findings: [] })
    }).pipe(Effect.provide(newLog))
  )

  it.scoped("answers refusals as the errors they are, and keeps them from the others of their batch", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      yield* log.append({ stream: "holder", expectedVersion: 0, events: [claim("key")] })
      const exits = yield* appendAll([
        ...deposits,
        { stream: "late", expectedVersion: 0, events: [claim("key")] },
        { stream: "holder", expectedVersion: 0, events: [deposit(1)] }
      ])
      expect(exits.slice(0, crowd).every(Exit.isSuccess)).toBe(true)
      expect(exits.slice(crowd)).toEqual([
        Exit.fail(new KeyHeld({ key: "key", holder: "holder" })),
        Exit.fail(new VersionConflict({ stream: "holder", expectedVersion: 0, actualVersion: 1 }))
      ])
      expect((yield* log.verify).findings).toEqual([])
    }).pipe(Effect.provide(newLog))
  )

  it.scoped("fails only the append that the database cannot take", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const impossible: Append = { stream: "nothing", expectedVersion: 0, events: [deposit(0)] }
      const exits = yield* appendAll([...deposits, impossible])
      expect(exits.slice(0, crowd).every(Exit.isSuccess)).toBe(true)
      expect(Option.map(Option.flatMap(Arr.last(exits), Exit.causeOption), Cause.squash)).toMatchObject({
        value: { _tag: "EventLogUnavailable", cause: { _tag: "SqlError", cause: { code: "SQLITE_CONSTRAINT_CHECK" } } }
      })
      expect(yield* log.read("nothing")).toEqual([])
      expect((yield* log.verify).findings).toEqual([])
    }).pipe(Effect.provide(newLog))
  )

  it.scopedLive("waits for a transaction of its callers' thread, also longer than a connection waits for a lock", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* appendAll(deposits.slice(0, 10))
      const begun = yield* Deferred.make<void>()
      const end = yield* Deferred.make<void>()
      const open = yield* Effect.fork(
        sql.withTransaction(Effect.zipRight(Deferred.succeed(begun, undefined), Deferred.await(end)))
      )
      yield* Deferred.await(begun)
      const appended = yield* Effect.fork(appendAll(deposits.slice(10)))
      yield* Effect.sleep("6 seconds")
      expect(yield* Fiber.poll(appended)).toMatchObject({ _tag: "None" })
      yield* Deferred.succeed(end, undefined)
      yield* Fiber.join(open)
      expect((yield* Fiber.join(appended)).every(Exit.isSuccess)).toBe(true)
    }).pipe(Effect.provide(newLog))
  )

  it.scoped("records as a whole or not at all what is interrupted", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const fibers = yield* Effect.forEach(deposits, (append) => Effect.fork(log.append(append)))
      yield* Effect.yieldNow()
      yield* Fiber.interruptAll(fibers.filter((_, index) => index % 2 === 0))
      yield* Fiber.joinAll(fibers.filter((_, index) => index % 2 === 1))
      const lengths = yield* Effect.forEach(deposits, ({ stream }) => Effect.map(log.read(stream), Arr.length))
      expect(lengths.filter((length, index) => length !== 2 && (index % 2 === 1 || length !== 0))).toEqual([])
      expect((yield* log.verify).findings).toEqual([])
    }).pipe(Effect.provide(newLog))
  )

  it.scoped("ends with its log and answers what it was given; the next one finds all that was answered", () =>
    Effect.gen(function* () {
      const path = yield* temporaryFile
      const exits: Array<Exit.Exit<unknown, unknown>> = []
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        yield* appendAll(deposits.slice(0, 10))
        for (const append of deposits.slice(10)) log.enqueue(append, (exit) => exits.push(exit))
      }).pipe(Effect.provide(Accounts.logWithThreadOn(path)), Effect.scoped)
      expect(exits.length).toBe(crowd - 10)
      yield* Effect.gen(function* () {
        const { findings, streams } = yield* (yield* EventLog).verify
        expect({ findings, streams }).toEqual({ findings: [], streams: 10 + exits.filter(Exit.isSuccess).length })
      }).pipe(Effect.provide(Accounts.logWithThreadOn(path)), Effect.scoped)
    })
  )
})
