/**
 * The HTTP API over real runs of three steps that do nothing, for the bench; on a second port Node's own server asks for the same runs.
 * Prints one API key per organisation, `Ceiling on PORT` and `Listening on PORT`.
 *
 *   node test/bench/httpChild.ts DATA_FOLDER ORGANISATIONS
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as HttpServer from "@effect/platform/HttpServer"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { Judge } from "../../src/focus/Judge.ts"
import * as Server from "../../src/http/Server.ts"
import { Shutdown } from "../../src/http/Shutdown.ts"
import * as Installation from "../../src/Installation.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import * as CatalogueYaml from "../../src/pipelines/CatalogueYaml.ts"
import { Processors } from "../../src/pipelines/Processor.ts"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import { Settings } from "../../src/platform/Settings.ts"
import { Runs } from "../../src/runs/Runs.ts"
import * as RunsEventLog from "../../src/runs/RunsEventLog.ts"
import * as ValidatorLocal from "../../src/validator/ValidatorLocal.ts"
import * as SubscriptionPlansWarehouse from "../../src/subscriptions/SubscriptionPlansWarehouse.ts"
import * as WarehouseDuckDb from "../../src/warehouse/duckdb/WarehouseDuckDb.ts"
import { ProcedureSync } from "../../src/warehouse/ProcedureSync.ts"
import { scripted } from "../support/RunsWorld.ts"
import { createOrgs, orgOf } from "./Engine.ts"

const [, , folder = "", organisations = "0"] = process.argv

const writeConfigs = () => {
  const configs = join(folder, "configs")
  for (const name of ["tables", "lookups", "procedures", "test/bench/cost"])
    mkdirSync(join(configs, name), { recursive: true })
  const step = (id: string) => `  - { step_id: ${id}, ps_type: test.step }\n`
  writeFileSync(
    join(configs, "test/bench/cost/noop.yml"),
    `pipeline_id: "{org_slug}-noop"\nname: noop\nprovider: test\ndomain: cost\nsteps:\n${step("a")}${step("b")}${step("c")}`
  )
}

const processor = scripted({})
const world = Server.layer.pipe(
  Layer.provideMerge(Shutdown.layer),
  Layer.provideMerge(Installation.scheduling),
  Layer.provideMerge(RunsEventLog.layer),
  Layer.provideMerge(CatalogueYaml.layer),
  Layer.provideMerge(Layer.succeed(Processors, new Map(Processors.entries([processor])))),
  Layer.provideMerge(
    Layer.mergeAll(Installation.alerts, ProcedureSync.layer, Judge.layer, SubscriptionPlansWarehouse.layer)
  ),
  Layer.provideMerge(WarehouseDuckDb.layer),
  Layer.provideMerge(ValidatorLocal.layer),
  Layer.provideMerge(Installation.records),
  Layer.provideMerge(Settings.layer),
  Layer.provideMerge(Layer.setTracerEnabled(false)),
  Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None)),
  Layer.provide(
    Layer.setConfigProvider(
      ConfigProvider.fromMap(
        new Map([
          ["DATA_DIR", join(folder, "data")],
          ["CONFIGS_BASE_PATH", join(folder, "configs")],
          ["PROCEDURES_PATH", join(folder, "configs", "procedures")],
          ["API_PORT", "0"],
          ["RATE_LIMIT_ENABLED", "false"]
        ])
      )
    )
  ),
  Layer.provideMerge(NodeContext.layer)
)

const isOrg = Schema.is(OrgSlug)

/** What HTTP could reach: no keys, no limits, no schemas, no headers of its own. Answers the port. */
const ceiling = Effect.gen(function* () {
  const runs = yield* Runs
  const run = Runtime.runCallback(yield* Effect.runtime())
  const server = createServer((request, response) => {
    const org = (request.url ?? "").split("/")[5]
    if (!isOrg(org)) return void response.writeHead(404).end()
    run(runs.request({ org, configId: "test/bench/cost/noop", trigger: "api", triggerBy: "bench" }), {
      onExit: Exit.match({
        onFailure: () => response.writeHead(500).end(),
        onSuccess: ({ existing, runId }) => response.end(JSON.stringify({ runId, existing }))
      })
    })
  })
  yield* Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
  const address = server.address()
  return typeof address === "object" ? address?.port : undefined
})

writeConfigs()
NodeRuntime.runMain(
  Effect.gen(function* () {
    yield* createOrgs(Number(organisations))
    const { createKey } = yield* Organizations
    for (let client = 0; client < Number(organisations); client++) {
      const { secret } = yield* createKey(orgOf(client))
      console.log(`key ${orgOf(client)} ${Redacted.value(secret)}`)
    }
    console.log(`Ceiling on ${yield* ceiling}`)
    const { address } = yield* HttpServer.HttpServer
    console.log(`Listening on ${address._tag === "TcpAddress" ? address.port : ""}`)
    return yield* Effect.never
  }).pipe(Effect.provide(world))
)
