/**
 * A service for the kill test: asks for a run of the AWS pipeline, or goes on with one, and says how it ended.
 *
 *   node test/warehouse/bigquery/victim.ts FOLDER BILL [RUN]
 *
 * Lines that it prints: `accepted <run id>`, `ended <status>`. The settings come from the environment.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Schema from "effect/Schema"
import { credentialOf } from "../../../src/cli/ConversionInput.ts"
import { Credentials } from "../../../src/credentials/Credentials.ts"
import * as Installation from "../../../src/Installation.ts"
import { Organizations } from "../../../src/organizations/Organizations.ts"
import { RunId } from "../../../src/platform/Identifiers.ts"
import { Settings } from "../../../src/platform/Settings.ts"
import { Runs } from "../../../src/runs/Runs.ts"
import { ProcedureSync } from "../../../src/warehouse/ProcedureSync.ts"
import { org } from "../duckdb/support.ts"

const [, , folder = "", bill = "", runId] = process.argv

const begin = Effect.gen(function* () {
  yield* (yield* Organizations).create({ org, companyName: "Acme", adminEmail: "ops@acme.test", plan: "ENTERPRISE" })
  yield* (yield* Credentials).put({ org, credentialId: "input", ...(yield* credentialOf("aws", bill)) })
  yield* (yield* ProcedureSync).sync()
  const request = { org, configId: "cloud/aws/cost/billing", trigger: "manual", triggerBy: "kill test" } as const
  return (yield* (yield* Runs).request(request)).runId
})

const program = Effect.gen(function* () {
  const runs = yield* Runs
  yield* runs.recover
  const id = runId === undefined ? yield* begin : Schema.decodeSync(RunId)(runId)
  yield* Console.log(`accepted ${id}`)
  const { errorMessage, status } = yield* runs.awaitEnd(id)
  yield* Console.log(`ended ${status}${errorMessage === null ? "" : `: ${errorMessage}`}`)
})

const settings = Settings.layer.pipe(
  Layer.provide(
    Layer.setConfigProvider(
      ConfigProvider.orElse(
        ConfigProvider.fromMap(
          new Map([
            ["DATA_DIR", folder],
            ["ENVIRONMENT", "test"]
          ])
        ),
        () => ConfigProvider.fromEnv()
      )
    )
  )
)

await Effect.runPromise(
  Effect.provide(
    program,
    Installation.layer.pipe(Layer.provideMerge(settings), Layer.provide(Logger.minimumLogLevel(LogLevel.None)))
  )
)
process.exit(0)
