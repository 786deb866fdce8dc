/**
 * Backfills and batches: many runs through the queue, bounded, with a view of how far they are.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { StepError } from "../../src/pipelines/Processor.ts"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import { Runs } from "../../src/runs/Runs.ts"
import { Backfills } from "../../src/scheduler/Backfills.ts"
import { Batches } from "../../src/scheduler/Batches.ts"
import { Scheduler } from "../../src/scheduler/Scheduler.ts"
import { day, org, pipeline, step } from "../support/pipelines.ts"
import { done } from "../support/RunsWorld.ts"
import * as World from "../support/SchedulerWorld.ts"
import { temporaryFile } from "../support/TemporaryDatabase.ts"

const named = (name: string) =>
  pipeline([step("a", [])], { configId: `cloud/test/cost/${name}`, templateId: `cloud_test_cost_${name}` })
const pipelines = ["one", "two", "three"].map(named)
const globex = Schema.decodeSync(OrgSlug)("globex")

const range = {
  org,
  pipelines: ["cloud/test/cost/one"],
  startDate: day("2025-12-15"),
  endDate: day("2026-02-03"),
  chunk: "month",
  maxParallel: 2
} as const

const atNoon = TestClock.setTime(Date.parse("2026-03-01T12:00:00Z"))

/** Lets the loop work until `isDone`, at most for two hours. */
const loopUntil = <E, R>(isDone: Effect.Effect<boolean, E, R>) =>
  Effect.gen(function* () {
    const loop = yield* Effect.fork((yield* Scheduler).run)
    for (let minute = 0; minute < 120 && !(yield* isDone); minute++) yield* TestClock.adjust("1 minute")
    yield* Fiber.interrupt(loop)
  })

describe("a backfill", () => {
  it.scoped("is split by months, days or weeks, and nothing of it is stored when it cannot be run", () =>
    Effect.gen(function* () {
      yield* atNoon
      yield* World.inScheduler(
        { database: yield* temporaryFile, pipelines },
        Effect.gen(function* () {
          const backfills = yield* Backfills
          const partsOf = (request: Parameters<typeof backfills.create>[0]) =>
            Effect.gen(function* () {
              const { backfillId } = yield* backfills.create(request)
              const { parts } = yield* backfills.get(org, backfillId)
              return parts.map((part) => `${part.startDate}..${part.endDate}`)
            })
          expect(yield* partsOf(range)).toEqual([
            "2025-12-15..2025-12-31",
            "2026-01-01..2026-01-31",
            "2026-02-01..2026-02-03"
          ])
          expect(yield* partsOf({ ...range, endDate: day("2025-12-16"), chunk: "day" })).toEqual([
            "2025-12-15..2025-12-15",
            "2025-12-16..2025-12-16"
          ])
          expect(yield* partsOf({ ...range, endDate: day("2025-12-25"), chunk: "week" })).toEqual([
            "2025-12-15..2025-12-21",
            "2025-12-22..2025-12-25"
          ])
          const before = yield* backfills.list(org, { limit: 10, offset: 0 })
          expect(before.total).toBe(3)
          for (const wrong of [
            { ...range, endDate: day("2025-12-01") },
            { ...range, endDate: day("2026-03-02") },
            { ...range, startDate: day("1990-01-01"), chunk: "day" as const },
            { ...range, pipelines: ["cloud/test/cost/one", "cloud/test/cost/none"] as const }
          ]) {
            const error = yield* Effect.flip(backfills.create(wrong))
            expect(["InvalidDateRange", "TemplateNotFound"]).toContain(error._tag)
          }
          expect((yield* backfills.list(org, { limit: 10, offset: 0 })).total).toBe(3)
          expect((yield* backfills.list(globex, { limit: 10, offset: 0 })).backfills).toEqual([])
          const foreign = yield* Effect.flip(backfills.get(globex, before.backfills[0]?.backfillId ?? ""))
          expect(foreign._tag).toBe("BackfillNotFound")
        })
      )
    })
  )

  it.scoped("runs its parts in order, no more at a time than it may, over a restart, and shows how far it is", () =>
    Effect.gen(function* () {
      const database = yield* temporaryFile
      const gate = yield* Deferred.make<void>()
      const executed: Array<string> = []
      let atWork = 0
      let mostAtWork = 0
      const script = {
        a: ({ pipelineId, startDate }: { readonly pipelineId: string; readonly startDate: string }) =>
          Effect.gen(function* () {
            mostAtWork = Math.max(mostAtWork, ++atWork)
            executed.push(`${pipelineId.slice("cloud_test_cost_".length)} ${startDate}`)
            yield* Deferred.await(gate)
            if (startDate === "2026-01-01" && pipelineId.endsWith("two")) {
              return yield* new StepError({ errorType: "PERMANENT", code: "BROKEN", message: "no bill" })
            }
            return done
          }).pipe(Effect.ensuring(Effect.sync(() => atWork--)))
      }
      yield* atNoon
      const id = yield* World.inScheduler(
        { database, pipelines, script },
        Effect.gen(function* () {
          yield* World.organization(org)
          const backfills = yield* Backfills
          const { backfillId, status } = yield* backfills.create({
            ...range,
            pipelines: ["cloud/test/cost/one", "cloud/test/cost/two", "cloud/test/cost/three"]
          })
          expect(status).toBe("QUEUED")
          yield* (yield* Scheduler).processQueue
          while (executed.length < 2) yield* Effect.yieldNow()
          expect((yield* backfills.get(org, backfillId)).backfill).toMatchObject({
            status: "RUNNING",
            total: 9,
            running: 2,
            queued: 7,
            completed: 0
          })
          return backfillId
        })
      )
      expect(executed).toEqual(["one 2025-12-15", "two 2025-12-15"])
      yield* Deferred.succeed(gate, undefined)
      yield* World.inScheduler(
        { database, pipelines, script },
        Effect.gen(function* () {
          yield* (yield* Runs).recover
          const backfills = yield* Backfills
          const isDone = Effect.map(
            backfills.get(org, id),
            ({ backfill }) => backfill.completed + backfill.failed === backfill.total
          )
          yield* loopUntil(isDone)
          const { backfill, parts } = yield* backfills.get(org, id)
          expect(backfill).toMatchObject({ status: "PARTIAL", completed: 8, failed: 1, queued: 0, running: 0 })
          expect(parts.filter((part) => part.state === "FAILED")).toMatchObject([
            { pipelineTemplate: "cloud/test/cost/two", startDate: "2026-01-01", retryCount: 3, errorMessage: "no bill" }
          ])
          for (const name of ["one", "three"]) {
            const starts = executed.filter((each) => each.startsWith(`${name} `)).map((each) => each.split(" ")[1])
            expect([...new Set(starts)]).toEqual(["2025-12-15", "2026-01-01", "2026-02-01"])
          }
          expect(mostAtWork).toBe(2)
        })
      )
    })
  )

  it.scoped("can be cancelled: what waits is withdrawn, what is at work goes on", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const script = { a: () => Effect.as(Deferred.await(gate), done) }
      yield* atNoon
      yield* World.inScheduler(
        { database: yield* temporaryFile, pipelines, script },
        Effect.gen(function* () {
          yield* World.organization(org)
          const backfills = yield* Backfills
          const { backfillId } = yield* backfills.create(range)
          yield* (yield* Scheduler).processQueue
          const cancelled = yield* backfills.cancel(org, backfillId)
          expect(cancelled).toMatchObject({ status: "RUNNING", running: 1, failed: 2 })
          yield* Deferred.succeed(gate, undefined)
          yield* loopUntil(Effect.map(backfills.get(org, backfillId), ({ backfill }) => backfill.running === 0))
          expect((yield* backfills.get(org, backfillId)).backfill).toMatchObject({ status: "CANCELLED", completed: 1 })
        })
      )
    })
  )
})

describe("a batch", () => {
  it.scoped("queues one run for each organisation, spread over the time given, and shows each only its own part", () =>
    Effect.gen(function* () {
      yield* atNoon
      yield* World.inScheduler(
        { database: yield* temporaryFile, pipelines },
        Effect.gen(function* () {
          yield* World.organization(org)
          yield* World.organization(globex)
          const batches = yield* Batches
          const noon = yield* TestClock.currentTimeMillis
          const { failedOrgs, itemIds } = yield* batches.publish({
            orgs: [org, globex, "nobody", org],
            pipelineTemplate: "cloud/test/cost/one",
            parameters: { date: day("2026-02-01") },
            maxJitterSeconds: 600
          })
          expect([itemIds.length, failedOrgs]).toEqual([2, ["nobody"]])
          for (const { due_time } of yield* World.scheduledRows) {
            expect(due_time).toBeGreaterThanOrEqual(noon)
            expect(due_time).toBeLessThanOrEqual(noon + 600_000)
          }
          const own = yield* batches.list(org, { limit: 10, offset: 0 })
          expect(own).toMatchObject({ total: 1, runs: [{ status: "QUEUED", pipelineTemplate: "cloud/test/cost/one" }] })
          expect(JSON.stringify(own)).not.toContain("globex")
          yield* loopUntil(
            Effect.map(World.scheduledRows, (rows) => rows.every((row) => row.queue_state === "COMPLETED"))
          )
          const { runs } = yield* (yield* Runs).list({ org: globex, limit: 10, offset: 0 })
          expect(runs.map((run) => [run.status, run.trigger, run.runDate])).toEqual([
            ["COMPLETED", "pubsub", "2026-02-01"]
          ])
          expect((yield* batches.list(org, { limit: 10, offset: 0 })).runs[0]?.status).toBe("COMPLETED")
          const unknown = yield* Effect.flip(
            batches.publish({ orgs: [org], pipelineTemplate: "no/such/one", parameters: {}, maxJitterSeconds: 0 })
          )
          expect(unknown._tag).toBe("TemplateNotFound")
        })
      )
    })
  )
})
