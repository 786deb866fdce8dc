/**
 * GoogleSQL on DuckDB: queries and procedural scripts with BigQuery's answer, or a typed refusal that names line and column.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Connection, ResultSet } from "../duckdb/DuckDb.ts"
import type { SqlParameter } from "../FileMapping.ts"
import { StatementFailed, type UnsupportedSql } from "../Warehouse.ts"
import type { Parameter } from "./AstStatement.ts"
import { typedLiteral } from "./Coercion.ts"
import { parseScript } from "./ParseStatement.ts"
import { install } from "./Prelude.ts"
import { noResult, runText, type Outcome } from "./Script.ts"
import {
  lift,
  loadRoutines,
  makeTranslator,
  translatorFor,
  type Frame,
  type ScriptError,
  type SqlSession,
  type State
} from "./Session.ts"
import { finalQuery } from "./TranslateQuery.ts"
import { emptyScope, type Typed } from "./Translator.ts"
import { arrayOf, duckType, quoteText, scalar, type SqlType } from "./Types.ts"

export type { SqlSession } from "./Session.ts"

/** A stored procedure's name, parameters and whole text. */
export interface ProcedureDefinition {
  readonly path: ReadonlyArray<string>
  readonly parameters: ReadonlyArray<Parameter>
  readonly text: string
}

/** Makes a database ready for GoogleSQL: once after it is opened, since the functions live in this process. */
export const installPrelude: (connection: Connection) => Effect.Effect<void, StatementFailed> = install

/** Runs a whole script; answers the result of its last SELECT, or nothing when a statement that changes something came after. */
export const runScript = (
  session: SqlSession,
  script: string,
  parameters: Readonly<Record<string, SqlParameter>> = {}
): Effect.Effect<ResultSet, ScriptError> =>
  Effect.gen(function* () {
    const state = yield* newState(session, parameters)
    yield* loadRoutines(state)
    const frame: Frame = { parent: undefined, variables: new Map() }
    const outcome: Outcome = { result: noResult }
    yield* runText(state, script, frame, 0, outcome).pipe(Effect.ensuring(cleanUp(state)))
    return outcome.result
  })

/** One SELECT as DuckDB SQL, for COPY and INSERT ... SELECT of the warehouse. */
export const translateQuery = (
  session: SqlSession,
  sql: string,
  parameters: Readonly<Record<string, SqlParameter>> = {}
): Effect.Effect<string, ScriptError> =>
  Effect.gen(function* () {
    const state = yield* newState(session, parameters)
    yield* loadRoutines(state)
    const script = yield* lift(parseScript(session.source, sql))
    const [statement] = script.statements
    if (statement?.kind !== "query" || script.statements.length !== 1) {
      return yield* Effect.fail(new StatementFailed({ statement: session.source, reason: "one SELECT is expected" }))
    }
    const t = yield* translatorFor(state, { parent: undefined, variables: new Map() }, script.tables)
    return (yield* lift(finalQuery(t, statement.query, emptyScope))).sql
  })

/** Name and parameters of a CREATE [OR REPLACE] PROCEDURE text; the whole text is parsed. */
export const parseProcedure = (
  source: string,
  text: string
): Either.Either<ProcedureDefinition, UnsupportedSql | StatementFailed> =>
  Either.flatMap(parseScript(source, text), (script): Either.Either<ProcedureDefinition, StatementFailed> => {
    const [statement] = script.statements
    return statement?.kind === "create-procedure" && script.statements.length === 1
      ? Either.right({ path: statement.path, parameters: statement.parameters, text })
      : Either.left(new StatementFailed({ statement: source, reason: "one CREATE PROCEDURE is expected" }))
  })

const newState = (
  session: SqlSession,
  parameters: Readonly<Record<string, SqlParameter>>
): Effect.Effect<State, ScriptError> =>
  Effect.gen(function* () {
    const bound = new Map<string, Typed>()
    for (const [name, parameter] of Object.entries(parameters))
      bound.set(name.toLowerCase(), yield* bind(session, parameter))
    return {
      session,
      functions: new Map(),
      tableFunctions: new Map(),
      procedures: new Map(),
      temporary: new Map(),
      columns: new Map(),
      parameters: bound,
      positions: [],
      transaction: "none",
      rowCount: 0,
      error: undefined
    }
  })

const start = { kind: "end", text: "", upper: "", line: 1, column: 1, start: 0, end: 0 } as const

/** A parameter as a literal of its declared type. */
const bind = (session: SqlSession, parameter: SqlParameter): Effect.Effect<Typed, ScriptError> =>
  Effect.gen(function* () {
    const type: SqlType = parameter.type === "ARRAY<STRING>" ? arrayOf(scalar("STRING")) : scalar(parameter.type)
    if (parameter.value === null) return { sql: `CAST(NULL AS ${duckType(type)})`, type }
    const text = String(parameter.value)
    switch (parameter.type) {
      case "STRING":
        return { sql: quoteText(text), type, literal: "string", text }
      case "INT64":
      case "FLOAT64":
      case "BOOL":
        return { sql: `CAST(${quoteText(text)} AS ${duckType(type)})`, type }
      case "ARRAY<STRING>":
        return { sql: `CAST(CAST(${quoteText(text)} AS JSON) AS VARCHAR[])`, type }
      case "BYTES":
        return { sql: `from_base64(${quoteText(text)})`, type }
      default: {
        const t = makeTranslator({
          source: session.source,
          resolveTable: session.resolveTable,
          tables: new Map(),
          variables: new Map(),
          parameters: new Map(),
          positions: [],
          system: new Map(),
          functions: new Map(),
          tableFunctions: new Map()
        })
        return { sql: yield* lift(typedLiteral(t, start, type, text)), type }
      }
    }
  })

/** Ends an open transaction and drops what lived for the script only. */
const cleanUp = (state: State): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (state.transaction === "open") yield* Effect.ignore(state.session.connection.query("ROLLBACK"))
    for (const table of state.temporary.values())
      yield* Effect.ignore(state.session.connection.query(`DROP TABLE IF EXISTS ${table}`))
  })
