import { expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as Snapshot from "../../src/platform/Snapshot.ts"

it.effect("what is being read is there for the others when the first who asked is interrupted", () =>
  Effect.gen(function* () {
    const begun = yield* Deferred.make<void>()
    const go = yield* Deferred.make<void>()
    let reads = 0
    const snapshots = yield* Snapshot.make({ seconds: 1, keys: 1 }, () =>
      Effect.gen(function* () {
        yield* Deferred.succeed(begun, undefined)
        yield* Deferred.await(go)
        return ++reads
      })
    )
    const first = yield* Effect.fork(snapshots.get("a"))
    yield* Deferred.await(begun)
    const second = yield* Effect.fork(snapshots.get("a"))
    yield* Effect.yieldNow()
    yield* Fiber.interrupt(first)
    yield* Deferred.succeed(go, undefined)
    expect(yield* Fiber.join(second)).toBe(1)
    expect(yield* snapshots.get("a")).toBe(1)
    yield* TestClock.adjust("1 second")
    expect(yield* snapshots.get("a")).toBe(2)
  })
)
