/**
 * Calls of functions in GoogleSQL, with all that may stand in and after their parentheses: modifiers of aggregates, order, windows.
 */
import * as Either from "effect/Either"
import type { Expr, FrameBound, OrderItem, Window } from "./Ast.ts"
import type { Cursor, Parse } from "./Cursor.ts"
import type { Token } from "./Tokens.ts"

/** The parentheses of a call and what follows them. */
export const parseCall = (c: Cursor, at: Token, parts: ReadonlyArray<string>): Parse<Expr> =>
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
          named.push({ name: name.toLowerCase(), value: yield* c.expr(c) })
        } else if (c.atAny("SELECT", "WITH")) {
          return yield* c.unsupported("a query as an argument without its own parentheses")
        } else args.push(yield* c.expr(c))
      } while (c.accept(","))
    }
    const nulls = c.accept("IGNORE", "NULLS") ? "IGNORE" : c.accept("RESPECT", "NULLS") ? "RESPECT" : undefined
    let having: { kind: "MAX" | "MIN"; value: Expr } | undefined
    if (c.accept("HAVING")) {
      const kind = c.next().upper
      if (kind !== "MAX" && kind !== "MIN") return yield* c.syntaxError("Expected MAX or MIN")
      having = { kind, value: yield* c.expr(c) }
    }
    const orderBy = c.accept("ORDER", "BY") ? yield* c.list(parseOrderItem) : []
    const limit = c.accept("LIMIT") ? yield* c.expr(c) : undefined
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
    const value = yield* c.expr(c)
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
    const partitionBy = c.accept("PARTITION", "BY") ? yield* c.list(c.expr) : []
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
    const amount = yield* c.expr(c)
    if (c.accept("PRECEDING")) return { kind: "PRECEDING", amount } satisfies FrameBound
    yield* c.expect("FOLLOWING")
    return { kind: "FOLLOWING", amount } satisfies FrameBound
  })
