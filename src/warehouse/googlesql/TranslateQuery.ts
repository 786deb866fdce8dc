/**
 * Queries of GoogleSQL as DuckDB SQL. Every FROM item gets a name of its own and every column is written with it, so that DuckDB has no
 * name to resolve by its own rules.
 */
import * as Either from "effect/Either"
import { sortKeys, windowSql } from "./Aggregates.ts"
import type { Expr, GroupItem, OrderItem, Query, QueryBody, Select, SelectItem } from "./Ast.ts"
import { coerce, convert, packStruct } from "./Coercion.ts"
import { scopeOf, translateFrom } from "./From.ts"
import { columnsNamed, fieldOf } from "./Names.ts"
import type { Token } from "./Tokens.ts"
import { condition, impliedName } from "./TranslateExpression.ts"
import {
  innerScope,
  rejected,
  unsupported,
  type CommonTable,
  type OutputColumn,
  type Scope,
  type ScopeColumn,
  type TranslatedQuery,
  type Translate,
  type Translator,
  type Typed
} from "./Translator.ts"
import { isGroupable, quoteName, scalar, supertype, typeName, type SqlType } from "./Types.ts"

/** One query in the scope that surrounds it. */
export const translateQuery = (t: Translator, q: Query, outer: Scope): Translate<TranslatedQuery> =>
  Either.gen(function* () {
    if (q.recursive) return yield* unsupported(t, q.at, "WITH RECURSIVE")
    const ctes = new Map<string, CommonTable>(outer.ctes)
    const definitions: Array<string> = []
    for (const cte of q.with) {
      const query = yield* t.query(cte.query, { ...outer, ctes })
      const sqlName = quoteName(`cte${t.fresh()}`)
      definitions.push(`${sqlName} AS ${isOfTable(cte.query, ctes) ? "NOT MATERIALIZED " : ""}(${query.sql})`)
      ctes.set(cte.name.toLowerCase(), { sqlName, columns: query.columns, valueTable: query.valueTable })
    }
    const scope: Scope = { ...outer, ctes }
    const prefix = definitions.length === 0 ? "" : `WITH ${definitions.join(", ")} `
    const tail = yield* limitSql(t, q, scope)
    if (q.body.kind === "select" && !q.body.distinct) {
      const select = yield* translateSelect(t, q.body, scope, q.orderBy)
      return { ...select, sql: `${prefix}${select.sql}${tail}`, ordered: q.orderBy.length > 0 }
    }
    const body = yield* translateBody(t, q.body, scope)
    if (q.orderBy.length === 0 && tail === "") return { ...body, sql: `${prefix}${body.sql}` }
    const name = quoteName(`t${t.fresh()}`)
    const columns = body.columns.map((column) => ({
      name: column.name,
      value: { sql: `${name}.${quoteName(column.column)}`, type: column.type }
    }))
    const aliases = new Map(columns.map((column) => [column.name.toLowerCase(), column.value]))
    const keys = yield* orderSql(t, q.orderBy, { ...innerScope(outer), aliases }, columns)
    return {
      ...body,
      sql: `${prefix}SELECT * FROM (${body.sql}) AS ${name}${keys}${tail}`,
      ordered: q.orderBy.length > 0 || body.ordered
    }
  })

const limitSql = (t: Translator, q: Query, scope: Scope): Translate<string> =>
  Either.gen(function* () {
    let sql = ""
    for (const [word, e] of [["LIMIT", q.limit] as const, ["OFFSET", q.offset] as const]) {
      if (e === undefined) continue
      const value = yield* t.expr(e, innerScope(scope))
      sql += ` ${word} ${yield* convert(t, e.at, value, scalar("INT64"), word)}`
    }
    return sql
  })

/**
 * Whether a common table expression has the rows of one stored table, with all their columns. DuckDB would keep a copy of them for the
 * statement, however few columns a reference reads; as in BigQuery each reference reads the table instead.
 */
const isOfTable = ({ body, limit, offset, orderBy, with: ctes }: Query, known: ReadonlyMap<string, CommonTable>) =>
  body.kind === "select" &&
  !body.distinct &&
  body.from?.kind === "table" &&
  !known.has(body.from.path.join(".").toLowerCase()) &&
  body.items.some(({ kind }) => kind !== "expr") &&
  [body.groupBy, body.having, body.qualify, limit, offset].every((part) => part === undefined) &&
  orderBy.length + ctes.length === 0

const translateBody = (t: Translator, body: QueryBody, scope: Scope): Translate<TranslatedQuery> =>
  Either.gen(function* () {
    if (body.kind === "nested") return yield* t.query(body.query, scope)
    if (body.kind === "select") return yield* translateSelect(t, body, scope, [])
    const left = yield* translateBody(t, body.left, scope)
    const right = yield* translateBody(t, body.right, scope)
    if (left.columns.length !== right.columns.length) {
      return yield* rejected(
        t,
        body.at,
        `Queries in ${body.operator} have mismatched column count; query 1 has ${left.columns.length} columns, query 2 has ${right.columns.length} columns`
      )
    }
    const types: Array<SqlType> = []
    for (const [index, column] of left.columns.entries()) {
      const other = right.columns[index]
      const type = other === undefined ? undefined : supertype(column.type, other.type)
      if (type === undefined || other === undefined) {
        return yield* unsupported(
          t,
          body.at,
          `column ${index + 1} of ${body.operator} with types ${typeName(column.type)} and ${other === undefined ? "none" : typeName(other.type)}`
        )
      }
      if (body.operator !== "UNION ALL" && !isGroupable(type))
        return yield* unsupported(t, body.at, `${body.operator} over ${typeName(type)}`)
      types.push(type)
    }
    const a = yield* castColumns(t, body.at, left, types)
    const b = yield* castColumns(t, body.at, right, types)
    const operator = body.operator === "UNION DISTINCT" ? "UNION" : body.operator.replace(" DISTINCT", "")
    const columns = left.columns.map((column, index) => ({ ...column, type: types[index] ?? column.type }))
    return {
      sql: `(${a}) ${operator} (${b})`,
      columns,
      valueTable: left.valueTable && right.valueTable,
      ordered: false
    }
  })

const castColumns = (
  t: Translator,
  at: Token,
  query: TranslatedQuery,
  types: ReadonlyArray<SqlType>
): Translate<string> =>
  Either.gen(function* () {
    if (
      query.columns.every(
        (column, index) =>
          typeName(column.type) === typeName(types[index] ?? column.type) && column.type.kind !== "NULL"
      )
    ) {
      return query.sql
    }
    const name = quoteName(`t${t.fresh()}`)
    const columns: Array<string> = []
    for (const [index, column] of query.columns.entries()) {
      const value: Typed = { sql: `${name}.${quoteName(column.column)}`, type: column.type }
      columns.push(`${yield* coerce(t, at, value, types[index] ?? column.type)} AS ${quoteName(column.column)}`)
    }
    return `SELECT ${columns.join(", ")} FROM (${query.sql}) AS ${name}`
  })

interface Item {
  readonly name: string
  readonly value: Typed
  readonly explicit: boolean
}

const translateSelect = (
  t: Translator,
  select: Select,
  outer: Scope,
  orderBy: ReadonlyArray<OrderItem>
): Translate<TranslatedQuery> =>
  Either.gen(function* () {
    const from = select.from === undefined ? undefined : yield* translateFrom(t, select.from, outer)
    const fromScope: Scope = from === undefined ? outer : scopeOf(outer, from)
    const windows = new Map<string, string>()
    for (const each of select.windows)
      windows.set(each.name.toLowerCase(), yield* windowSql(t, select.at, each.window, { ...fromScope, windows }))
    const scope: Scope = { ...fromScope, windows }
    const items: Array<Item> = []
    for (const item of select.items) items.push(...(yield* translateItem(t, item, scope, select)))
    const { columns, list } = yield* output(t, select, items)

    const aliases = new Map<string, Typed>()
    for (const item of items) if (item.name !== "") aliases.set(item.name.toLowerCase(), item.value)
    const isColumn = (name: string): boolean =>
      [scope.merged, ...scope.relations.map((each) => each.columns)].some(
        (columns) => columnsNamed(columns, name).length > 0
      )
    const laterAliases = new Map([...aliases].filter(([name]) => !isColumn(name)))
    const later: Scope = { ...scope, aliases: laterAliases }

    let sql = `SELECT ${select.distinct ? "DISTINCT " : ""}${list}`
    if (select.distinct && items.some((item) => !isGroupable(item.value.type)))
      return yield* unsupported(t, select.at, "SELECT DISTINCT over an array, a struct or JSON")
    if (from !== undefined) sql += ` FROM ${from.sql}`
    if (select.where !== undefined) sql += ` WHERE ${yield* condition(t, select.where, scope, "WHERE")}`
    if (select.groupBy !== undefined) {
      const keys: Array<string> = []
      for (const item of select.groupBy.items) keys.push(yield* groupSql(t, item, items, scope, select))
      sql += ` GROUP BY ${select.groupBy.all ? "ALL" : keys.join(", ")}`
    }
    if (select.having !== undefined) sql += ` HAVING ${yield* condition(t, select.having, later, "HAVING")}`
    if (select.qualify !== undefined) sql += ` QUALIFY ${yield* condition(t, select.qualify, later, "QUALIFY")}`
    const outputs = items.map((item) => ({ name: item.name, value: item.value }))
    sql += yield* orderSql(t, orderBy, { ...scope, aliases }, outputs)
    return { sql, columns, valueTable: select.as !== undefined, ordered: orderBy.length > 0 }
  })

const orderSql = (
  t: Translator,
  orderBy: ReadonlyArray<OrderItem>,
  scope: Scope,
  outputs: ReadonlyArray<ScopeColumn>
): Translate<string> =>
  Either.gen(function* () {
    if (orderBy.length === 0) return ""
    const keys: Array<string> = []
    for (const item of orderBy) {
      const ordinal = ordinalOf(item.value)
      const value = ordinal === undefined ? yield* t.expr(item.value, scope) : outputs[ordinal - 1]?.value
      if (value === undefined) return yield* rejected(t, item.value.at, `ORDER BY column number item is out of range`)
      // A constant orders nothing, and DuckDB would take a number for a column's position.
      if (value.literal !== undefined || value.type.kind === "NULL") continue
      keys.push(yield* sortKeys(t, item, value))
    }
    return keys.length === 0 ? "" : ` ORDER BY ${keys.join(", ")}`
  })

const ordinalOf = (e: Expr): number | undefined =>
  e.kind === "literal" && e.type === "INT64" ? Number(e.text) : undefined

const translateItem = (t: Translator, item: SelectItem, scope: Scope, select: Select): Translate<ReadonlyArray<Item>> =>
  Either.gen(function* () {
    if (item.kind === "expr") {
      const value = yield* t.expr(item.value, scope)
      return [{ name: item.alias ?? impliedName(item.value), value, explicit: item.alias !== undefined }]
    }
    const all: ReadonlyArray<ScopeColumn> = item.of === undefined ? scope.star : yield* fieldsOf(t, item.of, scope)
    if (item.of === undefined && select.from === undefined)
      return yield* rejected(t, item.at, "SELECT * must have a FROM clause")
    const except = new Set(item.except.map((name) => name.toLowerCase()))
    for (const name of except) {
      if (!all.some((column) => column.name.toLowerCase() === name))
        return yield* rejected(t, item.at, `Column ${name} in SELECT * EXCEPT list does not exist`)
    }
    const items: Array<Item> = []
    const replaced = new Map<string, Typed>()
    for (const each of item.replace) {
      if (!all.some((column) => column.name.toLowerCase() === each.name.toLowerCase()))
        return yield* rejected(t, item.at, `Column ${each.name} in SELECT * REPLACE list does not exist`)
      replaced.set(each.name.toLowerCase(), yield* t.expr(each.value, scope))
    }
    for (const column of all) {
      const name = column.name.toLowerCase()
      if (except.has(name)) continue
      if (column.value.type.kind === "OTHER")
        return yield* unsupported(t, item.at, `the engine type of column ${column.name}`)
      items.push({ name: column.name, value: replaced.get(name) ?? column.value, explicit: false })
    }
    return items
  })

const fieldsOf = (t: Translator, e: Expr, scope: Scope): Translate<ReadonlyArray<ScopeColumn>> =>
  Either.gen(function* () {
    if (e.kind === "path" && e.parts.length === 1) {
      const name = (e.parts[0] ?? "").toLowerCase()
      for (let level: Scope | undefined = scope; level !== undefined; level = level.parent) {
        const relation = level.relations.find((each) => each.alias?.toLowerCase() === name)
        if (relation !== undefined) return relation.columns
      }
    }
    const value = yield* t.expr(e, scope)
    if (value.type.kind !== "STRUCT")
      return yield* rejected(t, e.at, `Dot-star is not supported for type ${typeName(value.type)}`)
    return value.type.fields.map((field, index) => ({ name: field.name, value: fieldOf(value, index, field) }))
  })

const output = (
  t: Translator,
  select: Select,
  items: ReadonlyArray<Item>
): Translate<{ readonly columns: ReadonlyArray<OutputColumn>; readonly list: string }> =>
  Either.gen(function* () {
    if (select.as === "VALUE") {
      const only = items[0]
      if (only === undefined || items.length !== 1)
        return yield* rejected(t, select.at, "SELECT AS VALUE query must have exactly one column")
      return { columns: [{ name: "", type: only.value.type, column: "value" }], list: `${only.value.sql} AS "value"` }
    }
    if (select.as === "STRUCT") {
      const fields = items.map((item) => ({
        name: item.name,
        type: item.value.type.kind === "NULL" ? scalar("INT64") : item.value.type
      }))
      const type = { kind: "STRUCT" as const, fields }
      const values: Array<string> = []
      for (const [index, item] of items.entries())
        values.push(yield* coerce(t, select.at, item.value, fields[index]?.type ?? item.value.type))
      return { columns: [{ name: "", type, column: "value" }], list: `${packStruct(type, values)} AS "value"` }
    }
    const taken = new Set<string>()
    const columns = items.map((item, index): OutputColumn => {
      const wanted = item.name === "" ? `f${index}_` : item.name
      let column = wanted
      for (let copy = 1; taken.has(column.toLowerCase()); copy++) column = `${wanted}_${copy}`
      taken.add(column.toLowerCase())
      return { name: item.name, type: item.value.type, column }
    })
    const list = items
      .map((item, index) => `${item.value.sql} AS ${quoteName(columns[index]?.column ?? "")}`)
      .join(", ")
    return { columns, list }
  })

const groupSql = (
  t: Translator,
  item: GroupItem,
  items: ReadonlyArray<Item>,
  scope: Scope,
  select: Select
): Translate<string> =>
  Either.gen(function* () {
    if (item.kind !== "expr") {
      const sets: Array<string> = []
      for (const set of item.sets) {
        const keys: Array<string> = []
        for (const e of set) keys.push(yield* groupKey(t, e, items, scope, false, select))
        sets.push(`(${keys.join(", ")})`)
      }
      return `${item.kind} (${sets.join(", ")})`
    }
    return yield* groupKey(t, item.value, items, scope, true, select)
  })

const groupKey = (
  t: Translator,
  e: Expr,
  items: ReadonlyArray<Item>,
  scope: Scope,
  ordinals: boolean,
  select: Select
): Translate<string> =>
  Either.gen(function* () {
    const alias = e.kind === "path" && e.parts.length === 1 ? (e.parts[0] ?? "").toLowerCase() : undefined
    const named = items.findIndex((item) => item.explicit && item.name.toLowerCase() === alias)
    const index = named !== -1 ? named : (ordinalOf(e) ?? 0) - 1
    const item = items[index]
    if (ordinalOf(e) !== undefined && item === undefined)
      return yield* rejected(t, e.at, "GROUP BY column number item is out of range")
    const value = item === undefined ? yield* t.expr(e, scope) : item.value
    if (!isGroupable(value.type)) return yield* unsupported(t, e.at, `GROUP BY over ${typeName(value.type)}`)
    return item !== undefined && ordinals && select.as === undefined ? String(index + 1) : value.sql
  })

/** The whole result of a statement: final names, no bare NULL type, no NULL inside an array. */
export const finalQuery = (t: Translator, q: Query, scope: Scope): Translate<TranslatedQuery> =>
  Either.gen(function* () {
    const query = yield* t.query(q, scope)
    const struct = query.valueTable ? query.columns[0] : undefined
    const name = quoteName(`t${t.fresh()}`)
    const sources: ReadonlyArray<{ readonly name: string; readonly value: Typed }> =
      struct !== undefined && struct.type.kind === "STRUCT"
        ? struct.type.fields.map((field, index) => ({
            name: field.name,
            value: fieldOf({ sql: `${name}.${quoteName(struct.column)}`, type: struct.type }, index, field)
          }))
        : query.columns.map((column) => ({
            name: column.name,
            value: { sql: `${name}.${quoteName(column.column)}`, type: column.type }
          }))
    let anonymous = 0
    const seen = new Set<string>()
    const columns: Array<OutputColumn> = []
    const list: Array<string> = []
    for (const source of sources) {
      const column = source.name === "" ? `f${anonymous++}_` : source.name
      if (seen.has(column.toLowerCase()))
        return yield* rejected(
          t,
          q.at,
          `Duplicate column names in the result are not supported. Found duplicate(s): ${column}`
        )
      seen.add(column.toLowerCase())
      const { sql, type } = source.value
      const value =
        type.kind === "NULL" ? "CAST(NULL AS BIGINT)" : type.kind === "ARRAY" ? `bq_output_array(${sql})` : sql
      if (type.kind === "OTHER") return yield* unsupported(t, q.at, `the engine type of column ${column}`)
      columns.push({ name: column, type: type.kind === "NULL" ? scalar("INT64") : type, column })
      list.push(`${value} AS ${quoteName(column)}`)
    }
    const plain = query.columns.every(
      (column, index) =>
        column.column === columns[index]?.name && column.type.kind !== "NULL" && column.type.kind !== "ARRAY"
    )
    return plain && struct === undefined
      ? { ...query, columns }
      : {
          sql: `SELECT ${list.join(", ")} FROM (${query.sql}) AS ${name}`,
          columns,
          valueTable: false,
          ordered: query.ordered
        }
  })
