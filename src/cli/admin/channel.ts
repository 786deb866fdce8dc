/**
 * `admin channel` and `admin rule`: where an organisation wants to be told, and what.
 */
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Channel, Channels, Rule } from "../../notifier/Channels.ts"
import { table } from "../table.ts"
import { answer, decodeJson, json, jsonFile, knownOrg, org, readSecret } from "./shared.ts"

const Address = Schema.Struct({
  url: Schema.optionalWith(Schema.String, { exact: true }),
  headers: Schema.optionalWith(Schema.Record({ key: Schema.String, value: Schema.String }), { default: () => ({}) })
})

const decodeChannel = decodeJson(Schema.extend(Channel, Address))
const decodeRule = decodeJson(Rule)

const channelPut = Command.make(
  "put",
  { org, file: jsonFile, json },
  Effect.fnUntraced(function* (options) {
    yield* knownOrg(options.org)
    const { headers, url, ...channel } = yield* Effect.flatMap(readSecret(options.file), decodeChannel)
    const secret = url === undefined ? undefined : { url: Redacted.make(url), headers }
    yield* (yield* Channels).putChannel(options.org, channel, secret)
    yield* answer(options.json, channel, `Stored ${channel.channelId} (${channel.type}) for ${options.org}.`)
  })
).pipe(
  Command.withDescription(
    "Store a channel: {channelId, type: email|slack|webhook, name, emailRecipients, slackChannel, url, headers ...}. The url is encrypted."
  )
)

const channelList = Command.make(
  "list",
  { org, json },
  Effect.fnUntraced(function* (options) {
    yield* knownOrg(options.org)
    const channels = yield* (yield* Channels).channels(options.org)
    yield* answer(
      options.json,
      channels,
      channels.length === 0
        ? `${options.org} has no channel: its administrator is told by e-mail`
        : table(
            ["channel id", "type", "name", "active", "default", "recipients"],
            channels.map((each) => [
              each.channelId,
              each.type,
              each.name,
              each.isActive ? "yes" : "no",
              each.isDefault ? "yes" : "no",
              [...each.emailRecipients, ...each.emailCcRecipients].join(" ")
            ])
          )
    )
  })
).pipe(Command.withDescription("List an organisation's channels, without their addresses."))

/** `admin channel`. */
export const channelCommand = Command.make("channel").pipe(
  Command.withDescription("Where an organisation wants to be told."),
  Command.withSubcommands([channelPut, channelList])
)

const rulePut = Command.make(
  "put",
  { org, file: jsonFile, json },
  Effect.fnUntraced(function* (options) {
    yield* knownOrg(options.org)
    const rule = yield* Effect.flatMap(readSecret(options.file), decodeRule)
    yield* (yield* Channels).putRule(options.org, rule)
    yield* answer(options.json, rule, `Stored ${rule.ruleId} for ${options.org}.`)
  })
).pipe(
  Command.withDescription(
    "Store a rule: {ruleId, name, category, type: pipeline_failure ..., channelIds, providers, cooldownMinutes, quietHours}."
  )
)

const ruleList = Command.make(
  "list",
  { org, json },
  Effect.fnUntraced(function* (options) {
    yield* knownOrg(options.org)
    const rules = yield* (yield* Channels).rules(options.org)
    yield* answer(
      options.json,
      rules,
      rules.length === 0
        ? `${options.org} has no rule: its default channels are told`
        : table(
            ["rule id", "category", "event", "active", "channels", "quiet hours"],
            rules.map(({ quietHours: quiet, ...each }) => [
              each.ruleId,
              each.category,
              each.type,
              each.isActive ? "yes" : "no",
              each.channelIds.join(" "),
              quiet === undefined ? undefined : `${quiet.start}-${quiet.end} ${quiet.timezone}`
            ])
          )
    )
  })
).pipe(Command.withDescription("List an organisation's rules."))

/** `admin rule`. */
export const ruleCommand = Command.make("rule").pipe(
  Command.withDescription("Which channels are told of which events."),
  Command.withSubcommands([rulePut, ruleList])
)
