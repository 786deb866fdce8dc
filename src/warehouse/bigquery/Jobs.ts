/**
 * Jobs with names of their own: whoever starts the same work again, after a lost answer or a restart, finds the job that is already there.
 */
import { createHash } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { JsonObject } from "../../platform/Json.ts"
import { type WarehouseError, WarehouseUnavailable } from "../Warehouse.ts"
import type { Api, ApiFailure, Call } from "./Api.ts"
import { isCallRetryable, isJobRetryable, type Reason, toWarehouseError } from "./Failure.ts"
import * as Quotas from "./Quotas.ts"
import type { Session } from "./Session.ts"

/** A job that is done. */
export const Job = Schema.Struct({
  jobReference: Schema.Struct({ jobId: Schema.String }),
  status: Schema.Struct({
    state: Schema.String,
    errorResult: Schema.optional(Schema.NullOr(Schema.Struct({ reason: Schema.String, message: Schema.String })))
  }),
  statistics: Schema.optional(
    Schema.Struct({
      load: Schema.optional(Schema.Struct({ outputRows: Schema.optional(Schema.String) })),
      totalBytesProcessed: Schema.optional(Schema.String),
      query: Schema.optional(Schema.Struct({ totalBytesBilled: Schema.optional(Schema.String) }))
    })
  )
})
export type Job = typeof Job.Type

/** What a job is started with. */
export interface JobSpec {
  /** Equal for equal work; the number of the try is added. */
  readonly id: string
  /** In words, for errors. */
  readonly what: string
  /** Shown by bills and lists of jobs. */
  readonly labels: Readonly<Record<string, string>>
  readonly work:
    | { readonly kind: "configuration"; readonly configuration: JsonObject }
    | {
        readonly kind: "upload"
        readonly dataset: string
        readonly table: string
        readonly file: string
        readonly load: JsonObject
        /** What each job of it uses of the quotas. */
        readonly uses: ReadonlyArray<Quotas.Use>
      }
  /** Whether what an earlier job of this name made is still there; absent: nothing is left of it. */
  readonly remains?: Effect.Effect<boolean, WarehouseError>
  readonly timeoutSeconds?: number
}

/** Tries of one job: new names, after failures that pass. */
const JOB_TRIES = 8
const FIRST_WAIT_MILLIS = 200
const LONGEST_WAIT_MILLIS = 10_000
const FIRST_POLL_MILLIS = 100
const LONGEST_POLL_MILLIS = 5_000
const CANCEL_TIMEOUT = Duration.seconds(10)

/** A job id of what makes the work the same. */
export const jobId = (purpose: string, ...parts: ReadonlyArray<string>): string =>
  `pipeline_service_${purpose}_${createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 40)}`

/** Labels that bills and job lists show; values are cut to what BigQuery takes. */
export const labels = (values: Readonly<Record<string, string>>): JsonObject =>
  Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      key,
      value
        .toLowerCase()
        .replaceAll(/[^a-z0-9_-]/g, "_")
        .slice(0, 63)
    ])
  )

/** Waits between tries: doubled each time, jittered. */
const backOff = (retries: number) =>
  Schedule.exponential("200 millis", 2).pipe(Schedule.jittered, Schedule.intersect(Schedule.recurs(retries)))

/** A call that may be repeated, as its caller's error. */
export const call = <A, I>(
  { api, settings }: Session,
  what: string,
  asked: Call,
  answer: Schema.Schema<A, I>
): Effect.Effect<A, WarehouseError> =>
  api
    .call(asked, answer)
    .pipe(
      Effect.retry({ schedule: backOff(settings.bigqueryRetries), while: isCallRetryable }),
      Effect.catchAll(failCall(api, what))
    )

/** The same; undefined where BigQuery has nothing of that name. */
export const find = <A, I>(
  { api, settings }: Session,
  what: string,
  asked: Call,
  answer: Schema.Schema<A, I>
): Effect.Effect<A | undefined, WarehouseError> =>
  api.call(asked, answer).pipe(
    Effect.retry({ schedule: backOff(settings.bigqueryRetries), while: isCallRetryable }),
    Effect.catchIf(
      (failure) => failure.status === 404,
      () => Effect.succeed(undefined)
    ),
    Effect.catchAll(failCall(api, what))
  )

/** Creates a resource, which another process may have done meanwhile. */
export const create = ({ api, settings }: Session, what: string, path: string, body: JsonObject) =>
  api.call({ method: "POST", path, body }, Schema.Unknown).pipe(
    Effect.retry({ schedule: backOff(settings.bigqueryRetries), while: isCallRetryable }),
    Effect.catchIf(
      (failure) => failure.status === 409,
      () => Effect.void
    ),
    Effect.catchAll(failCall(api, what)),
    Effect.asVoid
  )

/** Removes a resource; false when there was none. */
export const remove = ({ api, settings }: Session, what: string, path: string) =>
  api.call({ method: "DELETE", path }, Schema.Unknown).pipe(
    Effect.retry({ schedule: backOff(settings.bigqueryRetries), while: isCallRetryable }),
    Effect.as(true),
    Effect.catchIf(
      (failure) => failure.status === 404,
      () => Effect.succeed(false)
    ),
    Effect.catchAll(failCall(api, what))
  )

const failCall =
  (api: Api, what: string) =>
  (failure: ApiFailure): Effect.Effect<never, WarehouseError> =>
    isCallRetryable(failure)
      ? new WarehouseUnavailable({ message: `${what}: BigQuery does not answer: ${failure.message}` })
      : failFor(api, what, failure)

const failFor = ({ location, projectId }: Api, what: string, reason: Reason): Effect.Effect<never, WarehouseError> =>
  Effect.flatMap(Clock.currentTimeMillis, (nowMillis) =>
    Effect.fail(toWarehouseError({ what, projectId, location, nowMillis }, reason))
  )

/** Runs a job to its end. Interruption and time-out cancel it at BigQuery. */
export const run = Effect.fn("BigQueryJobs.run")(function* (session: Session, spec: JobSpec) {
  const { api } = session
  for (let attempt = 0; ; attempt++) {
    const id = `${spec.id}_${attempt}`
    const { job, found } = yield* finished(session, spec, id)
    const failure = job.status.errorResult ?? undefined
    if (failure === undefined) {
      if (!found || (spec.remains !== undefined && (yield* spec.remains))) return job
    } else if (!found && !isJobRetryable(failure)) {
      return yield* failFor(api, spec.what, failure)
    } else if (!found) {
      // Two processes whose transactions meet must not meet again.
      const waitMillis = Math.min(FIRST_WAIT_MILLIS * 2 ** attempt, LONGEST_WAIT_MILLIS)
      yield* Effect.sleep(Duration.millis((0.5 + (yield* Random.next)) * waitMillis))
    }
    if (attempt + 1 === JOB_TRIES) {
      return yield* new WarehouseUnavailable({
        message: `${spec.what}: ${JOB_TRIES} jobs failed, the last with ${failure?.reason ?? "no result"}: ${failure?.message ?? ""}`
      })
    }
  }
})

/** Starts the job of an id and waits for its end; `found` says that it was there before this call. */
const finished = (session: Session, spec: JobSpec, id: string) => {
  const { api, settings } = session
  let sent = false
  const send = Effect.suspend(() => {
    const isFirst = !sent
    sent = true
    return start(api, spec, id).pipe(
      Effect.as(false),
      Effect.catchIf(
        ({ status }) => status === 409,
        // A try whose answer got lost has left a job behind: the next one is told so.
        () => Effect.succeed(isFirst)
      )
    )
  }).pipe(
    Effect.retry({ schedule: backOff(settings.bigqueryRetries), while: isCallRetryable }),
    Effect.catchAll(failCall(api, spec.what))
  )
  return sendUnlessThere(session, spec, id, send).pipe(
    Effect.flatMap((found) => Effect.map(untilDone(session, spec.what, id), (job) => ({ job, found }))),
    Effect.timeoutFail({
      duration: spec.timeoutSeconds === undefined ? Duration.infinity : Duration.seconds(spec.timeoutSeconds),
      onTimeout: () =>
        new WarehouseUnavailable({
          message: `${spec.what}: the job took longer than ${spec.timeoutSeconds} s and was cancelled`
        })
    }),
    Effect.onExit((exit) => (exit._tag === "Success" || !sent ? Effect.void : cancelUnlessDone(api, id)))
  )
}

/** A file is not sent where its job is there already, of a process that is gone. */
const sendUnlessThere = (
  session: Session,
  { what, work }: JobSpec,
  id: string,
  send: Effect.Effect<boolean, WarehouseError>
): Effect.Effect<boolean, WarehouseError> =>
  work.kind === "upload"
    ? Effect.flatMap(find(session, what, lookAt(session, id), Job), (present) =>
        present === undefined
          ? Effect.zipRight(Quotas.admit(session.ledger, what, work.uses), send)
          : Effect.succeed(true)
      )
    : send

const start = (api: Api, { labels: shown, work }: JobSpec, id: string): Effect.Effect<void, ApiFailure> =>
  work.kind === "upload"
    ? api.upload({ ...work, jobId: id, labels: labels(shown) })
    : Effect.asVoid(
        api.call(
          {
            method: "POST",
            path: "/jobs",
            body: {
              jobReference: { projectId: api.projectId, jobId: id, location: api.location },
              configuration: { ...work.configuration, labels: labels(shown) }
            }
          },
          Schema.Unknown
        )
      )

const lookAt = ({ api }: Session, id: string): Call => ({
  method: "GET",
  path: `/jobs/${id}`,
  query: { location: api.location }
})

const untilDone = (session: Session, what: string, id: string): Effect.Effect<Job, WarehouseError> => {
  const look = call(session, what, lookAt(session, id), Job)
  const after = (waitMillis: number): Effect.Effect<Job, WarehouseError> =>
    Effect.flatMap(look, (job) =>
      job.status.state === "DONE"
        ? Effect.succeed(job)
        : Effect.zipRight(
            Effect.sleep(Duration.millis(waitMillis)),
            Effect.suspend(() => after(Math.min(waitMillis * 1.5, LONGEST_POLL_MILLIS)))
          )
    )
  return after(FIRST_POLL_MILLIS)
}

/** Nobody waits for the job any more: it must not go on and change something later. */
const cancelUnlessDone = (api: Api, id: string) =>
  api
    .call({ method: "POST", path: `/jobs/${id}/cancel`, query: { location: api.location } }, Schema.Unknown)
    .pipe(Effect.timeout(CANCEL_TIMEOUT), Effect.ignore)
