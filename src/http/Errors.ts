/**
 * The one shape of every failed answer, `{detail, error_code, request_id}`, and the way from a typed error to it.
 */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Schema from "effect/Schema"
import type { EventLogUnavailable } from "../eventlog/EventLog.ts"
import type { ChannelsUnavailable } from "../notifier/Channels.ts"
import type { NotifierConfigInvalid } from "../notifier/NotifierConfig.ts"
import type { InvalidApiKey, OrganizationsUnavailable } from "../organizations/Organizations.ts"
import type { PipelineInvalid, TemplateNotFound } from "../pipelines/Catalogue.ts"
import type { ScheduleInvalid } from "../platform/CronSchedule.ts"
import { Json } from "../platform/Json.ts"
import type { DatesUnavailable, InvalidDateRange, RunNotEnded, RunNotFound, ShuttingDown } from "../runs/Runs.ts"
import type { BackfillNotFound } from "../scheduler/Backfills.ts"
import type { ConfigNotFound, SchedulerUnavailable } from "../scheduler/Scheduler.ts"
import type { QuotaUnavailable } from "../validator/QuotaAdmin.ts"
import type { RunNotAllowed } from "../validator/Validator.ts"
import type { WarehouseError } from "../warehouse/Warehouse.ts"

/** The stable codes and the status each one has. The validator's codes come on top, with the status it gives them. */
export const statusOfCode = {
  INVALID_DATE: 400,
  INVALID_DATE_RANGE: 400,
  INVALID_HEADERS: 400,
  INVALID_JSON: 400,
  INVALID_ORG_SLUG: 400,
  INVALID_PARAMETER: 400,
  INVALID_PATH: 400,
  INVALID_REQUEST: 400,
  INVALID_API_KEY: 401,
  MISSING_API_KEY: 401,
  ROOT_KEY_REQUIRED: 401,
  INSUFFICIENT_SCOPE: 403,
  ORG_MISMATCH: 403,
  ROOT_KEY_INVALID: 403,
  ALERT_NOT_FOUND: 404,
  NOT_FOUND: 404,
  PROCEDURE_NOT_FOUND: 404,
  RUN_NOT_FOUND: 404,
  TABLE_NOT_FOUND: 404,
  TEMPLATE_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  REQUEST_TIMEOUT: 408,
  PAYLOAD_TOO_LARGE: 413,
  REQUEST_INVALID: 422,
  AUTH_THROTTLED: 429,
  RATE_LIMIT_EXCEEDED: 429,
  CONFIG_INVALID: 500,
  INTERNAL_ERROR: 500,
  ROOT_KEY_NOT_CONFIGURED: 503,
  SHUTTING_DOWN: 503,
  STORE_UNAVAILABLE: 503
} as const
export type ErrorCode = keyof typeof statusOfCode

/** A request that is answered with an error. `cause` goes to the log, never to the caller. */
export class ApiError extends Schema.TaggedError<ApiError>()("ApiError", {
  status: Schema.Number,
  code: Schema.String,
  detail: Json,
  retryAfterSeconds: Schema.optional(Schema.Number),
  cause: Schema.optional(Schema.Defect)
}) {
  override get message() {
    return `${this.code}: ${typeof this.detail === "string" ? this.detail : JSON.stringify(this.detail)}`
  }
}

/** An error of the contract. `detail` says what happened and what to do. */
export const apiError = (
  code: ErrorCode,
  detail: Json,
  options: { readonly retryAfterSeconds?: number; readonly cause?: unknown } = {}
): ApiError => new ApiError({ status: statusOfCode[code], code, detail, ...options })

/** The JSON of every failed answer; `error`, `message` and `retry_after` only where the contract wants them (429 of a rate limit, 500). */
export const ErrorBody = Schema.Struct({
  detail: Json,
  error_code: Schema.String.annotations({ description: "Stable code in capitals" }),
  request_id: Schema.String.annotations({ description: "The X-Request-ID of the answer" }),
  error: Schema.optional(Schema.String),
  message: Schema.optional(Schema.String),
  retry_after: Schema.optional(Schema.Number.annotations({ description: "Seconds" }))
})
export type ErrorBody = typeof ErrorBody.Type

/** What is sent for an error. */
export const bodyOf = (error: ApiError, requestId: string): ErrorBody => {
  const body = { detail: error.detail, error_code: error.code, request_id: requestId }
  if (error.code === "RATE_LIMIT_EXCEEDED" && error.retryAfterSeconds !== undefined) {
    const message = typeof error.detail === "string" ? error.detail : error.message
    return { error: "Rate limit exceeded", message, retry_after: error.retryAfterSeconds, ...body }
  }
  if (error.code === "INTERNAL_ERROR") return { error: "Internal server error", message: String(error.detail), ...body }
  return body
}

const thrownError = Schema.typeSchema(ApiError)

/** Declares a failure status of an endpoint: {@link ErrorBody} on the wire, {@link ApiError} in the program. */
export const failure = (status: number, description: string) =>
  Schema.transform(ErrorBody, thrownError, {
    strict: true,
    decode: (body) => new ApiError({ status, code: body.error_code, detail: body.detail }),
    encode: (error) => bodyOf(error, "")
  }).annotations(HttpApiSchema.annotations({ status, description, identifier: "Error" }))

type DomainError =
  | DatesUnavailable
  | EventLogUnavailable
  | ChannelsUnavailable
  | InvalidApiKey
  | InvalidDateRange
  | NotifierConfigInvalid
  | OrganizationsUnavailable
  | BackfillNotFound
  | ConfigNotFound
  | PipelineInvalid
  | QuotaUnavailable
  | RunNotAllowed
  | RunNotEnded
  | RunNotFound
  | ScheduleInvalid
  | SchedulerUnavailable
  | ShuttingDown
  | TemplateNotFound
  | WarehouseError

const secondsOfRestart = 5

/** The answer to an error of the rooms below. */
export const fromDomain = (error: DomainError): ApiError => {
  switch (error._tag) {
    case "RunNotAllowed":
      return new ApiError({
        status: error.status,
        code: error.code,
        detail: error.message,
        ...(error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds })
      })
    case "InvalidApiKey":
      return apiError("INVALID_API_KEY", error.message)
    case "InvalidDateRange":
      return apiError(error.code, error.message)
    case "RunNotEnded":
      return apiError("INVALID_REQUEST", error.message)
    case "QuotaUnavailable":
      return new ApiError({ status: 502, code: "API_SERVICE_ERROR", detail: error.message })
    case "BackfillNotFound":
    case "ConfigNotFound":
      return apiError("NOT_FOUND", error.message)
    case "ScheduleInvalid":
      return apiError("INVALID_PARAMETER", error.message)
    case "RunNotFound":
      return apiError("RUN_NOT_FOUND", error.message)
    case "TemplateNotFound":
      return apiError("TEMPLATE_NOT_FOUND", error.message)
    case "PipelineInvalid":
      return apiError(
        "CONFIG_INVALID",
        "the definition of this pipeline is not valid: tell the operator the request id",
        {
          cause: error
        }
      )
    case "NotifierConfigInvalid":
      return apiError(
        "CONFIG_INVALID",
        "the configuration of notifications is not valid: tell the operator the request id",
        { cause: error }
      )
    case "ShuttingDown":
      return apiError("SHUTTING_DOWN", error.message, { retryAfterSeconds: secondsOfRestart })
    case "ChannelsUnavailable":
    case "DatesUnavailable":
    case "EventLogUnavailable":
    case "OrganizationsUnavailable":
    case "SchedulerUnavailable":
    case "WarehouseUnavailable":
      return apiError("STORE_UNAVAILABLE", "a store of the service does not answer: try again in a few seconds", {
        retryAfterSeconds: secondsOfRestart,
        cause: error
      })
    case "WarehouseQuotaExceeded":
      return apiError("STORE_UNAVAILABLE", "a quota of the warehouse is used up: try again when it is free", {
        retryAfterSeconds: error.retryAfterSeconds,
        cause: error
      })
    case "DatasetMissing":
    case "OtherTenant":
    case "SourceRejected":
    case "StatementFailed":
    case "UnsupportedSql":
    case "WarehouseAccessDenied":
      return apiError("INTERNAL_ERROR", internalErrorDetail, { cause: error })
  }
}

/** What a caller is told about a fault that is ours. */
export const internalErrorDetail = "the request failed through a fault of the service: tell the operator the request id"
