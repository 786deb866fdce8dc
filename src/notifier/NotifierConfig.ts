/**
 * Who is told what, by default: `configs/notifications/config.json`, whose members `configs/notifications/{org}.json` replaces for one
 * organisation. The SMTP server and the secrets are settings of the installation.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { Settings } from "../platform/Settings.ts"
import { ChannelType } from "./Channels.ts"
import { Severity } from "./Message.ts"
import { EventName } from "./NotificationEvent.ts"

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })
const text = Schema.NonEmptyString.pipe(Schema.maxLength(200))

const EventTrigger = Schema.Struct({
  event: EventName,
  enabled: Schema.optionalWith(Schema.Boolean, { default: () => true }),
  severity: Severity,
  /** Kinds of channels when the organisation has none; absent: `default_provider`. */
  providers: optional(Schema.Array(ChannelType)),
  cooldown_seconds: Schema.Int.pipe(Schema.between(0, 604_800))
})

/** A file; an unknown member is an error. */
const ConfigFile = Schema.Struct({
  enabled: optional(Schema.Boolean),
  default_provider: optional(ChannelType),
  email: optional(
    Schema.Struct({
      from_email: optional(text),
      from_name: optional(text),
      to_emails: optional(Schema.Array(Schema.String)),
      cc_emails: optional(Schema.Array(Schema.String)),
      subject_prefix: optional(Schema.String)
    })
  ),
  slack: optional(
    Schema.Struct({
      channel: optional(text),
      username: optional(text),
      icon_emoji: optional(text),
      mention_users: optional(Schema.Array(Schema.String)),
      mention_channel: optional(Schema.Boolean)
    })
  ),
  event_triggers: optional(Schema.Array(EventTrigger))
})
type ConfigFile = typeof ConfigFile.Type

/** What holds for one organisation. */
export interface NotifierConfig {
  readonly enabled: boolean
  readonly defaultProvider: typeof ChannelType.Type
  readonly email: NonNullable<ConfigFile["email"]>
  readonly slack: NonNullable<ConfigFile["slack"]>
  /** The trigger of an event; events that no file names are on, as errors, without a cooldown. */
  readonly trigger: (event: EventName) => typeof EventTrigger.Type
}

/** A file that cannot be used; names the file and the place. */
export class NotifierConfigInvalid extends Schema.TaggedError<NotifierConfigInvalid>()("NotifierConfigInvalid", {
  file: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.file}: ${this.reason}`
  }
}

const decode = Schema.decode(Schema.parseJson(ConfigFile), { onExcessProperty: "error" })

/** Reads what holds for an organisation, as the files stand now. */
export const makeReader = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { configsPath } = yield* Settings
  const read = Effect.fnUntraced(function* (name: string) {
    const file = path.join(configsPath, "notifications", name)
    const found = yield* Effect.option(files.readFileString(file))
    return found._tag === "None"
      ? ({} satisfies ConfigFile)
      : yield* Effect.mapError(
          decode(found.value),
          (error) =>
            new NotifierConfigInvalid({
              file,
              reason: ParseResult.ArrayFormatter.formatErrorSync(error)
                .map((issue) => `${issue.path.map(String).join(".")}: ${issue.message}`)
                .join("; ")
            })
        )
  })
  return Effect.fn("NotifierConfig.read")(function* (org: OrgSlug) {
    const shared: ConfigFile = yield* read("config.json")
    const own: ConfigFile = yield* read(`${org}.json`)
    const triggers = [...(own.event_triggers ?? []), ...(shared.event_triggers ?? [])]
    return {
      enabled: own.enabled ?? shared.enabled ?? true,
      defaultProvider: own.default_provider ?? shared.default_provider ?? "email",
      email: { ...shared.email, ...own.email },
      slack: { ...shared.slack, ...own.slack },
      trigger: (event) =>
        triggers.find((each) => each.event === event) ?? {
          event,
          enabled: true,
          severity: "error",
          cooldown_seconds: 0
        }
    } satisfies NotifierConfig
  })
})
