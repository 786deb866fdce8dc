/**
 * The services of the notifier, wired; `Worker.layer` makes it work by itself.
 */
import * as Layer from "effect/Layer"
import * as HttpClientNode from "../platform/HttpClientNode.ts"
import * as AddressBook from "./AddressBook.ts"
import * as ChannelsBigQuery from "./ChannelsBigQuery.ts"
import * as ChannelsSql from "./ChannelsSql.ts"
import * as MailerSmtp from "./MailerSmtp.ts"
import * as NotifierEventLog from "./NotifierEventLog.ts"
import * as Summaries from "./Summaries.ts"
import * as WebhookClient from "./WebhookClient.ts"

/** Where organisations want to be told. */
export const channels = Summaries.layer.pipe(
  Layer.provideMerge(ChannelsSql.layer),
  Layer.provideMerge(WebhookClient.layer)
)

/** The same with the channels in the central dataset of BigQuery. */
export const channelsBigQuery = Summaries.layer.pipe(
  Layer.provideMerge(ChannelsBigQuery.layer),
  Layer.provideMerge(WebhookClient.layer)
)

/** The notifier on the event log, with the address book, on the channels given. */
export const layer = Layer.merge(
  NotifierEventLog.layer.pipe(Layer.provide(MailerSmtp.layer)),
  AddressBook.layer.pipe(Layer.provide(HttpClientNode.layer))
)
