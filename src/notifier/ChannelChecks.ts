/**
 * What a channel and a rule must be before they are stored.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { type Channel, ChannelInvalid, type ChannelSecret, type Rule } from "./Channels.ts"
import { isAddress } from "./Mailer.ts"
import { isAllowedHeader, type WebhookClient } from "./WebhookClient.ts"

/** Refuses a channel that can reach nobody. */
export const checkChannel = (channel: Channel): Effect.Effect<void, ChannelInvalid> => {
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

/** Refuses an address that may not be called, and headers that may not be set. */
export const checkSecret = (webhooks: typeof WebhookClient.Service, secret: ChannelSecret) =>
  Effect.zipRight(
    Effect.mapError(webhooks.check(secret.url), ({ message }) => new ChannelInvalid({ message })),
    checkHeaders(secret.headers)
  )

/** Refuses a rule whose channels do not exist, or whose quiet hours are nowhere. */
export const checkRule = (
  org: OrgSlug,
  rule: Rule,
  channels: ReadonlyArray<Channel>
): Effect.Effect<void, ChannelInvalid> => {
  const missing = [...rule.channelIds, ...rule.escalateToChannelIds].find((id) =>
    channels.every(({ channelId }) => channelId !== id)
  )
  if (missing !== undefined) return new ChannelInvalid({ message: `${org} has no channel ${missing}` })
  return rule.quietHours !== undefined && DateTime.zoneMakeNamed(rule.quietHours.timezone)._tag === "None"
    ? new ChannelInvalid({ message: `${rule.quietHours.timezone} is not a time zone` })
    : Effect.void
}

export const lacksAddress = ({ type }: Channel) =>
  new ChannelInvalid({ message: `a channel of type ${type} needs its webhook's address` })

export const hasNoAddress = (org: OrgSlug, channelId: string) =>
  new ChannelInvalid({ message: `${org} has no channel ${channelId} with an address` })
