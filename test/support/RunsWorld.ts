import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Layer from "effect/Layer"
import * as EventLogSql from "../../src/eventlog/EventLogSql.ts"
import { EventModel } from "../../src/eventlog/Projection.ts"
import { eventModel } from "../../src/eventModel.ts"
import type { OrganizationsUnavailable } from "../../src/organizations/Organizations.ts"
import { Catalogue, TemplateNotFound } from "../../src/pipelines/Catalogue.ts"
import type { Pipeline } from "../../src/pipelines/Pipeline.ts"
import {
  type Processor,
  Processors,
  type StepContext,
  type StepError,
  type StepOutput
} from "../../src/pipelines/Processor.ts"
import * as Database from "../../src/platform/Database.ts"
import { Settings } from "../../src/platform/Settings.ts"
import { dayOf } from "../../src/platform/Identifiers.ts"
import * as RunsEventLog from "../../src/runs/RunsEventLog.ts"
import { CompletionUndelivered, RunNotAllowed, Validator } from "../../src/validator/Validator.ts"

/** What a step of a test pipeline does, by step id; the default succeeds at once with one row. */
export type Script = Readonly<Record<string, (context: StepContext) => Effect.Effect<StepOutput, StepError>>>

export const done: StepOutput = { rowsProcessed: 1, rowsWritten: 1, details: {} }

/** A processor for `test.step` that follows a script. */
export const scripted = (script: Script): Processor => ({
  type: "test.step",
  check: () => undefined,
  execute: (context) => script[context.stepId]?.(context) ?? Effect.succeed(done)
})

/** The reservations that a world's validator has given and got back. */
export class Ledger extends Context.Tag("test/Ledger")<
  Ledger,
  {
    readonly reserved: Set<string>
    readonly completed: Map<string, string>
    readonly completions: Array<string>
    refuse: RunNotAllowed | undefined
    failCompletions: number
    /** What the validator waits for before it answers. */
    hold: Effect.Effect<void>
  }
>() {}

export const makeLedger = (): Ledger["Type"] => ({
  reserved: new Set(),
  completed: new Map(),
  completions: [],
  refuse: undefined,
  failCompletions: 0,
  hold: Effect.void
})

/** A validator that keeps its own books, the ledger. */
const ledgerValidator = Layer.effect(
  Validator,
  Effect.map(Ledger, (ledger) => ({
    isQuotaInLog: false,
    reserve: ({ runId }) =>
      Effect.gen(function* () {
        yield* ledger.hold
        if (ledger.refuse !== undefined) return yield* ledger.refuse
        ledger.reserved.add(runId)
        return { reservationDate: dayOf(yield* Clock.currentTimeMillis) }
      }),
    complete: ({ runId, outcome }) =>
      Effect.suspend(() => {
        ledger.completions.push(`${runId} ${outcome}`)
        if (ledger.failCompletions-- > 0) {
          return new CompletionUndelivered({ message: "the API service answered 503", retryable: true })
        }
        ledger.completed.set(runId, outcome)
        return Effect.void
      })
  }))
)

/** All that runs need, on the database file given; `recover` is left to the test. */
export const layer = (options: {
  readonly database: string
  readonly pipelines: ReadonlyArray<Pipeline>
  readonly script: Script
  readonly ledger: Ledger["Type"]
  readonly settings?: Readonly<Record<string, string>>
  /** What the processor says to a request for a run. */
  readonly admits?: Processor["admits"]
  readonly eventLog?: typeof EventLogSql.layer
  /** Instead of the ledger's. */
  readonly validator?: Layer.Layer<Validator, OrganizationsUnavailable, SqlClient.SqlClient>
}) => {
  const settings = Settings.layer.pipe(
    Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(options.settings ?? {})))))
  )
  const catalogue = Layer.succeed(Catalogue, {
    load: (_org, configId) => {
      const found = options.pipelines.find((each) => each.configId === configId)
      return found === undefined ? new TemplateNotFound({ configId }) : Effect.succeed(found)
    },
    checkAll: Effect.succeed(options.pipelines.map((each) => each.configId))
  })
  const processor: Processor = {
    ...scripted(options.script),
    ...(options.admits === undefined ? {} : { admits: options.admits })
  }
  const validator: Layer.Layer<Validator, OrganizationsUnavailable, Ledger | SqlClient.SqlClient> =
    options.validator ?? ledgerValidator
  return RunsEventLog.layer.pipe(
    Layer.provideMerge(options.eventLog ?? EventLogSql.layer),
    Layer.provide(Layer.succeed(EventModel, eventModel)),
    Layer.provideMerge(validator),
    Layer.provide([settings, Layer.succeed(Processors, new Map(Processors.entries([processor])))]),
    Layer.provideMerge(catalogue),
    Layer.provideMerge(Layer.succeed(Ledger, options.ledger)),
    Layer.provideMerge(Database.layerFile(options.database))
  )
}
