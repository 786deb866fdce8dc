/**
 * One script's state while it runs: variables, temporary tables, routines, the open transaction, and how a statement reaches the engine.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Connection, ResultSet } from "../duckdb/DuckDb.ts"
import { OtherTenant, StatementFailed, UnsupportedSql } from "../Warehouse.ts"
import { unsupportedMark } from "./natives/Native.ts"
import { parseScript } from "./ParseStatement.ts"
import type { Token } from "./Tokens.ts"
import { translateExpr } from "./TranslateExpression.ts"
import { translateQuery } from "./TranslateQuery.ts"
import type {
  Environment,
  OutputColumn,
  TranslateError,
  Translator,
  Typed,
  UserFunction,
  UserTableFunction
} from "./Translator.ts"
import { resolveType } from "./TypeNames.ts"
import { duckType, fromDuckType, quoteName, quoteText, scalar, type SqlType } from "./Types.ts"

/** What a script is given by the warehouse. */
export interface SqlSession {
  readonly connection: Connection
  /** File or label for errors. */
  readonly source: string
  /** DuckDB's quoted name of a table path of 1 to 3 parts without backticks, or the reason why it may not be named. */
  readonly resolveTable: (path: ReadonlyArray<string>) => Either.Either<string, OtherTenant | string>
  /** The text of a stored procedure for CALL; undefined when there is none. */
  readonly procedure: (path: ReadonlyArray<string>) => Effect.Effect<string | undefined, StatementFailed>
}

export type ScriptError = StatementFailed | UnsupportedSql | OtherTenant

/** A variable: its value lies in the engine under `slot`, so that no type loses anything on the way. */
export interface Variable {
  readonly slot: string
  readonly type: SqlType
}

/** Variables of one block; inner blocks see the outer ones. */
export interface Frame {
  readonly parent: Frame | undefined
  readonly variables: Map<string, Variable>
}

export interface State {
  readonly session: SqlSession
  readonly functions: Map<string, UserFunction>
  readonly tableFunctions: Map<string, UserTableFunction>
  /** Text of procedures that scripts created, by resolved name. */
  readonly procedures: Map<string, string>
  /** DuckDB's name of each temporary table by its lower-case name. */
  readonly temporary: Map<string, string>
  /** Columns by DuckDB's name of a table, as long as no statement and no end of a transaction may have changed them. */
  readonly columns: Map<string, ReadonlyArray<OutputColumn>>
  readonly parameters: ReadonlyMap<string, Typed>
  readonly positions: ReadonlyArray<Typed>
  transaction: "none" | "open" | "aborted"
  rowCount: number
  error: { readonly message: string; readonly statement: string } | undefined
}

let lastNumber = 0
/** A number no other script of this process has: variables and temporary tables of one connection never meet. */
export const freshNumber = (): number => {
  lastNumber += 1
  return lastNumber
}

const lookUpVariables = (frame: Frame): Map<string, Typed> => {
  const found = frame.parent === undefined ? new Map<string, Typed>() : lookUpVariables(frame.parent)
  for (const [name, variable] of frame.variables) found.set(name, variableValue(variable))
  return found
}

export const variableValue = (variable: Variable): Typed => ({
  sql: `CAST(getvariable(${quoteText(variable.slot)}) AS ${duckType(variable.type)})`,
  type: variable.type
})

export const findVariable = (frame: Frame | undefined, name: string): Variable | undefined =>
  frame === undefined ? undefined : (frame.variables.get(name.toLowerCase()) ?? findVariable(frame.parent, name))

/** Declares a variable without a value. */
export const declare = (frame: Frame, name: string, type: SqlType): Variable => {
  const variable = { slot: `googlesql_${freshNumber()}`, type }
  frame.variables.set(name.toLowerCase(), variable)
  return variable
}

const bare = (state: State, path: ReadonlyArray<string>): Either.Either<string, OtherTenant | string> => {
  const temporary = path.length === 1 ? state.temporary.get((path[0] ?? "").toLowerCase()) : undefined
  return temporary === undefined ? state.session.resolveTable(path) : Either.right(temporary)
}

/** A translator for one statement, with the columns of the tables that it mentions. */
export const translatorFor = (
  state: State,
  frame: Frame,
  tables: ReadonlyArray<ReadonlyArray<string>>
): Effect.Effect<Translator, ScriptError> =>
  Effect.gen(function* () {
    const columns = new Map<string, ReadonlyArray<OutputColumn>>()
    for (const path of tables) {
      const name = Either.getOrUndefined(bare(state, path))
      if (name === undefined || columns.has(name) || path.some((part) => part.toUpperCase() === "INFORMATION_SCHEMA"))
        continue
      const known = state.columns.get(name) ?? (yield* describe(state, name))
      if (known === undefined) continue
      columns.set(name, known)
      state.columns.set(name, known)
    }
    const now = yield* Clock.currentTimeMillis
    const system = new Map<string, Typed>([
      ["row_count", { sql: `CAST(${state.rowCount} AS BIGINT)`, type: scalar("INT64") }],
      ["now", { sql: `bq_timestamp_millis(CAST(${now} AS BIGINT))`, type: scalar("TIMESTAMP") }]
    ])
    if (state.error !== undefined) {
      system.set("error.message", { sql: quoteText(state.error.message), type: scalar("STRING") })
      system.set("error.statement_text", { sql: quoteText(state.error.statement), type: scalar("STRING") })
    }
    return makeTranslator({
      source: state.session.source,
      resolveTable: (path) => bare(state, path),
      tables: columns,
      variables: lookUpVariables(frame),
      parameters: state.parameters,
      positions: state.positions,
      system,
      functions: state.functions,
      tableFunctions: state.tableFunctions
    })
  })

/** The columns of a table by the engine's name; undefined when it is not there. */
const describe = (state: State, name: string): Effect.Effect<ReadonlyArray<OutputColumn> | undefined> =>
  state.session.connection.query(`SELECT * FROM ${name} LIMIT 0`).pipe(
    Effect.map(({ names, types }) =>
      names.map((column, index): OutputColumn => {
        const type = types[index]
        return { name: column, column, type: type === undefined ? { kind: "OTHER" } : fromDuckType(type) }
      })
    ),
    Effect.orElseSucceed(() => undefined)
  )

/** A translator over an environment. */
export const makeTranslator = (environment: Environment): Translator => {
  let count = 0
  const build = (inner: Environment): Translator => {
    const t: Translator = {
      environment: inner,
      expr: (expr, scope) => translateExpr(t, expr, scope),
      query: (query, scope) => translateQuery(t, query, scope),
      rebind: build,
      fresh: () => ++count
    }
    return t
  }
  return build(environment)
}

/** The outcome of a translation as an Effect. */
export const lift = <A>(translated: Either.Either<A, TranslateError>): Effect.Effect<A, ScriptError> =>
  Either.isRight(translated) ? Effect.succeed(translated.right) : Effect.fail(translated.left)

const enginePrefix = /^(?:[A-Z][A-Za-z-]*(?: [A-Z][a-z]+)* Error|TransactionContext Error): /

/** BigQuery's view of an engine error: its own error, or something that this engine cannot do. */
const explain = (source: string, at: Token, error: StatementFailed): ScriptError => {
  const { reason } = error
  const plain = reason.replace(enginePrefix, "")
  const refuse = (why: string) => new UnsupportedSql({ source, line: at.line, column: at.column, reason: why })
  if (plain.startsWith(unsupportedMark)) return refuse(plain.slice(unsupportedMark.length))
  if (/DECIMAL\(3?\d|DECIMAL\(38|to type DECIMAL/.test(reason))
    return refuse(`a decimal beyond what 38 digits hold: ${plain}`)
  if (/^(Parser|Not implemented|INTERNAL|Internal) Error/i.test(reason)) return refuse(`the engine: ${reason}`)
  if (reason.startsWith("Binder Error") && !/GROUP BY/.test(reason)) return refuse(`the engine: ${reason}`)
  if (reason.startsWith("Out of Range Error: Overflow in"))
    return new StatementFailed({ statement: source, reason: `int64 overflow: ${plain}` })
  return new StatementFailed({ statement: error.statement, reason: plain })
}

/** Runs one engine statement for the statement at a token; after an error an open transaction may be lost. */
export const run = (
  state: State,
  at: Token,
  sql: string,
  options: Parameters<Connection["query"]>[1] = {}
): Effect.Effect<ResultSet, ScriptError> =>
  state.session.connection.query(sql, { label: `${state.session.source}:${at.line}`, ...options }).pipe(
    Effect.catchAll((error) =>
      Effect.gen(function* () {
        if (state.transaction === "open" && (yield* Effect.isFailure(state.session.connection.query("SELECT 1")))) {
          yield* Effect.ignore(state.session.connection.query("ROLLBACK"))
          state.transaction = "aborted"
          state.columns.clear()
        }
        return yield* Effect.fail(explain(state.session.source, at, error))
      })
    )
  )

/** Gives a variable the value of an expression's SQL. */
export const assign = (state: State, at: Token, variable: Variable, sql: string): Effect.Effect<void, ScriptError> =>
  Effect.asVoid(
    run(state, at, `SET VARIABLE ${quoteName(variable.slot)} = (SELECT CAST(${sql} AS ${duckType(variable.type)}))`)
  )

/** Loads the functions that scripts stored in this database. */
export const loadRoutines = (state: State): Effect.Effect<void, ScriptError> =>
  Effect.gen(function* () {
    const stored = yield* state.session.connection.query("SELECT kind, name, definition FROM main.googlesql_routines")
    for (const [kind, name, definition] of stored.rows) {
      if (typeof name !== "string" || typeof definition !== "string") continue
      if (kind === "PROCEDURE") state.procedures.set(name, definition)
      else yield* addFunction(state, name, definition)
    }
  })

/** Makes a CREATE FUNCTION or CREATE TABLE FUNCTION text callable under a name. */
export const addFunction = (state: State, name: string, definition: string): Effect.Effect<void, ScriptError> =>
  Effect.gen(function* () {
    const script = yield* lift(parseScript(state.session.source, definition))
    const [statement] = script.statements
    const t = makeTranslator({
      source: state.session.source,
      resolveTable: () => Either.left("a table is not expected here"),
      tables: new Map(),
      variables: new Map(),
      parameters: new Map(),
      positions: [],
      system: new Map(),
      functions: new Map(),
      tableFunctions: new Map()
    })
    if (statement?.kind === "create-function") {
      const returns = statement.returns === undefined ? undefined : yield* lift(resolveType(t, statement.returns))
      state.functions.set(name, { parameters: statement.parameters, returns, body: statement.body })
    }
    if (statement?.kind === "create-table-function") {
      state.tableFunctions.set(name, { parameters: statement.parameters, body: statement.body, tables: script.tables })
    }
  })
