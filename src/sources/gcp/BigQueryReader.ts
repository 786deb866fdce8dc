/**
 * Reads tables of a customer's BigQuery with the customer's service account: the table's schema, and queries whose rows come page by page.
 * The client library is loaded when the first reader is opened.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Option from "effect/Option"
import * as Chunk from "effect/Chunk"
import type { JsonObject } from "../../platform/Json.ts"
import { JsonObject as Row } from "../../platform/Json.ts"
import { observed } from "../ProviderMetrics.ts"
import { retryAfterSeconds, SourceError } from "../SourceError.ts"
import { Field } from "./BigQueryRows.ts"

/** Who reads, and where. `endpoint` replaces Google's own: https, or http on the loopback. */
export interface ReaderOptions {
  readonly clientEmail: string
  readonly privateKey: Redacted.Redacted
  /** Pays for the queries. */
  readonly project: string
  readonly endpoint?: string
  readonly labels: JsonObject
}

/** A table by its parts. */
export interface TableName {
  readonly project: string
  readonly dataset: string
  readonly table: string
}

/** A value bound to a query. */
export interface QueryParameter {
  readonly name: string
  readonly type: "STRING" | "TIMESTAMP"
  readonly value: string
}

/** One query; it fails when it would process more bytes than the limit. */
export interface Query {
  readonly sql: string
  readonly parameters: ReadonlyArray<QueryParameter>
  readonly location: string
  readonly maximumBytesBilled: number
}

/** One page of rows, as cells by position. */
export interface Page {
  readonly fields: ReadonlyArray<Field>
  readonly rows: ReadonlyArray<JsonObject>
}

const Table = Schema.Struct({
  location: Schema.String,
  schema: Schema.Struct({ fields: Schema.Array(Field) }),
  timePartitioning: Schema.optional(Schema.Struct({ field: Schema.optional(Schema.String) }))
})

/** A table's place, columns and partitioning; `timePartitioning` without a field means by the time of arrival. */
export type TableFacts = typeof Table.Type

/** Opens a reader; nothing is asked of Google yet. */
export interface BigQueryReader {
  readonly table: (name: TableName) => Effect.Effect<TableFacts, SourceError>
  /** Bytes that the query would process, by a dry run, which costs nothing. */
  readonly estimate: (query: Query) => Effect.Effect<number, SourceError>
  /** The result, page by page; interrupting it cancels the job. */
  readonly pages: (query: Query) => Stream.Stream<Page, SourceError>
}

const PAGE_ROWS = 10_000
const PAGE_LIMIT = 1_000_000
const POLL_MILLIS = 10_000
const CALL_TIMEOUT = "120 seconds"
const RETRIES = 4

const Answer = Schema.Struct({
  jobComplete: Schema.Boolean,
  jobReference: Schema.optional(Schema.Struct({ jobId: Schema.String, projectId: Schema.String })),
  schema: Schema.optional(Schema.Struct({ fields: Schema.Array(Field) })),
  rows: Schema.optional(Schema.Array(Row)),
  pageToken: Schema.optional(Schema.String),
  totalBytesProcessed: Schema.optional(Schema.String)
})
type Answer = typeof Answer.Type

/** Opens a reader; nothing is asked of Google yet. */
export const open = Effect.fn("BigQueryReader.open")(function* (options: ReaderOptions) {
  const [{ BigQuery }, { JWT }] = yield* Effect.promise(() =>
    Promise.all([import("@google-cloud/bigquery"), import("google-auth-library")])
  )
  const authClient = new JWT({
    email: options.clientEmail,
    key: Redacted.value(options.privateKey),
    scopes: ["https://www.googleapis.com/auth/bigquery"]
  })
  // The signed token is sent itself: no token server is asked, whatever the key file says about one.
  authClient.useJWTAccessWithScope = true
  const endpoint = options.endpoint ?? "https://bigquery.googleapis.com"
  const client = new BigQuery({
    projectId: options.project,
    apiEndpoint: endpoint,
    authClient,
    autoRetry: false,
    maxRetries: 0
  })

  const send = <A, I>(
    target: string,
    call: {
      readonly method: "GET" | "POST"
      readonly path: string
      readonly query?: JsonObject
      readonly body?: JsonObject
    },
    answer: Schema.Schema<A, I>
  ): Effect.Effect<A, SourceError> =>
    Effect.async<unknown, unknown>((resume) => {
      client.request(
        {
          method: call.method,
          uri: `${endpoint}/bigquery/v2/projects/${call.path}`,
          ...(call.query === undefined ? {} : { qs: call.query }),
          ...(call.body === undefined ? {} : { json: call.body })
        },
        (error: Error | null, found: unknown) => resume(error === null ? Effect.succeed(found) : Effect.fail(error))
      )
    }).pipe(
      Effect.timeoutFail({ duration: CALL_TIMEOUT, onTimeout: () => new Error("no answer in time") }),
      Effect.catchAll((cause) => judge(target, cause)),
      Effect.flatMap((found) =>
        Effect.mapError(Schema.decodeUnknown(answer)(found), () => ({
          ...unexpected,
          message: `${target}: BigQuery's answer is not of the documented form`
        }))
      ),
      Effect.mapError((error) => (error instanceof SourceError ? error : new SourceError(error))),
      observed("gcp", target),
      Effect.retry({
        times: RETRIES,
        schedule: Schedule.jittered(Schedule.exponential("1 second")),
        while: (error) => error.kind === "retryable" && (error.retryAfterSeconds ?? 0) === 0
      })
    )

  const requestOf = (query: Query, more: JsonObject): JsonObject => ({
    query: query.sql,
    useLegacySql: false,
    location: query.location,
    maximumBytesBilled: String(query.maximumBytesBilled),
    parameterMode: "NAMED",
    queryParameters: query.parameters.map(({ name, type, value }) => ({
      name,
      parameterType: { type },
      parameterValue: { value }
    })),
    formatOptions: { useInt64Timestamp: true },
    labels: options.labels,
    ...more
  })
  const start = (query: Query, more: JsonObject) =>
    send(
      query.sql.slice(0, 60),
      { method: "POST", path: `${options.project}/queries`, body: requestOf(query, more) },
      Answer
    )

  const reader: BigQueryReader = {
    table: ({ dataset, project, table }) =>
      send(
        `${project}.${dataset}.${table}`,
        { method: "GET", path: `${project}/datasets/${dataset}/tables/${table}` },
        Table
      ),
    estimate: (query) =>
      Effect.map(start(query, { dryRun: true }), ({ totalBytesProcessed }) => Number(totalBytesProcessed ?? 0)),
    pages: (query) => {
      const job = { id: "", isOpen: false }
      const next = (pageToken: string | undefined) =>
        send(
          `job ${job.id}`,
          {
            method: "GET",
            path: `${options.project}/queries/${job.id}`,
            query: {
              location: query.location,
              maxResults: PAGE_ROWS,
              timeoutMs: POLL_MILLIS,
              "formatOptions.useInt64Timestamp": true,
              ...(pageToken === undefined ? {} : { pageToken })
            }
          },
          Answer
        )
      const complete = (answer: Answer): Effect.Effect<Answer, SourceError> =>
        answer.jobComplete ? Effect.succeed(answer) : Effect.flatMap(next(undefined), complete)
      const first = start(query, {
        maxResults: PAGE_ROWS,
        timeoutMs: POLL_MILLIS,
        requestId: crypto.randomUUID()
      }).pipe(
        Effect.tap(({ jobReference }) =>
          Effect.sync(() => {
            job.id = jobReference?.jobId ?? ""
            job.isOpen = true
          })
        ),
        Effect.flatMap(complete),
        Effect.tap(() => Effect.sync(() => (job.isOpen = false)))
      )
      const cancel = Effect.suspend(() =>
        job.isOpen
          ? Effect.ignore(
              send(
                `job ${job.id}`,
                {
                  method: "POST",
                  path: `${options.project}/jobs/${job.id}/cancel`,
                  query: { location: query.location }
                },
                Schema.Unknown
              )
            )
          : Effect.void
      )
      let fields: ReadonlyArray<Field> = []
      const tokens = new Set<string>()
      return Stream.paginateChunkEffect({ token: Option.none<string>(), page: 0 }, ({ page, token }) =>
        Effect.gen(function* () {
          const answer = yield* page === 0 ? first : next(Option.getOrUndefined(token))
          fields = answer.schema?.fields ?? fields
          if (answer.pageToken !== undefined && (tokens.has(answer.pageToken) || page >= PAGE_LIMIT)) {
            return yield* new SourceError({
              ...unexpected,
              message: `job ${job.id}: the pages of the result do not end`
            })
          }
          if (answer.pageToken !== undefined) tokens.add(answer.pageToken)
          const rows: Page = { fields, rows: answer.rows ?? [] }
          const following = Option.map(Option.fromNullable(answer.pageToken), (pageToken) => ({
            token: Option.some(pageToken),
            page: page + 1
          }))
          return [Chunk.of(rows), following] as const
        })
      ).pipe(Stream.ensuring(cancel))
    }
  }
  return reader
})

const unexpected = {
  kind: "permanent",
  code: "BIGQUERY_ANSWER_INVALID",
  suggestedAction: "check the endpoint of the credential"
} as const

/** What the client's error says: status, BigQuery's reason, never its message. */
const Refusal = Schema.Struct({
  code: Schema.optional(Schema.Union(Schema.Number, Schema.String)),
  errors: Schema.optional(Schema.Array(Schema.Struct({ reason: Schema.optional(Schema.String) }))),
  response: Schema.optional(
    Schema.Struct({ headers: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.Unknown })) })
  )
})

const retryableReasons = new Set([
  "rateLimitExceeded",
  "jobRateLimitExceeded",
  "backendError",
  "internalError",
  "jobBackendError",
  "jobInternalError"
])

/** Judges a failed call by the classes of {@link SourceError}. */
const judge = Effect.fnUntraced(function* (target: string, cause: unknown) {
  const now = yield* Clock.currentTimeMillis
  const refusal = Option.getOrUndefined(Schema.decodeUnknownOption(Refusal)(cause))
  const status = Number(refusal?.code)
  const reason = refusal?.errors?.[0]?.reason ?? (Number.isNaN(status) ? "no answer" : "refused")
  const message = `${target}: ${Number.isNaN(status) ? "" : `HTTP ${status}, `}${reason}`
  const header = refusal?.response?.headers?.["retry-after"]
  const seconds = retryAfterSeconds(typeof header === "string" ? header : undefined, now)
  if (reason === "quotaExceeded") {
    return yield* new SourceError({
      kind: "permanent",
      code: "BIGQUERY_QUOTA_EXCEEDED",
      message,
      suggestedAction: "wait until the project's quota is reset, or raise it"
    })
  }
  if (
    retryableReasons.has(reason) ||
    Number.isNaN(status) ||
    [408, 425, 429].includes(status) ||
    (status >= 500 && status !== 501)
  ) {
    return yield* new SourceError({
      kind: "retryable",
      code: "BIGQUERY_UNAVAILABLE",
      message,
      suggestedAction: "wait and run again",
      ...(seconds === undefined ? {} : { retryAfterSeconds: seconds })
    })
  }
  if (status === 401 || status === 403) {
    return yield* new SourceError({
      kind: "auth",
      code: "BIGQUERY_ACCESS_DENIED",
      message,
      suggestedAction:
        "give the service account BigQuery Data Viewer on the export's dataset and BigQuery Job User on the project that pays"
    })
  }
  return yield* new SourceError({
    kind: "permanent",
    code: status === 404 ? "BIGQUERY_NOT_FOUND" : "BIGQUERY_QUERY_REFUSED",
    message,
    suggestedAction:
      status === 404
        ? "check project, dataset and table of the credential's export table"
        : reason === "bytesBilledLimitExceeded"
          ? "raise maximum_bytes_billed in the step's config"
          : "check the table: it must be a billing export of Google Cloud"
  })
})
