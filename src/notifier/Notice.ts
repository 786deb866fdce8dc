/**
 * The `config` of a notify step. Texts may have the variables of the run: those that any step knows, and `{status}`, `{failed_step}`,
 * `{error_code}`, `{error_message}`, `{duration}`, `{run_url}` of its end.
 */
import * as Schema from "effect/Schema"

const subject = Schema.optionalWith(Schema.NonEmptyString.pipe(Schema.maxLength(300)), { exact: true })
const message = Schema.optionalWith(Schema.NonEmptyString.pipe(Schema.maxLength(4000)), { exact: true })

/** Of `notify_systems.email_notification`. Addresses with an unknown variable are dropped; without any, the organisation's recipients get it. */
export const EmailNotice = Schema.Struct({
  to_emails: Schema.optionalWith(Schema.Array(Schema.String), { default: () => [] }),
  subject,
  message
})
export type EmailNotice = typeof EmailNotice.Type

/** Of `notify_systems.slack_notification`; it goes to the organisation's Slack channels. */
export const SlackNotice = Schema.Struct({ subject, message })
export type SlackNotice = typeof SlackNotice.Type
