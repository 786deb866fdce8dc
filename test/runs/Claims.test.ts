import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { EventLog } from "../../src/eventlog/EventLog.ts"
import { Runs } from "../../src/runs/Runs.ts"
import { RunNotAllowed } from "../../src/validator/Validator.ts"
import { org, runId } from "../support/pipelines.ts"
import { done, makeLedger, type Script } from "../support/RunsWorld.ts"
import { temporaryFile } from "../support/TemporaryDatabase.ts"
import { ask, definition, finish, inWorld, transient } from "../support/TestRuns.ts"

describe("claims, quotas and restarts", () => {
  it.scoped("answers a second request with the live run, whoever of many is first", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const ledger = makeLedger()
      yield* inWorld(
        { script: { a: () => Effect.as(Deferred.await(gate), done) }, ledger },
        Effect.gen(function* () {
          const runs = yield* Runs
          const answers = yield* Effect.all(
            Array.from({ length: 200 }, () => runs.request(ask())),
            { concurrency: "unbounded" }
          )
          expect(new Set(answers.map((each) => each.runId)).size).toBe(1)
          expect(answers.filter((each) => !each.existing)).toHaveLength(1)
          expect(ledger.reserved.size).toBe(1)
          yield* Deferred.succeed(gate, undefined)
          const [first] = answers
          yield* finish(first?.runId ?? "")
          expect((yield* runs.request(ask())).existing).toBe(false)
        })
      )
    })
  )

  it.scoped("honours an Idempotency-Key for a day, per pipeline", () =>
    inWorld(
      {},
      Effect.gen(function* () {
        const runs = yield* Runs
        const first = yield* runs.request(ask({ idempotencyKey: "k" }))
        yield* finish(first.runId)
        const again = yield* runs.request(ask({ idempotencyKey: "k" }))
        expect([again.runId, again.existing]).toEqual([first.runId, true])
        yield* TestClock.adjust("25 hours")
        expect((yield* runs.request(ask({ idempotencyKey: "k" }))).existing).toBe(false)
      })
    )
  )

  it.scoped("leaves an event but no run when the validator refuses, and lets go of the claim", () =>
    Effect.gen(function* () {
      const ledger = makeLedger()
      ledger.refuse = new RunNotAllowed({
        code: "QUOTA_EXCEEDED",
        status: 429,
        message: "enough for today",
        retryAfterSeconds: 86_400
      })
      yield* inWorld(
        { ledger },
        Effect.gen(function* () {
          const runs = yield* Runs
          const error = yield* Effect.flip(runs.request(ask({ idempotencyKey: "k" })))
          expect(error).toMatchObject({ _tag: "RunNotAllowed", code: "QUOTA_EXCEEDED" })
          expect((yield* runs.list({ org, limit: 10, offset: 0 })).total).toBe(0)
          const log = yield* (yield* EventLog).readAll(0, 10)
          expect(log.map((event) => event.type)).toEqual(["RunRequested", "RunRefused"])
          ledger.refuse = undefined
          expect((yield* runs.request(ask({ idempotencyKey: "k" }))).existing).toBe(false)
        })
      )
    })
  )

  it.scoped("goes on after a restart: finished steps are not repeated, waits survive, the quota is given back", () =>
    Effect.gen(function* () {
      const database = yield* temporaryFile
      const ledger = makeLedger()
      const executed = yield* Ref.make<ReadonlyArray<string>>([])
      const note = (name: string) => Ref.update(executed, (all) => [...all, name])
      const inB = yield* Deferred.make<void>()
      const patient = [{ ...definition, timeoutSeconds: 7200 }]
      const failing: Script = {
        a: () => Effect.as(note("a"), done),
        b: () => note("b").pipe(Effect.zipRight(Deferred.succeed(inB, undefined)), Effect.zipRight(Effect.never)),
        c: () => Effect.zipRight(note("c"), transient("C", 3600))
      }
      const id = yield* inWorld(
        { database, ledger, script: failing, pipelines: patient },
        Effect.gen(function* () {
          const runs = yield* Runs
          const { runId } = yield* runs.request(ask())
          yield* Stream.runDrain(Stream.takeUntil(runs.watch(runId), (event) => event.type === "StepAttemptFailed"))
          yield* Deferred.await(inB)
          return runId
        })
      )
      const healthy: Script = {
        a: () => Effect.as(note("a again"), done),
        b: () => Effect.as(note("b again"), done),
        c: ({ attempt }) => Effect.as(note(`c attempt ${attempt}`), done)
      }
      yield* inWorld(
        { database, ledger, script: healthy, pipelines: patient },
        Effect.gen(function* () {
          const runs = yield* Runs
          expect(yield* runs.recover).toBe(1)
          yield* TestClock.adjust("59 minutes")
          expect(yield* Ref.get(executed)).not.toContain("c attempt 2")
          expect((yield* finish(id)).status).toBe("COMPLETED")
          yield* Stream.runDrain(
            (yield* EventLog).follow(0).pipe(Stream.takeUntil((event) => event.type === "CompletionReported"))
          )
        })
      )
      const all = yield* Ref.get(executed)
      expect(all).not.toContain("a again")
      expect(all.slice().sort()).toEqual(["a", "b", "b again", "c", "c attempt 2"])
      expect([...ledger.completed.values()]).toEqual(["SUCCESS"])
    })
  )

  it.scoped("reports the completion until it is heard", () =>
    Effect.gen(function* () {
      const ledger = makeLedger()
      ledger.failCompletions = 3
      yield* inWorld(
        { ledger },
        Effect.gen(function* () {
          const { runId: id } = yield* (yield* Runs).request(ask())
          yield* finish(id)
          const reported = yield* Effect.fork(
            Stream.runDrain(
              (yield* EventLog).follow(0).pipe(Stream.takeUntil((event) => event.type === "CompletionReported"))
            )
          )
          yield* TestClock.adjust("10 seconds")
          yield* Fiber.join(reported)
          expect(ledger.completions).toHaveLength(4)
          expect(ledger.completed.get(id)).toBe("SUCCESS")
        })
      )
    })
  )

  it.scoped("runs at most so many runs at a time; the others wait as PENDING", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const names = ["x", "y", "z"].map((name) => ({ ...definition, configId: `cloud/test/cost/${name}` }))
      yield* inWorld(
        {
          pipelines: names,
          script: { a: () => Effect.as(Deferred.await(gate), done) },
          settings: { PIPELINE_GLOBAL_CONCURRENT_LIMIT: "2" }
        },
        Effect.gen(function* () {
          const runs = yield* Runs
          const ids = yield* Effect.forEach(names, ({ configId }) =>
            Effect.map(runs.request(ask({ configId })), (each) => each.runId)
          )
          const log = yield* EventLog
          yield* Stream.runDrain(
            log.follow(0).pipe(
              Stream.filter((event) => event.type === "StepStarted"),
              Stream.take(2)
            )
          )
          const statuses = yield* Effect.forEach(ids, (id) => Effect.map(runs.get(id), ({ run }) => run.status))
          expect(statuses.slice().sort()).toEqual(["PENDING", "RUNNING", "RUNNING"])
          yield* Deferred.succeed(gate, undefined)
          for (const id of ids) expect((yield* finish(id)).status).toBe("COMPLETED")
        })
      )
    })
  )

  for (const refused of [false, true]) {
    it.scoped(
      `cancels a run that the validator is still asked about${refused ? " and then refuses" : ""}: no slot is lost`,
      () =>
        Effect.gen(function* () {
          const gate = yield* Deferred.make<void>()
          const ledger = makeLedger()
          ledger.hold = Deferred.await(gate)
          if (refused) ledger.refuse = new RunNotAllowed({ code: "QUOTA_EXCEEDED", status: 429, message: "enough" })
          yield* inWorld(
            { ledger },
            Effect.gen(function* () {
              const runs = yield* Runs
              const log = yield* EventLog
              const asked = yield* Effect.fork(Effect.exit(runs.request(ask())))
              yield* Stream.runDrain(Stream.take(log.follow(0), 1))
              const [pending] = (yield* runs.list({ org, limit: 1, offset: 0 })).runs
              const cancelled = yield* Effect.fork(
                Effect.exit(runs.cancel(runId(pending?.runId ?? ""), { org, reason: "test" }))
              )
              yield* Effect.yieldNow({ priority: 10 })
              yield* Deferred.succeed(gate, undefined)
              yield* Fiber.join(asked)
              yield* Fiber.join(cancelled)
              const last = refused ? "RunRefused" : "CompletionReported"
              const events = yield* Stream.runCollect(Stream.takeUntil(log.follow(0), (event) => event.type === last))
              expect([...events].some((event) => event.type === "RunCancelled")).toBe(!refused)
              expect([...ledger.completed.keys()]).toEqual([...ledger.reserved])
            })
          )
        })
    )
  }
})
