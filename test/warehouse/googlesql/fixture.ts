/**
 * A database in memory with the prelude, and short forms to ask it.
 */
import type { DuckDBValue } from "@duckdb/node-api"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as DuckDb from "../../../src/warehouse/duckdb/DuckDb.ts"
import type { SqlParameter } from "../../../src/warehouse/FileMapping.ts"
import * as GoogleSql from "../../../src/warehouse/googlesql/GoogleSql.ts"
import { OtherTenant } from "../../../src/warehouse/Warehouse.ts"

/** A session on a fresh database: plain names are its tables, the dataset `other` is somebody else's. */
export const openSession = Effect.gen(function* () {
  const database = yield* DuckDb.open(":memory:", {})
  const connection = yield* database.connect
  yield* connection.query("SET TimeZone = 'UTC'")
  yield* GoogleSql.installPrelude(connection)
  const session: GoogleSql.SqlSession = {
    connection,
    source: "test.sql",
    resolveTable: (path) =>
      path.length === 1
        ? Either.right(`"main"."${path[0]}"`)
        : Either.left(path[0] === "other" ? new OtherTenant({ org: "mine", path: path.join(".") }) : "no such dataset"),
    procedure: () => Effect.succeed(undefined)
  }
  return session
})

const plain = (value: DuckDBValue): string | null => (value === null ? null : String(value))

/** The rows of a script as text. */
export const rowsOf = (script: string, parameters?: Readonly<Record<string, SqlParameter>>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const session = yield* openSession
      const result = yield* GoogleSql.runScript(session, script, parameters)
      return result.rows.map((row) => row.map(plain))
    })
  )

/** The one row of a script as text. */
export const rowOf = (script: string, parameters?: Readonly<Record<string, SqlParameter>>) =>
  Effect.map(rowsOf(script, parameters), (rows) => rows[0] ?? [])

/** The error of a script. */
export const errorOf = (script: string) => Effect.flip(rowsOf(script))
