/**
 * A whole service behind a real port of this machine: real runs, event log, organisations, rate limits. Its pipelines are test pipelines.
 */
import { connect } from "node:net"
import { join } from "node:path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Judge } from "../../src/focus/Judge.ts"
import * as Server from "../../src/http/Server.ts"
import * as Installation from "../../src/Installation.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import * as NotifierServices from "../../src/notifier/NotifierServices.ts"
import * as OrganizationsSql from "../../src/organizations/OrganizationsSql.ts"
import * as EncryptionLocal from "../../src/platform/EncryptionLocal.ts"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import { Runs, type RunsService } from "../../src/runs/Runs.ts"
import * as SubscriptionPlansWarehouse from "../../src/subscriptions/SubscriptionPlansWarehouse.ts"
import * as WarehouseDuckDb from "../../src/warehouse/duckdb/WarehouseDuckDb.ts"
import { ProcedureSync } from "../../src/warehouse/ProcedureSync.ts"
import { pipeline, step } from "./pipelines.ts"
import * as RunsWorld from "./RunsWorld.ts"
import { settings } from "./ServiceDatabase.ts"
import { temporaryFolder } from "./TemporaryDatabase.ts"

export const rootKey = "root-key-of-the-tests-0123456789abcdef"
export const acme = Schema.decodeSync(OrgSlug)("acme_corp")
export const other = Schema.decodeSync(OrgSlug)("other_org")

/** The keys of the two organisations, and of Acme with one scope each. */
export class Keys extends Context.Tag("test/Keys")<
  Keys,
  {
    readonly acme: string
    readonly other: string
    readonly readOnly: string
    readonly executeOnly: string
    readonly writeOnly: string
  }
>() {}

const keys = Layer.effect(
  Keys,
  Effect.gen(function* () {
    const organizations = yield* Organizations
    for (const org of [acme, other]) {
      yield* organizations.create({ org, companyName: org, adminEmail: `admin@${org.replaceAll("_", "-")}.test` })
    }
    const key = (org: OrgSlug, scopes: ReadonlyArray<string>) =>
      Effect.map(organizations.createKey(org, { scopes }), ({ secret }) => Redacted.value(secret))
    return {
      acme: yield* key(acme, []),
      other: yield* key(other, []),
      readOnly: yield* key(acme, ["pipelines:read"]),
      executeOnly: yield* key(acme, ["pipelines:execute"]),
      writeOnly: yield* key(acme, ["pipelines:write"])
    }
  })
)

export interface WorldOptions {
  readonly variables?: Readonly<Record<string, string>>
  readonly script?: RunsWorld.Script
  readonly ledger?: RunsWorld.Ledger["Type"]
  /** Changes what the runs service answers, to see how its failures are told. */
  readonly runs?: (runs: RunsService) => RunsService
}

const pipelines = [
  pipeline([step("extract", []), step("convert", ["extract"])], { configId: "cloud/test/cost/demo" }),
  pipeline([step("slow", [])], { configId: "cloud/test/slow", templateId: "cloud_test_slow" })
]

/** The service; the rate limits are wide unless the test narrows them. */
export const layer = (options: WorldOptions = {}) =>
  Layer.unwrapScoped(
    Effect.map(temporaryFolder, (folder) => {
      const variables = {
        API_PORT: "0",
        CA_ROOT_API_KEY: rootKey,
        RATE_LIMIT_REQUESTS_PER_MINUTE: "100000",
        RATE_LIMIT_REQUESTS_PER_HOUR: "100000",
        RATE_LIMIT_PIPELINE_RUN_PER_MINUTE: "100000",
        RATE_LIMIT_GLOBAL_REQUESTS_PER_MINUTE: "100000",
        GCP_PROJECT_ID: "test-project",
        PROCEDURES_PATH: "test/http/procedures",
        ...options.variables
      }
      const runs = RunsWorld.layer({
        database: join(folder, "service.db"),
        pipelines,
        script: options.script ?? {},
        ledger: options.ledger ?? RunsWorld.makeLedger()
      })
      const changedRuns = Layer.effect(Runs, Effect.map(Runs, options.runs ?? ((same) => same)))
      const services = Layer.mergeAll(Installation.scheduling, Installation.alerts, Judge.layer, keys).pipe(
        Layer.provideMerge(
          Layer.merge(ProcedureSync.layer, SubscriptionPlansWarehouse.layer).pipe(
            Layer.provideMerge(WarehouseDuckDb.layer)
          )
        ),
        Layer.provideMerge(Layer.merge(OrganizationsSql.layer, NotifierServices.channels)),
        Layer.provideMerge(changedRuns.pipe(Layer.provideMerge(runs))),
        Layer.provideMerge(EncryptionLocal.layer)
      )
      return Server.layer.pipe(
        Layer.provideMerge(services),
        Layer.provideMerge(Layer.merge(settings(folder, variables), NodeContext.layer))
      )
    })
  )

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body as JSON; fails the test when it is none. */
  readonly json: unknown
}

/** Port of the server. */
export const port = Effect.map(HttpServer.HttpServer, ({ address }) =>
  address._tag === "TcpAddress" ? address.port : 0
)

/** One request. `path` may be absolute below the server only. */
export const call = (
  method: string,
  path: string,
  options: { readonly headers?: Record<string, string>; readonly body?: unknown } = {}
): Effect.Effect<Answer, never, HttpServer.HttpServer> =>
  Effect.flatMap(port, (port) =>
    Effect.promise(async (signal) => {
      const body = options.body
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        signal,
        headers: {
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...options.headers
        },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
      })
      const text = await response.text()
      const json = Either.getOrUndefined(Either.try(() => JSON.parse(text)))
      return { status: response.status, headers: response.headers, text, json }
    })
  )

/** Opens a stream of text; each `next` answers what has come, or undefined at the end. Closed with the scope. */
export const openStream = (path: string, headers: Record<string, string>) =>
  Effect.gen(function* () {
    const address = `http://127.0.0.1:${yield* port}${path}`
    const abort = yield* Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (controller) => Effect.sync(() => controller.abort())
    )
    const response = yield* Effect.promise(() => fetch(address, { headers, signal: abort.signal }))
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    const next = Effect.promise(() => reader.read().then(({ value }) => value))
    return { status: response.status, headers: response.headers, next }
  })

/** Sends a request and hangs up. */
export const abandon = (path: string, key: string): Effect.Effect<void, never, HttpServer.HttpServer> =>
  Effect.flatMap(port, (port) =>
    Effect.async<void>((resume) => {
      const socket = connect(port, "127.0.0.1", () =>
        socket.write(`GET ${path} HTTP/1.1\r\nHost: test\r\nX-API-Key: ${key}\r\n\r\n`, () => socket.destroy())
      )
      socket.on("close", () => resume(Effect.void))
    })
  )

/** Sends bytes as they are and answers with the first whole answer, or what came of it when nothing more comes for `milliseconds`. */
export const raw = (
  parts: ReadonlyArray<string | Buffer>,
  milliseconds = 2_000
): Effect.Effect<string, never, HttpServer.HttpServer> =>
  Effect.flatMap(port, (port) =>
    Effect.async<string>((resume) => {
      const socket = connect(port, "127.0.0.1")
      let received = ""
      const finish = () => {
        socket.destroy()
        resume(Effect.succeed(received))
      }
      socket.setTimeout(milliseconds, finish)
      socket.on("data", (data) => {
        received += data.toString("latin1")
        const length = /\r\ncontent-length: (\d+)/i.exec(received)?.[1]
        const start = received.indexOf("\r\n\r\n") + 4
        if (length !== undefined && start > 3 && received.length - start >= Number(length)) finish()
      })
      socket.on("end", finish).on("error", finish)
      socket.on("connect", () => {
        for (const part of parts) socket.write(part)
      })
    })
  )

/** Status, error code and body of a raw answer. */
export const parseRaw = (text: string) => {
  const [head = "", body = ""] = text.split("\r\n\r\n")
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1])
  const json: unknown = Either.getOrUndefined(Either.try(() => JSON.parse(body)))
  return { status, head, body, json }
}

/** The header of an organisation's key. */
export const withKey = (key: string, more: Record<string, string> = {}) => ({ headers: { "X-API-Key": key, ...more } })
/** The header of the root key. */
export const asRoot = { headers: { "X-CA-Root-Key": rootKey } }
