/**
 * The secret of a channel as one text, which is what is sealed.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type ChannelSecret, ChannelsUnavailable } from "./Channels.ts"

const decodeSecret = Schema.decode(
  Schema.parseJson(
    Schema.Struct({ url: Schema.String, headers: Schema.Record({ key: Schema.String, value: Schema.String }) })
  )
)

/** The text that is sealed, for {@link openSecret}. */
export const sealText = (secret: ChannelSecret): Redacted.Redacted =>
  Redacted.make(JSON.stringify({ url: Redacted.value(secret.url), headers: secret.headers }))

/** The secret of a text made by {@link sealText}. */
export const openSecret = (text: Redacted.Redacted): Effect.Effect<ChannelSecret, ChannelsUnavailable> =>
  decodeSecret(Redacted.value(text)).pipe(
    Effect.mapBoth({
      onSuccess: ({ url, headers }) => ({ url: Redacted.make(url), headers }),
      onFailure: () =>
        new ChannelsUnavailable({ message: "the secret of a channel is damaged: store the channel again" })
    })
  )
