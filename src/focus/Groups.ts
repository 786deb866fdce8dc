/**
 * Rules that look at groups of rows: a value must belong to so many values of another column, or occur once.
 */
import { columnsOf, type Leaf, leavesOf } from "./Expression.ts"
import { json } from "./FormatSql.ts"
import { elementsOf, scalarAt } from "./JsonSql.ts"
import type { Rule } from "./RuleSet.ts"
import { holds, inPlace, type Subject } from "./RuleSql.ts"
import type { Source } from "./Shapes.ts"
import { and, text } from "./SqlText.ts"

/** Must the rule be decided for groups of rows? */
export const isGrouped = (rule: Rule): boolean => leavesOf(rule.check).some(isGroupLeaf)

/** The column whose value names a group. */
const columnOf = (rule: Rule): string => leavesOf(rule.check).flatMap(columnsOf)[0] ?? rule.column

const isGroupLeaf = (leaf: Leaf) =>
  leaf[0] === "distinct" || leaf[0] === "unique" || (leaf[0] === "json" && leaf[3] === "one_per_value")

/** Statements that answer the number `n` of rows (elements, for a JSON column) in faulty groups, and the value of one such group. */
export const statements = (rule: Rule, subject: Subject, source: Source) => {
  const groups =
    leavesOf(rule.check)
      .flatMap((leaf) => groupsOf(leaf, rule, subject, source))
      .at(0) ?? ""
  return {
    rows: `SELECT SUM(n) AS n FROM (${groups})`,
    example: `SELECT CONCAT(${text(`${columnOf(rule)}=`)}, value) AS example FROM (${groups}) LIMIT 1`
  }
}

const groupsOf = (leaf: Leaf, rule: Rule, subject: Subject, source: Source): ReadonlyArray<string> => {
  const condition = (rule.when === undefined ? [] : "all" in rule.when ? rule.when.all : [rule.when])
    .filter((one) => leavesOf(one).every((leaf) => elementsOf(leaf) === undefined))
    .map((one) => holds(one, subject, inPlace))
  const rows = [...source.rows, ...condition]
  const groups = (value: string, having: string) => {
    const where = and([...rows, `${value} IS NOT NULL`])
    return [
      `SELECT ${value} AS value, COUNT(*) AS n FROM ${source.table} WHERE ${where} GROUP BY value HAVING ${having}`
    ]
  }
  if (leaf[0] === "distinct") return groups(leaf[1], `COUNT(DISTINCT ${leaf[2]}) <> ${leaf[3]}`)
  if (leaf[0] === "unique") return groups(leaf[1], "COUNT(*) > 1")
  const elements = elementsOf(leaf)
  if (leaf[0] !== "json" || leaf[3] !== "one_per_value" || elements === undefined) return []
  // Many rows share a document: each is read once.
  const { column } = elements
  const written = subject.columns.get(column) === "JSON" ? `TO_JSON_STRING(${column})` : column
  const documents = `SELECT ${written} AS document, COUNT(*) AS n FROM ${source.table} WHERE ${and(rows)} GROUP BY 1`
  const array = `JSON_QUERY_ARRAY(${json("document", "STRING")}, ${text(elements.array)})`
  const value = scalarAt(leaf[4], "element")
  return [
    `SELECT ${value} AS value, SUM(n) AS n FROM (${documents}), UNNEST(${array}) AS element WHERE ${value} IS NOT NULL ` +
      `GROUP BY value HAVING COUNT(DISTINCT ${scalarAt(leaf[2], "element")}) > 1`
  ]
}
