/**
 * A whole installation in a temporary folder whose model providers are on the loopback.
 */
import { cpSync, existsSync, globSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
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
import { anthropicKey, genaiServer, openAiKey } from "../support/genaiServer.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const slug = Schema.decodeSync(OrgSlug)
export const acme = slug("acme_corp")
export const globex = slug("globex_2")
const day = Schema.decodeSync(Day)

/** The providers' servers. */
export class Server extends Context.Tag("test/GenaiServer")<Server, Effect.Effect.Success<typeof genaiServer>>() {}

const settings = (more: Readonly<Record<string, string>>) =>
  Layer.unwrapScoped(
    Effect.gen(function* () {
      const { endpoint } = yield* Server
      const folder = yield* temporaryFolder
      const map = new Map([
        ["DATA_DIR", folder],
        ["ENVIRONMENT", "test"],
        ["OPENAI_API_BASE_URL", `${endpoint}/v1`],
        ["ANTHROPIC_API_BASE_URL", endpoint],
        ...Object.entries(more)
      ])
      return Settings.layer.pipe(Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(map))))
    })
  )

/** The installation with further settings, its procedures created, two organisations, and both providers' keys for the first. */
export const layerWith = (more: Readonly<Record<string, string>>) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const organizations = yield* Organizations
      for (const org of [acme, globex]) {
        yield* organizations.create({ org, companyName: org, adminEmail: `ops@${org}.test`, plan: "ENTERPRISE" })
      }
      const { failed } = yield* (yield* ProcedureSync).sync()
      if (failed.length > 0) yield* Effect.dieMessage(JSON.stringify(failed))
      yield* credential(acme, "OPENAI", openAiKey)
      yield* credential(acme, "ANTHROPIC", anthropicKey)
    })
  ).pipe(
    Layer.provideMerge(Installation.layer),
    Layer.provideMerge(settings(more)),
    Layer.provideMerge(Layer.scoped(Server, genaiServer)),
    Layer.provideMerge(Logger.minimumLogLevel(LogLevel.Error))
  )

/** The installation with the settings that everybody has. */
export const layer = layerWith({})

/**
 * The shipped configuration, whose steps are tried again after a second instead of minutes, and pipelines of an organisation's own for the
 * two providers that have none.
 */
export const configsWithClouds = Effect.map(temporaryFolder, (folder) => {
  cpSync(fileURLToPath(new URL("../../configs", import.meta.url)), folder, { recursive: true })
  for (const file of globSync(join(folder, "genai/**/*.yml"))) {
    writeFileSync(file, readFileSync(file, "utf8").replaceAll(/backoff_seconds: \d+/g, "backoff_seconds: 1"))
  }
  const template = readFileSync(join(folder, "genai/payg/gemini.yml"), "utf8")
  for (const name of ["aws_bedrock", "gcp_vertex"]) {
    writeFileSync(
      join(folder, `genai/payg/${name}.yml`),
      template.replaceAll("gemini", name).replace(`genai-payg-${name}`, `genai-payg-${name.replace("_", "-")}`)
    )
  }
  return folder
})

/** Stores any credential. */
export const stored = (
  org: OrgSlug,
  provider: string,
  given: { readonly secret?: JsonObject; readonly metadata?: JsonObject; readonly credentialId?: string }
) =>
  Effect.flatMap(Credentials, (credentials) =>
    credentials.put({
      org,
      credentialId: given.credentialId ?? provider.toLowerCase(),
      provider,
      credentialName: given.credentialId ?? provider.toLowerCase(),
      metadata: given.metadata ?? {},
      secret: Redacted.make(JSON.stringify(given.secret ?? {}))
    })
  )

/** Stores a provider's bare key under the provider's name. */
export const credential = (org: OrgSlug, provider: string, key: string, credentialId = provider.toLowerCase()) =>
  Effect.flatMap(Credentials, (credentials) =>
    credentials.put({
      org,
      credentialId,
      provider,
      credentialName: credentialId,
      metadata: {},
      secret: Redacted.make(key)
    })
  )

/** Asks for a run of a pipeline over days. */
export const request = (
  org: OrgSlug,
  configId: string,
  startDate: string,
  endDate = startDate,
  credentialId?: string
) =>
  Effect.gen(function* () {
    const { runId } = yield* (yield* Runs).request({
      org,
      configId,
      trigger: "manual",
      triggerBy: "test",
      startDate: day(startDate),
      endDate: day(endDate),
      ...(credentialId === undefined ? {} : { credentialId })
    })
    return runId
  })

/** Runs a pipeline over days, to its end. */
export const run = (...asked: Parameters<typeof request>) =>
  Effect.gen(function* () {
    const runs = yield* Runs
    const runId = yield* request(...asked)
    yield* runs.awaitEnd(runId)
    return yield* runs.get(runId)
  })

/** Rows of a query on the organisation's tables. */
export const query = (org: OrgSlug, sql: string) =>
  Effect.flatMap(Warehouse, (warehouse) => Effect.flatMap(warehouse.org(org), (dataset) => dataset.query(sql)))

/** The samples beside the project are not there, which only a machine that is not CI may say. */
export const isAbsent = !existsSync(new URL("../../../shared/samples", import.meta.url)) && process.env["CI"] !== "true"

/** The text of a sample beside the project. */
export const sample = (path: string) =>
  readFileSync(new URL(`../../../shared/samples/${path}`, import.meta.url), "utf8")
