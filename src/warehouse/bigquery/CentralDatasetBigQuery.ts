/**
 * The tables of the central dataset in BigQuery. Where the service keeps organisations itself they are created when they are missing;
 * otherwise they are the API service's, and taken as they are.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { JsonObject } from "../../platform/Json.ts"
import { CentralDataset, type CentralDatasetService, type Change } from "../CentralDataset.ts"
import type { ColumnType } from "../Table.ts"
import { StatementFailed } from "../Warehouse.ts"
import * as CentralTables from "./CentralTables.ts"
import { once } from "./Once.ts"
import * as Queries from "./Queries.ts"
import { BigQuerySession, type Session } from "./Session.ts"
import { name, path } from "./SqlText.ts"
import * as Tables from "./Tables.ts"

const labels = { service: "pipeline-service" }

const make = (session: Session): CentralDatasetService => {
  const { settings } = session
  const open = once(CentralTables.ensure(session))
  return {
    query: Effect.fn("CentralDataset.query")(function* (what, sql, parameters) {
      yield* open
      const jobId = yield* Queries.run(session, {
        what,
        sql,
        dataset: Tables.centralDataset,
        labels,
        timeoutSeconds: settings.bigqueryTimeoutSeconds,
        ...(parameters === undefined ? {} : { parameters })
      })
      return yield* Queries.rows(session, what, yield* Queries.result(session, what, jobId))
    }),
    change: Effect.fn("CentralDataset.change")(function* (what, changes) {
      yield* open
      const statements = yield* Effect.forEach(changes, (change, index) =>
        statementOf(what, session.api.projectId, change, `@change${index}`)
      )
      yield* Queries.run(session, {
        what,
        sql: ["BEGIN TRANSACTION", ...statements, "COMMIT TRANSACTION"].map((each) => `${each};\n`).join(""),
        parameters: Object.fromEntries(
          changes.map((change, index) => [
            `change${index}`,
            { type: "JSON", value: JSON.stringify(change.kind === "insert" ? change.rows : change) } as const
          ])
        ),
        labels,
        timeoutSeconds: settings.bigqueryTimeoutSeconds
      })
    })
  }
}

/** One statement; what it changes comes as the JSON parameter. */
const statementOf = Effect.fnUntraced(function* (what: string, project: string, change: Change, parameter: string) {
  const table = path(project, Tables.centralDataset, change.table)
  const types = new Map(
    CentralTables.centralTables.get(change.table)?.columns.map((column) => [column.name, column.type])
  )
  const cell = (from: string, column: string) =>
    Effect.mapBoth(Effect.fromNullable(types.get(column)), {
      onFailure: () => new StatementFailed({ statement: what, reason: `${change.table} has no column ${column}` }),
      onSuccess: (type) => cellOf(type, from, column)
    })
  if (change.kind === "insert") {
    const columns = [...new Set(change.rows.flatMap((row: JsonObject) => Object.keys(row)))]
    const cells = yield* Effect.forEach(columns, (column) => cell("row", column))
    return (
      `INSERT INTO ${table} (${columns.map(name).join(", ")})\n` +
      `SELECT ${cells.join(", ")} FROM UNNEST(JSON_QUERY_ARRAY(${parameter})) AS row`
    )
  }
  const where = Object.keys(change.where)
    .map((column) => `${name(column)} = JSON_VALUE(${parameter}, '$.where.${column}')`)
    .join(" AND ")
  if (change.kind === "delete") return `DELETE FROM ${table} WHERE ${where}`
  const set = yield* Effect.forEach(Object.keys(change.set), (column) =>
    Effect.map(cell(`JSON_QUERY(${parameter}, '$.set')`, column), (value) => `${name(column)} = ${value}`)
  )
  return `UPDATE ${table} SET ${set.join(", ")} WHERE ${where}`
})

/** SQL of a member of a JSON object, as the column has it. */
const cellOf = (type: ColumnType, from: string, column: string): string => {
  const value = `JSON_VALUE(${from}, '$.${column}')`
  switch (type) {
    case "STRING":
      return value
    case "BYTES":
      return `FROM_BASE64(${value})`
    case "JSON":
      return `JSON_QUERY(${from}, '$.${column}')`
    case "ARRAY<STRING>":
      return `ARRAY(SELECT JSON_VALUE(item) FROM UNNEST(JSON_QUERY_ARRAY(${from}, '$.${column}')) AS item)`
    default:
      return `CAST(${value} AS ${type})`
  }
}

/** The dataset of GCP_PROJECT_ID. Nothing is asked of BigQuery before the first use. */
export const layer = Layer.effect(CentralDataset, Effect.map(BigQuerySession, make)).pipe(
  Layer.provide(BigQuerySession.layer)
)
