/**
 * Rate limits: exact windows, and their answers over HTTP.
 */
import { describe, expect, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "fast-check"
import { SlidingWindow } from "../../src/http/RateLimits.ts"
import { RecentMap } from "../../src/http/RecentMap.ts"
import { Runs } from "../../src/runs/Runs.ts"
import * as World from "../support/HttpWorld.ts"

describe("a sliding window", () => {
  it("never allows more than its limit in any span, and never refuses without need", () => {
    const steps = FastCheck.array(FastCheck.integer({ min: 0, max: 40 }), { maxLength: 200 })
    FastCheck.assert(
      FastCheck.property(FastCheck.integer({ min: 1, max: 7 }), steps, (limit, waits) => {
        const window = new SlidingWindow(limit, 100)
        const allowed: Array<number> = []
        let now = 1_000_000
        for (const wait of waits) {
          now += wait
          const inSpan = allowed.filter((time) => time > now - 100)
          expect(window.remaining(now)).toBe(limit - inSpan.length)
          const until = window.wait(now)
          if (inSpan.length < limit) {
            expect(until).toBe(0)
            window.record(now)
            allowed.push(now)
          } else expect(until).toBe((inSpan[0] ?? 0) + 100 - now)
        }
      })
    )
  })

  it("of limit 0 allows nothing", () => {
    expect(new SlidingWindow(0, 100).wait(5)).toBe(100)
    expect(new SlidingWindow(-1, 100).wait(5)).toBe(100)
  })
})

describe("a map of recent entries", () => {
  it("forgets the one that was used longest ago", () => {
    let made = 0
    const map = new RecentMap(2, () => ++made)
    expect([map.get("a"), map.get("b"), map.get("a"), map.get("c"), map.get("a"), map.get("b")]).toEqual([
      1, 2, 1, 3, 1, 4
    ])
  })
})

const limits = { RATE_LIMIT_REQUESTS_PER_MINUTE: "60", RATE_LIMIT_PIPELINE_RUN_PER_MINUTE: "50" }

layer(World.layer({ variables: limits }), { excludeTestServices: true })("rate limits of an organisation", (it) => {
  it.effect("the 51st run request in a minute and the 61st call are refused, another organisation's are not", () =>
    Effect.gen(function* () {
      const keys = yield* World.Keys
      const runs = yield* Runs
      const ask = World.call("POST", "/api/v1/pipelines/run/acme_corp/cloud/test/cost/demo", World.withKey(keys.acme))
      for (let count = 1; count <= 50; count++) {
        const answer = yield* ask
        expect(answer.status).toBe(200)
        expect(answer.headers.get("x-ratelimit-org-limit")).toBe("60")
        expect(answer.headers.get("x-ratelimit-org-remaining")).toBe(String(60 - count))
        yield* runs.awaitEnd(Object(answer.json).pipeline_logging_id)
      }
      const refused = yield* ask
      expect(refused.status).toBe(429)
      const retryAfter = Number(refused.headers.get("retry-after"))
      expect(retryAfter).toBeGreaterThan(0)
      expect(retryAfter).toBeLessThanOrEqual(60)
      expect(refused.json).toEqual({
        error: "Rate limit exceeded",
        message: `too many calls (limit of run requests of acme_corp): try again in ${retryAfter} s`,
        retry_after: retryAfter,
        detail: `too many calls (limit of run requests of acme_corp): try again in ${retryAfter} s`,
        error_code: "RATE_LIMIT_EXCEEDED",
        request_id: refused.headers.get("x-request-id")
      })
      const list = World.call("GET", "/api/v1/pipelines/runs", World.withKey(keys.acme))
      for (let count = 52; count <= 60; count++) expect((yield* list).status).toBe(200)
      expect((yield* list).json).toMatchObject({ error_code: "RATE_LIMIT_EXCEEDED" })
      expect((yield* World.call("GET", "/api/v1/pipelines/runs", World.withKey(keys.other))).status).toBe(200)
    })
  )
})

layer(World.layer({ variables: { RATE_LIMIT_GLOBAL_REQUESTS_PER_MINUTE: "3" } }), { excludeTestServices: true })(
  "rate limit of all calls",
  (it) => {
    it.effect("counts calls without a key too, but neither health nor docs", () =>
      Effect.gen(function* () {
        for (let count = 0; count < 5; count++) {
          for (const path of ["/health", "/health/live", "/metrics", "/", "/openapi.json"]) {
            expect((yield* World.call("GET", path)).status).toBe(200)
          }
        }
        const call = Effect.map(World.call("GET", "/api/v1/pipelines/runs"), ({ status }) => status)
        expect([yield* call, yield* call, yield* call, yield* call]).toEqual([401, 401, 401, 429])
      })
    )
  }
)

layer(World.layer({ variables: { RATE_LIMIT_ENABLED: "false", RATE_LIMIT_REQUESTS_PER_MINUTE: "1" } }), {
  excludeTestServices: true
})("rate limits that are off", (it) => {
  it.effect("limit nothing and send no allowance", () =>
    Effect.gen(function* () {
      const keys = yield* World.Keys
      for (let count = 0; count < 5; count++) {
        const answer = yield* World.call("GET", "/api/v1/pipelines/runs", World.withKey(keys.acme))
        expect(answer.status).toBe(200)
        expect(answer.headers.get("x-ratelimit-org-limit")).toBe(null)
      }
    })
  )
})
