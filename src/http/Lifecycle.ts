/**
 * What happens to every request around its route: request id, limits, the one error shape, response headers, CORS, metrics.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as HttpApiError from "@effect/platform/HttpApiError"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import { Settings } from "../platform/Settings.ts"
import { invalidRequest } from "./Body.ts"
import { ApiError, apiError, bodyOf, internalErrorDetail } from "./Errors.ts"
import { observe } from "./HttpMetrics.ts"
import { faultOf, pathOf } from "./Limits.ts"
import { RateLimits } from "./RateLimits.ts"
import { currentNotes, type RequestNotes } from "./RequestNotes.ts"

/** Sent as X-API-Version. */
export const apiVersion = "v1"

const requestId = /^[A-Za-z0-9._:-]{1,128}$/
const preflightSeconds = 600
const exposedHeaders = [
  "X-Request-ID",
  "X-Process-Time",
  "X-API-Version",
  "X-RateLimit-Org-Limit",
  "X-RateLimit-Org-Remaining",
  "Retry-After"
]
const allowedHeaders = [
  "Content-Type",
  "X-API-Key",
  "X-CA-Root-Key",
  "X-User-ID",
  "X-Request-ID",
  "Idempotency-Key",
  "Last-Event-ID"
]

/** Health, metrics and docs: no rate limit. */
const isExempt = (path: string): boolean =>
  path === "/" || path === "/docs" || path === "/openapi.json" || path === "/metrics" || path.startsWith("/health")

/** Which methods a path has; none where there is no such path. */
type AllowedMethods = (path: string) => Effect.Effect<ReadonlyArray<string>>

/** Makes the wrapper of the router's app. */
export const make = Effect.fn("Lifecycle.make")(function* (allowedMethods: AllowedMethods) {
  const settings = yield* Settings
  const limits = yield* RateLimits
  const origins = settings.corsOrigins.split(",").map((origin) => origin.trim())
  const cors = HttpMiddleware.cors({
    allowedOrigins: (origin) => origins.includes("*") || origins.includes(origin),
    allowedMethods: ["GET", "HEAD", "POST", "DELETE", "OPTIONS"],
    allowedHeaders,
    exposedHeaders,
    maxAge: preflightSeconds
  })

  return <R>(app: HttpApp.Default<unknown, R>): HttpApp.Default<never, R> => {
    const limited = Effect.zipRight(limits.takeGlobal, app)
    const checked = (request: HttpServerRequest.HttpServerRequest): HttpApp.Default<unknown, R> => {
      const { rawHeaders } = NodeHttpServerRequest.toIncomingMessage(request)
      const fault = faultOf({ method: request.method, url: request.url, rawHeaders })
      if (fault !== undefined) return fault
      return isExempt(pathOf(request.url)) ? app : limited
    }
    return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      const started = performance.now()
      const notes: RequestNotes = { requestId: idOf(request) }
      const answer = (response: HttpServerResponse.HttpServerResponse) => {
        const seconds = (performance.now() - started) / 1000
        observe(request.method, notes.route ?? "unmatched", response.status, seconds)
        return withHeaders(response, seconds, notes)
      }
      const isOfBrowser = request.headers["origin"] !== undefined || request.method === "OPTIONS"
      // Each request has a fiber of its own, so nothing is set back. The validator is told the annotated id.
      return FiberRef.set(currentNotes, notes).pipe(
        Effect.zipRight(
          FiberRef.update(FiberRef.currentLogAnnotations, HashMap.set<string, unknown>("request_id", notes.requestId))
        ),
        Effect.zipRight(isOfBrowser ? cors(checked(request)) : checked(request)),
        Effect.matchCauseEffect({
          onFailure: (cause) => Effect.map(answerFailure(cause, request, notes.requestId, allowedMethods), answer),
          onSuccess: (response) => Effect.succeed(answer(response))
        })
      )
    })
  }
})

const idOf = (request: HttpServerRequest.HttpServerRequest): string => {
  const given = request.headers["x-request-id"]
  return given !== undefined && requestId.test(given) ? given : randomUUID()
}

const withHeaders = (
  response: HttpServerResponse.HttpServerResponse,
  seconds: number,
  { allowance, requestId }: RequestNotes
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setHeaders(response, {
    "x-request-id": requestId,
    "x-process-time": seconds.toFixed(6),
    "x-api-version": apiVersion,
    ...(allowance === undefined
      ? {}
      : {
          "x-ratelimit-org-limit": String(allowance.limit),
          "x-ratelimit-org-remaining": String(allowance.remaining)
        })
  })

const answerFailure = (
  cause: Cause.Cause<unknown>,
  request: HttpServerRequest.HttpServerRequest,
  id: string,
  allowedMethods: AllowedMethods
): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  // The caller has gone, or the server closes: there is nobody to answer.
  if (Cause.isInterruptedOnly(cause)) return Effect.interrupt
  const error = Option.getOrUndefined(Cause.failureOption(cause))
  if (hasTag(error, "RouteNotFound")) {
    return Effect.map(allowedMethods(pathOf(request.url)), (allowed) =>
      allowed.length === 0
        ? render(apiError("NOT_FOUND", "there is no such path: see /openapi.json"), id)
        : HttpServerResponse.setHeader(
            render(apiError("METHOD_NOT_ALLOWED", `this path has only ${allowed.join(", ")}`), id),
            "allow",
            allowed.join(", ")
          )
    )
  }
  const failed = toApiError(error, request)
  const response = render(failed, id)
  const isFault = failed.cause !== undefined || failed.code === "INTERNAL_ERROR"
  if (!isFault) return Effect.succeed(response)
  return Effect.as(
    Effect.logError("request failed", failed.cause === undefined ? cause : Cause.fail(failed.cause)).pipe(
      Effect.annotateLogs({ request_id: id, method: request.method, path: pathOf(request.url), code: failed.code })
    ),
    response
  )
}

const toApiError = (error: unknown, request: HttpServerRequest.HttpServerRequest): ApiError => {
  if (error instanceof ApiError) return error
  if (isDecodeError(error)) {
    // Every query parameter is optional, so a wrong one is present; what names another place is an answer of ours that did not encode.
    const query = new URLSearchParams(request.url.slice(pathOf(request.url).length))
    if (error.issues.every((issue) => query.has(String(issue.path[0])))) return invalidRequest(error, "query")
  }
  return apiError("INTERNAL_ERROR", internalErrorDetail)
}

const hasTag = (error: unknown, tag: string): boolean =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === tag

const isDecodeError = Schema.is(HttpApiError.HttpApiDecodeError)

/** An error as an answer. */
export const render = (error: ApiError, id: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.unsafeJson(bodyOf(error, id), {
    status: error.status,
    headers: {
      ...(error.retryAfterSeconds === undefined ? {} : { "retry-after": String(error.retryAfterSeconds) }),
      ...(error.code === "MISSING_API_KEY" ? { "www-authenticate": "ApiKey" } : {})
    }
  })
