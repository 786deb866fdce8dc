/**
 * The facts of one alert for one organisation. Old events stay readable for ever.
 */
import * as Schema from "effect/Schema"
import type { NewEvent, RecordedEvent } from "../eventlog/EventLog.ts"
import { Severity } from "../notifier/Message.ts"
import { OrgSlug } from "../platform/Identifiers.ts"
import { JsonObject } from "../platform/Json.ts"

/** What became of an evaluation for one organisation. */
export const Outcome = Schema.Literal(
  "triggered",
  "cooldown",
  "disabled",
  "not_due",
  "no_match",
  "no_data",
  "no_recipients",
  "send_failed",
  "error"
)
export type Outcome = typeof Outcome.Type

const about = { org: OrgSlug, alertId: Schema.String }

/** The alert was due at `slot` (milliseconds since 1970 UTC) and did not trigger. */
export const AlertEvaluated = Schema.TaggedStruct("AlertEvaluated", {
  ...about,
  slot: Schema.Number,
  outcome: Outcome,
  reason: Schema.NullOr(Schema.String)
})
/** The conditions hold, and people were told, or could not be. `slot` null: somebody asked for it. */
export const AlertTriggered = Schema.TaggedStruct("AlertTriggered", {
  ...about,
  historyId: Schema.UUID,
  slot: Schema.NullOr(Schema.Number),
  status: Schema.Literal("SENT", "FAILED"),
  severity: Severity,
  recipients: Schema.Array(Schema.String),
  values: JsonObject,
  conditions: Schema.Array(JsonObject),
  problem: Schema.NullOr(Schema.String)
})

const AlertEvent = Schema.Union(AlertEvaluated, AlertTriggered)
export type AlertEvent = typeof AlertEvent.Type

/** The stream of an alert of an organisation. */
export const streamOf = (org: OrgSlug, alertId: string): string => `alert/${org}/${alertId}`

/** The event as the log takes it. */
export const toNewEvent = ({ _tag, ...data }: AlertEvent): NewEvent => ({ type: _tag, data })

const decode = Schema.decodeUnknownSync(AlertEvent)

/** The event that the log kept. Throws on one that this program cannot read, which is a defect: the log is its own. */
export const fromRecorded = (recorded: RecordedEvent): AlertEvent => decode({ _tag: recorded.type, ...recorded.data })
