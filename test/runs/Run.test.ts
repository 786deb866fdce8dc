import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import type { Step } from "../../src/pipelines/Pipeline.ts"
import { begin, decide, evolve, isEnded, type RunCommand, type RunState } from "../../src/runs/Run.ts"
import { type RunEvent } from "../../src/runs/RunEvent.ts"
import { day, pipeline, requested, step } from "../support/pipelines.ts"

const limits = { maxParallelSteps: 2 }
const output = { rowsProcessed: 1, rowsWritten: 1, details: {} }
const failure = { errorType: "TRANSIENT", code: "X", message: "x" } as const

/** given: the events of these commands; when: a command; then: its events (undefined: refused). */
const after = (definition: ReturnType<typeof pipeline>, ...commands: ReadonlyArray<RunCommand>) => {
  let state = begin(requested(definition), 0)
  let events: ReadonlyArray<RunEvent> | undefined = []
  for (const command of commands) {
    const decision = decide(state, command, limits)
    events = Either.isRight(decision) ? decision.right : undefined
    for (const event of events ?? []) state = evolve(state, event, 1)
  }
  return { state, events, tags: events?.map((event) => `${event._tag}${"stepId" in event ? ` ${event.stepId}` : ""}`) }
}

const admit: RunCommand = { _tag: "Admit", reservationDate: day("2026-05-01"), start: false }
const advance: RunCommand = { _tag: "Advance" }
const succeed = (stepId: string): RunCommand => ({ _tag: "SucceedStep", stepId, output })
const fail = (stepId: string, retryAt?: number): RunCommand => ({ _tag: "FailAttempt", stepId, failure, retryAt })
const cancel: RunCommand = { _tag: "Cancel", by: "acme_corp", reason: "test" }

const diamond = pipeline([step("a", []), step("b", ["a"]), step("c", ["a"]), step("d", ["b", "c"])])

describe("decide", () => {
  it("starts a step when all it depends on is done, siblings in parallel", () => {
    expect(after(diamond, admit, advance).tags).toEqual(["StepStarted a"])
    expect(after(diamond, admit, advance, succeed("a")).tags).toEqual([
      "StepSucceeded a",
      "StepStarted b",
      "StepStarted c"
    ])
    expect(after(diamond, admit, advance, succeed("a"), succeed("b")).tags).toEqual(["StepSucceeded b"])
    expect(after(diamond, admit, advance, succeed("a"), succeed("b"), succeed("c"), succeed("d")).tags).toEqual([
      "StepSucceeded d",
      "RunCompleted"
    ])
  })

  it("starts nothing before the validator has admitted the run", () => {
    expect(after(diamond, advance).events).toBeUndefined()
    expect(after(diamond, { _tag: "Refuse", code: "QUOTA_EXCEEDED", message: "no" }).state.status).toBe("REFUSED")
    expect(after(diamond, admit, admit).events).toBeUndefined()
  })

  it("stop: lets running siblings finish, starts nothing new, then fails", () => {
    const failed = after(diamond, admit, advance, succeed("a"), fail("b"))
    expect(failed.tags).toEqual(["StepFailed b"])
    const ended = after(diamond, admit, advance, succeed("a"), fail("b"), succeed("c"))
    expect(ended.tags).toEqual(["StepSucceeded c", "StepSkipped d", "RunFailed b"])
    expect([...ended.state.steps.values()].map((each) => each.status)).toEqual([
      "COMPLETED",
      "FAILED",
      "COMPLETED",
      "SKIPPED"
    ])
  })

  it("continue: dependents go on and the end says which step failed", () => {
    const tolerant = pipeline([step("a", [], { onFailure: "continue" }), step("b", ["a"])])
    expect(after(tolerant, admit, advance, fail("a")).tags).toEqual(["StepFailed a", "StepStarted b"])
    const { state } = after(tolerant, admit, advance, fail("a"), succeed("b"))
    expect([state.status, state.failedSteps]).toEqual(["COMPLETED", ["a"]])
  })

  it("repeats an attempt only when it is due, counting attempts", () => {
    const waiting = after(diamond, admit, advance, fail("a", 99))
    expect(waiting.tags).toEqual(["StepAttemptFailed a"])
    expect(waiting.state.steps.get("a")?.retryAt).toBe(99)
    const again = after(diamond, admit, advance, fail("a", 99), { _tag: "RetryStep", stepId: "a" })
    expect(again.state.steps.get("a")).toMatchObject({ status: "RUNNING", attempt: 2 })
    expect(after(diamond, admit, advance, { _tag: "RetryStep", stepId: "a" }).events).toBeUndefined()
  })

  it("skips a disabled step and runs its dependents", () => {
    const disabled = pipeline([step("a", [], { enabled: false }), step("b", ["a"])])
    expect(after(disabled, admit, advance).tags).toEqual(["StepSkipped a", "StepStarted b"])
    const all = pipeline([step("a", [], { enabled: false }), step("b", ["a"], { enabled: false })])
    expect(after(all, admit, advance).tags).toEqual(["StepSkipped a", "StepSkipped b", "RunCompleted"])
  })

  it("cancels a waiting run at once and a running one when its fibers have stopped", () => {
    expect(after(diamond, admit, cancel).tags).toEqual(["CancelRequested", "RunCancelled"])
    expect(after(diamond, admit, advance, cancel).tags).toEqual(["CancelRequested"])
    expect(after(diamond, admit, advance, cancel, succeed("a")).events).toBeUndefined()
    const { state } = after(diamond, admit, advance, cancel, { _tag: "ConfirmCancelled" })
    expect([...state.steps.values()].map((each) => each.status)).toEqual(["CANCELLED", "SKIPPED", "SKIPPED", "SKIPPED"])
    expect(after(diamond, admit, cancel, cancel).events).toBeUndefined()
  })

  it("times out as a whole and reports the completion once", () => {
    const timedOut = after(diamond, admit, advance, { _tag: "TimeOut" })
    expect(timedOut.state.status).toBe("TIMEOUT")
    const report: RunCommand = { _tag: "ReportCompletion", delivered: true }
    expect(after(diamond, admit, advance, { _tag: "TimeOut" }, report).events).toEqual([
      { _tag: "CompletionReported", outcome: "FAILED", delivered: true }
    ])
    expect(after(diamond, admit, advance, { _tag: "TimeOut" }, report, report).events).toBeUndefined()
    expect(after(diamond, admit, report).events).toBeUndefined()
  })
})

describe("any run under any commands", () => {
  const steps = FastCheck.array(
    FastCheck.record({
      before: FastCheck.array(FastCheck.nat(5), { maxLength: 2 }),
      onFailure: FastCheck.constantFrom("stop", "continue", "alert" as const),
      enabled: FastCheck.boolean()
    }),
    { minLength: 1, maxLength: 6 }
  ).map((drafts): readonly [Step, ...Array<Step>] => {
    const [first, ...rest] = drafts.map((draft, index) =>
      step(`s${index}`, [...new Set(draft.before.filter((each) => each < index).map((each) => `s${each}`))], {
        onFailure: draft.onFailure as Step["onFailure"],
        enabled: draft.enabled
      })
    )
    return [first ?? step("s0", []), ...rest]
  })
  const commands = FastCheck.array(
    FastCheck.oneof(
      { weight: 1, arbitrary: FastCheck.constant<RunCommand>(cancel) },
      { weight: 1, arbitrary: FastCheck.constant<RunCommand>({ _tag: "TimeOut" }) },
      { weight: 1, arbitrary: FastCheck.constant<RunCommand>({ _tag: "ConfirmCancelled" }) },
      { weight: 3, arbitrary: FastCheck.constant<RunCommand>(advance) },
      {
        weight: 20,
        arbitrary: FastCheck.tuple(FastCheck.nat(5), FastCheck.nat(3)).map(([index, kind]): RunCommand => {
          const stepId = `s${index}`
          if (kind === 0) return fail(stepId)
          if (kind === 1) return fail(stepId, 5)
          return kind === 2 ? { _tag: "RetryStep", stepId } : succeed(stepId)
        })
      }
    ),
    { maxLength: 40 }
  )

  const drive = (state: RunState, all: ReadonlyArray<RunCommand>) => {
    const history: Array<RunEvent> = []
    const states = [state]
    for (const command of all) {
      const decision = decide(states.at(-1) ?? state, command, limits)
      if (Either.isLeft(decision)) continue
      for (const event of decision.right) {
        history.push(event)
        states.push(evolve(states.at(-1) ?? state, event, history.length))
      }
    }
    return { history, states, last: states.at(-1) ?? state }
  }

  it("keeps the promises of the contract", () => {
    FastCheck.assert(
      FastCheck.property(steps, commands, (definition, sent) => {
        const { history, states, last } = drive(begin(requested(pipeline(definition)), 0), [admit, ...sent])
        const done = new Set<string>()
        let endedAt: number | undefined
        for (const [index, event] of history.entries()) {
          if (endedAt !== undefined) expect(event._tag).toBe("CompletionReported")
          if (isEnded(states[index + 1]?.status ?? "PENDING")) endedAt ??= index
          if (event._tag === "StepStarted") {
            const state = states[index]?.steps.get(event.stepId)
            expect(done.has(event.stepId)).toBe(false)
            expect(event.attempt).toBe((state?.attempt ?? 0) + 1)
            for (const id of state?.step.dependsOn ?? []) expect(done.has(id)).toBe(true)
          }
          if (event._tag === "StepSucceeded" || event._tag === "StepFailed" || event._tag === "StepSkipped") {
            expect(done.has(event.stepId)).toBe(false)
            done.add(event.stepId)
          }
        }
        for (const state of states) {
          const busy = [...state.steps.values()].filter(
            (each) => each.status === "RUNNING" || each.status === "WAITING"
          )
          expect(busy.length).toBeLessThanOrEqual(limits.maxParallelSteps)
        }
        if (last.status === "COMPLETED") {
          for (const each of last.steps.values()) {
            expect(["COMPLETED", "SKIPPED", "FAILED"]).toContain(each.status)
            if (each.status === "FAILED") expect(each.step.onFailure).not.toBe("stop")
          }
        }
      }),
      { numRuns: 1000 }
    )
  })

  it("ends when every started step gets its outcome", () => {
    FastCheck.assert(
      FastCheck.property(steps, commands, (definition, sent) => {
        let { last } = drive(begin(requested(pipeline(definition)), 0), [admit, advance, ...sent])
        for (let round = 0; round < 20 && !isEnded(last.status); round++) {
          const outcomes = [...last.steps.values()].flatMap((each): ReadonlyArray<RunCommand> =>
            each.status === "WAITING"
              ? [{ _tag: "RetryStep", stepId: each.step.stepId }, succeed(each.step.stepId)]
              : [succeed(each.step.stepId)]
          )
          last = drive(last, [advance, ...outcomes, { _tag: "ConfirmCancelled" }]).last
        }
        expect(isEnded(last.status)).toBe(true)
      }),
      { numRuns: 1000 }
    )
  })
})

describe("notices", () => {
  const notice = (trigger: "always" | "on_failure" | "on_success" | "on_completion", more = {}) =>
    step(trigger, ["a"], { trigger, ...more })
  const told = pipeline([
    step("a", []),
    notice("always"),
    notice("on_failure"),
    notice("on_success"),
    notice("on_completion"),
    step("off", ["a"], { trigger: "always", enabled: false })
  ])
  const due = (state: RunState) =>
    [...state.steps].filter(([id, each]) => id !== "a" && each.status === "COMPLETED").map(([id]) => id)

  it("are due at the end of the run by its outcome, after every other step", () => {
    const completed = after(told, admit, advance, succeed("a"))
    expect(completed.tags?.at(0)).toBe("StepSucceeded a")
    expect(completed.tags?.at(-1)).toBe("RunCompleted")
    expect(due(completed.state)).toEqual(["always", "on_success", "on_completion"])
    expect(due(after(told, admit, advance, fail("a")).state)).toEqual(["always", "on_failure", "on_completion"])
    const timedOut = after(told, admit, advance, { _tag: "TimeOut" })
    expect(due(timedOut.state)).toEqual(["always", "on_failure", "on_completion"])
    expect(timedOut.state.status).toBe("TIMEOUT")
    const cancelled = after(told, admit, advance, cancel, { _tag: "ConfirmCancelled" })
    expect(due(cancelled.state)).toEqual(["always"])
    expect(cancelled.state.status).toBe("CANCELLED")
    expect(due(after(told, cancel).state)).toEqual(["always"])
  })

  it("that are not due are skipped with the reason, and none is started or fails the run", () => {
    const { events, state } = after(told, admit, advance, succeed("a"))
    expect(events).toContainEqual({
      _tag: "StepSkipped",
      stepId: "on_failure",
      reason: "trigger on_failure, and the run is COMPLETED"
    })
    expect(events).toContainEqual({ _tag: "StepSkipped", stepId: "off", reason: "disabled" })
    expect(events?.filter(({ _tag }) => _tag === "StepStarted")).toEqual([])
    expect([state.status, state.failedSteps]).toEqual(["COMPLETED", []])
  })
})
