/**
 * Where an organisation wants to be told, and which channels a rule chooses for an event. Addresses of webhooks are secrets.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { OrgSlug } from "../platform/Identifiers.ts"

export const ChannelType = Schema.Literal("email", "slack", "webhook")
export type ChannelType = typeof ChannelType.Type

const id = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9_-]{1,64}$/))
const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })
const list = (schema: Schema.Schema<string>) => Schema.optionalWith(Schema.Array(schema), { default: () => [] })

/** A channel without its secret. */
export const Channel = Schema.Struct({
  channelId: id,
  type: ChannelType,
  name: Schema.NonEmptyString.pipe(Schema.maxLength(200)),
  /** Used for events that no rule matches. */
  isDefault: Schema.optionalWith(Schema.Boolean, { default: () => true }),
  isActive: Schema.optionalWith(Schema.Boolean, { default: () => true }),
  emailRecipients: list(Schema.String),
  emailCcRecipients: list(Schema.String),
  emailSubjectPrefix: optional(Schema.String),
  slackChannel: optional(Schema.String),
  slackMentionUsers: list(Schema.String),
  slackMentionChannel: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  webhookMethod: Schema.optionalWith(Schema.Literal("POST", "PUT"), { default: () => "POST" as const })
})
export type Channel = typeof Channel.Type

/** The secret of a Slack channel or a webhook. */
export interface ChannelSecret {
  readonly url: Redacted.Redacted
  readonly headers: Readonly<Record<string, string>>
}

const clock = Schema.String.pipe(Schema.pattern(/^([01]\d|2[0-3]):[0-5]\d$/))

/** Chooses channels for an event; quiet hours and cooldown are the rule's own. */
export const Rule = Schema.Struct({
  ruleId: id,
  name: Schema.NonEmptyString.pipe(Schema.maxLength(200)),
  category: Schema.Literal("cost", "pipeline", "integration", "subscription", "system"),
  /** The event: `pipeline_failure` ... */
  type: Schema.String,
  isActive: Schema.optionalWith(Schema.Boolean, { default: () => true }),
  channelIds: list(id),
  /** Providers that the rule is for; empty: all. */
  providers: list(Schema.String),
  cooldownMinutes: optional(Schema.Int.pipe(Schema.between(0, 10_080))),
  /** Messages that come within so many minutes of the first one become one message. What is critical does not wait for others. */
  batchWindowMinutes: optional(Schema.Int.pipe(Schema.between(1, 1440))),
  /** When nobody has acknowledged a message after so many minutes, these channels get it, too. */
  escalateAfterMinutes: optional(Schema.Int.pipe(Schema.between(1, 10_080))),
  escalateToChannelIds: list(id),
  /** What is not critical waits until these hours are over. */
  quietHours: optional(Schema.Struct({ start: clock, end: clock, timezone: Schema.NonEmptyString }))
})
export type Rule = typeof Rule.Type

/** A channel or rule that cannot be; the message says what to change. */
export class ChannelInvalid extends Schema.TaggedError<ChannelInvalid>()("ChannelInvalid", {
  message: Schema.String
}) {}

/** The store of channels, or the key that opens their secrets, could not be used. */
export class ChannelsUnavailable extends Schema.TaggedError<ChannelsUnavailable>()("ChannelsUnavailable", {
  message: Schema.String
}) {}

export interface ChannelsService {
  /** Stores a channel, or replaces the one of this id. Slack and webhook need a secret the first time; none keeps the one that is stored. */
  readonly putChannel: (
    org: OrgSlug,
    channel: Channel,
    secret?: ChannelSecret
  ) => Effect.Effect<void, ChannelInvalid | ChannelsUnavailable>
  readonly channels: (org: OrgSlug) => Effect.Effect<ReadonlyArray<Channel>, ChannelsUnavailable>
  readonly secret: (
    org: OrgSlug,
    channelId: string
  ) => Effect.Effect<ChannelSecret, ChannelInvalid | ChannelsUnavailable>
  /** Stores a rule, or replaces the one of this id. Its channels must exist. */
  readonly putRule: (org: OrgSlug, rule: Rule) => Effect.Effect<void, ChannelInvalid | ChannelsUnavailable>
  readonly rules: (org: OrgSlug) => Effect.Effect<ReadonlyArray<Rule>, ChannelsUnavailable>
}

/** The channels and rules of all organisations. */
export class Channels extends Context.Tag("pipeline-service/Channels")<Channels, ChannelsService>() {}
