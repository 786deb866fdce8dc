/**
 * The JSON of health and of the start page.
 */
import * as Schema from "effect/Schema"

export const Overview = Schema.Struct({
  service: Schema.String,
  version: Schema.String,
  api: Schema.String,
  docs: Schema.String,
  openapi: Schema.String,
  health: Schema.String
}).annotations({ identifier: "Overview" })

export const Healthy = Schema.Struct({
  status: Schema.Literal("healthy"),
  service: Schema.String,
  version: Schema.String,
  release: Schema.String,
  release_timestamp: Schema.String,
  environment: Schema.String
}).annotations({ identifier: "Healthy" })

export const Live = Schema.Struct({ status: Schema.Literal("alive", "shutting_down") }).annotations({
  identifier: "Live"
})

export const Ready = Schema.Struct({
  status: Schema.Literal("ready", "not_ready"),
  checks: Schema.Struct({
    ready: Schema.Boolean.annotations({ description: "The event log answers and the service is not shutting down" }),
    bigquery: Schema.Boolean.annotations({ description: "The warehouse answers, whichever engine it is" }),
    procedures: Schema.Boolean.annotations({ description: "The critical procedures are there" }),
    encryption: Schema.Boolean.annotations({ description: "The key that wraps credentials is at hand" }),
    api: Schema.Boolean.annotations({ description: "The validator answers" })
  })
}).annotations({ identifier: "Ready" })
