/**
 * What GoogleSQL's operators stand between: literals, names, constructors, CASE, and what is in parentheses.
 */
import * as Either from "effect/Either"
import { callOf, type Expr, type LiteralType, type TypeName } from "./Ast.ts"
import type { Cursor, Parse } from "./Cursor.ts"
import { parseType } from "./ParseType.ts"
import type { Token } from "./Tokens.ts"

const literalPrefixes: Readonly<Record<string, LiteralType>> = {
  DATE: "DATE",
  DATETIME: "DATETIME",
  TIMESTAMP: "TIMESTAMP",
  TIME: "TIME",
  NUMERIC: "NUMERIC",
  DECIMAL: "NUMERIC",
  BIGNUMERIC: "BIGNUMERIC",
  BIGDECIMAL: "BIGNUMERIC",
  JSON: "JSON"
}
/** Functions that may be written without parentheses. */
const bareFunctions = ["CURRENT_DATE", "CURRENT_TIMESTAMP", "CURRENT_DATETIME", "CURRENT_TIME"]

/** Words that are names, unless what follows makes them something longer. */
const beginnings = new Set(["SAFE_CAST", ...Object.keys(literalPrefixes), ...bareFunctions])

/** What one token says by itself; undefined where it begins something longer. */
const parseToken = (c: Cursor): Expr | undefined => {
  const at = c.peek()
  switch (at.kind) {
    case "integer":
      return { kind: "literal", at, type: "INT64", text: at.text }
    case "float":
      return { kind: "literal", at, type: "FLOAT64", text: at.text }
    case "string":
      return { kind: "literal", at, type: "STRING", text: at.text }
    case "bytes":
      return { kind: "literal", at, type: "BYTES", text: at.text }
    case "parameter":
      return { kind: "parameter", at, name: at.text }
    case "position":
      return { kind: "position", at, index: c.position++ }
    case "quoted":
      return { kind: "path", at, parts: at.text.split(".") }
    case "identifier":
      if (at.upper === "NULL") return { kind: "literal", at, type: "NULL", text: "NULL" }
      if (at.upper === "TRUE" || at.upper === "FALSE") return { kind: "literal", at, type: "BOOL", text: at.upper }
      return c.atName() && !beginnings.has(at.upper) ? { kind: "path", at, parts: [at.text] } : undefined
    default:
      return undefined
  }
}

/** A name, a literal, a call or something in parentheses. */
export const parsePrimary = (c: Cursor): Parse<Expr> => {
  const token = parseToken(c)
  if (token === undefined) return parseLonger(c)
  c.next()
  return Either.right(token)
}

const parseLonger = (c: Cursor): Parse<Expr> =>
  Either.gen(function* () {
    const at = c.peek()
    if (at.kind === "system") {
      c.next()
      let name = at.text
      while (c.accept(".")) name += `.${yield* c.anyName("name")}`
      return { kind: "system", at, name: name.toLowerCase() } satisfies Expr
    }
    if (c.accept("(")) {
      if (c.atAny("SELECT", "WITH")) {
        const query = yield* c.query(c)
        yield* c.expect(")")
        return { kind: "query", at, query } satisfies Expr
      }
      const items = yield* c.list(c.expr)
      yield* c.expect(")")
      const first = items[0]
      return items.length === 1 && first !== undefined
        ? // A parenthesised name is no longer a path that a dot or a call could continue.
          first
        : ({ kind: "struct", at, type: undefined, fields: items.map((value) => ({ name: "", value })) } satisfies Expr)
    }
    if (c.accept("[")) return yield* parseArrayItems(c, at, undefined)
    if (at.kind !== "identifier") return yield* c.syntaxError("Expected expression")
    switch (at.upper) {
      case "CASE":
        return yield* parseCase(c)
      case "CAST":
      case "SAFE_CAST": {
        c.next()
        yield* c.expect("(")
        const value = yield* c.expr(c)
        yield* c.expect("AS")
        const type = yield* parseType(c)
        if (c.at("FORMAT")) return yield* c.unsupported("CAST with FORMAT")
        yield* c.expect(")")
        return { kind: "cast", at, safe: at.upper === "SAFE_CAST", value, type } satisfies Expr
      }
      case "EXTRACT": {
        c.next()
        yield* c.expect("(")
        const part = yield* c.expr(c)
        yield* c.expect("FROM")
        const value = yield* c.expr(c)
        const zone = c.accept("AT", "TIME", "ZONE") ? yield* c.expr(c) : undefined
        yield* c.expect(")")
        return { kind: "extract", at, part, value, zone } satisfies Expr
      }
      case "INTERVAL": {
        c.next()
        const amount = yield* c.expr(c)
        const unit = (yield* c.anyName("interval unit")).toUpperCase()
        if (c.at("TO")) return yield* c.unsupported("an interval of several units")
        return { kind: "interval", at, amount, unit } satisfies Expr
      }
      case "EXISTS": {
        c.next()
        yield* c.expect("(")
        const query = yield* c.query(c)
        yield* c.expect(")")
        return { kind: "exists", at, query } satisfies Expr
      }
      case "ARRAY": {
        if (c.peek(1).upper === "(") {
          c.next()
          c.next()
          const query = yield* c.query(c)
          yield* c.expect(")")
          return { kind: "array-query", at, query } satisfies Expr
        }
        const type = yield* parseArrayPrefix(c)
        yield* c.expect("[")
        return yield* parseArrayItems(c, at, type)
      }
      case "STRUCT": {
        const type = c.peek(1).upper === "<" ? yield* parseType(c) : undefined
        if (type === undefined) c.next()
        yield* c.expect("(")
        const fields = c.at(")")
          ? []
          : yield* c.list((c) =>
              Either.gen(function* () {
                const value = yield* c.expr(c)
                return { value, name: c.accept("AS") ? yield* c.name("field name") : undefined }
              })
            )
        yield* c.expect(")")
        return { kind: "struct", at, type, fields } satisfies Expr
      }
      default:
    }
    const prefix = literalPrefixes[at.upper]
    if (prefix !== undefined && c.peek(1).kind === "string") {
      c.next()
      return { kind: "literal", at, type: prefix, text: c.next().text } satisfies Expr
    }
    if (bareFunctions.includes(at.upper) && c.peek(1).upper !== "(") {
      c.next()
      return callOf(at, at.text, [])
    }
    const keywordCall = ["IF", "LEFT", "RIGHT", "GROUPING"].includes(at.upper) && c.peek(1).upper === "("
    if (!keywordCall && !c.atName()) return yield* c.syntaxError("Unexpected keyword: expected expression")
    c.next()
    return { kind: "path", at, parts: [at.text] } satisfies Expr
  })

const parseArrayPrefix = (c: Cursor): Parse<TypeName | undefined> =>
  Either.gen(function* () {
    if (c.peek(1).upper === "<") return yield* parseType(c)
    c.next()
    return undefined
  })

const parseArrayItems = (c: Cursor, at: Token, type: TypeName | undefined): Parse<Expr> =>
  Either.gen(function* () {
    const items = c.at("]") ? [] : yield* c.list(c.expr)
    yield* c.expect("]")
    return { kind: "array", at, type, items } satisfies Expr
  })

const parseCase = (c: Cursor): Parse<Expr> =>
  Either.gen(function* () {
    const at = c.next()
    const value = c.at("WHEN") ? undefined : yield* c.expr(c)
    const branches: Array<{ when: Expr; result: Expr }> = []
    while (c.accept("WHEN")) {
      const when = yield* c.expr(c)
      yield* c.expect("THEN")
      branches.push({ when, result: yield* c.expr(c) })
    }
    const otherwise = c.accept("ELSE") ? yield* c.expr(c) : undefined
    yield* c.expect("END")
    return { kind: "case", at, value, branches, otherwise } satisfies Expr
  })
