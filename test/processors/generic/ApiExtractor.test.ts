/**
 * Items of JSON APIs: every way of paging and of proving who asks, exactly, and what is never called.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Credentials } from "../../../src/credentials/Credentials.ts"
import { isLoopbackAddress } from "../../../src/platform/PublicAddress.ts"
import type { JsonObject } from "../../../src/platform/Json.ts"
import * as ApiExtractor from "../../../src/processors/generic/ApiExtractor.ts"
import type { Fault } from "../../support/httpServer.ts"
import { jsonApiServer, secret } from "../../support/jsonApiServer.ts"
import { contextOf, days, org, query, world } from "../cloud/support.ts"

const five = ["0.10", "1.234567890123456789", "-3e-9", "4", "null"].map(
  (amount, index) => `{"id":"i${index}","cost":{"amount":${amount}}}`
)

const configOf = (endpoint: string, paging: string, more: JsonObject = {}): JsonObject => ({
  url: `${endpoint}/v1/${paging}/items`,
  data_path: "data.items",
  requests_per_second: 100,
  limit: { parameter: "limit", items: 2 },
  pagination: {
    cursor: { type: "cursor", parameter: "after", cursor_path: "meta.next" },
    offset: { type: "offset", parameter: "offset" },
    page: { type: "page", parameter: "page" },
    link: { type: "link" }
  }[paging] ?? { type: "none" },
  mapping: { amount: "cost.amount" },
  ...more
})

const extract = (config: JsonObject, over = {}) =>
  Effect.flatMap(ApiExtractor.makeFor(isLoopbackAddress), ({ execute }) =>
    execute(contextOf({ pipelineId: "acme_api", stepId: "read", config, ...days("2026-03-01", "2026-03-01"), ...over }))
  )

const credential = (endpoint: string, metadata: JsonObject = {}) =>
  Effect.flatMap(Credentials, (credentials) =>
    credentials.put({
      org,
      credentialId: "api_1",
      provider: "API",
      credentialName: "api",
      metadata: { base_url: `${endpoint}/v1`, ...metadata },
      secret: Redacted.make(JSON.stringify({ secret }))
    })
  )

const amounts = query(
  "SELECT JSON_VALUE(raw_data, '$.id') AS id, JSON_VALUE(mapped, '$.amount') AS amount FROM generic_api_raw ORDER BY 1"
)
const all = ["0.10", "1.234567890123456789", "-3e-9", "4", null].map((amount, index) => ({ id: `i${index}`, amount }))

const withServer = <A, E, R>(body: (server: Effect.Effect.Success<typeof jsonApiServer>) => Effect.Effect<A, E, R>) =>
  world(() =>
    Effect.gen(function* () {
      const server = yield* jsonApiServer
      server.items.push(...five)
      return yield* body(server)
    })
  )

describe("an API", () => {
  it.scopedLive("is read to its end by cursor, offset, page number, link, or at once, and a day is replaced", () =>
    withServer(({ endpoint, items, journal }) =>
      Effect.gen(function* () {
        for (const [paging, pages] of Object.entries({ cursor: 3, offset: 3, page: 3, link: 3, none: 1 })) {
          const before = journal.length
          const output = yield* extract(configOf(endpoint, paging))
          expect([paging, output.rowsWritten, journal.length - before]).toEqual([paging, 5, pages])
          expect(yield* amounts).toEqual(all)
        }
        items.length = 4
        expect(yield* extract(configOf(endpoint, "offset"))).toMatchObject({ rowsWritten: 4 })
        items.length = 0
        expect(yield* extract(configOf(endpoint, "offset"))).toMatchObject({ rowsWritten: 0 })
        expect(yield* amounts).toEqual([])
      })
    )
  )

  const ways: ReadonlyArray<{ readonly auth: JsonObject; readonly metadata?: JsonObject }> = [
    { auth: { type: "bearer" } },
    { auth: { type: "header", name: "X-Key" } },
    { auth: { type: "query", name: "key" } },
    { auth: { type: "basic" }, metadata: { username: "reader" } },
    { auth: { type: "oauth2" }, metadata: { client_id: "reader", scope: "items.read" } }
  ]
  it.scopedLive(
    "is told who asks in five ways; an expired token is renewed; a call that fails for a moment is made again",
    () =>
      withServer(({ endpoint, faults, state }) =>
        Effect.gen(function* () {
          const answer =
            (status: number): Fault =>
            (_, response) => {
              response.writeHead(status, { "retry-after": "0" }).end("{}")
              return true
            }
          for (const { auth, metadata } of ways) {
            state.auth = String(auth["type"])
            const token = state.auth === "oauth2" ? { token_url: `${endpoint}/token` } : {}
            yield* credential(endpoint, { ...metadata, ...token })
            if (state.auth === "oauth2") faults.push(() => false)
            else faults.push(answer(429), answer(503))
            const output = yield* extract(configOf(endpoint, "page", { auth }))
            expect([state.auth, output.rowsWritten]).toEqual([state.auth, 5])
            faults.length = 0
          }
          // The second page is refused as with an expired token: one more is asked for.
          let pages = 0
          faults.push(({ url }, response) => {
            if (!url.pathname.startsWith("/v1") || ++pages !== 2) return false
            response.writeHead(401).end("{}")
            return true
          })
          expect(yield* extract(configOf(endpoint, "page", { auth: { type: "oauth2" } }))).toMatchObject({
            rowsWritten: 5
          })
          expect(state.tokens).toBe(3)
          expect(yield* query("SELECT DISTINCT x_credential_id AS id FROM generic_api_raw")).toEqual([{ id: "api_1" }])
        })
      )
  )

  const fixed =
    (status: number, body: string, headers: Readonly<Record<string, string>> = {}): Fault =>
    (_, response) => {
      response.writeHead(status, headers).end(body)
      return true
    }
  const page = (cursor: string) => fixed(200, `{"data":{"items":[{"id":"x"}]},"meta":{"next":"${cursor}"}}`)
  const broken = [
    { what: "HTML", faults: [fixed(200, "<html>")], error: /no JSON/ },
    { what: "half of an answer", faults: [fixed(200, '{"data":{"items":[{"i')], error: /no JSON/ },
    { what: "no list", faults: [fixed(200, '{"data":{}}')], error: /no list at data_path/ },
    { what: "a cursor that comes again", faults: [page("a"), page("b"), page("a")], error: /pages do not end/ },
    { what: "a refusal on its second page", faults: [page("c-2"), fixed(403, "{}")], error: /HTTP 403/ },
    { what: "a redirect", faults: [fixed(302, "", { location: "http://169.254.169.254/" })], error: /HTTP 302/ },
    {
      what: "a next page on another host",
      paging: "link",
      faults: [fixed(200, '{"data":{"items":[]}}', { link: '<http://127.0.0.2/v1>; rel="next"' })],
      error: /another host/
    }
  ]
  it.scopedLive.each(broken)(
    "that answers with $what fails the step, and what was there stays",
    ({ error, faults, paging = "cursor" }) =>
      withServer((server) =>
        Effect.gen(function* () {
          yield* extract(configOf(server.endpoint, "cursor"))
          server.faults.push(...faults)
          const failure = yield* Effect.flip(extract(configOf(server.endpoint, paging)))
          expect([failure.errorType, failure.message]).toEqual(["PERMANENT", expect.stringMatching(error)])
          expect(server.faults).toEqual([])
          expect(yield* amounts).toEqual(all)
        })
      )
  )

  it.scopedLive("that does not accept the secret is one clear error without it", () =>
    withServer(({ endpoint, state }) =>
      Effect.gen(function* () {
        state.auth = "header"
        yield* credential(endpoint)
        const failure = yield* Effect.flip(extract(configOf(endpoint, "page", { auth: { type: "bearer" } })))
        expect(failure.message).toMatch(/HTTP 401, UNKNOWN_CALLER/)
        expect(JSON.stringify(failure)).not.toContain(secret)
      })
    )
  )

  it.scopedLive("elsewhere than where the credential's secret belongs is not told it", () =>
    withServer(({ endpoint, journal }) =>
      Effect.gen(function* () {
        yield* credential("https://api.example.com")
        const failure = yield* Effect.flip(extract(configOf(endpoint, "page", { auth: { type: "bearer" } })))
        expect(failure).toMatchObject({ code: "INTEGRATION_NOT_CONFIGURED" })
        expect(journal).toEqual([])
      })
    )
  )

  it.scopedLive("on this machine, in its network, or by http is not called by the shipped step", () =>
    withServer(({ endpoint, journal }) =>
      Effect.gen(function* () {
        const { check, execute } = yield* ApiExtractor.make
        for (const url of [
          `${endpoint}/v1/none/items`,
          endpoint.replace("127.0.0.1", "localhost"),
          "https://169.254.169.254/latest/meta-data",
          "https://[::1]/x",
          "https://10.0.0.1/x",
          "http://192.0.2.1/x",
          "https://user:pass@192.0.2.1/x"
        ]) {
          const failure = yield* Effect.flip(execute(contextOf({ config: { url } })))
          expect([url, failure.errorType, failure.code]).toEqual([url, "PERMANENT", "ENDPOINT_REFUSED"])
        }
        expect(journal).toEqual([])
        expect(check({ url: "file:///etc/passwd" })).toMatch(/config has url/)
        expect(check({ url: "https://api.example.com/x", colour: "red" })).toMatch(/config has url/)
      })
    )
  )

  it.scopedLive("written into a table that another step of the run has filled is refused", () =>
    withServer(({ endpoint }) =>
      Effect.gen(function* () {
        const { runId } = contextOf()
        yield* extract(configOf(endpoint, "none"), { runId })
        const failure = yield* Effect.flip(extract(configOf(endpoint, "none"), { runId, stepId: "second" }))
        expect(failure.message).toMatch(/the step read of this run writes generic_api_raw too/)
        expect(yield* amounts).toEqual(all)
      })
    )
  )
})
