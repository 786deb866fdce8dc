/**
 * A MERGE as the statements that the evaluator can be asked for: one for each of its clauses.
 */
import { expression, member, nodes, pathOf, type Place, slice, targetOf, unwrap } from "./Syntax.ts"
import { isNode, type Node, type Relation } from "./ZetaSql.ts"

/** The position of a row, as a last column. */
const placeColumn = "x_place"

/** A table whose rows are numbered in a last column. */
export const numbered = ({ columns, rows }: Relation): Relation => ({
  columns: [...columns, { name: placeColumn, type: { type_kind: "TYPE_INT64" } }],
  rows: rows.map((row, place) => [...row, { int64_value: String(place) }])
})

/** An INSERT, or a SELECT of the numbered rows that are changed or deleted. */
export interface MergeStatement {
  readonly kind: "INSERT" | "UPDATE" | "DELETE"
  readonly sql: string
}

/** The statements of the clauses. A clause is for the rows that no clause before it of the same kind of match took. */
export const mergeStatements = (node: Node, at: Place): ReadonlyArray<MergeStatement> => {
  const name = targetOf(node)
  const written = `\`${name}\``
  const alias = isNode(node["alias"])
    ? String(member(node["alias"], "identifier")["id_string"])
    : (name.split(".").at(-1) ?? name)
  const target = `${written} AS ${alias}`
  const source = slice(at, expression(node, "table_expression"))
  const on = slice(at, expression(node, "merge_condition"))
  const rowsOf: Readonly<Record<string, string>> = {
    MATCHED: `${target} INNER JOIN ${source} ON ${on} WHERE TRUE`,
    NOT_MATCHED_BY_TARGET: `${source} WHERE NOT EXISTS (SELECT 1 FROM ${target} WHERE ${on})`,
    NOT_MATCHED_BY_SOURCE: `${target} WHERE NOT EXISTS (SELECT 1 FROM ${source} WHERE ${on})`
  }
  const taken = new Map<string, ReadonlyArray<string>>()
  return nodes(member(node, "when_clauses"), "clause_list").map((clause) => {
    const match = String(clause["match_type"])
    const condition = isNode(clause["search_condition"]) ? slice(at, expression(clause, "search_condition")) : "TRUE"
    const before = taken.get(match) ?? []
    taken.set(match, [...before, condition])
    const rows = [
      `${rowsOf[match]} AND (${condition})`,
      ...before.map((each) => `NOT COALESCE((${each}), FALSE)`)
    ].join(" AND ")
    const action = member(clause, "action")
    switch (action["action_type"]) {
      case "INSERT": {
        const columns = nodes(member(action, "insert_column_list"), "identifiers").map(
          ({ id_string }) => `\`${String(id_string)}\``
        )
        const values = nodes(member(action, "insert_row"), "values").map((value) => slice(at, unwrap(value)[1]))
        return {
          kind: "INSERT",
          sql: `INSERT INTO ${written} (${columns.join(", ")}) SELECT ${values.join(", ")} FROM ${rows}`
        }
      }
      case "UPDATE": {
        const items = nodes(member(action, "update_item_list"), "update_items").map((item) => {
          const value = member(item, "set_value")
          const column = pathOf(expression(value, "path"))
          return `IF(TRUE, ${slice(at, expression(value, "value"))}, ${alias}.\`${column}\`) AS \`${column}\``
        })
        return { kind: "UPDATE", sql: `SELECT ${alias}.* REPLACE (${items.join(", ")}) FROM ${rows}` }
      }
      default:
        return { kind: "DELETE", sql: `SELECT ${alias}.* FROM ${rows}` }
    }
  })
}
