/**
 * `replay`: a run's history from the event log, for audit.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { EventLog, type RecordedEvent } from "../eventlog/EventLog.ts"
import * as Installation from "../Installation.ts"
import { RunId } from "../platform/Identifiers.ts"
import { Settings } from "../platform/Settings.ts"
import { streamOf } from "../runs/RunEvent.ts"
import { stateAfter } from "../runs/RunHistory.ts"
import { RunNotFound } from "../runs/Runs.ts"
import { viewOf } from "../runs/RunView.ts"
import { detailOf } from "../http/RunSchemas.ts"
import * as RunProgress from "./RunProgress.ts"
import { table } from "./table.ts"

/** A version of a stream, or a time. */
const PointInHistory = Schema.Union(
  Schema.NumberFromString.pipe(Schema.int(), Schema.positive()),
  Schema.Date.pipe(Schema.validDate())
).annotations({
  message: () => ({ message: "--at takes a version from 1 on, or a time as in 2026-11-23T06:40:00Z", override: true })
})

const runId = Args.text({ name: "run-id" }).pipe(
  Args.withSchema(RunId),
  Args.withDescription("The run whose history is shown; absent: only --verify"),
  Args.optional
)
const at = Options.text("at").pipe(
  Options.withDescription("The run as it was after this version, or at this time, as in 7 or 2026-11-23T06:40:00Z"),
  Options.withSchema(PointInHistory),
  Options.optional
)
const verify = Options.boolean("verify").pipe(
  Options.withDescription("Prove that no event was altered or lost and that every projection equals its fold")
)
const rebuild = Options.boolean("rebuild").pipe(
  Options.withDescription("Throw away what is derived from the log and fold it anew; requests wait meanwhile")
)
const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))

/** The log is not what was written, or has nothing of what was asked. */
export class LogAltered extends Schema.TaggedError<LogAltered>()("LogAltered", { message: Schema.String }) {}

/** The command. It works beside a running service. */
export const replay = Command.make("replay", { runId, at, verify, rebuild, json }, (options) =>
  Effect.gen(function* () {
    if (Option.isSome(options.runId)) yield* show(options.runId.value, options.at, options.json)
    if (options.rebuild) yield* rebuildAll(options.json)
    if (options.verify || (Option.isNone(options.runId) && !options.rebuild)) yield* verifyAll(options.json)
  }).pipe(Effect.provide(Installation.records.pipe(Layer.provide(Settings.layer))))
).pipe(
  Command.withDescription("Show a run's history from the event log, at any point of it; verify or rebuild the log.")
)

const show = Effect.fn("replay.show")(function* (
  id: RunId,
  at: Option.Option<typeof PointInHistory.Type>,
  asJson: boolean
) {
  const recorded = yield* (yield* EventLog).read(streamOf(id))
  const events = Option.match(at, {
    onNone: () => recorded,
    onSome: (point) => recorded.filter((event) => isBy(event, point))
  })
  const state = yield* stateAfter(events)
  if (state === undefined) return yield* new RunNotFound({ runId: id })
  const view = viewOf(state)
  const run = view === undefined ? undefined : detailOf(view.run, view.steps)
  yield* Console.log(
    asJson
      ? JSON.stringify({ run, events })
      : [history(events), ...(run === undefined ? [] : ["", RunProgress.detail(run)])].join("\n")
  )
})

const isBy = (event: RecordedEvent, point: typeof PointInHistory.Type): boolean =>
  typeof point === "number" ? event.version <= point : event.recordedAt <= point.getTime()

const verifyAll = Effect.fn("replay.verify")(function* (asJson: boolean) {
  const { streams, events, findings } = yield* (yield* EventLog).verify
  yield* Console.log(
    asJson
      ? JSON.stringify({ streams, events, findings })
      : `${events} events in ${streams} streams verified: ${findings.length === 0 ? "every chain and projection holds" : `${findings.length} findings`}`
  )
  if (findings.length > 0) {
    return yield* new LogAltered({
      message: findings.map((each) => `${each.stream} version ${each.version}: ${each.problem}`).join("\n")
    })
  }
})

const rebuildAll = Effect.fn("replay.rebuild")(function* (asJson: boolean) {
  const { events } = yield* (yield* EventLog).rebuild
  yield* Console.log(asJson ? JSON.stringify({ events }) : `${events} events folded anew into the keys and projections`)
})

const history = (events: ReadonlyArray<RecordedEvent>): string =>
  table(
    ["version", "recorded at", "event", "what", "hash"],
    events.map((event) => [
      event.version,
      new Date(event.recordedAt).toISOString(),
      event.type,
      summary(event),
      event.hash.slice(0, 12)
    ])
  )

/** The few members that tell the story; `--json` has all. */
const summary = ({ data }: RecordedEvent): string =>
  ["stepId", "attempt", "trackingId", "startDate", "endDate", "reservationDate", "outcome", "code", "reason", "rows"]
    .filter((name) => data[name] !== undefined)
    .map((name) => String(data[name]))
    .join(" ")
