/**
 * The durable queue: who is next, what a failure costs, and what a crash leaves behind.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { StepError } from "../../src/pipelines/Processor.ts"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import { Runs } from "../../src/runs/Runs.ts"
import { Scheduler, type ScheduledParameters } from "../../src/scheduler/Scheduler.ts"
import { RunNotAllowed } from "../../src/validator/Validator.ts"
import { day, org, pipeline, runId, step } from "../support/pipelines.ts"
import { done, makeLedger } from "../support/RunsWorld.ts"
import * as World from "../support/SchedulerWorld.ts"
import { temporaryFile } from "../support/TemporaryDatabase.ts"

const named = (name: string) =>
  pipeline([step("a", []), step("b", ["a"])], {
    configId: `cloud/test/cost/${name}`,
    templateId: `cloud_test_cost_${name}`
  })
const pipelines = ["one", "two", "three"].map(named)
const second = Schema.decodeSync(OrgSlug)("globex")

const schedule = (whose: OrgSlug, name: string, parameters: ScheduledParameters = {}) =>
  Effect.flatMap(Scheduler, (scheduler) =>
    scheduler.upsert({
      org: whose,
      provider: "test",
      domain: "cost",
      pipelineTemplate: `cloud/test/cost/${name}`,
      scheduleCron: "0 12 * * *",
      isActive: true,
      parameters
    })
  )

/** The world at 11:59 of the first day; `use` finds one schedule per name for the organisation. */
const withSchedules = <A, E>(
  options: Omit<World.SchedulerOptions, "database">,
  use: (database: string) => Parameters<typeof World.inScheduler<A, E>>[1]
) =>
  Effect.gen(function* () {
    const database = yield* temporaryFile
    yield* TestClock.setTime(Date.parse("1970-01-01T11:59:00Z"))
    return yield* World.inScheduler({ database, pipelines, ...options }, use(database))
  })

const due = Effect.gen(function* () {
  yield* TestClock.setTime(Date.parse("1970-01-01T12:00:00Z"))
  const scheduler = yield* Scheduler
  yield* scheduler.trigger(100)
  return yield* scheduler.processQueue
})

/** Lets the loop work for a time. */
const loopFor = (minutes: number) =>
  Effect.gen(function* () {
    const loop = yield* Effect.fork((yield* Scheduler).run)
    for (let half = 0; half < minutes * 2; half++) yield* TestClock.adjust("30 seconds")
    yield* Fiber.interrupt(loop)
  })

describe("the queue", () => {
  it.scoped("starts in turn for each organisation, with each item's own parameters, and a time only once", () => {
    const seen = new Map<string, string>()
    const script = {
      a: (context: { readonly org: string; readonly pipelineId: string; readonly startDate: string }) =>
        Effect.zipRight(
          Effect.sync(() => seen.set(`${context.org} ${context.pipelineId}`, context.startDate)),
          Effect.never
        )
    }
    return withSchedules({ script }, () =>
      Effect.gen(function* () {
        yield* World.organization(org)
        yield* World.organization(second)
        yield* schedule(org, "one", { date: day("1969-11-01") })
        yield* schedule(org, "two", { start_date: day("1969-10-01"), end_date: day("1969-10-31") })
        yield* schedule(org, "three")
        yield* schedule(second, "one", { force_refresh: true })
        const report = yield* due
        expect(report.processed).toBe(4)
        const orgs = report.started.map((each) => each.org)
        expect([orgs[0], orgs[1]].toSorted()).toEqual([org, second])
        expect(orgs.slice(2)).toEqual([org, org])
        while (seen.size < 4) yield* Effect.yieldNow()
        expect(Object.fromEntries(seen)).toEqual({
          "acme_corp cloud_test_cost_one": "1969-11-01",
          "acme_corp cloud_test_cost_two": "1969-10-01",
          "acme_corp cloud_test_cost_three": "1969-12-31",
          "globex cloud_test_cost_one": "1969-12-31"
        })
        const again = yield* due
        expect(again).toMatchObject({ processed: 0, started: [] })
        expect(yield* World.scheduledRows).toHaveLength(4)
        const scheduler = yield* Scheduler
        expect(yield* scheduler.status).toMatchObject({ activePipelines: 4, dueNow: 0, queued: 0, running: 4 })
      })
    )
  })

  it.scoped("waits as long as a refusal by quota says, without using up a retry", () => {
    const ledger = makeLedger()
    return withSchedules({ ledger }, () =>
      Effect.gen(function* () {
        yield* World.organization(org)
        yield* schedule(org, "one")
        ledger.refuse = new RunNotAllowed({
          code: "QUOTA_EXCEEDED",
          status: 429,
          message: "the plan allows 1 run at a time",
          retryAfterSeconds: 300
        })
        expect((yield* due).started).toEqual([])
        const [refused] = yield* World.scheduledRows
        expect(refused).toMatchObject({
          queue_state: "QUEUED",
          state: "PENDING",
          retry_count: 0,
          due_time: Date.parse("1970-01-01T12:05:00Z"),
          error_message: "the plan allows 1 run at a time"
        })
        ledger.refuse = undefined
        yield* loopFor(4.5)
        expect(yield* World.scheduledRows).toMatchObject([{ queue_state: "QUEUED" }])
        yield* loopFor(1)
        expect(yield* World.scheduledRows).toMatchObject([{ queue_state: "COMPLETED", retry_count: 0 }])
      })
    )
  })

  it.scoped("tries a failed run again after 1, 2 and 4 minutes, from the step that failed, and then gives up", () => {
    const times: Array<string> = []
    const script = {
      a: () => Effect.sync(() => (times.push("a"), done)),
      b: () =>
        Effect.gen(function* () {
          times.push(new Date(yield* TestClock.currentTimeMillis).toISOString().slice(11, 16))
          return yield* new StepError({ errorType: "PERMANENT", code: "BROKEN", message: "b is broken" })
        })
    }
    return withSchedules({ script }, () =>
      Effect.gen(function* () {
        yield* World.organization(org)
        yield* schedule(org, "one")
        yield* TestClock.setTime(Date.parse("1970-01-01T12:00:00Z"))
        yield* loopFor(30)
        expect(times).toEqual(["a", "12:00", "12:01", "12:03", "12:07"])
        const [row] = yield* World.scheduledRows
        expect(row).toMatchObject({
          queue_state: "FAILED",
          state: "FAILED",
          retry_count: 3,
          error_message: "b is broken"
        })
        const [config] = yield* (yield* Scheduler).list(org, {})
        expect(config?.lastRunStatus).toBe("FAILED")
        const { runs } = yield* (yield* Runs).list({ org, limit: 10, offset: 0 })
        expect(runs.map((run) => [run.status, run.trigger])).toEqual(
          Array.from({ length: 4 }, () => ["FAILED", "scheduler"])
        )
      })
    )
  })

  it.scoped(
    "fails what cannot be run: an unknown pipeline at once, an organisation without a key after its retries",
    () =>
      Effect.gen(function* () {
        const database = yield* temporaryFile
        yield* TestClock.setTime(Date.parse("1970-01-01T11:59:00Z"))
        yield* World.inScheduler(
          { database, pipelines },
          Effect.gen(function* () {
            yield* World.organization(org)
            yield* schedule(org, "one")
            yield* schedule(second, "two")
          })
        )
        yield* World.inScheduler(
          { database, pipelines: pipelines.slice(1) },
          Effect.gen(function* () {
            yield* due
            expect(yield* World.scheduledRows).toMatchObject([
              { queue_state: "FAILED", retry_count: 0, error_message: "Template not found: cloud/test/cost/one" },
              {
                queue_state: "QUEUED",
                retry_count: 1,
                error_message: expect.stringContaining("admin key create globex")
              }
            ])
            yield* loopFor(10)
            expect((yield* World.scheduledRows).map((row) => row.queue_state)).toEqual(["FAILED", "FAILED"])
            expect((yield* (yield* Runs).list({ org: second, limit: 1, offset: 0 })).total).toBe(0)
          })
        )
      })
  )

  it.scoped("waits for a run of the pipeline that somebody else asked for", () => {
    let isOver = false
    const script = { a: () => (isOver ? Effect.succeed(done) : Effect.never) }
    return withSchedules({ script }, () =>
      Effect.gen(function* () {
        yield* World.organization(org)
        yield* schedule(org, "one")
        const runs = yield* Runs
        const manual = yield* runs.request({
          org,
          configId: "cloud/test/cost/one",
          trigger: "api",
          triggerBy: "somebody",
          startDate: day("1969-06-01")
        })
        yield* due
        expect(yield* World.scheduledRows).toMatchObject([{ queue_state: "QUEUED", pipeline_logging_id: null }])
        isOver = true
        yield* runs.cancel(runId(manual.runId), { org, reason: "test" })
        yield* loopFor(2)
        const [row] = yield* World.scheduledRows
        expect(row).toMatchObject({ queue_state: "COMPLETED", retry_count: 0 })
        expect(row?.pipeline_logging_id).not.toBe(manual.runId)
      })
    )
  })

  it.scoped("loses nothing to a crash, and runs nothing twice", () =>
    Effect.gen(function* () {
      const database = yield* temporaryFile
      let executed = 0
      const reached: Array<string> = []
      const script = {
        a: () => Effect.sync(() => (executed++, done)),
        b: () =>
          Effect.zipRight(
            Effect.sync(() => reached.push("b")),
            Effect.never
          )
      }
      yield* TestClock.setTime(Date.parse("1970-01-01T11:59:00Z"))
      yield* World.inScheduler(
        { database, pipelines, script },
        Effect.gen(function* () {
          yield* World.organization(org)
          yield* schedule(org, "one")
          yield* schedule(org, "two")
          yield* due
          while (reached.length < 2) yield* Effect.yieldNow()
          // The process ends after it has taken "two" and asked for its run, and before it has noted the run's id.
          const sql = yield* SqlClient.SqlClient
          yield* sql`update org_scheduled_pipeline_runs set pipeline_logging_id = null where pipeline_template like '%two'`
        })
      )
      yield* World.inScheduler(
        { database, pipelines, script: { ...script, b: () => Effect.succeed(done) } },
        Effect.gen(function* () {
          yield* (yield* Runs).recover
          yield* loopFor(5)
          const rows = yield* World.scheduledRows
          expect(rows.map((row) => [row.queue_state, row.retry_count])).toEqual([
            ["COMPLETED", 0],
            ["COMPLETED", 0]
          ])
          expect((yield* (yield* Runs).list({ org, limit: 10, offset: 0 })).total).toBe(2)
          expect(executed).toBe(2)
        })
      )
    })
  )

  it.scoped("leaves a paused organisation alone, and does not catch up what it missed", () =>
    withSchedules({}, () =>
      Effect.gen(function* () {
        yield* World.organization(org)
        yield* World.organization(second)
        yield* schedule(org, "one")
        yield* schedule(second, "one")
        const scheduler = yield* Scheduler
        yield* scheduler.setPaused(org, true)
        expect((yield* due).started.map((each) => each.org)).toEqual([second])
        yield* TestClock.setTime(Date.parse("1970-01-04T13:00:00Z"))
        yield* scheduler.setPaused(org, false)
        yield* scheduler.trigger(100)
        const own = (yield* World.scheduledRows).filter((row) => row.org_slug === org)
        expect(own).toEqual([])
        expect((yield* scheduler.list(org, {}))[0]?.nextRunTime).toBe("1970-01-05T12:00:00.000Z")
        yield* scheduler.disable(org, (yield* scheduler.list(org, {}))[0]?.configId ?? "")
        expect((yield* scheduler.list(org, { isActive: false }))[0]).toMatchObject({
          isActive: false,
          nextRunTime: null
        })
        expect((yield* Effect.flip(scheduler.disable(second, "no such")))._tag).toBe("ConfigNotFound")
      })
    )
  )
})
