/**
 * Query jobs: GoogleSQL with parameters, a limit of bytes and labels, and its rows.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Option from "effect/Option"
import type { JsonObject } from "../../platform/Json.ts"
import type { SqlParameter } from "../FileMapping.ts"
import { StatementFailed, type WarehouseError } from "../Warehouse.ts"
import * as Jobs from "./Jobs.ts"
import type { Session } from "./Session.ts"
import { type Field, Page, toJson } from "./Results.ts"

/** One query or script. */
export interface Query {
  readonly what: string
  readonly sql: string
  readonly parameters?: Readonly<Record<string, SqlParameter>>
  /** Plain table names are of this dataset. */
  readonly dataset?: string
  readonly labels: Readonly<Record<string, string>>
  /** Writes the result to this table, in place of what it held. */
  readonly destination?: { readonly dataset: string; readonly table: string }
  readonly timeoutSeconds?: number
}

/** A result: its columns, its number of rows and where to read them. */
export interface Result {
  readonly jobId: string
  readonly fields: ReadonlyArray<Field>
  readonly totalRows: number
  readonly first: Page
}

/** Rows that are asked for at a time. */
const PAGE_ROWS = 10_000

/** Runs a query or script; each call is new work with a job id of its own. */
export const run = Effect.fn("BigQueryQueries.run")(function* (session: Session, query: Query) {
  const { api, settings } = session
  const parameters = Object.entries(query.parameters ?? {})
  const { dataset, destination } = query
  const job = yield* Jobs.run(session, {
    id: Jobs.jobId("query", crypto.randomUUID()),
    what: query.what,
    labels: query.labels,
    ...(query.timeoutSeconds === undefined ? {} : { timeoutSeconds: query.timeoutSeconds }),
    work: {
      kind: "configuration",
      configuration: {
        query: {
          query: query.sql,
          useLegacySql: false,
          maximumBytesBilled: String(settings.bigqueryMaximumBytesBilled),
          ...(dataset === undefined ? {} : { defaultDataset: { projectId: api.projectId, datasetId: dataset } }),
          ...(destination === undefined
            ? {}
            : {
                destinationTable: {
                  projectId: api.projectId,
                  datasetId: destination.dataset,
                  tableId: destination.table
                },
                writeDisposition: "WRITE_TRUNCATE"
              }),
          ...(parameters.length === 0
            ? {}
            : {
                parameterMode: "NAMED",
                queryParameters: yield* Effect.forEach(parameters, ([name, value]) => parameterOf(query, name, value))
              })
        }
      }
    }
  })
  return job.jobReference.jobId
})

/** The result of a finished query. */
export const result = Effect.fn("BigQueryQueries.result")(function* (session: Session, what: string, jobId: string) {
  const first = yield* page(session, what, jobId, undefined)
  const found: Result = {
    jobId,
    fields: first.schema?.fields ?? [],
    totalRows: Number(first.totalRows ?? 0),
    first
  }
  return found
})

/** Pages of a result's rows, as JSON rows. */
export const pages = (
  session: Session,
  what: string,
  { fields, first, jobId }: Result
): Stream.Stream<ReadonlyArray<JsonObject>, WarehouseError> =>
  Stream.concat(
    Stream.succeed(toJson(fields, first)),
    Stream.unfoldEffect(first.pageToken, (token) =>
      token === undefined
        ? Effect.succeed(Option.none())
        : Effect.map(page(session, what, jobId, token), (next) =>
            Option.some([toJson(fields, next), next.pageToken] as const)
          )
    )
  )

/** All rows of a small result. */
export const rows = (session: Session, what: string, found: Result) =>
  Stream.runFold(pages(session, what, found), new Array<JsonObject>(), (all, page) => {
    all.push(...page)
    return all
  })

const page = (session: Session, what: string, jobId: string, pageToken: string | undefined) =>
  Jobs.call(
    session,
    what,
    {
      method: "GET",
      path: `/queries/${jobId}`,
      query: {
        location: session.api.location,
        maxResults: PAGE_ROWS,
        "formatOptions.useInt64Timestamp": true,
        ...(pageToken === undefined ? {} : { pageToken })
      }
    },
    Page
  )

const Texts = Schema.parseJson(Schema.Array(Schema.String))

const parameterOf = (
  { what }: Query,
  name: string,
  { type, value }: SqlParameter
): Effect.Effect<JsonObject, StatementFailed> => {
  if (type !== "ARRAY<STRING>") {
    return Effect.succeed({
      name,
      parameterType: { type },
      parameterValue: { value: value === null ? null : String(value) }
    })
  }
  return Schema.decodeUnknown(Texts)(value ?? "[]").pipe(
    Effect.mapBoth({
      onFailure: () => new StatementFailed({ statement: what, reason: `@${name} is not a JSON list of texts` }),
      onSuccess: (items): JsonObject => ({
        name,
        parameterType: { type: "ARRAY", arrayType: { type: "STRING" } },
        parameterValue: { arrayValues: items.map((item) => ({ value: item })) }
      })
    })
  )
}
