/**
 * The phases of the battery. Each has an installation of its own, so that the rows of all can be compared cell by cell, ids included; each
 * runs every pipeline once, and all tests of the battery look at what it left.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Scope from "effect/Scope"
import * as Installation from "../../src/Installation.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import { type Processor, Processors } from "../../src/pipelines/Processor.ts"
import type { OrgSlug, RunId } from "../../src/platform/Identifiers.ts"
import type { Json } from "../../src/platform/Json.ts"
import { Settings } from "../../src/platform/Settings.ts"
import * as Registry from "../../src/processors/Registry.ts"
import { Runs } from "../../src/runs/Runs.ts"
import { ProcedureSync } from "../../src/warehouse/ProcedureSync.ts"
import { hold, storm } from "../support/faults.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"
import { type Case, cases, Counterparties, earlier, type Kind, later } from "./batteryCases.ts"
import { allRows, ofOwner } from "./batteryRows.ts"
import { googleBill } from "./commitmentSupport.ts"
import { acme, configsWithClouds, credential, globex, request, run, stored } from "./support.ts"

/** Pipelines that ask nobody: they work on what the others have loaded. */
export const derived = ["genai/infrastructure/gcp_gpu", "genai/payg/cost_only", "genai/unified/consolidate"]

const settings = (dataFolder: string, configsFolder: string) =>
  Layer.unwrapEffect(
    Effect.map(Counterparties, ({ models }) =>
      Settings.layer.pipe(
        Layer.provide(
          Layer.setConfigProvider(
            ConfigProvider.fromMap(
              new Map([
                ["DATA_DIR", dataFolder],
                ["ENVIRONMENT", "test"],
                ["CONFIGS_BASE_PATH", configsFolder],
                ["GENAI_CLOUD_OVERLAP", "keep"],
                ["OPENAI_API_BASE_URL", `${models.endpoint}/v1`],
                ["ANTHROPIC_API_BASE_URL", models.endpoint]
              ])
            )
          )
        )
      )
    )
  )

/** A service on the folder, for as long as the effect lasts; its steps are what `wrap` makes of the shipped ones. */
const inService = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  folder: string,
  wrap: (processor: Processor) => Processor = (processor) => processor
) =>
  Effect.flatMap(configsWithClouds, (configsFolder) => {
    const processors = Layer.map(Registry.layer, (shipped) =>
      Context.make(
        Processors,
        new Map([...Context.get(shipped, Processors)].map(([type, making]) => [type, Effect.map(making, wrap)]))
      )
    )
    return Effect.provide(
      effect,
      Installation.layerOf(processors).pipe(
        Layer.provideMerge(settings(folder, configsFolder)),
        Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None))
      )
    )
  })

/** Stores a credential of each provider. */
const store = (org: OrgSlug, kind: Kind) =>
  Effect.gen(function* () {
    const all = yield* Counterparties
    for (const each of new Map(cases.map((one) => [one.provider, one])).values()) {
      const credentialId = `${each.provider.toLowerCase()}_${kind}`
      const { metadata, secret } = each.credential(all, kind, `${org}_${kind}`)
      yield* typeof secret === "string"
        ? credential(org, each.provider, secret, credentialId)
        : stored(org, each.provider, { credentialId, metadata, secret })
    }
  })

/** Puts everybody's data, the later day's as many times as usual. */
const putAll = (factor: number, names: ReadonlyArray<string>) =>
  Effect.map(Counterparties, (all) => {
    for (const each of cases) for (const name of names) each.put(all, factor, name)
  })

/** Organisations, procedures, data and credentials; the first organisation's bill of Google Cloud is loaded. */
const prepare = Effect.gen(function* () {
  const organizations = yield* Organizations
  for (const org of [acme, globex])
    yield* organizations.create({ org, companyName: org, adminEmail: `ops@${org}.test`, plan: "ENTERPRISE" })
  const { failed } = yield* (yield* ProcedureSync).sync()
  if (failed.length > 0) yield* Effect.dieMessage(JSON.stringify(failed))
  const { exports } = yield* Counterparties
  yield* putAll(1, ["acme_corp_first", "acme_corp_second", "globex_2_first", "globex_2_wrong"])
  yield* store(acme, "first")
  const line = { sku: "Nvidia L4 GPU running in Iowa", day: later, hours: "10.25", cost: "5.74041" }
  yield* googleBill(acme, [line, { ...line, day: earlier, machine: "vm-2" }], { folder: exports })
  yield* completed(yield* run(acme, "cloud/gcp/cost/billing", earlier, later))
})

/** An ended run, which must be good. */
const completed = (ended: Effect.Effect.Success<ReturnType<typeof run>>) =>
  ended.run.status === "COMPLETED"
    ? Effect.succeed(ended)
    : Effect.dieMessage(`${ended.run.trackingId}: ${ended.run.status}, ${ended.run.errorMessage}`)

/** Everybody undisturbed, one after the other: the rows, how often each was asked, and what each step said. */
const calm = Effect.gen(function* () {
  const all = yield* Counterparties
  const folder = yield* temporaryFolder
  return yield* inService(
    Effect.gen(function* () {
      yield* prepare
      const calls: Record<string, number> = {}
      const outputs: Record<string, ReadonlyArray<Json | undefined>> = {}
      for (const each of cases) {
        const { journal } = each.server(all)
        const before = journal.length
        const { steps } = yield* Effect.flatMap(run(acme, each.pipeline, earlier, later), completed)
        calls[each.pipeline] = journal.length - before
        outputs[each.pipeline] = steps.map(({ metadata }) => metadata["output"])
      }
      for (const pipeline of derived) yield* Effect.flatMap(run(acme, pipeline, earlier, later), completed)
      return { folder, calls, outputs, rows: yield* allRows }
    }),
    folder
  )
})

/** Every request that anybody makes is disturbed once; DeepSeek, which makes one alone, three times. */
const disturbed = Effect.gen(function* () {
  const all = yield* Counterparties
  return yield* inService(
    Effect.gen(function* () {
      yield* prepare
      const seen: Record<string, ReadonlyArray<string>> = {}
      const inTurn = (pipelines: ReadonlyArray<Case>) =>
        Effect.forEach(pipelines, (each) =>
          Effect.gen(function* () {
            const server = each.server(all)
            const weather = storm(server === all.deepSeek ? "all" : "one")
            server.faults.push(weather.fault)
            yield* Effect.flatMap(run(acme, each.pipeline, earlier, later), completed)
            server.faults.splice(server.faults.indexOf(weather.fault), 1)
            seen[each.pipeline] = weather.seen
          })
        )
      // Those of one server in turn, the servers side by side.
      const byServer = Map.groupBy(cases, (each) => each.server(all))
      yield* Effect.forEach(byServer.values(), inTurn, { concurrency: "unbounded" })
      for (const pipeline of derived) yield* Effect.flatMap(run(acme, pipeline, earlier, later), completed)
      return { seen, rows: yield* allRows }
    }),
    yield* temporaryFolder
  )
})

/** Waits for ever; dies when one of the runs ends. */
const noneEnds = (runIds: ReadonlyArray<RunId>) =>
  Effect.flatMap(Runs, (runs) =>
    Effect.raceAll(
      runIds.map((runId) =>
        Effect.flatMap(runs.awaitEnd(runId), (run) => Effect.dieMessage(`${run.trackingId}: ${run.errorMessage}`))
      )
    )
  )

/** Goes on with what was left, and waits until all of it has ended. */
const goOn = (runIds: ReadonlyArray<RunId>) =>
  Effect.gen(function* () {
    const runs = yield* Runs
    yield* runs.recover
    for (const runId of runIds) {
      yield* runs.awaitEnd(runId)
      yield* completed(yield* runs.get(runId))
    }
  })

/** The service ends while each provider owes an answer, half way through its calls; another one goes on with the same data. */
const betweenPages = (calls: Readonly<Record<string, number>>) =>
  Effect.gen(function* () {
    const all = yield* Counterparties
    const folder = yield* temporaryFolder
    const runIds = yield* inService(
      Effect.gen(function* () {
        yield* prepare
        return yield* Effect.forEach(cases, (each) =>
          Effect.gen(function* () {
            const held = yield* hold(Math.floor((calls[each.pipeline] ?? 0) / 2) + 1)
            each.server(all).faults.push(held.fault)
            const runId = yield* request(acme, each.pipeline, earlier, later)
            yield* Effect.raceFirst(held.reached, noneEnds([runId]))
            return runId
          })
        )
      }),
      folder
    )
    return yield* inService(
      Effect.gen(function* () {
        yield* goOn(runIds)
        for (const pipeline of derived) yield* Effect.flatMap(run(acme, pipeline, earlier, later), completed)
        return yield* allRows
      }),
      folder
    )
  })

/** Lets the first step of each of these pipelines do all of its work, and keeps its success from being recorded; `reached`: all are there. */
const gate = (pipelines: ReadonlyArray<string>) =>
  Effect.map(Deferred.make<void>(), (reached) => {
    const gated = new Set(pipelines.map((pipeline) => pipeline.replaceAll("/", "_")))
    let waiting = 0
    const wrap = (processor: Processor): Processor => ({
      ...processor,
      execute: (context) =>
        Effect.flatMap(processor.execute(context), (output) => {
          if (!gated.has(context.pipelineId)) return Effect.succeed(output)
          waiting++
          if (waiting === gated.size) Deferred.unsafeDone(reached, Effect.void)
          return Effect.never
        })
    })
    return { wrap, reached: Deferred.await(reached) }
  })

/**
 * The service ends when each first step has loaded its rows, and before it is recorded that it has; another one goes on, and ends so in each
 * of the derived pipelines.
 */
const afterLoad = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const stoppedIn = (pipelines: ReadonlyArray<string>, before: ReturnType<typeof goOn> | typeof prepare) =>
    Effect.flatMap(gate(pipelines), ({ reached, wrap }) =>
      inService(
        Effect.gen(function* () {
          yield* before
          const runIds = yield* Effect.forEach(pipelines, (pipeline) => request(acme, pipeline, earlier, later))
          yield* Effect.raceFirst(reached, noneEnds(runIds))
          return runIds
        }),
        folder,
        wrap
      )
    )
  let stopped = yield* stoppedIn(
    cases.map(({ pipeline }) => pipeline),
    prepare
  )
  for (const pipeline of derived) stopped = yield* stoppedIn([pipeline], goOn(stopped))
  return yield* inService(Effect.zipRight(goOn(stopped), allRows), folder)
})

/** A service on the undisturbed data that another organisation uses with keys that nobody knows. */
const refusals = (folder: string) =>
  Effect.gen(function* () {
    const all = yield* Counterparties
    return yield* inService(
      Effect.gen(function* () {
        yield* store(globex, "wrong")
        const runs = yield* Runs
        const found: Record<string, Refusal> = {}
        for (const each of cases) {
          const { journal } = each.server(all)
          const before = journal.length
          const ended = yield* run(globex, each.pipeline, later)
          const events = yield* runs.events(ended.run.runId)
          const [step] = ended.steps
          found[each.pipeline] = {
            status: ended.run.status,
            calls: journal.length - before,
            attempts: events.filter(({ type }) => type === "StepStarted").length,
            errorType: step?.errorContext?.error_type,
            advice: step?.errorContext?.suggested_action ?? "",
            message: step?.errorMessage ?? "",
            everything: JSON.stringify([ended, events])
          }
        }
        return found
      }),
      folder
    )
  })

/** What a wrong key led to. */
export interface Refusal {
  readonly status: string
  readonly calls: number
  readonly attempts: number
  readonly errorType: string | undefined
  readonly advice: string
  readonly message: string
  readonly everything: string
}

/**
 * A second account of the first organisation, and another organisation, are loaded beside what is there; then the later day of the second
 * account is asked for again, with other numbers. Rows of each before and after.
 */
const restatements = (folder: string) =>
  inService(
    Effect.gen(function* () {
      yield* store(acme, "second")
      yield* store(globex, "first")
      const idOf = ({ provider }: Case, kind: Kind) => `${provider.toLowerCase()}_${kind}`
      const dayIs = (day: string) => `x_pipeline_run_date = DATE '${day}'`
      const look = (each: Case) =>
        Effect.all({
          first: ofOwner(acme, each.owner, `x_credential_id = '${idOf(each, "first")}'`),
          earlier: ofOwner(acme, each.owner, `x_credential_id = '${idOf(each, "second")}' AND ${dayIs(earlier)}`),
          later: ofOwner(acme, each.owner, `x_credential_id = '${idOf(each, "second")}' AND ${dayIs(later)}`),
          others: ofOwner(globex, each.owner)
        })
      const ask = (each: Case, org: OrgSlug, kind: Kind) =>
        Effect.flatMap(run(org, each.pipeline, earlier, later, idOf(each, kind)), completed)
      const before: Record<string, Effect.Effect.Success<ReturnType<typeof look>>> = {}
      for (const each of cases) {
        yield* ask(each, acme, "second")
        yield* ask(each, globex, "first")
        before[each.pipeline] = yield* look(each)
      }
      yield* putAll(3, ["acme_corp_second"])
      const after: Record<string, Effect.Effect.Success<ReturnType<typeof look>>> = {}
      for (const each of cases) {
        yield* Effect.flatMap(run(acme, each.pipeline, later, later, idOf(each, "second")), completed)
        after[each.pipeline] = yield* look(each)
      }
      yield* putAll(1, ["acme_corp_second"])
      return { before, after }
    }),
    folder
  )

/** A phase runs every pipeline at least once; a busy machine needs minutes for it. */
export const phaseSeconds = 400

/** The phases, each made when a test asks for it first. */
const battery = Effect.gen(function* () {
  const all = yield* Counterparties
  const scope = yield* Effect.scope
  const cached = <A, E>(phase: Effect.Effect<A, E, Counterparties | Scope.Scope>) =>
    Effect.cached(
      phase.pipe(
        Effect.timeout(`${phaseSeconds} seconds`),
        Effect.provideService(Counterparties, all),
        Effect.provideService(Scope.Scope, scope)
      )
    )
  const undisturbed = yield* cached(calm)
  const onUndisturbed = <A, E>(
    phase: (found: Effect.Effect.Success<typeof undisturbed>) => Effect.Effect<A, E, Counterparties | Scope.Scope>
  ) => cached(Effect.flatMap(undisturbed, phase))
  return {
    undisturbed,
    disturbed: yield* cached(disturbed),
    betweenPages: yield* onUndisturbed(({ calls }) => betweenPages(calls)),
    afterLoad: yield* cached(afterLoad),
    refusals: yield* onUndisturbed(({ folder }) => refusals(folder)),
    restatements: yield* onUndisturbed(({ folder }) => restatements(folder))
  }
})

export class Battery extends Context.Tag("test/Battery")<Battery, Effect.Effect.Success<typeof battery>>() {
  static readonly layer = Layer.scoped(Battery, battery).pipe(Layer.provide(Counterparties.layer))
}
