/**
 * Channels and rules in BigQuery, in the tables that the service shares with the API service (service contract, section 7.2). Addresses and
 * headers are each encrypted for themselves: ciphertext of KMS, or envelopes. With a remote validator the API service keeps them, and changes
 * are refused.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Encryption } from "../platform/Encryption.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import type { JsonObject } from "../platform/Json.ts"
import { keepsOrganizations, Settings } from "../platform/Settings.ts"
import * as Snapshot from "../platform/Snapshot.ts"
import { CentralDataset } from "../warehouse/CentralDataset.ts"
import type { WarehouseError } from "../warehouse/Warehouse.ts"
import { checkChannel, checkRule, checkSecret, hasNoAddress, lacksAddress } from "./ChannelChecks.ts"
import {
  Channel,
  ChannelInvalid,
  Channels,
  type ChannelSecret,
  type ChannelsService,
  ChannelsUnavailable,
  Rule
} from "./Channels.ts"
import { WebhookClient } from "./WebhookClient.ts"

/** So long a change that somebody else made is not seen. */
const SNAPSHOT_SECONDS = 30
const SNAPSHOT_ORGANISATIONS = 1_000
const MAX_ROWS = 1_000

const channelTable = "org_notification_channels"
const ruleTable = "org_notification_rules"

interface Stored {
  readonly channel: Channel
  readonly url: string | undefined
  readonly headers: string | undefined
}

const make = Effect.gen(function* () {
  const central = yield* CentralDataset
  const encryption = yield* Encryption
  const webhooks = yield* WebhookClient
  const mayChange = keepsOrganizations(yield* Settings) ? Effect.void : notOurs

  const read = (org: string, table: string, id: string) =>
    central
      .query(
        `read ${table} of ${org}`,
        `SELECT * FROM ${table} WHERE org_slug = @org ORDER BY ${id} LIMIT ${MAX_ROWS + 1}`,
        { org: { type: "STRING", value: org } }
      )
      .pipe(
        Effect.mapError(unavailable),
        Effect.filterOrFail(
          (rows) => rows.length <= MAX_ROWS,
          () => unavailable({ message: `${org} has more than ${MAX_ROWS} rows in ${table}` })
        )
      )
  const bounds = { seconds: SNAPSHOT_SECONDS, keys: SNAPSHOT_ORGANISATIONS }
  const stored = yield* Snapshot.make(bounds, (org) =>
    Effect.flatMap(read(org, channelTable, "channel_id"), usable(storedOf))
  )
  const rules = yield* Snapshot.make(bounds, (org) =>
    Effect.flatMap(
      read(org, ruleTable, "rule_id"),
      usable((row) => decodeRule(ruleOf(row)))
    )
  )
  const channels: ChannelsService["channels"] = Effect.fn("Channels.channels")((org) =>
    Effect.map(stored.get(org), (found) => found.map(({ channel }) => channel))
  )

  const seal = (org: OrgSlug, id: string, plain: string) =>
    Effect.mapError(encryption.seal(Redacted.make(plain), { org, id }), unavailable)
  const sealed = Effect.fnUntraced(function* (org: OrgSlug, channelId: string, { headers, url }: ChannelSecret) {
    return {
      url: yield* seal(org, channelId, Redacted.value(url)),
      headers: yield* seal(org, channelId, JSON.stringify(headers))
    }
  })

  const replace = (org: OrgSlug, table: string, id: string, row: JsonObject) =>
    Effect.mapError(
      central.change(`store ${table} of ${org}`, [
        { kind: "delete", table, where: { org_slug: org, [id]: String(row[id]) } },
        { kind: "insert", table, rows: [row] }
      ]),
      unavailable
    )

  const putChannel: ChannelsService["putChannel"] = Effect.fn("Channels.putChannel")(function* (org, channel, secret) {
    yield* mayChange
    yield* checkChannel(channel)
    const { channelId, type } = channel
    yield* stored.forget(org)
    const before = (yield* stored.get(org)).find((each) => each.channel.channelId === channelId)
    if (type !== "email" && secret !== undefined) yield* checkSecret(webhooks, secret)
    const kept = secret === undefined ? before : yield* sealed(org, channelId, secret)
    if (type !== "email" && kept?.url === undefined) return yield* lacksAddress(channel)
    const now = DateTime.formatIso(yield* DateTime.now)
    yield* replace(org, channelTable, "channel_id", channelColumns(org, channel, type === "email" ? {} : kept, now))
    yield* stored.forget(org)
  })

  const open = (org: OrgSlug, id: string, text: string) =>
    Effect.mapError(encryption.open(text, { org, id }), unavailable)

  const secret: ChannelsService["secret"] = Effect.fn("Channels.secret")(function* (org, channelId) {
    const found = (yield* stored.get(org)).find(({ channel }) => channel.channelId === channelId)
    if (found?.url === undefined) return yield* hasNoAddress(org, channelId)
    const headers = found.headers === undefined ? "{}" : Redacted.value(yield* open(org, channelId, found.headers))
    return {
      url: yield* open(org, channelId, found.url),
      headers: yield* Effect.mapError(decodeHeaders(headers), () =>
        unavailable({ message: `the headers of the channel ${channelId} of ${org} are damaged: store it again` })
      )
    }
  })

  const putRule: ChannelsService["putRule"] = Effect.fn("Channels.putRule")(function* (org, rule) {
    yield* mayChange
    yield* checkRule(org, rule, yield* channels(org))
    const now = DateTime.formatIso(yield* DateTime.now)
    yield* replace(org, ruleTable, "rule_id", ruleColumns(org, rule, now))
    yield* rules.forget(org)
  })

  return {
    putChannel,
    channels,
    secret,
    putRule,
    rules: Effect.fn("Channels.rules")((org) => rules.get(org))
  } satisfies ChannelsService
})

const decodeChannel = Schema.decodeUnknown(Channel)
const decodeRule = Schema.decodeUnknown(Rule)
const decodeHeaders = Schema.decode(Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.String })))

/** Rows that somebody else wrote may be of no use: they are told in the log, and the others count. */
const usable =
  <A>(decode: (row: JsonObject) => Effect.Effect<A, ParseResult.ParseError>) =>
  (rows: ReadonlyArray<JsonObject>): Effect.Effect<ReadonlyArray<A>> =>
    Effect.map(
      Effect.forEach(rows, (row) =>
        Effect.matchEffect(decode(row), {
          onSuccess: (found) => Effect.succeed(Option.some(found)),
          onFailure: (error) =>
            Effect.as(
              Effect.logWarning(
                `the channel or rule ${String(row["channel_id"] ?? row["rule_id"])} of ${String(row["org_slug"])} cannot be used because of ` +
                  ParseResult.ArrayFormatter.formatErrorSync(error)
                    .map(({ path }) => path.join("."))
                    .join(", ")
              ),
              Option.none<A>()
            )
        })
      ),
      (found) => found.flatMap(Option.toArray)
    )

/** Members without those that are NULL. */
const present = (members: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null))

const textOf = (row: JsonObject, ...columns: ReadonlyArray<string>): string | undefined =>
  columns.map((column) => row[column]).find((value) => typeof value === "string")

const storedOf = (row: JsonObject) =>
  Effect.map(
    decodeChannel(
      present({
        channelId: row["channel_id"] ?? null,
        type: row["channel_type"] ?? null,
        name: row["name"] ?? null,
        isDefault: row["is_default"] ?? false,
        isActive: row["is_active"] ?? null,
        emailRecipients: row["email_recipients"] ?? null,
        emailCcRecipients: row["email_cc_recipients"] ?? null,
        emailSubjectPrefix: row["email_subject_prefix"] ?? null,
        slackChannel: row["slack_channel"] ?? null,
        slackMentionUsers: row["slack_mention_users"] ?? null,
        slackMentionChannel: row["slack_mention_channel"] ?? null,
        webhookMethod: row["webhook_method"] ?? null
      })
    ),
    (channel): Stored => ({
      channel,
      url: textOf(row, channel.type === "slack" ? "slack_webhook_url_encrypted" : "webhook_url_encrypted"),
      headers: textOf(row, "webhook_headers_encrypted")
    })
  )

const channelColumns = (org: OrgSlug, channel: Channel, kept: Partial<Stored> | undefined, now: string): JsonObject =>
  present({
    org_slug: org,
    channel_id: channel.channelId,
    channel_type: channel.type,
    name: channel.name,
    is_default: channel.isDefault,
    is_active: channel.isActive,
    email_recipients: channel.emailRecipients,
    email_cc_recipients: channel.emailCcRecipients,
    email_subject_prefix: channel.emailSubjectPrefix ?? null,
    slack_channel: channel.slackChannel ?? null,
    slack_mention_users: channel.slackMentionUsers,
    slack_mention_channel: channel.slackMentionChannel,
    webhook_method: channel.webhookMethod,
    [channel.type === "slack" ? "slack_webhook_url_encrypted" : "webhook_url_encrypted"]: kept?.url ?? null,
    webhook_headers_encrypted: kept?.headers ?? null,
    created_at: now,
    updated_at: now
  })

const ruleOf = (row: JsonObject): JsonObject => {
  const [start, end, timezone] = ["start", "end", "timezone"].map((part) => row[`quiet_hours_${part}`] ?? null)
  return present({
    ruleId: row["rule_id"] ?? null,
    name: row["name"] ?? null,
    category: row["rule_category"] ?? null,
    type: row["rule_type"] ?? null,
    isActive: row["is_active"] ?? null,
    channelIds: row["notify_channel_ids"] ?? null,
    providers: row["provider_filter"] ?? null,
    cooldownMinutes: row["cooldown_minutes"] ?? null,
    batchWindowMinutes: row["batch_window_minutes"] ?? null,
    escalateAfterMinutes: row["escalate_after_mins"] ?? null,
    escalateToChannelIds: row["escalate_to_channel_ids"] ?? null,
    quietHours:
      typeof start === "string" && typeof end === "string" ? { start, end, timezone: timezone ?? "UTC" } : null
  })
}

const ruleColumns = (org: OrgSlug, rule: Rule, now: string): JsonObject =>
  present({
    org_slug: org,
    rule_id: rule.ruleId,
    name: rule.name,
    rule_category: rule.category,
    rule_type: rule.type,
    // Columns of the API service that this service has no use for.
    priority: "medium",
    conditions: "{}",
    is_active: rule.isActive,
    notify_channel_ids: rule.channelIds,
    provider_filter: rule.providers,
    cooldown_minutes: rule.cooldownMinutes ?? null,
    batch_window_minutes: rule.batchWindowMinutes ?? null,
    escalate_after_mins: rule.escalateAfterMinutes ?? null,
    escalate_to_channel_ids: rule.escalateToChannelIds,
    quiet_hours_start: rule.quietHours?.start ?? null,
    quiet_hours_end: rule.quietHours?.end ?? null,
    quiet_hours_timezone: rule.quietHours?.timezone ?? null,
    created_at: now,
    updated_at: now
  })

const notOurs = new ChannelInvalid({
  message:
    "the API service keeps channels and rules (WAREHOUSE=bigquery with VALIDATOR=remote): change them there; here the change is seen " +
    "within half a minute"
})

const unavailable = (error: WarehouseError | { readonly message: string }) =>
  new ChannelsUnavailable({ message: error.message })

/** The channels on the central dataset. */
export const layer = Layer.effect(Channels, make)
