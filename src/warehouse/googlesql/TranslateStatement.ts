/**
 * Data definition and data manipulation as DuckDB statements.
 */
import * as Either from "effect/Either"
import type { Expr } from "./Ast.ts"
import type { Assignment, MergeClause, Statement } from "./AstStatement.ts"
import { convert } from "./Coercion.ts"
import { scopeOf, translateFrom, type TranslatedFrom } from "./From.ts"
import { clusterComment, partitionComment } from "./InformationSchema.ts"
import type { Token } from "./Tokens.ts"
import { condition } from "./TranslateExpression.ts"
import { finalQuery } from "./TranslateQuery.ts"
import {
  emptyScope,
  rejected,
  resolvePath,
  unsupported,
  type OutputColumn,
  type Scope,
  type Translate,
  type Translator,
  type Typed
} from "./Translator.ts"
import { resolveType } from "./TypeNames.ts"
import { duckType, quoteName, quoteText, typeName, type SqlType } from "./Types.ts"

/** What one statement becomes. */
export interface Plan {
  /** Statements whose result must be empty, else the statement fails with the message. */
  readonly checks: ReadonlyArray<{ readonly sql: string; readonly message: string }>
  readonly statements: ReadonlyArray<string>
  /** Whether the last statement answers the number of rows that it changed. */
  readonly counts: boolean
}

const plan = (statements: ReadonlyArray<string>, counts = false, checks: Plan["checks"] = []): Plan => ({
  statements,
  counts,
  checks
})

export type Executable = Extract<
  Statement,
  { kind: "insert" | "update" | "delete" | "merge" | "truncate" | "create-table" | "create-view" | "drop" }
>

/** Plans a statement; a temporary table's name is given by the caller through `resolveTable`. */
export const translateStatement = (t: Translator, s: Executable): Translate<Plan> =>
  Either.gen(function* () {
    switch (s.kind) {
      case "insert":
        return yield* translateInsert(t, s)
      case "update":
        return yield* translateUpdate(t, s)
      case "delete": {
        const target = yield* targetOf(t, s.at, s.table, s.alias)
        return plan(
          [
            `DELETE FROM ${target.from.sql} WHERE ${yield* condition(t, s.where, scopeOf(emptyScope, target.from), "WHERE")}`
          ],
          true
        )
      }
      case "merge":
        return yield* translateMerge(t, s)
      case "truncate":
        return plan([`DELETE FROM ${yield* resolvePath(t, s.at, s.table)}`], true)
      case "create-table":
        return yield* translateCreateTable(t, s)
      case "create-view": {
        const name = yield* resolvePath(t, s.at, s.table)
        const query = yield* finalQuery(t, s.query, emptyScope)
        if (query.sql.includes("getvariable("))
          return yield* unsupported(t, s.at, "a view over a variable or parameter")
        return plan([
          `CREATE ${s.creation.replace ? "OR REPLACE " : ""}VIEW ${s.creation.ifNotExists ? "IF NOT EXISTS " : ""}${name} AS ${query.sql}`
        ])
      }
      case "drop":
        return plan([`DROP ${s.what} ${s.ifExists ? "IF EXISTS " : ""}${yield* resolvePath(t, s.at, s.path)}`])
    }
  })

interface Target {
  readonly name: string
  readonly columns: ReadonlyArray<OutputColumn>
  readonly from: TranslatedFrom
}

const targetOf = (
  t: Translator,
  at: Token,
  table: ReadonlyArray<string>,
  alias: string | undefined
): Translate<Target> =>
  Either.gen(function* () {
    const from = yield* translateFrom(t, { kind: "table", at, path: table, alias }, emptyScope)
    const name = yield* resolvePath(t, at, table)
    const columns = t.environment.tables.get(name)
    return columns === undefined
      ? yield* rejected(t, at, `Not found: Table ${table.join(".")} was not found`)
      : { name, columns, from }
  })

const columnOf = (t: Translator, at: Token, target: Target, name: string): Translate<OutputColumn> => {
  const column = target.columns.find((each) => each.name.toLowerCase() === name.toLowerCase())
  return column === undefined ? rejected(t, at, `Column ${name} is not present in table`) : Either.right(column)
}

/** A value stored in a column: arrays are never NULL and hold no NULL. */
const stored = (t: Translator, at: Token, value: Typed, column: OutputColumn): Translate<string> =>
  Either.map(convert(t, at, value, column.type, `Value for column ${column.name}`), (sql) =>
    column.type.kind === "ARRAY" ? `bq_output_array(${sql})` : sql
  )

const translateInsert = (t: Translator, s: Statement & { kind: "insert" }): Translate<Plan> =>
  Either.gen(function* () {
    const target = yield* targetOf(t, s.at, s.table, undefined)
    const columns: Array<OutputColumn> = []
    if (s.columns.length === 0) columns.push(...target.columns)
    for (const name of s.columns) columns.push(yield* columnOf(t, s.at, target, name))
    const into = `INSERT INTO ${target.name} (${columns.map((column) => quoteName(column.column)).join(", ")})`
    const mismatch = (found: number) =>
      rejected(t, s.at, `Inserted row has wrong column count; Has ${found}, expected ${columns.length}`)
    if (s.source.kind === "values") {
      const rows: Array<string> = []
      for (const row of s.source.rows) {
        if (row.length !== columns.length) return yield* mismatch(row.length)
        const values: Array<string> = []
        for (const [index, column] of columns.entries()) {
          const e = row[index]
          if (e !== undefined) values.push(yield* stored(t, e.at, yield* t.expr(e, emptyScope), column))
        }
        rows.push(`(${values.join(", ")})`)
      }
      return plan([`${into} VALUES ${rows.join(", ")}`], true)
    }
    const query = yield* finalColumns(t, s.source.query)
    if (query.columns.length !== columns.length) return yield* mismatch(query.columns.length)
    const name = quoteName(`t${t.fresh()}`)
    const values: Array<string> = []
    for (const [index, column] of columns.entries()) {
      const source = query.columns[index]
      if (source !== undefined)
        values.push(yield* stored(t, s.at, { sql: `${name}.${quoteName(source.column)}`, type: source.type }, column))
    }
    return plan([`${into} SELECT ${values.join(", ")} FROM (${query.sql}) AS ${name}`], true)
  })

/** A query's columns by position; their names do not matter. */
const finalColumns = (t: Translator, query: Parameters<typeof finalQuery>[1]) =>
  Either.flatMap(t.query(query, emptyScope), (translated) =>
    translated.valueTable ? finalQuery(t, query, emptyScope) : Either.right(translated)
  )

const assignments = (t: Translator, set: ReadonlyArray<Assignment>, target: Target, scope: Scope): Translate<string> =>
  Either.gen(function* () {
    const parts: Array<string> = []
    for (const each of set) {
      const column = yield* columnOf(t, each.at, target, each.column)
      parts.push(`${quoteName(column.column)} = ${yield* stored(t, each.at, yield* t.expr(each.value, scope), column)}`)
    }
    return parts.join(", ")
  })

const manyMatches = "UPDATE/MERGE must match at most one source row for each target row"

const translateUpdate = (t: Translator, s: Statement & { kind: "update" }): Translate<Plan> =>
  Either.gen(function* () {
    const target = yield* targetOf(t, s.at, s.table, s.alias)
    const from = s.from === undefined ? undefined : yield* translateFrom(t, s.from, emptyScope)
    const all: TranslatedFrom =
      from === undefined
        ? target.from
        : {
            sql: "",
            relations: [...target.from.relations, ...from.relations],
            star: [...target.from.star, ...from.star],
            merged: from.merged
          }
    const scope = scopeOf(emptyScope, all)
    const set = yield* assignments(t, s.set, target, scope)
    const where = yield* condition(t, s.where, scope, "WHERE")
    const sql = `UPDATE ${target.from.sql} SET ${set}${from === undefined ? "" : ` FROM ${from.sql}`} WHERE ${where}`
    const checks =
      from === undefined
        ? []
        : [
            {
              sql: duplicates(target, `${target.from.sql} CROSS JOIN ${from.sql} WHERE ${where}`),
              message: manyMatches
            }
          ]
    return plan([sql], true, checks)
  })

/** The alias that a table got in the translation. */
const aliasOf = (from: TranslatedFrom): string => /AS ("[^"]+")$/.exec(from.sql)?.[1] ?? ""

const duplicates = (target: Target, from: string): string =>
  `SELECT 1 FROM ${from} GROUP BY ${aliasOf(target.from)}.rowid HAVING count(*) > 1 LIMIT 1`

const translateMerge = (t: Translator, s: Statement & { kind: "merge" }): Translate<Plan> =>
  Either.gen(function* () {
    const target = yield* targetOf(t, s.at, s.table, s.alias)
    if (s.source.kind === "join") return yield* unsupported(t, s.at, "a MERGE from a join; put it into a subquery")
    const source = yield* translateFrom(t, s.source, emptyScope)
    const both: TranslatedFrom = {
      sql: "",
      relations: [...target.from.relations, ...source.relations],
      star: [...target.from.star, ...source.star],
      merged: []
    }
    const scopes = {
      MATCHED: scopeOf(emptyScope, both),
      "NOT MATCHED": scopeOf(emptyScope, source),
      "NOT MATCHED BY SOURCE": scopeOf(emptyScope, target.from)
    }
    const on = yield* condition(t, s.on, scopes.MATCHED, "MERGE condition")
    const parts: Array<string> = []
    const matched: Array<string> = []
    for (const clause of s.clauses) {
      const scope = scopes[clause.match]
      const and = clause.and === undefined ? undefined : yield* condition(t, clause.and, scope, "MERGE clause")
      if (clause.match === "MATCHED") matched.push(and ?? "TRUE")
      parts.push(
        `WHEN ${clause.match}${and === undefined ? "" : ` AND ${and}`} THEN ${yield* mergeAction(t, clause, target, scope)}`
      )
    }
    const checks =
      matched.length === 0
        ? []
        : [
            {
              sql: duplicates(target, `${target.from.sql} JOIN ${source.sql} ON ${on} WHERE ${matched.join(" OR ")}`),
              message: manyMatches
            }
          ]
    return plan([`MERGE INTO ${target.from.sql} USING ${source.sql} ON ${on} ${parts.join(" ")}`], true, checks)
  })

const mergeAction = (t: Translator, clause: MergeClause, target: Target, scope: Scope): Translate<string> =>
  Either.gen(function* () {
    const { action } = clause
    if (action.kind === "delete") return "DELETE"
    if (action.kind === "update") return `UPDATE SET ${yield* assignments(t, action.set, target, scope)}`
    if (action.values === undefined) return yield* unsupported(t, clause.at, "INSERT ROW")
    const columns: Array<OutputColumn> = []
    if (action.columns.length === 0) columns.push(...target.columns)
    for (const name of action.columns) columns.push(yield* columnOf(t, clause.at, target, name))
    if (columns.length !== action.values.length)
      return yield* rejected(t, clause.at, "Inserted row has wrong column count")
    const values: Array<string> = []
    for (const [index, column] of columns.entries()) {
      const e = action.values[index]
      if (e !== undefined) values.push(yield* stored(t, e.at, yield* t.expr(e, scope), column))
    }
    return `INSERT (${columns.map((column) => quoteName(column.column)).join(", ")}) VALUES (${values.join(", ")})`
  })

/** The column that a PARTITION BY names. */
const partitionColumn = (e: Expr): string | undefined => {
  const column =
    e.kind === "call" &&
    ["DATE", "DATE_TRUNC", "DATETIME_TRUNC", "TIMESTAMP_TRUNC", "RANGE_BUCKET"].includes(
      (e.path[0] ?? "").toUpperCase()
    )
      ? e.args[0]
      : e
  const name = column?.kind === "path" && column.parts.length === 1 ? column.parts[0] : undefined
  return name === undefined || name.startsWith("_") ? undefined : name
}

const translateCreateTable = (t: Translator, s: Statement & { kind: "create-table" }): Translate<Plan> =>
  Either.gen(function* () {
    const name = yield* resolvePath(t, s.at, s.table)
    const create = `CREATE ${s.creation.replace ? "OR REPLACE " : ""}${s.creation.temporary ? "TEMP " : ""}TABLE ${s.creation.ifNotExists ? "IF NOT EXISTS " : ""}${name}`
    const comments: Array<string> = []
    const comment = (column: string, text: string): void =>
      void comments.push(`COMMENT ON COLUMN ${name}.${quoteName(column)} IS ${quoteText(text)}`)
    if (s.partitionBy !== undefined) {
      const column = partitionColumn(s.partitionBy)
      if (column === undefined) return yield* unsupported(t, s.partitionBy.at, "this partitioning")
      comment(column, partitionComment)
    }
    for (const [index, column] of s.clusterBy.entries()) comment(column, `${clusterComment}${index + 1}`)
    const extras = s.creation.temporary || s.creation.ifNotExists ? [] : comments
    const query = s.query === undefined ? undefined : yield* finalQuery(t, s.query, emptyScope)
    if (s.columns.length === 0) {
      if (query === undefined) return yield* rejected(t, s.at, "CREATE TABLE without a column list needs AS SELECT")
      return plan([`${create} AS ${query.sql}`, ...extras])
    }
    const columns: Array<{ readonly name: string; readonly type: SqlType; readonly sql: string }> = []
    for (const column of s.columns) {
      const type = yield* resolveType(t, column.type)
      const initial =
        column.default === undefined
          ? ""
          : ` DEFAULT ${yield* convert(t, s.at, yield* t.expr(column.default, emptyScope), type, "DEFAULT")}`
      columns.push({
        name: column.name,
        type,
        sql: `${quoteName(column.name)} ${duckType(type)}${column.required ? " NOT NULL" : ""}${initial}`
      })
    }
    const definition = `${create} (${columns.map((column) => column.sql).join(", ")})`
    if (query === undefined) return plan([definition, ...extras])
    if (s.creation.ifNotExists || query.columns.length !== columns.length)
      return yield* unsupported(t, s.at, "this CREATE TABLE with columns and a query")
    for (const [index, column] of columns.entries()) {
      const source = query.columns[index]
      if (source !== undefined && typeName(source.type) !== typeName(column.type))
        return yield* unsupported(t, s.at, `column ${column.name} with another type than its query`)
    }
    return plan([definition, `INSERT INTO ${name} ${query.sql}`, ...extras])
  })
