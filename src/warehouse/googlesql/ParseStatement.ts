/**
 * Scripts of GoogleSQL: data definition, data manipulation and the procedural language.
 */
import * as Either from "effect/Either"
import type {
  Assignment,
  ColumnDefinition,
  Creation,
  Expr,
  MergeAction,
  MergeClause,
  Parameter,
  Statement
} from "./Ast.ts"
import { Cursor, type Parse } from "./Cursor.ts"
import { parseExpr, parseType } from "./ParseExpression.ts"
import { parseFrom, parseQuery } from "./ParseQuery.ts"
import { tokenize, type Token } from "./Tokens.ts"

/** A script's statements, and the tables that they read or write. */
export interface Script {
  readonly statements: ReadonlyArray<Statement>
  readonly tables: ReadonlyArray<ReadonlyArray<string>>
}

/** Parses a whole script. `source` names it in errors. */
export const parseScript = (source: string, text: string): Parse<Script> =>
  Either.gen(function* () {
    const c = new Cursor(source, yield* tokenize(source, text), parseQuery)
    const statements = yield* parseList(c)
    if (c.peek().kind !== "end") return yield* c.syntaxError("Expected end of input")
    return { statements, tables: c.tables }
  })

/** Statements up to a keyword that closes the surrounding construct. */
const parseList = (c: Cursor): Parse<ReadonlyArray<Statement>> =>
  Either.gen(function* () {
    const statements: Array<Statement> = []
    while (true) {
      while (c.accept(";"));
      if (c.peek().kind === "end" || c.atAny("END", "ELSE", "ELSEIF", "EXCEPTION", "WHEN", "UNTIL")) return statements
      statements.push(yield* parseStatement(c))
      if (c.peek().kind === "end") return statements
      if (c.atAny("END", "ELSE", "ELSEIF", "EXCEPTION", "WHEN", "UNTIL")) return statements
      yield* c.expect(";")
    }
  })

const parseStatement = (c: Cursor): Parse<Statement> =>
  Either.gen(function* () {
    const at = c.peek()
    const label = at.kind !== "symbol" && c.peek(1).upper === ":" ? yield* c.name("label") : undefined
    if (label !== undefined) c.next()
    const word = c.peek().upper
    if (label !== undefined && !["LOOP", "WHILE", "REPEAT", "FOR"].includes(word))
      return yield* c.unsupported("a label on this statement")
    switch (word) {
      case "SELECT":
      case "WITH":
      case "(":
        return { kind: "query", at, query: yield* c.query(c) } satisfies Statement
      case "INSERT":
        return yield* parseInsert(c)
      case "UPDATE":
        return yield* parseUpdate(c)
      case "DELETE":
        return yield* parseDelete(c)
      case "MERGE":
        return yield* parseMerge(c)
      case "TRUNCATE": {
        c.next()
        yield* c.expect("TABLE")
        const table = yield* parseTarget(c)
        return { kind: "truncate", at, table } satisfies Statement
      }
      case "CREATE":
        return yield* parseCreate(c)
      case "DROP":
        return yield* parseDrop(c)
      case "DECLARE": {
        c.next()
        const names = yield* c.list((c) => c.name("variable name"))
        const type = c.at("DEFAULT") ? undefined : yield* parseType(c)
        const initial = c.accept("DEFAULT") ? yield* parseExpr(c) : undefined
        return { kind: "declare", at, names, type, default: initial } satisfies Statement
      }
      case "SET": {
        c.next()
        const tuple = c.accept("(")
        const names = yield* c.list((c) => c.name("variable name"))
        if (tuple) yield* c.expect(")")
        yield* c.expect("=")
        return { kind: "set", at, names, tuple, value: yield* parseExpr(c) } satisfies Statement
      }
      case "IF": {
        c.next()
        const branches = [{ when: yield* parseExpr(c), run: yield* after(c, "THEN") }]
        while (c.accept("ELSEIF")) branches.push({ when: yield* parseExpr(c), run: yield* after(c, "THEN") })
        const otherwise = c.accept("ELSE") ? yield* parseList(c) : []
        yield* c.expect("END", "IF")
        return { kind: "if", at, branches, otherwise } satisfies Statement
      }
      case "CASE": {
        c.next()
        const value = c.at("WHEN") ? undefined : yield* parseExpr(c)
        const branches: Array<{ when: Expr; run: ReadonlyArray<Statement> }> = []
        while (c.accept("WHEN")) branches.push({ when: yield* parseExpr(c), run: yield* after(c, "THEN") })
        const otherwise = c.accept("ELSE") ? yield* parseList(c) : undefined
        yield* c.expect("END", "CASE")
        return { kind: "case", at, value, branches, otherwise } satisfies Statement
      }
      case "BEGIN": {
        c.next()
        if (c.accept("TRANSACTION") || c.at(";") || c.peek().kind === "end") {
          return { kind: "transaction", at, what: "BEGIN" } satisfies Statement
        }
        return yield* parseBlock(c, at)
      }
      case "COMMIT":
      case "ROLLBACK":
        c.next()
        c.accept("TRANSACTION")
        return { kind: "transaction", at, what: word } satisfies Statement
      case "LOOP":
      case "REPEAT": {
        c.next()
        const body = yield* parseList(c)
        const until = word === "REPEAT" ? yield* afterExpr(c, "UNTIL") : undefined
        yield* c.expect("END", word)
        return yield* closeLoop(c, label, { kind: "loop", at, body, while: undefined, until, label })
      }
      case "WHILE": {
        c.next()
        const condition = yield* parseExpr(c)
        const body = yield* after(c, "DO")
        yield* c.expect("END", "WHILE")
        return yield* closeLoop(c, label, { kind: "loop", at, body, while: condition, until: undefined, label })
      }
      case "FOR": {
        c.next()
        const variable = yield* c.name("variable name")
        yield* c.expect("IN", "(")
        const query = yield* c.query(c)
        yield* c.expect(")")
        const body = yield* after(c, "DO")
        yield* c.expect("END", "FOR")
        return yield* closeLoop(c, label, { kind: "for", at, variable, query, body, label })
      }
      case "BREAK":
      case "LEAVE":
      case "CONTINUE":
      case "ITERATE": {
        c.next()
        const kind = word === "BREAK" || word === "LEAVE" ? "leave" : "continue"
        return { kind, at, label: c.atName() ? c.next().text : undefined } satisfies Statement
      }
      case "RETURN":
        c.next()
        return { kind: "return", at } satisfies Statement
      case "ASSERT": {
        c.next()
        const condition = yield* parseExpr(c)
        const message = c.accept("AS") ? c.next() : undefined
        if (message !== undefined && message.kind !== "string")
          return yield* c.syntaxError("Expected string literal", message)
        return { kind: "assert", at, condition, message: message?.text } satisfies Statement
      }
      case "RAISE": {
        c.next()
        let message: Expr | undefined
        if (c.accept("USING")) {
          yield* c.expect("MESSAGE", "=")
          message = yield* parseExpr(c)
        }
        return { kind: "raise", at, message } satisfies Statement
      }
      case "CALL": {
        c.next()
        const path = yield* c.path("procedure name")
        yield* c.expect("(")
        const args = c.at(")") ? [] : yield* c.list(parseExpr)
        yield* c.expect(")")
        return { kind: "call", at, path, args } satisfies Statement
      }
      case "EXECUTE": {
        c.next()
        yield* c.expect("IMMEDIATE")
        const text = yield* parseExpr(c)
        const into = c.accept("INTO") ? yield* c.list((c) => c.name("variable name")) : []
        const using = c.accept("USING")
          ? yield* c.list((c) =>
              Either.gen(function* () {
                const value = yield* parseExpr(c)
                return { value, name: c.accept("AS") ? yield* c.name("parameter name") : undefined }
              })
            )
          : []
        return { kind: "execute", at, text, into, using } satisfies Statement
      }
      default:
        return at.kind === "identifier" && knownElsewhere.has(at.upper)
          ? yield* c.unsupported(`the statement ${at.upper}`)
          : yield* c.syntaxError("Unexpected statement")
    }
  })

const knownElsewhere = new Set([
  "ALTER",
  "EXPORT",
  "LOAD",
  "GRANT",
  "REVOKE",
  "EXPLAIN",
  "FROM",
  "ANALYZE",
  "UNDROP",
  "DESCRIBE"
])

const after = (c: Cursor, word: string): Parse<ReadonlyArray<Statement>> =>
  Either.gen(function* () {
    yield* c.expect(word)
    return yield* parseList(c)
  })

const afterExpr = (c: Cursor, word: string): Parse<Expr> =>
  Either.gen(function* () {
    yield* c.expect(word)
    return yield* parseExpr(c)
  })

const closeLoop = (c: Cursor, label: string | undefined, statement: Statement): Parse<Statement> =>
  label !== undefined && c.peek().text.toLowerCase() === label.toLowerCase()
    ? Either.map(c.name("label"), () => statement)
    : Either.right(statement)

const parseBlock = (c: Cursor, at: Token): Parse<Statement> =>
  Either.gen(function* () {
    const body = yield* parseList(c)
    let handler: ReadonlyArray<Statement> | undefined
    if (c.accept("EXCEPTION")) {
      yield* c.expect("WHEN", "ERROR", "THEN")
      handler = yield* parseList(c)
    }
    yield* c.expect("END")
    return { kind: "block", at, body, handler } satisfies Statement
  })

const parseTarget = (c: Cursor): Parse<ReadonlyArray<string>> =>
  Either.map(c.path("table name"), (path) => {
    c.tables.push(path)
    return path
  })

const columnList = (c: Cursor): Parse<ReadonlyArray<string>> =>
  Either.gen(function* () {
    yield* c.expect("(")
    const names = yield* c.list((c) => c.anyName("column name"))
    yield* c.expect(")")
    return names
  })

/** An expression of VALUES or SET; DEFAULT is the path of that name. */
const parseValue = (c: Cursor): Parse<Expr> => (c.at("DEFAULT") ? c.unsupported("DEFAULT as a value") : parseExpr(c))

const parseRow = (c: Cursor): Parse<ReadonlyArray<Expr>> =>
  Either.gen(function* () {
    yield* c.expect("(")
    const values = yield* c.list(parseValue)
    yield* c.expect(")")
    return values
  })

const parseInsert = (c: Cursor): Parse<Statement> =>
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

const parseAssignment = (c: Cursor): Parse<Assignment> =>
  Either.gen(function* () {
    const at = c.peek()
    const path = yield* c.path("column name")
    if (path.length > 2) return yield* c.unsupported("an update of a nested field", at)
    yield* c.expect("=")
    return { at, column: path.at(-1) ?? "", value: yield* parseValue(c) }
  })

const parseUpdate = (c: Cursor): Parse<Statement> =>
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

const parseDelete = (c: Cursor): Parse<Statement> =>
  Either.gen(function* () {
    const at = c.next()
    c.accept("FROM")
    const table = yield* parseTarget(c)
    const alias = yield* c.alias()
    if (!c.at("WHERE")) return yield* c.syntaxError("DELETE must have a WHERE clause: expected WHERE")
    c.next()
    return { kind: "delete", at, table, alias, where: yield* parseExpr(c) } satisfies Statement
  })

const parseMerge = (c: Cursor): Parse<Statement> =>
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

const parseMergeClause = (c: Cursor): Parse<MergeClause> =>
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

const parseMergeAction = (c: Cursor): Parse<MergeAction> =>
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

const parseCreate = (c: Cursor): Parse<Statement> =>
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
      const block = yield* parseBlock(c, begin)
      return {
        kind: "create-procedure",
        at,
        creation,
        path,
        parameters,
        body: [block],
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

const parseParameter = (c: Cursor): Parse<Parameter> =>
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
const skipOptions = (c: Cursor): Parse<void> =>
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

const parseColumn = (c: Cursor): Parse<ColumnDefinition> =>
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

const parseCreateTable = (c: Cursor, at: Token, creation: Creation): Parse<Statement> =>
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

const parseDrop = (c: Cursor): Parse<Statement> =>
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
