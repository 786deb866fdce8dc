/**
 * Answers the endpoints of notifications. The root key is checked before (see Authentication.ts).
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { AddressBook } from "../notifier/AddressBook.ts"
import { announce, type Announcement } from "../notifier/Announce.ts"
import { ChannelType } from "../notifier/Channels.ts"
import type { Message } from "../notifier/Message.ts"
import { type Notification, Notifier } from "../notifier/Notifier.ts"
import { Organizations } from "../organizations/Organizations.ts"
import type { OrgSlug } from "../platform/Identifiers.ts"
import { DeferredApi } from "./DeferredApi.ts"
import { CurrentCaller } from "./Authentication.ts"
import { readJson } from "./Body.ts"
import { type ApiError, apiError, fromDomain } from "./Errors.ts"
import { SendRequest, SummaryRequest, TestRequest } from "./NotificationApi.ts"

const readSend = readJson(SendRequest)
const readTest = readJson(TestRequest)
const readSummary = readJson(SummaryRequest)
const decodeChannelType = Schema.decodeUnknown(ChannelType)

const resultOf = (notification: Notification) => ({
  notification_id: notification.notificationId,
  channel_type: notification.channelType,
  channel_id: notification.channelId,
  recipients: notification.recipients,
  status: notification.status,
  attempts: notification.attempts,
  error: notification.problem ?? null
})

const isSent = ({ status }: Notification): boolean => status === "sent"

/** Members that a caller gave, without nulls. */
const given = <Name extends string, A>(name: Name, value: A | null | undefined): { readonly [key in Name]?: A } => {
  const found: { [key in Name]?: A } = {}
  if (value !== null && value !== undefined) found[name] = value
  return found
}

const secretOf = (url: string | null | undefined) =>
  url === null || url === undefined ? undefined : Redacted.make(url)

/** Facts of the values that a caller gave. */
const factsOf = (values: Readonly<Record<string, string | number | null | undefined>>): Message["facts"] =>
  Object.entries(values).flatMap(([label, value]) =>
    value === null || value === undefined ? [] : [[label, String(value)] as const]
  )

const recordOf = (notification: Notification) => ({
  ...resultOf(notification),
  event: notification.event,
  subject: notification.subject,
  queued_at: notification.queuedAt,
  ended_at: notification.endedAt ?? null,
  acknowledged_by: notification.acknowledgedBy ?? null
})

const historyLayer = HttpApiBuilder.group(DeferredApi, "notificationHistory", (handlers) =>
  Effect.map(Notifier, (notifier) =>
    handlers
      .handle("list", ({ urlParams: { limit, run_id } }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const filter = { limit, ...(run_id === undefined ? {} : { runId: run_id }) }
          const found = yield* Effect.mapError(notifier.history(org, filter), fromDomain)
          return { org_slug: org, notifications: found.map(recordOf) }
        })
      )
      .handle("acknowledge", ({ path }) =>
        Effect.gen(function* () {
          const { keyId, org } = yield* CurrentCaller
          const acknowledged = yield* notifier
            .acknowledge(org, path.notification_id, keyId)
            .pipe(
              Effect.mapError((error) =>
                error._tag === "NotAcknowledged"
                  ? apiError(error.isKnown ? "INVALID_PARAMETER" : "NOT_FOUND", error.message)
                  : fromDomain(error)
              )
            )
          return recordOf(acknowledged)
        })
      )
  )
)

const requestsLayer = HttpApiBuilder.group(DeferredApi, "notifications", (handlers) =>
  Effect.gen(function* () {
    const organizations = yield* Organizations
    const notifier = yield* Notifier
    const book = yield* AddressBook

    const known = (org: OrgSlug): Effect.Effect<void, ApiError> =>
      Effect.flatMap(Effect.mapError(organizations.get(org), fromDomain), (found) =>
        found === undefined ? apiError("NOT_FOUND", `there is no organisation ${org}`) : Effect.void
      )

    const tell = (announcement: Omit<Announcement, "source">) =>
      Effect.gen(function* () {
        yield* known(announcement.org)
        return yield* announce({ ...announcement, source: `request/${crypto.randomUUID()}` }).pipe(
          Effect.provideService(Notifier, notifier),
          Effect.provideService(AddressBook, book),
          Effect.mapError(fromDomain)
        )
      })

    return handlers
      .handleRaw("send", ({ request }) =>
        Effect.gen(function* () {
          const body = yield* readSend(request)
          const results = yield* tell({
            org: body.org_slug,
            event: body.event ?? "alert_triggered",
            kinds: body.channels ?? ["email"],
            message: {
              title: body.title,
              severity: body.severity ?? "warning",
              text: [body.message],
              facts: factsOf({
                Organisation: body.org_slug,
                Period: body.period ?? "current_month",
                Cost: body.total_cost,
                Threshold: body.threshold,
                Currency: body.currency ?? "USD"
              }),
              data: body.details ?? {}
            },
            ...given("ruleId", body.rule_id),
            ...given("addresses", body.recipients),
            ...given("slackChannel", body.slack_channel),
            ...given("slackUrl", secretOf(body.slack_webhook_url))
          })
          const sent = results.filter(isSent).length
          return {
            success: sent > 0 && sent === results.length,
            channels_sent: sent,
            channels_total: results.length,
            results: results.map(resultOf),
            org_slug: body.org_slug,
            title: body.title
          }
        })
      )
      .handleRaw("test", ({ request }) =>
        Effect.gen(function* () {
          const body = yield* readTest(request)
          const kind = yield* Effect.mapError(decodeChannelType(body.channel_type), () =>
            apiError("INVALID_PARAMETER", "channel_type is email, slack or webhook")
          )
          const url = secretOf(body.webhook_url)
          const results = yield* tell({
            org: body.org_slug,
            event: "test",
            kinds: [kind],
            message: {
              title: `Test message for ${body.org_slug}`,
              severity: "info",
              text: ["Somebody tried this channel. It works; there is nothing to do."],
              facts: []
            },
            ...given("addresses", body.recipients),
            ...given("slackChannel", body.slack_channel),
            ...given("slackUrl", secretOf(body.slack_webhook_url)),
            ...given("webhook", url === undefined ? undefined : { url, headers: body.webhook_headers ?? {} })
          })
          const problem = results.find((each) => !isSent(each))
          const success = results.length > 0 && problem === undefined
          return {
            success,
            message: success ? `the test message was taken` : (problem?.problem ?? "nobody to tell"),
            channel_type: kind,
            org_slug: body.org_slug
          }
        })
      )
      .handleRaw("summary", ({ request }) =>
        Effect.gen(function* () {
          const body = yield* readSummary(request)
          const { currency, period, top_providers: providers, total_cost: total } = body.content
          const channelIds = body.channel_ids ?? []
          const results = yield* tell({
            org: body.org_slug,
            event: "summary",
            summaryId: body.summary_id,
            channelIds,
            kinds: channelIds.length > 0 && (body.recipients ?? []).length === 0 ? [] : ["email"],
            message: {
              title: `${body.summary_name}: ${total} ${currency}`,
              severity: "info",
              text: [`The cost of ${period} is ${total} ${currency}.`],
              facts: factsOf(
                Object.fromEntries((providers ?? []).map(({ cost, name }) => [name, `${cost} ${currency}`]))
              ),
              data: { summary_id: body.summary_id, period, total_cost: String(total), currency }
            },
            ...given("addresses", body.recipients)
          })
          return {
            success: results.length > 0 && results.every(isSent),
            results: results.map(resultOf),
            summary_id: body.summary_id
          }
        })
      )
  })
)

/** The handlers of the groups `notifications` and `notificationHistory`. */
export const layer = Layer.merge(requestsLayer, historyLayer)
