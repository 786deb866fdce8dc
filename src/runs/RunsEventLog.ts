/**
 * The runs service on the event log: requests become streams, streams become actors.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Fragment } from "@effect/sql/Statement"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { EventLog, EventLogUnavailable } from "../eventlog/EventLog.ts"
import { Catalogue } from "../pipelines/Catalogue.ts"
import { Processors } from "../pipelines/Processor.ts"
import { newRunId, RunId } from "../platform/Identifiers.ts"
import type { JsonObject } from "../platform/Json.ts"
import { Settings } from "../platform/Settings.ts"
import * as Timers from "../platform/Timers.ts"
import { RunNotAllowed, Validator } from "../validator/Validator.ts"
import { type DateRange, resolveDates, sinceEarliest } from "./DateRange.ts"
import { abandon } from "./Orphan.ts"
import { finishedBefore } from "./Retried.ts"
import { begin, isAsking, isEnded, type RunState } from "./Run.ts"
import * as RunActor from "./RunActor.ts"
import { fromRecorded, isTerminal, type RunRequested, streamOf, toNewEvent } from "./RunEvent.ts"
import * as RunMetrics from "./RunMetrics.ts"
import * as Slots from "./Slots.ts"
import { transitionsOf } from "./Transitions.ts"
import { admitted, type StepProcessor, withProcessors } from "./Admission.ts"
import { spanOf, traceable } from "./StepAttempt.ts"
import { stateAfter } from "./RunHistory.ts"
import { RunRow, runViewOf, viewOf, viewOfRow } from "./RunView.ts"
import {
  DatesUnavailable,
  type RunAccepted,
  type RunFilter,
  RunNotFound,
  RunNotEnded,
  type RunRequest,
  Runs,
  type RunsService,
  ShuttingDown
} from "./Runs.ts"

const toRunId = Schema.decodeSync(RunId)
const toRefusal = Schema.decodeUnknown(RunNotAllowed)
const decodeRows = Schema.decodeUnknown(Schema.Array(RunRow))
const decodeTotal = Schema.decodeUnknown(Schema.Tuple(Schema.Struct({ total: Schema.NumberFromString })))

const make = Effect.gen(function* () {
  const log = yield* EventLog
  const catalogue = yield* Catalogue
  const validator = yield* Validator
  const sql = yield* SqlClient.SqlClient
  const settings = yield* Settings
  const context: RunActor.ActorContext = {
    log,
    validator,
    processors: yield* Processors,
    limits: { maxParallelSteps: settings.maxParallelSteps },
    slots: Slots.make(settings.maxConcurrentRuns, RunMetrics.slotsTaken),
    timers: yield* Timers.make,
    isTraced: Option.isSome(settings.otlpEndpoint),
    environment: settings.environment,
    projectId: settings.projectId
  }
  const actors = new Map<RunId, RunActor.RunActor>()
  // A run outlives the request for it, so its fiber has the surroundings of the service, which are also less to copy for each fiber.
  const runFiber = yield* FiberMap.runtime(yield* FiberMap.make<RunId>())()
  let stopping = false
  yield* Effect.addFinalizer(() => Effect.sync(() => void (stopping = true)))

  /** Starts the run's fiber, which goes on when the caller has gone away, and waits until its opening has come to an end. */
  const start = <E>(actor: RunActor.RunActor, runId: RunId, opening: Effect.Effect<void, E>): Effect.Effect<void, E> =>
    Effect.suspend(() => {
      const opened = Deferred.unsafeMake<void, E>(FiberId.none)
      const life = actor.run(Effect.map(opening, () => Deferred.unsafeDone(opened, Exit.void)))
      return Effect.flatMap(traceable(context, Effect.exit(life)), (live) => {
        actors.set(runId, actor)
        runFiber(runId, live).addObserver((exit) => {
          actors.delete(runId)
          // Where the opening failed, the life has ended with its failure.
          Deferred.unsafeDone(opened, Exit.flatten(exit))
        })
        return Deferred.await(opened)
      })
    })

  const fold = (runId: RunId) => Effect.flatMap(log.read(streamOf(runId)), stateAfter)

  const found = Effect.fnUntraced(function* (runId: RunId) {
    const state = yield* fold(runId)
    return state === undefined || state.status === "REFUSED" ? yield* new RunNotFound({ runId }) : state
  })

  /** Asks the validator for a slot and records its answer. Also the way on for a request that a crash cut off here. */
  const admit = (
    actor: RunActor.RunActor,
    { org, runId, pipeline }: RunState["request"],
    apiKey: RunRequest["apiKey"]
  ) =>
    validator
      .reserve({ org, runId, pipelineId: pipeline.templateId, ...(apiKey === undefined ? {} : { apiKey }) })
      .pipe(
        Effect.flatMap((reservation) => actor.answer({ _tag: "Admit", ...reservation, start: false })),
        Effect.catchTag("AppendForbidden", ({ objection }) =>
          Effect.flatMap(Effect.orDie(toRefusal(objection)), Effect.fail)
        ),
        Effect.catchTag("RunNotAllowed", (refusal) =>
          Effect.zipRight(actor.answer({ _tag: "Refuse", code: refusal.code, message: refusal.message }), refusal)
        )
      )

  const existing = Effect.fnUntraced(function* (holder: string) {
    const runId = toRunId(holder.slice(holder.indexOf("/") + 1))
    const state = yield* fold(runId)
    return state === undefined || state.status === "REFUSED"
      ? Option.none<RunAccepted>()
      : Option.some<RunAccepted>({
          runId,
          trackingId: state.request.trackingId,
          status: state.status,
          existing: true
        })
  })

  const liveRun = Effect.fnUntraced(function* ({ configId, org }: RunRequest) {
    const [row] = yield* sql<{ run_id: string }>`select run_id from runs where org_slug = ${org}
      and tracking_id = ${trackingIdOf(org, configId)} and status in ('PENDING', 'RUNNING', 'CANCELLING')`.pipe(
      Effect.catchAll((cause) => new EventLogUnavailable({ operation: "look for a live run", cause }))
    )
    return row === undefined ? Option.none<RunAccepted>() : yield* existing(streamOf(toRunId(row.run_id)))
  })

  /** A wrong date is told before a wrong pipeline, though some pipelines have rules of their own. */
  const datesOf = Effect.fnUntraced(function* (asked: RunRequest, now: number, steps: ReadonlyArray<StepProcessor>) {
    const rules = steps
      .map(({ processor, step }) => processor.dateRules?.(step.config))
      .find((found) => found !== undefined)
    if (rules === undefined || asked.startDate !== undefined || asked.endDate !== undefined) {
      return yield* resolveDates(asked, now, rules?.allowsFuture)
    }
    const earliest = yield* Effect.mapError(
      rules.earliest(asked.org),
      ({ message }) => new DatesUnavailable({ message: `first day of ${asked.configId} for ${asked.org}: ${message}` })
    )
    return sinceEarliest(earliest, now)
  })

  /** `before`: the run that this one repeats. */
  const request = Effect.fnUntraced(function* (asked: RunRequest, before?: RunState) {
    if (stopping) return yield* new ShuttingDown()
    const now = yield* Clock.currentTimeMillis
    const loaded = yield* Effect.either(catalogue.load(asked.org, asked.configId))
    const steps = yield* withProcessors(Either.isRight(loaded) ? loaded.right.steps : [], context.processors)
    const dates = yield* datesOf(asked, now, steps)
    const pipeline = yield* loaded
    const finished = before === undefined ? [] : finishedBefore(before, pipeline)
    const admission = yield* Effect.either(admitted(asked, steps, new Set(finished.map(({ stepId }) => stepId))))
    if (Either.isLeft(admission)) {
      // A live run is answered whatever has happened since it was accepted.
      const holder = yield* liveRun(asked)
      return Option.isSome(holder) ? holder.value : yield* admission.left
    }
    const requested = {
      ...requestEvent(asked, dates, pipeline, now),
      ...(before === undefined ? {} : { retryOf: { runId: before.request.runId, finished } })
    }
    const { runId, trackingId } = requested
    const accept: ReturnType<RunsService["request"]> = Effect.suspend(() => {
      const actor = RunActor.make(context, begin(requested, now), [requested])
      const admitted = admit(actor, requested, asked.apiKey)
      // A quota in the log is judged when the admission is recorded, so the request needs no append of its own.
      return start(actor, runId, validator.isQuotaInLog ? admitted : Effect.zipRight(actor.record, admitted))
    }).pipe(
      Effect.as({ runId, trackingId, status: "PENDING" as const, existing: false }),
      Effect.catchTags({
        // A holder that was refused in between has let go of the key.
        KeyHeld: ({ holder }) =>
          Effect.flatMap(existing(holder), Option.match({ onNone: () => accept, onSome: Effect.succeed })),
        VersionConflict: Effect.die,
        AppendForbidden: Effect.die
      })
    )
    return yield* spanOf(context, "Runs.request", { run: runId })(accept)
  })

  const retry: RunsService["retry"] = Effect.fn("Runs.retry")(function* (runId, { org, ...by }) {
    const before = yield* found(runId)
    const { credentialId, endDate, forceRefresh, parameters, pipeline, startDate } = before.request
    if (before.request.org !== org) return yield* new RunNotFound({ runId })
    if (!isEnded(before.status)) return yield* new RunNotEnded({ runId, status: before.status })
    return yield* request(
      {
        org,
        configId: pipeline.configId,
        startDate,
        endDate,
        trigger: "retry",
        ...by,
        ...(parameters["force_refresh"] === undefined ? {} : { forceRefresh }),
        ...(credentialId === undefined ? {} : { credentialId })
      },
      before
    )
  })

  const watch: RunsService["watch"] = (runId, fromVersion = 1) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const head = yield* log.head
        const past = yield* log.read(streamOf(runId), 1)
        if (past.length === 0) return yield* new RunNotFound({ runId })
        const missed = Stream.fromIterable(past.filter((event) => event.version >= fromVersion))
        const last = past.at(-1)
        if (last !== undefined && past.some((event) => isTerminal(event.type))) return missed
        const coming = log
          .follow(head)
          .pipe(Stream.filter((event) => event.stream === streamOf(runId) && event.version > (last?.version ?? 0)))
        return Stream.concat(
          missed,
          Stream.takeUntil(coming, (event) => isTerminal(event.type))
        )
      })
    )

  const awaitEnd: RunsService["awaitEnd"] = Effect.fnUntraced(function* (runId) {
    const actor = actors.get(runId)
    const ended = actor === undefined ? Option.none() : yield* actor.ended
    if (Option.isNone(ended)) yield* Stream.runDrain(watch(runId))
    return runViewOf(Option.isSome(ended) ? ended.value : yield* found(runId)) ?? (yield* new RunNotFound({ runId }))
  })

  const cancel: RunsService["cancel"] = Effect.fn("Runs.cancel")(function* (runId, by) {
    const state = yield* found(runId)
    if (by.org !== undefined && by.org !== state.request.org) return yield* new RunNotFound({ runId })
    const actor = actors.get(runId)
    if (actor !== undefined) yield* actor.send({ _tag: "Cancel", by: by.org ?? "root", reason: by.reason })
    return { status: asRunStatus(yield* found(runId)) }
  })

  const list: RunsService["list"] = Effect.fn("Runs.list")(function* (filter) {
    const where = sql.and(conditions(sql, filter))
    const rows = yield* sql`select * from runs where ${where}
      order by start_time desc, run_id limit ${filter.limit} offset ${filter.offset}`.pipe(
      Effect.flatMap(decodeRows),
      Effect.catchAll((cause) => new EventLogUnavailable({ operation: "list runs", cause }))
    )
    const [{ total }] = yield* sql`select cast(count(*) as text) as total from runs where ${where}`.pipe(
      Effect.flatMap(decodeTotal),
      Effect.catchAll((cause) => new EventLogUnavailable({ operation: "count runs", cause }))
    )
    return { runs: rows.map(viewOfRow), total }
  })

  const unfinished = sql<{ run_id: string }>`select run_id from runs where open = 1 order by start_time`.pipe(
    Effect.map((rows) => rows.map((row) => toRunId(row.run_id))),
    Effect.catchAll((cause) => new EventLogUnavailable({ operation: "list unfinished runs", cause }))
  )

  const failOrphan = Effect.fnUntraced(function* (runId: RunId, idleSince: number) {
    const recorded = yield* log.read(streamOf(runId))
    const state = yield* stateAfter(recorded)
    if (state === undefined || (recorded.at(-1)?.recordedAt ?? 0) > idleSince) return []
    const [first, ...rest] = abandon(state)
    if (first === undefined) return []
    const stream = streamOf(runId)
    yield* log.append({
      stream,
      expectedVersion: state.version,
      events: [toNewEvent(first), ...rest.map(toNewEvent)]
    })
    const ended = yield* fold(runId)
    // The actor that is left has only the validator to tell.
    if (ended !== undefined) yield* start(RunActor.make(context, ended), runId, Effect.void)
    return [{ runId, org: state.request.org }]
  })

  const failOrphans: RunsService["failOrphans"] = Effect.fn("Runs.failOrphans")(function* (idleMinutes) {
    const idleSince = (yield* Clock.currentTimeMillis) - idleMinutes * 60_000
    const left = (yield* unfinished).filter((runId) => !actors.has(runId))
    const failed = yield* Effect.forEach(left, (runId) =>
      Effect.catchTags(failOrphan(runId, idleSince), {
        VersionConflict: () => Effect.succeed([]),
        KeyHeld: Effect.die,
        AppendForbidden: Effect.die
      })
    )
    return failed.flat()
  })

  const recover: RunsService["recover"] = Effect.gen(function* () {
    const open = yield* unfinished
    for (const runId of open) {
      const state = yield* fold(runId)
      if (state === undefined) continue
      const actor = RunActor.make(context, state)
      const opening = isAsking(state) ? admit(actor, state.request, undefined) : Effect.void
      yield* Effect.catchTags(start(actor, runId, opening), {
        RunNotAllowed: ({ message }) => Effect.logWarning(`run ${runId} was not admitted: ${message}`),
        VersionConflict: ({ message }) => Effect.logWarning(`run ${runId} is left to its new owner: ${message}`),
        KeyHeld: Effect.die,
        AppendForbidden: Effect.die
      })
    }
    return open.length
  }).pipe(Effect.withSpan("Runs.recover"))

  const history = Effect.fnUntraced(function* (runId: RunId) {
    const recorded = yield* log.read(streamOf(runId))
    return yield* Effect.forEach(recorded, (each) =>
      Effect.map(fromRecorded(each), (event) => ({ recorded: each, event }))
    )
  })

  return {
    request: (asked) => request(asked),
    retry,
    cancel,
    get: Effect.fn("Runs.get")(function* (runId) {
      return viewOf(yield* found(runId)) ?? (yield* new RunNotFound({ runId }))
    }),
    list,
    events: Effect.fn("Runs.events")(function* (runId, fromVersion = 1) {
      const events = yield* log.read(streamOf(runId), fromVersion)
      if (events.length === 0 && fromVersion === 1) return yield* new RunNotFound({ runId })
      return events
    }),
    transitions: Effect.fn("Runs.transitions")(function* (runId) {
      const events = yield* history(runId)
      return events.length === 0 ? yield* new RunNotFound({ runId }) : transitionsOf(events)
    }),
    watch,
    awaitEnd,
    failOrphans,
    recover
  } satisfies RunsService
})

const trackingIdOf = (org: string, configId: string): string => `${org}-${configId.replaceAll("/", "-")}`

const asRunStatus = (state: RunState): RunAccepted["status"] => (state.status === "REFUSED" ? "FAILED" : state.status)

const requestEvent = (
  asked: RunRequest,
  dates: DateRange,
  pipeline: (typeof RunRequested.Type)["pipeline"],
  now: number
): typeof RunRequested.Type => {
  const { configId, credentialId, forceRefresh, idempotencyKey, org, trigger, triggerBy } = asked
  const { endDate, startDate } = dates
  // Members stand in the order of the stored text, so that these can be written as they are.
  const parameters: JsonObject = {
    ...(credentialId === undefined ? {} : { credential_id: credentialId }),
    end_date: endDate,
    ...(forceRefresh === undefined ? {} : { force_refresh: forceRefresh }),
    start_date: startDate
  }
  return {
    _tag: "RunRequested",
    ...(credentialId === undefined ? {} : { credentialId }),
    endDate,
    forceRefresh: forceRefresh ?? false,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    org,
    parameters,
    pipeline,
    runId: newRunId(now),
    startDate,
    trackingId: trackingIdOf(org, configId),
    trigger,
    triggerBy
  }
}

const conditions = (sql: SqlClient.SqlClient, filter: RunFilter): ReadonlyArray<Fragment> => [
  sql`org_slug = ${filter.org}`,
  sql`status <> 'REFUSED'`,
  ...(filter.status === undefined ? [] : [sql`status = ${filter.status}`]),
  ...(filter.pipeline === undefined ? [] : [sql`tracking_id like ${`%${likeText(filter.pipeline)}%`} escape '!'`]),
  ...(filter.trigger === undefined ? [] : [sql`trigger_type = ${filter.trigger}`]),
  ...(filter.triggerBy === undefined ? [] : [sql`trigger_by = ${filter.triggerBy}`]),
  ...(filter.startDate === undefined ? [] : [sql`run_date >= ${filter.startDate}`]),
  ...(filter.endDate === undefined ? [] : [sql`run_date <= ${filter.endDate}`])
]

const likeText = (text: string): string => text.replace(/[!%_]/g, (each) => `!${each}`)

/** The runs service; runs work in the layer's scope and are left resumable when it closes. Call `recover` once after the start. */
export const layer = Layer.scoped(Runs, make)
