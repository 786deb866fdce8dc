/**
 * What is over is forgotten in its time; what is open, and the log, are not.
 */
import { expect, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { AuditLog } from "../../src/audit/AuditLog.ts"
import * as AuditLogSql from "../../src/audit/AuditLogSql.ts"
import { EventLog } from "../../src/eventlog/EventLog.ts"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import { Runs } from "../../src/runs/Runs.ts"
import { Backfills } from "../../src/scheduler/Backfills.ts"
import { Batches } from "../../src/scheduler/Batches.ts"
import { Scheduler } from "../../src/scheduler/Scheduler.ts"
import { keepSwept, sweepOnce } from "../../src/sweeping.ts"
import { day, org, pipeline, step } from "../support/pipelines.ts"
import * as World from "../support/SchedulerWorld.ts"
import { temporaryFile } from "../support/TemporaryDatabase.ts"

const named = (name: string) =>
  pipeline([step("a", [])], { configId: `cloud/test/cost/${name}`, templateId: `cloud_test_cost_${name}` })
const pipelines = ["one", "two"].map(named)
const globex = Schema.decodeSync(OrgSlug)("globex")
const noon = Date.parse("2026-03-01T12:00:00Z")
const after = (days: number) => Effect.zipRight(TestClock.setTime(noon + days * 86_400_000), sweepOnce)

/** Rows of the tables that are swept. */
const rows = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [counts] = yield* sql`select
    (select count(*) from org_scheduled_pipeline_runs) as scheduled,
    (select count(*) from org_pipeline_execution_queue) as queue,
    (select count(*) from pipeline_backfills) as backfills,
    (select count(*) from org_meta_pipeline_batch_runs) as batches,
    (select count(*) from org_audit_logs) as audit`
  return counts
})

it.scoped("one fiber forgets ended items after 90 days, audit entries after 400; open items stay", () =>
  Effect.gen(function* () {
    yield* TestClock.setTime(noon)
    yield* World.inScheduler(
      { database: yield* temporaryFile, pipelines },
      Effect.gen(function* () {
        const scheduler = yield* Scheduler
        const backfills = yield* Backfills
        yield* World.organization(org)
        yield* World.organization(globex)
        yield* scheduler.setPaused(globex, true)
        const range = {
          startDate: day("2025-12-15"),
          endDate: day("2026-02-03"),
          chunk: "month",
          maxParallel: 2
        } as const
        const done = yield* backfills.create({ org, pipelines: ["cloud/test/cost/one"], ...range })
        const open = yield* backfills.create({ org: globex, pipelines: ["cloud/test/cost/one"], ...range })
        yield* (yield* Batches).publish({
          orgs: [org],
          pipelineTemplate: "cloud/test/cost/two",
          parameters: {},
          maxJitterSeconds: 0
        })
        const loop = yield* Effect.fork(scheduler.run)
        yield* TestClock.adjust("10 minutes")
        yield* Fiber.interrupt(loop)
        expect((yield* backfills.get(org, done.backfillId)).parts.map((part) => part.state)).toEqual([
          "COMPLETED",
          "COMPLETED",
          "COMPLETED"
        ])
        yield* (yield* AuditLog).record({
          org,
          action: "TEST",
          resourceType: "T",
          resourceId: "1",
          status: "SUCCESS",
          details: {}
        })
        const all = { scheduled: 7, queue: 7, backfills: 2, batches: 1, audit: 1 }
        expect(yield* rows).toEqual(all)
        const sweeping = yield* Effect.fork(keepSwept)
        yield* TestClock.adjust("89 days")
        expect(yield* rows).toEqual(all)
        yield* TestClock.adjust("2 days")
        const left = { scheduled: 3, queue: 3, backfills: 1, batches: 0, audit: 1 }
        expect(yield* rows).toEqual(left)
        expect((yield* backfills.get(globex, open.backfillId)).parts.map((part) => part.state)).toEqual([
          "QUEUED",
          "QUEUED",
          "QUEUED"
        ])
        yield* Fiber.interrupt(sweeping)
        expect((yield* (yield* Runs).list({ org, limit: 10, offset: 0 })).total).toBe(4)
        yield* after(402)
        expect(yield* rows).toEqual({ ...left, audit: 0 })
        expect((yield* (yield* EventLog).verify).findings).toEqual([])
      }).pipe(Effect.provide(AuditLogSql.layer))
    )
  })
)
