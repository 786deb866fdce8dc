/**
 * Sends one e-mail.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The mail server refused the message or could not be reached; the message never holds a password. */
export class MailFailed extends Schema.TaggedError<MailFailed>()("MailFailed", {
  message: Schema.String,
  retryable: Schema.Boolean
}) {}

/** One message; subject and names must be one line each, addresses checked by {@link isAddress}. */
export interface Mail {
  /** Without the angle brackets; the same for every attempt, so that a receiver can tell a duplicate. */
  readonly messageId: string
  readonly fromName: string | undefined
  /** Absent: the installation's EMAIL_FROM_ADDRESS. */
  readonly from: string | undefined
  readonly to: ReadonlyArray<string>
  readonly cc: ReadonlyArray<string>
  readonly subject: string
  readonly text: string
  readonly html: string
}

export interface MailerService {
  /** Answers the addresses that the server did not take, of which there may be some but not all. */
  readonly send: (mail: Mail) => Effect.Effect<{ readonly rejected: ReadonlyArray<string> }, MailFailed>
}

/** The mailer. */
export class Mailer extends Context.Tag("pipeline-service/Mailer")<Mailer, MailerService>() {}

/** One plain address: no name, no list, nothing that a header could be broken with. */
export const isAddress = (text: string): boolean =>
  text.length <= 254 &&
  /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/i.test(text) &&
  !text.includes("{")
