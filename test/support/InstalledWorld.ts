/**
 * A whole installation in a temporary folder with one organisation, whose pipelines run from request to end.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Credentials } from "../../src/credentials/Credentials.ts"
import * as Installation from "../../src/Installation.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import { Day, OrgSlug } from "../../src/platform/Identifiers.ts"
import type { JsonObject } from "../../src/platform/Json.ts"
import { Settings } from "../../src/platform/Settings.ts"
import { Runs } from "../../src/runs/Runs.ts"
import { ProcedureSync } from "../../src/warehouse/ProcedureSync.ts"
import { Warehouse } from "../../src/warehouse/Warehouse.ts"
import { temporaryFolder } from "./TemporaryDatabase.ts"

export const org = OrgSlug.make("acme_corp")
const day = Schema.decodeSync(Day)

/** The installation with these settings, its procedures created. */
export const installedWith = (settings: Readonly<Record<string, string>>) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const organizations = yield* Organizations
      yield* organizations.create({ org, companyName: org, adminEmail: "ops@acme.test", plan: "ENTERPRISE" })
      const { failed } = yield* (yield* ProcedureSync).sync()
      if (failed.length > 0) yield* Effect.dieMessage(JSON.stringify(failed))
    })
  ).pipe(
    Layer.provideMerge(Installation.layer),
    Layer.provideMerge(
      Layer.unwrapScoped(
        Effect.map(temporaryFolder, (folder) => {
          const map = new Map(Object.entries({ DATA_DIR: folder, ENVIRONMENT: "test", ...settings }))
          return Settings.layer.pipe(Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(map))))
        })
      )
    ),
    Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None))
  )

/** Stores a credential. */
export const credential = (credentialId: string, provider: string, metadata: JsonObject, secret: JsonObject | string) =>
  Effect.flatMap(Credentials, (credentials) =>
    credentials.put({
      org,
      credentialId,
      provider,
      credentialName: credentialId,
      metadata,
      secret: Redacted.make(typeof secret === "string" ? secret : JSON.stringify(secret))
    })
  )

/** Runs a pipeline to its end over days, without dates as its schedule would; the run and its steps. */
export const run = (configId: string, startDate?: string, endDate = startDate) =>
  Effect.gen(function* () {
    const runs = yield* Runs
    const { runId } = yield* runs.request({
      org,
      configId,
      trigger: "manual",
      triggerBy: "test",
      ...(startDate === undefined ? {} : { startDate: day(startDate) }),
      ...(endDate === undefined ? {} : { endDate: day(endDate) })
    })
    yield* runs.awaitEnd(runId)
    return yield* runs.get(runId)
  })

/** Rows of a query over the organisation's tables. */
export const query = (sql: string) =>
  Effect.flatMap(Warehouse, (warehouse) => Effect.flatMap(warehouse.org(org), (dataset) => dataset.query(sql)))
