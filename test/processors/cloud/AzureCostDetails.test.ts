import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { azureServer, clientSecret, subscription } from "../../support/azureServer.ts"
import { details, extract, principalCredential, totals } from "./azureSupport.ts"
import { days, world } from "./support.ts"

const place = Effect.gen(function* () {
  yield* TestClock.setTime(new Date("2026-05-10T00:00:00Z"))
  const server = yield* azureServer("costs")
  yield* principalCredential(server.endpoint, {})
  return server
})

const asked = (journal: ReadonlyArray<{ readonly url: URL; readonly body: string }>) =>
  journal.filter(({ url }) => url.pathname.endsWith("/generateCostDetailsReport")).map(({ body }) => JSON.parse(body))

describe("cost details reports", () => {
  it.scoped("are asked for by month and cost, waited for, and replace what was there", () =>
    world(() =>
      Effect.gen(function* () {
        const { downloads, journal, report } = yield* place
        report("2026-04", "ActualCost", [details("2026-04", ["1", "2"]), details("2026-04", ["4"])])
        report("2026-04", "AmortizedCost", [details("2026-04", ["7"])])
        const output = yield* extract(days("2026-04-10", "2026-04-20"))
        expect(output).toMatchObject({
          rowsProcessed: 4,
          affectedPeriods: ["2026-04-01"],
          details: {
            credentials: [
              { location: expect.stringContaining(`/subscriptions/${subscription}`), periods: [{ files: 3 }] }
            ]
          }
        })
        expect(yield* totals).toEqual([
          { period: "2026-04-01", view: "actual", cost: "7", n: 3 },
          { period: "2026-04-01", view: "amortized", cost: "7", n: 1 }
        ])
        const timePeriod = { start: "2026-04-01", end: "2026-04-30" }
        expect(asked(journal)).toEqual([
          { metric: "ActualCost", timePeriod },
          { metric: "AmortizedCost", timePeriod }
        ])
        expect(downloads()).toEqual(["/sas/1/0", "/sas/1/1", "/sas/2/0"])
        report("2026-04", "ActualCost", [details("2026-04", ["9"])])
        report("2026-04", "AmortizedCost", "no data")
        yield* extract(days("2026-04-10", "2026-04-20"))
        expect(yield* totals).toEqual([{ period: "2026-04-01", view: "actual", cost: "9", n: 1 }])
      })
    )
  )

  it.scoped("of the month before are asked for while that is restated, and of this month up to today", () =>
    world(() =>
      Effect.gen(function* () {
        const { journal, report } = yield* place
        report("2026-04", "ActualCost", [details("2026-04", ["1"])])
        const output = yield* extract(days("2026-05-04", "2026-05-31"))
        expect(asked(journal).map(({ timePeriod }) => `${timePeriod.start} ${timePeriod.end}`)).toEqual([
          "2026-04-01 2026-04-30",
          "2026-04-01 2026-04-30",
          "2026-05-01 2026-05-10",
          "2026-05-01 2026-05-10"
        ])
        // 204: no costs are no error.
        expect(output).toMatchObject({ rowsProcessed: 1 })
        expect(yield* totals).toMatchObject([{ period: "2026-04-01", cost: "1" }])
      })
    )
  )

  it.scoped("that fail leave the month as it was", () =>
    world(() =>
      Effect.gen(function* () {
        const { endpoint, faults, report } = yield* place
        report("2026-04", "ActualCost", [details("2026-04", ["1"])])
        yield* extract(days("2026-04-10", "2026-04-20"))
        report("2026-04", "AmortizedCost", "failed")
        const failed = yield* Effect.flip(extract(days("2026-04-10", "2026-04-20")))
        expect(failed).toMatchObject({ errorType: "TRANSIENT", code: "COST_DETAILS_FAILED" })

        // A link that leads to less than it announces, and one that is refused: neither is told.
        report("2026-04", "AmortizedCost", [details("2026-04", ["1"])])
        faults.push(({ url }, response) => {
          if (!url.pathname.startsWith("/sas/")) return false
          response.writeHead(200, { "content-length": 5 })
          response.end("hello")
          return true
        })
        expect(yield* extract(days("2026-04-10", "2026-04-20"))).toMatchObject({ rowsProcessed: 2 })
        faults.push(({ url }, response) => {
          if (!url.pathname.startsWith("/sas/")) return false
          response.writeHead(403, { "x-ms-error-code": "AuthenticationFailed" })
          response.end()
          return true
        })
        const expired = yield* Effect.flip(extract(days("2026-04-10", "2026-04-20")))
        expect(expired.message).toContain("HTTP 403, AuthenticationFailed")
        expect(expired.message).not.toContain(clientSecret)

        faults.push(({ url }, response) => {
          if (!url.pathname.endsWith("/generateCostDetailsReport")) return false
          response.writeHead(422)
          response.end()
          return true
        })
        const unsupported = yield* Effect.flip(extract(days("2026-04-10", "2026-04-20")))
        expect(unsupported).toMatchObject({ errorType: "PERMANENT", code: "COST_DETAILS_UNSUPPORTED" })

        // The token is not sent to a place that the answer names.
        faults.push(({ url }, response) => {
          if (!url.pathname.endsWith("/generateCostDetailsReport")) return false
          response.writeHead(202, { location: "https://example.com/steal", "retry-after": "0" })
          response.end()
          return true
        })
        expect(yield* Effect.flip(extract(days("2026-04-10", "2026-04-20")))).toMatchObject({
          errorType: "PERMANENT",
          code: "AZURE_ANSWER_UNREADABLE"
        })
        yield* principalCredential(endpoint, { scope: "/subscriptions/somebody-else" })
        expect(yield* Effect.flip(extract(days("2026-04-10", "2026-04-20")))).toMatchObject({
          code: "AZURE_ACCESS_DENIED"
        })
        expect(yield* totals).toMatchObject([
          { view: "actual", cost: "1" },
          { view: "amortized", cost: "1" }
        ])
      })
    )
  )
})
