/**
 * The stored procedures of the central dataset: routines whose description carries the hash of the text that they were made of.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { parseProcedure } from "../googlesql/GoogleSql.ts"
import { tokenize } from "../googlesql/Tokens.ts"
import { type ProcedureDefinition, StatementFailed, type StoredProcedure } from "../Warehouse.ts"
import * as Jobs from "./Jobs.ts"
import type { Session } from "./Session.ts"
import * as Queries from "./Queries.ts"
import { centralDataset } from "./Tables.ts"
import { text } from "./SqlText.ts"

const READ_CONCURRENCY = 8
const LIST_LIMIT = 1_000

const routines = `/datasets/${centralDataset}/routines`

const RoutineName = Schema.Struct({ routineReference: Schema.Struct({ routineId: Schema.String }) })
const RoutineList = Schema.Struct({ routines: Schema.optional(Schema.Array(RoutineName)) })
const Routine = Schema.Struct({
  ...RoutineName.fields,
  routineType: Schema.String,
  definitionBody: Schema.String,
  description: Schema.optional(Schema.String),
  creationTime: Schema.String,
  lastModifiedTime: Schema.String
})

const hashMark = "sha256:"

/** The procedures that are really there, by name. `definition` is the body as BigQuery holds it. */
export const list = Effect.fn("BigQueryProcedures.list")(function* (session: Session) {
  const what = "list the procedures"
  const found = yield* Jobs.find(
    session,
    what,
    { method: "GET", path: routines, query: { maxResults: LIST_LIMIT } },
    RoutineList
  )
  const read = yield* Effect.forEach(
    found?.routines ?? [],
    ({ routineReference }) =>
      Jobs.find(session, what, { method: "GET", path: `${routines}/${routineReference.routineId}` }, Routine),
    { concurrency: READ_CONCURRENCY }
  )
  return read
    .flatMap((routine) => (routine === undefined || routine.routineType !== "PROCEDURE" ? [] : [routine]))
    .map((routine): StoredProcedure => ({
      name: routine.routineReference.routineId,
      definition: routine.definitionBody,
      contentHash: routine.description?.split(hashMark)[1]?.trim() ?? "",
      createdAt: new Date(Number(routine.creationTime)).toISOString(),
      modifiedAt: new Date(Number(routine.lastModifiedTime)).toISOString()
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
})

/** Creates or replaces one, in one statement with its hash. */
export const save = Effect.fn("BigQueryProcedures.save")(function* (session: Session, definition: ProcedureDefinition) {
  const what = `create the procedure ${definition.name}`
  const { path } = yield* parseProcedure(definition.name, definition.text)
  if (path.at(-1) !== definition.name) {
    return yield* new StatementFailed({ statement: what, reason: `the text creates ${path.join(".")}` })
  }
  const end = yield* endOfParameters(definition.name, definition.text)
  const options = `\nOPTIONS (description = ${text(`Of pipeline-service, ${hashMark}${definition.contentHash}`)})`
  yield* Queries.run(session, {
    what,
    sql: `${definition.text.slice(0, end)}${options}${definition.text.slice(end)}`,
    labels: { procedure: definition.name }
  })
})

/** Removes one; false when there was none. */
export const remove = (session: Session, procedure: string) =>
  Jobs.remove(session, `drop the procedure ${procedure}`, `${routines}/${procedure}`)

/** Where the list of parameters ends; the text is known to be a procedure. */
const endOfParameters = (source: string, sql: string) =>
  Effect.map(tokenize(source, sql), (tokens) => {
    let depth = 0
    for (const token of tokens) {
      if (token.kind !== "symbol") continue
      if (token.text === "(") depth++
      if (token.text === ")" && --depth === 0) return token.end
    }
    return sql.length
  })
