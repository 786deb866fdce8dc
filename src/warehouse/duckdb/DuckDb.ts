/**
 * DuckDB as an Effect resource: a database file and its connections. Interrupting a statement's fiber interrupts the statement.
 */
import { DuckDBInstance, type DuckDBConnection, type DuckDBType, type DuckDBValue } from "@duckdb/node-api"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { StatementFailed, WarehouseUnavailable } from "../Warehouse.ts"

/** A result as the engine gives it: column names, engine types, rows of engine values in column order. */
export interface ResultSet {
  readonly names: ReadonlyArray<string>
  readonly types: ReadonlyArray<DuckDBType>
  readonly rows: ReadonlyArray<ReadonlyArray<DuckDBValue>>
}

/** One connection: one transaction at a time. */
export interface Connection {
  /** Runs one statement and reads its whole result; `parameters` fill `$1`, `$2` ... `label` names the statement in errors. */
  readonly query: (
    sql: string,
    options?: { readonly label?: string; readonly parameters?: ReadonlyArray<DuckDBValue> }
  ) => Effect.Effect<ResultSet, StatementFailed>
  /** The engine's own connection, for appenders. */
  readonly raw: DuckDBConnection
}

/** An open database. */
export interface Database {
  /** A new connection, closed with the scope. */
  readonly connect: Effect.Effect<Connection, WarehouseUnavailable, Scope.Scope>
}

/** Opens a database file (`:memory:` for a throwaway one). One process at a time may hold a file. */
export const open = (
  path: string,
  options: Readonly<Record<string, string>>
): Effect.Effect<Database, WarehouseUnavailable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: () => DuckDBInstance.create(path, { ...options }),
      catch: (cause) =>
        new WarehouseUnavailable({
          message: `the warehouse file ${path} cannot be opened: ${firstLine(cause)}; is another process using it?`
        })
    }),
    (instance) => Effect.sync(() => instance.closeSync())
  ).pipe(
    Effect.map((instance) => ({
      connect: Effect.acquireRelease(
        Effect.tryPromise({
          try: () => instance.connect(),
          catch: (cause) => new WarehouseUnavailable({ message: `no warehouse connection: ${firstLine(cause)}` })
        }),
        (connection) => Effect.sync(() => connection.closeSync())
      ).pipe(Effect.map(fromRaw))
    }))
  )

const fromRaw = (raw: DuckDBConnection): Connection => ({
  raw,
  query: (sql, options) =>
    Effect.async<ResultSet, StatementFailed>((resume) => {
      const statement = options?.label ?? sql.trim().slice(0, 80)
      raw.runAndReadAll(sql, options?.parameters === undefined ? undefined : [...options.parameters]).then(
        (reader) =>
          resume(Effect.succeed({ names: reader.columnNames(), types: reader.columnTypes(), rows: reader.getRows() })),
        (cause: unknown) => resume(Effect.fail(new StatementFailed({ statement, reason: firstLine(cause) })))
      )
      return Effect.sync(() => raw.interrupt())
    })
})

const firstLine = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).split("\n", 1)[0] ?? ""
