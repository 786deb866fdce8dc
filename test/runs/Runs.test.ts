import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { EventLog } from "../../src/eventlog/EventLog.ts"
import { StepError } from "../../src/pipelines/Processor.ts"
import { Runs } from "../../src/runs/Runs.ts"
import { day, org, runId } from "../support/pipelines.ts"
import { done, makeLedger, type Script } from "../support/RunsWorld.ts"
import { ask, definition, finish, inWorld, transient } from "../support/TestRuns.ts"

const history = (id: string) =>
  Effect.flatMap(Runs, (runs) => runs.events(runId(id))).pipe(
    Effect.map((events) =>
      events.map((event) =>
        typeof event.data["stepId"] === "string" ? `${event.type} ${event.data["stepId"]}` : event.type
      )
    )
  )

describe("Runs", () => {
  it.scoped("runs a pipeline to its end and keeps its whole history", () =>
    inWorld(
      {},
      Effect.gen(function* () {
        const runs = yield* Runs
        const { runId: id, existing, trackingId } = yield* runs.request(ask())
        expect([existing, trackingId]).toEqual([false, "acme_corp-cloud-test-cost-demo"])
        expect((yield* finish(id)).status).toBe("COMPLETED")
        const events = yield* history(id)
        expect(events.slice(0, 5)).toEqual([
          "RunRequested",
          "RunAdmitted",
          "StepStarted a",
          "StepSucceeded a",
          "StepStarted b"
        ])
        expect(events.filter((each) => each.startsWith("StepSucceeded"))).toHaveLength(4)
        const { run, steps } = yield* runs.get(id)
        expect(run.endTime).not.toBeNull()
        expect(steps.map((each) => [each.stepId, each.status, each.rowsProcessed])).toEqual([
          ["a", "COMPLETED", 1],
          ["b", "COMPLETED", 1],
          ["c", "COMPLETED", 1],
          ["d", "COMPLETED", 1]
        ])
        expect((yield* (yield* EventLog).verify).findings).toEqual([])
      })
    )
  )

  it.scoped("gives ids that begin with the time of the request, so that they sort by it", () =>
    inWorld(
      {},
      Effect.gen(function* () {
        const runs = yield* Runs
        const ids: Array<string> = []
        const times = [0, 1, 0xff, 0x100, 1_700_000_000_000, 1_700_000_000_001]
        for (const time of times) {
          yield* TestClock.setTime(time)
          const { runId: id } = yield* runs.request(ask())
          yield* finish(id)
          ids.push(id)
        }
        expect(ids.toSorted()).toEqual(ids)
        expect(ids.map((id) => Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16))).toEqual(times)
        expect(
          ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))
        ).toBe(true)
      })
    )
  )

  it.scoped("names the request in what the validator and the steps log", () =>
    Effect.gen(function* () {
      const seen: Array<Record<string, unknown>> = []
      const look = Effect.map(FiberRef.get(FiberRef.currentLogAnnotations), (names) =>
        seen.push(Object.fromEntries(names))
      )
      const ledger = makeLedger()
      ledger.hold = Effect.asVoid(look)
      yield* inWorld(
        { ledger, script: { a: () => Effect.as(look, done) } },
        Effect.gen(function* () {
          const asked = (yield* Runs).request(ask())
          const { runId: id } = yield* Effect.annotateLogs(asked, "request_id", "req-77")
          yield* finish(id)
          const names = { request_id: "req-77", run: id, org }
          expect(seen).toEqual([names, { ...names, step: "a" }])
        })
      )
    })
  )

  it.scoped("repeats a retryable failure by the schedule and obeys Retry-After", () =>
    Effect.gen(function* () {
      const times = yield* Ref.make<ReadonlyArray<number>>([])
      const script: Script = {
        a: ({ attempt }) =>
          Effect.gen(function* () {
            const now = yield* TestClock.currentTimeMillis
            yield* Ref.update(times, (all) => [...all, now])
            if (attempt === 1) return yield* transient("FIRST")
            return attempt === 2 ? yield* transient("SECOND", 90) : done
          })
      }
      yield* inWorld(
        { script },
        Effect.gen(function* () {
          const { runId: id } = yield* (yield* Runs).request(ask())
          expect((yield* finish(id)).status).toBe("COMPLETED")
          expect((yield* (yield* Runs).get(id)).steps[0]?.metadata["attempts"]).toBe(3)
        })
      )
      const [first = 0, second = 0, third = 0] = yield* Ref.get(times)
      expect(second - first).toBeGreaterThanOrEqual(900)
      expect(second - first).toBeLessThanOrEqual(1100)
      expect(third - second).toBe(90_000)
    })
  )

  it.scoped("does not repeat a permanent failure, and gives up after max_attempts", () =>
    inWorld(
      {
        pipelines: [
          definition,
          { ...definition, configId: "cloud/test/cost/other" },
          { ...definition, configId: "cloud/test/cost/defect" }
        ],
        script: {
          a: ({ runId: id, attempt, startDate }) =>
            startDate === "1970-01-01"
              ? new StepError({ errorType: "PERMANENT", code: "AUTH", message: `no ${id === "" ? "" : "access"}` })
              : startDate === "1969-12-31"
                ? transient(`T${attempt}`)
                : Effect.die("a secret detail")
        }
      },
      Effect.gen(function* () {
        const runs = yield* Runs
        const permanent = yield* finish((yield* runs.request(ask())).runId)
        expect([permanent.status, permanent.errorContext?.error_code, permanent.errorContext?.is_retryable]).toEqual([
          "FAILED",
          "AUTH",
          false
        ])
        const spent = yield* runs.request(ask({ configId: "cloud/test/cost/other", startDate: day("1969-12-31") }))
        expect((yield* finish(spent.runId)).errorContext?.error_code).toBe("T3")
        const defect = yield* runs.request(ask({ configId: "cloud/test/cost/defect", startDate: day("1969-12-30") }))
        const died = yield* finish(defect.runId)
        expect([died.status, died.errorContext?.error_type]).toEqual(["FAILED", "UNKNOWN"])
        expect(JSON.stringify(yield* runs.events(defect.runId))).not.toContain("secret detail")
      })
    )
  )

  it.scoped("tries again what was interrupted without the run's asking for it", () =>
    inWorld(
      { script: { a: ({ attempt }) => (attempt === 1 ? Effect.interrupt : Effect.succeed(done)) } },
      Effect.gen(function* () {
        const runs = yield* Runs
        const { runId: id } = yield* runs.request(ask())
        expect((yield* finish(id)).status).toBe("COMPLETED")
        const failures = (yield* runs.events(id)).filter(({ type }) => type === "StepAttemptFailed")
        expect(failures.map(({ data }) => data["failure"])).toMatchObject([
          { errorType: "TRANSIENT", code: "INTERRUPTED" }
        ])
      })
    )
  )

  it.scoped("times a step out, interrupts it, and counts that as an attempt", () =>
    Effect.gen(function* () {
      const interruptions = yield* Ref.make(0)
      const script: Script = {
        a: () => Effect.onInterrupt(Effect.never, () => Ref.update(interruptions, (n) => n + 1))
      }
      yield* inWorld(
        { script },
        Effect.gen(function* () {
          const { runId: id } = yield* (yield* Runs).request(ask())
          const run = yield* finish(id)
          expect([run.status, run.errorContext?.error_code]).toEqual(["FAILED", "STEP_TIMEOUT"])
          expect((yield* (yield* Runs).get(id)).steps.map((each) => each.status)).toEqual([
            "TIMEOUT",
            "SKIPPED",
            "SKIPPED",
            "SKIPPED"
          ])
        })
      )
      expect(yield* Ref.get(interruptions)).toBe(3)
    })
  )

  it.scoped("times the whole run out", () =>
    inWorld(
      { script: { a: () => Effect.never }, pipelines: [{ ...definition, timeoutSeconds: 20 }] },
      Effect.gen(function* () {
        const { runId: id } = yield* (yield* Runs).request(ask())
        const run = yield* finish(id)
        expect([run.status, run.durationMs]).toEqual(["TIMEOUT", 20_000])
      })
    )
  )

  it.scoped("cancels: the running step is interrupted, the rest skipped, the quota given back", () =>
    Effect.gen(function* () {
      const ledger = makeLedger()
      const started = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      const script: Script = {
        b: () =>
          Deferred.succeed(started, undefined).pipe(
            Effect.zipRight(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          )
      }
      yield* inWorld(
        { script, ledger },
        Effect.gen(function* () {
          const runs = yield* Runs
          const { runId: id } = yield* runs.request(ask())
          yield* Deferred.await(started)
          const answer = yield* runs.cancel(id, { org, reason: "test" })
          expect(["CANCELLING", "CANCELLED"]).toContain(answer.status)
          expect((yield* finish(id)).status).toBe("CANCELLED")
          yield* Deferred.await(interrupted)
          expect((yield* runs.cancel(id, { org, reason: "again" })).status).toBe("CANCELLED")
          yield* Stream.runDrain(
            (yield* EventLog).follow(0).pipe(Stream.takeUntil((event) => event.type === "CompletionReported"))
          )
          expect(ledger.completed.get(id)).toBe("FAILED")
        })
      )
    })
  )

  it.scoped("lists by filter, newest first, with the total; text filters are literal", () =>
    inWorld(
      { pipelines: [definition, { ...definition, configId: "cloud/test/cost/x_y" }] },
      Effect.gen(function* () {
        const runs = yield* Runs
        const first = yield* runs.request(ask())
        yield* finish(first.runId)
        yield* TestClock.adjust("1 minute")
        const second = yield* runs.request(ask({ configId: "cloud/test/cost/x_y", triggerBy: "bob" }))
        yield* finish(second.runId)
        const ids = (filter: object) =>
          Effect.map(runs.list({ org, limit: 10, offset: 0, ...filter }), ({ runs: all, total }) => [
            all.map((each) => each.runId),
            total
          ])
        expect(yield* ids({})).toEqual([[second.runId, first.runId], 2])
        expect(yield* ids({ limit: 1, offset: 1 })).toEqual([[first.runId], 2])
        expect(yield* ids({ pipeline: "x_y" })).toEqual([[second.runId], 1])
        expect(yield* ids({ pipeline: "%" })).toEqual([[], 0])
        expect(yield* ids({ triggerBy: "bob", status: "COMPLETED" })).toEqual([[second.runId], 1])
        expect(yield* ids({ status: "FAILED" })).toEqual([[], 0])
        expect(yield* ids({ startDate: day("1970-01-02") })).toEqual([[], 0])
      })
    )
  )

  it.scoped("watches a run from any version to its end, and records progress", () =>
    inWorld(
      {
        script: {
          a: ({ progress }) => progress({ rows: 5 }).pipe(Effect.zipRight(progress({ rows: 6 })), Effect.as(done))
        }
      },
      Effect.gen(function* () {
        const runs = yield* Runs
        yield* TestClock.adjust("1 hour")
        const { runId: id } = yield* runs.request(ask())
        const live = yield* Stream.runCollect(runs.watch(id))
        expect(Chunk.toReadonlyArray(live).at(-1)?.type).toBe("RunCompleted")
        expect(
          Chunk.toReadonlyArray(live)
            .filter((event) => event.type === "StepProgressed")
            .map((event) => event.data["rows"])
        ).toEqual([5])
        const late = yield* Stream.runCollect(runs.watch(id, 4))
        expect(Chunk.toReadonlyArray(late)[0]?.version).toBe(4)
        expect(
          yield* Effect.flip(Stream.runCollect(runs.watch(runId("00000000-0000-4000-8000-000000000000"))))
        ).toMatchObject({ _tag: "RunNotFound" })
      })
    )
  )

  it.scoped("refuses what cannot be run and leaves nothing behind", () =>
    inWorld(
      {},
      Effect.gen(function* () {
        const runs = yield* Runs
        const tags = yield* Effect.forEach(
          [
            ask({ configId: "cloud/test/cost/none" }),
            ask({ startDate: day("2999-01-01") }),
            ask({ startDate: day("1970-01-01"), endDate: day("1969-01-01") })
          ],
          (each) => Effect.map(Effect.flip(runs.request(each)), (error) => error._tag)
        )
        expect(tags).toEqual(["TemplateNotFound", "InvalidDateRange", "InvalidDateRange"])
        expect(yield* (yield* EventLog).head).toBe(0)
      })
    )
  )
})
