/**
 * The YAML of a pipeline as a person writes it: names, limits and defaults of the contract.
 */
import * as Schema from "effect/Schema"
import { JsonObject } from "../platform/Json.ts"
import { NoticeTrigger, OnFailure } from "./Pipeline.ts"

const text = Schema.NonEmptyString
const schedule = Schema.Union(
  text,
  Schema.Struct({ cron: text, timezone: Schema.optional(text), enabled: Schema.optional(Schema.Boolean) }),
  Schema.Struct({
    type: Schema.Literal("daily"),
    time: Schema.String.pipe(Schema.pattern(/^([01]\d|2[0-3]):[0-5]\d$/)),
    timezone: Schema.optional(text)
  })
)

const seconds = (most: number) => Schema.optional(Schema.Int.pipe(Schema.between(1, most)))

const channels = Schema.optionalWith(Schema.Array(Schema.Literal("email", "slack", "webhook")), { default: () => [] })

/** One step of a file; an unknown member is an error, since a misspelt one would be ignored in silence. */
export const StepDefinition = Schema.Struct({
  step_id: Schema.String.pipe(Schema.pattern(/^[a-zA-Z0-9_-]+$/)),
  name: Schema.optional(text),
  description: Schema.optional(Schema.String),
  ps_type: Schema.String.pipe(
    Schema.pattern(/^[^.\s]+(\.[^.\s]+)+$/, { message: () => "ps_type has the form room.name" })
  ),
  config: Schema.optionalWith(JsonObject, { default: () => ({}) }),
  source: Schema.optional(JsonObject),
  destination: Schema.optional(JsonObject),
  variables: Schema.optionalWith(JsonObject, { default: () => ({}) }),
  metadata: Schema.optional(JsonObject),
  timeout_seconds: seconds(7200),
  timeout_minutes: seconds(120),
  retry: Schema.optionalWith(
    Schema.Struct({
      max_attempts: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 10)), { default: () => 3 }),
      backoff_seconds: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 3600)), { default: () => 30 }),
      exponential_backoff: Schema.optionalWith(Schema.Boolean, { default: () => true })
    }),
    { default: () => ({ max_attempts: 3, backoff_seconds: 30, exponential_backoff: true }) }
  ),
  on_failure: Schema.optionalWith(OnFailure, { default: () => "stop" as const }),
  depends_on: Schema.optional(Schema.Array(Schema.String)),
  enabled: Schema.optionalWith(Schema.Union(Schema.Boolean, Schema.String), { default: () => true }),
  trigger: Schema.optional(NoticeTrigger)
}).annotations({ parseOptions: { onExcessProperty: "error" } })
export type StepDefinition = typeof StepDefinition.Type

/** A pipeline file. Members that the engine does not know (`output_tables`, `requires_auth` ...) are allowed; a step's are not. */
export const Definition = Schema.Struct({
  pipeline_id: Schema.String.pipe(Schema.pattern(/^[a-zA-Z0-9_{}-]+$/)),
  name: text,
  provider: text,
  domain: text,
  category: Schema.optional(text),
  schedule: Schema.optional(schedule),
  variables: Schema.optionalWith(JsonObject, { default: () => ({}) }),
  parameters: Schema.optionalWith(JsonObject, { default: () => ({}) }),
  timeout_seconds: seconds(86_400),
  timeout_minutes: seconds(1440),
  notifications: Schema.optionalWith(Schema.Struct({ on_failure: channels, on_success: channels }), {
    default: () => ({ on_failure: [], on_success: [] })
  }),
  steps: Schema.NonEmptyArray(StepDefinition)
})
export type Definition = typeof Definition.Type
