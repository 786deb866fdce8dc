/**
 * Variables and expressions of a running script.
 */
import * as Effect from "effect/Effect"
import type { ResultSet } from "../duckdb/DuckDb.ts"
import { StatementFailed, UnsupportedSql } from "../Warehouse.ts"
import type { Expr } from "./Ast.ts"
import type { Statement } from "./AstStatement.ts"
import { convert } from "./Coercion.ts"
import { compare } from "./Operators.ts"
import {
  assign,
  declare,
  findVariable,
  lift,
  run,
  translatorFor,
  variableValue,
  type Frame,
  type ScriptError,
  type State,
  type Variable
} from "./Session.ts"
import type { Token } from "./Tokens.ts"
import { emptyScope, type Typed } from "./Translator.ts"
import { resolveType } from "./TypeNames.ts"
import { fieldName, quoteText, scalar, type SqlType } from "./Types.ts"

/** Where a script stands: its own text and tables, its variables, how deep its calls are. */
export interface Place {
  readonly text: string
  readonly tables: ReadonlyArray<ReadonlyArray<string>>
  readonly frame: Frame
  readonly depth: number
}

export const failed = (state: State, at: Token, reason: string): StatementFailed =>
  new StatementFailed({ statement: `${state.session.source}:${at.line}`, reason })
export const refused = (state: State, at: Token, reason: string): UnsupportedSql =>
  new UnsupportedSql({ source: state.session.source, line: at.line, column: at.column, reason })

/** After an error that ended the engine's transaction BigQuery would still show its changes; only ROLLBACK has the same answer. */
export const needsTransaction = (state: State, place: Place, at: Token): Effect.Effect<void, ScriptError> =>
  state.transaction === "aborted" && place.tables.length > 0
    ? Effect.fail(refused(state, at, "a statement after an error within a transaction, before ROLLBACK TRANSACTION"))
    : Effect.void

export const translate = (state: State, place: Place, e: Expr) =>
  Effect.gen(function* () {
    if (state.transaction === "aborted" && holdsQuery(e)) yield* needsTransaction(state, place, e.at)
    const t = yield* translatorFor(state, place.frame, holdsQuery(e) ? place.tables : [])
    return { t, value: yield* lift(t.expr(e, emptyScope)) }
  })

/** Whether an expression may read a table. Any nested node counts; it is only a question of looking columns up. */
export const holdsQuery = (e: Expr): boolean =>
  JSON.stringify(e, (key, value: unknown) => (key === "at" ? undefined : value)).includes('"recursive"')

export const evaluate = (state: State, place: Place, e: Expr, type: SqlType): Effect.Effect<ResultSet, ScriptError> =>
  Effect.gen(function* () {
    const { t, value } = yield* translate(state, place, e)
    return yield* run(state, e.at, `SELECT ${yield* lift(convert(t, e.at, value, type, "Expression"))}`)
  })

export const isTrue = (state: State, place: Place, e: Expr): Effect.Effect<boolean, ScriptError> =>
  Effect.map(evaluate(state, place, e, scalar("BOOL")), (result) => result.rows[0]?.[0] === true)

export const textOf = (state: State, place: Place, e: Expr): Effect.Effect<string, ScriptError> =>
  Effect.flatMap(evaluate(state, place, e, scalar("STRING")), (result) => {
    const value = result.rows[0]?.[0]
    return typeof value === "string"
      ? Effect.succeed(value)
      : Effect.fail(failed(state, e.at, "A STRING that is not NULL is expected"))
  })

export const setVariable = (
  state: State,
  place: Place,
  at: Token,
  variable: Variable,
  e: Expr
): Effect.Effect<void, ScriptError> =>
  Effect.gen(function* () {
    const { t, value } = yield* translate(state, place, e)
    yield* assign(state, at, variable, yield* lift(convert(t, at, value, variable.type, "Value of the variable")))
  })

export const variableOf = (
  state: State,
  place: Place,
  at: Token,
  name: string
): Effect.Effect<Variable, ScriptError> => {
  const variable = findVariable(place.frame, name)
  return variable === undefined
    ? Effect.fail(failed(state, at, `Undeclared variable: ${name}`))
    : Effect.succeed(variable)
}

export const runDeclare = (
  state: State,
  place: Place,
  s: Statement & { kind: "declare" }
): Effect.Effect<void, ScriptError> =>
  Effect.gen(function* () {
    for (const name of s.names) {
      if (place.frame.variables.has(name.toLowerCase()))
        return yield* Effect.fail(failed(state, s.at, `Variable '${name}' redeclaration is not allowed`))
      const initial = s.default === undefined ? undefined : yield* translate(state, place, s.default)
      const t = initial?.t ?? (yield* translatorFor(state, place.frame, []))
      const type = s.type === undefined ? initial?.value.type : yield* lift(resolveType(t, s.type))
      if (type === undefined)
        return yield* Effect.fail(failed(state, s.at, `Variable '${name}' needs a type or a default`))
      const sql =
        initial === undefined
          ? "NULL"
          : yield* lift(convert(t, s.at, initial.value, type, `Default of variable ${name}`))
      yield* assign(state, s.at, declare(place.frame, name, type.kind === "NULL" ? scalar("INT64") : type), sql)
    }
  })

export const runSet = (state: State, place: Place, s: Statement & { kind: "set" }): Effect.Effect<void, ScriptError> =>
  Effect.gen(function* () {
    const [first] = s.names
    if (!s.tuple && first !== undefined)
      return yield* setVariable(state, place, s.at, yield* variableOf(state, place, s.at, first), s.value)
    const { t, value } = yield* translate(state, place, s.value)
    const fields = value.type.kind === "STRUCT" ? value.type.fields : []
    if (fields.length !== s.names.length)
      return yield* Effect.fail(failed(state, s.at, "SET of several variables needs as many values"))
    const holder = declare({ parent: undefined, variables: new Map() }, "holder", value.type)
    yield* assign(state, s.at, holder, value.sql)
    yield* spread(state, place, s.at, s.names, holder, t)
  })

/** Gives each variable its field of a struct that a slot holds. */
export const spread = (
  state: State,
  place: Place,
  at: Token,
  names: ReadonlyArray<string>,
  holder: Variable,
  t: Parameters<typeof convert>[0]
): Effect.Effect<void, ScriptError> =>
  Effect.gen(function* () {
    const fields = holder.type.kind === "STRUCT" ? holder.type.fields : []
    for (const [index, name] of names.entries()) {
      const field = fields[index]
      if (field === undefined) continue
      const variable = yield* variableOf(state, place, at, name)
      const value: Typed = {
        sql: `struct_extract(${variableValue(holder).sql}, ${quoteText(fieldName(field, index))})`,
        type: field.type
      }
      yield* assign(state, at, variable, yield* lift(convert(t, at, value, variable.type, `Value of ${name}`)))
    }
  })

export const equals = (state: State, place: Place, left: Expr, right: Expr): Effect.Effect<boolean, ScriptError> =>
  Effect.gen(function* () {
    const a = yield* translate(state, place, left)
    const b = yield* translate(state, place, right)
    const same = yield* lift(compare(a.t, right.at, "=", a.value, b.value))
    return (yield* run(state, right.at, `SELECT ${same.sql}`)).rows[0]?.[0] === true
  })
