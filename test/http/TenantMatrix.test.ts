/**
 * Every operation of the OpenAPI document with every kind of caller: a route that is added is in the matrix without anybody's doing.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Runs } from "../../src/runs/Runs.ts"
import * as World from "../support/HttpWorld.ts"

const Document = Schema.Struct({
  paths: Schema.Record({
    key: Schema.String,
    value: Schema.Record({
      key: Schema.String,
      value: Schema.Struct({
        operationId: Schema.String,
        security: Schema.Array(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
      })
    })
  })
})

interface Operation {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly access: string
}

const operations = Effect.map(World.call("GET", "/openapi.json"), (answer): ReadonlyArray<Operation> =>
  Object.entries(Schema.decodeUnknownSync(Document)(answer.json).paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: operation.operationId,
      method: method.toUpperCase(),
      path,
      access: operation.security.map((each) => Object.keys(each).join("+")).join(" or ")
    }))
  )
)

/** The address of an operation on Acme's data. */
const address = (path: string, runId: string, ids: Record<string, string>): string => {
  const isOfProvider = path.includes("{provider}")
  const values: Record<string, string> = {
    org: World.acme,
    id: runId,
    category: "cloud",
    provider: "test",
    domain: isOfProvider ? "cost" : "test",
    pipeline: isOfProvider ? "demo" : "slow",
    ...ids,
    name: path.startsWith("/api/v1/tables/") ? "cost_data_standard_1_3" : "sp_cloud_test",
    alert_id: "total_cost_threshold_2500"
  }
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? expect.fail(`no value for {${name}}`))
}

/** The bodies of the operations that need one. */
const bodies: Readonly<Record<string, unknown>> = {
  "scheduler.putConfig": {
    provider: "test",
    domain: "cost",
    pipeline_template: "cloud/test/cost/demo",
    schedule_cron: "0 4 * * *"
  },
  "scheduler.createBackfill": { pipelines: ["cloud/test/slow"], start_date: "2026-05-01", end_date: "2026-05-02" },
  "scheduler.publishBatch": { org_slugs: ["acme_corp"], pipeline_id: "cloud/test/cost/demo" },
  "subscriptions.importPlans": { plans: [] },
  "notifications.send": { org_slug: "acme_corp", title: "Title", message: "Message" },
  "notifications.test": { org_slug: "acme_corp", channel_type: "email" },
  "notifications.summary": {
    org_slug: "acme_corp",
    summary_id: "weekly",
    summary_name: "Weekly",
    content: { period: "last_7_days", total_cost: "1.10", currency: "USD" }
  }
}

/** A schedule, a backfill and a notification of Acme's. */
const idsOfAcme = Effect.gen(function* () {
  const keys = yield* World.Keys
  const created = (operation: string, path: string) =>
    Effect.map(
      World.call("POST", `/api/v1/scheduler/org/acme_corp/${path}`, {
        ...World.withKey(keys.acme),
        body: bodies[operation]
      }),
      (answer) => Object(answer.json)
    )
  const sent = yield* World.call("POST", "/api/v1/notifications/send", {
    ...World.asRoot,
    body: { org_slug: "acme_corp", title: "Title", message: "Message", recipients: ["a@acme.test"] }
  })
  return {
    config_id: String((yield* created("scheduler.putConfig", "pipelines")).config_id),
    backfill_id: String((yield* created("scheduler.createBackfill", "backfills")).backfill_id),
    notification_id: String(Object(sent.json).results[0].notification_id)
  }
})

const codeOf = (answer: World.Answer): string => {
  const body = Object(answer.json)
  return answer.status < 400 ? "ok" : `${answer.status} ${body.error_code}`
}

const runOfAcme = Effect.gen(function* () {
  const keys = yield* World.Keys
  const runs = yield* Runs
  const answer = yield* World.call(
    "POST",
    "/api/v1/pipelines/run/acme_corp/cloud/test/cost/demo",
    World.withKey(keys.acme)
  )
  const runId = Object(answer.json).pipeline_logging_id
  yield* runs.awaitEnd(runId)
  return String(runId)
})

const request = ({ name }: Operation, headers: Record<string, string>) => ({
  headers,
  ...(bodies[name] === undefined ? {} : { body: bodies[name] })
})

const matrix = Effect.gen(function* () {
  const keys = yield* World.Keys
  const runId = yield* runOfAcme
  const ids = yield* idsOfAcme
  yield* World.call("POST", "/api/v1/procedures/sync", World.asRoot)
  const rows: Array<Record<string, string>> = []
  for (const operation of yield* operations) {
    const call = (headers: Record<string, string>) =>
      Effect.map(
        World.call(operation.method, address(operation.path, runId, ids), request(operation, headers)),
        (answer) => {
          expect(answer.status, `${operation.name}: ${answer.text}`).toBeLessThan(500)
          if (answer.status >= 400) expect(answer.json, operation.name).toHaveProperty("request_id")
          if (headers["X-API-Key"] === keys.other) expect(answer.text, operation.name).not.toContain("acme_corp")
          return codeOf(answer)
        }
      )
    rows.push({
      operation: operation.name,
      access: operation.access,
      hasOrg: String(operation.path.includes("{org}")),
      hasRun: String(operation.path.includes("{id}")),
      noKey: yield* call({}),
      // Another one each time: the same wrong key again and again is throttled.
      wrongKey: yield* call({ "X-API-Key": `acme_corp_api_${String(rows.length).padStart(16, "0")}` }),
      malformedKey: yield* call({ "X-API-Key": `nonsense${rows.length}` }),
      otherOrg: yield* call({ "X-API-Key": keys.other }),
      readOnly: yield* call({ "X-API-Key": keys.readOnly }),
      executeOnly: yield* call({ "X-API-Key": keys.executeOnly }),
      writeOnly: yield* call({ "X-API-Key": keys.writeOnly }),
      own: yield* call({ "X-API-Key": keys.acme }),
      wrongRoot: yield* call({ "X-CA-Root-Key": "x" }),
      root: yield* call({ "X-CA-Root-Key": World.rootKey })
    })
    if (operation.name === "procedures.drop") yield* World.call("POST", "/api/v1/procedures/sync", World.asRoot)
  }
  return rows
})

const executeOperations: ReadonlySet<string> = new Set([
  "pipelines.run",
  "pipelines.runOfProvider",
  "pipelines.cancel",
  "pipelines.retry",
  "scheduler.createBackfill",
  "scheduler.cancelBackfill"
])

const writeOperations: ReadonlySet<string> = new Set([
  "scheduler.putConfig",
  "scheduler.disableConfig",
  "scheduler.pause",
  "scheduler.resume",
  "subscriptions.importPlans",
  "notificationHistory.acknowledge"
])

const expectedOf = (row: Record<string, string>): Record<string, unknown> => {
  const scope = "403 INSUFFICIENT_SCOPE"
  const writes = writeOperations.has(row["operation"] ?? "")
  const executes = executeOperations.has(row["operation"] ?? "")
  const foreign = row["hasOrg"] === "true" ? "403 ORG_MISMATCH" : row["hasRun"] === "true" ? "404 RUN_NOT_FOUND" : "ok"
  const org = {
    noKey: "401 MISSING_API_KEY",
    wrongKey: "401 INVALID_API_KEY",
    malformedKey: "401 INVALID_API_KEY",
    otherOrg: foreign,
    readOnly: executes || writes ? scope : "ok",
    executeOnly: executes ? "ok" : scope,
    writeOnly: writes ? "ok" : scope,
    own: "ok"
  }
  switch (row["access"]) {
    case "":
      return { noKey: "ok", wrongKey: "ok", otherOrg: "ok", own: "ok", wrongRoot: "ok", root: "ok" }
    case "orgKey":
      return { ...org, wrongRoot: "401 MISSING_API_KEY", root: "401 MISSING_API_KEY" }
    case "rootKey or orgKey":
      return { ...org, wrongRoot: "403 ROOT_KEY_INVALID", root: "ok" }
    case "rootKey": {
      const required = "401 ROOT_KEY_REQUIRED"
      return {
        noKey: required,
        wrongKey: required,
        otherOrg: required,
        readOnly: required,
        executeOnly: required,
        writeOnly: required,
        own: required,
        wrongRoot: "403 ROOT_KEY_INVALID",
        root: "ok"
      }
    }
    default:
      return expect.fail(`operation ${row["operation"]} has an access that the matrix does not know: ${row["access"]}`)
  }
}

layer(World.layer(), { excludeTestServices: true })("tenant matrix", (it) => {
  it.effect("each operation lets in whom it should, and nobody else", () =>
    Effect.gen(function* () {
      const rows = yield* matrix
      expect(rows.length).toBeGreaterThanOrEqual(44)
      for (const row of rows) expect(row, row["operation"]).toMatchObject(expectedOf(row))
    })
  )

  it.effect("the document names every route of the server but the pages of the document itself", () =>
    Effect.gen(function* () {
      const known = (yield* operations).map(({ method, path }) => `${method} ${path}`)
      for (const path of ["/docs", "/openapi.json"]) {
        expect((yield* World.call("GET", path)).status).toBe(200)
        expect(known).not.toContain(`GET ${path}`)
      }
      expect(known.filter((each) => !each.includes("/api/v1/")).sort()).toEqual([
        "GET /",
        "GET /health",
        "GET /health/live",
        "GET /health/ready",
        "GET /metrics"
      ])
    })
  )
})
