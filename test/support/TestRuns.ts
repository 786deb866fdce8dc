/**
 * Runs of one test pipeline, one process at a time.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import type { EventLog } from "../../src/eventlog/EventLog.ts"
import { StepError } from "../../src/pipelines/Processor.ts"
import { type RunRequest, Runs } from "../../src/runs/Runs.ts"
import { day, org, pipeline, runId, step } from "./pipelines.ts"
import { layer, makeLedger, type Script } from "./RunsWorld.ts"
import { temporaryFile } from "./TemporaryDatabase.ts"

/** a, then b and c in parallel, then d. */
export const definition = pipeline([step("a", []), step("b", ["a"]), step("c", ["a"]), step("d", ["b", "c"])])
/** A request for a run of {@link definition}. */
export const ask = (more: Partial<RunRequest> = {}): RunRequest => ({
  org,
  configId: definition.configId,
  trigger: "api",
  triggerBy: "test",
  startDate: day("1970-01-01"),
  ...more
})

/** An error that another attempt may cure. */
export const transient = (code: string, retryAfterSeconds?: number) =>
  new StepError({
    errorType: "TRANSIENT",
    code,
    message: code,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds })
  })

/** One process: the layer is closed at the end, as by a shutdown. */
export const inWorld = <A, E>(
  options: {
    readonly script?: Script
    readonly pipelines?: ReadonlyArray<typeof definition>
    readonly database?: string
    readonly ledger?: ReturnType<typeof makeLedger>
    readonly settings?: Readonly<Record<string, string>>
  },
  use: Effect.Effect<A, E, Runs | EventLog>
) =>
  Effect.gen(function* () {
    const database = options.database ?? (yield* temporaryFile)
    return yield* Effect.provide(
      use,
      layer({
        pipelines: options.pipelines ?? [definition],
        script: options.script ?? {},
        ledger: options.ledger ?? makeLedger(),
        database,
        ...(options.settings === undefined ? {} : { settings: options.settings })
      })
    )
  })

/** Lets the clock run until the run has ended. */
export const finish = (id: string) =>
  Effect.gen(function* () {
    const runs = yield* Runs
    const ended = yield* Effect.fork(runs.awaitEnd(runId(id)))
    for (let second = 0; second < 10_000; second++) {
      if ((yield* Fiber.poll(ended))._tag === "Some") break
      yield* TestClock.adjust("1 second")
    }
    return yield* Fiber.join(ended)
  })
