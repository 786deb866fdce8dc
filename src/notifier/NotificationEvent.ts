/**
 * The facts of a notification: one stream for each message to one channel. Old events stay readable for ever.
 */
import { createHash } from "node:crypto"
import * as Schema from "effect/Schema"
import type { NewEvent, RecordedEvent } from "../eventlog/EventLog.ts"
import { OrgSlug } from "../platform/Identifiers.ts"
import { Message } from "./Message.ts"

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/** What a notification can be about. */
export const EventName = Schema.Literal(
  "pipeline_failure",
  "pipeline_success",
  "pipeline_cancelled",
  "data_quality_failure",
  "system_error",
  "alert_triggered",
  "summary",
  "test"
)
export type EventName = typeof EventName.Type

/** Where the secret part of an address is: with the organisation's channel, in the settings, or sealed here for the notification's id. */
export const Secret = Schema.Union(
  Schema.Struct({ kind: Schema.Literal("channel") }),
  Schema.Struct({ kind: Schema.Literal("installation") }),
  Schema.Struct({ kind: Schema.Literal("sealed"), envelope: Schema.String })
)
export type Secret = typeof Secret.Type

/** Where one message goes. `channelId` is `default` for recipients that no stored channel names. */
export const Destination = Schema.Union(
  Schema.Struct({
    type: Schema.Literal("email"),
    channelId: Schema.String,
    to: Schema.Array(Schema.String),
    cc: Schema.Array(Schema.String),
    from: optional(Schema.String),
    fromName: optional(Schema.String),
    subjectPrefix: Schema.String
  }),
  Schema.Struct({
    type: Schema.Literal("slack"),
    channelId: Schema.String,
    secret: Secret,
    slackChannel: optional(Schema.String),
    username: optional(Schema.String),
    iconEmoji: optional(Schema.String),
    mentions: Schema.Array(Schema.String)
  }),
  Schema.Struct({
    type: Schema.Literal("webhook"),
    channelId: Schema.String,
    secret: Secret,
    method: Schema.Literal("POST", "PUT")
  })
)
export type Destination = typeof Destination.Type

/** What belongs to a notification whether it is sent or not. Times are milliseconds since 1970 UTC. */
const about = {
  notificationId: Schema.UUID,
  org: OrgSlug,
  event: EventName,
  /** What it follows from: the notifications of one event have the same. */
  source: Schema.String,
  destination: Destination,
  message: Message,
  /** Tracking id of the pipeline: what is throttled together. */
  pipeline: optional(Schema.String),
  runId: optional(Schema.String),
  ruleId: optional(Schema.String),
  alertId: optional(Schema.String),
  summaryId: optional(Schema.String),
  /** Goes out together with others of its rule that are due. */
  isDigest: optional(Schema.Boolean),
  /** Is not sent when somebody has acknowledged a notification of the same source. */
  isEscalation: optional(Schema.Boolean)
}

/** To be sent at `dueAt` or as soon as possible after it. */
export const NotificationQueued = Schema.TaggedStruct("NotificationQueued", { ...about, dueAt: Schema.Number })
/** Not sent, for a reason that is not a fault: throttled, nobody to tell, switched off. */
export const NotificationSkipped = Schema.TaggedStruct("NotificationSkipped", { ...about, reason: Schema.String })
/** The mail server or the webhook has taken it. `rejected`: addresses that the server did not take; `within`: the digest that it is part of. */
export const NotificationSent = Schema.TaggedStruct("NotificationSent", {
  attempt: Schema.Number,
  rejected: Schema.Array(Schema.String),
  within: optional(Schema.UUID)
})
/** Queued, and no longer wanted when its time came. */
export const NotificationWithdrawn = Schema.TaggedStruct("NotificationWithdrawn", { reason: Schema.String })
/** Somebody has seen it and takes care: nothing of the same source escalates any more. */
export const NotificationAcknowledged = Schema.TaggedStruct("NotificationAcknowledged", { by: Schema.String })
/** Another attempt is due at `retryAt`. */
export const NotificationAttemptFailed = Schema.TaggedStruct("NotificationAttemptFailed", {
  attempt: Schema.Number,
  problem: Schema.String,
  retryAt: Schema.Number
})
/** Given up. */
export const NotificationFailed = Schema.TaggedStruct("NotificationFailed", {
  attempt: Schema.Number,
  problem: Schema.String
})

const NotificationEvent = Schema.Union(
  NotificationQueued,
  NotificationSkipped,
  NotificationSent,
  NotificationAttemptFailed,
  NotificationFailed,
  NotificationWithdrawn,
  NotificationAcknowledged
)
export type NotificationEvent = typeof NotificationEvent.Type

/** The stream of a notification. */
export const streamOf = (notificationId: string): string => `notification/${notificationId}`

/** The same source and place give the same id: a repeated decision finds the notification that it made before. */
export const idOf = (source: string, place: string): string => {
  const digest = createHash("sha256")
    .update(JSON.stringify([source, place]))
    .digest("hex")
  // The form of a UUID of version 8, whose bits are the maker's own.
  return [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `8${digest.slice(13, 16)}`,
    `8${digest.slice(17, 20)}`,
    digest.slice(20, 32)
  ].join("-")
}

/** The event as the log takes it. */
export const toNewEvent = ({ _tag, ...data }: NotificationEvent): NewEvent => ({ type: _tag, data })

const decode = Schema.decodeUnknownSync(NotificationEvent)

/** The event that the log kept. Throws on one that this program cannot read, which is a defect: the log is its own. */
export const fromRecorded = (recorded: RecordedEvent): NotificationEvent =>
  decode({ _tag: recorded.type, ...recorded.data })
