/**
 * INSERT, DELETE, UPDATE and MERGE: the evaluator says which rows there are then.
 */
import { answered, batches } from "./Evaluation.ts"
import { mergeStatements, numbered } from "./Merge.ts"
import { BigQueryError, type Store } from "./Store.ts"
import { expression, member, nodes, pathOf, type Place, slice, targetOf } from "./Syntax.ts"
import {
  isNode,
  type Node,
  type Relation,
  type Surroundings,
  type ZetaSql,
  ZetaSqlError,
  type ZetaValue
} from "./ZetaSql.ts"

type Row = ReadonlyArray<ZetaValue>

/** Names of a script's statements. */
interface Names {
  readonly resolve: (written: string) => string
  readonly surroundings: (sql: string, at: Place) => Promise<{ readonly text: string; readonly around: Surroundings }>
}

/** What the changing statements of one script do to the store. */
export class Changes {
  readonly #zeta: ZetaSql
  readonly #store: Store
  readonly #names: Names

  constructor(zeta: ZetaSql, store: Store, names: Names) {
    this.#zeta = zeta
    this.#store = store
    this.#names = names
  }

  /** Carries out the statement; answers the number of rows that it changed. */
  run(kind: string, node: Node, at: Place): Promise<number> {
    switch (kind) {
      case "ast_insert_statement_node":
        return this.#insert(node, at)
      case "ast_delete_statement_node":
        return this.#delete(node, at)
      case "ast_update_statement_node":
        return this.#update(node, at)
      default:
        return this.#merge(node, at)
    }
  }

  async #insert(node: Node, at: Place) {
    const written = targetOf(node)
    const { around, text } = await this.#names.surroundings(slice(at, node), at)
    const tables = new Map(around.tables)
    const filled = tables.get(written)
    // Of the table that it fills a statement sees the rows only where it reads from it, too.
    if (filled !== undefined && text.split(written).length === 2) tables.set(written, { ...filled, rows: [] })
    const staging = [...tables.keys()].find((name) => name.includes(".x_staging_"))
    const added: Array<Row> = []
    for (const batch of staging === undefined ? [tables] : batches(tables, staging)) {
      added.push(...(await answered(this.#inserted(text, { ...around, tables: batch }, node, at))))
    }
    this.#set(written, (rows) => [...rows, ...added])
    return added.length
  }

  /**
   * The rows of an INSERT. The evaluator fails on some INSERTs whose common table expressions are used twice; those are evaluated as the
   * query and the INSERT of its result.
   */
  async #inserted(text: string, around: Surroundings, node: Node, at: Place): Promise<ReadonlyArray<Row>> {
    try {
      return await this.#zeta.insert(text, around)
    } catch (error) {
      if (!(error instanceof ZetaSqlError) || !/RET_CHECK failure.*Missing name/.test(error.message)) throw error
      const asked = await this.#names.surroundings(slice(at, expression(node, "query")), at)
      const { columns, rows } = await this.#zeta.query(asked.text, asked.around)
      const written = targetOf(node)
      const into = slice(at, member(node, "column_list"))
      const result: Relation = { columns: columns.map(({ type }, index) => ({ name: `c${index}`, type })), rows }
      const cells = columns.map((_, index) =>
        rows.every((row) => Object.keys(row[index] ?? {}).length === 0) ? "NULL" : `c${index}`
      )
      const added: Array<Row> = []
      for (const part of batches(new Map([["result", result]]), "result")) {
        const filled = { ...this.#store.relation(this.#names.resolve(written)), rows: [] }
        const insert = `INSERT INTO \`${written}\` ${into} SELECT ${cells.join(", ")} FROM result`
        const tables = new Map([...part, [written, filled]])
        added.push(...(await this.#zeta.insert(insert, { tables, variables: new Map(), parameters: new Map() })))
      }
      return added
    }
  }

  /** What stays is what the condition is not true of. */
  async #delete(node: Node, at: Place) {
    const written = targetOf(node)
    const alias = isNode(node["alias"]) ? ` ${slice(at, node["alias"])}` : ""
    const where = slice(at, expression(node, "where"))
    const stays = `SELECT * FROM \`${written}\`${alias} WHERE NOT COALESCE((${where}), FALSE)`
    const kept = await this.#rowByRow(stays, written, at)
    const { rows } = this.#store.table(this.#names.resolve(written))
    this.#set(written, () => kept)
    return rows.length - kept.length
  }

  /** A row of which the condition is true has the new values. */
  async #update(node: Node, at: Place) {
    const written = targetOf(node)
    const isChanged = `COALESCE((${slice(at, expression(node, "where"))}), FALSE)`
    const columns = nodes(member(node, "update_item_list"), "update_items").map((item) => {
      const value = member(item, "set_value")
      const column = pathOf(expression(value, "path"))
      return `IF(${isChanged}, ${slice(at, expression(value, "value"))}, \`${column}\`) AS \`${column}\``
    })
    const changed = `SELECT * REPLACE (${columns.join(", ")}), ${isChanged} FROM \`${written}\``
    const rows = await this.#rowByRow(changed, written, at)
    this.#set(written, () => rows.map((row) => row.slice(0, -1)))
    return rows.filter((row) => row.at(-1)?.bool_value === true).length
  }

  /** Every clause is judged by the rows before the statement. */
  async #merge(node: Node, at: Place) {
    const written = targetOf(node)
    const changed = new Map<number, Row | undefined>()
    const added: Array<Row> = []
    for (const { kind, sql } of mergeStatements(node, at)) {
      const { around, text } = await this.#names.surroundings(sql, at)
      if (kind === "INSERT") {
        added.push(...(await answered(this.#zeta.insert(text, around))))
        continue
      }
      const tables = new Map(
        Array.from(around.tables, ([name, table]) => [name, name === written ? numbered(table) : table])
      )
      for (const row of (await answered(this.#zeta.query(text, { ...around, tables }))).rows) {
        const place = Number(row.at(-1)?.int64_value)
        if (changed.has(place)) {
          const message = "UPDATE/MERGE must match at most one source row for each target row"
          throw new BigQueryError(400, "invalidQuery", message)
        }
        changed.set(place, kind === "DELETE" ? undefined : row.slice(0, -1))
      }
    }
    const kept = (row: Row, place: number): ReadonlyArray<Row> => {
      const now = changed.has(place) ? changed.get(place) : row
      return now === undefined ? [] : [now]
    }
    this.#set(written, (rows) => [...rows.flatMap(kept), ...added])
    return changed.size + added.length
  }

  /** The rows of a SELECT that judges each row of a table by itself. */
  async #rowByRow(sql: string, written: string, at: Place): Promise<ReadonlyArray<Row>> {
    const { around, text } = await this.#names.surroundings(sql, at)
    const rows: Array<Row> = []
    for (const tables of batches(around.tables, written)) {
      rows.push(...(await answered(this.#zeta.query(text, { ...around, tables }))).rows)
    }
    return rows
  }

  #set(written: string, change: (rows: ReadonlyArray<Row>) => ReadonlyArray<Row>) {
    const path = this.#names.resolve(written)
    this.#store.setRows(path, change(this.#store.table(path).rows))
  }
}
