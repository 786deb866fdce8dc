import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import * as Effect from "effect/Effect"

/** A request as the test sees it. */
export interface SeenRequest {
  readonly method: string
  readonly url: URL
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

/**
 * What happens to a request instead of its usual answer. True: it was answered, and the fault is spent; `stays`: it was answered, and the
 * fault waits for the next request.
 */
export type Fault = (request: SeenRequest, response: ServerResponse) => boolean | "stays"

/** A server that runs. `faults` are tried in their order before each answer. */
export interface RunningServer {
  readonly endpoint: string
  readonly journal: Array<SeenRequest>
  readonly faults: Array<Fault>
  readonly close: () => void
}

/** Starts a server on a free port of the loopback that answers by `handle` and keeps a journal; it ends with the scope. */
export const httpServer = (handle: (request: SeenRequest, response: ServerResponse) => void) =>
  Effect.acquireRelease(
    Effect.async<RunningServer>((resume) => {
      const journal: Array<SeenRequest> = []
      const faults: Array<Fault> = []
      const server = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          const seen = {
            method: request.method ?? "",
            url: new URL(request.url ?? "/", "http://127.0.0.1"),
            headers: request.headers,
            body: Buffer.concat(chunks).toString()
          }
          journal.push(seen)
          for (const [index, fault] of faults.entries()) {
            const outcome = fault(seen, response)
            if (outcome === true) faults.splice(index, 1)
            if (outcome !== false) return
          }
          handle(seen, response)
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          server.close()
          server.closeAllConnections()
        }
        resume(Effect.succeed({ endpoint: `http://127.0.0.1:${port}`, journal, faults, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )
