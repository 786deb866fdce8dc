/**
 * The interpreter of GoogleSQL's procedural language: control flow here, everything else as statements on the engine.
 */
import { hasType, runOnEngine, drop, routineName, createRoutine, runTransaction } from "./Engine.ts"
import {
  type Place,
  failed,
  refused,
  needsTransaction,
  translate,
  isTrue,
  textOf,
  setVariable,
  variableOf,
  runDeclare,
  runSet,
  spread,
  equals
} from "./Variables.ts"
import * as Effect from "effect/Effect"
import type { ResultSet } from "../duckdb/DuckDb.ts"
import type { Statement } from "./AstStatement.ts"
import { convert } from "./Coercion.ts"
import { parseScript } from "./ParseStatement.ts"
import {
  assign,
  declare,
  freshNumber,
  lift,
  run,
  translatorFor,
  variableValue,
  type Frame,
  type ScriptError,
  type State,
  type Variable
} from "./Session.ts"
import { finalQuery } from "./TranslateQuery.ts"
import { emptyScope, type Typed } from "./Translator.ts"
import { resolveType } from "./TypeNames.ts"
import { duckType, quoteName, scalar, typeName, type SqlType } from "./Types.ts"

/** Bounds of one script. */
const maxLoopRounds = 1_000_000
const maxLoopRows = 100_000
const maxCallDepth = 50

/** How a list of statements ended. */
interface Ending {
  readonly kind: "done" | "return" | "leave" | "continue"
  readonly label: string | undefined
}
const done: Ending = { kind: "done", label: undefined }

export const noResult: ResultSet = { names: [], types: [], rows: [] }

/** What the script answers so far. */
export interface Outcome {
  result: ResultSet
}

/** Runs a whole text in a fresh frame. */
export const runText = (
  state: State,
  text: string,
  frame: Frame,
  depth: number,
  outcome: Outcome
): Effect.Effect<void, ScriptError> =>
  Effect.gen(function* () {
    const script = yield* lift(parseScript(state.session.source, text))
    yield* runList(state, { text, tables: script.tables, frame, depth }, script.statements, outcome)
  })

const runList = (
  state: State,
  place: Place,
  statements: ReadonlyArray<Statement>,
  outcome: Outcome
): Effect.Effect<Ending, ScriptError> =>
  Effect.gen(function* () {
    for (const statement of statements) {
      const ending = yield* runStatement(state, place, statement, outcome)
      if (ending.kind !== "done") return ending
    }
    return done
  })

const runStatement = (state: State, place: Place, s: Statement, outcome: Outcome): Effect.Effect<Ending, ScriptError> =>
  Effect.gen(function* () {
    switch (s.kind) {
      case "query": {
        yield* needsTransaction(state, place, s.at)
        const t = yield* translatorFor(state, place.frame, place.tables)
        const query = yield* lift(finalQuery(t, s.query, emptyScope))
        outcome.result = yield* run(state, s.at, query.sql)
        const wrong = query.columns.find(({ type }, index) => !hasType(outcome.result, index, type))
        if (wrong !== undefined)
          return yield* Effect.fail(
            refused(state, s.at, `column ${wrong.name}: the engine gives it another type than ${typeName(wrong.type)}`)
          )
        state.rowCount = outcome.result.rows.length
        return done
      }
      case "insert":
      case "update":
      case "delete":
      case "merge":
      case "truncate":
      case "create-table":
      case "create-view":
        yield* runOnEngine(state, place, s)
        outcome.result = noResult
        return done
      case "drop":
        yield* drop(state, place, s)
        outcome.result = noResult
        return done
      case "create-function":
      case "create-table-function":
      case "create-procedure":
        yield* createRoutine(state, place, s)
        outcome.result = noResult
        return done
      case "declare":
        yield* runDeclare(state, place, s)
        return done
      case "set":
        yield* runSet(state, place, s)
        return done
      case "if":
      case "case": {
        const value = s.kind === "case" ? s.value : undefined
        for (const branch of s.branches) {
          const holds =
            value === undefined ? isTrue(state, place, branch.when) : equals(state, place, value, branch.when)
          if (yield* holds) return yield* runList(state, place, branch.run, outcome)
        }
        if (s.otherwise === undefined)
          return yield* Effect.fail(failed(state, s.at, "No matching branch in CASE statement"))
        return yield* runList(state, place, s.otherwise, outcome)
      }
      case "block":
        return yield* runBlock(state, place, s, outcome)
      case "loop":
        return yield* runLoop(state, place, s, outcome)
      case "for":
        return yield* runFor(state, place, s, outcome)
      case "leave":
      case "continue":
        return { kind: s.kind, label: s.label }
      case "return":
        return { kind: "return", label: undefined }
      case "transaction":
        yield* runTransaction(state, s)
        return done
      case "assert": {
        if (yield* isTrue(state, place, s.condition)) return done
        return yield* Effect.fail(failed(state, s.at, s.message ?? "Assertion failed"))
      }
      case "raise": {
        if (s.message !== undefined)
          return yield* Effect.fail(failed(state, s.at, yield* textOf(state, place, s.message)))
        return yield* Effect.fail(failed(state, s.at, state.error?.message ?? "RAISE outside an exception handler"))
      }
      case "call":
        yield* runCall(state, place, s, outcome)
        return done
      case "execute":
        yield* runExecute(state, place, s, outcome)
        return done
    }
  })

const runBlock = (
  state: State,
  place: Place,
  s: Statement & { kind: "block" },
  outcome: Outcome
): Effect.Effect<Ending, ScriptError> => {
  const inner: Place = { ...place, frame: { parent: place.frame, variables: new Map() } }
  const { handler } = s
  if (handler === undefined) return runList(state, inner, s.body, outcome)
  return runList(state, inner, s.body, outcome).pipe(
    Effect.catchTag("StatementFailed", (error) =>
      Effect.gen(function* () {
        const outer = state.error
        state.error = { message: error.reason, statement: error.statement }
        const ending = yield* runList(
          state,
          { ...place, frame: { parent: place.frame, variables: new Map() } },
          handler,
          outcome
        )
        state.error = outer
        return ending
      })
    )
  )
}

/** Whether a loop goes on after its body ended, and what it gives back when not. */
const afterBody = (ending: Ending, label: string | undefined): Ending | "next" => {
  if (ending.kind === "done") return "next"
  if (ending.kind === "return") return ending
  const mine = ending.label === undefined || ending.label.toLowerCase() === label?.toLowerCase()
  if (!mine) return ending
  return ending.kind === "leave" ? done : "next"
}

const runLoop = (
  state: State,
  place: Place,
  s: Statement & { kind: "loop" },
  outcome: Outcome
): Effect.Effect<Ending, ScriptError> =>
  Effect.gen(function* () {
    for (let round = 0; round < maxLoopRounds; round++) {
      if (s.while !== undefined && !(yield* isTrue(state, place, s.while))) return done
      const after = afterBody(yield* runList(state, place, s.body, outcome), s.label)
      if (after !== "next") return after
      if (s.until !== undefined && (yield* isTrue(state, place, s.until))) return done
    }
    return yield* Effect.fail(refused(state, s.at, `a loop of more than ${maxLoopRounds} rounds`))
  })

const runFor = (
  state: State,
  place: Place,
  s: Statement & { kind: "for" },
  outcome: Outcome
): Effect.Effect<Ending, ScriptError> =>
  Effect.gen(function* () {
    yield* needsTransaction(state, place, s.at)
    const t = yield* translatorFor(state, place.frame, place.tables)
    const query = yield* lift(finalQuery(t, s.query, emptyScope))
    const type: SqlType = { kind: "STRUCT", fields: query.columns.map(({ name, type }) => ({ name, type })) }
    const table = `temp.main.${quoteName(`googlesql_${freshNumber()}`)}`
    yield* run(
      state,
      s.at,
      `CREATE TEMP TABLE ${table} AS SELECT row_number() OVER () AS "position", CAST("record" AS ${duckType(type)}) AS "record" FROM (SELECT "query" AS "record" FROM (${query.sql}) AS "query")`
    )
    const counted = yield* run(state, s.at, `SELECT count(*) FROM ${table}`)
    const rows = Number(counted.rows[0]?.[0] ?? 0)
    if (rows > maxLoopRows)
      return yield* Effect.fail(refused(state, s.at, `a FOR loop over more than ${maxLoopRows} rows`))
    const inner: Place = { ...place, frame: { parent: place.frame, variables: new Map() } }
    const variable = declare(inner.frame, s.variable, type)
    let ending: Ending = done
    for (let position = 1; position <= rows; position++) {
      yield* assign(state, s.at, variable, `(SELECT "record" FROM ${table} WHERE "position" = ${position})`)
      const after = afterBody(yield* runList(state, inner, s.body, outcome), s.label)
      if (after !== "next") {
        ending = after
        break
      }
    }
    yield* run(state, s.at, `DROP TABLE IF EXISTS ${table}`)
    return ending
  })

const runCall = (
  state: State,
  place: Place,
  s: Statement & { kind: "call" },
  outcome: Outcome
): Effect.Effect<void, ScriptError> =>
  Effect.gen(function* () {
    if (place.depth >= maxCallDepth)
      return yield* Effect.fail(failed(state, s.at, `Maximum call depth of ${maxCallDepth} exceeded`))
    const stored = yield* state.session.procedure(s.path)
    const text = stored ?? state.procedures.get(yield* routineName(state, s.at, s.path))
    if (text === undefined)
      return yield* Effect.fail(failed(state, s.at, `Procedure is not found: ${s.path.join(".")}`))
    const script = yield* lift(parseScript(state.session.source, text))
    const [procedure] = script.statements
    if (procedure?.kind !== "create-procedure")
      return yield* Effect.fail(refused(state, s.at, "a stored text that is no CREATE PROCEDURE"))
    if (procedure.parameters.length !== s.args.length) {
      return yield* Effect.fail(
        failed(
          state,
          s.at,
          `Procedure ${s.path.join(".")} expects ${procedure.parameters.length} arguments, got ${s.args.length}`
        )
      )
    }
    const frame: Frame = { parent: undefined, variables: new Map() }
    const outputs: Array<{ readonly from: Variable; readonly to: Variable }> = []
    for (const [index, parameter] of procedure.parameters.entries()) {
      const arg = s.args[index]
      if (arg === undefined) continue
      const t = yield* translatorFor(state, place.frame, [])
      if (parameter.type === undefined)
        return yield* Effect.fail(refused(state, s.at, "a procedure's ANY TYPE parameter"))
      const variable = declare(frame, parameter.name, yield* lift(resolveType(t, parameter.type)))
      if (parameter.mode === "OUT") yield* assign(state, s.at, variable, "NULL")
      else yield* setVariable(state, place, s.at, variable, arg)
      if (parameter.mode !== "IN") {
        const name = arg.kind === "path" && arg.parts.length === 1 ? arg.parts[0] : undefined
        if (name === undefined)
          return yield* Effect.fail(failed(state, s.at, `Argument ${parameter.name} must be a variable`))
        outputs.push({ from: variable, to: yield* variableOf(state, place, s.at, name) })
      }
    }
    yield* runList(state, { text, tables: script.tables, frame, depth: place.depth + 1 }, procedure.body, outcome)
    for (const { from, to } of outputs) {
      const t = yield* translatorFor(state, place.frame, [])
      yield* assign(state, s.at, to, yield* lift(convert(t, s.at, variableValue(from), to.type, "OUT argument")))
    }
  })

const runExecute = (
  state: State,
  place: Place,
  s: Statement & { kind: "execute" },
  outcome: Outcome
): Effect.Effect<void, ScriptError> =>
  Effect.gen(function* () {
    const text = yield* textOf(state, place, s.text)
    const parameters = new Map<string, Typed>()
    const positions: Array<Typed> = []
    const holders: Frame = { parent: undefined, variables: new Map() }
    for (const { name, value: e } of s.using) {
      const { value } = yield* translate(state, place, e)
      const holder = declare(holders, `p${freshNumber()}`, value.type.kind === "NULL" ? scalar("INT64") : value.type)
      yield* assign(state, s.at, holder, value.sql)
      const bound = variableValue(holder)
      if (name === undefined) positions.push(bound)
      else parameters.set(name.toLowerCase(), bound)
    }
    // The text sees its own parameters and none of the script's variables.
    const inner: State = { ...state, parameters, positions }
    const innerPlace = { frame: { parent: undefined, variables: new Map<string, Variable>() }, depth: place.depth + 1 }
    const finish = Effect.sync(() => {
      state.transaction = inner.transaction
      state.rowCount = inner.rowCount
    })
    yield* Effect.gen(function* () {
      const script = yield* lift(parseScript(`${state.session.source}:${s.at.line} (EXECUTE IMMEDIATE)`, text))
      const [statement] = script.statements
      if (statement === undefined || script.statements.length !== 1)
        return yield* Effect.fail(refused(state, s.at, "EXECUTE IMMEDIATE of several statements"))
      const dynamic: Place = { text, tables: script.tables, ...innerPlace }
      if (s.into.length === 0) return yield* Effect.asVoid(runStatement(inner, dynamic, statement, outcome))
      if (statement.kind !== "query")
        return yield* Effect.fail(failed(state, s.at, "EXECUTE IMMEDIATE ... INTO needs a query"))
      const t = yield* translatorFor(inner, dynamic.frame, dynamic.tables)
      const query = yield* lift(finalQuery(t, statement.query, emptyScope))
      if (query.columns.length !== s.into.length)
        return yield* Effect.fail(
          failed(state, s.at, "EXECUTE IMMEDIATE ... INTO has another number of columns than variables")
        )
      const type: SqlType = { kind: "STRUCT", fields: query.columns.map(({ name, type }) => ({ name, type })) }
      const holder = declare(holders, "row", type)
      yield* assign(inner, s.at, holder, `(SELECT "query" FROM (${query.sql}) AS "query")`)
      yield* spread(state, place, s.at, s.into, holder, t)
    }).pipe(Effect.ensuring(finish))
  })
