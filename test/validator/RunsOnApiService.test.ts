import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as EventLogSql from "../../src/eventlog/EventLogSql.ts"
import { EventModel } from "../../src/eventlog/Projection.ts"
import { Catalogue } from "../../src/pipelines/Catalogue.ts"
import { Processors } from "../../src/pipelines/Processor.ts"
import * as EncryptionLocal from "../../src/platform/EncryptionLocal.ts"
import { RunId } from "../../src/platform/Identifiers.ts"
import { runEventModel } from "../../src/runs/RunProjection.ts"
import { Runs } from "../../src/runs/Runs.ts"
import * as RunsEventLog from "../../src/runs/RunsEventLog.ts"
import * as ValidatorRemote from "../../src/validator/ValidatorRemote.ts"
import * as ApiService from "../support/ApiService.ts"
import { org, pipeline, step } from "../support/pipelines.ts"
import { type Script, scripted } from "../support/RunsWorld.ts"
import { bytesOf, installation } from "../support/ServiceDatabase.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"
import * as HttpClientNode from "../../src/platform/HttpClientNode.ts"

const secret = "acme_corp_api_swordfish9swordf"
const billing = pipeline([step("extract", [])], { templateId: "cloud_aws_cost_billing" })

/** One life of a service whose runs the API service admits. */
const life = <A, E>(
  folder: string,
  api: ApiService.ApiService,
  body: Effect.Effect<A, E, Runs>,
  script: Script = {}
) => {
  const processor = scripted(script)
  const services = RunsEventLog.layer.pipe(
    Layer.provide([
      EventLogSql.layer.pipe(Layer.provide(Layer.succeed(EventModel, runEventModel))),
      ValidatorRemote.layer.pipe(Layer.provide([HttpClientNode.layer, EncryptionLocal.layer])),
      Layer.succeed(Catalogue, {
        load: () => Effect.succeed(billing),
        checkAll: Effect.succeed([billing.configId])
      }),
      Layer.succeed(Processors, new Map(Processors.entries([processor])))
    ]),
    Layer.provide(installation(folder, { API_SERVICE_URL: api.url }))
  )
  return Effect.provide(body, services)
}

const start = Effect.gen(function* () {
  const api = yield* ApiService.make
  api.orgs.set(org, { apiKey: secret, concurrent: 1 })
  return { api, folder: yield* temporaryFolder }
})

const request = Effect.flatMap(Runs, (runs) =>
  runs.request({
    org,
    configId: billing.configId,
    trigger: "api",
    triggerBy: "test",
    apiKey: Redacted.make(secret)
  })
)

const recoverAndAwait = (runId: string) =>
  Effect.gen(function* () {
    const runs = yield* Runs
    yield* runs.recover
    return yield* runs.awaitEnd(RunId.make(runId))
  })

const until = (holds: () => boolean) =>
  Effect.sync(holds).pipe(
    Effect.repeat({ until: (held) => held, schedule: Schedule.spaced("10 millis") }),
    Effect.timeout("20 seconds")
  )

const expectOneRelease = (api: ApiService.ApiService, runId: string) => {
  expect([...api.open]).toEqual([])
  expect([...api.released]).toEqual([[runId, 1]])
  expect(api.violations).toEqual([])
}

it.scopedLive("a run takes one slot and gives it back with its outcome; the key is nowhere in the clear", () =>
  Effect.gen(function* () {
    const { api, folder } = yield* start
    const runId = yield* life(
      folder,
      api,
      Effect.gen(function* () {
        const accepted = yield* request
        const run = yield* (yield* Runs).awaitEnd(accepted.runId)
        expect(run.status).toBe("COMPLETED")
        yield* until(() => api.open.size === 0)
        return accepted.runId
      })
    )
    expectOneRelease(api, runId)
    expect(api.successes(org, new Date().toISOString().slice(0, 10))).toBe(1)
    expect(bytesOf(folder)).not.toContain(secret)
  })
)

it.scopedLive("a service that dies while it is asked for a slot asks again for the same run, with the sealed key", () =>
  Effect.gen(function* () {
    const { api, folder } = yield* start
    api.troubles.push({ silent: "after work" })
    yield* life(
      folder,
      api,
      Effect.zipRight(
        Effect.fork(request),
        until(() => api.open.size === 1)
      )
    )
    const [runId = ""] = api.open.keys()
    expect((yield* life(folder, api, recoverAndAwait(runId))).status).toBe("COMPLETED")
    yield* life(
      folder,
      api,
      Effect.zipRight(
        Effect.flatMap(Runs, (runs) => runs.recover),
        until(() => api.open.size === 0)
      )
    )
    expectOneRelease(api, runId)
  })
)

it.scopedLive("a completion that was not delivered is delivered by the next life, once", () =>
  Effect.gen(function* () {
    const { api, folder } = yield* start
    const runId = yield* life(
      folder,
      api,
      Effect.gen(function* () {
        const accepted = yield* request
        yield* until(() => api.seen.filter(({ kind }) => kind === "complete").length > 0)
        return accepted.runId
      }),
      { extract: () => Effect.sync(() => void api.troubles.push({ status: 500 })).pipe(Effect.as(output)) }
    )
    expect(api.open.size).toBe(1)
    yield* life(
      folder,
      api,
      Effect.zipRight(
        Effect.flatMap(Runs, (runs) => runs.recover),
        until(() => api.open.size === 0)
      )
    )
    expectOneRelease(api, runId)
  })
)

const output = { rowsProcessed: 1, rowsWritten: 1, details: {} }

it.scopedLive("a refusal leaves no run, no slot and no key", () =>
  Effect.gen(function* () {
    const { api, folder } = yield* start
    api.orgs.set(org, { apiKey: secret, integrated: false })
    yield* life(
      folder,
      api,
      Effect.gen(function* () {
        expect(yield* Effect.flip(request)).toMatchObject({ code: "INTEGRATION_NOT_CONFIGURED", status: 400 })
        const { total } = yield* (yield* Runs).list({ org, limit: 10, offset: 0 })
        expect(total).toBe(0)
      })
    )
    expect([...api.open]).toEqual([])
    expect([...api.released.values()]).toEqual([1])
    expect(bytesOf(folder)).not.toContain(secret)
  })
)
