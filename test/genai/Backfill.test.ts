import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { expect, it as alone, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { pacedCalls } from "../../src/sources/genai/Pages.ts"
import { acme, layer, query, run, Server } from "./support.ts"

withLayer(layer, { excludeTestServices: true })("a backfill of 90 days", (it) => {
  it.effect("asks for whole months in the largest pages, and not more often than it must", () =>
    Effect.gen(function* () {
      const { journal, put } = yield* Server
      const model = (index: number) => ({
        model: "gpt-4o",
        input_tokens: index + 1,
        output_tokens: 1,
        api_key_id: `key_${index}`
      })
      for (const day of ["2026-06-03", "2026-07-15", "2026-08-31"])
        put(
          "openai",
          "usage/completions",
          day,
          Array.from({ length: 20 }, (_, index) => model(index))
        )
      for (const [pipeline, calls] of [
        // Three months: costs, and ten kinds of usage, one page each.
        ["genai/payg/openai", 3 * (1 + 10)],
        // Costs one page, usage five of a week each; and a day's report on Claude Code for each of the 90.
        ["genai/payg/anthropic", 3 * (1 + 5) + 90]
      ] as const) {
        const before = journal.length
        const ended = yield* run(acme, pipeline, "2026-06-03", "2026-08-31")
        expect([ended.run.status, ended.run.errorMessage]).toEqual(["COMPLETED", null])
        const asked = journal.slice(before)
        expect(asked).toHaveLength(calls)
        expect(new Set(asked.map(({ url }) => `${url.pathname}?${url.searchParams}`)).size).toBe(calls)
      }
      expect(yield* query(acme, "SELECT COUNT(*) AS n FROM genai_payg_usage_raw")).toEqual([{ n: 60 }])
    })
  )
})

alone.scoped("calls of one key are paced: 250 take more than a minute", () =>
  Effect.gen(function* () {
    let answered = 0
    const client = HttpClient.make((request) =>
      Effect.sync(() => {
        answered++
        return HttpClientResponse.fromWeb(request, new Response("{}"))
      })
    )
    const calls = yield* Effect.provideService(
      pacedCalls({ name: "X", isWait: () => false, codeOf: () => undefined, requestIdHeader: "x", accessAdvice: "" }),
      HttpClient.HttpClient,
      client
    )
    const call = calls.send({ target: "x", request: HttpClientRequest.get("http://localhost/") }, 1000)
    const fiber = yield* Effect.fork(Effect.replicateEffect(call, 250, { discard: true }))
    yield* TestClock.adjust("1 second")
    expect(answered).toBeLessThanOrEqual(122)
    yield* TestClock.adjust("60 seconds")
    expect(answered).toBeLessThan(250)
    yield* TestClock.adjust("60 seconds")
    yield* Fiber.join(fiber)
    expect(answered).toBe(250)
  })
)
