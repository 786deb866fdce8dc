/**
 * The result of a SELECT as a part: kept in a temporary table, which goes with the connection, so that it is read before its slice is
 * cleared.
 */
import * as Effect from "effect/Effect"
import { type ColumnType, lineageColumns, type Table } from "../Table.ts"
import { StatementFailed, type WarehouseError } from "../Warehouse.ts"
import { kindOf } from "./CellValue.ts"
import type { Connection } from "./DuckDb.ts"
import { jsonObject, type Part } from "./Part.ts"
import { name, typeOf } from "./SqlText.ts"

const result = "temp.slice_query"

const decimalOrInteger = /^(DECIMAL\(.*\)|BIGINT|INTEGER|HUGEINT)$/

/** Types of results that become a column's type without a guess. */
const accepted: Readonly<Record<ColumnType, RegExp>> = {
  STRING: /^VARCHAR$/,
  INT64: /^(BIGINT|INTEGER|HUGEINT)$/,
  NUMERIC: decimalOrInteger,
  BIGNUMERIC: decimalOrInteger,
  FLOAT64: /^(DOUBLE|DECIMAL\(.*\)|BIGINT|INTEGER|HUGEINT)$/,
  BOOL: /^BOOLEAN$/,
  DATE: /^DATE$/,
  TIMESTAMP: /^TIMESTAMP WITH TIME ZONE$/,
  JSON: /^JSON$/,
  BYTES: /^BLOB$/,
  "ARRAY<STRING>": /^VARCHAR\[\]$/
}

/** GoogleSQL's names of the engine's types. */
const googleType: Readonly<Record<string, string>> = {
  VARCHAR: "STRING",
  BIGINT: "INT64",
  INTEGER: "INT64",
  HUGEINT: "INT64",
  DOUBLE: "FLOAT64",
  BOOLEAN: "BOOL",
  "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
  BLOB: "BYTES",
  "VARCHAR[]": "ARRAY<STRING>"
}

/** NULL by itself is a whole number to GoogleSQL and to the engine, and fits every column. */
const typeOfNull = /^(BIGINT|INTEGER)$/

/** Runs `sql`, the engine's own, and answers what the table's columns become from its columns of the same names. */
export const open = Effect.fn("QueryPart.open")(function* (connection: Connection, table: Table, sql: string) {
  const statement = `fill ${table.name} from a query`
  yield* connection.query(`CREATE OR REPLACE TEMP TABLE slice_query AS ${sql}`, { label: statement, needs: "load" })
  const described = yield* connection.query(`DESCRIBE ${result}`, { label: statement })
  const columns = new Map(table.columns.map((column) => [column.name.toLowerCase(), column]))
  const lineage = new Set(lineageColumns.map((column) => column.name))
  const values: Array<Part["values"][number]> = []
  const checks: Array<Part["checks"][number]> = []
  const given = described.rows
    .map(([column, type]) => ({ written: String(column), type: String(type) }))
    .filter(({ written }) => !lineage.has(written.toLowerCase()))
  for (const { written, type } of given) {
    const column = columns.get(written.toLowerCase())
    if (column === undefined) {
      return yield* new StatementFailed({ statement, reason: `the table has no column ${written}` })
    }
    const cell = name(written)
    const fits = accepted[column.type].test(type)
    const onlyNull = !fits && typeOfNull.test(type) ? yield* isOnlyNull(connection, cell, statement) : false
    if (!fits && !onlyNull) {
      const reason = `the query's column ${written} is ${googleType[type] ?? type}, the table's is ${column.type}`
      return yield* new StatementFailed({ statement, reason })
    }
    if (onlyNull) continue
    const target = typeOf[column.type]
    values.push({ column, sql: `TRY_CAST(${cell} AS ${target})` })
    // There and back: a decimal that would be rounded, or a value out of range, is not the same any more.
    checks.push({
      bad: `TRY_CAST(TRY_CAST(${cell} AS ${target}) AS ${type}) IS DISTINCT FROM ${cell}`,
      reason: `${column.name}: is not ${kindOf[column.type]}`
    })
    if (column.required) checks.push({ bad: `${cell} IS NULL`, reason: `${column.name}: has no value` })
  }
  const missing = table.columns.find(
    (column) => column.required && values.every((value) => value.column.name !== column.name)
  )
  if (missing !== undefined) {
    return yield* new StatementFailed({
      statement,
      reason: `the query has no column ${missing.name}, which is required`
    })
  }
  const part: Part = {
    uri: "query",
    needs: "load",
    relation: (numbered) => `(SELECT *${numbered ? ", rowid + 1 AS source_row" : ""} FROM ${result})`,
    values,
    checks,
    stops: [],
    raw: jsonObject(given.map(({ written }) => [written, `CAST(${name(written)} AS VARCHAR)`])) ?? "NULL",
    unmapped: [],
    headerLines: 0,
    refused: (error): WarehouseError => error
  }
  return part
})

const isOnlyNull = (connection: Connection, cell: string, label: string) =>
  connection
    .query(`SELECT count(${cell}) FROM ${result}`, { label })
    .pipe(Effect.map(({ rows }) => Number(rows[0]?.[0]) === 0))
