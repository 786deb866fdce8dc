/**
 * The endpoints of notifications: tell an organisation something now, try a channel, send a summary of costs (root only); and what an
 * organisation was told, and that somebody takes care of it (its own key).
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { ChannelType } from "../notifier/Channels.ts"
import { isAddress } from "../notifier/Mailer.ts"
import { Severity } from "../notifier/Message.ts"
import { EventName } from "../notifier/NotificationEvent.ts"
import { Status } from "../notifier/Notifier.ts"
import { isAllowedHeader } from "../notifier/WebhookClient.ts"
import { OrgSlug } from "../platform/Identifiers.ts"
import { JsonObject } from "../platform/Json.ts"
import { ReadAccess, RootAccess, WriteAccess } from "./Authentication.ts"
import { failure } from "./Errors.ts"
import { invalid, limit, optionalBody, orgPath } from "./Parameters.ts"

const maximumRecipients = 50
const maximumProviders = 100

const line = Schema.NonEmptyString.pipe(Schema.maxLength(300))
const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))
const address = Schema.String.pipe(Schema.filter((text) => isAddress(text) || "not an e-mail address"))
const recipients = optional(Schema.Array(address).pipe(Schema.maxItems(maximumRecipients)))
/** An exact decimal as text, or a JSON number. */
const amount = Schema.Union(Schema.String.pipe(Schema.pattern(/^-?\d{1,40}(\.\d{1,40})?$/)), Schema.JsonNumber)

const severity = Schema.transform(
  Schema.Literal(...Severity.literals, "low", "medium", "high"),
  Schema.typeSchema(Severity),
  {
    strict: true,
    decode: (text) => (text === "low" ? "info" : text === "medium" ? "warning" : text === "high" ? "error" : text),
    encode: (text) => text
  }
)

export const SendRequest = Schema.Struct({
  org_slug: OrgSlug,
  event: optional(EventName),
  severity: optional(severity),
  title: line,
  message: Schema.NonEmptyString.pipe(Schema.maxLength(4000)),
  rule_id: optional(line),
  recipients,
  channels: optional(Schema.Array(ChannelType)),
  slack_webhook_url: optional(line),
  slack_channel: optional(line),
  total_cost: optional(amount),
  threshold: optional(amount),
  currency: optional(line),
  period: optional(line),
  details: optional(JsonObject)
}).annotations({ identifier: "NotificationRequest" })

const headers = Schema.Record({ key: Schema.String, value: Schema.String }).pipe(
  Schema.filter(
    (all) => Object.entries(all).every(([name, value]) => isAllowedHeader(name, value)) || "a header is not allowed"
  )
)

export const TestRequest = Schema.Struct({
  org_slug: OrgSlug,
  channel_type: Schema.String.annotations({ description: "email, slack or webhook" }),
  recipients,
  slack_webhook_url: optional(line),
  slack_channel: optional(line),
  webhook_url: optional(Schema.NonEmptyString.pipe(Schema.maxLength(2048))),
  webhook_headers: optional(headers)
}).annotations({ identifier: "NotificationTestRequest" })

export const SummaryRequest = Schema.Struct({
  org_slug: OrgSlug,
  summary_id: line,
  summary_name: line,
  channel_ids: optional(Schema.Array(line).pipe(Schema.maxItems(maximumRecipients))),
  content: Schema.Struct({
    period: line,
    total_cost: amount,
    currency: line,
    top_providers: optional(
      Schema.Array(Schema.Struct({ name: line, cost: amount })).pipe(Schema.maxItems(maximumProviders))
    )
  }),
  recipients
}).annotations({ identifier: "NotificationSummaryRequest" })

const Results = Schema.Array(
  Schema.Struct({
    notification_id: Schema.String,
    channel_type: ChannelType,
    channel_id: Schema.String,
    recipients: Schema.Array(Schema.String),
    status: Status,
    attempts: Schema.Number,
    error: Schema.NullOr(Schema.String)
  })
)

const SendReport = Schema.Struct({
  success: Schema.Boolean,
  channels_sent: Schema.Number,
  channels_total: Schema.Number,
  results: Results,
  org_slug: OrgSlug,
  title: Schema.String
}).annotations({ identifier: "NotificationReport" })

const TestReport = Schema.Struct({
  success: Schema.Boolean,
  message: Schema.String,
  channel_type: ChannelType,
  org_slug: OrgSlug
}).annotations({ identifier: "NotificationTestReport" })

const SummaryReport = Schema.Struct({
  success: Schema.Boolean,
  results: Results,
  summary_id: Schema.String
}).annotations({ identifier: "NotificationSummaryReport" })

/** Tell an organisation something. Root only. */
export const Notifications = HttpApiGroup.make("notifications")
  .add(
    HttpApiEndpoint.post("send", "/notifications/send")
      .setPayload(SendRequest)
      .addSuccess(SendReport)
      .annotate(OpenApi.Summary, "Send a message to an organisation's channels, or to those named")
  )
  .add(
    HttpApiEndpoint.post("test", "/notifications/test")
      .setPayload(TestRequest)
      .addSuccess(TestReport)
      .annotate(OpenApi.Summary, "Send a test message; changes no setting")
  )
  .add(
    HttpApiEndpoint.post("summary", "/notifications/summary")
      .setPayload(SummaryRequest)
      .addSuccess(SummaryReport)
      .annotate(OpenApi.Summary, "Send a summary of costs")
  )
  .addError(failure(404, "No such organisation"))
  .addError(failure(413, "The body is too large"))
  .addError(invalid)
  .annotateEndpointsContext(optionalBody)
  .middleware(RootAccess)
  .prefix("/api/v1")
  .annotate(OpenApi.Description, "Tell an organisation something (root key)")

const NotificationRecord = Schema.Struct({
  notification_id: Schema.String,
  event: EventName,
  channel_type: ChannelType,
  channel_id: Schema.String,
  recipients: Schema.Array(Schema.String),
  subject: Schema.String,
  status: Status,
  attempts: Schema.Number,
  error: Schema.NullOr(Schema.String),
  queued_at: Schema.String,
  ended_at: Schema.NullOr(Schema.String),
  acknowledged_by: Schema.NullOr(Schema.String)
}).annotations({ identifier: "NotificationRecord" })

/** What an organisation was told. */
export const NotificationHistory = HttpApiGroup.make("notificationHistory")
  .add(
    HttpApiEndpoint.get("list", "/notifications/org/:org")
      .setPath(Schema.Struct(orgPath))
      .setUrlParams(Schema.Struct({ run_id: Schema.optional(Schema.String), limit: limit(500, 50) }))
      .addSuccess(Schema.Struct({ org_slug: OrgSlug, notifications: Schema.Array(NotificationRecord) }))
      .addError(invalid)
      .middleware(ReadAccess)
      .annotate(OpenApi.Summary, "What the organisation was told, newest first: sent, skipped or failed, and why")
  )
  .add(
    HttpApiEndpoint.post("acknowledge", "/notifications/org/:org/:notification_id/acknowledge")
      .setPath(Schema.Struct({ ...orgPath, notification_id: Schema.String }))
      .addSuccess(NotificationRecord)
      .addError(failure(404, "No such notification"))
      .middleware(WriteAccess)
      .annotate(OpenApi.Summary, "Somebody takes care: nothing of the same event is escalated any more")
  )
  .prefix("/api/v1")
  .annotate(OpenApi.Description, "What an organisation was told, and who takes care of it")
