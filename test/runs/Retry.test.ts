/**
 * The retry of a run from the step that failed: what had succeeded is not done again, whatever happens in between.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { EventLog } from "../../src/eventlog/EventLog.ts"
import * as EventLogSql from "../../src/eventlog/EventLogSql.ts"
import { StepError, type StepContext } from "../../src/pipelines/Processor.ts"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import { Runs } from "../../src/runs/Runs.ts"
import { Crash, crashAt } from "../support/FailingEventLog.ts"
import { day, org, pipeline, runId, step } from "../support/pipelines.ts"
import { layer, makeLedger, type Script } from "../support/RunsWorld.ts"
import { ask, definition, finish, inWorld } from "../support/TestRuns.ts"
import { temporaryFile } from "../support/TemporaryDatabase.ts"

const by = { org, triggerBy: "test" }
const otherOrg = Schema.decodeSync(OrgSlug)("other_org")
const broken = new StepError({ errorType: "PERMANENT", code: "BROKEN", message: "c is broken" })

/** Notes each execution; step c fails until it is cured. */
const makeScript = () => {
  const executed: Array<string> = []
  const seen: Array<StepContext["outputs"]> = []
  let isCured = false
  const note = (context: StepContext) =>
    Effect.sync(() => {
      executed.push(context.stepId)
      seen.push(context.outputs)
      return { rowsProcessed: 7, rowsWritten: 7, details: { output_of: context.stepId } }
    })
  const script: Script = {
    a: note,
    b: note,
    c: (context) =>
      isCured
        ? note(context)
        : Effect.zipRight(
            Effect.sync(() => executed.push("c")),
            broken
          ),
    d: note
  }
  return { script, executed, seen, cure: () => void (isCured = true) }
}

describe("retry of a run", () => {
  it.scoped("goes on at the failed step with the outputs of the finished ones", () => {
    const { cure, executed, script, seen } = makeScript()
    return inWorld(
      { script },
      Effect.gen(function* () {
        const runs = yield* Runs
        const { runId: first } = yield* runs.request(ask({ credentialId: "one", forceRefresh: true }))
        expect((yield* finish(first)).status).toBe("FAILED")
        executed.length = 0
        cure()
        const { runId: second } = yield* runs.retry(runId(first), by)
        const ended = yield* finish(second)
        expect([ended.status, ended.trigger]).toEqual(["COMPLETED", "retry"])
        expect(ended.metadata["original_pipeline_logging_id"]).toBe(first)
        expect(ended.parameters).toEqual((yield* runs.get(runId(first))).run.parameters)
        expect(executed).toEqual(["c", "d"])
        expect(Object.values(seen.at(-1) ?? {}).map(({ details }) => details["output_of"])).toEqual(["b", "c"])
        const { steps } = yield* runs.get(runId(second))
        expect(steps.map((each) => [each.stepId, each.status, each.metadata["attempts"]])).toEqual([
          ["a", "COMPLETED", 0],
          ["b", "COMPLETED", 0],
          ["c", "COMPLETED", 1],
          ["d", "COMPLETED", 1]
        ])
        expect(steps.map((each) => each.metadata["finished_in"])).toEqual([first, first, undefined, undefined])
        expect((yield* (yield* EventLog).verify).findings).toEqual([])
      })
    )
  })

  it.scoped("does again what the definition has changed, and what depends on it", () => {
    const { cure, executed, script } = makeScript()
    const changed = { ...definition, steps: [...definition.steps] as [...typeof definition.steps] }
    return inWorld(
      { script, pipelines: [changed] },
      Effect.gen(function* () {
        const runs = yield* Runs
        const { runId: first } = yield* runs.request(ask())
        yield* finish(first)
        changed.steps[1] = step("b", ["a"], { config: { rate: 2 } })
        cure()
        executed.length = 0
        yield* finish((yield* runs.retry(runId(first), by)).runId)
        expect(executed.toSorted()).toEqual(["b", "c", "d"])
        changed.steps[0] = step("a", [], { timeoutSeconds: 61 })
        executed.length = 0
        yield* finish((yield* runs.retry(runId(first), by)).runId)
        expect(executed.toSorted()).toEqual(["a", "b", "c", "d"])
      })
    )
  })

  it.scoped("runs a completed run again as a whole, and does again a tolerated failure with what followed it", () => {
    const { cure, executed, script } = makeScript()
    const tolerant = pipeline([
      step("a", []),
      step("b", ["a"]),
      step("c", ["a"], { onFailure: "continue" }),
      step("d", ["c"])
    ])
    return inWorld(
      { script, pipelines: [tolerant] },
      Effect.gen(function* () {
        const runs = yield* Runs
        const { runId: first } = yield* runs.request(ask())
        expect((yield* finish(first)).status).toBe("COMPLETED")
        executed.length = 0
        cure()
        const { runId: second } = yield* runs.retry(runId(first), by)
        yield* finish(second)
        expect(executed).toEqual(["c", "d"])
        executed.length = 0
        yield* finish((yield* runs.retry(runId(second), by)).runId)
        expect(executed.toSorted()).toEqual(["a", "b", "c", "d"])
      })
    )
  })

  it.scoped("leaves notices to the end of each run: one that was not due makes no completed run look broken", () => {
    const { cure, executed, script } = makeScript()
    const told = pipeline([
      step("a", []),
      step("c", ["a"]),
      step("on_failure", ["c"], { trigger: "on_failure" }),
      step("always", ["c"], { trigger: "always" })
    ])
    const statuses = (id: string) =>
      Effect.flatMap(Runs, (runs) =>
        Effect.map(runs.get(runId(id)), ({ steps }) => steps.map((each) => `${each.stepId} ${each.status}`))
      )
    return inWorld(
      { script, pipelines: [told] },
      Effect.gen(function* () {
        const runs = yield* Runs
        const failed = yield* runs.request(ask())
        yield* finish(failed.runId)
        expect(yield* statuses(failed.runId)).toEqual([
          "a COMPLETED",
          "c FAILED",
          "on_failure COMPLETED",
          "always COMPLETED"
        ])
        cure()
        const retried = yield* runs.retry(failed.runId, by)
        yield* finish(retried.runId)
        expect(yield* statuses(retried.runId)).toEqual([
          "a COMPLETED",
          "c COMPLETED",
          "on_failure SKIPPED",
          "always COMPLETED"
        ])
        expect(executed).toEqual(["a", "c", "c"])
        const whole = yield* runs.retry(retried.runId, by)
        yield* finish(whole.runId)
        expect(executed).toEqual(["a", "c", "c", "a", "c"])
      })
    )
  })

  it.scoped("is refused for a live run, an unknown one and another organisation's", () =>
    inWorld(
      { script: { a: () => Effect.never } },
      Effect.gen(function* () {
        const runs = yield* Runs
        const { runId: id } = yield* runs.request(ask())
        expect((yield* Effect.flip(runs.retry(runId(id), by)))._tag).toBe("RunNotEnded")
        yield* runs.cancel(runId(id), { org, reason: "test" })
        yield* finish(id)
        const foreign = yield* Effect.flip(runs.retry(runId(id), { ...by, org: otherOrg }))
        expect(foreign._tag).toBe("RunNotFound")
        const unknown = runId("11111111-1111-4111-8111-111111111111")
        expect((yield* Effect.flip(runs.retry(unknown, by)))._tag).toBe("RunNotFound")
        expect((yield* runs.list({ org, limit: 10, offset: 0 })).total).toBe(1)
      })
    )
  )

  for (const when of ["before", "after"] as const) {
    it.scoped(`executes no finished step again when the log dies ${when} any append of it`, () =>
      Effect.gen(function* () {
        let crashes = 0
        for (let k = 1; k <= 20; k++) {
          const crashed = yield* Effect.scoped(retryWithCrash(k, when))
          if (!crashed) break
          crashes++
        }
        expect(crashes).toBeGreaterThan(3)
        expect(crashes).toBeLessThan(20)
      })
    )
  }
})

/** A run that failed in one process is retried in a second one, which dies at its k-th append, and ends in a third. */
const retryWithCrash = (k: number, when: "before" | "after") =>
  Effect.gen(function* () {
    const database = yield* temporaryFile
    const ledger = makeLedger()
    const { cure, executed, script } = makeScript()
    const options = { database, ledger, script, pipelines: [definition] }
    const failed = yield* inWorld(
      options,
      Effect.gen(function* () {
        const { runId: id } = yield* (yield* Runs).request(ask({ startDate: day("1970-01-01") }))
        yield* finish(id)
        return runId(id)
      })
    )
    executed.length = 0
    cure()
    const drive = Effect.gen(function* () {
      const runs = yield* Runs
      yield* runs.recover
      const { runId: id } = yield* runs.retry(failed, { ...by, idempotencyKey: "the client's" })
      const { status } = yield* runs.awaitEnd(id)
      return { status, runs: (yield* runs.list({ org, limit: 10, offset: 0 })).total }
    })
    const process = (eventLog: typeof EventLogSql.layer | undefined) =>
      Effect.gen(function* () {
        const crash = yield* Effect.serviceOption(Crash)
        const crashed = Option.match(crash, { onNone: () => Effect.never, onSome: (some) => some.crashed })
        const work = yield* Effect.fork(Effect.exit(Effect.raceFirst(drive, Effect.as(crashed, undefined))))
        for (let second = 0; second < 600 && Option.isNone(yield* Fiber.poll(work)); second++) {
          yield* TestClock.adjust("1 second")
        }
        const exit = yield* Fiber.join(work)
        return Exit.isSuccess(exit) ? exit.value : undefined
      }).pipe(Effect.provide(layer({ ...options, ...(eventLog === undefined ? {} : { eventLog }) })))
    const first = yield* process(Layer.provide(crashAt(k, when), EventLogSql.layer))
    const end = first ?? (yield* process(undefined))
    expect({ k, end }).toEqual({ k, end: { status: "COMPLETED", runs: 2 } })
    expect(executed.filter((stepId) => stepId === "a" || stepId === "b")).toEqual([])
    return first === undefined
  })
