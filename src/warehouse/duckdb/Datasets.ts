/**
 * Brings a dataset's tables to what their declarations say: creates them, adds nullable columns, refuses every other difference.
 */
import * as Effect from "effect/Effect"
import { StatementFailed } from "../Warehouse.ts"
import type { Column, Table } from "../Table.ts"
import { columnsOf } from "../Tables.ts"
import { type Connection, transaction } from "./DuckDb.ts"
import { name, text, typeOf } from "./SqlText.ts"

/** The dataset that belongs to no organisation: stored procedures and lookup tables. */
export const centralDataset = "organizations"

/** What the embedded warehouse keeps for itself. No organisation's dataset can have this name. */
export const systemDataset = "warehouse_system"

/** Creates and migrates all tables of one dataset in one transaction. */
export const ensure = Effect.fn("Datasets.ensure")(function* (
  connection: Connection,
  dataset: string,
  tables: Iterable<Table>
) {
  const present = yield* connection.query(
    `SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = ${text(dataset)}`,
    { label: `read the columns of ${dataset}` }
  )
  const byTable = new Map<string, Map<string, { column: string; type: string; required: boolean }>>()
  for (const [table, column, type, nullable] of present.rows) {
    const columns = byTable.get(String(table)) ?? new Map()
    columns.set(String(column).toLowerCase(), {
      column: String(column),
      type: String(type),
      required: nullable === "NO"
    })
    byTable.set(String(table), columns)
  }
  const statements = [`CREATE SCHEMA IF NOT EXISTS ${name(dataset)}`]
  for (const table of tables) {
    const path = `${name(dataset)}.${name(table.name)}`
    const existing = byTable.get(table.name)
    if (existing === undefined) {
      statements.push(`CREATE TABLE ${path} (${columnsOf(table).map(definition).join(", ")})`)
      continue
    }
    for (const column of columnsOf(table)) {
      const found = existing.get(column.name.toLowerCase())
      existing.delete(column.name.toLowerCase())
      if (found === undefined && !column.required) {
        statements.push(`ALTER TABLE ${path} ADD COLUMN ${name(column.name)} ${typeOf[column.type]}`)
      } else if (found === undefined) {
        return yield* differs(dataset, table, `the required column ${column.name} is missing`)
      } else if (found.type !== typeOf[column.type]) {
        return yield* differs(dataset, table, `${column.name} is ${found.type}, declared is ${column.type}`)
      } else if (found.required !== column.required) {
        return yield* differs(dataset, table, `${column.name} is ${found.required ? "" : "not "}required in the table`)
      }
    }
    for (const extra of existing.values()) {
      return yield* differs(dataset, table, `the column ${extra.column} is not declared`)
    }
  }
  yield* transaction(connection, connection.query(statements.join(";\n"), { label: `create the tables of ${dataset}` }))
})

/** The engine's dictionaries of texts end with each block: where few texts repeat it would make thousands, for several times the time of Zstandard. */
const definition = (column: Column): string =>
  `${name(column.name)} ${typeOf[column.type]}${column.required ? " NOT NULL" : ""}` +
  (column.highCardinality === true ? " USING COMPRESSION zstd" : "")

const differs = (dataset: string, table: Table, difference: string) =>
  new StatementFailed({
    statement: `open ${dataset}.${table.name}`,
    reason: `the table differs from its declaration: ${difference}; only nullable columns are added by themselves`
  })
