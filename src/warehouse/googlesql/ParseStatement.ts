/**
 * Scripts of GoogleSQL: data definition, data manipulation and the procedural language.
 */
import { parseCreate, parseDrop } from "./ParseCreate.ts"
import { parseTarget, parseInsert, parseUpdate, parseDelete, parseMerge } from "./ParseData.ts"
import * as Either from "effect/Either"
import type { Expr } from "./Ast.ts"
import type { Statement } from "./AstStatement.ts"
import { Cursor, type Parse } from "./Cursor.ts"
import { parseExpr } from "./ParseExpression.ts"
import { parseType } from "./ParseType.ts"
import { parseQuery } from "./ParseQuery.ts"
import { tokenize, type Token } from "./Tokens.ts"

/** A script's statements, and the tables that they read or write. */
export interface Script {
  readonly statements: ReadonlyArray<Statement>
  readonly tables: ReadonlyArray<ReadonlyArray<string>>
}

/** Parses a whole script. `source` names it in errors. */
export const parseScript = (source: string, text: string): Parse<Script> =>
  Either.gen(function* () {
    const c = new Cursor(source, yield* tokenize(source, text), { expr: parseExpr, query: parseQuery })
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
        return yield* parseCreate(c, parseBlock)
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
