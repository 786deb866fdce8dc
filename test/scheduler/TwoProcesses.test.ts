/**
 * Two processes on one database: each due time is claimed once and run once.
 */
import { expect, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { Runs } from "../../src/runs/Runs.ts"
import { Scheduler } from "../../src/scheduler/Scheduler.ts"
import { org, pipeline, step } from "../support/pipelines.ts"
import * as World from "../support/SchedulerWorld.ts"
import { temporaryFile } from "../support/TemporaryDatabase.ts"

const schedules = 12
const pipelines = Array.from({ length: schedules }, (_, index) =>
  pipeline([step("a", [])], { configId: `cloud/test/cost/p${index}`, templateId: `cloud_test_cost_p${index}` })
)
const child = fileURLToPath(new URL("../support/schedulerChild.ts", import.meta.url))

/** A child that is ready; `go` starts its work and answers what it did. */
const start = (database: string) =>
  Effect.gen(function* () {
    const process_ = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [child, database, String(schedules)], { stdio: ["pipe", "pipe", "inherit"] })
      ),
      (started) => Effect.sync(() => started.kill("SIGKILL"))
    )
    let output = ""
    process_.stdout.on("data", (data) => (output += String(data)))
    yield* Effect.promise(() => once(process_.stdout, "data"))
    const ended = once(process_, "exit")
    return Effect.promise(async (): Promise<{ readonly times: Array<string>; readonly runs: Array<string> }> => {
      process_.stdin.write("go\n")
      await ended
      return JSON.parse(output.split("\n")[1] ?? "")
    })
  })

it.scoped(
  "fire each time of a schedule once, and start each run once",
  () =>
    Effect.gen(function* () {
      const database = yield* temporaryFile
      const options = { database, pipelines }
      const day = 86_400_000
      const today = Date.now() - (Date.now() % day)
      yield* TestClock.setTime(today - 3 * day + day / 2)
      yield* World.inScheduler(
        options,
        Effect.gen(function* () {
          yield* World.organization(org)
          const scheduler = yield* Scheduler
          for (const { configId: pipelineTemplate } of pipelines) {
            yield* scheduler.upsert({
              org,
              provider: "test",
              domain: "cost",
              pipelineTemplate,
              scheduleCron: "0 * * * *",
              isActive: true,
              parameters: {}
            })
          }
        })
      )
      const children = yield* Effect.all([start(database), start(database)], { concurrency: 2 })
      const [first, second] = yield* Effect.all(children, { concurrency: 2 })
      const times = [...(first?.times ?? []), ...(second?.times ?? [])]
      const runs = [...(first?.runs ?? []), ...(second?.runs ?? [])]
      // Noon of a day, and now in the third one after it: four days, one time each.
      expect(times).toHaveLength(4 * schedules)
      expect(new Set(times).size).toBe(times.length)
      expect(new Set(runs).size).toBe(runs.length)
      yield* World.inScheduler(
        options,
        Effect.gen(function* () {
          const rows = yield* World.scheduledRows
          expect(rows.map((row) => row.queue_state)).toEqual(Array(times.length).fill("COMPLETED"))
          expect(rows.map((row) => row.pipeline_logging_id).toSorted()).toEqual(runs.toSorted())
          expect((yield* (yield* Runs).list({ org, limit: 1, offset: 0 })).total).toBe(times.length)
        })
      )
    }),
  60_000
)
