import { describe, expect, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { EventLog, KeyHeld, type RecordedEvent, VersionConflict } from "../../src/eventlog/EventLog.ts"
import { keepCanonical } from "../../src/platform/Json.ts"
import * as Accounts from "../support/Accounts.ts"
import { claim, deposit, release } from "../support/Accounts.ts"
import * as TemporaryDatabase from "../support/TemporaryDatabase.ts"

/** Deposits at the end of the account, however many others do the same. */
const depositLast = (account: string, amount: number, expectedVersion = 0): Effect.Effect<unknown, unknown, EventLog> =>
  Effect.flatMap(EventLog, (log) =>
    log
      .append({ stream: account, expectedVersion, events: [deposit(amount)] })
      .pipe(Effect.catchTag("VersionConflict", (conflict) => depositLast(account, amount, conflict.actualVersion)))
  )

const positions = (events: Iterable<RecordedEvent>) => Array.from(events, (event) => event.position)

describe("append", () => {
  it.scoped("records events in order and chains them by their hashes", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      yield* TestClock.setTime(1_700_000_000_123)
      const opened = yield* log.append({ stream: "a", expectedVersion: 0, events: [deposit(1), deposit(2)] })
      const more = yield* log.append({ stream: "a", expectedVersion: 2, events: [deposit(3)] })
      const events = yield* log.read("a")
      expect(events).toEqual([...opened, ...more])
      expect(
        events.map(({ position, stream, version, type, data, recordedAt }) => ({
          position,
          stream,
          version,
          type,
          data,
          recordedAt
        }))
      ).toEqual(
        [1, 2, 3].map((n) => ({
          position: n,
          stream: "a",
          version: n,
          type: "Deposited",
          data: { amount: n },
          recordedAt: 1_700_000_000_123
        }))
      )
      expect(events.map((event) => event.previousHash)).toEqual(["0".repeat(64), events[0]!.hash, events[1]!.hash])
      expect(new Set(events.map((event) => event.hash)).size).toBe(3)
      expect(yield* log.read("a", 3)).toEqual(more)
      expect(yield* log.read("unknown")).toEqual([])
      expect(yield* log.head).toBe(3)
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("answers, and projects, what a later reader will see, the order of members too", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const data = { b: { d: 1, c: [2, { f: 3, e: 4 }] }, amount: 1 }
      const appended = yield* log.append({ stream: "a", expectedVersion: 0, events: [{ type: "Deposited", data }] })
      expect(JSON.stringify(appended)).toBe(JSON.stringify(yield* log.read("a")))
      expect(JSON.stringify(appended[0]?.data)).toBe('{"amount":1,"b":{"c":[2,{"e":4,"f":3}],"d":1}}')
      const kept = { z: -0, a: [NaN, 1e21], ["__proto__"]: "own" }
      keepCanonical(kept)
      const odd = { kept, ...kept, amount: 2 }
      const more = yield* log.append({ stream: "a", expectedVersion: 1, events: [{ type: "Deposited", data: odd }] })
      const read = yield* log.read("a", 2)
      expect(more).toStrictEqual(read)
      expect(JSON.stringify(more)).toBe(JSON.stringify(read))
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("refuses an append that expects another version and says which one there is", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      yield* log.append({ stream: "a", expectedVersion: 0, events: [deposit(1), deposit(2)] })
      for (const expectedVersion of [0, 1, 3]) {
        const conflict = yield* Effect.flip(log.append({ stream: "a", expectedVersion, events: [deposit(1)] }))
        expect(conflict).toEqual(new VersionConflict({ stream: "a", expectedVersion, actualVersion: 2 }))
      }
      expect(yield* log.head).toBe(2)
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("lets exactly one of many writers have each version", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const once = yield* Effect.forEach(
        Arr.range(1, 50),
        (amount) => Effect.exit(log.append({ stream: "contested", expectedVersion: 0, events: [deposit(amount)] })),
        { concurrency: "unbounded" }
      )
      expect(once.filter(Exit.isSuccess).length).toBe(1)
      yield* Effect.forEach(Arr.range(1, 50), (amount) => depositLast("contested", amount), {
        concurrency: "unbounded",
        discard: true
      })
      const events = yield* log.read("contested")
      expect(events.map((event) => event.version)).toEqual(Arr.range(1, 51))
      expect(
        events
          .slice(1)
          .map((event) => Number(event.data["amount"]))
          .sort((a, b) => a - b)
      ).toEqual(Arr.range(1, 50))
      expect((yield* log.verify).findings).toEqual([])
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("does not let an append that fails harm the others of its batch", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const sql = yield* SqlClient.SqlClient
      // The projection's table refuses a balance of 0: a failure of the statement, not a refusal.
      const exits = yield* Effect.forEach(
        [1, 2, 0, 3],
        (amount) =>
          Effect.exit(log.append({ stream: `account ${amount}`, expectedVersion: 0, events: [deposit(amount)] })),
        { concurrency: "unbounded" }
      )
      expect(exits.map(Exit.isSuccess)).toEqual([true, true, false, true])
      const failure = yield* Effect.flip(log.append({ stream: "account 0", expectedVersion: 0, events: [deposit(0)] }))
      expect(failure._tag).toBe("EventLogUnavailable")
      expect(positions(yield* log.readAll(0, 100))).toEqual([1, 2, 3])
      expect(yield* sql`select account, total from balances order by account`).toEqual(
        [1, 2, 3].map((total) => ({ account: `account ${total}`, total }))
      )
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("is safe to interrupt: the log holds the append as a whole or not at all", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const fibers = yield* Effect.forEach(Arr.range(1, 60), (n) =>
        Effect.fork(log.append({ stream: `account ${n}`, expectedVersion: 0, events: [deposit(1), deposit(2)] }))
      )
      yield* Effect.yieldNow()
      yield* Fiber.interruptAll(fibers.filter((_, index) => index % 2 === 0))
      yield* Fiber.joinAll(fibers.filter((_, index) => index % 2 === 1))
      for (const n of Arr.range(1, 60)) {
        const { length } = yield* log.read(`account ${n}`)
        if (n % 2 === 0) expect(length).toBe(2)
        else expect([0, 2]).toContain(length)
        // Whatever became of it, the account can be used.
        yield* depositLast(`account ${n}`, 3, length)
      }
      const verification = yield* log.verify
      expect(verification).toMatchObject({ streams: 60, findings: [] })
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("keeps data as JSON says it, whatever characters it has", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const data = {
        amount: 1,
        text: '\u0000 "quoted" \\ \n Ünïcödé 🪙 \' ; --',
        nested: { b: [1, null, true], a: -0.5e-7 }
      }
      const stream = 'it\'s a "stream" 🪙'
      yield* log.append({ stream, expectedVersion: 0, events: [{ type: 'Odd "type"', data }] })
      expect((yield* log.read(stream)).map((event) => event.data)).toEqual([data])
      expect((yield* log.verify).findings).toEqual([])
    }).pipe(Effect.provide(Accounts.newLog))
  )
})

describe("keys", () => {
  it.scoped("are held by one stream until it releases them", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      yield* log.append({ stream: "a", expectedVersion: 0, events: [claim("live/x")] })
      expect(yield* Effect.flip(log.append({ stream: "b", expectedVersion: 0, events: [claim("live/x")] }))).toEqual(
        new KeyHeld({ key: "live/x", holder: "a" })
      )
      yield* log.append({ stream: "a", expectedVersion: 1, events: [claim("live/x"), claim("other")] })
      yield* log.append({ stream: "a", expectedVersion: 3, events: [release("live/")] })
      yield* log.append({ stream: "b", expectedVersion: 0, events: [claim("live/x")] })
      // The prefix did not release this one, and a release never touches another stream's keys.
      expect(
        yield* Effect.flip(log.append({ stream: "b", expectedVersion: 1, events: [claim("other")] }))
      ).toMatchObject({
        holder: "a"
      })
      yield* log.append({ stream: "a", expectedVersion: 4, events: [release("")] })
      expect(
        yield* Effect.flip(log.append({ stream: "c", expectedVersion: 0, events: [claim("live/x")] }))
      ).toMatchObject({
        holder: "b"
      })
      expect((yield* log.verify).findings).toEqual([])
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("go to one of many streams that claim them together, and nothing of the others is recorded", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const exits = yield* Effect.forEach(
        Arr.range(1, 40),
        (n) => Effect.exit(log.append({ stream: `run ${n}`, expectedVersion: 0, events: [deposit(1), claim("live")] })),
        { concurrency: "unbounded" }
      )
      expect(exits.filter(Exit.isSuccess).length).toBe(1)
      expect(yield* log.head).toBe(2)
      expect((yield* log.verify).findings).toEqual([])
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("pass from the one that releases to the one that claims, also within one batch", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      yield* log.append({ stream: "a", expectedVersion: 0, events: [claim("live")] })
      yield* Effect.all(
        [
          log.append({ stream: "a", expectedVersion: 1, events: [release("")] }),
          log.append({ stream: "b", expectedVersion: 0, events: [claim("live"), claim("short")] }),
          log.append({ stream: "b", expectedVersion: 2, events: [release("short")] }),
          log.append({ stream: "c", expectedVersion: 0, events: [claim("short")] })
        ],
        { concurrency: "unbounded" }
      )
      const sql = yield* SqlClient.SqlClient
      expect(yield* sql`select key, stream from event_log_keys order by key`).toEqual([
        { key: "live", stream: "b" },
        { key: "short", stream: "c" }
      ])
      expect((yield* log.verify).findings).toEqual([])
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("with a time are free when it is over", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      yield* log.append({ stream: "a", expectedVersion: 0, events: [claim("once", 60)] })
      yield* TestClock.adjust(Duration.millis(59_999))
      expect(yield* Effect.flip(log.append({ stream: "b", expectedVersion: 0, events: [claim("once")] }))).toEqual(
        new KeyHeld({ key: "once", holder: "a" })
      )
      yield* TestClock.adjust(Duration.millis(1))
      expect((yield* log.verify).findings).toEqual([])
      yield* log.append({ stream: "b", expectedVersion: 0, events: [claim("once", 60)] })
      yield* TestClock.adjust(Duration.seconds(60))
      yield* log.append({ stream: "c", expectedVersion: 0, events: [claim("another")] })
      expect((yield* log.verify).findings).toEqual([])
      yield* log.rebuild
      expect((yield* log.verify).findings).toEqual([])
      yield* log.append({ stream: "d", expectedVersion: 0, events: [claim("once")] })
    }).pipe(Effect.provide(Accounts.newLog))
  )
})

describe("follow", () => {
  it.scoped("gives every event once and in order, those recorded before and those to come", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const accounts = Arr.range(1, 300)
      const depositAll = (amount: number, expectedVersion: number) =>
        Effect.forEach(
          accounts,
          (n) => log.append({ stream: `account ${n}`, expectedVersion, events: [deposit(amount), deposit(amount)] }),
          { concurrency: "unbounded", discard: true }
        )
      yield* depositAll(1, 0)
      const follow = (position: number, count: number) =>
        Effect.fork(Stream.runCollect(Stream.take(log.follow(position), count)))
      const all = yield* follow(0, 1_800)
      const late = yield* follow(600, 1_200)
      yield* depositAll(2, 2)
      yield* Effect.yieldNow()
      yield* depositAll(3, 4)
      expect(positions(yield* Fiber.join(all))).toEqual(Arr.range(1, 1_800))
      expect(positions(yield* Fiber.join(late))).toEqual(Arr.range(601, 1_800))
      expect(positions(yield* log.readAll(1_790, 5))).toEqual(Arr.range(1_791, 1_795))
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("finds what another process has appended", () =>
    Effect.gen(function* () {
      const path = yield* TemporaryDatabase.temporaryFile
      const append = (expectedVersion: number) =>
        Effect.flatMap(EventLog, (log) => log.append({ stream: "a", expectedVersion, events: [deposit(1)] })).pipe(
          Effect.provide(Accounts.logOn(path))
        )
      yield* append(0)
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        const follower = yield* Effect.fork(Stream.runCollect(Stream.take(log.follow(0), 3)))
        yield* append(1)
        yield* append(2)
        yield* TestClock.adjust(Duration.seconds(1))
        expect(positions(Chunk.toReadonlyArray(yield* Fiber.join(follower)))).toEqual([1, 2, 3])
        expect((yield* log.append({ stream: "a", expectedVersion: 3, events: [deposit(1)] }))[0]?.position).toBe(4)
      }).pipe(Effect.provide(Accounts.logOn(path)))
    })
  )
})

describe("reopening", () => {
  it.scoped("goes on with the positions, the chains and the keys", () =>
    Effect.gen(function* () {
      const path = yield* TemporaryDatabase.temporaryFile
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        yield* log.append({ stream: "a", expectedVersion: 0, events: [deposit(1), claim("live")] })
      }).pipe(Effect.provide(Layer.fresh(Accounts.logOn(path))))
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        expect(
          yield* Effect.flip(log.append({ stream: "b", expectedVersion: 0, events: [claim("live")] }))
        ).toMatchObject({
          _tag: "KeyHeld"
        })
        const [next] = yield* log.append({ stream: "a", expectedVersion: 2, events: [deposit(1)] })
        expect(next).toMatchObject({ position: 3, version: 3, previousHash: (yield* log.read("a"))[1]?.hash })
        expect(yield* log.verify).toEqual({ streams: 1, events: 3, findings: [] })
      }).pipe(Effect.provide(Layer.fresh(Accounts.logOn(path))))
    })
  )
})
