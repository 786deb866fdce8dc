/**
 * The comments that keep a quiet live stream open.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { heartbeats } from "../../src/http/LiveEvents.ts"

describe("heartbeats", () => {
  it.effect("come every 15 seconds", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(Stream.runCollect(Stream.take(heartbeats, 2)))
      yield* TestClock.adjust("29 seconds")
      expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
      yield* TestClock.adjust("1 second")
      expect([...(yield* Fiber.join(fiber))]).toEqual([": heartbeat\n\n", ": heartbeat\n\n"])
    })
  )
})
