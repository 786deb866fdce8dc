/**
 * Channels and rules in the service database, each secret in its own envelope.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Encryption } from "../platform/Encryption.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { checkChannel, checkRule, checkSecret, hasNoAddress, lacksAddress } from "./ChannelChecks.ts"
import { openSecret, sealText } from "./ChannelSecrets.ts"
import { Channel, Channels, type ChannelsService, ChannelsUnavailable, Rule } from "./Channels.ts"
import { WebhookClient } from "./WebhookClient.ts"

interface Row {
  readonly channel_id: string
  readonly definition: string
  readonly secret_encrypted: string | null
}

const decodeChannel = Schema.decode(Schema.parseJson(Channel))
const decodeRule = Schema.decode(Schema.parseJson(Rule))
const encodeChannel = Schema.encode(Schema.parseJson(Channel))
const encodeRule = Schema.encode(Schema.parseJson(Rule))

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
      yield* checkSecret(webhooks, secret)
      envelope = yield* encryption
        .seal(sealText(secret), { org, id: channel.channelId })
        .pipe(Effect.mapError(({ message }) => unavailable(message)))
    }
    if (channel.type !== "email" && envelope === null) return yield* lacksAddress(channel)
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
      return yield* hasNoAddress(org, channelId)
    }
    const text = yield* encryption
      .open(envelope, { org, id: channelId })
      .pipe(Effect.mapError(({ message }) => unavailable(message)))
    return yield* openSecret(text)
  })

  const putRule: ChannelsService["putRule"] = Effect.fn("Channels.putRule")(function* (org, rule) {
    yield* checkRule(org, rule, yield* channels(org))
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

/** The channels on the service database; creates its tables. */
export const layer = Layer.effect(Channels, make)
