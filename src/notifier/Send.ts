/**
 * One attempt to send one notification: finds the secret of the destination, renders the message in the destination's form, and says
 * whether another attempt may help.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Encryption } from "../platform/Encryption.ts"
import { Settings } from "../platform/Settings.ts"
import { Channels, type ChannelSecret } from "./Channels.ts"
import { openSecret } from "./ChannelSecrets.ts"
import { Mailer } from "./Mailer.ts"
import { oneLine, toHtml, toSlack, toText } from "./Message.ts"
import type { Destination, NotificationQueued, Secret } from "./NotificationEvent.ts"
import { WebhookClient, type WebhookAnswer } from "./WebhookClient.ts"

/** The attempt failed; `message` holds no secret and no text of the other side. */
export class SendFailed extends Schema.TaggedError<SendFailed>()("SendFailed", {
  message: Schema.String,
  retryable: Schema.Boolean,
  retryAfterSeconds: Schema.optionalWith(Schema.Number, { exact: true })
}) {}

type Queued = typeof NotificationQueued.Type
type To<Type extends Destination["type"]> = Destination & { readonly type: Type }

const failed = (message: string, retryable: boolean) => new SendFailed({ message, retryable })

/** Sends; answers the recipients that were not taken, of which there may be some but not all. */
export const make = Effect.gen(function* () {
  const mailer = yield* Mailer
  const webhooks = yield* WebhookClient
  const channels = yield* Channels
  const encryption = yield* Encryption
  const settings = yield* Settings

  const secretOf = (queued: Queued, secret: Secret): Effect.Effect<ChannelSecret, SendFailed> => {
    switch (secret.kind) {
      case "channel":
        return channels
          .secret(queued.org, queued.destination.channelId)
          .pipe(Effect.mapError((error) => failed(error.message, error._tag === "ChannelsUnavailable")))
      case "installation":
        return settings.slackEnabled && Option.isSome(settings.slackWebhookUrl)
          ? Effect.succeed({ url: settings.slackWebhookUrl.value, headers: {} })
          : failed("Slack is off: set SLACK_NOTIFICATIONS_ENABLED and SLACK_WEBHOOK_URL", false)
      case "sealed":
        return encryption.open(secret.envelope, { org: queued.org, id: queued.notificationId }).pipe(
          Effect.flatMap(openSecret),
          Effect.mapError(({ message }) => failed(message, false))
        )
    }
  }

  const post = (queued: Queued, secret: ChannelSecret, method: "POST" | "PUT", body: unknown) =>
    webhooks
      .send({
        url: secret.url,
        method,
        headers: {
          ...secret.headers,
          "Idempotency-Key": queued.notificationId,
          "X-Notification-ID": queued.notificationId
        },
        body: JSON.stringify(body)
      })
      .pipe(Effect.mapError((error) => failed(error.message, error._tag === "WebhookUnreachable")))

  const sendEmail = (queued: Queued, to: To<"email">) =>
    mailer
      .send({
        messageId: queued.notificationId,
        from: to.from,
        fromName: to.fromName === undefined ? undefined : oneLine(to.fromName),
        to: to.to,
        cc: to.cc,
        subject: oneLine(`${to.subjectPrefix} ${queued.message.title}`),
        text: toText(queued.message),
        html: toHtml(queued.message)
      })
      .pipe(
        Effect.map(({ rejected }) => rejected),
        Effect.mapError(({ message, retryable }) => failed(message, retryable))
      )

  const sendSlack = Effect.fnUntraced(function* (queued: Queued, to: To<"slack">) {
    const answer = yield* post(queued, yield* secretOf(queued, to.secret), "POST", {
      ...toSlack(queued.message, to.mentions),
      ...(to.slackChannel === undefined ? {} : { channel: to.slackChannel }),
      ...(to.username === undefined ? {} : { username: to.username }),
      ...(to.iconEmoji === undefined ? {} : { icon_emoji: to.iconEmoji })
    })
    yield* checkAnswer(answer)
    if (answer.status !== 200 || answer.body.trim() !== "ok") return yield* failed("Slack did not answer ok", false)
    return []
  })

  const sendWebhook = Effect.fnUntraced(function* (queued: Queued, to: To<"webhook">) {
    const { message } = queued
    const answer = yield* post(queued, yield* secretOf(queued, to.secret), to.method, {
      event: queued.event,
      timestamp: new Date(queued.dueAt).toISOString(),
      severity: message.severity,
      title: message.title,
      message: toText(message),
      org_slug: queued.org,
      alert_id: queued.alertId ?? null,
      alert_name: message.data?.["alert_name"] ?? null,
      data: message.data ?? {}
    })
    yield* checkAnswer(answer)
    return []
  })

  return (queued: Queued): Effect.Effect<ReadonlyArray<string>, SendFailed> => {
    const { destination } = queued
    const send =
      destination.type === "email"
        ? sendEmail(queued, destination)
        : destination.type === "slack"
          ? sendSlack(queued, destination)
          : sendWebhook(queued, destination)
    return send.pipe(
      Effect.timeoutFail({
        duration: `${settings.notificationTimeoutSeconds} seconds`,
        onTimeout: () => failed(`no answer within ${settings.notificationTimeoutSeconds} s`, true)
      }),
      Effect.catchAllDefect((defect) =>
        Effect.zipRight(
          Effect.logError(`notification ${queued.notificationId} hit a fault of the service`, defect),
          failed("a fault of the service itself; its log has the details", true)
        )
      )
    )
  }
})

/** 2xx is taken; 429 and 5xx may be better next time; a redirect is not followed. */
const checkAnswer = ({ status, retryAfterSeconds }: WebhookAnswer): Effect.Effect<void, SendFailed> => {
  if (status >= 200 && status < 300) return Effect.void
  return new SendFailed({
    message:
      status >= 300 && status < 400
        ? `the webhook redirects (${status}): store the address it leads to`
        : `the webhook answered ${status}`,
    retryable: status === 429 || status >= 500,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds })
  })
}
