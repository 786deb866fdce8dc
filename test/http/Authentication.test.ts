/**
 * Keys: throttling of guesses, scopes, development without keys, what production demands.
 */
import { describe, expect, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Organizations } from "../../src/organizations/Organizations.ts"
import * as World from "../support/HttpWorld.ts"

const runs = "/api/v1/pipelines/runs"
const codeOf = (answer: World.Answer) => (answer.status < 400 ? answer.status : Object(answer.json).error_code)

layer(World.layer(), { excludeTestServices: true })("an organisation's key", (it) => {
  it.effect("is throttled after ten failures in a minute, and only that key", () =>
    Effect.gen(function* () {
      const keys = yield* World.Keys
      const guess = World.call("GET", runs, World.withKey("acme_corp_api_guessguessguess1"))
      for (let count = 0; count < 10; count++) expect(codeOf(yield* guess)).toBe("INVALID_API_KEY")
      const throttled = yield* guess
      expect(throttled.status).toBe(429)
      expect(throttled.headers.get("retry-after")).toBe("60")
      expect(codeOf(throttled)).toBe("AUTH_THROTTLED")
      const otherGuess = yield* World.call("GET", runs, World.withKey("acme_corp_api_guessguessguess2"))
      expect(codeOf(otherGuess)).toBe("INVALID_API_KEY")
      expect(codeOf(yield* World.call("GET", runs, World.withKey(keys.acme)))).toBe(200)
    })
  )

  it.effect("counts for its scopes, wildcards included", () =>
    Effect.gen(function* () {
      const organizations = yield* Organizations
      const codes = (scopes: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          const { secret } = yield* organizations.createKey(World.acme, { scopes })
          const key = World.withKey(Redacted.value(secret))
          const read = codeOf(yield* World.call("GET", runs, key))
          const run = codeOf(yield* World.call("POST", "/api/v1/pipelines/run/acme_corp/cloud/no/such", key))
          return [read, run]
        })
      const asked = "TEMPLATE_NOT_FOUND"
      expect(yield* codes([])).toEqual([200, asked])
      expect(yield* codes(["*"])).toEqual([200, asked])
      expect(yield* codes(["pipelines:*"])).toEqual([200, asked])
      expect(yield* codes(["pipelines:read"])).toEqual([200, "INSUFFICIENT_SCOPE"])
      expect(yield* codes(["pipelines:execute"])).toEqual(["INSUFFICIENT_SCOPE", asked])
    })
  )

  it.effect("stops to count when it is revoked", () =>
    Effect.gen(function* () {
      const organizations = yield* Organizations
      const { key, secret } = yield* organizations.createKey(World.acme)
      const call = World.call("GET", runs, World.withKey(Redacted.value(secret)))
      expect(codeOf(yield* call)).toBe(200)
      yield* organizations.revokeKey(key.keyId)
      expect(codeOf(yield* call)).toBe("INVALID_API_KEY")
    })
  )
})

layer(World.layer({ variables: { CA_ROOT_API_KEY: "" } }), { excludeTestServices: true })(
  "without a root key",
  (it) => {
    it.effect("root endpoints answer 503", () =>
      Effect.gen(function* () {
        const keys = yield* World.Keys
        for (const headers of [{}, World.asRoot.headers, { "X-CA-Root-Key": "" }, { "X-API-Key": keys.acme }]) {
          const answer = yield* World.call("GET", "/api/v1/procedures", { headers })
          expect([answer.status, codeOf(answer)]).toEqual([503, "ROOT_KEY_NOT_CONFIGURED"])
        }
      })
    )
  }
)

layer(World.layer({ variables: { DISABLE_AUTH: "true", DEFAULT_ORG_SLUG: "acme_corp" } }), {
  excludeTestServices: true
})("with DISABLE_AUTH", (it) => {
  it.effect("every call is the default organisation's, and root endpoints still want the root key", () =>
    Effect.gen(function* () {
      expect(codeOf(yield* World.call("GET", runs))).toBe(200)
      expect(codeOf(yield* World.call("GET", "/api/v1/pipelines/acme_corp/runs"))).toBe(200)
      expect(codeOf(yield* World.call("GET", "/api/v1/pipelines/other_org/runs"))).toBe("ORG_MISMATCH")
      expect(codeOf(yield* World.call("GET", "/api/v1/procedures"))).toBe("ROOT_KEY_REQUIRED")
    })
  )
})

describe("in production", () => {
  const start = (variables: Record<string, string>) =>
    Layer.build(World.layer({ variables: { ENVIRONMENT: "production", ...variables } })).pipe(
      Effect.scoped,
      Effect.match({ onFailure: (error) => error.message, onSuccess: () => "started" })
    )

  it.effect("the service does not start without keys, limits and a long root key", () =>
    Effect.gen(function* () {
      expect(yield* start({ DISABLE_AUTH: "true" })).toBe("ENVIRONMENT is production: DISABLE_AUTH must be false")
      expect(yield* start({ RATE_LIMIT_ENABLED: "false" })).toContain("RATE_LIMIT_ENABLED must be true")
      const short = yield* start({ CA_ROOT_API_KEY: "short-secret" })
      expect(short).toContain("CA_ROOT_API_KEY must have at least 32 characters")
      expect(short).not.toContain("short-secret")
      expect(yield* start({})).toBe("started")
    })
  )

  it.effect("nor, anywhere, with a default organisation that is none while keys are off", () =>
    Effect.gen(function* () {
      const message = yield* start({ ENVIRONMENT: "development", DISABLE_AUTH: "true", DEFAULT_ORG_SLUG: "NO!" })
      expect(message).toContain("DEFAULT_ORG_SLUG")
    })
  )
})
