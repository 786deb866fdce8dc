/**
 * BigQuery's REST interface as Effects: one try each, answers decoded, failures with BigQuery's own reason.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { openAsBlob } from "node:fs"
import type { JsonObject } from "../../platform/Json.ts"
import type { SettingsValues } from "../../platform/Settings.ts"
import { WarehouseUnavailable } from "../Warehouse.ts"

/** A call was refused or not answered. Without a status it is unknown whether BigQuery got it. */
export class ApiFailure extends Schema.TaggedError<ApiFailure>()("ApiFailure", {
  status: Schema.optional(Schema.Number),
  /** BigQuery's word: `notFound`, `accessDenied`. */
  reason: Schema.String,
  message: Schema.String
}) {}

/** One call; `path` goes on after the project. */
export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean>>
  readonly body?: JsonObject
}

/** A load job that takes its rows from a local file. */
export interface Upload {
  readonly jobId: string
  readonly dataset: string
  readonly table: string
  readonly file: string
  /** The rest of the load's configuration. */
  readonly load: JsonObject
  readonly labels: JsonObject
}

/** The project's BigQuery. */
export interface Api {
  readonly projectId: string
  readonly location: string
  readonly call: <A, I>(call: Call, answer: Schema.Schema<A, I>) => Effect.Effect<A, ApiFailure>
  /** Sends a file and so starts its load job. */
  readonly upload: (upload: Upload) => Effect.Effect<void, ApiFailure>
}

const CALL_TIMEOUT = "60 seconds"
/** No file of a slice takes longer; what hangs longer is tried again. */
const UPLOAD_TIMEOUT = "1 hour"

/** The API of the settings' project. The client library is loaded here, so that only who uses BigQuery waits for it. */
export const make = Effect.fn("BigQueryApi.make")(function* (settings: SettingsValues) {
  const [{ BigQuery }, { PassThroughClient }] = yield* Effect.tryPromise({
    try: () => Promise.all([import("@google-cloud/bigquery"), import("google-auth-library")]),
    catch: (cause) => new WarehouseUnavailable({ message: `the BigQuery client cannot be loaded: ${String(cause)}` })
  })
  const { projectId, bigqueryLocation: location } = settings
  const endpoint = Option.getOrElse(settings.bigqueryEndpoint, () => "https://bigquery.googleapis.com")
  const client = new BigQuery({
    projectId,
    location,
    autoRetry: false,
    maxRetries: 0,
    apiEndpoint: endpoint,
    ...(Option.isSome(settings.bigqueryEndpoint) ? { authClient: new PassThroughClient() } : {}),
    ...Option.match(settings.googleKeyFile, { onNone: () => ({}), onSome: (keyFilename) => ({ keyFilename }) })
  })

  const send = (url: string, options: RequestInit) =>
    Effect.tryPromise({
      try: async (signal) => {
        const headers = new Headers(options.headers)
        for (const [name, value] of await client.authClient.getRequestHeaders(url)) headers.set(name, value)
        const response = await fetch(url, { ...options, headers, signal })
        const text = await response.text()
        return { response, text }
      },
      catch: failureOf
    }).pipe(
      Effect.timeoutFail({ duration: UPLOAD_TIMEOUT, onTimeout: () => unanswered }),
      Effect.filterOrElse(
        ({ response }) => response.ok,
        ({ response, text }) => Effect.fail(refusalOf(response.status, text))
      ),
      Effect.map(({ response }) => response)
    )

  const api: Api = {
    projectId,
    location,
    call: ({ method, path, query, body }, answer) =>
      Effect.async<unknown, ApiFailure>((resume) => {
        client.request(
          {
            method,
            uri: path,
            ...(query === undefined ? {} : { qs: query }),
            ...(body === undefined ? {} : { json: body })
          },
          (error: Error | null, found: unknown) =>
            resume(error === null ? Effect.succeed(found) : Effect.fail(failureOf(error)))
        )
      }).pipe(
        Effect.timeoutFail({ duration: CALL_TIMEOUT, onTimeout: () => unanswered }),
        Effect.flatMap(Schema.decodeUnknown(answer)),
        Effect.catchTag("ParseError", (error) =>
          Effect.fail(new ApiFailure({ status: 200, reason: "unexpectedAnswer", message: error.message }))
        )
      ),
    upload: Effect.fn("BigQueryApi.upload")(function* ({ dataset, file, jobId, labels, load, table }) {
      const session = yield* send(`${endpoint}/upload/bigquery/v2/projects/${projectId}/jobs?uploadType=resumable`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-upload-content-type": "application/octet-stream" },
        body: JSON.stringify({
          jobReference: { projectId, jobId, location },
          configuration: {
            load: { ...load, destinationTable: { projectId, datasetId: dataset, tableId: table } },
            labels
          }
        })
      })
      const content = yield* Effect.tryPromise({ try: () => openAsBlob(file), catch: failureOf })
      yield* send(session.headers.get("location") ?? "", { method: "PUT", body: content })
    })
  }
  return api
})

const unanswered = new ApiFailure({ reason: "notAnswered", message: "no answer in time" })

const refusalOf = (status: number, text: string): ApiFailure =>
  Option.match(Schema.decodeOption(RefusalBody)(text), {
    onNone: () => new ApiFailure({ status, reason: "notAnswered", message: `status ${status}` }),
    onSome: ({ error }) =>
      new ApiFailure({ status, reason: error.errors?.[0]?.reason ?? "notAnswered", message: error.message })
  })

const Refusal = Schema.Struct({
  code: Schema.optional(Schema.Union(Schema.Number, Schema.String)),
  message: Schema.String,
  errors: Schema.optional(Schema.Array(Schema.Struct({ reason: Schema.optional(Schema.String) })))
})
const isRefusal = Schema.is(Refusal)
const RefusalBody = Schema.parseJson(Schema.Struct({ error: Refusal }))

const failureOf = (cause: unknown): ApiFailure => {
  if (!isRefusal(cause)) return new ApiFailure({ reason: "notAnswered", message: String(cause) })
  const { code, errors, message } = cause
  return new ApiFailure({
    reason: errors?.[0]?.reason ?? (typeof code === "string" ? code : "notAnswered"),
    message,
    ...(typeof code === "number" ? { status: code } : {})
  })
}
