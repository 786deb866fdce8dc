import { expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Shared from "../../src/platform/Shared.ts"

it.effect("what is made once is there for the others when the first one is interrupted", () =>
  Effect.gen(function* () {
    let made = 0
    const begun = yield* Deferred.make<void>()
    const go = yield* Deferred.make<void>()
    const value = yield* Shared.once(
      Effect.gen(function* () {
        yield* Deferred.succeed(begun, undefined)
        yield* Deferred.await(go)
        return ++made
      })
    )
    const first = yield* Effect.fork(value)
    yield* Deferred.await(begun)
    const second = yield* Effect.fork(value)
    const ending = yield* Effect.fork(Fiber.interrupt(first))
    yield* Effect.yieldNow()
    yield* Deferred.succeed(go, undefined)
    yield* Fiber.join(ending)
    expect(yield* Fiber.join(second)).toBe(1)
    expect(yield* value).toBe(1)
  })
)

it.effect("what is made once may give up after a time", () =>
  Effect.gen(function* () {
    const value = yield* Shared.once(Effect.timeoutOption(Effect.never, "1 second"))
    const asked = yield* Effect.fork(value)
    yield* TestClock.adjust("1 second")
    expect(yield* Fiber.join(asked)).toEqual(Option.none())
  })
)

it.effect(
  "by key: made once for all who ask, also when the first one is interrupted, but a failure is made again",
  () =>
    Effect.gen(function* () {
      const calls: Array<string> = []
      const go = yield* Deferred.make<void>()
      const valueOf = yield* Shared.byKey({ capacity: 10, timeToLive: "1 minute" }, (key: string) =>
        Effect.gen(function* () {
          calls.push(key)
          yield* Deferred.await(go)
          return calls.length === 1 ? yield* Effect.fail("the first one fails") : calls.length
        })
      )
      const first = yield* Effect.fork(valueOf("a"))
      const second = yield* Effect.fork(Effect.flip(valueOf("a")))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(go, undefined)
      expect(yield* Fiber.join(second)).toBe("the first one fails")
      expect([yield* valueOf("a"), yield* valueOf("a"), yield* valueOf("b")]).toEqual([2, 2, 3])
      yield* TestClock.adjust("61 seconds")
      expect(yield* valueOf("a")).toBe(4)
      expect(calls).toEqual(["a", "a", "b", "a"])
    })
)
