/**
 * GoogleSQL of one organisation on the embedded engine: which tables a statement may name, and what its results become.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { rm } from "node:fs/promises"
import type { OrgSlug } from "../../platform/Identifiers.ts"
import type { SqlParameter } from "../FileMapping.ts"
import { installPrelude, parseProcedure, runScript, type SqlSession, translateQuery } from "../googlesql/GoogleSql.ts"
import * as Dml from "../googlesql/Dml.ts"
import type { Table } from "../Table.ts"
import {
  type Change,
  type ChangeReport,
  OtherTenant,
  type Rows,
  type ProcedureDefinition,
  StatementFailed,
  type WarehouseError
} from "../Warehouse.ts"
import { centralDataset } from "./Datasets.ts"
import { type Connection, PARQUET } from "./DuckDb.ts"
import * as Procedures from "./Procedures.ts"
import { toJson } from "./ResultRows.ts"
import { name, text } from "./SqlText.ts"

/** What an organisation's statements may see. */
export interface TenantScope {
  readonly org: OrgSlug
  readonly dataset: string
  readonly projectId: string
  readonly tables: ReadonlyMap<string, Table>
  readonly lookups: ReadonlyArray<string>
}

/** A query answers at most so many rows; larger results are exported. */
const QUERY_ROW_LIMIT = 100_000

/** Makes a database ready for GoogleSQL. */
export const prepare = installPrelude

/** Runs one SELECT over the org's own tables, by their plain names, and the lookup tables. */
export const query = Effect.fn("Statements.query")(function* (
  connection: Connection,
  scope: TenantScope,
  sql: string,
  parameters: Readonly<Record<string, SqlParameter>>
) {
  const translated = yield* translate(connection, scope, sql, parameters)
  const result = yield* connection.query(`SELECT * FROM (${translated}) LIMIT ${QUERY_ROW_LIMIT + 1}`, {
    label: `query of ${scope.org}`
  })
  if (result.rows.length > QUERY_ROW_LIMIT) {
    return yield* new StatementFailed({
      statement: `query of ${scope.org}`,
      reason: `the result has more than ${QUERY_ROW_LIMIT} rows; narrow it, or export it to a file`
    })
  }
  return toJson(result)
})

/** Makes one change of the org's own tables, once for its `workId`. */
export const change = Effect.fn("Statements.change")(function* (
  connection: Connection,
  scope: TenantScope,
  asked: Change,
  at: string
) {
  const stamped = yield* Dml.stamp(scope.org, asked.sql)
  const { table } = stamped
  if (!scope.tables.has(table)) return { table, rows: undefined } satisfies ChangeReport
  const own = Dml.parametersOf({ ...asked, org: scope.org, at }, table)
  const [done] = yield* query(connection, scope, Dml.doneQuery, own)
  if (done !== undefined) return { table, rows: Number(done["token"]) } satisfies ChangeReport
  const session: SqlSession = {
    connection,
    source: `change of ${table} by ${scope.org}`,
    resolveTable: (path) => resolvePlain(scope, path),
    procedure: () => Effect.succeed(undefined)
  }
  const result = yield* runScript(session, Dml.changeScript(stamped), { ...asked.parameters, ...own })
  return { table, rows: Number(result.rows[0]?.[0]) } satisfies ChangeReport
})

/** A SELECT over the org's own tables as the engine's SQL. */
export const translate = (
  connection: Connection,
  scope: TenantScope,
  sql: string,
  parameters: Readonly<Record<string, SqlParameter>>
): Effect.Effect<string, WarehouseError> =>
  translateQuery(
    {
      connection,
      source: `query of ${scope.org}`,
      resolveTable: (path) => resolvePlain(scope, path),
      procedure: () => Effect.succeed(undefined)
    },
    sql,
    parameters
  )

/** Calls a stored procedure for the org; project and dataset are its first two arguments. */
export const call = Effect.fn("Statements.call")(function* (
  connection: Connection,
  scope: TenantScope,
  procedure: string,
  args: ReadonlyArray<SqlParameter>
) {
  const all: ReadonlyArray<SqlParameter> = [
    { type: "STRING", value: scope.projectId },
    { type: "STRING", value: scope.dataset },
    ...args
  ]
  const session: SqlSession = {
    connection,
    source: procedure,
    resolveTable: (path) => resolveInProcedure(scope, path),
    procedure: (path) => storedText(connection, scope, path)
  }
  const placeholders = all.map((_, index) => `@argument${index}`)
  const result = yield* runScript(
    session,
    `CALL \`${centralDataset}\`.\`${procedure.replaceAll("`", "")}\`(${placeholders.join(", ")})`,
    Object.fromEntries(all.map((argument, index) => [`argument${index}`, argument]))
  )
  const rows: Rows = toJson(result)
  return rows
})

/** Fails when the text is not one procedure of that name that the engine can run. */
export const checkProcedure = (definition: ProcedureDefinition) =>
  Effect.flatMap(parseProcedure(definition.name, definition.text), ({ path }) =>
    path.at(-1) === definition.name
      ? Effect.void
      : Effect.fail(
          new StatementFailed({
            statement: `create the procedure ${definition.name}`,
            reason: `the text creates ${path.join(".")}`
          })
        )
  )

/** Writes the result of a SELECT to a file: in CSV decimals have no zeros at their end and timestamps are `2026-03-05T00:00:00Z`. */
export const exportTo = Effect.fn("Statements.exportTo")(function* (
  connection: Connection,
  scope: TenantScope,
  sql: string,
  file: { readonly path: string; readonly format: "csv" | "parquet" }
) {
  return yield* copyTo(connection, yield* translate(connection, scope, sql, {}), file, `export for ${scope.org}`)
})

/** Writes the result of the engine's own SQL to a file, in the same way. */
export const copyTo = Effect.fn("Statements.copyTo")(function* (
  connection: Connection,
  translated: string,
  file: { readonly path: string; readonly format: "csv" | "parquet" },
  label: string
) {
  const source = file.format === "csv" ? yield* plainTexts(connection, translated, label) : translated
  const format = file.format === "csv" ? "FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ'" : PARQUET
  const written = yield* connection
    .query(`COPY (${source}) TO ${text(file.path)} (${format})`, { label, needs: "wide" })
    .pipe(Effect.onError(() => Effect.promise(() => rm(file.path, { force: true }))))
  return Number(written.rows[0]?.[0] ?? 0)
})

const plainTexts = (connection: Connection, sql: string, label: string) =>
  connection.query(`DESCRIBE ${sql}`, { label }).pipe(
    Effect.map(({ rows }) => {
      const columns = rows.map(([column, type]) => {
        const quoted = name(String(column))
        return /^DECIMAL\(\d+,[1-9]\d*\)$/.test(String(type))
          ? `rtrim(rtrim(CAST(${quoted} AS VARCHAR), '0'), '.') AS ${quoted}`
          : quoted
      })
      return `SELECT ${columns.join(", ")} FROM (${sql})`
    })
  )

type Resolved = Either.Either<string, OtherTenant | string>

const own = (scope: TenantScope, table: string): Resolved =>
  scope.tables.has(table)
    ? Either.right(`${name(scope.dataset)}.${name(table)}`)
    : Either.left(`Not found: Table ${table}`)

const lookup = (scope: TenantScope, table: string): Resolved =>
  scope.lookups.includes(table)
    ? Either.right(`${name(centralDataset)}.${name(table)}`)
    : Either.left(`Not found: Table ${centralDataset}.${table}`)

const otherTenant = (scope: TenantScope, path: ReadonlyArray<string>): Resolved =>
  Either.left(new OtherTenant({ org: scope.org, path: path.join(".") }))

/** Plain names of own tables, and the lookup tables. */
const resolvePlain = (scope: TenantScope, path: ReadonlyArray<string>): Resolved => {
  const [first = "", second] = path
  if (path.length === 1) return own(scope, first)
  return path.length === 2 && first === centralDataset && second !== undefined
    ? lookup(scope, second)
    : otherTenant(scope, path)
}

/** In a procedure also the full names of own tables: it is given project and dataset. */
const resolveInProcedure = (scope: TenantScope, path: ReadonlyArray<string>): Resolved => {
  const local = path.length === 3 && path[0] === scope.projectId ? path.slice(1) : path
  const [dataset, table] = local
  if (local.length === 2 && dataset === scope.dataset && table !== undefined) return own(scope, table)
  if (local.length === 2 && dataset === centralDataset && table !== undefined) return lookup(scope, table)
  return resolvePlain(scope, path)
}

const storedText = (connection: Connection, scope: TenantScope, path: ReadonlyArray<string>) => {
  const local = path.length === 3 && path[0] === scope.projectId ? path.slice(1) : path
  const [dataset, procedure] = local
  return local.length === 2 && dataset === centralDataset && procedure !== undefined
    ? Procedures.find(connection, procedure)
    : Effect.succeed(undefined)
}
