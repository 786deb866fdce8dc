/**
 * The one error shape, whatever fails: golden bodies, and a failure of each kind.
 */
import { describe, expect, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Schema from "effect/Schema"
import { EventLogUnavailable } from "../../src/eventlog/EventLog.ts"
import { apiError, bodyOf, fromDomain } from "../../src/http/Errors.ts"
import { PipelineInvalid } from "../../src/pipelines/Catalogue.ts"
import { ShuttingDown } from "../../src/runs/Runs.ts"
import { RunNotAllowed } from "../../src/validator/Validator.ts"
import { StatementFailed } from "../../src/warehouse/Warehouse.ts"
import * as World from "../support/HttpWorld.ts"

const run = "/api/v1/pipelines/run/acme_corp/cloud/test/cost/demo"

/** Headers and body of an answer, as far as the contract fixes them. */
const goldenOf = (answer: World.Answer) => ({
  status: answer.status,
  body: answer.json,
  retryAfter: answer.headers.get("retry-after"),
  challenge: answer.headers.get("www-authenticate"),
  allow: answer.headers.get("allow")
})

const golden = (status: number, error_code: string, detail: string, headers: Record<string, string> = {}) => ({
  status,
  body: { detail, error_code, request_id: "golden-1" },
  retryAfter: null,
  challenge: null,
  allow: null,
  ...headers
})

const named = (headers: Record<string, string> = {}) => ({ headers: { "X-Request-ID": "golden-1", ...headers } })

layer(World.layer(), { excludeTestServices: true })("failed answers", (it) => {
  it.effect("have golden bodies", () =>
    Effect.gen(function* () {
      const keys = yield* World.Keys
      const key = { "X-API-Key": keys.acme }
      const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: unknown) =>
        Effect.map(World.call(method, path, { ...named(headers), body }), goldenOf)
      expect(yield* ask("GET", "/nowhere")).toEqual(
        golden(404, "NOT_FOUND", "there is no such path: see /openapi.json")
      )
      expect(yield* ask("PUT", "/api/v1/pipelines/runs")).toEqual(
        golden(405, "METHOD_NOT_ALLOWED", "this path has only GET, HEAD", { allow: "GET, HEAD" })
      )
      expect(yield* ask("POST", "/api/v1/pipelines/runs/11111111-1111-4111-8111-111111111111")).toEqual(
        golden(405, "METHOD_NOT_ALLOWED", "this path has only DELETE, GET, HEAD", { allow: "DELETE, GET, HEAD" })
      )
      expect(yield* ask("GET", run)).toEqual(
        golden(405, "METHOD_NOT_ALLOWED", "this path has only POST", { allow: "POST" })
      )
      expect(yield* ask("POST", run)).toEqual(
        golden(401, "MISSING_API_KEY", "this call needs the header X-API-Key", { challenge: "ApiKey" })
      )
      expect(yield* ask("POST", run, { "X-API-Key": "acme_corp_api_abcdefghijklmnop" })).toEqual(
        golden(
          401,
          "INVALID_API_KEY",
          "the API key is not valid: check it, or ask an administrator for a new one (admin key create)"
        )
      )
      expect(yield* ask("POST", run, key, "{'a'}")).toEqual(golden(400, "INVALID_JSON", "the body is not JSON"))
      expect(yield* ask("POST", run, key, { date: "2026-02-30" })).toEqual(
        golden(400, "INVALID_DATE", "date is not a real day: write YYYY-MM-DD")
      )
      expect(yield* ask("POST", "/api/v1/pipelines/run/acme_corp/cloud/no/such", key)).toEqual(
        golden(404, "TEMPLATE_NOT_FOUND", "Template not found: cloud/no/such")
      )
      expect(yield* ask("POST", run, key, { force_refresh: 1, more: true })).toEqual({
        ...golden(422, "REQUEST_INVALID", ""),
        body: {
          detail: [
            { loc: ["body", "more"], msg: expect.stringContaining("is unexpected"), type: "extra_forbidden" },
            { loc: ["body", "force_refresh"], msg: "Expected boolean, actual 1", type: "value_error" }
          ],
          error_code: "REQUEST_INVALID",
          request_id: "golden-1"
        }
      })
      // A name that every object of JavaScript has is a field like any other.
      for (const name of ["__proto__", "constructor"]) {
        expect((yield* ask("POST", run, key, `{"${name}": 1}`)).body).toMatchObject({
          detail: [{ loc: ["body", name], msg: expect.stringContaining("is unexpected"), type: "extra_forbidden" }]
        })
      }
      expect(yield* ask("GET", "/api/v1/pipelines/acme_corp/runs?trigger_type=x", key)).toEqual({
        ...golden(422, "REQUEST_INVALID", ""),
        body: {
          detail: [
            {
              loc: ["query", "trigger_type"],
              msg: 'Expected "api" or "scheduler" or "pubsub" or "retry" or "manual", actual "x"',
              type: "value_error"
            }
          ],
          error_code: "REQUEST_INVALID",
          request_id: "golden-1"
        }
      })
    })
  )

  it.effect("carry the request id and the common headers, as good answers do", () =>
    Effect.gen(function* () {
      for (const path of ["/health", "/nowhere", "/api/v1/pipelines/runs", "/a/../b"]) {
        const answer = yield* World.call("GET", path, named())
        expect(answer.headers.get("x-request-id")).toBe("golden-1")
        expect(answer.headers.get("x-api-version")).toBe("v1")
        expect(Number(answer.headers.get("x-process-time"))).toBeGreaterThan(0)
      }
      for (const bad of ["a b", "x".repeat(129), "<script>"]) {
        const answer = yield* World.call("GET", "/health", { headers: { "X-Request-ID": bad } })
        expect(answer.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/)
      }
    })
  )
})

const secret = "/var/data/service.db is locked by process 17"

layer(
  World.layer({
    runs: (runs) => ({
      ...runs,
      get: () => new EventLogUnavailable({ operation: "read", cause: new Error(secret) }),
      list: () => Effect.die(new Error(secret)),
      request: ({ configId }) =>
        configId === "cloud/test/slow"
          ? new ShuttingDown()
          : new RunNotAllowed({
              code: "QUOTA_EXCEEDED",
              status: 429,
              message: "6 of 6 runs today",
              retryAfterSeconds: 86_400
            })
    })
  }),
  { excludeTestServices: true }
)("failures of the service", (it) => {
  it.effect("a store that does not answer is 503, a fault is 500, and neither tells what is inside", () =>
    Effect.gen(function* () {
      const keys = yield* World.Keys
      const headers = { "X-API-Key": keys.acme }
      const id = "11111111-1111-4111-8111-111111111111"
      const store = yield* World.call("GET", `/api/v1/pipelines/runs/${id}`, named(headers))
      expect(goldenOf(store)).toEqual(
        golden(503, "STORE_UNAVAILABLE", "a store of the service does not answer: try again in a few seconds", {
          retryAfter: "5"
        })
      )
      const fault = yield* World.call("GET", "/api/v1/pipelines/runs", named(headers))
      const message = "the request failed through a fault of the service: tell the operator the request id"
      expect(goldenOf(fault)).toEqual({
        ...golden(500, "INTERNAL_ERROR", message),
        body: {
          detail: message,
          error: "Internal server error",
          message,
          error_code: "INTERNAL_ERROR",
          request_id: "golden-1"
        }
      })
      expect(store.text + fault.text).not.toContain("locked")
      const quota = yield* World.call("POST", run, named(headers))
      expect(goldenOf(quota)).toEqual(golden(429, "QUOTA_EXCEEDED", "6 of 6 runs today", { retryAfter: "86400" }))
      const stopping = yield* World.call("POST", "/api/v1/pipelines/run/acme_corp/cloud/test/slow", named(headers))
      expect(goldenOf(stopping)).toMatchObject({ status: 503, retryAfter: "5", body: { error_code: "SHUTTING_DOWN" } })
    })
  )
})

layer(
  World.layer({
    runs: (runs) => ({
      ...runs,
      request: () =>
        Effect.flatMap(FiberRef.get(FiberRef.currentLogAnnotations), (annotations) =>
          Effect.fail(new RunNotAllowed({ code: "X", status: 400, message: JSON.stringify(annotations) }))
        ),
      list: () => Effect.succeed({ runs: [Object.assign({}, { runId: 1 }) as never], total: 1 })
    })
  }),
  { excludeTestServices: true }
)("between the caller and the rooms below", (it) => {
  it.effect("the request id goes along, for logs and the validator", () =>
    Effect.gen(function* () {
      const keys = yield* World.Keys
      const answer = yield* World.call("POST", run, named({ "X-API-Key": keys.acme }))
      expect(answer.text).toContain("request_id")
      expect(Object(answer.json).detail).toContain("golden-1")
    })
  )

  it.effect("an answer that is not what the schema says is a fault of the service, not of the caller", () =>
    Effect.gen(function* () {
      const keys = yield* World.Keys
      const answer = yield* World.call("GET", "/api/v1/pipelines/runs?limit=5", World.withKey(keys.acme))
      expect(answer.status).toBe(500)
      expect(answer.json).toMatchObject({ error_code: "INTERNAL_ERROR" })
    })
  )
})

describe("the way from a typed error to its answer", () => {
  it("gives each domain error its status and code", () => {
    const statusAndCode = (error: Parameters<typeof fromDomain>[0]) => [
      fromDomain(error).status,
      fromDomain(error).code
    ]
    expect(statusAndCode(new PipelineInvalid({ file: "x.yml", line: 3, reason: "bad" }))).toEqual([
      500,
      "CONFIG_INVALID"
    ])
    expect(statusAndCode(new StatementFailed({ statement: "x", reason: "y" }))).toEqual([500, "INTERNAL_ERROR"])
  })

  it("tells a rate limit in both shapes of the contract", () => {
    expect(bodyOf(apiError("RATE_LIMIT_EXCEEDED", "too many", { retryAfterSeconds: 7 }), "r")).toEqual({
      error: "Rate limit exceeded",
      message: "too many",
      retry_after: 7,
      detail: "too many",
      error_code: "RATE_LIMIT_EXCEEDED",
      request_id: "r"
    })
  })

  it("never shows the cause", () => {
    const error = apiError("INTERNAL_ERROR", "fault", { cause: new Error(secret) })
    expect(JSON.stringify(bodyOf(error, "r"))).not.toContain("locked")
    expect(Schema.is(Schema.Struct({ detail: Schema.Literal("fault") }))(bodyOf(error, "r"))).toBe(true)
  })
})
