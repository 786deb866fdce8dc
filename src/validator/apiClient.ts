/**
 * One bounded exchange with the API service.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Answer } from "./answers.ts"

const ANSWER_MAX_BYTES = 1024 * 1024

/** The exchange gave no answer. `refused`: the request never left this machine; otherwise the server may have acted on it. */
export class Unanswered extends Data.TaggedError("Unanswered")<{
  readonly reason: "refused" | "timeout" | "cut"
}> {}

/** Sends the request and reads the whole answer within the time. */
export const exchange = (
  request: HttpClientRequest.HttpClientRequest,
  timeout: Duration.DurationInput
): Effect.Effect<Answer, Unanswered, HttpClient.HttpClient> =>
  HttpClient.execute(request).pipe(
    Effect.flatMap((response) =>
      Effect.map(readBody(response), (body) => ({ status: response.status, headers: response.headers, body }))
    ),
    Effect.mapError((error) =>
      error._tag === "Unanswered" ? error : new Unanswered({ reason: neverSent(error) ? "refused" : "cut" })
    ),
    Effect.timeoutFail({ duration: timeout, onTimeout: () => new Unanswered({ reason: "timeout" }) })
  )

const readBody = (response: HttpClientResponse.HttpClientResponse) =>
  response.stream.pipe(
    Stream.mapAccum(0, (read, bytes) => [read + bytes.length, { bytes, total: read + bytes.length }]),
    Stream.mapEffect(({ bytes, total }) =>
      total > ANSWER_MAX_BYTES ? Effect.fail(new Unanswered({ reason: "cut" })) : Effect.succeed(bytes)
    ),
    Stream.runCollect,
    Effect.catchIf(
      (error) => error._tag === "ResponseError" && error.reason === "EmptyBody",
      () => Effect.succeed(Chunk.empty<Uint8Array>())
    ),
    Effect.map((chunks) => Buffer.concat(Chunk.toReadonlyArray(chunks)).toString("utf8"))
  )

/** Errors of name resolution and of the connection's set-up. */
const CODES_BEFORE_SENDING = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"])

const neverSent = (error: HttpClientError): boolean => {
  if (error._tag !== "RequestError") return false
  const codes = [error.cause, error.cause instanceof Error ? error.cause.cause : undefined].map((cause) =>
    cause instanceof Error && "code" in cause ? String(cause.code) : ""
  )
  return codes.some((code) => CODES_BEFORE_SENDING.has(code))
}
