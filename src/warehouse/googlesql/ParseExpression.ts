/**
 * Expressions of GoogleSQL: precedence climbing over the tokens.
 */
import * as Either from "effect/Either"
import type { Expr, InOptions } from "./Ast.ts"
import type { Cursor, Parse } from "./Cursor.ts"
import { parseCall } from "./ParseCall.ts"
import { parsePrimary } from "./ParsePrimary.ts"

const binaryPrecedence: Readonly<Record<string, number>> = {
  "|": 1,
  "^": 2,
  "&": 3,
  "<<": 4,
  ">>": 4,
  "+": 5,
  "-": 5,
  "*": 6,
  "/": 6,
  "||": 6
}
const comparisons = ["=", "<", ">", "<=", ">=", "!=", "<>"]

/** One expression. */
export const parseExpr = (c: Cursor): Parse<Expr> =>
  Either.gen(function* () {
    let left = yield* parseAnd(c)
    while (c.at("OR")) {
      const at = c.next()
      left = { kind: "binary", at, operator: "OR", left, right: yield* parseAnd(c) }
    }
    return left
  })

const parseAnd = (c: Cursor): Parse<Expr> =>
  Either.gen(function* () {
    let left = yield* parseNot(c)
    while (c.at("AND")) {
      const at = c.next()
      left = { kind: "binary", at, operator: "AND", left, right: yield* parseNot(c) }
    }
    return left
  })

const parseNot = (c: Cursor): Parse<Expr> =>
  Either.gen(function* () {
    if (!c.at("NOT")) return yield* parseComparison(c)
    const at = c.next()
    return { kind: "unary", at, operator: "NOT", value: yield* parseNot(c) } satisfies Expr
  })

const parseComparison = (c: Cursor): Parse<Expr> =>
  Either.gen(function* () {
    const left = yield* parseBinary(c, 1)
    const at = c.peek()
    if (comparisons.includes(at.upper)) {
      c.next()
      const right = yield* parseBinary(c, 1)
      if (comparisons.includes(c.peek().upper)) return yield* c.syntaxError("Expected end of comparison")
      return { kind: "binary", at, operator: at.upper === "<>" ? "!=" : at.upper, left, right } satisfies Expr
    }
    if (c.accept("IS")) {
      const not = c.accept("NOT")
      if (c.accept("DISTINCT", "FROM")) {
        return { kind: "distinct-from", at, left, right: yield* parseBinary(c, 1), not } satisfies Expr
      }
      const what = c.next().upper
      if (what !== "NULL" && what !== "TRUE" && what !== "FALSE") return yield* c.unsupported("this IS comparison", at)
      return { kind: "is", at, value: left, what, not } satisfies Expr
    }
    const not = c.at("NOT") && ["IN", "LIKE", "BETWEEN"].includes(c.peek(1).upper)
    if (not) c.next()
    if (c.accept("BETWEEN")) {
      const low = yield* parseBinary(c, 1)
      yield* c.expect("AND")
      return { kind: "between", at, value: left, low, high: yield* parseBinary(c, 1), not } satisfies Expr
    }
    if (c.accept("LIKE")) {
      if (c.atAny("ANY", "SOME", "ALL")) return yield* c.unsupported("a quantified LIKE")
      return { kind: "like", at, value: left, pattern: yield* parseBinary(c, 1), not } satisfies Expr
    }
    if (c.accept("IN")) return { kind: "in", at, value: left, not, options: yield* parseInOptions(c) } satisfies Expr
    return left
  })

const parseInOptions = (c: Cursor): Parse<InOptions> =>
  Either.gen(function* () {
    if (c.accept("UNNEST", "(")) {
      const array = yield* parseExpr(c)
      yield* c.expect(")")
      return { kind: "unnest", array } satisfies InOptions
    }
    yield* c.expect("(")
    if (c.atAny("SELECT", "WITH")) {
      const query = yield* c.query(c)
      yield* c.expect(")")
      return { kind: "query", query } satisfies InOptions
    }
    const items = yield* c.list(parseExpr)
    yield* c.expect(")")
    return { kind: "list", items } satisfies InOptions
  })

const parseBinary = (c: Cursor, minimum: number): Parse<Expr> =>
  Either.gen(function* () {
    let left = yield* parseUnary(c)
    while (true) {
      const at = c.peek()
      const precedence = at.kind === "symbol" ? binaryPrecedence[at.text] : undefined
      if (precedence === undefined || precedence < minimum) return left
      c.next()
      left = { kind: "binary", at, operator: at.text, left, right: yield* parseBinary(c, precedence + 1) }
    }
  })

const parseUnary = (c: Cursor): Parse<Expr> =>
  Either.gen(function* () {
    const at = c.peek()
    if (at.upper === "-" || at.upper === "+" || at.upper === "~") {
      c.next()
      const value = yield* parseUnary(c)
      if (
        at.upper === "-" &&
        value.kind === "literal" &&
        (value.type === "INT64" || value.type === "FLOAT64") &&
        !value.text.startsWith("-")
      ) {
        return { ...value, at, text: `-${value.text}` }
      }
      return { kind: "unary", at, operator: at.upper, value } satisfies Expr
    }
    return yield* parsePostfix(c)
  })

const parsePostfix = (c: Cursor): Parse<Expr> =>
  Either.gen(function* () {
    let value = yield* parsePrimary(c)
    while (true) {
      const at = c.peek()
      if (c.accept("[")) {
        const mode =
          c.atAny("OFFSET", "ORDINAL", "SAFE_OFFSET", "SAFE_ORDINAL") && c.peek(1).upper === "("
            ? c.next().upper
            : "PLAIN"
        if (mode !== "PLAIN") yield* c.expect("(")
        const index = yield* parseExpr(c)
        if (mode !== "PLAIN") yield* c.expect(")")
        yield* c.expect("]")
        value = { kind: "index", at, target: value, mode, index }
      } else if (c.at(".") && c.peek(1).upper !== "*") {
        c.next()
        const name = yield* c.anyName("field name")
        value =
          value.kind === "path"
            ? { ...value, parts: [...value.parts, name] }
            : { kind: "field", at, target: value, name }
      } else if (value.kind === "path" && c.at("(")) {
        value = yield* parseCall(c, value.at, value.parts)
      } else return value
    }
  })
