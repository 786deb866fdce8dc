/**
 * FROM: tables, subqueries, UNNEST, table functions and joins, and the names that they bring into scope.
 */
import * as Either from "effect/Either"
import type { FromItem } from "./Ast.ts"
import { pivot, unpivot } from "./Pivot.ts"
import { convert, packStruct, unify } from "./Coercion.ts"
import { informationSchema } from "./InformationSchema.ts"
import { fieldOf } from "./Names.ts"
import {
  emptyScope,
  invalid,
  rejected,
  resolvePath,
  unsupported,
  type OutputColumn,
  type Relation,
  type Scope,
  type ScopeColumn,
  type Translate,
  type Translator,
  type Typed
} from "./Translator.ts"
import { resolveType } from "./TypeNames.ts"
import { quoteName, scalar, typeName } from "./Types.ts"

/** A translated FROM: its SQL and what it brings into scope. */
export interface TranslatedFrom {
  readonly sql: string
  readonly relations: ReadonlyArray<Relation>
  readonly star: ReadonlyArray<ScopeColumn>
  readonly merged: ReadonlyArray<ScopeColumn>
}

/** The scope of a query after its FROM. */
export const scopeOf = (outer: Scope, from: TranslatedFrom): Scope => ({
  ...outer,
  relations: from.relations,
  star: from.star,
  merged: from.merged
})

/** One FROM item; `left` is what stands before it, which only UNNEST sees. */
export const translateFrom = (
  t: Translator,
  item: FromItem,
  outer: Scope,
  left?: TranslatedFrom
): Translate<TranslatedFrom> =>
  Either.gen(function* () {
    switch (item.kind) {
      case "table":
        return yield* translateTable(t, item, outer, left)
      case "subquery": {
        const query = yield* t.query(item.query, { ...emptyScope, parent: outer.parent, ctes: outer.ctes })
        return relationFrom(t, `(${query.sql})`, item.alias, query.columns, query.valueTable)
      }
      case "unnest":
        return yield* translateUnnest(t, item, outer, left)
      case "function": {
        const key = yield* functionKey(t, item)
        const user = t.environment.tableFunctions.get(key)
        if (user === undefined)
          return yield* rejected(t, item.at, `Table-valued function not found: ${item.path.join(".")}`)
        if (user.parameters.length !== item.args.length)
          return yield* unsupported(t, item.at, "a table function with other arguments than its parameters")
        const variables = new Map<string, Typed>()
        for (const [index, parameter] of user.parameters.entries()) {
          const arg = item.args[index]
          if (arg === undefined || parameter.type === undefined)
            return yield* unsupported(t, item.at, "a table function's ANY TYPE parameter")
          const type = yield* resolveType(t, parameter.type)
          const value = yield* t.expr(arg, outer)
          variables.set(parameter.name.toLowerCase(), {
            sql: yield* convert(t, item.at, value, type, "Argument"),
            type
          })
        }
        const query = yield* t.rebind({ ...t.environment, variables }).query(user.body, emptyScope)
        return relationFrom(t, `(${query.sql})`, item.alias, query.columns, query.valueTable)
      }
      case "pivot":
      case "unpivot": {
        const source = yield* translateFrom(t, item.source, outer, left)
        const input = { sql: source.sql, columns: source.star }
        const result = item.kind === "pivot" ? yield* pivot(t, item, input) : yield* unpivot(t, item, input)
        return relationFrom(t, `(${result.sql})`, item.alias, result.columns, false)
      }
      case "join":
        return yield* translateJoin(t, item, outer, left)
    }
  })

const functionKey = (t: Translator, item: FromItem & { kind: "function" }): Translate<string> =>
  item.path.length === 1
    ? Either.right((item.path[0] ?? "").toLowerCase())
    : Either.map(resolvePath(t, item.at, item.path), (name) => name.toLowerCase())

const relationFrom = (
  t: Translator,
  source: string,
  alias: string | undefined,
  columns: ReadonlyArray<OutputColumn>,
  valueTable: boolean
): TranslatedFrom => {
  const name = quoteName(`t${t.fresh()}`)
  const value = (column: OutputColumn): Typed => ({ sql: `${name}.${quoteName(column.column)}`, type: column.type })
  const only = columns[0]
  if (valueTable && only !== undefined) return { sql: `${source} AS ${name}`, ...valueRelation(alias, value(only), []) }
  const visible = columns.map((column) => ({ name: column.name, value: value(column) }))
  const relation: Relation = {
    alias,
    columns: visible,
    // Few statements name a whole row, and its text is as long as the relation is wide.
    get whole() {
      if (columns.some((column) => column.type.kind === "OTHER")) return undefined
      const type = { kind: "STRUCT" as const, fields: columns.map(({ name, type }) => ({ name, type })) }
      const fields = visible.map((column) => column.value.sql)
      return { sql: packStruct(type, fields), type }
    }
  }
  return { sql: `${source} AS ${name}`, relations: [relation], star: visible, merged: [] }
}

/** The relation of a value table: its alias is the value, its columns the fields of a struct. */
const valueRelation = (
  alias: string | undefined,
  value: Typed,
  more: ReadonlyArray<ScopeColumn>
): Omit<TranslatedFrom, "sql"> => {
  const columns: ReadonlyArray<ScopeColumn> =
    value.type.kind === "STRUCT"
      ? value.type.fields.map((field, index) => ({ name: field.name, value: fieldOf(value, index, field) }))
      : [{ name: alias ?? "", value }]
  const star = [...columns, ...more]
  return {
    relations: [
      { alias, columns, whole: value },
      ...(more.length === 0 ? [] : [{ alias: undefined, columns: more, whole: undefined }])
    ],
    star,
    merged: []
  }
}

const translateTable = (
  t: Translator,
  item: FromItem & { kind: "table" },
  outer: Scope,
  left?: TranslatedFrom
): Translate<TranslatedFrom> =>
  Either.gen(function* () {
    const first = (item.path[0] ?? "").toLowerCase()
    const cte = item.path.length === 1 ? outer.ctes.get(first) : undefined
    if (cte !== undefined) return relationFrom(t, cte.sqlName, item.alias ?? item.path[0], cte.columns, cte.valueTable)
    const names = [...(left?.relations ?? []), ...outerRelations(outer)]
    if (item.path.length > 1 && names.some((relation) => relation.alias?.toLowerCase() === first)) {
      return yield* translateUnnest(
        t,
        {
          kind: "unnest",
          at: item.at,
          array: { kind: "path", at: item.at, parts: item.path },
          alias: item.alias ?? item.path.at(-1),
          offset: undefined
        },
        outer,
        left
      )
    }
    const system = yield* informationSchema(t, item)
    if (system !== undefined)
      return relationFrom(t, `(${system.sql})`, item.alias ?? item.path.at(-1), system.columns, false)
    if (item.path.some((part) => part.includes("*"))) return yield* unsupported(t, item.at, "a wildcard table")
    const name = yield* resolvePath(t, item.at, item.path)
    const columns = t.environment.tables.get(name)
    if (columns === undefined)
      return yield* invalid(t, item.at, `Not found: Table ${item.path.join(".")} was not found`)
    return relationFrom(t, name, item.alias ?? item.path.at(-1), columns, false)
  })

const outerRelations = (scope: Scope): ReadonlyArray<Relation> =>
  scope.parent === undefined ? [] : [...scope.parent.relations, ...outerRelations(scope.parent)]

const translateUnnest = (
  t: Translator,
  item: FromItem & { kind: "unnest" },
  outer: Scope,
  left?: TranslatedFrom
): Translate<TranslatedFrom> =>
  Either.gen(function* () {
    const scope = left === undefined ? { ...outer, relations: [], star: [], merged: [] } : scopeOf(outer, left)
    const { array, type } = yield* arrayOfUnnest(t, item, scope)
    const name = quoteName(`t${t.fresh()}`)
    const more: ReadonlyArray<ScopeColumn> =
      item.offset === undefined
        ? []
        : [{ name: item.offset, value: { sql: `(${name}."ordinal" - 1)`, type: scalar("INT64") } }]
    return {
      sql: `unnest(${array}) WITH ORDINALITY AS ${name}("value", "ordinal")`,
      ...valueRelation(item.alias, { sql: `${name}."value"`, type }, more)
    }
  })

/** The array of an UNNEST, and the type of its elements. */
const arrayOfUnnest = (t: Translator, item: FromItem & { kind: "unnest" }, scope: Scope) =>
  Either.gen(function* () {
    const { sql, type } = yield* t.expr(item.array, scope)
    if (type.kind !== "ARRAY")
      return yield* rejected(t, item.at, `Values referenced in UNNEST must be arrays; got type ${typeName(type)}`)
    return { array: sql, type: type.element.kind === "NULL" ? scalar("INT64") : type.element }
  })

/** An UNNEST by itself, whose elements a lambda takes one by one: its array, the lambda's parameter, and the scope that has the element. */
export const unnestForLambda = (t: Translator, item: FromItem & { kind: "unnest" }, outer: Scope) =>
  Either.map(arrayOfUnnest(t, item, outer), ({ array, type }) => {
    const parameter = quoteName(`t${t.fresh()}`)
    const scope: Scope = { ...outer, ...valueRelation(item.alias, { sql: parameter, type }, []) }
    return { array, parameter, scope }
  })

const translateJoin = (
  t: Translator,
  item: FromItem & { kind: "join" },
  outer: Scope,
  before?: TranslatedFrom
): Translate<TranslatedFrom> =>
  Either.gen(function* () {
    const left = yield* translateFrom(t, item.left, outer, before)
    const right = yield* translateFrom(t, item.right, outer, left)
    const relations = [...left.relations, ...right.relations]
    const both: TranslatedFrom = {
      sql: "",
      relations,
      star: [...left.star, ...right.star],
      merged: [...left.merged, ...right.merged]
    }
    if (item.type === "CROSS") return { ...both, sql: `${left.sql} CROSS JOIN ${right.sql}` }
    const keyword = `${left.sql} ${item.type} JOIN ${right.sql}`
    if (item.using.length > 0) return yield* translateUsing(t, item, both, left, right, keyword)
    if (item.on === undefined) return { ...both, sql: `${keyword} ON TRUE` }
    const condition = yield* t.expr(item.on, scopeOf(outer, both))
    return { ...both, sql: `${keyword} ON ${yield* convert(t, item.at, condition, scalar("BOOL"), "JOIN condition")}` }
  })

const translateUsing = (
  t: Translator,
  item: FromItem & { kind: "join" },
  both: TranslatedFrom,
  left: TranslatedFrom,
  right: TranslatedFrom,
  keyword: string
): Translate<TranslatedFrom> =>
  Either.gen(function* () {
    const conditions: Array<string> = []
    const merged: Array<ScopeColumn> = []
    const column = (side: TranslatedFrom, name: string): ScopeColumn | undefined => {
      const all = [...side.merged, ...side.star].filter((each) => each.name.toLowerCase() === name.toLowerCase())
      return all[0]
    }
    for (const name of item.using) {
      const a = column(left, name)
      const b = column(right, name)
      if (a === undefined || b === undefined)
        return yield* rejected(t, item.at, `Column ${name} in USING clause not found`)
      const values = yield* unify(t, item.at, [a.value, b.value], "USING")
      if (values.type.kind === "FLOAT64") return yield* unsupported(t, item.at, "USING over FLOAT64")
      conditions.push(`${values.sql[0]} = ${values.sql[1]}`)
      const sql =
        item.type === "RIGHT"
          ? b.value
          : item.type === "FULL"
            ? { sql: `coalesce(${values.sql[0]}, ${values.sql[1]})`, type: values.type }
            : a.value
      merged.push({ name, value: sql })
    }
    const used = (each: ScopeColumn): boolean =>
      item.using.some((name) => name.toLowerCase() === each.name.toLowerCase())
    const rest = (side: TranslatedFrom): ReadonlyArray<ScopeColumn> => side.star.filter((each) => !used(each))
    return {
      sql: `${keyword} ON ${conditions.join(" AND ")}`,
      relations: both.relations,
      star: [...merged, ...rest(left), ...rest(right)],
      merged: [...merged, ...both.merged.filter((each) => !used(each))]
    }
  })
