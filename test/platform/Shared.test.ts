import { expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
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
