/**
 * Who is told of an event: the channels of the organisation's matching rules, else its default channels, else its owners.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { Settings } from "../platform/Settings.ts"
import { type Channel, Channels, type ChannelsUnavailable, type ChannelType, type Rule } from "./Channels.ts"
import type { Severity } from "./Message.ts"
import type { Destination, EventName } from "./NotificationEvent.ts"
import { makeReader, type NotifierConfig, type NotifierConfigInvalid } from "./NotifierConfig.ts"
import * as Owners from "./Owners.ts"
import { afterQuietHours } from "./QuietHours.ts"

/** What recipients are wanted for. */
export interface Wanted {
  readonly org: OrgSlug
  readonly event: EventName
  readonly category: Rule["category"]
  readonly provider?: string
  readonly severity: Severity
  /** Only channels of these kinds, and each of them: by the organisation's owners or the installation's Slack when it has none. */
  readonly only?: ReadonlyArray<ChannelType>
}

/** One recipient. With `skip`, nobody: the reason. */
export interface Recipient {
  readonly destination: Destination
  readonly dueAt?: number
  readonly ruleId?: string
  readonly skip?: string
  readonly digestSeconds?: number
  readonly isEscalation?: boolean
  readonly escalatesAt?: number
}

/** The recipients of an event, and the cooldown that holds for it. */
export interface Recipients {
  readonly recipients: ReadonlyArray<Recipient>
  readonly cooldownSeconds: number
}

export interface AddressBookService {
  /** What `configs/notifications/` says for the organisation. */
  readonly config: (org: OrgSlug) => Effect.Effect<NotifierConfig, NotifierConfigInvalid>
  readonly find: (wanted: Wanted) => Effect.Effect<Recipients, ChannelsUnavailable | NotifierConfigInvalid>
  /** These channels of the organisation; with `skip` those that it does not have, or has switched off. */
  readonly channels: (
    org: OrgSlug,
    channelIds: ReadonlyArray<string>,
    severity: Severity
  ) => Effect.Effect<ReadonlyArray<Recipient>, ChannelsUnavailable | NotifierConfigInvalid>
  /** The addresses of the organisation's owners or of all its members; empty when nobody is known. */
  readonly people: (org: OrgSlug, role: "owner" | undefined) => Effect.Effect<ReadonlyArray<string>>
  /** E-mail to these addresses, as the organisation's settings want e-mails to look. */
  readonly emailTo: (
    org: OrgSlug,
    addresses: ReadonlyArray<string>
  ) => Effect.Effect<Destination, NotifierConfigInvalid>
}

/** Finds recipients. */
export class AddressBook extends Context.Tag("pipeline-service/AddressBook")<AddressBook, AddressBookService>() {}

const defaultSubjectPrefix = "[CloudAct.AI]"
const noChannel = "default"

const make = Effect.gen(function* () {
  const channels = yield* Channels
  const settings = yield* Settings
  const owners = yield* Owners.make
  const config = yield* makeReader

  const find = Effect.fn("AddressBook.find")(function* (wanted: Wanted) {
    const { org } = wanted
    const own = yield* config(org)
    const trigger = own.trigger(wanted.event)
    const active = (yield* channels.channels(org)).filter(({ isActive }) => isActive)
    const rules = (yield* channels.rules(org)).filter((rule) => matches(rule, wanted))
    const isWanted = ({ type }: Channel) => wanted.only?.includes(type) ?? true
    const now = yield* Clock.currentTimeMillis
    const found = new Map<string, Recipient>()
    for (const rule of rules) {
      for (const channel of active.filter((each) => rule.channelIds.includes(each.channelId)).filter(isWanted)) {
        const dueAt =
          rule.quietHours === undefined || wanted.severity === "critical" ? now : afterQuietHours(now, rule.quietHours)
        const before = found.get(channel.channelId)
        if (before !== undefined && (before.dueAt ?? now) <= dueAt) continue
        found.set(channel.channelId, {
          destination: destinationOf(channel, own, wanted.severity),
          ruleId: rule.ruleId,
          ...(dueAt > now ? { dueAt } : {}),
          ...(rule.batchWindowMinutes === undefined || wanted.severity === "critical"
            ? {}
            : { digestSeconds: rule.batchWindowMinutes * 60 }),
          ...(escalates(rule) ? { escalatesAt: dueAt + rule.escalateAfterMinutes * 60_000 } : {})
        })
      }
    }
    const escalations = rules.filter(escalates).flatMap((rule) => {
      const told = [...found.values()].filter(({ ruleId }) => ruleId === rule.ruleId)
      const dueAt = Math.min(...told.flatMap(({ escalatesAt }) => escalatesAt ?? []))
      return active
        .filter(({ channelId }) => told.length > 0 && rule.escalateToChannelIds.includes(channelId))
        .map((channel): Recipient => ({
          destination: destinationOf(channel, own, wanted.severity),
          ruleId: rule.ruleId,
          dueAt,
          isEscalation: true
        }))
    })
    if (rules.every((rule) => rule.channelIds.length === 0)) {
      for (const channel of active.filter(({ isDefault }) => isDefault).filter(isWanted)) {
        found.set(channel.channelId, { destination: destinationOf(channel, own, wanted.severity) })
      }
    }
    const present = new Set([...found.values()].map(({ destination }) => destination.type))
    const missing =
      wanted.only?.filter((type) => !present.has(type)) ??
      (present.size > 0 ? [] : (trigger.providers ?? [own.defaultProvider]))
    const others = yield* Effect.forEach(missing, (type) => fallback(org, own, type, wanted.severity))
    const cooldowns = rules.flatMap(({ cooldownMinutes }) => cooldownMinutes ?? [])
    return {
      recipients: [...found.values(), ...others, ...escalations],
      cooldownSeconds: cooldowns.length === 0 ? trigger.cooldown_seconds : Math.min(...cooldowns) * 60
    }
  })

  const fallback = (
    org: OrgSlug,
    own: NotifierConfig,
    type: ChannelType,
    severity: Severity
  ): Effect.Effect<Recipient> =>
    Effect.gen(function* () {
      if (type === "email") {
        const named = own.email.to_emails ?? []
        const to = named.length > 0 ? named : yield* owners(org, "owner")
        const destination = email(own, to)
        return to.length > 0
          ? { destination }
          : {
              destination,
              skip: `nobody to tell: ${org} has no channel, no owner and no administrator with an address`
            }
      }
      if (type === "slack") {
        const destination = installationSlack(own, severity, Option.getOrUndefined(settings.slackChannel))
        return settings.slackEnabled && Option.isSome(settings.slackWebhookUrl)
          ? { destination }
          : { destination, skip: `nobody to tell: ${org} has no Slack channel, and the installation has none` }
      }
      return {
        destination: { type, channelId: noChannel, secret: { kind: "channel" }, method: "POST" },
        skip: `nobody to tell: ${org} has no webhook`
      }
    })

  const named: AddressBookService["channels"] = Effect.fn("AddressBook.channels")(
    function* (org, channelIds, severity) {
      const own = yield* config(org)
      const known = new Map((yield* channels.channels(org)).map((channel) => [channel.channelId, channel]))
      return channelIds.map((channelId): Recipient => {
        const channel = known.get(channelId)
        if (channel === undefined) {
          const destination = email(own, [])
          return { destination: { ...destination, channelId }, skip: `${org} has no channel ${channelId}` }
        }
        const destination = destinationOf(channel, own, severity)
        return channel.isActive ? { destination } : { destination, skip: `channel ${channelId} is switched off` }
      })
    }
  )

  return {
    config,
    find,
    channels: named,
    people: owners,
    emailTo: (org, addresses) => Effect.map(config(org), (own) => email(own, addresses))
  } satisfies AddressBookService
})

const matches = (rule: Rule, wanted: Wanted): boolean =>
  rule.isActive &&
  rule.category === wanted.category &&
  rule.type === wanted.event &&
  (rule.providers.length === 0 || (wanted.provider !== undefined && rule.providers.includes(wanted.provider)))

const escalates = (rule: Rule): rule is Rule & { readonly escalateAfterMinutes: number } =>
  rule.escalateAfterMinutes !== undefined && rule.escalateToChannelIds.length > 0

const optional = <Name extends string>(name: Name, value: string | undefined): { readonly [key in Name]?: string } => {
  const found: { [key in Name]?: string } = {}
  if (value !== undefined) found[name] = value
  return found
}

const email = (own: NotifierConfig, to: ReadonlyArray<string>, channel?: Channel): Destination => ({
  type: "email",
  channelId: channel?.channelId ?? noChannel,
  to,
  cc: channel?.emailCcRecipients ?? own.email.cc_emails ?? [],
  ...optional("from", own.email.from_email),
  ...optional("fromName", own.email.from_name),
  subjectPrefix: channel?.emailSubjectPrefix ?? own.email.subject_prefix ?? defaultSubjectPrefix
})

const slackName = /^[UW][A-Z0-9]{2,30}$/

/** Only what is critical wakes somebody. */
const mentionsOf = (users: ReadonlyArray<string>, everybody: boolean, severity: Severity): ReadonlyArray<string> =>
  severity === "critical"
    ? [
        ...(everybody ? ["<!channel>"] : []),
        ...users.filter((user) => slackName.test(user)).map((user) => `<@${user}>`)
      ]
    : []

const installationSlack = (own: NotifierConfig, severity: Severity, channel: string | undefined): Destination => ({
  type: "slack",
  channelId: noChannel,
  secret: { kind: "installation" },
  ...optional("slackChannel", own.slack.channel ?? channel),
  ...optional("username", own.slack.username),
  ...optional("iconEmoji", own.slack.icon_emoji),
  mentions: mentionsOf(own.slack.mention_users ?? [], own.slack.mention_channel ?? false, severity)
})

const destinationOf = (channel: Channel, own: NotifierConfig, severity: Severity): Destination => {
  const { channelId, type } = channel
  switch (type) {
    case "email":
      return email(own, channel.emailRecipients, channel)
    case "slack":
      return {
        type,
        channelId,
        secret: { kind: "channel" },
        ...optional("slackChannel", channel.slackChannel),
        ...optional("username", own.slack.username),
        ...optional("iconEmoji", own.slack.icon_emoji),
        mentions: mentionsOf(channel.slackMentionUsers, channel.slackMentionChannel, severity)
      }
    case "webhook":
      return { type, channelId, secret: { kind: "channel" }, method: channel.webhookMethod }
  }
}

/** The address book on channels, rules and `configs/notifications/`. */
export const layer = Layer.effect(AddressBook, make)
