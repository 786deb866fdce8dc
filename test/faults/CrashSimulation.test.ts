import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { EventLog } from "../../src/eventlog/EventLog.ts"
import * as EventLogSql from "../../src/eventlog/EventLogSql.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import { StepError } from "../../src/pipelines/Processor.ts"
import { Runs } from "../../src/runs/Runs.ts"
import * as ValidatorLocal from "../../src/validator/ValidatorLocal.ts"
import { Crash, crashAt } from "../support/FailingEventLog.ts"
import { day, org, pipeline, step } from "../support/pipelines.ts"
import { done, layer, makeLedger, type Script } from "../support/RunsWorld.ts"
import { organizationsBeside } from "../support/ServiceDatabase.ts"
import { temporaryFile } from "../support/TemporaryDatabase.ts"

const patient = { retry: { maxAttempts: 5, backoffSeconds: 1, exponential: true } }
const definition = pipeline([
  step("a", [], patient),
  step("b", ["a"], patient),
  step("c", ["a"], patient),
  step("d", ["b", "c"], patient),
  step("e", ["d"], patient)
])

/** Who keeps the quota: a validator with books of its own, or the log. */
type QuotaKept = "by the validator" | "in the log"

/** The log's books: slots that are open, and the outcomes of the runs that had one. */
const booksOfLog = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [slots] = yield* sql<{ readonly open: number }>`select count(*) as open from quota_slots`
  const [usage] = yield* sql<{ readonly runs: number }>`
    select coalesce(sum(successful_runs), 0) as runs from org_usage_quotas`
  return { open: slots?.open, outcomes: [usage?.runs === 1 ? "SUCCESS" : "FAILED"] }
})

/** More appends than a run of the definition makes: beyond them nothing crashes, which the test checks. */
const maximumAppends = 40

/**
 * Runs the definition to its end while the log dies before or after its k-th append, once. The client asks again with the same
 * Idempotency-Key until it is answered; the canceller, if any, sends its word again until it is heard.
 */
const simulate = (k: number, when: "before" | "after", cancelled: boolean, quota: QuotaKept) =>
  Effect.gen(function* () {
    const database = yield* temporaryFile
    const ledger = makeLedger()
    const succeeded = new Set<string>()
    let repeated = 0
    let failures = 0
    let reached = yield* Deferred.make<void>()
    let heard = false

    const script: Script = {
      b: () =>
        failures++ === 0
          ? new StepError({ errorType: "TRANSIENT", code: "ONCE", message: "once" })
          : Effect.succeed(done),
      d: () => (cancelled ? Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never) : Effect.succeed(done))
    }

    const drive = Effect.gen(function* () {
      const runs = yield* Runs
      const organizations = yield* Organizations
      if ((yield* organizations.get(org)) === undefined) {
        yield* organizations.create({ org, companyName: "Acme", adminEmail: "a@localhost", plan: "STARTER" })
      }
      yield* runs.recover
      const { runId } = yield* runs.request({
        org,
        configId: definition.configId,
        trigger: "api",
        triggerBy: "test",
        startDate: day("1970-01-01"),
        idempotencyKey: "the client's"
      })
      if (cancelled && !heard) {
        yield* Effect.raceFirst(Deferred.await(reached), Effect.asVoid(runs.awaitEnd(runId)))
        yield* runs.cancel(runId, { org, reason: "test" })
        heard = true
      }
      const run = yield* runs.awaitEnd(runId)
      const log = yield* EventLog
      yield* Stream.runDrain(Stream.takeUntil(log.follow(0), (event) => event.type === "CompletionReported"))
      for (const event of yield* runs.events(runId)) {
        const stepId = String(event.data["stepId"])
        if (event.type === "StepStarted" && succeeded.has(stepId)) repeated++
        if (event.type === "StepSucceeded") succeeded.add(stepId)
      }
      const { steps } = yield* runs.get(runId)
      const { total } = yield* runs.list({ org, limit: 10, offset: 0 })
      return {
        status: run.status,
        steps: steps.map((each) => `${each.stepId} ${each.status}`),
        runs: total,
        findings: (yield* log.verify).findings,
        books: yield* booksOfLog
      }
    })

    /** One process: ends with the work, or with the crash. */
    const process = (eventLog: typeof EventLogSql.layer | undefined) =>
      Effect.gen(function* () {
        const crash = yield* Effect.serviceOption(Crash)
        const crashed = Option.match(crash, { onNone: () => Effect.never, onSome: (some) => some.crashed })
        const work = yield* Effect.fork(Effect.exit(Effect.raceFirst(drive, Effect.as(crashed, undefined))))
        for (let second = 0; second < 3600 && Option.isNone(yield* Fiber.poll(work)); second++) {
          yield* TestClock.adjust("1 second")
        }
        const exit = yield* Fiber.join(work)
        return Exit.isSuccess(exit) ? exit.value : undefined
      }).pipe(
        Effect.provide(
          Layer.provideMerge(
            organizationsBeside(database),
            layer({
              database,
              pipelines: [definition],
              script,
              ledger,
              ...(eventLog === undefined ? {} : { eventLog }),
              ...(quota === "in the log"
                ? { validator: Layer.provide(ValidatorLocal.layer, organizationsBeside(database)) }
                : {})
            })
          )
        )
      )

    const first = yield* process(Layer.provide(crashAt(k, when), EventLogSql.layer))
    reached = yield* Deferred.make<void>()
    const second = first ?? (yield* process(undefined))
    return {
      crashed: first === undefined,
      end: { ...second, repeated },
      reported: { open: ledger.reserved.size - ledger.completed.size, outcomes: [...ledger.completed.values()] }
    }
  })

for (const [cancelled, quota] of [
  [false, "by the validator"],
  [true, "by the validator"],
  [false, "in the log"],
  [true, "in the log"]
] as const) {
  describe(`a five-step run with a retry${cancelled ? " and a cancel" : ""}, its quota kept ${quota}`, () => {
    for (const when of ["before", "after"] as const) {
      it.scoped(
        `ends the same when the log dies ${when} any append`,
        () =>
          Effect.gen(function* () {
            let crashes = 0
            for (let k = 1; k <= maximumAppends; k++) {
              const { crashed, end, reported } = yield* Effect.scoped(simulate(k, when, cancelled, quota))
              const outcomes = [cancelled ? "FAILED" : "SUCCESS"]
              expect({ k, end, reported }).toEqual({
                k,
                end: {
                  status: cancelled ? "CANCELLED" : "COMPLETED",
                  steps: cancelled
                    ? ["a COMPLETED", "b COMPLETED", "c COMPLETED", "d CANCELLED", "e SKIPPED"]
                    : ["a", "b", "c", "d", "e"].map((each) => `${each} COMPLETED`),
                  runs: 1,
                  findings: [],
                  books: { open: 0, outcomes },
                  repeated: 0
                },
                reported: { open: 0, outcomes: quota === "in the log" ? [] : outcomes }
              })
              if (!crashed) break
              crashes++
            }
            expect(crashes).toBeGreaterThan(quota === "in the log" ? 6 : 8)
            expect(crashes).toBeLessThan(maximumAppends)
          }),
        120_000
      )
    }
  })
}
