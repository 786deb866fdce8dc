/**
 * Requests that no client library would send: each gets a proper answer in the one shape, and the server lives on.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as World from "../support/HttpWorld.ts"

const demo = "/api/v1/pipelines/run/acme_corp/cloud/test/cost/demo"
const megabyte = "x".repeat(1024 * 1024)

const request = (line: string, headers: ReadonlyArray<string> = [], body = "") =>
  `${line}\r\nHost: localhost\r\n${headers.map((header) => `${header}\r\n`).join("")}\r\n${body}`

const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`

const answerOf = (parts: ReadonlyArray<string | Buffer>, milliseconds?: number) =>
  Effect.map(World.raw(parts, milliseconds), World.parseRaw)

const expectError = (answer: ReturnType<typeof World.parseRaw>, status: number, code: string, label: string) => {
  expect(answer.status, label).toBe(status)
  expect(answer.json, label).toEqual({
    detail: expect.any(String),
    error_code: code,
    request_id: expect.stringMatching(/^[0-9a-f-]{36}$/)
  })
  expect(answer.head.toLowerCase(), label).toContain("content-type: application/json")
}

layer(World.layer(), { excludeTestServices: true })("limits of a request", (it) => {
  it.effect("refuses paths that climb, double a slash, hold a backslash, a semicolon or a NUL, raw and encoded", () =>
    Effect.gen(function* () {
      for (const path of [
        "/api/v1/../v1/pipelines/runs",
        "/api/v1/%2e%2e/pipelines/runs",
        "/api/v1/%2E./pipelines/runs",
        "/api/v1//pipelines/runs",
        "/api/v1/%2fpipelines/runs",
        "/api/v1/pipelines\\runs",
        "/api/v1/pipelines%5Cruns",
        "/api/v1/pipelines/runs%00",
        "/api/v1/procedures/sp_cloud_aws_convert_to_focus;x",
        "/api/v1/pipelines/runs%0a",
        "/api/v1/%zz",
        "/%",
        "/api/v1/%ff"
      ]) {
        expectError(yield* answerOf([request(`GET ${path} HTTP/1.1`)]), 400, "INVALID_PARAMETER", path)
      }
      expectError(yield* answerOf([request("GET /a\0b HTTP/1.1")]), 400, "INVALID_PARAMETER", "raw NUL")
    })
  )

  it.effect("lets the query hold what the path may not", () =>
    Effect.gen(function* () {
      const keys = yield* World.Keys
      const answer = yield* World.call("GET", "/api/v1/pipelines/runs?pipeline_id=..//%00%5C", World.withKey(keys.acme))
      expect(answer.status).toBe(200)
    })
  )

  it.effect("refuses headers that are too long, too many, malformed or missing", () =>
    Effect.gen(function* () {
      const health = "GET /health HTTP/1.1"
      const refused: ReadonlyArray<readonly [string, string]> = [
        ["one of 4 KB + 1", request(health, [`X-Long: ${"a".repeat(4097)}`])],
        [
          "9 KB in all",
          request(health, [`X-A: ${"a".repeat(3000)}`, `X-B: ${"a".repeat(3000)}`, `X-C: ${"a".repeat(3000)}`])
        ],
        ["beyond the parser's limit", request(health, [`X-Huge: ${"a".repeat(40_000)}`])],
        ["control character", request(health, ["X-Bell: a\x07b"])],
        ["space in a name", request(health, ["X Bell: a"])],
        ["no Host", `${health}\r\n\r\n`],
        ["two Hosts", request(health, ["Host: other"])],
        ["two lengths", request("POST /health HTTP/1.1", ["Content-Length: 1", "Content-Length: 2"], "x")],
        [
          "length and chunks",
          request("POST /health HTTP/1.1", ["Content-Length: 1", "Transfer-Encoding: chunked"], "x")
        ],
        ["length is no number", request("POST /health HTTP/1.1", ["Content-Length: x"])]
      ]
      for (const [label, text] of refused) {
        expectError(yield* answerOf([text]), 400, "INVALID_HEADERS", label)
      }
      const allowed = yield* answerOf([request(health, [`X-Long: ${"a".repeat(4096)}`])])
      expect(allowed.status).toBe(200)
    })
  )

  it.effect("answers what is not HTTP", () =>
    Effect.gen(function* () {
      expectError(yield* answerOf(["nonsense\r\n\r\n"]), 400, "INVALID_REQUEST", "nonsense")
      expectError(yield* answerOf(["\x16\x03\x01\x02\0\x01\r\n\r\n"]), 400, "INVALID_REQUEST", "TLS")
      expectError(yield* answerOf([request("GET / HTTP/9.9")]), 400, "INVALID_REQUEST", "version")
      expectError(yield* answerOf([request("CONNECT a:1 HTTP/1.1")]), 405, "METHOD_NOT_ALLOWED", "CONNECT")
      expectError(yield* answerOf([request("PROPFIND /health HTTP/1.1")]), 405, "METHOD_NOT_ALLOWED", "PROPFIND")
      expectError(yield* answerOf([request("GET /HEALTH HTTP/1.1")]), 404, "NOT_FOUND", "upper case")
      const upgrade = ["Connection: Upgrade", "Upgrade: websocket"]
      const protocol = yield* answerOf([request("GET /api/v1/pipelines/runs HTTP/1.1", upgrade)])
      expectError(protocol, 401, "MISSING_API_KEY", "upgrade")
    })
  )

  it.effect("answers 413 to a body that is announced too long, before it comes and after", () =>
    Effect.gen(function* () {
      const keys = yield* World.Keys
      const headers = [`X-API-Key: ${keys.acme}`, `Content-Length: ${11 * 1024 * 1024}`]
      const post = `POST ${demo} HTTP/1.1`
      expectError(yield* answerOf([request(post, headers)]), 413, "PAYLOAD_TOO_LARGE", "announced")
      const sent = yield* answerOf([request(post, headers), ...Array.from({ length: 11 }, () => megabyte)])
      expectError(sent, 413, "PAYLOAD_TOO_LARGE", "sent")
      const expecting = yield* answerOf([request(post, [...headers, "Expect: 100-continue"])])
      expectError(expecting, 413, "PAYLOAD_TOO_LARGE", "expected to continue")
    })
  )

  it.effect("answers 413 to a body that grows too long in chunks", () =>
    Effect.gen(function* () {
      const keys = yield* World.Keys
      const answer = yield* answerOf([
        request(`POST ${demo} HTTP/1.1`, [`X-API-Key: ${keys.acme}`, "Transfer-Encoding: chunked"]),
        ...Array.from({ length: 11 }, () => chunk(megabyte)),
        "0\r\n\r\n"
      ])
      expectError(answer, 413, "PAYLOAD_TOO_LARGE", "chunked")
    })
  )

  it.effect("takes a body in chunks, and one up to the limit", () =>
    Effect.gen(function* () {
      const keys = yield* World.Keys
      const post = (headers: ReadonlyArray<string>, body: string) =>
        answerOf([request(`POST ${demo} HTTP/1.1`, [`X-API-Key: ${keys.acme}`, ...headers], body)])
      const chunked = yield* post(
        ["Transfer-Encoding: chunked"],
        `${chunk('{"date":')}${chunk('"2026-02-30"}')}0\r\n\r\n`
      )
      expectError(chunked, 400, "INVALID_DATE", "chunked")
      const padded = `${" ".repeat(10 * 1024 * 1024 - 21)}{"date":"2026-02-30"}`
      expectError(yield* post([`Content-Length: ${padded.length}`], padded), 400, "INVALID_DATE", "10 MB")
      const broken = yield* post(["Transfer-Encoding: chunked"], "zz\r\n")
      expect(broken.status).toBe(400)
      expect(broken.json).toMatchObject({ error_code: "INVALID_REQUEST" })
    })
  )

  it.effect("survives callers who leave in the middle", () =>
    Effect.gen(function* () {
      const keys = yield* World.Keys
      const half = request(`POST ${demo} HTTP/1.1`, [`X-API-Key: ${keys.acme}`, "Content-Length: 100"], "{")
      yield* Effect.all(
        Array.from({ length: 20 }, () => World.raw([half], 20)),
        { concurrency: 20 }
      )
      expect((yield* World.call("GET", "/health")).status).toBe(200)
    })
  )
})
