/**
 * Most rules ask only whether columns are null and which of a few words others hold, so rows that agree in this need one answer. A
 * {@link Shapes} collects what the rules ask; its statement groups the rows by the answers in one scan, then applies the rules to the groups.
 */
import type { Placement } from "./RuleSql.ts"
import { and } from "./SqlText.ts"

/** Rows of one table. */
export interface Source {
  readonly table: string
  /** GoogleSQL conditions that all hold. */
  readonly rows: ReadonlyArray<string>
}

/** What one statement groups by and counts. */
export interface Shapes {
  /** Puts a test into the statement: on the groups when `keys` has all its columns, else on the rows, as a key of its own. */
  readonly place: Placement
  /** Adds a count of the rows that fulfil a placed boolean; answers the name of its result column. */
  readonly count: (sql: string) => string
  /** The statement; one row of counts, each NULL when there is no row at all. */
  readonly statement: (source: Source) => string
}

/** A column that the rows are grouped by. */
export interface Key {
  readonly column: string
  /** GoogleSQL to group by, and what the groups then show; the column itself when absent. */
  readonly groupBy?: string
}

/** Groups by these columns where a test reads no other. */
export const make = (keys: ReadonlyArray<Key>): Shapes => {
  const groupable = new Map(keys.map((key) => [key.column, key]))
  const used = new Map<string, string>()
  const tests = new Map<string, string>()
  const counts = new Map<string, string>()
  const keyAlias = (column: string): string => {
    const alias = used.get(column) ?? `k${used.size}`
    used.set(column, alias)
    return alias
  }
  return {
    place: (columns, test) => {
      if (columns.every((column) => groupable.has(column))) return test(keyAlias)
      const sql = test((column) => column)
      if (sql === "TRUE" || sql === "FALSE") return sql
      const alias = tests.get(sql) ?? `t${tests.size}`
      tests.set(sql, alias)
      return alias
    },
    count: (sql) => {
      const alias = counts.get(sql) ?? `c${counts.size}`
      counts.set(sql, alias)
      return alias
    },
    statement: (source) => {
      const keys = [...used].map(([column, alias]) => `${groupable.get(column)?.groupBy ?? column} AS ${alias}`)
      const select = [...keys, ...[...tests].map(([sql, alias]) => `${sql} AS ${alias}`)]
      const group = [...used.values(), ...tests.values()]
      const where = and(source.rows)
      const results = [...counts].map(([sql, alias]) => `SUM(IF(${sql}, n, 0)) AS ${alias}`)
      return (
        `SELECT ${results.join(", ")} FROM (SELECT ${[...select, "COUNT(*) AS n"].join(", ")} FROM ${source.table} ` +
        `WHERE ${where}${group.length === 0 ? "" : ` GROUP BY ${group.join(", ")}`})`
      )
    }
  }
}
