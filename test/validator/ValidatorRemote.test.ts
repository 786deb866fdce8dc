import { createServer } from "node:net"
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { randomUUID } from "node:crypto"
import * as EncryptionLocal from "../../src/platform/EncryptionLocal.ts"
import { Day, OrgSlug, RunId } from "../../src/platform/Identifiers.ts"
import { Validator } from "../../src/validator/Validator.ts"
import * as ValidatorRemote from "../../src/validator/ValidatorRemote.ts"
import * as ApiService from "../support/ApiService.ts"
import { bytesOf, installation } from "../support/ServiceDatabase.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"
import * as HttpClientNode from "../../src/platform/HttpClientNode.ts"

const acme = OrgSlug.make("acme")
const secret = "acme_api_swordfish9swordf"
const newRun = () => Schema.decodeSync(RunId)(randomUUID())
const today = () => Day.make(new Date().toISOString().slice(0, 10))

const process = (folder: string, url: string, variables: Record<string, string> = {}) =>
  ValidatorRemote.layer.pipe(
    Layer.provide([HttpClientNode.layer, EncryptionLocal.layer]),
    Layer.provideMerge(installation(folder, { API_SERVICE_URL: url, API_SERVICE_TIMEOUT: "1", ...variables }))
  )

const start = Effect.gen(function* () {
  const api = yield* ApiService.make
  api.orgs.set(acme, { apiKey: secret })
  return { api, folder: yield* temporaryFolder }
})

const withApi = <A, E>(
  body: (api: ApiService.ApiService, folder: string) => Effect.Effect<A, E, Validator | SqlClient.SqlClient>
) =>
  Effect.gen(function* () {
    const { api, folder } = yield* start
    const answer = yield* Effect.provide(body(api, folder), process(folder, api.url))
    expect(api.violations).toEqual([])
    return answer
  })

const reserve = (runId = newRun(), more: { readonly pipelineId?: string; readonly apiKey?: string | null } = {}) =>
  Effect.flatMap(Validator, (validator) =>
    validator.reserve({
      org: acme,
      runId,
      pipelineId: more.pipelineId ?? "cloud_aws_cost_billing",
      ...(more.apiKey === null ? {} : { apiKey: Redacted.make(more.apiKey ?? secret) })
    })
  )
const complete = (runId: RunId, outcome: "SUCCESS" | "FAILED" = "SUCCESS", reservationDate = today()) =>
  Effect.flatMap(Validator, (validator) => validator.complete({ org: acme, runId, outcome, reservationDate }))

const refusal = (runId?: RunId, more?: Parameters<typeof reserve>[1]) =>
  Effect.map(Effect.flip(reserve(runId, more)), ({ code, status, retryAfterSeconds }) => [
    code,
    status,
    ...(retryAfterSeconds === undefined ? [] : [retryAfterSeconds])
  ])

const kept = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ readonly run_id: string }>`select run_id from run_authorities where sealed_api_key is not null`
)

it.scopedLive("a run that is allowed holds one slot until its completion is delivered once", () =>
  withApi((api) =>
    Effect.gen(function* () {
      const runId = newRun()
      expect(yield* reserve(runId)).toEqual({ reservationDate: today() })
      expect(yield* reserve(runId)).toEqual({ reservationDate: today() })
      expect([...api.open.keys()]).toEqual([runId])

      yield* complete(runId)
      yield* complete(runId)
      expect(api.seen.map(({ kind }) => kind)).toEqual(["validate", "validate", "complete"])
      expect(api.seen.every((seen) => seen.runId === runId)).toBe(true)
      expect([...api.released]).toEqual([[runId, 1]])
      expect(api.successes(acme, today())).toBe(1)
      expect(yield* kept).toEqual([])
    })
  )
)

it.scopedLive("the request id of the log goes along, else the run id", () =>
  withApi((api) =>
    Effect.gen(function* () {
      const runId = newRun()
      yield* Effect.annotateLogs(reserve(runId), "request_id", "req-77")
      yield* complete(runId)
      expect(api.seen.map(({ requestId }) => requestId)).toEqual(["req-77", runId])
    })
  )
)

it.scopedLive("subscription costs go by the name the API service knows", () =>
  withApi(() => reserve(newRun(), { pipelineId: "subscription_costs_subscription_cost" }))
)

it.scopedLive("each logical refusal has its code and status, and leaves no slot and no key", () =>
  withApi((api, folder) =>
    Effect.gen(function* () {
      const good = { apiKey: secret }
      const cases: Array<readonly [ReadonlyArray<string | number>, ApiService.ApiOrg]> = [
        [["SUBSCRIPTION_INACTIVE", 403], { ...good, subscription: "INACTIVE" }],
        [["SUBSCRIPTION_INACTIVE", 403], { ...good, subscription: "EXPIRED" }],
        [["SUBSCRIPTION_ERROR", 403], { ...good, subscription: "ERROR" }],
        [["QUOTA_EXCEEDED", 429, 86_400], { ...good, daily: 0 }],
        [["QUOTA_EXCEEDED", 429, 300], { ...good, concurrent: 0 }],
        [["INTEGRATION_NOT_CONFIGURED", 400], { ...good, integrated: false }],
        [["INVALID_API_KEY", 401], { apiKey: "acme_api_another0another0" }]
      ]
      for (const [expected, org] of cases) {
        api.orgs.set(acme, org)
        expect(yield* refusal()).toEqual(expected)
      }
      api.orgs.set(acme, good)
      expect(yield* refusal(newRun(), { pipelineId: "cloud_gcp_api_storage_buckets" })).toEqual([
        "PIPELINE_NOT_FOUND",
        404
      ])
      api.disabled.add("cloud_aws_cost_billing")
      expect(yield* refusal()).toEqual(["PIPELINE_DISABLED", 400])

      expect([...api.open]).toEqual([])
      expect(yield* kept).toEqual([])
      expect(api.seen.filter(({ kind }) => kind === "complete").map(({ outcome }) => outcome)).toEqual(["FAILED"])
      expect(bytesOf(folder)).not.toContain(secret)
    })
  )
)

const json = (body: object): ApiService.Trouble => ({ status: 200, body: JSON.stringify(body) })
const no = (error_code: string, more: object = {}) => json({ valid: false, org_slug: "acme", error_code, ...more })

const answers: ReadonlyArray<readonly [string, ApiService.Trouble, ReadonlyArray<string | number>]> = [
  ["401", { status: 401 }, ["INVALID_API_KEY", 401]],
  ["403", { status: 403 }, ["ACCESS_FORBIDDEN", 403]],
  ["404", { status: 404 }, ["PIPELINE_NOT_FOUND", 404]],
  ["422", { status: 422 }, ["VALIDATION_FAILED", 400]],
  ["400", { status: 400 }, ["VALIDATION_FAILED", 400]],
  ["429 with seconds", { status: 429, headers: { "retry-after": "17" } }, ["RATE_LIMIT_EXCEEDED", 429, 17]],
  ["429 without", { status: 429 }, ["RATE_LIMIT_EXCEEDED", 429]],
  [
    "429 with a past date",
    { status: 429, headers: { "retry-after": "Thu, 01 Jan 1970 00:00:00 GMT" } },
    ["RATE_LIMIT_EXCEEDED", 429, 0]
  ],
  ["500", { status: 500 }, ["VALIDATION_SERVICE_UNAVAILABLE", 503]],
  ["503 after the slot was taken", { status: 503, afterWork: true }, ["VALIDATION_SERVICE_UNAVAILABLE", 503]],
  ["a redirect", { status: 302, headers: { location: "/elsewhere" } }, ["API_SERVICE_ERROR", 502]],
  ["204", { status: 204, body: "" }, ["API_SERVICE_ERROR", 502]],
  ["no JSON", { status: 200, body: "<html>" }, ["API_SERVICE_ERROR", 502]],
  ["an empty body", { status: 200, body: "" }, ["API_SERVICE_ERROR", 502]],
  ["another shape", json({ ok: true }), ["API_SERVICE_ERROR", 502]],
  ["a yes that is text", json({ valid: "true" }), ["API_SERVICE_ERROR", 502]],
  ["a yes for another organisation", json({ valid: true, org_slug: "globex" }), ["API_SERVICE_ERROR", 502]],
  [
    "an endless body",
    { status: 200, body: `{"valid":true,"x":"${"x".repeat(2_000_000)}"}` },
    ["VALIDATION_SERVICE_UNAVAILABLE", 503]
  ],
  ["a cut", { cut: "before work" }, ["VALIDATION_SERVICE_UNAVAILABLE", 503]],
  ["a cut after the slot was taken", { cut: "after work" }, ["VALIDATION_SERVICE_UNAVAILABLE", 503]],
  ["a cut in the answer", { cut: "in the answer" }, ["VALIDATION_SERVICE_UNAVAILABLE", 503]],
  ["silence", { silent: "before work" }, ["VALIDATION_TIMEOUT", 503]],
  ["an unknown code", no("SOMETHING_NEW"), ["VALIDATION_FAILED", 400]],
  ["no code", json({ valid: false }), ["VALIDATION_FAILED", 400]],
  ["an error as text", no("PIPELINE_DISABLED", { error: "secret words" }), ["PIPELINE_DISABLED", 400]],
  ["a code within the error", json({ valid: false, error: { error_code: "ORG_MISMATCH" } }), ["ORG_MISMATCH", 403]],
  ["a quota's own wait", no("QUOTA_EXCEEDED", { error: { retry_after: 42 } }), ["QUOTA_EXCEEDED", 429, 42]],
  ["a used up day", no("QUOTA_EXCEEDED", { quota: { remaining_today: 0 } }), ["QUOTA_EXCEEDED", 429, 86_400]]
]

it.scopedLive(
  "each failure has its code and status; it is asked once, nothing is completed, and no foreign word gets out",
  () =>
    withApi((api) =>
      Effect.gen(function* () {
        for (const [name, trouble, expected] of answers) {
          api.seen.length = 0
          api.troubles.push(trouble)
          const refused = yield* Effect.flip(reserve())
          const { code, retryAfterSeconds, status } = refused
          expect([name, code, status, ...(retryAfterSeconds === undefined ? [] : [retryAfterSeconds])]).toEqual([
            name,
            ...expected
          ])
          expect([name, ...api.seen.map(({ kind }) => kind)]).toEqual([name, "validate"])
          expect(refused.message).not.toContain("secret")
          expect(yield* kept).toEqual([])
        }
      })
    )
)

it.scopedLive("a missing integration after the reserve gives the slot back, once, whatever comes of it", () =>
  withApi((api) =>
    Effect.gen(function* () {
      api.orgs.set(acme, { apiKey: secret, integrated: false })
      const runId = newRun()
      expect(yield* refusal(runId)).toEqual(["INTEGRATION_NOT_CONFIGURED", 400])
      expect([...api.released]).toEqual([[runId, 1]])

      api.seen.length = 0
      const second = newRun()
      api.troubles.push(no("INTEGRATION_ERROR"), { status: 500 })
      expect(yield* refusal(second)).toEqual(["INTEGRATION_ERROR", 400])
      expect(api.seen.map(({ kind, outcome }) => [kind, outcome])).toEqual([
        ["validate", undefined],
        ["complete", "FAILED"]
      ])
      expect(yield* kept).toEqual([])
    })
  )
)

it.scopedLive("each failed completion says whether another try is of use, and the key is kept until then", () =>
  withApi((api) =>
    Effect.gen(function* () {
      const retryable: ReadonlyArray<ApiService.Trouble> = [
        { status: 500 },
        { status: 503 },
        { status: 429 },
        { cut: "before work" },
        { silent: "before work" },
        json({ success: false })
      ]
      api.orgs.set(acme, { apiKey: secret, concurrent: 50 })
      const runId = newRun()
      yield* reserve(runId)
      for (const trouble of retryable) {
        api.troubles.push(trouble)
        expect(yield* Effect.flip(complete(runId))).toMatchObject({ _tag: "CompletionUndelivered", retryable: true })
      }
      expect(yield* kept).toEqual([{ run_id: runId }])
      yield* complete(runId)
      expect([...api.released]).toEqual([[runId, 1]])

      for (const status of [400, 401, 403, 404, 409, 422]) {
        const refused = newRun()
        yield* reserve(refused)
        api.troubles.push({ status })
        const failed = yield* Effect.flip(complete(refused))
        expect(failed).toMatchObject({ retryable: false })
        expect(failed.message).toContain(`the API service answered ${status}`)
      }
      expect(yield* kept).toEqual([])
      expect(yield* Effect.flip(complete(newRun()))).toMatchObject({ retryable: false })
    })
  )
)

it.scopedLive("after a restart the run is asked for and completed with the sealed key", () =>
  Effect.gen(function* () {
    const { api, folder } = yield* start
    const lines: Array<string> = []
    const logger = Logger.make(({ message, cause, annotations }) => {
      lines.push(JSON.stringify([message, cause, [...annotations]]))
    })
    const life = <A, E>(body: Effect.Effect<A, E, Validator | SqlClient.SqlClient>) =>
      body.pipe(Effect.provide(process(folder, api.url)), Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
    const runId = newRun()
    yield* life(reserve(runId))
    expect(bytesOf(folder)).not.toContain(secret)
    expect(yield* life(reserve(runId, { apiKey: null }))).toEqual({ reservationDate: today() })
    expect(api.open.size).toBe(1)
    api.troubles.push({ status: 500 })
    yield* life(Effect.flip(complete(runId)))
    yield* life(complete(runId, "FAILED"))
    yield* life(complete(runId, "FAILED"))
    expect([...api.released]).toEqual([[runId, 1]])
    expect(api.successes(acme, today())).toBe(0)
    expect(api.violations).toEqual([])
    expect(bytesOf(folder)).not.toContain(secret)
    expect(lines.join("\n")).not.toContain(secret)
  })
)

it.scopedLive("a repeated ask counts for the day of the first", () =>
  withApi(() =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const runId = newRun()
      yield* reserve(runId)
      yield* sql`update run_authorities set reservation_date = '2026-03-10'`
      expect(yield* reserve(runId)).toEqual({ reservationDate: "2026-03-10" })
    })
  )
)

it.scopedLive("without a key nothing is asked", () =>
  withApi((api) =>
    Effect.gen(function* () {
      expect(yield* refusal(newRun(), { apiKey: null })).toEqual(["MISSING_API_KEY", 401])
      expect(api.seen).toEqual([])
    })
  )
)

/** A port of this machine where nobody listens. */
const freePort = Effect.async<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

it.scopedLive(
  "a service that does not listen is tried three times, after 1 and 2 seconds; nothing can be reserved there",
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const url = `http://127.0.0.1:${yield* freePort}`
      const [took, refused] = yield* Effect.timed(Effect.provide(refusal(), process(folder, url)))
      expect(refused).toEqual(["VALIDATION_SERVICE_UNAVAILABLE", 503])
      expect(Duration.toMillis(took)).toBeGreaterThanOrEqual(3000)
    })
)

it.scopedLive("a broken store admits nobody and asks nothing", () =>
  withApi((api) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`drop table run_authorities`
      expect(yield* refusal()).toEqual(["STORE_UNAVAILABLE", 503])
      expect(yield* Effect.flip(complete(newRun()))).toMatchObject({ retryable: true })
      expect(api.seen).toEqual([])
    })
  )
)

it.scoped("the key of a run whose end was never reported is erased after a week", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    yield* Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`insert into run_authorities values ('r', 'acme', 'envelope1:x', '1970-01-01', '1970-01-01T00:00:00.000Z')`
      yield* TestClock.adjust("6 days")
      expect(yield* kept).toHaveLength(1)
      yield* TestClock.adjust("2 days")
      expect(yield* kept).toEqual([])
    }).pipe(Effect.provide(process(folder, "http://127.0.0.1:9")))
  })
)

it.scoped("an address that is none stops the start, naming the variable", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const failed = yield* Effect.flip(Effect.provide(Validator, process(folder, "not a url")))
    expect(failed.message).toBe("API_SERVICE_URL is not a URL")
  })
)
