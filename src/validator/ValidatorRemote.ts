/**
 * The validator of a larger installation: the API service decides and keeps the quota (service contract, section 3).
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Encryption } from "../platform/Encryption.ts"
import type { Day, OrgSlug, RunId } from "../platform/Identifiers.ts"
import { Settings } from "../platform/Settings.ts"
import { databaseReason, leavesSlot, refusal, refusalOf, storeFailed } from "./answers.ts"
import { exchange, type Unanswered } from "./apiClient.ts"
import * as Authorities from "./authorities.ts"
import { CompletionUndelivered, Validator, type ValidatorService, ValidatorUnavailable } from "./Validator.ts"

const MAX_RETRIES_BEFORE_SENDING = 2
const FIRST_RETRY_SECONDS = 1

/** The API service knows this pipeline by a name of its own. */
const registeredName = (pipelineId: string) =>
  pipelineId === "subscription_costs_subscription_cost" ? "subscription_costs" : pipelineId

/** The layer over the API service at `API_SERVICE_URL`; the keys of runs in flight are sealed in the service database. */
export const layer: Layer.Layer<
  Validator,
  ValidatorUnavailable,
  Settings | HttpClient.HttpClient | SqlClient.SqlClient | Encryption
> = Layer.scoped(
  Validator,
  Effect.gen(function* () {
    const settings = yield* Settings
    const http = yield* HttpClient.HttpClient
    const authorities = yield* Effect.mapError(
      Authorities.make,
      (error) =>
        new ValidatorUnavailable({ message: `the table of run authorities cannot be made: ${databaseReason(error)}` })
    )
    if (!URL.canParse(settings.apiServiceUrl)) {
      return yield* new ValidatorUnavailable({ message: "API_SERVICE_URL is not a URL" })
    }
    const timeout = Duration.seconds(settings.apiServiceTimeoutSeconds)

    const send = (path: string, runId: RunId, apiKey: Redacted.Redacted, body?: object) =>
      Effect.gen(function* () {
        const annotations = yield* FiberRef.get(FiberRef.currentLogAnnotations)
        const requestId = Option.getOrElse(HashMap.get(annotations, "request_id"), () => runId)
        const request = HttpClientRequest.post(new URL(path, settings.apiServiceUrl)).pipe(
          HttpClientRequest.setHeaders({
            "X-API-Key": Redacted.value(apiKey),
            "X-Request-ID": String(requestId),
            "Idempotency-Key": runId
          })
        )
        return yield* exchange(
          body === undefined ? request : HttpClientRequest.bodyUnsafeJson(request, body),
          timeout
        ).pipe(Effect.provideService(HttpClient.HttpClient, http))
      })

    const authorityOf = Effect.fnUntraced(
      function* (request: Parameters<ValidatorService["reserve"]>[0]) {
        const known = yield* authorities.find(request.org, request.runId)
        if (known !== undefined && known !== "settled") return known
        if (known === "settled" || request.apiKey === undefined) return yield* refusal("MISSING_API_KEY")
        return yield* authorities.remember(request.org, request.runId, request.apiKey)
      },
      Effect.catchTags({ SqlError: storeFailed, EncryptionFailed: storeFailed })
    )

    const reserve: ValidatorService["reserve"] = Effect.fn("Validator.reserve")(function* (request) {
      const { org, pipelineId, runId } = request
      const { apiKey, reservationDate } = yield* authorityOf(request)
      const refused = yield* send(`/api/v1/validator/validate/${org}`, runId, apiKey, {
        pipeline_id: registeredName(pipelineId),
        include_credentials: false
      }).pipe(
        Effect.retry({
          while: (error) => error.reason === "refused",
          times: MAX_RETRIES_BEFORE_SENDING,
          schedule: Schedule.exponential(Duration.seconds(FIRST_RETRY_SECONDS))
        }),
        Effect.flatMap((answer) => Effect.map(Clock.currentTimeMillis, (now) => refusalOf(answer, org, now))),
        Effect.catchAll((error) => Effect.succeed(refusal(codeOf(error))))
      )
      if (refused === undefined) return { reservationDate }
      if (leavesSlot(refused)) yield* giveBack(org, runId, apiKey, reservationDate)
      yield* Effect.ignoreLogged(authorities.settle(runId))
      return yield* refused
    })

    const giveBack = (org: OrgSlug, runId: RunId, apiKey: Redacted.Redacted, reservationDate: Day) =>
      deliver(org, runId, apiKey, "FAILED", reservationDate).pipe(
        Effect.catchAll(({ reason }) =>
          Effect.logWarning(`the slot of the refused run ${runId} of ${org} was not given back: ${reason}; ${lost}`)
        )
      )

    const deliver = Effect.fnUntraced(function* (
      org: OrgSlug,
      runId: RunId,
      apiKey: Redacted.Redacted,
      outcome: "SUCCESS" | "FAILED",
      reservationDate: Day
    ) {
      const query = `pipeline_status=${outcome}&reservation_date=${reservationDate}`
      const { body, status } = yield* send(`/api/v1/validator/complete/${org}?${query}`, runId, apiKey).pipe(
        Effect.mapError((error) => ({ reason: reasons[error.reason], retryable: true }))
      )
      if (status >= 200 && status < 300 && !saysNo(body)) return
      const retryable = status < 300 || status === 429 || status >= 500
      return yield* Effect.fail({ reason: `the API service answered ${status}`, retryable })
    })

    const complete: ValidatorService["complete"] = Effect.fn("Validator.complete")(
      function* ({ org, outcome, reservationDate, runId }) {
        const authority = yield* authorities.find(org, runId)
        if (authority === "settled") return
        if (authority === undefined) return yield* undelivered(org, runId, "no API key is kept for it", false)
        const delivered = yield* Effect.either(deliver(org, runId, authority.apiKey, outcome, reservationDate))
        const failure = Either.isLeft(delivered) ? delivered.left : undefined
        if (failure?.retryable !== true) yield* Effect.ignoreLogged(authorities.settle(runId))
        if (failure !== undefined) return yield* undelivered(org, runId, failure.reason, failure.retryable)
      },
      (effect, { org, runId }) =>
        Effect.catchTags(effect, {
          SqlError: (error) => Effect.fail(undelivered(org, runId, databaseReason(error), true)),
          EncryptionFailed: (error) => Effect.fail(undelivered(org, runId, error.message, false))
        })
    )

    return { isQuotaInLog: false, reserve, complete }
  })
)

const saysNo = (body: string): boolean =>
  Option.exists(
    Schema.decodeOption(Schema.parseJson(Schema.Struct({ success: Schema.Boolean })))(body),
    ({ success }) => !success
  )

const codeOf = (error: Unanswered) =>
  error.reason === "timeout" ? "VALIDATION_TIMEOUT" : "VALIDATION_SERVICE_UNAVAILABLE"

const reasons: Record<Unanswered["reason"], string> = {
  refused: "the API service cannot be reached",
  timeout: "the API service did not answer in time",
  cut: "the API service's answer was cut off"
}

const lost = "its slot stays taken until the API service frees it"

const undelivered = (org: OrgSlug, runId: RunId, reason: string, retryable: boolean) =>
  new CompletionUndelivered({
    retryable,
    message:
      `the end of run ${runId} of ${org} was not reported: ${reason}; ` + (retryable ? "it is reported again" : lost)
  })
