/**
 * What a processor may demand before a run is accepted.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { EventLog } from "../../src/eventlog/EventLog.ts"
import { type Processor, StepError } from "../../src/pipelines/Processor.ts"
import { Runs } from "../../src/runs/Runs.ts"
import { org, pipeline, runId, step } from "../support/pipelines.ts"
import { layer, makeLedger } from "../support/RunsWorld.ts"
import { ask, finish } from "../support/TestRuns.ts"
import { temporaryFile } from "../support/TemporaryDatabase.ts"

const missing = (who: unknown) =>
  new StepError({ errorType: "PERMANENT", code: "INTEGRATION_NOT_CONFIGURED", message: `no credential of ${who}` })

/** Providers that have a credential; a step reads that of its config. */
const configured = new Set<string>()
const admits: Processor["admits"] = ({ reads }, { credentialId }) =>
  reads === undefined || (credentialId === undefined ? configured.has(String(reads)) : credentialId === `${reads}_1`)
    ? Effect.void
    : missing(reads)

const extractors = (onFailure: "stop" | "continue") => [
  step("openai", [], { config: { reads: "OPENAI" }, onFailure }),
  step("gcp", [], { config: { reads: "GCP" }, onFailure })
]

const inWorld = <A, E>(
  onFailure: "stop" | "continue",
  use: Effect.Effect<A, E, Runs | EventLog>,
  script: Parameters<typeof layer>[0]["script"] = {}
) =>
  Effect.gen(function* () {
    configured.clear()
    const database = yield* temporaryFile
    const [first, ...rest] = [step("off", [], { config: { reads: "AZURE" }, enabled: false }), ...extractors(onFailure)]
    const pipelines = first === undefined ? [] : [pipeline([first, ...rest])]
    return yield* Effect.provide(use, layer({ database, pipelines, script, ledger: makeLedger(), admits }))
  })

const refusal = (more: Parameters<typeof ask>[0] = {}) =>
  Effect.flatMap(Runs, (runs) =>
    Effect.map(Effect.flip(runs.request(ask(more))), (error) =>
      error._tag === "RunNotAllowed" ? [error.status, error.code, error.message] : [error._tag]
    )
  )

it.scoped("a step that stops its run must have what it needs; one that is disabled is not asked", () =>
  inWorld(
    "stop",
    Effect.gen(function* () {
      const no = (who: string) => [400, "INTEGRATION_NOT_CONFIGURED", `no credential of ${who}`]
      expect(yield* refusal()).toEqual(no("OPENAI"))
      configured.add("OPENAI")
      expect(yield* refusal()).toEqual(no("GCP"))
      expect(yield* (yield* EventLog).head).toBe(0)
      configured.add("GCP")
      const { runId: id } = yield* (yield* Runs).request(ask())
      expect((yield* finish(id)).status).toBe("COMPLETED")
    })
  )
)

it.scoped("steps whose failure is tolerated refuse only together; a named credential need suit one step", () =>
  inWorld(
    "continue",
    Effect.gen(function* () {
      const runs = yield* Runs
      expect((yield* refusal())[1]).toBe("INTEGRATION_NOT_CONFIGURED")
      configured.add("GCP")
      yield* finish((yield* runs.request(ask())).runId)
      expect((yield* refusal({ credentialId: "AWS_1" }))[1]).toBe("INTEGRATION_NOT_CONFIGURED")
      yield* finish((yield* runs.request(ask({ credentialId: "OPENAI_1" }))).runId)
    })
  )
)

it.scoped("a live run is answered whatever is missing since", () =>
  inWorld(
    "stop",
    Effect.gen(function* () {
      const runs = yield* Runs
      configured.add("OPENAI").add("GCP")
      const { runId: id } = yield* runs.request(ask())
      configured.clear()
      expect(yield* runs.request(ask())).toMatchObject({ runId: id, existing: true })
      yield* runs.cancel(runId(id), { org, reason: "test" })
      yield* finish(id)
      expect((yield* refusal())[1]).toBe("INTEGRATION_NOT_CONFIGURED")
    }),
    { gcp: () => Effect.never }
  )
)
