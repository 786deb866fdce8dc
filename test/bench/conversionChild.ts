/**
 * Runs a cloud's billing pipeline over a folder of exports in a fresh installation and prints the seconds of each step as JSON.
 *
 *   node test/bench/conversionChild.ts PROVIDER EXPORTS_FOLDER DATA_FOLDER
 */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Credentials } from "../../src/credentials/Credentials.ts"
import * as Installation from "../../src/Installation.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import { Settings } from "../../src/platform/Settings.ts"
import { Runs } from "../../src/runs/Runs.ts"
import { ProcedureSync } from "../../src/warehouse/ProcedureSync.ts"
import { org } from "../support/pipelines.ts"

const [, , provider = "", exportsFolder = "", dataFolder = ""] = process.argv

const program = Effect.gen(function* () {
  yield* (yield* Organizations).create({ org, companyName: "Bench", adminEmail: "b@localhost", plan: "ENTERPRISE" })
  for (const name of readdirSync(exportsFolder)) {
    yield* (yield* Credentials).put({
      org,
      credentialId: name.replaceAll("-", "_"),
      provider: `${provider.toUpperCase()}_FILES`,
      credentialType: `${provider.toUpperCase()}_FOLDER`,
      credentialName: name,
      metadata: { path: join(exportsFolder, name), all_periods: true },
      secret: Redacted.make("{}")
    })
  }
  yield* (yield* ProcedureSync).sync()
  const runs = yield* Runs
  const { runId } = yield* runs.request({
    org,
    configId: `cloud/${provider}/cost/billing`,
    trigger: "manual",
    triggerBy: "bench"
  })
  const { status, errorMessage } = yield* runs.awaitEnd(runId)
  if (status !== "COMPLETED") return yield* Effect.fail(new Error(errorMessage ?? status))
  const { steps } = yield* runs.get(runId)
  console.log(
    JSON.stringify(
      Object.fromEntries(
        steps.map((step) => [step.stepId, { seconds: (step.durationMs ?? 0) / 1000, rows: step.rowsProcessed }])
      )
    )
  )
})

const settings = Settings.layer.pipe(
  Layer.provide(
    Layer.setConfigProvider(
      ConfigProvider.orElse(ConfigProvider.fromMap(new Map([["DATA_DIR", dataFolder]])), () => ConfigProvider.fromEnv())
    )
  )
)
await Effect.runPromise(
  Effect.provide(program, Layer.provideMerge(Installation.layer, Layer.merge(settings, Layer.setTracerEnabled(false))))
)
