/**
 * `demo`: invented AWS bills in AWS's real layouts, a running service, and one run driven over HTTP to a screen that shows every cent.
 */
import { join } from "node:path"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpServer from "@effect/platform/HttpServer"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Credentials } from "../credentials/Credentials.ts"
import * as Installation from "../Installation.ts"
import { ensureFirstOrganization } from "../organizations/firstOrganization.ts"
import { Organizations } from "../organizations/Organizations.ts"
import { OrgSlug } from "../platform/Identifiers.ts"
import { Settings } from "../platform/Settings.ts"
import * as Telemetry from "../platform/Telemetry.ts"
import { Warehouse } from "../warehouse/Warehouse.ts"
import * as ServiceClient from "./client/ServiceClient.ts"
import * as Summary from "./ConversionSummary.ts"
import { generateAwsExports, type GeneratedExports } from "./demo/AwsExportGenerator.ts"
import * as DemoScreen from "./demo/DemoScreen.ts"
import { runModels } from "./demo/ModelRuns.ts"
import { RunNotCompleted } from "./run.ts"
import * as RunProgress from "./RunProgress.ts"
import * as Service from "./service.ts"
import * as HttpClientNode from "../platform/HttpClientNode.ts"

const seed = 20_261_123

const rows = Options.integer("rows").pipe(
  Options.withSchema(Schema.Int.pipe(Schema.between(1_000, 5_000_000))),
  Options.withDefault(220_000),
  Options.withDescription("Billing rows to generate")
)

const warehouse = Options.choice("warehouse", ["duckdb", "bigquery"]).pipe(
  Options.withDefault("duckdb"),
  Options.withDescription("The embedded warehouse, or the BigQuery of the settings")
)

/** The command. It leaves a data folder that `serve` goes on with; a second demo loads the same bills again and changes no total. */
export const demo = Command.make("demo", { rows, warehouse }, (options) =>
  Effect.gen(function* () {
    const settings = yield* Settings
    const folder = join(settings.dataDir, "demo")
    yield* Console.log(DemoScreen.title)
    const exports = yield* exportsIn(folder, options.rows)
    yield* Console.log(DemoScreen.generated(exports))
    const quiet = quietly(options.warehouse)
    const service = Service.layer.pipe(
      Layer.provideMerge(Layer.merge(HttpClientNode.layer, Telemetry.layer)),
      Layer.provideMerge(Settings.layer),
      Layer.provide(quiet)
    )
    const records = Installation.records.pipe(Layer.provideMerge(Settings.layer), Layer.provide(quiet))
    const key = yield* Effect.provide(keyIn(join(folder, "api-key")), records)
    yield* Effect.provide(drive({ folder, exports, key, port: settings.port }), service)
  }).pipe(Effect.provide(Settings.layer))
).pipe(Command.withDescription("Generate AWS bills, run the service on them over HTTP, and show the result."))

/** Any port will do, since that of a running service is taken; its log would spoil the screen. */
const quietly = (warehouse: string) =>
  Layer.unwrapEffect(
    Effect.configProviderWith((outer) => {
      const own = ConfigProvider.fromMap(
        new Map([
          ["API_PORT", "0"],
          ["LOG_LEVEL", "ERROR"],
          ["WAREHOUSE", warehouse]
        ])
      )
      return Effect.succeed(Layer.setConfigProvider(ConfigProvider.orElse(own, () => outer)))
    })
  )

const drive = Effect.fn("demo.drive")(function* (given: {
  readonly folder: string
  readonly exports: GeneratedExports
  readonly key: DemoKey
  readonly port: number
}) {
  const { exports, folder } = given
  const { org, secret } = given.key
  yield* Effect.forEach(exports.exports, ({ kind, folder: path }) => store(org, kind, join(folder, "exports", path)))

  const { address } = yield* HttpServer.HttpServer
  const base = address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : ""
  yield* Console.log(DemoScreen.serving(base))
  const client = yield* ServiceClient.make({ baseUrl: base, key: Option.some(secret), rootKey: Option.none() })
  const { pipeline_logging_id: runId } = yield* client.call(({ pipelines }) =>
    pipelines.runOfProvider({
      path: { org, category: "cloud", provider: "aws", domain: "cost", pipeline: "billing" },
      urlParams: {},
      headers: {},
      payload: { start_date: exports.startDate, end_date: exports.endDate, force_refresh: true }
    })
  )
  yield* client.follow(runId, (event) => {
    const line = RunProgress.line(event)
    return line === undefined ? Effect.void : Console.log(DemoScreen.indent(line))
  })
  const run = yield* client.run(runId)
  if (!RunProgress.succeeded(run)) return yield* new RunNotCompleted({ message: RunProgress.detail(run) })

  const services = yield* (yield* (yield* Warehouse).org(org)).query(DemoScreen.servicesSql)
  const outputs = new Map(run.steps.map((step) => [step.step_logging_id.split(":")[1], step.metadata["output"]]))
  const summary = yield* Summary.of((stepId) => outputs.get(stepId))
  yield* Console.log(DemoScreen.modelsTitle)
  const models = yield* runModels({ folder: join(folder, "models"), seed, org, client })
  const before = yield* totalsBefore(join(folder, "totals.json"), JSON.stringify([services, models]))
  yield* Console.log(
    DemoScreen.result({
      run,
      summary,
      services,
      models,
      unchanged: before,
      location: (yield* Warehouse).location,
      keyFile: given.key.file,
      org,
      port: given.port
    })
  )
})

/** The exports of an earlier demo of the same size, or new ones. */
const exportsIn = Effect.fn("demo.exports")(function* (folder: string, size: number) {
  const files = yield* FileSystem.FileSystem
  const note = join(folder, "exports.json")
  const known = yield* files
    .readFileString(note)
    .pipe(Effect.flatMap(Schema.decode(Schema.parseJson(ExportsNote))), Effect.option)
  if (known._tag === "Some" && known.value.size === size) return known.value.exports
  const target = join(folder, "exports")
  yield* files.remove(target, { recursive: true, force: true })
  const exports = yield* generateAwsExports({ folder: target, seed, rows: size })
  yield* files.writeFileString(note, JSON.stringify({ size, exports }))
  return exports
})

const ExportsNote = Schema.Struct({
  size: Schema.Number,
  exports: Schema.Struct({
    exports: Schema.Array(
      Schema.Struct({
        kind: Schema.Literal("cur1", "cur2"),
        folder: Schema.String,
        payer: Schema.String,
        files: Schema.Number,
        rows: Schema.Number,
        bytes: Schema.Number,
        totals: Schema.Record({ key: Schema.String, value: Schema.String })
      })
    ),
    files: Schema.Number,
    rows: Schema.Number,
    bytes: Schema.Number,
    startDate: Schema.String,
    endDate: Schema.String
  })
})

interface DemoKey {
  readonly org: OrgSlug
  readonly secret: Redacted.Redacted
  readonly file: string
}

/** The key of an earlier demo while it is valid, else a new one, kept in a file that only its owner may read. */
const keyIn = Effect.fn("demo.key")(function* (file: string) {
  const files = yield* FileSystem.FileSystem
  const organizations = yield* Organizations
  const org = yield* Schema.decode(OrgSlug)((yield* Settings).defaultOrg)
  const first = yield* ensureFirstOrganization
  const known = yield* Effect.option(files.readFileString(file))
  if (known._tag === "Some") {
    const secret = Redacted.make(known.value.trim())
    const isValid = yield* organizations.authenticate(secret).pipe(
      Effect.as(true),
      Effect.catchTag("InvalidApiKey", () => Effect.succeed(false))
    )
    if (isValid) return { org, secret, file } satisfies DemoKey
  }
  const { secret } = first ?? (yield* organizations.createKey(org))
  yield* files.writeFileString(file, `${Redacted.value(secret)}\n`, { mode: 0o600 })
  return { org, secret, file } satisfies DemoKey
})

/** The folder of one export as a credential of the organisation, stored once. */
const store = Effect.fn("demo.store")(function* (org: OrgSlug, kind: string, path: string) {
  const credentials = yield* Credentials
  const credentialId = `demo_${kind}`
  const stored = (yield* credentials.list(org)).some((each) => each.credentialId === credentialId && each.isActive)
  if (stored) return
  yield* credentials.put({
    org,
    credentialId,
    provider: "AWS_FILES",
    credentialType: "AWS_FOLDER",
    credentialName: `Demo ${kind.toUpperCase()}`,
    metadata: { path },
    secret: Redacted.make("{}")
  })
})

/** Whether the totals are those of the demo before; undefined for the first one. */
const totalsBefore = Effect.fn("demo.totals")(function* (file: string, totals: string) {
  const files = yield* FileSystem.FileSystem
  const before = yield* Effect.option(files.readFileString(file))
  yield* files.writeFileString(file, totals)
  return before._tag === "None" ? undefined : before.value === totals
})
