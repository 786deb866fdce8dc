/**
 * Reads a JSON body: bounded while it arrives, absent allowed, checked against a schema. Each fault has its own answer.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { IncomingMessage } from "node:http"
import { type Json, parse, parseLossless } from "../platform/Json.ts"
import { type ApiError, apiError } from "./Errors.ts"
import { bodyTooLarge, maximumBodyBytes } from "./Limits.ts"

/** Decodes the body of a request; no body is `{}`. Fails with 413, 400 (not JSON) or 422 (not what the schema says, unknown fields too). */
export const readJson = <A, I>(schema: Schema.Schema<A, I>) => reader(schema, parse)

/** As {@link readJson}; every number is the text of its source, so that no amount passes through binary floating point. */
export const readLosslessJson = <A, I>(schema: Schema.Schema<A, I>) => reader(schema, parseLossless)

const reader = <A, I>(schema: Schema.Schema<A, I>, parseText: typeof parse) => {
  const decode = Schema.decodeUnknown(schema, { onExcessProperty: "error", errors: "all" })
  const decodeJson = (json: Json): Effect.Effect<A, ApiError> =>
    Effect.catchTag(decode(json), "ParseError", (error) => invalidRequest(error, "body"))
  // Most requests for a run have no body, so what that means is found out once.
  const ofNothing = decodeJson({})
  return (request: HttpServerRequest.HttpServerRequest): Effect.Effect<A, ApiError> => {
    const message = NodeHttpServerRequest.toIncomingMessage(request)
    if (!hasBody(message)) return ofNothing
    return Effect.flatMap(read(message), (text) =>
      text.trim() === ""
        ? ofNothing
        : Effect.flatMap(
            Effect.mapError(parseText(text), () => apiError("INVALID_JSON", "the body is not JSON")),
            decodeJson
          )
    )
  }
}

/** The 422 answer: a list of what is wrong, where; one entry for each place. */
export const invalidRequest = (
  error: ParseResult.ParseError | { readonly issues: ReadonlyArray<ParseResult.ArrayFormatterIssue> },
  part: "body" | "query"
): ApiError => {
  const issues = "issues" in error ? error.issues : ParseResult.ArrayFormatter.formatErrorSync(error)
  const places = Map.groupBy(issues, (issue) => issue.path.map(String).join("/"))
  return apiError(
    "REQUEST_INVALID",
    Array.from(places.values(), (found) => ({
      loc: [part, ...(found[0]?.path ?? []).map((name) => (typeof name === "number" ? name : String(name)))],
      msg: messageOf(found).slice(0, maximumMessageCharacters),
      type: { Unexpected: "extra_forbidden", Missing: "missing" }[String(found[0]?._tag)] ?? "value_error"
    }))
  )
}

const maximumMessageCharacters = 300

/** The alternatives of a union arrive one by one; the caller wants them in one sentence, without the "or nothing at all" of an option. */
const messageOf = (issues: ReadonlyArray<ParseResult.ArrayFormatterIssue>): string => {
  const messages = issues.map((issue) => /^Expected (?<wanted>.*), actual (?<actual>.*)$/s.exec(issue.message)?.groups)
  const wanted = messages.flatMap((message) => message?.["wanted"] ?? [])
  if (wanted.length < issues.length) return issues[0]?.message ?? ""
  const named = wanted.filter((each) => each !== "undefined" && each !== "null")
  return `Expected ${named.join(" or ")}, actual ${messages[0]?.["actual"] ?? ""}`
}

/** A request announces its body. */
const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0"

const read = (message: IncomingMessage): Effect.Effect<string, ApiError> =>
  Effect.async<string, ApiError>((resume) => {
    const chunks: Array<Buffer> = []
    let bytes = 0
    const stop = () => {
      message.off("data", onData).off("end", onEnd).off("error", onBroken).off("close", onBroken)
    }
    const onData = (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > maximumBodyBytes) {
        stop()
        // The rest is read and thrown away, so that the caller can finish sending and gets to see the answer.
        message.resume()
        resume(Effect.fail(bodyTooLarge()))
        return
      }
      chunks.push(chunk)
    }
    const onEnd = () => {
      stop()
      resume(Effect.succeed(Buffer.concat(chunks).toString("utf8")))
    }
    const onBroken = () => {
      stop()
      resume(Effect.fail(apiError("INVALID_REQUEST", "the body did not arrive as announced")))
    }
    message.on("data", onData).on("end", onEnd).on("error", onBroken).on("close", onBroken)
    return Effect.sync(stop)
  })
