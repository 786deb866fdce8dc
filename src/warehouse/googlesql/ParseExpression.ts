/**
 * Expressions of GoogleSQL: precedence climbing over the tokens.
 */
import * as Either from "effect/Either"
import type { Expr, InOptions } from "./Ast.ts"
import type { Cursor, Parse } from "./Cursor.ts"
import { parseCall } from "./ParseCall.ts"
import { parsePrimary } from "./ParsePrimary.ts"
import type { Token } from "./Tokens.ts"

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
/** What may follow the left side of a comparison. */
const comparing = new Set([...comparisons, "IS", "NOT", "BETWEEN", "LIKE", "IN"])

/**
 * One expression. Most are a name or a literal and pass through every level below, so a level at which nothing more follows hands on what it
 * was given.
 */
export const parseExpr = (c: Cursor): Parse<Expr> => parseJoined(c, "OR", parseAnd)

const parseAnd = (c: Cursor): Parse<Expr> => parseJoined(c, "AND", parseNot)

const parseJoined = (c: Cursor, operator: "AND" | "OR", operand: (c: Cursor) => Parse<Expr>): Parse<Expr> => {
  const first = operand(c)
  if (Either.isLeft(first) || !c.at(operator)) return first
  return Either.gen(function* () {
    let left = first.right
    while (c.at(operator)) {
      const at = c.next()
      left = { kind: "binary", at, operator, left, right: yield* operand(c) }
    }
    return left
  })
}

const parseNot = (c: Cursor): Parse<Expr> =>
  c.at("NOT")
    ? Either.gen(function* () {
        const at = c.next()
        return { kind: "unary", at, operator: "NOT", value: yield* parseNot(c) } satisfies Expr
      })
    : parseComparison(c)

const parseComparison = (c: Cursor): Parse<Expr> => {
  const first = parseBinary(c, 1)
  if (Either.isLeft(first) || !comparing.has(c.peek().upper)) return first
  const left = first.right
  return Either.gen(function* () {
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
}

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

const parseBinary = (c: Cursor, minimum: number): Parse<Expr> => {
  const first = parseUnary(c)
  if (Either.isLeft(first) || precedenceOf(c.peek()) < minimum) return first
  return Either.gen(function* () {
    let left = first.right
    while (precedenceOf(c.peek()) >= minimum) {
      const at = c.next()
      left = { kind: "binary", at, operator: at.text, left, right: yield* parseBinary(c, precedenceOf(at) + 1) }
    }
    return left
  })
}

/** 0 where no such operator stands. */
const precedenceOf = (token: Token): number => (token.kind === "symbol" ? (binaryPrecedence[token.text] ?? 0) : 0)

const parseUnary = (c: Cursor): Parse<Expr> => {
  const at = c.peek()
  const operator = at.upper
  if (operator !== "-" && operator !== "+" && operator !== "~") return parsePostfix(c)
  return Either.gen(function* () {
    c.next()
    const value = yield* parseUnary(c)
    if (
      operator === "-" &&
      value.kind === "literal" &&
      (value.type === "INT64" || value.type === "FLOAT64") &&
      !value.text.startsWith("-")
    ) {
      return { ...value, at, text: `-${value.text}` }
    }
    return { kind: "unary", at, operator, value } satisfies Expr
  })
}

const parsePostfix = (c: Cursor): Parse<Expr> => {
  const first = parsePrimary(c)
  if (Either.isLeft(first) || !c.atAny("[", ".", "(")) return first
  return Either.gen(function* () {
    let value = first.right
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
}
