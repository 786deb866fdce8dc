import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Runtime from "effect/Runtime"
import { type ParsedMail, simpleParser } from "mailparser"
import { SMTPServer } from "smtp-server"

/** A mail as it arrived: its source, and what a mail program makes of it. */
export interface SeenMail {
  readonly source: string
  readonly mail: ParsedMail
  readonly recipients: ReadonlyArray<string>
}

/** An SMTP error for the answer to a message. */
export const smtpError = (responseCode: number) => Object.assign(new Error("refused"), { responseCode })

/**
 * A real SMTP server on a free port of the loopback; it ends with the scope. `answer` says what becomes of the n-th message (1 is the
 * first): an error refuses it.
 */
export const smtpServer = (
  options: {
    readonly answer?: (n: number) => Error | undefined
    readonly login?: { readonly user: string; readonly password: string }
    /** Called when a message has arrived and before the server says so. */
    readonly arrived?: (mail: SeenMail) => void
    readonly refusedRecipients?: ReadonlyArray<string>
  } = {}
) =>
  Effect.gen(function* () {
    const mails = yield* Queue.unbounded<SeenMail>()
    const runFork = Runtime.runFork(yield* Effect.runtime())
    let count = 0
    const server = new SMTPServer({
      authOptional: options.login === undefined,
      disabledCommands: ["STARTTLS"],
      allowInsecureAuth: true,
      logger: false,
      onAuth: ({ password, username }, _session, callback) => {
        const isRight = username === options.login?.user && password === options.login?.password
        if (isRight) callback(null, { user: username })
        else callback(smtpError(535))
      },
      onRcptTo: ({ address }, _session, callback) =>
        callback(options.refusedRecipients?.includes(address) === true ? smtpError(550) : null),
      onData: (stream, session, callback) => {
        const chunks: Array<Buffer> = []
        stream.on("data", (chunk: Buffer) => chunks.push(chunk))
        stream.on("end", () => {
          const error = options.answer?.(++count)
          if (error !== undefined) return callback(error)
          const source = Buffer.concat(chunks).toString()
          runFork(
            Effect.gen(function* () {
              const mail = yield* Effect.promise(() => simpleParser(source))
              const recipients = session.envelope.rcptTo.map(({ address }) => address)
              const seen = { source, mail, recipients }
              yield* Queue.offer(mails, seen)
              options.arrived?.(seen)
              callback()
            })
          )
        })
      }
    })
    // A client that goes away is no fault of the test's server.
    server.on("error", () => undefined)
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () => Effect.sync(() => server.close())
    )
    const address = server.server.address()
    return { port: typeof address === "object" && address !== null ? address.port : 0, mails, attempts: () => count }
  })
