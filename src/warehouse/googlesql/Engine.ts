/**
 * Statements that reach the engine: data, tables, routines and transactions.
 */
import { type Place, failed, refused, needsTransaction } from "./Variables.ts"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { ResultSet } from "../duckdb/DuckDb.ts"
import type { Statement } from "./AstStatement.ts"
import { addFunction, freshNumber, lift, run, translatorFor, type ScriptError, type State } from "./Session.ts"
import type { Token } from "./Tokens.ts"
import { translateStatement, type Executable } from "./TranslateStatement.ts"
import { duckType, fromDuckType, quoteName, quoteText, type SqlType } from "./Types.ts"

/** Whether the engine's column has the type that BigQuery gives it. */
export const hasType = (result: ResultSet, index: number, type: SqlType): boolean => {
  const found = result.types[index]
  return found !== undefined && duckType(fromDuckType(found)) === duckType(type)
}

export const runOnEngine = (state: State, place: Place, s: Executable): Effect.Effect<void, ScriptError> =>
  Effect.gen(function* () {
    yield* needsTransaction(state, place, s.at)
    const temporary = s.kind === "create-table" && s.creation.temporary ? s.table : undefined
    if (temporary !== undefined && temporary.length !== 1)
      return yield* Effect.fail(refused(state, s.at, "a temporary table with a dataset"))
    const name = temporary?.[0]?.toLowerCase()
    const known = name === undefined ? undefined : state.temporary.get(name)
    // The query behind a temporary table still sees the table of that name which it replaces.
    const slot = name === undefined ? undefined : (known ?? `temp.main.${quoteName(`googlesql_${freshNumber()}`)}`)
    if (name !== undefined && slot !== undefined) state.temporary.set(name, slot)
    const t = yield* translatorFor(state, place.frame, place.tables)
    const planned = yield* lift(translateStatement(t, s))
    if (s.kind === "create-table" || s.kind === "create-view" || s.kind === "drop") state.columns.clear()
    for (const check of planned.checks) {
      const found = yield* run(state, s.at, check.sql)
      if (found.rows.length > 0) return yield* Effect.fail(failed(state, s.at, check.message))
    }
    for (const sql of planned.statements) {
      const result = yield* run(state, s.at, sql, isWide(s) ? { needs: "wide" } : {})
      if (planned.counts) state.rowCount = Number(result.rows[0]?.[0] ?? 0)
    }
  })

/** An insert into few columns needs no more than a query. */
const isWide = (s: Executable): boolean =>
  s.kind !== "insert" || s.columns.length === 0 || s.columns.length > NARROW_COLUMNS

const NARROW_COLUMNS = 40

export const drop = (state: State, place: Place, s: Statement & { kind: "drop" }): Effect.Effect<void, ScriptError> =>
  Effect.gen(function* () {
    if (s.what === "TABLE" || s.what === "VIEW") {
      yield* runOnEngine(state, place, s)
      if (s.path.length === 1) state.temporary.delete((s.path[0] ?? "").toLowerCase())
      return
    }
    const name = yield* routineName(state, s.at, s.path)
    const known = state.functions.delete(name) || state.tableFunctions.delete(name) || state.procedures.delete(name)
    if (!known && !s.ifExists) return yield* Effect.fail(failed(state, s.at, `Not found: Routine ${s.path.join(".")}`))
    yield* run(state, s.at, `DELETE FROM main.googlesql_routines WHERE name = ${quoteText(name)}`)
  })

export const routineName = (state: State, at: Token, path: ReadonlyArray<string>): Effect.Effect<string, ScriptError> =>
  Either.match(state.session.resolveTable(path), {
    onLeft: (reason) => Effect.fail(typeof reason === "string" ? failed(state, at, reason) : reason),
    onRight: (name) => Effect.succeed(name.toLowerCase())
  })

export const createRoutine = (
  state: State,
  place: Place,
  s: Statement & { kind: "create-function" | "create-table-function" | "create-procedure" }
): Effect.Effect<void, ScriptError> =>
  Effect.gen(function* () {
    const definition = place.text.slice(s.at.start, s.end)
    if (s.creation.temporary) {
      if (s.kind !== "create-function" || s.path.length !== 1)
        return yield* Effect.fail(refused(state, s.at, "this temporary routine"))
      return yield* addFunction(state, (s.path[0] ?? "").toLowerCase(), definition)
    }
    const name = yield* routineName(state, s.at, s.path)
    const exists = state.functions.has(name) || state.tableFunctions.has(name) || state.procedures.has(name)
    if (exists && s.creation.ifNotExists) return
    if (exists && !s.creation.replace)
      return yield* Effect.fail(failed(state, s.at, `Already Exists: Routine ${s.path.join(".")}`))
    if (s.kind === "create-procedure") state.procedures.set(name, definition)
    else yield* addFunction(state, name, definition)
    const kind = s.kind === "create-procedure" ? "PROCEDURE" : "FUNCTION"
    yield* run(
      state,
      s.at,
      `INSERT OR REPLACE INTO main.googlesql_routines VALUES ('${kind}', ${quoteText(name)}, ${quoteText(definition)})`
    )
  })

export const runTransaction = (
  state: State,
  s: Statement & { kind: "transaction" }
): Effect.Effect<void, ScriptError> =>
  Effect.gen(function* () {
    if (s.what === "BEGIN") {
      if (state.transaction !== "none")
        return yield* Effect.fail(failed(state, s.at, "A transaction is already in progress"))
      yield* run(state, s.at, "BEGIN TRANSACTION")
      state.transaction = "open"
      return
    }
    if (state.transaction === "none") return yield* Effect.fail(failed(state, s.at, "There is no active transaction"))
    if (state.transaction === "aborted" && s.what === "COMMIT") {
      return yield* Effect.fail(refused(state, s.at, "COMMIT after an error within the transaction"))
    }
    if (state.transaction === "open") {
      yield* run(state, s.at, s.what)
      state.columns.clear()
      if (s.what === "ROLLBACK") yield* forgetDropped(state)
    }
    state.transaction = "none"
  })

/** Temporary tables created inside a transaction are gone after its rollback. */
export const forgetDropped = (state: State): Effect.Effect<void> =>
  Effect.forEach(
    [...state.temporary],
    ([name, table]) =>
      Effect.map(Effect.isFailure(state.session.connection.query(`SELECT 1 FROM ${table} LIMIT 0`)), (gone) => {
        if (gone) state.temporary.delete(name)
      }),
    { discard: true }
  )
