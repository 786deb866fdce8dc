/**
 * Health, metrics, docs, CORS; and how the server closes.
 */
import { describe, expect, it, layer } from "@effect/vitest"
import type * as HttpServer from "@effect/platform/HttpServer"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import { render } from "../../src/http/Prometheus.ts"
import { Shutdown } from "../../src/http/Shutdown.ts"
import * as World from "../support/HttpWorld.ts"

layer(World.layer(), { excludeTestServices: true })("the service's own pages", (it) => {
  it.effect("say who it is and that it is well", () =>
    Effect.gen(function* () {
      expect((yield* World.call("GET", "/health")).json).toEqual({
        status: "healthy",
        service: "pipeline-service",
        version: "v0.1.0",
        release: "v0.1.0",
        release_timestamp: "2026-11-23T00:00:00Z",
        environment: "development"
      })
      expect((yield* World.call("GET", "/health/live")).json).toEqual({ status: "alive" })
      const ready = yield* World.call("GET", "/health/ready")
      expect(ready.json).toEqual({
        status: "ready",
        checks: { ready: true, bigquery: true, procedures: true, encryption: true, api: true }
      })
      expect(ready.status).toBe(200)
      expect((yield* World.call("GET", "/")).json).toMatchObject({ service: "pipeline-service", docs: "/docs" })
      const head = yield* World.call("HEAD", "/health")
      expect([head.status, head.text]).toEqual([200, ""])
    })
  )

  it.effect("show metrics by route template and status, not by path", () =>
    Effect.gen(function* () {
      const keys = yield* World.Keys
      yield* World.call("GET", "/api/v1/pipelines/runs/not-a-run", World.withKey(keys.acme))
      yield* World.call("GET", "/attack/of/many/paths")
      const metrics = yield* World.call("GET", "/metrics")
      expect(metrics.headers.get("content-type")).toContain("text/plain")
      expect(metrics.text).toMatch(
        /^http_requests_total\{.*route="\/api\/v1\/pipelines\/runs\/:id",status="404".*\} [1-9]\d*$/m
      )
      expect(metrics.text).toMatch(/^http_requests_total\{.*route="unmatched",status="404".*\} [1-9]\d*$/m)
      expect(metrics.text).toContain("# TYPE http_request_duration_seconds histogram")
      expect(metrics.text).not.toContain("attack")
      expect(metrics.text).not.toContain("not-a-run")
    })
  )

  it.effect("have an offline docs page", () =>
    Effect.gen(function* () {
      const docs = yield* World.call("GET", "/docs")
      expect(docs.status).toBe(200)
      expect(docs.headers.get("content-type")).toContain("text/html")
      expect(docs.text).not.toMatch(/<(script|link)[^>]+(src|href)=/)
    })
  )

  it.effect("tell a browser of an allowed origin, and no other", () =>
    Effect.gen(function* () {
      const preflight = (origin: string) =>
        World.call("OPTIONS", "/api/v1/pipelines/runs", {
          headers: {
            Origin: origin,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "x-api-key"
          }
        })
      const allowed = yield* preflight("http://localhost:3000")
      expect(allowed.status).toBe(204)
      expect(allowed.headers.get("access-control-allow-origin")).toBe("http://localhost:3000")
      expect(allowed.headers.get("access-control-allow-methods")).toContain("DELETE")
      expect(allowed.headers.get("access-control-allow-headers")).toContain("X-API-Key")
      expect(allowed.headers.get("x-request-id")).toBeTruthy()
      expect((yield* preflight("http://evil.test")).headers.get("access-control-allow-origin")).toBe(null)
      const headers = { Origin: "http://localhost:3000" }
      for (const path of ["/health", "/nowhere", "/api/v1/pipelines/runs", "/%00"]) {
        const answer = yield* World.call("GET", path, { headers })
        expect(answer.headers.get("access-control-allow-origin"), path).toBe("http://localhost:3000")
        expect(answer.headers.get("access-control-expose-headers"), path).toContain("X-Request-ID")
      }
    })
  )
})

layer(World.layer({ variables: { PROCEDURES_PATH: "test/http/criticalProcedures", ENABLE_API_DOCS: "false" } }), {
  excludeTestServices: true
})("readiness", (it) => {
  it.effect("needs the critical procedures that the installation ships", () =>
    Effect.gen(function* () {
      const before = yield* World.call("GET", "/health/ready")
      expect(before.status).toBe(503)
      expect(before.json).toMatchObject({ status: "not_ready", checks: { ready: true, procedures: false } })
      yield* World.call("POST", "/api/v1/procedures/sync", World.asRoot)
      yield* Effect.sleep("1100 millis")
      expect((yield* World.call("GET", "/health/ready")).status).toBe(200)
    })
  )

  it.effect("and life end when the shutdown begins", () =>
    Effect.gen(function* () {
      const { begin } = yield* Shutdown
      yield* begin
      const live = yield* World.call("GET", "/health/live")
      expect([live.status, live.json]).toEqual([503, { status: "shutting_down" }])
      expect((yield* World.call("GET", "/health/ready")).json).toMatchObject({
        status: "not_ready",
        checks: { ready: false }
      })
    })
  )

  it.effect("docs can be switched off", () =>
    Effect.gen(function* () {
      for (const path of ["/docs", "/openapi.json"]) {
        expect((yield* World.call("GET", path)).json).toMatchObject({ error_code: "NOT_FOUND" })
      }
    })
  )
})

describe("closing the server", () => {
  const closing = (
    open: (runId: string, key: string) => Effect.Effect<void, never, HttpServer.HttpServer | Scope.Scope>
  ) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(World.layer({ script: { slow: () => Effect.never } }), scope)
      const keys = Context.get(context, World.Keys)
      const slow = "/api/v1/pipelines/run/acme_corp/cloud/test/slow"
      const accepted = yield* Effect.provide(World.call("POST", slow, World.withKey(keys.acme)), context)
      yield* Effect.provide(open(Object(accepted.json).pipeline_logging_id, keys.acme), context)
      const [took] = yield* Effect.timed(Scope.close(scope, Exit.void))
      return Duration.toMillis(took)
    })

  it.scopedLive("ends live streams in order, and does not wait for their callers", () =>
    Effect.gen(function* () {
      let ended = false
      const milliseconds = yield* closing((runId, key) =>
        Effect.gen(function* () {
          const path = `/api/v1/pipelines/acme_corp/runs/${runId}/events/live`
          const live = yield* World.openStream(path, { "X-API-Key": key })
          expect(yield* live.next).toContain("retry:")
          const drain = Effect.repeat(live.next, { while: (text) => text !== undefined })
          yield* Effect.forkScoped(Effect.andThen(drain, () => void (ended = true)))
        })
      )
      expect(milliseconds).toBeLessThan(1_500)
      yield* Effect.sleep("50 millis")
      expect(ended).toBe(true)
    })
  )

  it.scopedLive("gives a request that never ends no longer than the grace", () =>
    Effect.gen(function* () {
      const milliseconds = yield* closing((_, key) =>
        Effect.gen(function* () {
          const path = "/api/v1/pipelines/run/acme_corp/cloud/test/cost/demo"
          const half = `POST ${path} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${key}\r\nContent-Length: 9\r\n\r\n{`
          yield* Effect.forkScoped(World.raw([half], 20_000))
          yield* Effect.sleep("100 millis")
        })
      )
      expect(milliseconds).toBeGreaterThan(1_000)
      expect(milliseconds).toBeLessThan(5_000)
    })
  )
})

describe("the Prometheus text", () => {
  it.effect("has each kind of metric, escaped", () =>
    Effect.gen(function* () {
      yield* Metric.update(
        Metric.counter("test.count", { description: "with \\ and \n break" }).pipe(
          Metric.tagged("la-bel", 'a"b\\c\nd')
        ),
        1
      )
      yield* Metric.set(Metric.gauge("test_gauge"), 1.5)
      yield* Metric.update(Metric.frequency("test_words"), "word")
      yield* Metric.update(
        Metric.summaryTimestamp({ name: "test_sum", maxAge: "1 minute", maxSize: 10, error: 0, quantiles: [0.5] }),
        [2, 0]
      )
      const text = render(yield* Metric.snapshot)
      expect(text).toContain("# HELP test_count with \\\\ and \\n break\n# TYPE test_count counter\n")
      expect(text).toContain('test_count{la_bel="a\\"b\\\\c\\nd"} 1\n')
      expect(text).toContain("# TYPE test_gauge gauge\ntest_gauge 1.5\n")
      expect(text).toContain('test_words{key="word"} 1\n')
      expect(text).toContain("test_sum_count 1\n")
    })
  )
})
