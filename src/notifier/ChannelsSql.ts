/**
 * Channels and rules in the service database, each secret in its own envelope.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Encryption } from "../platform/Encryption.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import {
  Channel,
  ChannelInvalid,
  Channels,
  type ChannelSecret,
  type ChannelsService,
  ChannelsUnavailable,
  Rule
} from "./Channels.ts"
import { isAddress } from "./Mailer.ts"
import { isAllowedHeader, WebhookClient } from "./WebhookClient.ts"

interface Row {
  readonly channel_id: string
  readonly definition: string
  readonly secret_encrypted: string | null
}

const decodeChannel = Schema.decode(Schema.parseJson(Channel))
const decodeRule = Schema.decode(Schema.parseJson(Rule))
const decodeSecret = Schema.decode(
  Schema.parseJson(
    Schema.Struct({ url: Schema.String, headers: Schema.Record({ key: Schema.String, value: Schema.String }) })
  )
)
const encodeChannel = Schema.encode(Schema.parseJson(Channel))
const encodeRule = Schema.encode(Schema.parseJson(Rule))

/** The text that is sealed, for {@link openSecret}. */
export const sealText = (secret: ChannelSecret): Redacted.Redacted =>
  Redacted.make(JSON.stringify({ url: Redacted.value(secret.url), headers: secret.headers }))

/** The secret of a text made by {@link sealText}. */
export const openSecret = (text: Redacted.Redacted): Effect.Effect<ChannelSecret, ChannelsUnavailable> =>
  decodeSecret(Redacted.value(text)).pipe(
    Effect.mapBoth({
      onSuccess: ({ url, headers }) => ({ url: Redacted.make(url), headers }),
      onFailure: () => unavailable("the secret of a channel is damaged: store the channel again")
    })
  )

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const encryption = yield* Encryption
  const webhooks = yield* WebhookClient
  yield* sql`create table if not exists org_notification_channels (
    org_slug text not null, channel_id text not null, definition text not null, secret_encrypted text,
    created_at text not null, updated_at text not null, primary key (org_slug, channel_id))`.pipe(store("created"))
  yield* sql`create table if not exists org_notification_rules (
    org_slug text not null, rule_id text not null, definition text not null,
    created_at text not null, updated_at text not null, primary key (org_slug, rule_id))`.pipe(store("created"))

  const rowOf = (org: OrgSlug, channelId: string) =>
    sql<Row>`select * from org_notification_channels where org_slug = ${org} and channel_id = ${channelId}`.pipe(
      store("read"),
      Effect.map(([row]) => row)
    )

  const putChannel: ChannelsService["putChannel"] = Effect.fn("Channels.putChannel")(function* (org, channel, secret) {
    yield* checkChannel(channel)
    const now = DateTime.formatIso(yield* DateTime.now)
    let envelope = (yield* rowOf(org, channel.channelId))?.secret_encrypted ?? null
    if (channel.type !== "email" && secret !== undefined) {
      yield* Effect.mapError(webhooks.check(secret.url), ({ message }) => new ChannelInvalid({ message }))
      yield* checkHeaders(secret.headers)
      envelope = yield* encryption
        .seal(sealText(secret), { org, id: channel.channelId })
        .pipe(Effect.mapError(({ message }) => unavailable(message)))
    }
    if (channel.type !== "email" && envelope === null) {
      return yield* new ChannelInvalid({ message: `a channel of type ${channel.type} needs its webhook's address` })
    }
    const definition = yield* Effect.orDie(encodeChannel(channel))
    yield* sql`insert into org_notification_channels ${sql.insert({
      org_slug: org,
      channel_id: channel.channelId,
      definition,
      secret_encrypted: channel.type === "email" ? null : envelope,
      created_at: now,
      updated_at: now
    })} on conflict (org_slug, channel_id) do update set definition = excluded.definition,
      secret_encrypted = excluded.secret_encrypted, updated_at = excluded.updated_at`.pipe(store("written"))
  })

  const channels: ChannelsService["channels"] = Effect.fn("Channels.channels")((org) =>
    sql<Row>`select * from org_notification_channels where org_slug = ${org} order by channel_id`.pipe(
      store("read"),
      Effect.flatMap(Effect.forEach(({ definition }) => Effect.mapError(decodeChannel(definition), damaged)))
    )
  )

  const secret: ChannelsService["secret"] = Effect.fn("Channels.secret")(function* (org, channelId) {
    const envelope = (yield* rowOf(org, channelId))?.secret_encrypted
    if (envelope === undefined || envelope === null) {
      return yield* new ChannelInvalid({ message: `${org} has no channel ${channelId} with an address` })
    }
    const text = yield* encryption
      .open(envelope, { org, id: channelId })
      .pipe(Effect.mapError(({ message }) => unavailable(message)))
    return yield* openSecret(text)
  })

  const putRule: ChannelsService["putRule"] = Effect.fn("Channels.putRule")(function* (org, rule) {
    const known = new Set((yield* channels(org)).map(({ channelId }) => channelId))
    const missing = [...rule.channelIds, ...rule.escalateToChannelIds].find((channelId) => !known.has(channelId))
    if (missing !== undefined) return yield* new ChannelInvalid({ message: `${org} has no channel ${missing}` })
    if (rule.quietHours !== undefined && DateTime.zoneMakeNamed(rule.quietHours.timezone)._tag === "None") {
      return yield* new ChannelInvalid({ message: `${rule.quietHours.timezone} is not a time zone` })
    }
    const now = DateTime.formatIso(yield* DateTime.now)
    const definition = yield* Effect.orDie(encodeRule(rule))
    yield* sql`insert into org_notification_rules ${sql.insert({
      org_slug: org,
      rule_id: rule.ruleId,
      definition,
      created_at: now,
      updated_at: now
    })} on conflict (org_slug, rule_id) do update set definition = excluded.definition,
      updated_at = excluded.updated_at`.pipe(store("written"))
  })

  const rules: ChannelsService["rules"] = Effect.fn("Channels.rules")((org) =>
    sql<Row>`select * from org_notification_rules where org_slug = ${org} order by rule_id`.pipe(
      store("read"),
      Effect.flatMap(Effect.forEach(({ definition }) => Effect.mapError(decodeRule(definition), damaged)))
    )
  )
  return { putChannel, channels, secret, putRule, rules } satisfies ChannelsService
})

const unavailable = (message: string) => new ChannelsUnavailable({ message })
const damaged = () => unavailable("a stored channel or rule is damaged: store it again")

const store =
  (done: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.mapError(effect, () => unavailable(`channels and rules could not be ${done}: look at the service database`))

const checkChannel = (channel: Channel): Effect.Effect<void, ChannelInvalid> => {
  const wrong = [...channel.emailRecipients, ...channel.emailCcRecipients].find((address) => !isAddress(address))
  if (wrong !== undefined) return new ChannelInvalid({ message: `${JSON.stringify(wrong)} is not an e-mail address` })
  return channel.type === "email" && channel.emailRecipients.length === 0
    ? new ChannelInvalid({ message: "a channel of type email needs a recipient" })
    : Effect.void
}

const checkHeaders = (headers: ChannelSecret["headers"]): Effect.Effect<void, ChannelInvalid> => {
  const wrong = Object.entries(headers).find(([name, value]) => !isAllowedHeader(name, value))
  return wrong === undefined
    ? Effect.void
    : new ChannelInvalid({ message: `the header ${JSON.stringify(wrong[0])} may not be set` })
}

/** The channels on the service database; creates its tables. */
export const layer = Layer.effect(Channels, make)
