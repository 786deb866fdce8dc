/**
 * `notifications`: what an organisation was told, on a running service, and that somebody takes care of it.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { ServiceClient } from "./client/ServiceClient.ts"
import { table } from "./table.ts"

const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))

const list = Command.make(
  "list",
  { limit: Options.integer("limit").pipe(Options.withDescription("At most so many"), Options.withDefault(20)), json },
  Effect.fnUntraced(function* ({ json, limit }) {
    const org = yield* ServiceClient.ownOrg
    const { notifications } = yield* (yield* ServiceClient).call((api) =>
      api.notificationHistory.list({ path: { org }, urlParams: { limit } })
    )
    yield* Console.log(
      json
        ? JSON.stringify(notifications)
        : table(
            ["notification", "queued", "event", "channel", "status", "acknowledged", "subject"],
            notifications.map((each) => [
              each.notification_id,
              each.queued_at,
              each.event,
              `${each.channel_type} ${each.channel_id}`,
              each.status,
              each.acknowledged_by === null ? "no" : "yes",
              each.subject
            ])
          )
    )
  })
).pipe(Command.withDescription("What the organisation was told, newest first."))

const acknowledge = Command.make(
  "acknowledge",
  { notification: Args.text({ name: "notification" }), json },
  Effect.fnUntraced(function* ({ json, notification }) {
    const org = yield* ServiceClient.ownOrg
    const acknowledged = yield* (yield* ServiceClient).call((api) =>
      api.notificationHistory.acknowledge({ path: { org, notification_id: notification } })
    )
    yield* Console.log(
      json ? JSON.stringify(acknowledged) : `Acknowledged: ${acknowledged.subject}. Nobody else is told of it.`
    )
  })
).pipe(Command.withDescription("Say that somebody takes care: nothing is escalated."))

/** The command. It needs PIPELINE_API_KEY. */
export const notifications = Command.make("notifications").pipe(
  Command.withDescription("What an organisation was told: list, acknowledge."),
  Command.withSubcommands([list, acknowledge]),
  Command.provide(ServiceClient.layer)
)
