/**
 * The ledger of quotas: short ones are waited for, daily ones are an error that says when they are free again.
 */
import { expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as StepFailure from "../../../src/processors/StepFailure.ts"
import { admit, changeOf, Ledger, loadOf, newTable, stagingLoad } from "../../../src/warehouse/bigquery/Quotas.ts"

it.effect("a project's eleventh new table of a second waits for the next one", () =>
  Effect.gen(function* () {
    const ledger = new Ledger()
    const made: Array<number> = []
    const make = Effect.zipRight(
      admit(ledger, "create a table", newTable),
      Effect.map(Clock.currentTimeMillis, (now) => made.push(now))
    )
    const all = yield* Effect.fork(
      Effect.all(
        Array.from({ length: 21 }, () => make),
        { concurrency: "unbounded" }
      )
    )
    yield* TestClock.adjust("5 seconds")
    yield* Fiber.join(all)
    expect(made.filter((at) => at < 1000)).toHaveLength(10)
    expect(made.filter((at) => at >= 1000 && at < 2000)).toHaveLength(10)
    expect(made.at(-1)).toBeGreaterThanOrEqual(2000)
  })
)

it.effect("the changes of one table do not hold up another's", () =>
  Effect.gen(function* () {
    const ledger = new Ledger()
    yield* Effect.replicateEffect(admit(ledger, "change a", changeOf("a")), 5)
    yield* admit(ledger, "change b", changeOf("b"))
    expect(yield* Clock.currentTimeMillis).toBe(0)
    const sixth = yield* Effect.fork(admit(ledger, "change a", changeOf("a")))
    yield* TestClock.adjust("9 seconds")
    expect(yield* Fiber.poll(sixth)).toMatchObject({ _tag: "None" })
    yield* TestClock.adjust("2 seconds")
    yield* Fiber.join(sixth)
  })
)

it.effect("a daily quota that is used up is a step's reason to wait until it is free", () =>
  Effect.gen(function* () {
    const ledger = new Ledger()
    for (let loads = 0; loads < 1500; loads++) {
      const denied = ledger.take(loadOf("lookup"), loads * 10_000)
      expect(denied).toBeUndefined()
    }
    yield* TestClock.setTime(15_000_000)
    const error = yield* Effect.flip(admit(ledger, "load lookup", loadOf("lookup")))
    expect(error.message).toMatch(
      /^load lookup: BigQuery allows 1500 load jobs and query results of a table in 86400 s, which are used up until 1970-01-02T00:0/
    )
    expect(StepFailure.ofWarehouse(error)).toMatchObject({
      errorType: "TRANSIENT",
      code: "WAREHOUSE_QUOTA_EXCEEDED",
      retryAfterSeconds: error.retryAfterSeconds
    })
    // Another table may be loaded; this one when the first load is a day old.
    yield* admit(ledger, "load another", stagingLoad)
    yield* TestClock.adjust(Duration.seconds(error.retryAfterSeconds))
    yield* admit(ledger, "load lookup", loadOf("lookup"))
  })
)

it("what is refused counts for nothing", () => {
  const ledger = new Ledger()
  for (let changes = 0; changes < 5; changes++) ledger.take(changeOf("a"), 0)
  for (let tries = 0; tries < 2000; tries++)
    expect(ledger.take(loadOf("a"), 1)).toMatchObject({ quota: "tableChanges" })
  expect(ledger.take(loadOf("a"), 10_100)).toBeUndefined()
})
