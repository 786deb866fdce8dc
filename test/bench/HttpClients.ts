/**
 * The connections of the bench's HTTP clients. They are plain sockets: the clients share the machine with the server, and what asking
 * costs them would be taken from what is measured.
 */
import { createConnection } from "node:net"
import * as Effect from "effect/Effect"

/** Sends the text of a request and answers the body of its answer. One at a time: the next is sent when this one is answered. */
export type Ask = (request: string) => Effect.Effect<string, Error>

const bufferBytes = 16_384

/** The body once it is all there. `received` has a character for each byte, as Content-Length counts them. */
const bodyOf = (received: string): Effect.Effect<string, Error> | undefined => {
  const headEnd = received.indexOf("\r\n\r\n")
  if (headEnd === -1) return undefined
  const head = received.slice(0, headEnd)
  if (!head.startsWith("HTTP/1.1 200 ")) return Effect.fail(new Error(`an answer that is not 200: ${received}`))
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length === undefined) return Effect.fail(new Error(`an answer without Content-Length: ${head}`))
  const body = received.slice(headEnd + 4)
  const missing = Number(length) - body.length
  if (missing > 0) return undefined
  return missing === 0 ? Effect.succeed(body) : Effect.fail(new Error(`more than one answer: ${received}`))
}

/** A kept connection to a port of this machine, closed with the scope. An answer must be 200 and say its length. */
export const connect = Effect.fnUntraced(function* (port: number) {
  let received = ""
  let settle: (answer: Effect.Effect<string, Error>) => void = () => {}
  let failure = new Error("the server closed the connection")
  const buffer = Buffer.alloc(bufferBytes)
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() =>
      createConnection({
        port,
        host: "127.0.0.1",
        noDelay: true,
        onread: {
          buffer,
          callback: (size) => {
            received += buffer.toString("latin1", 0, size)
            const answer = bodyOf(received)
            if (answer === undefined) return true
            received = ""
            settle(answer)
            return true
          }
        }
      })
    ),
    (socket) => Effect.sync(() => socket.destroy())
  )
  socket.on("error", (error) => (failure = error))
  socket.on("close", () => settle(Effect.fail(failure)))
  const ask: Ask = (request) =>
    Effect.async((resume) => {
      if (socket.destroyed) return resume(Effect.fail(failure))
      settle = resume
      socket.write(request, "latin1")
    })
  return ask
})
