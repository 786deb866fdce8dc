/**
 * CREATE and DROP.
 */
import { parseTarget } from "./ParseData.ts"
import * as Either from "effect/Either"
import type { Expr } from "./Ast.ts"
import type { ColumnDefinition, Creation, Parameter, Statement } from "./AstStatement.ts"
import { Cursor, type Parse } from "./Cursor.ts"
import { parseExpr } from "./ParseExpression.ts"
import { parseType } from "./ParseType.ts"
import { type Token } from "./Tokens.ts"

/** `block` parses what follows BEGIN, for procedures. */
export const parseCreate = (c: Cursor, block: (c: Cursor, at: Token) => Parse<Statement>): Parse<Statement> =>
  Either.gen(function* () {
    const at = c.next()
    const replace = c.accept("OR", "REPLACE")
    const temporary = c.accept("TEMP") || c.accept("TEMPORARY")
    const what = c.next().upper
    const tableFunction = what === "TABLE" && c.accept("FUNCTION")
    const ifNotExists = c.accept("IF", "NOT", "EXISTS")
    const creation: Creation = { replace, temporary, ifNotExists }
    if (what === "TABLE" && !tableFunction) return yield* parseCreateTable(c, at, creation)
    if (what === "VIEW") {
      const table = yield* c.path("view name")
      if (c.at("(")) return yield* c.unsupported("a column list of a view")
      yield* skipOptions(c)
      yield* c.expect("AS")
      return { kind: "create-view", at, creation, table, query: yield* c.query(c) } satisfies Statement
    }
    if (what !== "FUNCTION" && what !== "PROCEDURE" && !tableFunction) return yield* c.unsupported(`CREATE ${what}`, at)
    const path = yield* c.path("routine name")
    yield* c.expect("(")
    const parameters = c.at(")") ? [] : yield* c.list(parseParameter)
    yield* c.expect(")")
    if (what === "PROCEDURE") {
      yield* skipOptions(c)
      const begin = yield* c.expect("BEGIN")
      const body = yield* block(c, begin)
      return {
        kind: "create-procedure",
        at,
        creation,
        path,
        parameters,
        body: [body],
        end: c.peek(-1).end
      } satisfies Statement
    }
    const returns = c.accept("RETURNS") ? yield* parseType(c) : undefined
    if (c.at("LANGUAGE") || c.at("REMOTE") || c.at("DETERMINISTIC"))
      return yield* c.unsupported("a function in another language")
    yield* skipOptions(c)
    yield* c.expect("AS")
    if (tableFunction) {
      if (returns !== undefined) return yield* c.unsupported("RETURNS of a table function", at)
      const open = c.accept("(")
      const body = yield* c.query(c)
      if (open) yield* c.expect(")")
      return {
        kind: "create-table-function",
        at,
        creation,
        path,
        parameters,
        body,
        end: c.peek(-1).end
      } satisfies Statement
    }
    yield* c.expect("(")
    const body = yield* parseExpr(c)
    yield* c.expect(")")
    yield* skipOptions(c)
    return {
      kind: "create-function",
      at,
      creation,
      path,
      parameters,
      returns,
      body,
      end: c.peek(-1).end
    } satisfies Statement
  })

export const parseParameter = (c: Cursor): Parse<Parameter> =>
  Either.gen(function* () {
    const mode =
      c.atAny("IN", "OUT", "INOUT") && c.peek(1).kind !== "symbol" && c.peek(2).kind !== "symbol"
        ? c.next().upper
        : "IN"
    const name = yield* c.name("parameter name")
    const type = c.accept("ANY", "TYPE") ? undefined : yield* parseType(c)
    return { name, type, mode: mode === "OUT" || mode === "INOUT" ? mode : "IN" } satisfies Parameter
  })

/** OPTIONS (...) describe and never change an answer, so they are skipped; descriptions are kept in the table's declaration. */
export const skipOptions = (c: Cursor): Parse<void> =>
  Either.gen(function* () {
    if (c.accept("STRICT_MODE")) return yield* c.unsupported("STRICT_MODE")
    if (!c.accept("OPTIONS")) return
    yield* c.expect("(")
    let depth = 1
    while (depth > 0) {
      const token = c.next()
      if (token.kind === "end") return yield* c.syntaxError('Expected ")"')
      if (token.upper === "(") depth++
      if (token.upper === ")") depth--
    }
  })

export const parseColumn = (c: Cursor): Parse<ColumnDefinition> =>
  Either.gen(function* () {
    const name = yield* c.anyName("column name")
    const type = yield* parseType(c)
    let required = false
    let initial: Expr | undefined
    while (true) {
      if (c.accept("NOT", "NULL")) required = true
      else if (c.accept("DEFAULT")) initial = yield* parseExpr(c)
      else if (c.at("OPTIONS")) yield* skipOptions(c)
      else break
    }
    return { name, type, required, default: initial }
  })

export const parseCreateTable = (c: Cursor, at: Token, creation: Creation): Parse<Statement> =>
  Either.gen(function* () {
    const table = yield* parseTarget(c)
    const columns: Array<ColumnDefinition> = []
    if (c.accept("(")) {
      do {
        if (c.at(")")) break
        if (c.atAny("PRIMARY", "FOREIGN", "CONSTRAINT")) return yield* c.unsupported("table constraints")
        columns.push(yield* parseColumn(c))
      } while (c.accept(","))
      yield* c.expect(")")
    }
    if (c.atAny("LIKE", "CLONE", "COPY", "DEFAULT")) return yield* c.unsupported(`CREATE TABLE ... ${c.peek().upper}`)
    const partitionBy = c.accept("PARTITION", "BY") ? yield* parseExpr(c) : undefined
    const clusterBy = c.accept("CLUSTER", "BY") ? yield* c.list((c) => c.anyName("column name")) : []
    yield* skipOptions(c)
    const query = c.accept("AS") ? yield* c.query(c) : undefined
    return { kind: "create-table", at, creation, table, columns, partitionBy, clusterBy, query } satisfies Statement
  })

export const parseDrop = (c: Cursor): Parse<Statement> =>
  Either.gen(function* () {
    const at = c.next()
    const word = c.next().upper
    const what = word === "TABLE" && c.accept("FUNCTION") ? "TABLE FUNCTION" : word
    if (
      what !== "TABLE" &&
      what !== "VIEW" &&
      what !== "FUNCTION" &&
      what !== "PROCEDURE" &&
      what !== "TABLE FUNCTION"
    ) {
      return yield* c.unsupported(`DROP ${what}`, at)
    }
    const ifExists = c.accept("IF", "EXISTS")
    return { kind: "drop", at, what, ifExists, path: yield* c.path("name") } satisfies Statement
  })
