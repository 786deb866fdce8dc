/**
 * Answers the endpoints of runs. Keys, scopes, limits and the organisation in the path are checked before (see Authentication.ts).
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { RecordedEvent } from "../eventlog/EventLog.ts"
import { Day, type OrgSlug, RunId } from "../platform/Identifiers.ts"
import { type RunFilter, RunNotFound, Runs, type RunsService } from "../runs/Runs.ts"
import { CoreApi } from "./CoreApi.ts"
import { CancelScope, CurrentCaller } from "./Authentication.ts"
import { readJson } from "./Body.ts"
import { type ApiError, apiError, fromDomain } from "./Errors.ts"
import { answerLive, LiveStreams } from "./LiveEvents.ts"
import * as RunDownload from "./RunDownload.ts"
import {
  detailOf,
  eventOf,
  recordOf,
  type RunAccepted,
  RunRequestBody,
  stepOf,
  summaryOf,
  transitionOf
} from "./RunSchemas.ts"

const readRunRequest = readJson(RunRequestBody)
const toRunId = Schema.decodeEither(RunId)
const toDay = Schema.decodeEither(Day)
const idempotencyKey = /^[\x21-\x7e]{1,255}$/

/** Any text that is no run id names a run that does not exist. */
const runIdOf = (text: string): Effect.Effect<RunId, ApiError> =>
  Either.match(toRunId(text.toLowerCase()), {
    onLeft: () => Effect.fail(fromDomain(new RunNotFound({ runId: text.slice(0, maximumShownCharacters) }))),
    onRight: Effect.succeed
  })

const maximumShownCharacters = 64

/** A run of this organisation; another's is not found. */
const findRun = (runs: RunsService, org: OrgSlug, id: string) =>
  Effect.gen(function* () {
    const runId = yield* runIdOf(id)
    const found = yield* Effect.mapError(runs.get(runId), fromDomain)
    return found.run.org === org ? found : yield* fromDomain(new RunNotFound({ runId }))
  })

const dayOf = (name: string, text: string | null | undefined): Either.Either<Day | undefined, ApiError> =>
  text === undefined || text === null
    ? Either.right(undefined)
    : Either.mapLeft(toDay(text), () => apiError("INVALID_DATE", `${name} is not a real day: write YYYY-MM-DD`))

interface RunCall {
  readonly request: HttpServerRequest.HttpServerRequest
  readonly urlParams: Readonly<Partial<Record<"date" | "start_date" | "end_date", string | undefined>>>
  readonly headers: { readonly "idempotency-key"?: string | undefined }
}

const requestRun = (runs: RunsService, configId: string, call: RunCall) =>
  Effect.gen(function* () {
    const caller = yield* CurrentCaller
    const key = call.headers["idempotency-key"]
    if (key !== undefined && !idempotencyKey.test(key)) {
      return yield* apiError("INVALID_HEADERS", "Idempotency-Key is 1 to 255 printable characters without spaces")
    }
    const body = yield* readRunRequest(call.request)
    const days = yield* Either.all({
      date: dayOf("date", call.urlParams.date ?? body.date),
      start: dayOf("start_date", call.urlParams.start_date ?? body.start_date),
      end: dayOf("end_date", call.urlParams.end_date ?? body.end_date)
    })
    const startDate = days.start ?? days.date
    const endDate = days.end ?? days.date
    const forceRefresh = body.force_refresh ?? undefined
    const credentialId = body.credential_id ?? undefined
    const accepted = yield* Effect.mapError(
      runs.request({
        org: caller.org,
        configId,
        trigger: "api",
        triggerBy: body.trigger_by ?? "api_user",
        ...(startDate === undefined ? {} : { startDate }),
        ...(endDate === undefined ? {} : { endDate }),
        ...(forceRefresh === undefined ? {} : { forceRefresh }),
        ...(credentialId === undefined ? {} : { credentialId }),
        ...(key === undefined ? {} : { idempotencyKey: key }),
        ...(caller.apiKey === undefined ? {} : { apiKey: caller.apiKey })
      }),
      fromDomain
    )
    return acceptedAnswer({
      pipeline_logging_id: accepted.runId,
      pipeline_id: accepted.trackingId,
      org_slug: caller.org,
      status: accepted.status,
      message: accepted.existing
        ? `pipeline ${accepted.trackingId} is already running or was asked for with the same Idempotency-Key: this is that run`
        : `pipeline ${accepted.trackingId} accepted: follow it at /api/v1/pipelines/${caller.org}/runs/${accepted.runId}/events/live`
    })
  })

/** As text: Node sends that together with the headers, and bytes after them. */
const acceptedAnswer = (accepted: typeof RunAccepted.Encoded): HttpServerResponse.HttpServerResponse => {
  const text = JSON.stringify(accepted)
  return HttpServerResponse.raw(text, { contentType: "application/json", contentLength: Buffer.byteLength(text) })
}

const retryRun = (runs: RunsService, id: string) =>
  Effect.gen(function* () {
    const { apiKey, org } = yield* CurrentCaller
    const original = yield* runIdOf(id)
    const accepted = yield* Effect.mapError(
      runs.retry(original, { org, triggerBy: "api_user", ...(apiKey === undefined ? {} : { apiKey }) }),
      fromDomain
    )
    return {
      success: true,
      message: accepted.existing
        ? `pipeline ${accepted.trackingId} is already running: this is that run`
        : `run ${original} is retried; steps that had succeeded are kept`,
      new_pipeline_logging_id: accepted.runId,
      original_pipeline_logging_id: original
    }
  })

const cancelRun = (runs: RunsService, id: string) =>
  Effect.gen(function* () {
    const { org } = yield* CancelScope
    const notFound = apiError("RUN_NOT_FOUND", { error: "pipeline_not_found", message: "there is no such run" })
    const runId = yield* Effect.mapError(runIdOf(id), () => notFound)
    const { status } = yield* runs
      .cancel(
        runId,
        Option.match(org, {
          onNone: () => ({ reason: "cancelled with the root key" }),
          onSome: (org) => ({ org, reason: "cancelled by the organisation" })
        })
      )
      .pipe(Effect.mapError((error) => (error._tag === "RunNotFound" ? notFound : fromDomain(error))))
    const message =
      status === "CANCELLING" || status === "CANCELLED"
        ? `the run is ${status}`
        : `the run has already ended: ${status}`
    return { pipeline_logging_id: runId, status, message }
  })

/** The handlers of the group `pipelines`. */
export const layer = HttpApiBuilder.group(CoreApi, "pipelines", (handlers) =>
  Effect.gen(function* () {
    const runs = yield* Runs
    const live = yield* LiveStreams
    const list = (filter: RunFilter) => Effect.mapError(runs.list(filter), fromDomain)
    const history = (runId: RunId): Effect.Effect<ReadonlyArray<RecordedEvent>, ApiError> =>
      Effect.mapError(runs.events(runId), fromDomain)
    return handlers
      .handleRaw("run", (call) =>
        requestRun(runs, `${call.path.category}/${call.path.domain}/${call.path.pipeline}`, call)
      )
      .handleRaw("runOfProvider", (call) => {
        const { category, domain, pipeline, provider } = call.path
        return requestRun(runs, `${category}/${provider}/${domain}/${pipeline}`, call)
      })
      .handle("runs", ({ urlParams }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const { limit, pipeline_id: pipeline, status } = urlParams
          const page = yield* list({
            org,
            limit,
            offset: 0,
            ...(status === undefined ? {} : { status }),
            ...(pipeline === undefined ? {} : { pipeline })
          })
          return page.runs.map(summaryOf)
        })
      )
      .handle("runSummary", ({ path }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          return summaryOf((yield* findRun(runs, org, path.id)).run)
        })
      )
      .handle("cancel", ({ path }) => cancelRun(runs, path.id))
      .handle("orgRuns", ({ urlParams }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const { limit, offset, pipeline_id: pipeline, status_filter: status } = urlParams
          const { trigger_by: triggerBy, trigger_type: trigger } = urlParams
          const startDate = yield* dayOf("start_date", urlParams.start_date)
          const endDate = yield* dayOf("end_date", urlParams.end_date)
          const { total, runs } = yield* list({
            org,
            limit,
            offset,
            ...(status === undefined ? {} : { status }),
            ...(pipeline === undefined ? {} : { pipeline }),
            ...(trigger === undefined ? {} : { trigger }),
            ...(triggerBy === undefined ? {} : { triggerBy }),
            ...(startDate === undefined ? {} : { startDate }),
            ...(endDate === undefined ? {} : { endDate })
          })
          return { runs: runs.map(recordOf), total, limit, offset }
        })
      )
      .handle("orgRun", ({ path }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const { run, steps } = yield* findRun(runs, org, path.id)
          return detailOf(run, steps)
        })
      )
      .handle("orgRunSteps", ({ path, urlParams }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const { limit, offset, status_filter: wanted } = urlParams
          const found = yield* findRun(runs, org, path.id)
          const steps = found.steps.filter((step) => wanted === undefined || step.status === wanted)
          return { steps: steps.slice(offset, offset + limit).map(stepOf), total: steps.length, limit, offset }
        })
      )
      .handle("orgRunTransitions", ({ path, urlParams }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const { entity_type: wanted, limit, offset } = urlParams
          const { run } = yield* findRun(runs, org, path.id)
          const all = (yield* Effect.mapError(runs.transitions(run.runId), fromDomain)).map(transitionOf)
          const transitions = all.filter((each) => wanted === undefined || each.entity_type === wanted)
          return { transitions: transitions.slice(offset, offset + limit), total: transitions.length, limit, offset }
        })
      )
      .handle("orgRunDownload", ({ path, urlParams }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const format = RunDownload.formats.find((each) => each === urlParams.format)
          if (format === undefined) return yield* apiError("INVALID_PARAMETER", "format is json or csv")
          const { run, steps } = yield* findRun(runs, org, path.id)
          return RunDownload.attachment(format, run, steps)
        })
      )
      .handle("retry", ({ path }) => retryRun(runs, path.id))
      .handle("orgRunEvents", ({ path, urlParams }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const { limit, offset } = urlParams
          const { run } = yield* findRun(runs, org, path.id)
          const events = yield* history(run.runId)
          return { events: events.slice(offset, offset + limit).map(eventOf), total: events.length, limit, offset }
        })
      )
      .handle("orgRunEventsLive", ({ headers, path }) =>
        Effect.gen(function* () {
          const { org } = yield* CurrentCaller
          const { run } = yield* findRun(runs, org, path.id)
          return yield* answerLive(runs, live, run, headers["last-event-id"])
        })
      )
  })
)
