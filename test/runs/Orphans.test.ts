/**
 * Runs that nobody works on: left by a process that ended, in an installation where another one goes on.
 */
import { expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { Runs } from "../../src/runs/Runs.ts"
import { runId } from "../support/pipelines.ts"
import { done, makeLedger } from "../support/RunsWorld.ts"
import { ask, inWorld } from "../support/TestRuns.ts"
import { temporaryFile } from "../support/TemporaryDatabase.ts"

it.scoped("an orphaned run fails after its time, and its slot is given back; a live one is left alone", () =>
  Effect.gen(function* () {
    const database = yield* temporaryFile
    const ledger = makeLedger()
    const reached = yield* Deferred.make<void>()
    const script = {
      b: () => Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never),
      c: () => Effect.succeed(done)
    }
    const options = { database, ledger, script }
    const left = yield* inWorld(
      options,
      Effect.gen(function* () {
        const runs = yield* Runs
        const { runId: id } = yield* runs.request(ask())
        yield* Deferred.await(reached)
        yield* TestClock.adjust("5 seconds")
        expect(yield* runs.failOrphans(0)).toEqual([])
        return runId(id)
      })
    )
    yield* TestClock.adjust("2 hours")
    yield* inWorld(
      options,
      Effect.gen(function* () {
        const runs = yield* Runs
        expect(yield* runs.failOrphans(240)).toEqual([])
        const failed = yield* runs.failOrphans(60)
        expect(failed.map((each) => each.runId)).toEqual([left])
        const { run, steps } = yield* runs.get(left)
        expect(run).toMatchObject({
          status: "FAILED",
          errorContext: { error_code: "RUN_ORPHANED", is_retryable: true }
        })
        expect(steps.map((each) => [each.stepId, each.status])).toEqual([
          ["a", "COMPLETED"],
          ["b", "FAILED"],
          ["c", "COMPLETED"],
          ["d", "SKIPPED"]
        ])
        yield* TestClock.adjust("1 second")
        expect(ledger.completed.get(left)).toBe("FAILED")
        expect(yield* runs.failOrphans(60)).toEqual([])
      })
    )
  })
)
