import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { randomUUID } from "node:crypto"
import { EventLog } from "../../src/eventlog/EventLog.ts"
import * as EventLogSql from "../../src/eventlog/EventLogSql.ts"
import { EventModel } from "../../src/eventlog/Projection.ts"
import { eventModel } from "../../src/eventModel.ts"
import { eventLogThread } from "../../src/Installation.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import * as Database from "../../src/platform/Database.ts"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import { toNewEvent } from "../../src/runs/RunEvent.ts"
import { Runs } from "../../src/runs/Runs.ts"
import * as ValidatorLocal from "../../src/validator/ValidatorLocal.ts"
import { day, org, pipeline, requested, runId, step } from "../support/pipelines.ts"
import { done, layer, makeLedger } from "../support/RunsWorld.ts"
import { organizationsBeside } from "../support/ServiceDatabase.ts"
import { temporaryFile } from "../support/TemporaryDatabase.ts"
import { ask, definition, finish } from "../support/TestRuns.ts"

const globex = OrgSlug.make("globex")
const small = { dailyLimit: 3, monthlyLimit: 4, concurrentLimit: 2 }
const scale = { dailyLimit: 100, monthlyLimit: 1000, concurrentLimit: 5 }
type Outcome = "RunCompleted" | "RunCancelled"

const logOn = (file: string, eventLog = EventLogSql.layer) =>
  eventLog.pipe(Layer.provide(Layer.succeed(EventModel, eventModel)), Layer.provideMerge(Database.layerFile(file)))

const newLog = Layer.unwrapScoped(Effect.map(temporaryFile, (file) => logOn(file)))

const newLogWithThread = Layer.unwrapScoped(
  Effect.map(temporaryFile, (file) => logOn(file, EventLogSql.layerThread(eventLogThread)))
)

/** Records request and admission of a new run; answers with the word of the limit that forbids it. */
const admit = (id: string, of: OrgSlug, date: string, limits: typeof small) =>
  Effect.flatMap(EventLog, (log) =>
    log.append({
      stream: `run/${id}`,
      expectedVersion: 0,
      events: [
        toNewEvent({ ...requested(pipeline([step("a", [])])), org: of, runId: runId(id), trackingId: id }),
        toNewEvent({
          _tag: "RunAdmitted",
          reservationDate: day(date),
          allowance: { org: of, plan: "SCALE", ...limits }
        })
      ]
    })
  ).pipe(
    Effect.as("admitted"),
    Effect.catchTag("AppendForbidden", ({ objection }) =>
      Effect.succeed(/a day|a month|at a time/.exec(String(objection["message"]))?.[0] ?? String(objection["message"]))
    )
  )

const end = (id: string, outcome: Outcome) =>
  Effect.flatMap(EventLog, (log) =>
    log.append({
      stream: `run/${id}`,
      expectedVersion: 2,
      events: [
        toNewEvent(
          outcome === "RunCompleted" ? { _tag: outcome, failedSteps: [] } : { _tag: outcome, reason: "enough" }
        )
      ]
    })
  ).pipe(Effect.as("ended"))

const books = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const slots = yield* sql<{ readonly run_id: string }>`select run_id from quota_slots order by run_id`
  const usage = yield* sql`select * from org_usage_quotas order by org_slug, usage_date`
  return { open: slots.map((slot) => slot.run_id), usage }
})

type Ask = { readonly of: number; readonly what: "admit" | Outcome }

/** What the contract says, one ask at a time. */
class Model {
  readonly #orgs: ReadonlyArray<OrgSlug>
  open: Array<{ readonly id: string; readonly of: OrgSlug; readonly date: string }> = []
  readonly succeeded: Array<{ readonly of: OrgSlug; readonly date: string }> = []

  constructor(orgs: ReadonlyArray<OrgSlug>) {
    this.#orgs = orgs
  }

  /** The answer, and what is asked of the log; nothing when no run of the organisation is open that could end. */
  answer({ of: number, what }: Ask, today: string) {
    const of = this.#orgs[number] ?? org
    if (what !== "admit") {
      const oldest = this.open.find((run) => run.of === of)
      if (oldest === undefined) return undefined
      this.open = this.open.filter((run) => run !== oldest)
      if (what === "RunCompleted") this.succeeded.push(oldest)
      return { answer: "ended", effect: end(oldest.id, what) }
    }
    const id = randomUUID()
    const effect = admit(id, of, today, small)
    const successes = (prefix: string) =>
      this.succeeded.filter((run) => run.of === of && run.date.startsWith(prefix)).length
    if (successes(today) >= small.dailyLimit) return { answer: "a day", effect }
    if (successes(today.slice(0, 7)) >= small.monthlyLimit) return { answer: "a month", effect }
    if (this.open.filter((run) => run.of === of).length >= small.concurrentLimit) return { answer: "at a time", effect }
    this.open.push({ id, of, date: today })
    return { answer: "admitted", effect }
  }
}

const days = ["2026-03-30", "2026-03-31", "2026-04-01"]
const histories = 40
const anAsk = fc.record({
  of: fc.nat({ max: 1 }),
  what: fc.constantFrom("admit" as const, "admit" as const, "RunCompleted" as const, "RunCancelled" as const)
})
/** The batches of each day. */
const aHistory = fc.array(fc.array(fc.array(anAsk, { minLength: 1, maxLength: 8 }), { maxLength: 5 }), {
  minLength: days.length,
  maxLength: days.length
})

it.scoped("batches answer as if each run had asked alone, in any history; the books are the fold of the log", () =>
  Effect.gen(function* () {
    const seen = new Set<string>()
    const open: Array<string> = []
    let succeeded = 0
    for (const [history, batchesOfDays] of fc.sample(aHistory, { numRuns: histories, seed: 20_260_310 }).entries()) {
      const model = new Model([OrgSlug.make(`acme_${history}`), OrgSlug.make(`globex_${history}`)])
      for (const [index, batches] of batchesOfDays.entries()) {
        for (const batch of batches) {
          const asked = batch.flatMap((each) => model.answer(each, days[index] ?? "") ?? [])
          const answers = yield* Effect.all(
            asked.map(({ effect }) => effect),
            { concurrency: "unbounded" }
          )
          expect({ batch, answers }).toEqual({ batch, answers: asked.map(({ answer }) => answer) })
          for (const answer of answers) seen.add(answer)
        }
      }
      open.push(...model.open.map(({ id }) => id))
      succeeded += model.succeeded.length
    }
    const log = yield* EventLog
    const found = yield* books
    expect(found.open).toEqual(open.sort())
    expect(found.usage.reduce((sum, row) => sum + Number(row["successful_runs"]), 0)).toBe(succeeded)
    expect((yield* log.verify).findings).toEqual([])
    yield* log.rebuild
    expect(yield* books).toEqual(found)
    expect([...seen].sort()).toEqual(["a day", "a month", "admitted", "at a time", "ended"])
  }).pipe(Effect.provide(newLog))
)

it.scoped.each([
  ["the thread of their callers", newLog],
  ["a thread of its own", newLogWithThread]
] as const)(
  "of 200 runs that ask at once, recorded by %s, the plan's 5 get a slot; each freed slot admits one more",
  ([_thread, log]) =>
    Effect.gen(function* () {
      const askAll = (count: number, of: OrgSlug) =>
        Effect.forEach(
          Array.from({ length: count }, () => randomUUID()),
          (id) => Effect.map(admit(id, of, "2026-03-10", scale), (answer) => ({ id, answer })),
          { concurrency: "unbounded" }
        )
      const asked = yield* askAll(200, org)
      const admitted = asked.filter(({ answer }) => answer === "admitted")
      expect([admitted.length, asked.filter(({ answer }) => answer === "at a time").length]).toEqual([5, 195])
      expect((yield* askAll(1, globex))[0]?.answer).toBe("admitted")
      yield* end(admitted[0]?.id ?? "", "RunCancelled")
      expect((yield* askAll(50, org)).filter(({ answer }) => answer === "admitted")).toHaveLength(1)
    }).pipe(Effect.provide(log))
)

it.scoped("a run across midnight counts for the day of its admission, also in another process", () =>
  Effect.gen(function* () {
    const file = yield* temporaryFile
    const id = randomUUID()
    const one = { dailyLimit: 1, monthlyLimit: 10, concurrentLimit: 1 }
    yield* admit(id, org, "2026-03-10", one).pipe(Effect.provide(logOn(file)))
    yield* Effect.gen(function* () {
      expect(yield* admit(randomUUID(), org, "2026-03-11", one)).toBe("at a time")
      yield* end(id, "RunCompleted")
      expect(yield* books).toEqual({
        open: [],
        usage: [{ org_slug: org, usage_date: "2026-03-10", successful_runs: 1 }]
      })
      expect(yield* admit(randomUUID(), org, "2026-03-10", one)).toBe("a day")
      expect(yield* admit(randomUUID(), org, "2026-03-11", one)).toBe("admitted")
    }).pipe(Effect.provide(logOn(file)))
  })
)

it.scoped("the month's total is the sum of its days", () =>
  Effect.gen(function* () {
    const limits = { dailyLimit: 2, monthlyLimit: 4, concurrentLimit: 1 }
    for (const date of ["2026-03-01", "2026-03-01", "2026-03-30", "2026-03-31"]) {
      const id = randomUUID()
      expect(yield* admit(id, org, date, limits)).toBe("admitted")
      yield* end(id, "RunCompleted")
    }
    expect(yield* admit(randomUUID(), org, "2026-03-31", limits)).toBe("a month")
    expect(yield* admit(randomUUID(), org, "2026-04-01", limits)).toBe("admitted")
  }).pipe(Effect.provide(newLog))
)

it.scoped("runs of a local installation: the quota refuses, a larger plan admits, a broken store admits nobody", () =>
  Effect.gen(function* () {
    const gate = yield* Deferred.make<void>()
    const others = [1, 2, 3].map((n) => ({ ...definition, configId: `cloud/test/cost/p${n}` }))
    const request = (n: number) =>
      Effect.flatMap(Runs, (runs) => runs.request(ask({ configId: `cloud/test/cost/p${n}` })))
    const database = yield* temporaryFile
    yield* Effect.gen(function* () {
      const organizations = yield* Organizations
      const log = yield* EventLog
      const sql = yield* SqlClient.SqlClient
      yield* organizations.create({ org, companyName: "Acme", adminEmail: "ops@acme.example", plan: "STARTER" })
      const first = yield* request(1)
      const head = yield* log.head
      const refused = yield* Effect.either(request(2))
      expect(Either.flip(refused).pipe(Either.getOrThrow)).toMatchObject({
        _tag: "RunNotAllowed",
        code: "QUOTA_EXCEEDED",
        status: 429,
        retryAfterSeconds: 300
      })
      expect((yield* log.readAll(head, 10)).map((event) => event.type)).toEqual(["RunRequested", "RunRefused"])
      expect(yield* request(1)).toMatchObject({ runId: first.runId, existing: true })

      yield* organizations.subscribe(org, "ENTERPRISE")
      yield* TestClock.adjust("3 seconds")
      const second = yield* request(2)
      yield* Deferred.succeed(gate, undefined)
      for (const { runId: id } of [first, second]) expect((yield* finish(id)).status).toBe("COMPLETED")
      expect(yield* books).toEqual({
        open: [],
        usage: [{ org_slug: org, usage_date: "1970-01-01", successful_runs: 2 }]
      })

      yield* sql`drop table quota_slots`
      expect(yield* Effect.flip(request(3))).toMatchObject({ _tag: "EventLogUnavailable" })
    }).pipe(
      Effect.provide(
        Layer.provideMerge(
          organizationsBeside(database),
          layer({
            database,
            pipelines: others,
            script: { a: () => Effect.as(Deferred.await(gate), done) },
            ledger: makeLedger(),
            validator: Layer.provide(ValidatorLocal.layer, organizationsBeside(database))
          })
        )
      )
    )
  })
)
