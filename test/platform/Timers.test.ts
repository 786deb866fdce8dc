import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Timers from "../../src/platform/Timers.ts"

it.scoped("timers are due in the order of their times, however many were dropped between them", () =>
  Effect.gen(function* () {
    yield* TestClock.setTime(0)
    const timers = yield* Timers.make
    const due: Array<number> = []
    const times = Array.from({ length: 100 }, (_, index) => ((index * 37) % 100) * 10)
    const set = times.map((time) => timers.at(time, () => due.push(time)))
    for (const [index, timer] of set.entries()) if (times[index]! % 70 !== 0) timer.drop()
    yield* TestClock.adjust("350 millis")
    expect(due).toEqual([0, 70, 140, 210, 280, 350])
    // Dropped when it was due, and dropped twice.
    for (const timer of [...set, ...set]) timer.drop()
    timers.at(500, () => due.push(500))
    yield* TestClock.adjust("10 seconds")
    expect(due).toEqual([0, 70, 140, 210, 280, 350, 500])
  })
)
