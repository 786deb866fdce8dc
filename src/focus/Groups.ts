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
  const groups = (value: string, from: string, having: string) => {
    const where = and([...source.rows, ...condition, `${value} IS NOT NULL`])
    return [`SELECT ${value} AS value, COUNT(*) AS n FROM ${from} WHERE ${where} GROUP BY value HAVING ${having}`]
  }
  if (leaf[0] === "distinct") return groups(leaf[1], source.table, `COUNT(DISTINCT ${leaf[2]}) <> ${leaf[3]}`)
  if (leaf[0] === "unique") return groups(leaf[1], source.table, "COUNT(*) > 1")
  const elements = elementsOf(leaf)
  if (leaf[0] !== "json" || leaf[3] !== "one_per_value" || elements === undefined) return []
  const array = `JSON_QUERY_ARRAY(${json(elements.column, subject.columns.get(elements.column))}, ${text(elements.array)})`
  const having = `COUNT(DISTINCT ${scalarAt(leaf[2], "element")}) > 1`
  return groups(scalarAt(leaf[4], "element"), `${source.table}, UNNEST(${array}) AS element`, having)
}
