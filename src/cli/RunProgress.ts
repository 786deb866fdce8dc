/**
 * A run as a person watches it: a line for each event, and the whole run with its steps.
 */
import { RunEvent } from "../runs/RunEvent.ts"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Event, Run } from "./client/ServiceClient.ts"
import { table } from "./table.ts"

/** The exit code of a command that waited for a run is 0 only for this status. */
export const succeeded = ({ status }: Run): boolean => status === "COMPLETED"

/** One line: when, what, and what it is about. Nothing for an event after the run's end. */
export const line = (event: Event): string | undefined => {
  const known = decode({ ...(isObject(event.data) ? event.data : {}), _tag: event.type })
  if (Option.exists(known, ({ _tag }) => _tag === "CompletionReported")) return undefined
  const [step, detail] = Option.match(known, { onNone: () => ["", ""], onSome: describe })
  return `${event.recorded_at.slice(11, 23)}  ${event.type.padEnd(17)} ${step.padEnd(20)} ${detail}`.trimEnd()
}

const decode = Schema.decodeUnknownOption(RunEvent)

const isObject = (data: unknown): data is object => typeof data === "object" && data !== null

const describe = (event: RunEvent): readonly [step: string, detail: string] => {
  switch (event._tag) {
    case "RunRequested":
      return ["", `${event.pipeline.configId}, ${event.startDate} to ${event.endDate}`]
    case "StepStarted":
      return [event.stepId, event.attempt === 1 ? "" : `attempt ${event.attempt}`]
    case "StepProgressed":
      return [event.stepId, event.rows === undefined ? "" : `${whole(event.rows)} rows so far`]
    case "StepSucceeded":
      return [event.stepId, event.output.rowsProcessed === undefined ? "" : `${whole(event.output.rowsProcessed)} rows`]
    case "StepAttemptFailed":
      return [event.stepId, `${event.failure.message}; again at ${new Date(event.retryAt).toISOString().slice(11, 19)}`]
    case "StepFailed":
      return [event.stepId, event.failure.message]
    case "StepSkipped":
      return [event.stepId, event.reason]
    case "RunFailed":
      return [event.stepId, event.failure.suggestedAction ?? ""]
    case "RunRefused":
      return ["", event.message]
    case "RunCancelled":
    case "CancelRequested":
      return ["", event.reason]
    case "RunTimedOut":
      return ["", `after ${event.timeoutSeconds} s`]
    case "RunAdmitted":
    case "RunCompleted":
    case "CompletionReported":
      return ["", ""]
  }
}

const whole = (value: number): string => value.toLocaleString("en-US")

/** The run, its steps, and why it failed if it did. */
export const detail = (run: Run): string =>
  [
    `${run.pipeline_logging_id}  ${run.pipeline_id}  ${run.status}${run.duration_ms === null ? "" : ` after ${seconds(run.duration_ms)}`}`,
    `data dates ${JSON.stringify(run.parameters["start_date"])} to ${JSON.stringify(run.parameters["end_date"])}, ${run.trigger_type} by ${run.trigger_by}`.replaceAll(
      '"',
      ""
    ),
    "",
    table(
      ["step", "type", "status", "rows", "took", "error"],
      run.steps.map((step) => [
        step.step_name,
        step.step_type,
        step.status,
        step.rows_processed ?? undefined,
        step.duration_ms === null ? undefined : seconds(step.duration_ms),
        step.error_message ?? undefined
      ])
    ),
    ...(run.error_message === null ? [] : ["", run.error_message]),
    ...(run.error_context?.suggested_action ? [`What to do: ${run.error_context.suggested_action}`] : [])
  ].join("\n")

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`
