/**
 * Queries of GoogleSQL: WITH, SELECT, FROM, set operations.
 */
import * as Either from "effect/Either"
import type {
  Expr,
  FromItem,
  Labelled,
  GroupBy,
  GroupItem,
  Query,
  QueryBody,
  Select,
  SelectItem,
  Window
} from "./Ast.ts"
import type { Cursor, Parse } from "./Cursor.ts"
import { parseOrderItem, parseWindow } from "./ParseCall.ts"
import { parseExpr } from "./ParseExpression.ts"
import { parsePrimary } from "./ParsePrimary.ts"
import type { Token } from "./Tokens.ts"

/** One query, without a closing semicolon. */
export const parseQuery = (c: Cursor): Parse<Query> =>
  Either.gen(function* () {
    const at = c.peek()
    const ctes: Array<Query["with"][number]> = []
    const recursive = c.at("WITH", "RECURSIVE")
    if (c.accept("WITH")) {
      c.accept("RECURSIVE")
      do {
        const nameAt = c.peek()
        const name = yield* c.name("name of a common table expression")
        yield* c.expect("AS", "(")
        const query = yield* parseQuery(c)
        yield* c.expect(")")
        ctes.push({ name, at: nameAt, query })
      } while (c.accept(","))
    }
    const body = yield* parseBody(c)
    const orderBy = c.accept("ORDER", "BY") ? yield* c.list(parseOrderItem) : []
    const limit = c.accept("LIMIT") ? yield* parseExpr(c) : undefined
    const offset = limit !== undefined && c.accept("OFFSET") ? yield* parseExpr(c) : undefined
    if (c.at("|>")) return yield* c.unsupported("pipe syntax")
    return { at, recursive, with: ctes, body, orderBy, limit, offset } satisfies Query
  })

const parseBody = (c: Cursor): Parse<QueryBody> =>
  Either.gen(function* () {
    let left = yield* parseTerm(c)
    let first: string | undefined
    while (c.atAny("UNION", "INTERSECT", "EXCEPT")) {
      const at = c.next()
      const kind = c.next().upper
      const operator = `${at.upper} ${kind}`
      if (
        operator !== "UNION ALL" &&
        operator !== "UNION DISTINCT" &&
        operator !== "INTERSECT DISTINCT" &&
        operator !== "EXCEPT DISTINCT"
      ) {
        return yield* c.unsupported(`the set operation ${operator}`, at)
      }
      if (first !== undefined && first !== operator) {
        return yield* c.syntaxError("Expected parentheses around different set operations", at)
      }
      first = operator
      if (c.accept("BY", "NAME") || c.at("CORRESPONDING")) return yield* c.unsupported("a set operation by name", at)
      left = { kind: "set", at, operator, left, right: yield* parseTerm(c) }
    }
    return left
  })

const parseTerm = (c: Cursor): Parse<QueryBody> =>
  Either.gen(function* () {
    if (c.accept("(")) {
      const query = yield* parseQuery(c)
      yield* c.expect(")")
      return { kind: "nested", query } satisfies QueryBody
    }
    return yield* parseSelect(c)
  })

const parseSelect = (c: Cursor): Parse<Select> =>
  Either.gen(function* () {
    const at = yield* c.expect("SELECT")
    const distinct = c.accept("DISTINCT")
    if (!distinct) c.accept("ALL")
    const as = c.accept("AS", "STRUCT") ? "STRUCT" : c.accept("AS", "VALUE") ? "VALUE" : undefined
    const items: Array<SelectItem> = []
    do {
      if (c.at("FROM") || c.peek().kind === "end" || c.at(")")) break
      items.push(yield* parseItem(c))
    } while (c.accept(","))
    if (items.length === 0) return yield* c.syntaxError("Expected a select list")
    const from = c.accept("FROM") ? yield* parseFrom(c) : undefined
    const where = c.accept("WHERE") ? yield* parseExpr(c) : undefined
    const groupBy = c.accept("GROUP", "BY") ? yield* parseGroupBy(c) : undefined
    const having = c.accept("HAVING") ? yield* parseExpr(c) : undefined
    const qualify = c.accept("QUALIFY") ? yield* parseExpr(c) : undefined
    const windows: Array<{ name: string; window: Window }> = []
    if (c.accept("WINDOW")) {
      do {
        const name = yield* c.name("window name")
        yield* c.expect("AS")
        windows.push({ name, window: yield* parseWindow(c) })
      } while (c.accept(","))
    }
    return { kind: "select", at, distinct, as, items, from, where, groupBy, having, qualify, windows } satisfies Select
  })

const parseItem = (c: Cursor): Parse<SelectItem> =>
  Either.gen(function* () {
    const at = c.peek()
    if (c.accept("*")) return yield* parseStar(c, at, undefined)
    const value = yield* parseExpr(c)
    if (c.at(".", "*")) {
      c.next()
      c.next()
      return yield* parseStar(c, at, value)
    }
    return { kind: "expr", value, alias: yield* c.alias() } satisfies SelectItem
  })

const parseStar = (c: Cursor, at: Token, of: Expr | undefined): Parse<SelectItem> =>
  Either.gen(function* () {
    const except: Array<string> = []
    const replace: Array<{ name: string; value: Expr }> = []
    if (c.at("EXCEPT", "(")) {
      c.next()
      c.next()
      except.push(...(yield* c.list((c) => c.anyName("column name"))))
      yield* c.expect(")")
    }
    if (c.accept("REPLACE")) {
      yield* c.expect("(")
      do {
        const value = yield* parseExpr(c)
        yield* c.expect("AS")
        replace.push({ value, name: yield* c.name("column name") })
      } while (c.accept(","))
      yield* c.expect(")")
    }
    return { kind: "star", at, of, except, replace } satisfies SelectItem
  })

const parseGroupBy = (c: Cursor): Parse<GroupBy> =>
  Either.gen(function* () {
    if (c.accept("ALL")) return { all: true, items: [] }
    const items = yield* c.list(parseGroupItem)
    return { all: false, items }
  })

const parseGroupItem = (c: Cursor): Parse<GroupItem> =>
  Either.gen(function* () {
    if (c.accept("GROUPING", "SETS")) {
      yield* c.expect("(")
      const sets = yield* c.list(parseGroupingSet)
      yield* c.expect(")")
      return { kind: "GROUPING SETS", sets } satisfies GroupItem
    }
    if (c.atAny("ROLLUP", "CUBE") && c.peek(1).upper === "(") {
      const kind = c.next().upper === "CUBE" ? "CUBE" : "ROLLUP"
      yield* c.expect("(")
      const sets = yield* c.list(parseGroupingSet)
      yield* c.expect(")")
      return { kind, sets } satisfies GroupItem
    }
    return { kind: "expr", value: yield* parseExpr(c) } satisfies GroupItem
  })

const parseGroupingSet = (c: Cursor): Parse<ReadonlyArray<Expr>> =>
  Either.gen(function* () {
    if (c.atAny("ROLLUP", "CUBE")) return yield* c.unsupported("ROLLUP or CUBE within grouping sets")
    if (!c.at("(")) return [yield* parseExpr(c)]
    c.next()
    if (c.accept(")")) return []
    const items = yield* c.list(parseExpr)
    yield* c.expect(")")
    return items
  })

/** What follows FROM: items joined by commas and JOIN. */
export const parseFrom = (c: Cursor): Parse<FromItem> =>
  Either.gen(function* () {
    let left = yield* parseFromItem(c)
    while (true) {
      const at = c.peek()
      if (c.accept(",")) {
        left = { kind: "join", at, type: "CROSS", left, right: yield* parseFromItem(c), on: undefined, using: [] }
        continue
      }
      if (c.accept("CROSS", "JOIN")) {
        left = { kind: "join", at, type: "CROSS", left, right: yield* parseFromItem(c), on: undefined, using: [] }
        continue
      }
      const type = c.atAny("LEFT", "RIGHT", "FULL", "INNER") ? c.next().upper : c.at("JOIN") ? "INNER" : undefined
      if (type === undefined) {
        if (c.at("NATURAL")) return yield* c.unsupported("NATURAL JOIN")
        return left
      }
      c.accept("OUTER")
      yield* c.expect("JOIN")
      if (type !== "INNER" && type !== "LEFT" && type !== "RIGHT" && type !== "FULL")
        return yield* c.syntaxError("Expected JOIN", at)
      const right = yield* parseFromItem(c)
      if (c.accept("USING")) {
        yield* c.expect("(")
        const using = yield* c.list((c) => c.name("column name"))
        yield* c.expect(")")
        left = { kind: "join", at, type, left, right, on: undefined, using }
      } else if (c.accept("ON")) {
        left = { kind: "join", at, type, left, right, on: yield* parseExpr(c), using: [] }
      } else if (right.kind === "unnest" || (right.kind === "table" && right.path.length > 1)) {
        left = { kind: "join", at, type, left, right, on: undefined, using: [] }
      } else return yield* c.unsupported("a JOIN without its condition beside it", at)
    }
  })

const parseFromItem = (c: Cursor): Parse<FromItem> =>
  Either.gen(function* () {
    const at = c.peek()
    if (c.accept("(")) {
      if (c.atAny("SELECT", "WITH") || (c.at("(") && startsQuery(c))) {
        const query = yield* parseQuery(c)
        yield* c.expect(")")
        return yield* finish(c, { kind: "subquery", at, query, alias: yield* c.alias() })
      }
      const inner = yield* parseFrom(c)
      yield* c.expect(")")
      return inner
    }
    if (c.accept("UNNEST", "(")) {
      const array = yield* parseExpr(c)
      yield* c.expect(")")
      return yield* finishUnnest(c, { kind: "unnest", at, array, alias: yield* c.alias(), offset: undefined })
    }
    if (c.atAny("LATERAL", "TABLE")) return yield* c.unsupported(`${at.upper} in FROM`)
    const path = yield* c.path("table name")
    if (c.accept("(")) {
      const args = c.at(")") ? [] : yield* c.list(parseExpr)
      yield* c.expect(")")
      return yield* finish(c, { kind: "function", at, path, args, alias: yield* c.alias() })
    }
    c.tables.push(path)
    const table: FromItem = { kind: "table", at, path, alias: yield* c.alias() }
    if (c.at("WITH", "OFFSET")) {
      return yield* finishUnnest(c, {
        kind: "unnest",
        at,
        array: { kind: "path", at, parts: path },
        alias: table.alias ?? path.at(-1),
        offset: undefined
      })
    }
    return yield* finish(c, table)
  })

const startsQuery = (c: Cursor): boolean => {
  let ahead = 0
  while (c.peek(ahead).upper === "(") ahead++
  return c.peek(ahead).upper === "SELECT" || c.peek(ahead).upper === "WITH"
}

const finishUnnest = (c: Cursor, item: FromItem & { kind: "unnest" }): Parse<FromItem> =>
  Either.gen(function* () {
    if (c.accept("WITH", "OFFSET")) return yield* finish(c, { ...item, offset: (yield* c.alias()) ?? "offset" })
    return yield* finish(c, item)
  })

const finish = (c: Cursor, item: FromItem): Parse<FromItem> => {
  if (c.atAny("PIVOT", "UNPIVOT") && ["(", "INCLUDE", "EXCLUDE"].includes(c.peek(1).upper)) return parsePivot(c, item)
  if (c.at("TABLESAMPLE")) return c.unsupported("TABLESAMPLE")
  if (c.at("FOR", "SYSTEM_TIME") || c.at("FOR", "SYSTEM")) return c.unsupported("FOR SYSTEM_TIME")
  return Either.right(item)
}

const parseLabelled = (c: Cursor): Parse<Labelled> =>
  Either.gen(function* () {
    const value = yield* parseExpr(c)
    return { value, alias: yield* c.alias() }
  })

const parsePivot = (c: Cursor, source: FromItem): Parse<FromItem> =>
  Either.gen(function* () {
    const at = c.next()
    if (at.upper === "PIVOT") {
      yield* c.expect("(")
      const aggregates = yield* c.list(parseLabelled)
      yield* c.expect("FOR")
      const by = yield* parsePrimary(c)
      yield* c.expect("IN", "(")
      const values = yield* c.list(parseLabelled)
      yield* c.expect(")", ")")
      return { kind: "pivot", at, source, aggregates, by, values, alias: yield* c.alias() } satisfies FromItem
    }
    const includeNulls = c.accept("INCLUDE", "NULLS")
    c.accept("EXCLUDE", "NULLS")
    yield* c.expect("(")
    const value = yield* c.name("column name")
    yield* c.expect("FOR")
    const name = yield* c.name("column name")
    yield* c.expect("IN", "(")
    const columns = yield* c.list((c) =>
      Either.gen(function* () {
        const value = yield* parseExpr(c)
        if (c.accept("AS")) {
          const label = c.next()
          return label.kind === "string"
            ? { value, alias: label.text }
            : yield* c.unsupported("this UNPIVOT label", label)
        }
        return { value, alias: undefined }
      })
    )
    yield* c.expect(")", ")")
    return {
      kind: "unpivot",
      at,
      source,
      value,
      name,
      columns,
      includeNulls,
      alias: yield* c.alias()
    } satisfies FromItem
  })
