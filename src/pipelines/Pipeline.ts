/**
 * A pipeline as it is run: the YAML of `configs/`, checked, with defaults filled in and implicit dependencies made explicit.
 */
import * as Schema from "effect/Schema"
import { JsonObject } from "../platform/Json.ts"

/** What happens to the run when a step has failed for good. */
export const OnFailure = Schema.Literal("stop", "continue", "alert")

/**
 * Makes a step a notice: the end of the run decides whether it is due, the notifier carries it out, and the run does not wait for it.
 * `on_failure`: FAILED or TIMEOUT; `on_completion`: those and COMPLETED; `always`: also CANCELLED.
 */
export const NoticeTrigger = Schema.Literal("always", "on_failure", "on_success", "on_completion")
export type NoticeTrigger = typeof NoticeTrigger.Type

/** True for the steps that the notifier carries out; their `ps_type` names a channel. */
export const isNotice = (psType: string): boolean => psType.startsWith("notify_systems.")

/** Exponential retry: attempt n waits `backoffSeconds` x 2^(n-2), at most an hour, jittered by 10 %. */
export const RetryPolicy = Schema.Struct({
  maxAttempts: Schema.Int.pipe(Schema.between(1, 10)),
  backoffSeconds: Schema.Number.pipe(Schema.between(0, 3600)),
  exponential: Schema.Boolean
})
export type RetryPolicy = typeof RetryPolicy.Type

/** One step. `config` is resolved except for what only the run knows. */
export const Step = Schema.Struct({
  stepId: Schema.String,
  name: Schema.String,
  psType: Schema.String,
  config: JsonObject,
  variables: JsonObject,
  timeoutSeconds: Schema.Number,
  retry: RetryPolicy,
  onFailure: OnFailure,
  dependsOn: Schema.Array(Schema.String),
  /** Boolean, or a text with variables that resolves to one. */
  enabled: Schema.Union(Schema.Boolean, Schema.String),
  /** Only of a notice. */
  trigger: Schema.optionalWith(NoticeTrigger, { exact: true })
})
export type Step = typeof Step.Type

/** The pinned definition: it travels in the run's first event, so a later change of the file does not alter a run in flight. */
export const Pipeline = Schema.Struct({
  /** Path below `configs/` without `.yml`: `cloud/aws/cost/billing`. */
  configId: Schema.String,
  /** `cloud_aws_cost_billing`: known to the validator, and x_pipeline_id. */
  templateId: Schema.String,
  name: Schema.String,
  category: Schema.String,
  provider: Schema.String,
  domain: Schema.String,
  timeoutSeconds: Schema.Number,
  variables: JsonObject,
  parameters: JsonObject,
  /** When an organisation that has it scheduled wants it, unless it says otherwise. */
  schedule: Schema.optionalWith(Schema.Struct({ cron: Schema.String, timezone: Schema.String }), { exact: true }),
  notifications: Schema.Struct({ onFailure: Schema.Array(Schema.String), onSuccess: Schema.Array(Schema.String) }),
  steps: Schema.NonEmptyArray(Step),
  /** SHA-256 of the resolved definition. */
  definitionHash: Schema.String
})
export type Pipeline = typeof Pipeline.Type
