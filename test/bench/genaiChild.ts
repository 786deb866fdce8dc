/**
 * Loads and prices 90 days of a provider's usage in a fresh installation and prints the seconds and rows of each step as JSON.
 *
 *   node test/bench/genaiChild.ts PROVIDER BASE_URL DATA_FOLDER FIRST_DAY LAST_DAY
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Credentials } from "../../src/credentials/Credentials.ts"
import * as Installation from "../../src/Installation.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import { Day } from "../../src/platform/Identifiers.ts"
import { Settings } from "../../src/platform/Settings.ts"
import { Runs } from "../../src/runs/Runs.ts"
import { ProcedureSync } from "../../src/warehouse/ProcedureSync.ts"
import { anthropicKey, openAiKey } from "../support/genaiServer.ts"
import { org } from "../support/pipelines.ts"

const [, , provider = "", base = "", dataFolder = "", first = "", last = ""] = process.argv
const day = Schema.decodeSync(Day)

const program = Effect.gen(function* () {
  yield* (yield* Organizations).create({ org, companyName: "Bench", adminEmail: "b@localhost", plan: "ENTERPRISE" })
  yield* (yield* Credentials).put({
    org,
    credentialId: provider,
    provider: provider.toUpperCase(),
    credentialName: provider,
    metadata: {},
    secret: Redacted.make(provider === "openai" ? openAiKey : anthropicKey)
  })
  yield* (yield* ProcedureSync).sync()
  const runs = yield* Runs
  const { runId } = yield* runs.request({
    org,
    configId: `genai/payg/${provider}`,
    trigger: "manual",
    triggerBy: "bench",
    startDate: day(first),
    endDate: day(last)
  })
  const { errorMessage, status } = yield* runs.awaitEnd(runId)
  if (status !== "COMPLETED") return yield* Effect.fail(new Error(errorMessage ?? status))
  const { steps } = yield* runs.get(runId)
  console.log(
    JSON.stringify(steps.map((step) => ({ seconds: (step.durationMs ?? 0) / 1000, rows: step.rowsProcessed ?? 0 })))
  )
})

const settings = Settings.layer.pipe(
  Layer.provide(
    Layer.setConfigProvider(
      ConfigProvider.orElse(
        ConfigProvider.fromMap(
          new Map([
            ["DATA_DIR", dataFolder],
            ["OPENAI_API_BASE_URL", `${base}/v1`],
            ["ANTHROPIC_API_BASE_URL", base]
          ])
        ),
        () => ConfigProvider.fromEnv()
      )
    )
  )
)
await Effect.runPromise(
  Effect.provide(program, Layer.provideMerge(Installation.layer, Layer.merge(settings, Layer.setTracerEnabled(false))))
)
