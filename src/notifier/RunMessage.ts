/**
 * What is told of a run: what failed, why, what to do, and where to look.
 */
import { resolveObject } from "../pipelines/Variables.ts"
import type { Pipeline } from "../pipelines/Pipeline.ts"
import type { JsonObject } from "../platform/Json.ts"
import type { RunView, StepView } from "../runs/Runs.ts"
import type { Message, Severity } from "./Message.ts"

/** A run as it is told of. */
export interface Told {
  readonly run: RunView
  readonly steps: ReadonlyArray<StepView>
  readonly pipeline: Pipeline
  /** The step whose failure is told of: of a run that goes on, or that ended by it. */
  readonly failedStep: StepView | undefined
  readonly adminEmail: string | undefined
  /** PUBLIC_URL */
  readonly publicUrl: string
}

const urlOf = ({ publicUrl, run }: Told): string =>
  `${publicUrl.replace(/\/+$/, "")}/api/v1/pipelines/${run.org}/runs/${run.runId}`

const durationOf = (run: RunView): string => {
  const seconds = Math.round((run.durationMs ?? 0) / 1000)
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)]
  return hours > 0
    ? `${hours} h ${minutes % 60} min`
    : minutes > 0
      ? `${minutes} min ${seconds % 60} s`
      : `${seconds} s`
}

/** The variables that a notify step's texts may name; see {@link file://./Notice.ts}. */
export const variablesOf = (told: Told): JsonObject => {
  const { adminEmail, failedStep, pipeline, run } = told
  const context = failedStep?.errorContext ?? run.errorContext
  return {
    ...pipeline.variables,
    ...pipeline.parameters,
    ...run.parameters,
    org_slug: run.org,
    run_id: run.runId,
    pipeline_id: pipeline.templateId,
    category: pipeline.category,
    provider: pipeline.provider,
    domain: pipeline.domain,
    template_name: pipeline.name,
    status: run.status,
    failed_step: failedStep?.stepId ?? "",
    error_code: context?.error_code ?? "",
    error_message: failedStep?.errorMessage ?? run.errorMessage ?? "",
    duration: durationOf(run),
    run_url: urlOf(told),
    ...(adminEmail === undefined ? {} : { admin_email: adminEmail })
  }
}

const titles: Readonly<Record<RunView["status"], string>> = {
  PENDING: "is waiting",
  RUNNING: "had a failed step and goes on",
  CANCELLING: "is being cancelled",
  COMPLETED: "completed",
  FAILED: "failed",
  CANCELLED: "was cancelled",
  TIMEOUT: "ran out of time"
}

/** The message of a run's end, or of a step that failed in a run that goes on. */
export const messageOf = (told: Told, severity: Severity): Message => {
  const { failedStep, pipeline, run } = told
  const context = failedStep?.errorContext ?? run.errorContext
  const action = context?.suggested_action ?? undefined
  const rows = told.steps.reduce((sum, step) => sum + (step.rowsProcessed ?? 0), 0)
  const facts: ReadonlyArray<readonly [string, string | undefined]> = [
    ["Organisation", run.org],
    ["Pipeline", run.trackingId],
    ["Status", run.status],
    ["Failed step", failedStep?.stepId],
    ["Error", context?.error_code],
    ["Attempts", failedStep === undefined ? undefined : String((context?.retry_count ?? 0) + 1)],
    ["Data dates", datesOf(run)],
    ["Rows", run.status === "COMPLETED" ? String(rows) : undefined],
    ["Started", run.startTime],
    ["Duration", run.endTime === null ? undefined : durationOf(run)],
    ["Run", run.runId]
  ]
  return {
    title: `${pipeline.name} ${titles[run.status]} (${run.org})`,
    severity,
    text: [whatHappened(told)],
    ...(action === undefined ? {} : { action }),
    facts: facts.flatMap(([label, value]) => (value === undefined ? [] : [[label, value] as const])),
    link: { label: "Look at the run", url: urlOf(told) },
    data: {
      run_id: run.runId,
      pipeline_id: run.trackingId,
      status: run.status,
      failed_step: failedStep?.stepId ?? null,
      error_code: context?.error_code ?? null,
      error_message: failedStep?.errorMessage ?? run.errorMessage
    }
  }
}

const whatHappened = ({ failedStep, run }: Told): string => {
  const why = failedStep?.errorMessage ?? run.errorMessage
  if (failedStep !== undefined) return `Step ${failedStep.name} failed: ${why ?? "no reason is known"}`
  if (why !== null) return why
  return run.status === "COMPLETED" ? "Every step of the run is done." : `The run is ${run.status}.`
}

const datesOf = (run: RunView): string => {
  const { end_date: end, start_date: start } = run.parameters
  return start === end ? String(start) : `${String(start)} to ${String(end)}`
}

/** The message with the subject and the text of a notify step, where it has them. */
export const withNotice = (
  message: Message,
  notice: { readonly subject?: string; readonly message?: string },
  variables: JsonObject
): Message => {
  const { message: text, subject } = resolveObject(
    {
      ...(notice.subject === undefined ? {} : { subject: notice.subject }),
      ...(notice.message === undefined ? {} : { message: notice.message })
    },
    variables
  )
  return {
    ...message,
    ...(subject === undefined ? {} : { title: String(subject) }),
    ...(text === undefined ? {} : { text: [String(text)] })
  }
}
