import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { resolveDates } from "../../src/runs/DateRange.ts"
import { waitAfter } from "../../src/runs/Retry.ts"
import { day } from "../support/pipelines.ts"

const now = Date.parse("2026-11-23T00:30:00Z")
const resolve = (startDate?: string, endDate?: string) =>
  Either.match(
    resolveDates(
      {
        ...(startDate === undefined ? {} : { startDate: day(startDate) }),
        ...(endDate === undefined ? {} : { endDate: day(endDate) })
      },
      now
    ),
    { onLeft: (error) => error.code, onRight: (range) => `${range.startDate}..${range.endDate}` }
  )

describe("resolveDates", () => {
  it.each([
    [undefined, undefined, "2026-11-22..2026-11-22"],
    ["2026-05-01", undefined, "2026-05-01..2026-05-01"],
    ["2026-05-01", "2026-05-31", "2026-05-01..2026-05-31"],
    ["2024-11-24", "2026-11-23", "2024-11-24..2026-11-23"],
    ["2024-11-23", "2026-11-23", "INVALID_DATE_RANGE"],
    [undefined, "2026-05-31", "INVALID_DATE_RANGE"],
    ["2026-05-31", "2026-05-01", "INVALID_DATE_RANGE"],
    ["2026-11-24", undefined, "INVALID_DATE"]
  ])("%s to %s: %s", (start, end, expected) => expect(resolve(start, end)).toBe(expected))

  it.each(["2026-02-29", "2026-13-01", "2026-1-1", "yesterday", "2026-05-01T00:00:00Z"])("%s is no day", (text) =>
    expect(() => day(text)).toThrow(/not a real day/)
  )
})

describe("waitAfter", () => {
  const exponential = { maxAttempts: 10, backoffSeconds: 30, exponential: true }
  const seconds = (policy: typeof exponential, attempt: number, retryAfter?: number) =>
    Effect.map(waitAfter(policy, attempt, retryAfter), Duration.toSeconds)

  it.effect("doubles from the backoff, jittered by 10 %, at most an hour", () =>
    Effect.gen(function* () {
      for (const [attempt, expected] of [
        [1, 30],
        [2, 60],
        [4, 240],
        [9, 3600]
      ] as const) {
        const wait = yield* seconds(exponential, attempt)
        expect(wait).toBeGreaterThanOrEqual(expected * 0.9)
        expect(wait).toBeLessThanOrEqual(expected * 1.1)
      }
      const constant = yield* seconds({ ...exponential, exponential: false }, 5)
      expect(Math.abs(constant - 30)).toBeLessThanOrEqual(3)
    })
  )

  it.effect("obeys a longer Retry-After", () =>
    Effect.gen(function* () {
      expect(yield* seconds(exponential, 1, 120)).toBe(120)
      expect(yield* seconds(exponential, 3, 5)).toBeGreaterThan(100)
    })
  )
})
