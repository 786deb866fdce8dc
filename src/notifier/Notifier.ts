/**
 * Tells people: by e-mail, Slack and webhook. What is to be told is durable before it is sent, and what was sent is recorded after it; a
 * crash in between sends the one message again, with the same id, and loses none.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { EventLogUnavailable } from "../eventlog/EventLog.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import type { ChannelSecret, ChannelsUnavailable, ChannelType } from "./Channels.ts"
import type { Message } from "./Message.ts"
import type { Destination, EventName } from "./NotificationEvent.ts"
import type { NotifierConfigInvalid } from "./NotifierConfig.ts"

/** What belongs to each notification of one event. */
export interface Subject {
  readonly org: OrgSlug
  readonly event: EventName
  /** What it follows from. The same source never tells the same destination twice. */
  readonly source: string
  /** Tracking id: what is throttled together. */
  readonly pipeline?: string
  /** Nothing is sent when the organisation was told of this event and pipeline in this time; absent or 0: never throttled. */
  readonly cooldownSeconds?: number
  readonly runId?: string
  readonly ruleId?: string
  readonly alertId?: string
  readonly summaryId?: string
}

/** One message to one destination. With `skip`, it is only recorded that it was not sent, and why. */
export interface Delivery {
  readonly destination: Destination
  readonly message: Message
  /** Not before this time, in milliseconds since 1970 UTC; absent: at once. */
  readonly dueAt?: number
  readonly ruleId?: string
  readonly skip?: string
  /** Waits so long for others of its rule, and goes out with them as one message. */
  readonly digestSeconds?: number
  /** Nothing is sent at `dueAt` when somebody has acknowledged a notification of the same subject by then. */
  readonly isEscalation?: boolean
  /** When others are told unless somebody acknowledges this one. */
  readonly escalatesAt?: number
  /** The address of a Slack channel or webhook that is stored nowhere; it is sealed with the notification. */
  readonly secret?: ChannelSecret
}

export const Status = Schema.Literal("queued", "sent", "failed", "skipped")
export type Status = typeof Status.Type

/** A notification as the history shows it; times are ISO 8601 UTC. */
export interface Notification {
  readonly notificationId: string
  readonly org: OrgSlug
  readonly event: EventName
  readonly channelType: ChannelType
  readonly channelId: string
  readonly recipients: ReadonlyArray<string>
  readonly subject: string
  readonly status: Status
  readonly attempts: number
  readonly problem: string | undefined
  readonly queuedAt: string
  readonly endedAt: string | undefined
  readonly acknowledgedBy: string | undefined
}

/** The organisation has no such notification, or it has not been sent yet; the message says which. */
export class NotAcknowledged extends Schema.TaggedError<NotAcknowledged>()("NotAcknowledged", {
  isKnown: Schema.Boolean,
  message: Schema.String
}) {}

/** The stores or the files that the notifier needs could not be used. */
export type NotifierError = EventLogUnavailable | ChannelsUnavailable | NotifierConfigInvalid

export interface NotifierService {
  /** Records the deliveries and wakes the sender; answers their ids. Repeating it with the same subject and destinations changes nothing. */
  readonly queue: (
    subject: Subject,
    deliveries: ReadonlyArray<Delivery>
  ) => Effect.Effect<ReadonlyArray<string>, EventLogUnavailable | ChannelsUnavailable>
  /** Sends what is due now, attempt after attempt, and waits for the end of each; what is due later stays queued. */
  readonly settle: (
    notificationIds: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Notification>, EventLogUnavailable>
  /** The newest first. */
  readonly history: (
    org: OrgSlug,
    filter: { readonly limit: number; readonly runId?: string }
  ) => Effect.Effect<ReadonlyArray<Notification>, EventLogUnavailable>
  /** Somebody takes care: nothing of the notification's source is escalated any more. Repeating it changes nothing. */
  readonly acknowledge: (
    org: OrgSlug,
    notificationId: string,
    by: string
  ) => Effect.Effect<Notification, NotAcknowledged | EventLogUnavailable>
  /** Sends what is due, for ever. One fiber of one process does this. */
  readonly run: Effect.Effect<never>
}

/** The notifier. */
export class Notifier extends Context.Tag("pipeline-service/Notifier")<Notifier, NotifierService>() {}
