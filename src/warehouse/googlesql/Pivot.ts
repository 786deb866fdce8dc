/**
 * PIVOT and UNPIVOT: values of a column become columns, and columns become rows.
 */
import * as Either from "effect/Either"
import { aggregateNames } from "./Aggregates.ts"
import { callOf, type Call, type Expr, type FromItem } from "./Ast.ts"
import { unify } from "./Coercion.ts"
import {
  emptyScope,
  unsupported,
  type OutputColumn,
  type ScopeColumn,
  type Translate,
  type Translator
} from "./Translator.ts"
import { isGroupable, quoteName, quoteText, scalar, typeName } from "./Types.ts"

/** What stands before PIVOT or UNPIVOT, translated. */
export interface PivotInput {
  readonly sql: string
  readonly columns: ReadonlyArray<ScopeColumn>
}

export interface PivotOutput {
  readonly sql: string
  readonly columns: ReadonlyArray<OutputColumn>
}

const scopeOf = (input: PivotInput) => ({
  ...emptyScope,
  relations: [{ alias: undefined, columns: input.columns, whole: undefined }],
  star: input.columns
})

const named = (columns: ReadonlyArray<ScopeColumn>): ReadonlyArray<string> =>
  columns.map((column) => column.name.toLowerCase())

/** The column that an expression is, when it is nothing more. */
const plainColumn = (e: Expr | undefined): string | undefined =>
  e?.kind === "path" && e.parts.length === 1 ? e.parts[0] : undefined

/** Only aggregates of one plain column: what they read is no grouping column. */
const aggregateOf = (e: Expr): { readonly call: Call; readonly column: string | undefined } | undefined => {
  if (
    e.kind !== "call" ||
    !["SUM", "COUNT", "MIN", "MAX", "AVG"].includes((e.path[0] ?? "").toUpperCase()) ||
    e.path.length !== 1
  )
    return undefined
  if (!aggregateNames.has((e.path[0] ?? "").toUpperCase()) || e.over !== undefined || e.distinct) return undefined
  const column = plainColumn(e.args[0])
  return e.star
    ? { call: e, column: undefined }
    : e.args.length === 1 && column !== undefined
      ? { call: e, column }
      : undefined
}

/** PIVOT (aggregates FOR column IN (values)). */
export const pivot = (t: Translator, item: FromItem & { kind: "pivot" }, input: PivotInput): Translate<PivotOutput> =>
  Either.gen(function* () {
    const scope = scopeOf(input)
    const by = plainColumn(item.by)
    if (by === undefined) return yield* unsupported(t, item.at, "PIVOT by an expression")
    const used = new Set([by.toLowerCase()])
    const aggregates: Array<{ readonly call: Call; readonly alias: string | undefined }> = []
    for (const { value, alias } of item.aggregates) {
      const aggregate = aggregateOf(value)
      if (aggregate === undefined) return yield* unsupported(t, value.at, "this aggregate in PIVOT")
      if (aggregate.column !== undefined) used.add(aggregate.column.toLowerCase())
      aggregates.push({ call: aggregate.call, alias })
    }
    if (aggregates.length > 1 && aggregates.some(({ alias }) => alias === undefined)) {
      return yield* unsupported(t, item.at, "several aggregates without aliases in PIVOT")
    }
    const groups = input.columns.filter((column) => !used.has(column.name.toLowerCase()))
    if (groups.some((column) => !isGroupable(column.value.type) || column.name === ""))
      return yield* unsupported(t, item.at, "PIVOT beside such columns")
    const columns: Array<OutputColumn> = groups.map(({ name, value }) => ({ name, type: value.type, column: name }))
    const list = groups.map(({ name, value }) => `${value.sql} AS ${quoteName(name)}`)
    for (const { value, alias } of item.values) {
      const literal =
        value.kind === "literal" && value.type === "STRING" && /^[A-Za-z_][A-Za-z0-9_]*$/.test(value.text)
          ? value.text
          : undefined
      const label = alias ?? literal
      if (label === undefined)
        return yield* unsupported(t, value.at, "a PIVOT value without an alias that is no plain word")
      const matches: Expr = { kind: "binary", at: value.at, operator: "=", left: item.by, right: value }
      for (const { call, alias: prefix } of aggregates) {
        const rewritten: Expr = call.star
          ? callOf(call.at, "COUNTIF", [matches])
          : {
              ...call,
              args: call.args.map((arg) =>
                callOf(arg.at, "IF", [matches, arg, { kind: "literal", at: arg.at, type: "NULL", text: "NULL" }])
              )
            }
        const result = yield* t.expr(rewritten, scope)
        const name = prefix === undefined ? label : `${prefix}_${label}`
        columns.push({ name, type: result.type, column: name })
        list.push(`${result.sql} AS ${quoteName(name)}`)
      }
    }
    if (new Set(columns.map(({ name }) => name.toLowerCase())).size !== columns.length)
      return yield* unsupported(t, item.at, "PIVOT with equal column names")
    const grouping = groups.length === 0 ? "" : ` GROUP BY ${groups.map(({ value }) => value.sql).join(", ")}`
    return { sql: `SELECT ${list.join(", ")} FROM ${input.sql}${grouping}`, columns }
  })

/** UNPIVOT (value FOR name IN (columns)); rows whose value is NULL are left out. */
export const unpivot = (
  t: Translator,
  item: FromItem & { kind: "unpivot" },
  input: PivotInput
): Translate<PivotOutput> =>
  Either.gen(function* () {
    const scope = scopeOf(input)
    const sources: Array<{ readonly name: string; readonly e: Expr }> = []
    for (const { value, alias } of item.columns) {
      const name = plainColumn(value)
      if (name === undefined) return yield* unsupported(t, value.at, "UNPIVOT of several columns at once")
      sources.push({ name: alias ?? name, e: value })
    }
    const unpivoted = new Set(item.columns.map(({ value }) => (plainColumn(value) ?? "").toLowerCase()))
    const rest = input.columns.filter((column) => !unpivoted.has(column.name.toLowerCase()))
    if ([item.value, item.name].some((name) => named(rest).includes(name.toLowerCase())) || named(rest).includes("")) {
      return yield* unsupported(t, item.at, "UNPIVOT with equal or missing column names")
    }
    const values = []
    for (const { e } of sources) values.push(yield* t.expr(e, scope))
    const { type, sql } = yield* unify(t, item.at, values, "UNPIVOT")
    if (values.some((value) => typeName(value.type) !== typeName(type)))
      return yield* unsupported(t, item.at, "UNPIVOT of columns of different types")
    const entries = sources.map(
      ({ name }, index) => `struct_pack("value" := ${sql[index] ?? "NULL"}, "name" := ${quoteText(name)})`
    )
    const alias = quoteName(`t${t.fresh()}`)
    const columns: Array<OutputColumn> = [
      ...rest.map(({ name, value }) => ({ name, type: value.type, column: name })),
      { name: item.value, type, column: item.value },
      { name: item.name, type: scalar("STRING"), column: item.name }
    ]
    const list = [
      ...rest.map(({ name, value }) => `${value.sql} AS ${quoteName(name)}`),
      `${alias}."entry"."value" AS ${quoteName(item.value)}`,
      `${alias}."entry"."name" AS ${quoteName(item.name)}`
    ]
    const where = item.includeNulls ? "" : ` WHERE ${alias}."entry"."value" IS NOT NULL`
    return {
      sql: `SELECT ${list.join(", ")} FROM ${input.sql} CROSS JOIN unnest([${entries.join(", ")}]) AS ${alias}("entry")${where}`,
      columns
    }
  })
