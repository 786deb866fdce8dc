/**
 * The service as a process: the HTTP API, until it is told to stop.
 */
import * as HttpServer from "@effect/platform/HttpServer"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Alerts } from "../alerts/Alerts.ts"
import { CostSummaries } from "../alerts/CostSummaries.ts"
import * as Server from "../http/Server.ts"
import { Shutdown } from "../http/Shutdown.ts"
import * as Installation from "../Installation.ts"
import * as Worker from "../notifier/Worker.ts"
import * as Sweeping from "../sweeping.ts"
import { ensureFirstOrganization } from "../organizations/firstOrganization.ts"
import { Catalogue } from "../pipelines/Catalogue.ts"
import { Settings } from "../platform/Settings.ts"
import { Runs } from "../runs/Runs.ts"
import { Scheduler } from "../scheduler/Scheduler.ts"
import { ProcedureSync } from "../warehouse/ProcedureSync.ts"
import { Warehouse } from "../warehouse/Warehouse.ts"

/** The service may not start; the message says why and what to do. */
export class StartRefused extends Schema.TaggedError<StartRefused>()("StartRefused", { message: Schema.String }) {}

/** What must be true before the port opens: every pipeline valid, the procedures in place, unfinished runs under way again. */
export const prepare = Effect.gen(function* () {
  const settings = yield* Settings
  const pipelines = yield* (yield* Catalogue).checkAll
  const first = yield* ensureFirstOrganization
  if (first !== undefined) {
    yield* Console.log(
      `Organisation ${first.org} is new. Its API key, shown only this once:\n\n  ${Redacted.value(first.secret)}\n`
    )
  }
  if (settings.syncProcedures) yield* syncProcedures(settings.environment === "production")
  const resumed = yield* (yield* Runs).recover
  yield* Effect.logInfo("ready to serve").pipe(
    Effect.annotateLogs({ pipelines: pipelines.length, resumed, warehouse: (yield* Warehouse).location })
  )
})

/** Forgets what is over. */
const keepSwept = Effect.forkScoped(Sweeping.keepSwept)

/** Looks for schedules that are due while the service runs; with an interval of 0 only its endpoints do. */
const keepSchedules = Effect.gen(function* () {
  const { schedulerIntervalSeconds } = yield* Settings
  const { run } = yield* Scheduler
  if (schedulerIntervalSeconds > 0) yield* Effect.forkScoped(run)
})

/** Looks for alerts and summaries that are due while the service runs; with notifications off only their endpoints do. */
const watchCosts = Effect.gen(function* () {
  const { notificationsEnabled } = yield* Settings
  const alerts = yield* Alerts
  yield* alerts.list
  if (!notificationsEnabled) return
  yield* Effect.forkScoped(alerts.run)
  yield* Effect.forkScoped((yield* CostSummaries).run)
})

const syncProcedures = Effect.fn("serve.syncProcedures")(function* (mustSucceed: boolean) {
  const report = yield* (yield* ProcedureSync).sync()
  yield* Effect.forEach(report.failed, ({ procedure, error }) =>
    Effect.logError(`procedure ${procedure} was not synced: ${error}`)
  )
  const [failed] = report.failed
  if (failed !== undefined && mustSucceed) {
    return yield* new StartRefused({ message: `procedure ${failed.procedure} cannot be created: ${failed.error}` })
  }
})

/** The server on an installation; the port opens when everything is prepared. Closing its scope stops it and leaves runs resumable. */
export const layer = Layer.unwrapScoped(
  Effect.as(Effect.all([prepare, keepSwept, keepSchedules, watchCosts]), Layer.provideMerge(Server.layer, Worker.layer))
).pipe(Layer.provideMerge(Installation.layer))

const longestShutdownMilliseconds = 30_000

/** Runs are resumable after any end, so a shutdown that hangs is cut off. */
const dieAnyway = Effect.sync(() => void setTimeout(() => process.exit(1), longestShutdownMilliseconds).unref())

/** Says where the server listens, and lets it serve until it is told to stop. */
export const run = Effect.gen(function* () {
  const { address } = yield* HttpServer.HttpServer
  const where = address._tag === "TcpAddress" ? `http://localhost:${address.port}` : address.path
  yield* Console.log(`Listening on ${where} (API documentation: ${where}/docs). Stop with Ctrl+C.`)
  const { begin } = yield* Shutdown
  return yield* Effect.onInterrupt(Effect.never, () => Effect.zipRight(begin, dieAnyway))
})
