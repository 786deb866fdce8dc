/**
 * The mailer on an SMTP server: STARTTLS unless told otherwise, TLS from the start on port 465.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Settings, type SettingsValues } from "../platform/Settings.ts"
import * as Shared from "../platform/Shared.ts"
import { isAddress, type Mail, Mailer, MailFailed, type MailerService } from "./Mailer.ts"

const implicitTlsPort = 465

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const transport = yield* Shared.once(openTransport(settings))
  const send: MailerService["send"] = (mail) =>
    Effect.gen(function* () {
      if (!settings.emailEnabled || Option.isNone(settings.smtpHost)) {
        return yield* permanent("e-mail is off: set EMAIL_NOTIFICATIONS_ENABLED and EMAIL_SMTP_HOST")
      }
      const from = mail.from ?? Option.getOrUndefined(settings.emailFrom)
      if (from === undefined || !isAddress(from)) return yield* permanent("EMAIL_FROM_ADDRESS is not an address")
      return yield* deliver(yield* transport, mail, from)
    })
  return { send } satisfies MailerService
})

const permanent = (message: string) => new MailFailed({ message, retryable: false })

/** The library is loaded with the first mail, not at each start. Each mail has its own connection: they are rare. */
const openTransport = (settings: SettingsValues) =>
  Effect.map(
    Effect.promise(() => import("nodemailer")),
    (nodemailer) =>
      nodemailer.createTransport({
        host: Option.getOrElse(settings.smtpHost, () => ""),
        port: settings.smtpPort,
        secure: settings.smtpPort === implicitTlsPort,
        requireTLS: settings.smtpUseTls,
        ignoreTLS: !settings.smtpUseTls,
        connectionTimeout: settings.notificationTimeoutSeconds * 1000,
        greetingTimeout: settings.notificationTimeoutSeconds * 1000,
        socketTimeout: settings.notificationTimeoutSeconds * 1000,
        disableFileAccess: true,
        disableUrlAccess: true,
        ...(Option.isSome(settings.smtpUsername) && Option.isSome(settings.smtpPassword)
          ? { auth: { user: settings.smtpUsername.value, pass: Redacted.value(settings.smtpPassword.value) } }
          : {})
      })
  )

type Transport = Effect.Effect.Success<ReturnType<typeof openTransport>>

const deliver = (transport: Transport, mail: Mail, from: string) =>
  Effect.tryPromise({
    try: () =>
      transport.sendMail({
        messageId: `<${mail.messageId}@${from.slice(from.indexOf("@") + 1)}>`,
        from: { name: mail.fromName ?? "", address: from },
        to: [...mail.to],
        cc: [...mail.cc],
        subject: mail.subject,
        text: mail.text,
        html: mail.html,
        // Out-of-office answers and mail loops have no business with a machine.
        headers: { "Auto-Submitted": "auto-generated" }
      }),
    catch: failureOf
  }).pipe(Effect.map(({ rejected }) => ({ rejected: rejected.map(String) })))

/** A server's 5xx is its last word; 4xx, and everything below SMTP, may be better next time. */
const failureOf = (cause: unknown): MailFailed => {
  const status = cause instanceof Error && "responseCode" in cause ? Number(cause.responseCode) : undefined
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "UNKNOWN"
  return new MailFailed({
    message: `the mail server did not take the message (${status === undefined ? code : `${code} ${status}`})`,
    retryable: status === undefined ? code !== "EAUTH" && code !== "EENVELOPE" : status < 500
  })
}

/** The mailer on EMAIL_SMTP_HOST; opens nothing before the first mail. */
export const layer = Layer.effect(Mailer, make)
