/**
 * What each answer of the API service means for a run: the code and status of the HTTP contract (sections 2.2 and 3). Messages are our
 * own: no text of the other side reaches a caller.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { OrgSlug } from "../platform/Identifiers.ts"
import * as Json from "../platform/Json.ts"
import { RETRY_AFTER_CONCURRENT_SECONDS, RETRY_AFTER_QUOTA_SECONDS, RunNotAllowed } from "./Validator.ts"

/** An answer as it arrived. */
export interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

type Refusal = readonly [status: RunNotAllowed["status"], message: string]

const refusals: Readonly<Record<string, Refusal>> = {
  INVALID_API_KEY: [401, "the API service does not accept this API key: check it, or ask for a new one"],
  MISSING_API_KEY: [401, "this run has no API key: ask for it with the organisation's X-API-Key"],
  ACCESS_FORBIDDEN: [403, "the API service forbids this organisation to run pipelines: ask its administrator"],
  ORG_MISMATCH: [403, "the API key belongs to another organisation than the one in the path"],
  INSUFFICIENT_SCOPE: [403, "the API key lacks the scope pipelines:execute: ask for one that has it"],
  SUBSCRIPTION_INACTIVE: [403, "the subscription is neither active nor in its trial: renew it, then ask again"],
  SUBSCRIPTION_ERROR: [403, "the organisation's subscription cannot be read: ask its administrator"],
  PIPELINE_NOT_FOUND: [404, "the API service does not know this pipeline: register it there, or check its name"],
  PIPELINE_DISABLED: [400, "this pipeline is disabled for the organisation: enable it, then ask again"],
  INTEGRATION_NOT_CONFIGURED: [400, "the pipeline's provider has no active, valid credential: set up the integration"],
  INTEGRATION_ERROR: [400, "the credential of the pipeline's provider is not usable: set up the integration again"],
  QUOTA_EXCEEDED: [429, "the plan's quota of runs is used up: wait, or choose a larger plan"],
  RATE_LIMIT_EXCEEDED: [429, "the API service asks for fewer requests: wait, then ask again"],
  VALIDATION_FAILED: [400, "the API service does not allow this run"],
  VALIDATION_TIMEOUT: [503, "the API service did not answer in time, so the run was not started: ask again"],
  VALIDATION_SERVICE_UNAVAILABLE: [503, "the API service cannot be reached, so the run was not started: ask again"],
  STORE_UNAVAILABLE: [503, "the service database cannot be used, so the run was not started: ask again"],
  API_SERVICE_ERROR: [502, "the API service gave no usable answer, so the run was not started: ask again"],
  VALIDATION_ERROR: [500, "the run could not be validated"]
}

/** The refusal of a code; one that nobody knows is VALIDATION_FAILED. `explanation` says more than the code's own message. */
export const refusal = (code: string, retryAfterSeconds?: number, explanation?: string): RunNotAllowed => {
  const known = knownCode(code)
  const [status, message] = refusals[known] ?? [400, "the API service does not allow this run"]
  return new RunNotAllowed({
    code: known,
    status,
    message: explanation ?? message,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds })
  })
}

/** For a failure of the service database or its encryption: it is logged, the caller gets STORE_UNAVAILABLE. */
export const storeFailed = (error: { readonly message: string; readonly cause?: unknown }) =>
  Effect.zipRight(Effect.logError(`the validator cannot work: ${databaseReason(error)}`), refusal("STORE_UNAVAILABLE"))

/** SQL errors say in their cause what happened. */
export const databaseReason = (error: { readonly message: string; readonly cause?: unknown }): string =>
  error.cause instanceof Error ? error.cause.message : error.message

const knownCode = (code: string): string => {
  if (Object.hasOwn(refusals, code)) return code
  if (code.startsWith("SUBSCRIPTION_")) return "SUBSCRIPTION_INACTIVE"
  return code.startsWith("INTEGRATION_") ? "INTEGRATION_ERROR" : "VALIDATION_FAILED"
}

/** A refusal that the server gives after it has reserved: the slot must be given back. */
export const leavesSlot = (refused: RunNotAllowed): boolean => refused.code.startsWith("INTEGRATION_")

/** Reads the answer to a validate request: undefined when the run may start. Whatever is not a clear yes is a no. */
export const refusalOf = (answer: Answer, org: OrgSlug, nowMillis: number): RunNotAllowed | undefined => {
  const { status } = answer
  if (status === 401) return refusal("INVALID_API_KEY")
  if (status === 403) return refusal("ACCESS_FORBIDDEN")
  if (status === 404) return refusal("PIPELINE_NOT_FOUND")
  if (status === 429) return refusal("RATE_LIMIT_EXCEEDED", retryAfter(answer, nowMillis))
  if (status >= 400 && status < 500) return refusal("VALIDATION_FAILED")
  if (status >= 500) return refusal("VALIDATION_SERVICE_UNAVAILABLE")
  const verdict = status === 200 ? decodeVerdict(answer.body) : Option.none()
  if (Option.isNone(verdict)) return refusal("API_SERVICE_ERROR")
  const { error, error_code, org_slug, quota, valid } = verdict.value
  if (valid) return (org_slug ?? org) === org ? undefined : refusal("API_SERVICE_ERROR")
  const detail = Json.isObject(error) ? error : {}
  const code = error_code ?? text(detail["error_code"]) ?? text(detail["code"]) ?? "VALIDATION_FAILED"
  return code === "QUOTA_EXCEEDED"
    ? refusal(code, retryAfter(answer, nowMillis) ?? seconds(detail["retry_after"]) ?? retryAfterOfQuota(quota))
    : refusal(code)
}

const Verdict = Schema.parseJson(
  Schema.Struct({
    valid: Schema.Boolean,
    org_slug: Schema.optional(Schema.NullOr(Schema.String)),
    error_code: Schema.optional(Schema.NullOr(Schema.String)),
    error: Schema.optional(Json.Json),
    quota: Schema.optional(Json.Json)
  })
)
const decodeVerdict = Schema.decodeOption(Verdict)

const retryAfterOfQuota = (quota: Json.Json | undefined): number => {
  const left = Json.isObject(quota) ? [quota["remaining_today"], quota["remaining_month"]] : []
  return left.some((runs) => typeof runs === "number" && runs <= 0)
    ? RETRY_AFTER_QUOTA_SECONDS
    : RETRY_AFTER_CONCURRENT_SECONDS
}

/** Retry-After is a number of seconds or an HTTP date. */
const retryAfter = (answer: Answer, nowMillis: number): number | undefined => {
  const value = answer.headers["retry-after"]
  if (value === undefined) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value)
  const until = Date.parse(value)
  return Number.isNaN(until) ? undefined : Math.max(0, Math.ceil((until - nowMillis) / 1000))
}

const text = (value: Json.Json | undefined) => (typeof value === "string" ? value : undefined)
const seconds = (value: Json.Json | undefined) => (typeof value === "number" && value >= 0 ? value : undefined)
