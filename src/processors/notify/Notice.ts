/**
 * `notify_systems.email_notification` and `notify_systems.slack_notification`: what a run tells people at its end. The run only says that
 * the step is due; the notifier, which follows the log, sends. Hence there is nothing to execute.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { EmailNotice, SlackNotice } from "../../notifier/Notice.ts"
import type { Processor } from "../../pipelines/Processor.ts"

const processor = <A, I>(type: string, schema: Schema.Schema<A, I>): Processor => {
  const decode = Schema.decodeUnknownEither(schema, { onExcessProperty: "error" })
  return {
    type,
    check: (config) =>
      Either.match(decode(config), {
        onLeft: (error) => ParseResult.TreeFormatter.formatErrorSync(error),
        onRight: () => undefined
      }),
    execute: () => Effect.succeed({ rowsProcessed: 0, rowsWritten: 0, details: {} })
  }
}

/** The step that tells people by mail. */
export const email = processor("notify_systems.email_notification", EmailNotice)

/** The step that tells people in Slack. */
export const slack = processor("notify_systems.slack_notification", SlackNotice)
