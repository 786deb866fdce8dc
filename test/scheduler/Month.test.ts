/**
 * A month of schedules on the test clock: October 2026, in which Sydney puts its clock forward (on the 4th) and Berlin back (on the 25th),
 * with an outage of 36 hours from noon of the 10th to midnight of the 12th (UTC).
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { Runs } from "../../src/runs/Runs.ts"
import { Scheduler } from "../../src/scheduler/Scheduler.ts"
import { org, pipeline, step } from "../support/pipelines.ts"
import * as World from "../support/SchedulerWorld.ts"
import { temporaryFile } from "../support/TemporaryDatabase.ts"

const named = (configId: string) => pipeline([step("a", [])], { configId, templateId: configId.replaceAll("/", "_") })
const berlin = named("cloud/test/cost/berlin")
const sydney = named("cloud/test/cost/sydney")
const often = named("cloud/test/cost/often")

const time = (text: string) => Date.parse(`2026-${text}Z`)
const hour = 3_600_000

/** The hours of one process: its loop runs while the clock goes from where it is to `until`, and is then cut off. */
const processUntil = (database: string, until: number) =>
  World.inScheduler(
    { database, pipelines: [berlin, sydney, often], settings: { SCHEDULER_INTERVAL_SECONDS: "7200" } },
    Effect.gen(function* () {
      yield* (yield* Runs).recover
      const loop = yield* Effect.fork((yield* Scheduler).run)
      while ((yield* TestClock.currentTimeMillis) < until) yield* TestClock.adjust("2 hours")
      yield* Fiber.interrupt(loop)
    })
  )

const dates = (from: number, to: number, clock: string, without: ReadonlyArray<number> = []) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)
    .filter((day) => !without.includes(day))
    .map((day) => `10-${String(day).padStart(2, "0")}T${clock}`)

it.scoped(
  "fires each time once, over two changes of the clock, and catches up an outage by data date",
  () =>
    Effect.gen(function* () {
      const database = yield* temporaryFile
      yield* TestClock.setTime(time("09-30T12:00:00"))
      yield* World.inScheduler(
        { database, pipelines: [berlin, sydney, often] },
        Effect.gen(function* () {
          yield* World.organization(org)
          const scheduler = yield* Scheduler
          const schedule = (pipelineTemplate: string, scheduleCron: string, timezone: string) =>
            scheduler.upsert({
              org,
              provider: "test",
              domain: "cost",
              pipelineTemplate,
              scheduleCron,
              timezone,
              isActive: true,
              parameters: {}
            })
          const first = yield* schedule(berlin.configId, "30 2 * * *", "Europe/Berlin")
          expect(first.nextRunTime).toBe("2026-10-01T00:30:00.000Z")
          yield* schedule(sydney.configId, "30 2 * * *", "Australia/Sydney")
          yield* schedule(often.configId, "0 */8 * * *", "Europe/Berlin")
        })
      )
      yield* processUntil(database, time("10-10T12:00:00"))
      yield* TestClock.setTime(time("10-12T00:00:00"))
      yield* processUntil(database, time("10-31T22:00:00"))

      yield* World.inScheduler(
        { database },
        Effect.gen(function* () {
          const rows = yield* World.scheduledRows
          const timesOf = (template: string) =>
            rows
              .filter((row) => row.pipeline_template === template)
              .map((row) => new Date(row.scheduled_time).toISOString().slice(5, 16))
          // 02:30 is 00:30 UTC until the 25th, which has 02:30 twice, and 01:30 after it. The outage had one: the 11th.
          expect(timesOf(berlin.configId)).toEqual([...dates(1, 25, "00:30"), ...dates(26, 31, "01:30")])
          // 02:30 is 16:30 UTC of the day before; the 4th has no 02:30, it is 03:30 = 16:30 of the 3rd; then 15:30. The outage had two.
          expect(timesOf(sydney.configId)).toEqual(["09-30T16:30", ...dates(1, 3, "16:30"), ...dates(4, 31, "15:30")])
          // 00, 08 and 16 o'clock are 22, 06 and 14 UTC, from the 25th 23, 07 and 15; the clock goes back between 00 and 08.
          expect(timesOf(often.configId)).toEqual([
            "09-30T14:00",
            "09-30T22:00",
            ...dates(1, 9, "").flatMap((day) => ["06:00", "14:00", "22:00"].map((clock) => day + clock)),
            "10-10T06:00",
            // Of the missed 10th 14:00, 22:00, 11th 06:00, 14:00, 22:00 the first of each day.
            "10-10T14:00",
            "10-11T06:00",
            ...dates(12, 24, "").flatMap((day) => ["06:00", "14:00", "22:00"].map((clock) => day + clock)),
            ...dates(25, 30, "").flatMap((day) => ["07:00", "15:00", "23:00"].map((clock) => day + clock)),
            "10-31T07:00",
            "10-31T15:00"
          ])
          const runs = yield* (yield* Runs).list({ org, limit: 1_000, offset: 0 })
          expect(runs.total).toBe(rows.length)
          expect(new Set(rows.map((row) => row.pipeline_logging_id)).size).toBe(rows.length)
          for (const row of rows) {
            expect([row.state, row.queue_state, row.retry_count]).toEqual(["COMPLETED", "COMPLETED", 0])
            const run = runs.runs.find((each) => each.runId === row.pipeline_logging_id)
            const dayBefore = new Date(row.scheduled_time - 24 * hour).toISOString().slice(0, 10)
            expect([run?.status, run?.trigger, run?.runDate]).toEqual(["COMPLETED", "scheduler", dayBefore])
          }
          const configs = yield* (yield* Scheduler).list(org, { isActive: true })
          expect(configs.map(({ lastRunStatus, nextRunTime }) => [lastRunStatus, nextRunTime])).toEqual([
            ["COMPLETED", "2026-11-01T01:30:00.000Z"],
            ["COMPLETED", "2026-10-31T23:00:00.000Z"],
            ["COMPLETED", "2026-11-01T15:30:00.000Z"]
          ])
        })
      )
    }),
  60_000
)
