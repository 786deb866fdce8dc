/**
 * Node's HTTP server as this service needs it: it answers in the service's error shape also what its parser refuses, and closes in bounded time.
 */
import * as Http from "node:http"
import { randomUUID } from "node:crypto"
import type { Duplex } from "node:stream"
import { type ApiError, apiError, bodyOf } from "./Errors.ts"
import { bodyTooLarge, maximumBodyBytes, maximumHeadersBytes } from "./Limits.ts"

const parserHeadersBytes = 2 * maximumHeadersBytes
const headersMilliseconds = 15_000
const requestMilliseconds = 60_000
const keepAliveMilliseconds = 65_000
/** How long open answers (live events above all) may go on once the server closes. */
const graceMilliseconds = 2_000

/** A server that is not yet listening. */
export const makeServer = (): Http.Server => {
  const server = Http.createServer({
    maxHeaderSize: parserHeadersBytes,
    headersTimeout: headersMilliseconds,
    requestTimeout: requestMilliseconds,
    keepAliveTimeout: keepAliveMilliseconds,
    requireHostHeader: false
  })
  const answers = new WeakMap<Duplex, Http.ServerResponse>()
  server.on("request", (request, response) => answers.set(request.socket, response))
  server.on("checkContinue", (request: Http.IncomingMessage, response: Http.ServerResponse) => {
    if (Number(request.headers["content-length"] ?? 0) <= maximumBodyBytes) response.writeContinue()
    server.emit("request", request, response)
  })
  server.on("checkExpectation", (request, response) => server.emit("request", request, response))
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const answer = answers.get(socket)
    const isAnswering = answer !== undefined && answer.headersSent && !answer.writableEnded
    if (!socket.writable || isAnswering) socket.destroy()
    else socket.end(rawAnswer(faultOf(error.code)))
  })
  server.on("connect", (_request, socket: Duplex) =>
    socket.end(rawAnswer(apiError("METHOD_NOT_ALLOWED", "this is not a proxy: CONNECT is not allowed")))
  )
  closeInBoundedTime(server)
  return server
}

/**
 * A stream that never ends must not keep the process: after the grace its connection is closed. Node closes the connections that are idle
 * when the server closes; one that is answered later would be kept for its next request.
 */
const closeInBoundedTime = (server: Http.Server): void => {
  const close = server.close.bind(server)
  server.on("request", (_, response) =>
    response.once("close", () => void (server.listening || server.closeIdleConnections()))
  )
  server.close = (callback) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMilliseconds)
    return close((error) => {
      clearTimeout(timer)
      callback?.(error)
    })
  }
}

const faultOf = (code: string | undefined): ApiError => {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return apiError("INVALID_HEADERS", `the headers have more than ${maximumHeadersBytes} bytes`)
    case "HPE_INVALID_HEADER_TOKEN":
    case "HPE_INVALID_CONTENT_LENGTH":
    case "HPE_INVALID_TRANSFER_ENCODING":
    case "HPE_UNEXPECTED_CONTENT_LENGTH":
      return apiError("INVALID_HEADERS", "a header is malformed or contradicts another")
    case "HPE_INVALID_URL":
      return apiError("INVALID_PARAMETER", "the path holds a character that no path may hold")
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return bodyTooLarge()
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return apiError("REQUEST_TIMEOUT", "the request did not arrive in time")
    default:
      return apiError("INVALID_REQUEST", "this is not an HTTP request")
  }
}

const rawAnswer = (error: ApiError): string => {
  const id = randomUUID()
  const body = JSON.stringify(bodyOf(error, id))
  return [
    `HTTP/1.1 ${error.status} ${Http.STATUS_CODES[error.status] ?? "Error"}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${id}`,
    "connection: close",
    "",
    body
  ].join("\r\n")
}
