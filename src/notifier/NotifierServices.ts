/**
 * The services of the notifier, wired; `Worker.layer` makes it work by itself.
 */
import * as Layer from "effect/Layer"
import * as HttpClientNode from "../platform/HttpClientNode.ts"
import * as AddressBook from "./AddressBook.ts"
import type { Channels } from "./Channels.ts"
import * as ChannelsSql from "./ChannelsSql.ts"
import * as MailerSmtp from "./MailerSmtp.ts"
import * as NotifierEventLog from "./NotifierEventLog.ts"
import * as Summaries from "./Summaries.ts"
import * as WebhookClient from "./WebhookClient.ts"

/** Where organisations want to be told, and of what, on the channels given. */
export const channelsOn = <E, R>(layer: Layer.Layer<Channels, E, R | WebhookClient.WebhookClient>) =>
  Summaries.layer.pipe(Layer.provideMerge(layer), Layer.provideMerge(WebhookClient.layer))

/** The same with the channels of the service database. */
export const channels = channelsOn(ChannelsSql.layer)

/** The notifier on the event log, with the address book, on the channels given. */
export const layer = Layer.merge(
  NotifierEventLog.layer.pipe(Layer.provide(MailerSmtp.layer)),
  AddressBook.layer.pipe(Layer.provide(HttpClientNode.layer))
)
