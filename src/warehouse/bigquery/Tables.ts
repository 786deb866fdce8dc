/**
 * Datasets and tables as their declarations say: created with partition, clustering, labels and descriptions, given new nullable columns;
 * every other difference is refused.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { JsonObject } from "../../platform/Json.ts"
import type { Column, ColumnType, Table } from "../Table.ts"
import { columnsOf } from "../Tables.ts"
import { DatasetMissing, StatementFailed } from "../Warehouse.ts"
import * as Jobs from "./Jobs.ts"
import type { Session } from "./Session.ts"
import * as Quotas from "./Quotas.ts"
import { Field } from "./Results.ts"

/** The dataset that belongs to no organisation: stored procedures and lookup tables. */
export const centralDataset = "organizations"

/** A project may make ten tables a second. */
const TABLE_CONCURRENCY = 4
/** A clustering has at most so many columns. */
const CLUSTER_COLUMN_LIMIT = 4

const Dataset = Schema.Struct({ location: Schema.optional(Schema.String) })

/** What is asked of an existing table. */
export const TableResource = Schema.Struct({
  schema: Schema.optional(Schema.Struct({ fields: Schema.optional(Schema.Array(Field)) })),
  description: Schema.optional(Schema.String),
  numRows: Schema.optional(Schema.String)
})

/** Creates the dataset when there is none; one in another place is refused. */
export const ensureDataset = Effect.fn("BigQueryTables.ensureDataset")(function* (
  session: Session,
  dataset: { readonly name: string; readonly description: string; readonly labels: Readonly<Record<string, string>> }
) {
  const { api } = session
  const what = `open the dataset ${dataset.name}`
  const present = yield* Jobs.find(session, what, { method: "GET", path: `/datasets/${dataset.name}` }, Dataset)
  if (present === undefined) {
    return yield* Jobs.create(session, what, "/datasets", {
      datasetReference: { projectId: api.projectId, datasetId: dataset.name },
      location: api.location,
      description: dataset.description,
      labels: Jobs.labels(dataset.labels)
    })
  }
  if (present.location !== undefined && present.location.toUpperCase() !== api.location.toUpperCase()) {
    return yield* new DatasetMissing({
      message: `${what}: it lies in ${present.location}, not in ${api.location}: set BIGQUERY_LOCATION to ${present.location}`
    })
  }
})

/** Creates the central dataset when there is none. */
export const ensureCentral = (session: Session) =>
  ensureDataset(session, {
    name: centralDataset,
    description: "Stored procedures, lookup tables, organisations and what they may do.",
    labels: { service: "pipeline-service" }
  })

/** Brings all tables of a dataset to their declarations. */
export const ensure = (session: Session, dataset: string, tables: Iterable<Table>) =>
  Effect.forEach(tables, (table) => ensureTable(session, dataset, table), {
    concurrency: TABLE_CONCURRENCY,
    discard: true
  })

/** Creates those tables of the central dataset that are missing; of the others nothing is asked. */
export const ensureShared = (
  session: Session,
  tables: ReadonlyMap<string, { readonly description: string; readonly columns: ReadonlyArray<Column> }>
) =>
  Effect.forEach(
    tables,
    ([table, { columns, description }]) =>
      Effect.gen(function* () {
        const path = `/datasets/${centralDataset}/tables`
        const what = `open ${centralDataset}.${table}`
        const present = yield* Jobs.find(session, what, { method: "GET", path: `${path}/${table}` }, Schema.Unknown)
        if (present !== undefined) return
        yield* Quotas.admit(session.ledger, what, Quotas.newTable)
        yield* Jobs.create(session, what, path, {
          tableReference: { projectId: session.api.projectId, datasetId: centralDataset, tableId: table },
          description,
          labels: { service: "pipeline-service" },
          clustering: { fields: ["org_slug"] },
          schema: { fields: columns.map(fieldOf) }
        })
      }),
    { concurrency: TABLE_CONCURRENCY, discard: true }
  )

const ensureTable = Effect.fn("BigQueryTables.ensureTable")(function* (
  session: Session,
  dataset: string,
  table: Table
) {
  const path = `/datasets/${dataset}/tables`
  const what = `open ${dataset}.${table.name}`
  const present = yield* Jobs.find(session, what, { method: "GET", path: `${path}/${table.name}` }, TableResource)
  if (present === undefined) {
    yield* Quotas.admit(session.ledger, what, Quotas.newTable)
    return yield* Jobs.create(session, `create ${dataset}.${table.name}`, path, {
      tableReference: { projectId: session.api.projectId, datasetId: dataset, tableId: table.name },
      description: table.description,
      labels: { service: "pipeline-service" },
      timePartitioning: { type: "DAY", field: "x_ingestion_date" },
      clustering: { fields: table.clusterBy.slice(0, CLUSTER_COLUMN_LIMIT) },
      schema: { fields: columnsOf(table).map(fieldOf) }
    })
  }
  const fields = present.schema?.fields ?? []
  const byName = new Map(fields.map((field) => [field.name.toLowerCase(), field]))
  const missing: Array<Column> = []
  for (const column of columnsOf(table)) {
    const found = byName.get(column.name.toLowerCase())
    byName.delete(column.name.toLowerCase())
    if (found === undefined && column.required) {
      return yield* differs(what, `the required column ${column.name} is missing`)
    }
    if (found === undefined) missing.push(column)
    else if (typeOf(found) !== column.type) {
      return yield* differs(what, `${column.name} is ${typeOf(found)}, declared is ${column.type}`)
    } else if ((found.mode === "REQUIRED") !== column.required) {
      return yield* differs(what, `${column.name} is ${column.required ? "not " : ""}required in the table`)
    }
  }
  for (const extra of byName.values()) return yield* differs(what, `the column ${extra.name} is not declared`)
  if (missing.length === 0) return
  yield* Quotas.admit(session.ledger, what, Quotas.changeOf(`${dataset}.${table.name}`))
  yield* Jobs.call(
    session,
    `add columns to ${dataset}.${table.name}`,
    {
      method: "PATCH",
      path: `${path}/${table.name}`,
      body: { schema: { fields: [...fields.map(fieldJson), ...missing.map(fieldOf)] } }
    },
    Schema.Unknown
  )
})

const differs = (statement: string, difference: string) =>
  new StatementFailed({
    statement,
    reason: `the table differs from its declaration: ${difference}; only nullable columns are added by themselves`
  })

/** A declared column in BigQuery's schema. */
export const fieldOf = ({ name, type, required, description }: Column): JsonObject => ({
  name,
  type: type === "ARRAY<STRING>" ? "STRING" : type,
  mode: type === "ARRAY<STRING>" ? "REPEATED" : required ? "REQUIRED" : "NULLABLE",
  description
})

/** A column of an existing table as it was told, for a change of its table. */
const fieldJson = (field: Field): JsonObject => ({
  name: field.name,
  type: field.type,
  ...(field.mode === undefined ? {} : { mode: field.mode }),
  ...(field.description === undefined ? {} : { description: field.description }),
  ...(field.fields === undefined ? {} : { fields: field.fields.map(fieldJson) })
})

const legacyNames: Readonly<Record<string, ColumnType>> = { INTEGER: "INT64", FLOAT: "FLOAT64", BOOLEAN: "BOOL" }

/** The type of a column in the words of declarations. */
export const typeOf = ({ mode, type }: Field): string =>
  mode === "REPEATED" ? `ARRAY<${legacyNames[type] ?? type}>` : (legacyNames[type] ?? type)

/** Fails when BigQuery does not answer or does not have the central dataset. */
export const check = Effect.fn("BigQueryTables.check")(function* (session: Session) {
  const what = "look for the warehouse"
  const path = `/datasets/${centralDataset}`
  if ((yield* Jobs.find(session, what, { method: "GET", path }, Dataset)) === undefined) {
    return yield* new DatasetMissing({
      message:
        `there is no dataset ${centralDataset} in project ${session.api.projectId}: the service creates it when it starts with ` +
        `AUTO_SYNC_PROCEDURES=true; its account needs the role BigQuery User for that`
    })
  }
})
