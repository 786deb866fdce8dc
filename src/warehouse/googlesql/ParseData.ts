/**
 * INSERT, UPDATE, DELETE, MERGE and TRUNCATE.
 */
import * as Either from "effect/Either"
import type { Expr } from "./Ast.ts"
import type { Assignment, MergeAction, MergeClause, Statement } from "./AstStatement.ts"
import { Cursor, type Parse } from "./Cursor.ts"
import { parseExpr } from "./ParseExpression.ts"
import { parseFrom } from "./ParseQuery.ts"

export const parseTarget = (c: Cursor): Parse<ReadonlyArray<string>> =>
  Either.map(c.path("table name"), (path) => {
    c.tables.push(path)
    return path
  })

export const columnList = (c: Cursor): Parse<ReadonlyArray<string>> =>
  Either.gen(function* () {
    yield* c.expect("(")
    const names = yield* c.list((c) => c.anyName("column name"))
    yield* c.expect(")")
    return names
  })

/** An expression of VALUES or SET; DEFAULT is the path of that name. */
export const parseValue = (c: Cursor): Parse<Expr> =>
  c.at("DEFAULT") ? c.unsupported("DEFAULT as a value") : parseExpr(c)

export const parseRow = (c: Cursor): Parse<ReadonlyArray<Expr>> =>
  Either.gen(function* () {
    yield* c.expect("(")
    const values = yield* c.list(parseValue)
    yield* c.expect(")")
    return values
  })

export const parseInsert = (c: Cursor): Parse<Statement> =>
  Either.gen(function* () {
    const at = c.next()
    c.accept("INTO")
    const table = yield* parseTarget(c)
    const columns = c.at("(") && !["SELECT", "WITH", "("].includes(c.peek(1).upper) ? yield* columnList(c) : []
    if (c.accept("VALUES")) {
      return {
        kind: "insert",
        at,
        table,
        columns,
        source: { kind: "values", rows: yield* c.list(parseRow) }
      } satisfies Statement
    }
    return {
      kind: "insert",
      at,
      table,
      columns,
      source: { kind: "query", query: yield* c.query(c) }
    } satisfies Statement
  })

export const parseAssignment = (c: Cursor): Parse<Assignment> =>
  Either.gen(function* () {
    const at = c.peek()
    const path = yield* c.path("column name")
    if (path.length > 2) return yield* c.unsupported("an update of a nested field", at)
    yield* c.expect("=")
    return { at, column: path.at(-1) ?? "", value: yield* parseValue(c) }
  })

export const parseUpdate = (c: Cursor): Parse<Statement> =>
  Either.gen(function* () {
    const at = c.next()
    const table = yield* parseTarget(c)
    const alias = yield* c.alias()
    yield* c.expect("SET")
    const set = yield* c.list(parseAssignment)
    const from = c.accept("FROM") ? yield* parseFrom(c) : undefined
    if (!c.at("WHERE")) return yield* c.syntaxError("UPDATE must have a WHERE clause: expected WHERE")
    c.next()
    return { kind: "update", at, table, alias, set, from, where: yield* parseExpr(c) } satisfies Statement
  })

export const parseDelete = (c: Cursor): Parse<Statement> =>
  Either.gen(function* () {
    const at = c.next()
    c.accept("FROM")
    const table = yield* parseTarget(c)
    const alias = yield* c.alias()
    if (!c.at("WHERE")) return yield* c.syntaxError("DELETE must have a WHERE clause: expected WHERE")
    c.next()
    return { kind: "delete", at, table, alias, where: yield* parseExpr(c) } satisfies Statement
  })

export const parseMerge = (c: Cursor): Parse<Statement> =>
  Either.gen(function* () {
    const at = c.next()
    c.accept("INTO")
    const table = yield* parseTarget(c)
    const alias = yield* c.alias()
    yield* c.expect("USING")
    const source = yield* parseFrom(c)
    yield* c.expect("ON")
    const on = yield* parseExpr(c)
    const clauses: Array<MergeClause> = []
    while (c.at("WHEN")) clauses.push(yield* parseMergeClause(c))
    if (clauses.length === 0) return yield* c.syntaxError("Expected keyword WHEN")
    return { kind: "merge", at, table, alias, source, on, clauses } satisfies Statement
  })

export const parseMergeClause = (c: Cursor): Parse<MergeClause> =>
  Either.gen(function* () {
    const at = c.next()
    let match: MergeClause["match"] = "MATCHED"
    if (c.accept("NOT")) match = "NOT MATCHED"
    yield* c.expect("MATCHED")
    if (c.accept("BY", "SOURCE")) match = "NOT MATCHED BY SOURCE"
    else c.accept("BY", "TARGET")
    const and = c.accept("AND") ? yield* parseExpr(c) : undefined
    yield* c.expect("THEN")
    return { at, match, and, action: yield* parseMergeAction(c) }
  })

export const parseMergeAction = (c: Cursor): Parse<MergeAction> =>
  Either.gen(function* () {
    if (c.accept("DELETE")) return { kind: "delete" } satisfies MergeAction
    if (c.accept("UPDATE")) {
      yield* c.expect("SET")
      return { kind: "update", set: yield* c.list(parseAssignment) } satisfies MergeAction
    }
    yield* c.expect("INSERT")
    const columns = c.at("(") ? yield* columnList(c) : []
    if (c.accept("ROW")) return { kind: "insert", columns, values: undefined } satisfies MergeAction
    yield* c.expect("VALUES")
    return { kind: "insert", columns, values: yield* parseRow(c) } satisfies MergeAction
  })
