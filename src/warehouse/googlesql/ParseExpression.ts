/**
 * Expressions of GoogleSQL: precedence climbing over the tokens.
 */
import { parseType } from "./ParseType.ts"
import * as Either from "effect/Either"
import {
  callOf,
  type Expr,
  type FrameBound,
  type InOptions,
  type LiteralType,
  type OrderItem,
  type TypeName,
  type Window
} from "./Ast.ts"
import type { Cursor, Parse } from "./Cursor.ts"
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

/** A name, a literal, a call or something in parentheses. */
export const parsePrimary = (c: Cursor): Parse<Expr> =>
  Either.gen(function* () {
    const at = c.peek()
    const literal = (type: LiteralType, text: string): Expr => {
      c.next()
      return { kind: "literal", at, type, text }
    }
    switch (at.kind) {
      case "integer":
        return literal("INT64", at.text)
      case "float":
        return literal("FLOAT64", at.text)
      case "string":
        return literal("STRING", at.text)
      case "bytes":
        return literal("BYTES", at.text)
      case "parameter":
        c.next()
        return { kind: "parameter", at, name: at.text } satisfies Expr
      case "position":
        c.next()
        return { kind: "position", at, index: c.position++ } satisfies Expr
      case "system": {
        c.next()
        let name = at.text
        while (c.accept(".")) name += `.${yield* c.anyName("name")}`
        return { kind: "system", at, name: name.toLowerCase() } satisfies Expr
      }
      case "quoted":
        c.next()
        return { kind: "path", at, parts: at.text.split(".") } satisfies Expr
      default:
    }
    if (c.accept("(")) {
      if (c.atAny("SELECT", "WITH")) {
        const query = yield* c.query(c)
        yield* c.expect(")")
        return { kind: "query", at, query } satisfies Expr
      }
      const items = yield* c.list(parseExpr)
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
      case "NULL":
        return literal("NULL", "NULL")
      case "TRUE":
      case "FALSE":
        return literal("BOOL", at.upper)
      case "CASE":
        return yield* parseCase(c)
      case "CAST":
      case "SAFE_CAST": {
        c.next()
        yield* c.expect("(")
        const value = yield* parseExpr(c)
        yield* c.expect("AS")
        const type = yield* parseType(c)
        if (c.at("FORMAT")) return yield* c.unsupported("CAST with FORMAT")
        yield* c.expect(")")
        return { kind: "cast", at, safe: at.upper === "SAFE_CAST", value, type } satisfies Expr
      }
      case "EXTRACT": {
        c.next()
        yield* c.expect("(")
        const part = yield* parsePostfix(c)
        yield* c.expect("FROM")
        const value = yield* parseExpr(c)
        const zone = c.accept("AT", "TIME", "ZONE") ? yield* parseExpr(c) : undefined
        yield* c.expect(")")
        return { kind: "extract", at, part, value, zone } satisfies Expr
      }
      case "INTERVAL": {
        c.next()
        const amount = yield* parseExpr(c)
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
                const value = yield* parseExpr(c)
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
    const items = c.at("]") ? [] : yield* c.list(parseExpr)
    yield* c.expect("]")
    return { kind: "array", at, type, items } satisfies Expr
  })

const parseCase = (c: Cursor): Parse<Expr> =>
  Either.gen(function* () {
    const at = c.next()
    const value = c.at("WHEN") ? undefined : yield* parseExpr(c)
    const branches: Array<{ when: Expr; result: Expr }> = []
    while (c.accept("WHEN")) {
      const when = yield* parseExpr(c)
      yield* c.expect("THEN")
      branches.push({ when, result: yield* parseExpr(c) })
    }
    const otherwise = c.accept("ELSE") ? yield* parseExpr(c) : undefined
    yield* c.expect("END")
    return { kind: "case", at, value, branches, otherwise } satisfies Expr
  })

const parseCall = (c: Cursor, at: Token, parts: ReadonlyArray<string>): Parse<Expr> =>
  Either.gen(function* () {
    yield* c.expect("(")
    const safe = parts.length > 1 && parts[0]?.toUpperCase() === "SAFE"
    const path = safe ? parts.slice(1) : parts
    const distinct = c.accept("DISTINCT")
    const star = c.at("*") && c.peek(1).upper === ")"
    if (star) c.next()
    const args: Array<Expr> = []
    const named: Array<{ name: string; value: Expr }> = []
    if (!star && !c.at(")")) {
      do {
        if (c.peek(1).upper === "=>") {
          const name = yield* c.name("argument name")
          c.next()
          named.push({ name: name.toLowerCase(), value: yield* parseExpr(c) })
        } else if (c.atAny("SELECT", "WITH")) {
          return yield* c.unsupported("a query as an argument without its own parentheses")
        } else args.push(yield* parseExpr(c))
      } while (c.accept(","))
    }
    const nulls = c.accept("IGNORE", "NULLS") ? "IGNORE" : c.accept("RESPECT", "NULLS") ? "RESPECT" : undefined
    let having: { kind: "MAX" | "MIN"; value: Expr } | undefined
    if (c.accept("HAVING")) {
      const kind = c.next().upper
      if (kind !== "MAX" && kind !== "MIN") return yield* c.syntaxError("Expected MAX or MIN")
      having = { kind, value: yield* parseExpr(c) }
    }
    const orderBy = c.accept("ORDER", "BY") ? yield* c.list(parseOrderItem) : []
    const limit = c.accept("LIMIT") ? yield* parseExpr(c) : undefined
    yield* c.expect(")")
    const over = c.accept("OVER") ? yield* parseWindow(c) : undefined
    return {
      kind: "call",
      at,
      path,
      safe,
      args,
      named,
      star,
      distinct,
      nulls,
      having,
      orderBy,
      limit,
      over
    } satisfies Expr
  })

/** One item of an ORDER BY. */
export const parseOrderItem = (c: Cursor): Parse<OrderItem> =>
  Either.gen(function* () {
    const value = yield* parseExpr(c)
    const descending = c.accept("DESC")
    if (!descending) c.accept("ASC")
    const nulls = c.accept("NULLS", "FIRST") ? "FIRST" : c.accept("NULLS", "LAST") ? "LAST" : undefined
    return { value, descending, nulls } satisfies OrderItem
  })

/** What follows OVER, or a named window's definition. */
export const parseWindow = (c: Cursor): Parse<Window> =>
  Either.gen(function* () {
    if (c.atName()) return { base: c.next().text, partitionBy: [], orderBy: [], frame: undefined }
    yield* c.expect("(")
    const base = c.atName() ? c.next().text : undefined
    const partitionBy = c.accept("PARTITION", "BY") ? yield* c.list(parseExpr) : []
    const orderBy = c.accept("ORDER", "BY") ? yield* c.list(parseOrderItem) : []
    let frame: Window["frame"]
    if (c.atAny("ROWS", "RANGE")) {
      const unit = c.next().upper === "ROWS" ? "ROWS" : "RANGE"
      if (c.accept("BETWEEN")) {
        const from = yield* parseBound(c)
        yield* c.expect("AND")
        frame = { unit, from, to: yield* parseBound(c) }
      } else frame = { unit, from: yield* parseBound(c), to: { kind: "CURRENT ROW", amount: undefined } }
    }
    yield* c.expect(")")
    return { base, partitionBy, orderBy, frame } satisfies Window
  })

const parseBound = (c: Cursor): Parse<FrameBound> =>
  Either.gen(function* () {
    if (c.accept("UNBOUNDED", "PRECEDING"))
      return { kind: "UNBOUNDED PRECEDING", amount: undefined } satisfies FrameBound
    if (c.accept("UNBOUNDED", "FOLLOWING"))
      return { kind: "UNBOUNDED FOLLOWING", amount: undefined } satisfies FrameBound
    if (c.accept("CURRENT", "ROW")) return { kind: "CURRENT ROW", amount: undefined } satisfies FrameBound
    const amount = yield* parseExpr(c)
    if (c.accept("PRECEDING")) return { kind: "PRECEDING", amount } satisfies FrameBound
    yield* c.expect("FOLLOWING")
    return { kind: "FOLLOWING", amount } satisfies FrameBound
  })
