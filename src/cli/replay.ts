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
import { RunNotFound } from "../runs/Runs.ts"
import { table } from "./table.ts"

const runId = Args.text({ name: "run-id" }).pipe(
  Args.withSchema(RunId),
  Args.withDescription("The run whose history is shown; absent: only --verify"),
  Args.optional
)
const verify = Options.boolean("verify").pipe(
  Options.withDescription("Prove that no event was altered or lost and that every projection equals its fold")
)
const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))

/** The log is not what was written. */
export class LogAltered extends Schema.TaggedError<LogAltered>()("LogAltered", { message: Schema.String }) {}

/** The command. It reads the event log beside a running service. */
export const replay = Command.make("replay", { runId, verify, json }, (options) =>
  Effect.gen(function* () {
    const log = yield* EventLog
    if (Option.isSome(options.runId)) {
      const events = yield* log.read(streamOf(options.runId.value))
      if (events.length === 0) return yield* new RunNotFound({ runId: options.runId.value })
      yield* Console.log(options.json ? JSON.stringify(events) : history(events))
    }
    if (options.verify || Option.isNone(options.runId)) {
      const { streams, events, findings } = yield* log.verify
      yield* Console.log(
        options.json
          ? JSON.stringify({ streams, events, findings })
          : `${events} events in ${streams} streams verified: ${findings.length === 0 ? "every chain and projection holds" : `${findings.length} findings`}`
      )
      if (findings.length > 0) {
        return yield* new LogAltered({
          message: findings.map((each) => `${each.stream} version ${each.version}: ${each.problem}`).join("\n")
        })
      }
    }
  }).pipe(Effect.provide(Installation.records.pipe(Layer.provide(Settings.layer))))
).pipe(Command.withDescription("Show a run's history from the event log, and verify the log."))

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
