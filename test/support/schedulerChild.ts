/**
 * A process that claims schedules one at a time and starts what is queued until nothing is left, on the database file given. It says
 * "ready", waits for a line, and prints in the end which times it claimed and which runs it started.
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { once } from "node:events"
import { Scheduler } from "../../src/scheduler/Scheduler.ts"
import { pipeline, step } from "./pipelines.ts"
import * as World from "./SchedulerWorld.ts"

const [, , database = "", count = "0"] = process.argv

const pipelines = Array.from({ length: Number(count) }, (_, index) =>
  pipeline([step("a", [])], { configId: `cloud/test/cost/p${index}`, templateId: `cloud_test_cost_p${index}` })
)

const work = Effect.gen(function* () {
  const scheduler = yield* Scheduler
  const times: Array<string> = []
  const runs: Array<string> = []
  for (let idle = 0; idle < 20;) {
    const { triggered } = yield* scheduler.trigger(1)
    for (const each of triggered) times.push(...each.times.map((time) => `${each.configId} ${time}`))
    const { started } = yield* scheduler.processQueue
    runs.push(...started.map((each) => each.pipelineLoggingId))
    const { queued, running } = yield* scheduler.status
    idle = triggered.length === 0 && queued + running === 0 ? idle + 1 : 0
    yield* Effect.sleep("2 millis")
  }
  return { times, runs }
})

await Effect.runPromise(
  World.inScheduler(
    { database, pipelines },
    Effect.gen(function* () {
      console.log("ready")
      yield* Effect.promise(() => once(process.stdin, "data"))
      console.log(JSON.stringify(yield* work))
    })
  ).pipe(Logger.withMinimumLogLevel(LogLevel.None))
)
process.exit(0)
