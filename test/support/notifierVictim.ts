/**
 * A process for the kill tests of notifications: its runs fail one after the other, and it tells of them, until it is killed.
 *
 *   node test/support/notifierVictim.ts FOLDER SMTP_PORT
 *
 * Prints `ready`, then `ended <run id>` for each run that has failed.
 */
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Worker from "../../src/notifier/Worker.ts"
import { Runs } from "../../src/runs/Runs.ts"
import * as NotifierKill from "./NotifierKill.ts"
import { org } from "./pipelines.ts"

const [, , folder = "", port = ""] = process.argv

const print = (line: string) => Effect.sync(() => void writeSync(1, `${line}\n`))

const client = (number: number) =>
  Effect.gen(function* () {
    const runs = yield* Runs
    const { runId } = yield* runs.request({
      org,
      configId: NotifierKill.configIds[number] ?? "",
      trigger: "api",
      triggerBy: "kill test"
    })
    yield* runs.awaitEnd(runId)
    yield* print(`ended ${runId}`)
    yield* Effect.sleep("20 millis")
  }).pipe(Effect.forever)

await Effect.runPromise(
  Effect.gen(function* () {
    yield* (yield* Runs).recover
    yield* print("ready")
    yield* Effect.forEach(NotifierKill.configIds.keys(), client, { concurrency: "unbounded", discard: true })
  }).pipe(
    Effect.provide(Worker.layer.pipe(Layer.provideMerge(NotifierKill.layer(folder, Number(port))))),
    Effect.provide(Logger.minimumLogLevel(LogLevel.None))
  )
)
