/**
 * Staging tables: what a slice will become lies in one until it is committed. They end by themselves after a day.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { JsonObject } from "../../platform/Json.ts"
import type { Column, Table } from "../Table.ts"
import { columnsOf } from "../Tables.ts"
import { StatementFailed } from "../Warehouse.ts"
import * as Jobs from "./Jobs.ts"
import type { Session } from "./Session.ts"
import * as Quotas from "./Quotas.ts"
import { name } from "./SqlText.ts"
import { TableResource } from "./Tables.ts"

const LIFE_MILLIS = 24 * 60 * 60 * 1000

/** The name of a staging table; no declared table starts like that. */
export const nameOf = (key: string, part: string): string => `x_staging_${key}_${part}`

/** Creates an empty staging table. */
export const create = Effect.fn("BigQueryStaging.create")(function* (
  session: Session,
  dataset: string,
  table: string,
  fields: ReadonlyArray<JsonObject> | undefined
) {
  yield* Quotas.admit(session.ledger, `create ${dataset}.${table}`, Quotas.newTable)
  const now = yield* Clock.currentTimeMillis
  yield* Jobs.create(session, `create ${dataset}.${table}`, `/datasets/${dataset}/tables`, {
    tableReference: { projectId: session.api.projectId, datasetId: dataset, tableId: table },
    expirationTime: String(now + LIFE_MILLIS),
    labels: { service: "pipeline-service", staging: "true" },
    ...(fields === undefined ? {} : { schema: { fields } })
  })
})

/** Removes a staging table; failing to is left to its end of life. */
export const remove = (session: Session, dataset: string, table: string) =>
  Effect.ignore(Jobs.remove(session, `drop ${dataset}.${table}`, `/datasets/${dataset}/tables/${table}`))

/** Loads a Parquet file into a staging table by one load job, which a repetition of the same work finds. */
export const load = Effect.fn("BigQueryStaging.load")(function* (
  session: Session,
  staged: {
    readonly dataset: string
    readonly table: string
    readonly of: Table
    readonly file: string
    readonly rows: number
    readonly labels: Readonly<Record<string, string>>
  }
) {
  const { dataset, table } = staged
  const fields = columnsOf(staged.of).map(stagedField)
  const what = `load ${dataset}.${staged.of.name}`
  const path = `/datasets/${dataset}/tables/${table}`
  yield* create(session, dataset, table, fields)
  const job = yield* Jobs.run(session, {
    id: Jobs.jobId("load", dataset, table),
    what,
    work: {
      kind: "upload",
      dataset,
      table,
      file: staged.file,
      uses: Quotas.stagingLoad,
      load: {
        sourceFormat: "PARQUET",
        schema: { fields },
        decimalTargetTypes: ["NUMERIC", "BIGNUMERIC"],
        writeDisposition: "WRITE_TRUNCATE",
        createDisposition: "CREATE_IF_NEEDED"
      }
    },
    labels: staged.labels,
    remains: Effect.map(
      Jobs.find(session, what, { method: "GET", path }, TableResource),
      (found) => Number(found?.numRows) === staged.rows
    )
  })
  const loaded = Number(job.statistics?.load?.outputRows)
  if (loaded !== staged.rows) {
    return yield* new StatementFailed({
      statement: what,
      reason: `BigQuery loaded ${loaded} of ${staged.rows} rows into the staging table; the slice is unchanged`
    })
  }
})

const stagedField = ({ name, type }: Column): JsonObject => ({
  name,
  type: type === "JSON" || type === "ARRAY<STRING>" ? "STRING" : type,
  mode: "NULLABLE"
})

/** SQL of a column's value from its staging table. */
export const valueOf = ({ name: column, type }: Column): string => {
  if (type === "JSON") return `PARSE_JSON(${name(column)}, wide_number_mode => 'round')`
  return type === "ARRAY<STRING>"
    ? `ARRAY(SELECT JSON_VALUE(item) FROM UNNEST(JSON_QUERY_ARRAY(${name(column)})) AS item)`
    : name(column)
}
