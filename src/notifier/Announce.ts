/**
 * Tells an organisation something now, and waits for the end: what the API and alerts send by themselves.
 */
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { AddressBook } from "./AddressBook.ts"
import type { ChannelSecret, ChannelsUnavailable, ChannelType } from "./Channels.ts"
import type { Message } from "./Message.ts"
import type { EventName } from "./NotificationEvent.ts"
import type { NotifierConfigInvalid } from "./NotifierConfig.ts"
import { type Delivery, Notifier } from "./Notifier.ts"

/** A message and where it goes. What is not named here, the organisation's own channels and people are told by. */
export interface Announcement {
  readonly org: OrgSlug
  readonly event: EventName
  readonly source: string
  readonly message: Message
  readonly kinds: ReadonlyArray<ChannelType>
  /** Stored channels of the organisation, whatever their kinds. */
  readonly channelIds?: ReadonlyArray<string>
  readonly addresses?: ReadonlyArray<string>
  readonly slackUrl?: Redacted.Redacted
  readonly slackChannel?: string
  readonly webhook?: ChannelSecret
  readonly ruleId?: string
  readonly alertId?: string
  readonly summaryId?: string
}

const direct = "direct"

/** Queues the message for each destination, sends it, and answers what became of each; a retry that is due later may go on afterwards. */
export const announce = Effect.fn("announce")(function* (announcement: Announcement) {
  const { event, kinds, message, org, source } = announcement
  const book = yield* AddressBook
  const notifier = yield* Notifier
  const named = yield* book.channels(org, announcement.channelIds ?? [], message.severity)
  const others = yield* Effect.forEach(kinds, (kind) => deliveriesOf(announcement, kind))
  const ids = yield* notifier.queue(
    {
      org,
      event,
      source,
      ...(announcement.alertId === undefined ? {} : { alertId: announcement.alertId }),
      ...(announcement.summaryId === undefined ? {} : { summaryId: announcement.summaryId })
    },
    [...named, ...others.flat()].map((delivery): Delivery => ({
      ...(announcement.ruleId === undefined ? {} : { ruleId: announcement.ruleId }),
      ...delivery,
      message
    }))
  )
  return yield* notifier.settle(ids)
})

type Addressed = Omit<Delivery, "message">

/** The destination of this kind that the announcement itself names, else the organisation's own. */
const deliveriesOf = (
  announcement: Announcement,
  kind: ChannelType
): Effect.Effect<ReadonlyArray<Addressed>, ChannelsUnavailable | NotifierConfigInvalid, AddressBook> => {
  const { addresses = [], slackUrl, webhook } = announcement
  if (kind === "email" && addresses.length > 0) {
    return Effect.gen(function* () {
      const book = yield* AddressBook
      return [{ destination: yield* book.emailTo(announcement.org, addresses) }]
    })
  }
  if (kind === "slack" && slackUrl !== undefined) {
    return Effect.succeed([
      {
        destination: {
          type: kind,
          channelId: direct,
          secret: { kind: "channel" },
          ...slackChannelOf(announcement),
          mentions: []
        },
        secret: { url: slackUrl, headers: {} }
      }
    ])
  }
  return kind === "webhook" && webhook !== undefined
    ? Effect.succeed([
        {
          destination: { type: kind, channelId: direct, secret: { kind: "channel" }, method: "POST" },
          secret: webhook
        }
      ])
    : ownDeliveries(announcement, kind)
}

const slackChannelOf = ({ slackChannel }: Announcement) => (slackChannel === undefined ? {} : { slackChannel })

const ownDeliveries = Effect.fnUntraced(function* (announcement: Announcement, kind: ChannelType) {
  const { event, message, org } = announcement
  const book = yield* AddressBook
  const category = event === "alert_triggered" || event === "summary" ? "cost" : "system"
  const { recipients } = yield* book.find({ org, event, category, severity: message.severity, only: [kind] })
  return recipients.map((recipient): Addressed => {
    const { destination } = recipient
    return destination.type === "slack"
      ? { ...recipient, destination: { ...destination, ...slackChannelOf(announcement) } }
      : recipient
  })
})
