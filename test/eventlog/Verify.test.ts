import { describe, expect, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { EventLog } from "../../src/eventlog/EventLog.ts"
import * as Accounts from "../support/Accounts.ts"
import { claim, deposit } from "../support/Accounts.ts"
import { temporaryFile } from "../support/TemporaryDatabase.ts"

/** Three accounts with four events each; the second holds a key. Positions run across the accounts. */
const fill = Effect.gen(function* () {
  const log = yield* EventLog
  for (const expectedVersion of [0, 2]) {
    for (const stream of ["a", "b", "c"]) {
      const second = stream === "b" && expectedVersion === 0 ? claim("live") : deposit(2)
      yield* log.append({ stream, expectedVersion, events: [deposit(1), second] })
    }
  }
})

/** Tampers with the database file and answers what a verification finds. */
const findingsAfter = (tamper: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown>) =>
  Effect.gen(function* () {
    yield* fill
    const log = yield* EventLog
    expect(yield* log.verify).toEqual({ streams: 3, events: 12, findings: [] })
    yield* tamper(yield* SqlClient.SqlClient)
    return (yield* log.verify).findings
  })

describe("verify", () => {
  it.scoped("finds an event whose data was altered, and the balance that is no longer its fold", () =>
    Effect.gen(function* () {
      const findings = yield* findingsAfter(
        (sql) =>
          sql`update event_log set data = '{"amount":1000}' where stream_id = (select id from event_log_streams where stream = 'a') and version = 2`
      )
      expect(findings[0]).toEqual({
        stream: "a",
        version: 2,
        problem: "the event's fields do not have the event's hash: one of them was altered"
      })
      expect(findings.slice(1).map((finding) => finding.problem)).toEqual([
        `table balances has a row that the events do not give: {"account":"a","total":6,"deposits":4,"note":null}`,
        `table balances lacks a row that the events give: {"account":"a","total":1004,"deposits":4,"note":null}`
      ])
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped.each([
    "stream_id = 99",
    "version = 9",
    "type = 'Withdrawn'",
    "recorded_at = 5",
    `data = '{"amount": 2}'`,
    "data = 'null'",
    "data = 'no JSON'",
    "hash = 'x'",
    "previous_hash = 'x'",
    "position = 99"
  ])("finds an event with %s", (change) =>
    Effect.gen(function* () {
      const findings = yield* findingsAfter((sql) =>
        sql.unsafe(
          `update event_log set ${change} where stream_id = (select id from event_log_streams where stream = 'c') and version = 2`
        )
      )
      expect(findings.length).toBeGreaterThan(0)
      expect(findings.every((finding) => ["", "c", "stream number 99"].includes(finding.stream))).toBe(true)
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("finds an event that was altered together with its hash", () =>
    Effect.gen(function* () {
      const findings = yield* findingsAfter((sql) =>
        Effect.gen(function* () {
          // A forger who knows how hashes are made writes a valid first event; the second still names the true one.
          const forged = yield* Effect.provide(
            Effect.flatMap(EventLog, (log) => log.append({ stream: "b", expectedVersion: 0, events: [deposit(7)] })),
            Accounts.newLog
          )
          const { hash, recordedAt } = forged[0]!
          yield* sql`
            update event_log set data = '{"amount":7}', recorded_at = ${recordedAt}, hash = ${hash}
            where stream_id = (select id from event_log_streams where stream = 'b') and version = 1`
        })
      )
      expect(findings[0]).toEqual({
        stream: "b",
        version: 2,
        problem: "the hash of the event before is not the one that this event was chained to"
      })
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped.each([1, 2, 4])("finds that version %s of 4 was deleted", (version) =>
    Effect.gen(function* () {
      const findings = yield* findingsAfter(
        (sql) =>
          sql`delete from event_log where stream_id = (select id from event_log_streams where stream = 'b') and version = ${version}`
      )
      expect(findings[0]?.stream).toBe("b")
      expect(findings[0]?.problem).toMatch(/missing|ends with/)
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("finds that the newest event of all was deleted", () =>
    Effect.gen(function* () {
      const findings = yield* findingsAfter((sql) => sql`delete from event_log where position = 12`)
      expect(findings[0]).toMatchObject({ stream: "c", version: 4 })
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("finds that a whole stream was deleted, with all that is derived from it", () =>
    Effect.gen(function* () {
      const findings = yield* findingsAfter((sql) =>
        Effect.all([
          sql`delete from event_log where stream_id = (select id from event_log_streams where stream = 'a')`,
          sql`delete from event_log_streams where stream = 'a'`,
          sql`delete from balances where account = 'a'`
        ])
      )
      expect(findings.map((finding) => finding.problem)).toEqual([
        "the log has no events at the positions 1 to 2",
        "the log has no events at the positions 7 to 8"
      ])
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("finds that two streams have exchanged their names", () =>
    Effect.gen(function* () {
      const findings = yield* findingsAfter((sql) =>
        Effect.forEach(["a' || 'x' where stream = 'b", "b' where stream = 'a", "a' where stream = 'ax"], (change) =>
          sql.unsafe(`update event_log_streams set stream = '${change}'`)
        )
      )
      expect(findings.filter((finding) => finding.problem.includes("altered")).length).toBe(8)
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("finds a row of a projection that was altered, added or deleted, and a table that is gone", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const log = yield* EventLog
      const altered = yield* findingsAfter(() => sql`update balances set note = 'rich' where account = 'b'`)
      expect(altered.map((finding) => finding.problem)).toEqual([
        `table balances has a row that the events do not give: {"account":"b","total":5,"deposits":4,"note":"rich"}`,
        `table balances lacks a row that the events give: {"account":"b","total":5,"deposits":4,"note":null}`
      ])
      yield* sql`delete from balances where account = 'b'`
      expect((yield* log.verify).findings.map((finding) => finding.problem)).toEqual([
        `table balances lacks a row that the events give: {"account":"b","total":5,"deposits":4,"note":null}`,
        "table balances has 2 rows, the events give 3"
      ])
      yield* sql`drop table balances`
      expect((yield* log.verify).findings[0]?.problem).toContain("no such table")
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("finds a key that is held without an event, or not held in spite of one", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const log = yield* EventLog
      const findings = yield* findingsAfter(() => sql`insert into event_log_keys (key, stream) values ('forged', 'a')`)
      expect(findings[0]?.problem).toContain("event_log_keys has a row that the events do not give")
      yield* sql`delete from event_log_keys`
      expect((yield* log.verify).findings[0]?.problem).toContain("event_log_keys lacks a row")
    }).pipe(Effect.provide(Accounts.newLog))
  )

  it.scoped("sees one moment of the log while appends go on", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const writer = yield* Effect.fork(
        Effect.forEach(
          Arr.range(1, 400),
          (n) => log.append({ stream: `account ${n}`, expectedVersion: 0, events: [deposit(1), claim(`key ${n}`)] }),
          { discard: true }
        )
      )
      for (let round = 0; round < 5; round++) {
        yield* Effect.yieldNow()
        const { streams, events, findings } = yield* log.verify
        expect(findings).toEqual([])
        expect(events).toBe(streams * 2)
      }
      yield* Fiber.join(writer)
      expect(yield* log.verify).toEqual({ streams: 400, events: 800, findings: [] })
    }).pipe(Effect.provide(Accounts.newLog))
  )
})

describe("tables of another shape", () => {
  it.scoped("are made anew from the events by the version that changes them, and left alone by the next start", () =>
    Effect.gen(function* () {
      const path = yield* temporaryFile
      yield* Effect.provide(fill, Accounts.logOn(path))
      const twice = Effect.flatMap(
        SqlClient.SqlClient,
        (sql) => sql`select account, twice from balances where twice > 0 order by account`
      )
      const later = Effect.provide(twice, Accounts.laterLogOn(path))
      expect(yield* later).toEqual([
        { account: "a", twice: 12 },
        { account: "b", twice: 10 },
        { account: "c", twice: 12 }
      ])
      const mark = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`update balances set deposits = 99`)
      yield* Effect.provide(mark, Accounts.laterLogOn(path))
      const deposits = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select distinct deposits from balances`)
      expect(yield* Effect.provide(deposits, Accounts.laterLogOn(path))).toEqual([{ deposits: 99 }])
    })
  )
})

describe("rebuild", () => {
  it.scoped("restores damaged projections and keys from the log", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const log = yield* EventLog
      yield* fill
      const balances = sql`select * from balances order by account`
      const before = yield* balances
      yield* sql`update balances set total = -1`
      yield* sql`insert into balances (account, total, deposits) values ('nobody', 1, 1)`
      yield* sql`delete from event_log_keys`
      expect(yield* log.rebuild).toEqual({ events: 12 })
      expect(yield* balances).toEqual(before)
      expect(yield* sql`select key, stream from event_log_keys`).toEqual([{ key: "live", stream: "b" }])
      yield* sql`drop table balances`
      yield* log.rebuild
      expect(yield* balances).toEqual(before)
      expect((yield* log.verify).findings).toEqual([])
    }).pipe(Effect.provide(Accounts.newLog))
  )
})
