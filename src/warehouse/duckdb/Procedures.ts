/**
 * The stored procedures of the central dataset: their texts, kept in the database file.
 */
import * as Effect from "effect/Effect"
import type { ProcedureDefinition, StoredProcedure } from "../Warehouse.ts"
import { systemDataset } from "./Datasets.ts"
import type { Connection } from "./DuckDb.ts"

const table = `${systemDataset}.procedures`
const timestamp = (column: string) => `strftime(${column}, '%Y-%m-%dT%H:%M:%S.%gZ')`

/** Creates the table that holds the texts. */
export const ensure = (connection: Connection) =>
  connection.query(
    `CREATE TABLE IF NOT EXISTS ${table} (name VARCHAR PRIMARY KEY, definition VARCHAR NOT NULL, content_hash VARCHAR NOT NULL, ` +
      "created_at TIMESTAMPTZ NOT NULL, modified_at TIMESTAMPTZ NOT NULL)"
  )

/** All procedures by name. */
export const list = (connection: Connection) =>
  connection
    .query(
      `SELECT name, definition, content_hash, ${timestamp("created_at")}, ${timestamp("modified_at")} FROM ${table} ORDER BY name`,
      { label: "list the procedures" }
    )
    .pipe(
      Effect.map(({ rows }) =>
        rows.map(([name, definition, contentHash, createdAt, modifiedAt]): StoredProcedure => ({
          name: String(name),
          definition: String(definition),
          contentHash: String(contentHash),
          createdAt: String(createdAt),
          modifiedAt: String(modifiedAt)
        }))
      )
    )

/** The text of one procedure. */
export const find = (connection: Connection, name: string) =>
  connection
    .query(`SELECT definition FROM ${table} WHERE name = $1`, {
      label: `find the procedure ${name}`,
      parameters: [name]
    })
    .pipe(Effect.map(({ rows }) => (rows[0] === undefined ? undefined : String(rows[0][0]))))

/** Creates or replaces all of them or none; `at` is an ISO timestamp. */
export const save = (connection: Connection, procedures: ReadonlyArray<ProcedureDefinition>, at: string) => {
  // One statement may not write a row twice.
  const rows = [...new Map(procedures.map((procedure) => [procedure.name, procedure])).values()]
  const values = rows.map((_, index) => {
    const [name, definition, contentHash] = [2, 3, 4].map((position) => `$${index * 3 + position}`)
    return `(${name}, ${definition}, ${contentHash}, CAST($1 AS TIMESTAMPTZ), CAST($1 AS TIMESTAMPTZ))`
  })
  return Effect.when(
    connection.query(
      `INSERT INTO ${table} VALUES ${values.join(", ")} ON CONFLICT (name) ` +
        "DO UPDATE SET definition = excluded.definition, content_hash = excluded.content_hash, modified_at = excluded.modified_at",
      {
        label: "save the procedures",
        parameters: [at, ...rows.flatMap(({ contentHash, name, text }) => [name, text, contentHash])]
      }
    ),
    () => rows.length > 0
  )
}

/** Removes one; false when there was none. */
export const remove = (connection: Connection, name: string) =>
  connection
    .query(`DELETE FROM ${table} WHERE name = $1 RETURNING name`, {
      label: `drop the procedure ${name}`,
      parameters: [name]
    })
    .pipe(Effect.map(({ rows }) => rows.length > 0))
