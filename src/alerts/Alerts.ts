/**
 * Cost alerts: conditions over the FOCUS costs of each organisation, told by the notifier.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { EventLogUnavailable } from "../eventlog/EventLog.ts"
import type { OrganizationsUnavailable } from "../organizations/Organizations.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import type { JsonObject } from "../platform/Json.ts"
import type { Alert } from "./AlertDefinition.ts"
import type { Outcome } from "./AlertEvent.ts"

/** A file of alerts that cannot be used. */
export class AlertsInvalid extends Schema.TaggedError<AlertsInvalid>()("AlertsInvalid", {
  file: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.file}: ${this.reason}`
  }
}

/** There is no such alert. */
export class AlertNotFound extends Schema.TaggedError<AlertNotFound>()("AlertNotFound", { alertId: Schema.String }) {
  override get message() {
    return `alert ${this.alertId} not found`
  }
}

/** Which alerts to evaluate, and how. */
export interface EvaluationRequest {
  /** Absent: every organisation. */
  readonly org?: OrgSlug
  /** Absent: every alert. */
  readonly alertIds?: ReadonlyArray<string>
  /** Evaluates also what is not due or cools down. */
  readonly force?: boolean
  /** Says what would be told; sends and records nothing. */
  readonly dryRun?: boolean
}

/** What became of one alert for one organisation. `values` are exact texts. */
export interface Evaluation {
  readonly org: OrgSlug
  readonly alertId: string
  readonly outcome: Outcome
  readonly reason?: string
  readonly values?: JsonObject
  readonly recipients?: ReadonlyArray<string>
}

/** One time that an alert triggered; times are ISO 8601 UTC. */
export interface AlertRecord {
  readonly historyId: string
  readonly org: OrgSlug
  readonly alertId: string
  readonly status: "SENT" | "FAILED"
  readonly severity: string
  readonly recipients: ReadonlyArray<string>
  readonly values: JsonObject
  readonly conditions: ReadonlyArray<JsonObject>
  readonly problem: string | null
  readonly createdAt: string
}

type Failure = AlertsInvalid | EventLogUnavailable | OrganizationsUnavailable

export interface AlertsService {
  /** All alerts, those of single organisations too. */
  readonly list: Effect.Effect<ReadonlyArray<Alert>, AlertsInvalid>
  readonly get: (alertId: string) => Effect.Effect<Alert, AlertNotFound | AlertsInvalid>
  /** Evaluates each alert for each organisation. One that fails is an `error` of its own and keeps none of the others. */
  readonly evaluate: (request: EvaluationRequest) => Effect.Effect<ReadonlyArray<Evaluation>, AlertNotFound | Failure>
  /** Newest first. */
  readonly history: (
    org: OrgSlug,
    filter: {
      readonly alertId?: string
      readonly status?: "SENT" | "FAILED"
      readonly days: number
      readonly limit: number
    }
  ) => Effect.Effect<{ readonly records: ReadonlyArray<AlertRecord>; readonly total: number }, EventLogUnavailable>
  /** The next evaluation looks at the files again. */
  readonly clearCache: Effect.Effect<void>
  /** Evaluates what is due, every minute, for ever. One fiber of one process does this. */
  readonly run: Effect.Effect<never>
}

/** The cost alerts. */
export class Alerts extends Context.Tag("pipeline-service/Alerts")<Alerts, AlertsService>() {}
