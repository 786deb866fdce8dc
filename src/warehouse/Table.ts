/**
 * How a warehouse table is declared: once, in `configs/tables/<name>.yml`, for every engine.
 */
import * as Schema from "effect/Schema"

/** BigQuery's names of the types. NUMERIC has 9 decimals, BIGNUMERIC holds amounts with up to 24. */
export const ColumnType = Schema.Literal(
  "STRING",
  "INT64",
  "NUMERIC",
  "BIGNUMERIC",
  "FLOAT64",
  "BOOL",
  "DATE",
  "TIMESTAMP",
  "JSON",
  "BYTES",
  "ARRAY<STRING>"
)
export type ColumnType = typeof ColumnType.Type

/** One column; `required` columns refuse NULL. A column of `highCardinality` holds long texts that seldom repeat, which no dictionary makes shorter. */
export const Column = Schema.Struct({
  name: Schema.String.pipe(Schema.pattern(/^[A-Za-z_][A-Za-z0-9_]*$/)),
  type: ColumnType,
  required: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  highCardinality: Schema.optional(Schema.Boolean),
  description: Schema.String
})
export type Column = typeof Column.Type

/** A table of every org's dataset. The seven lineage columns stand at its end and are not written in the file. */
export const Table = Schema.Struct({
  name: Schema.String.pipe(Schema.pattern(/^[a-z_][a-z0-9_]*$/)),
  description: Schema.String,
  clusterBy: Schema.Array(Schema.String),
  columns: Schema.NonEmptyArray(Column)
})
export type Table = typeof Table.Type

/** The lineage of a row: who owns it, which pipeline, credential and day it belongs to (the slice), and which run wrote it when. Stamped by the warehouse, never by a processor. */
export const lineageColumns: ReadonlyArray<Column> = [
  { name: "x_org_slug", type: "STRING", required: true, description: "Organisation that owns the row." },
  {
    name: "x_pipeline_id",
    type: "STRING",
    required: true,
    description: "Template id of the pipeline that owns the data."
  },
  {
    name: "x_credential_id",
    type: "STRING",
    required: true,
    description: "Credential that the data was read with; default where none is needed."
  },
  {
    name: "x_pipeline_run_date",
    type: "DATE",
    required: true,
    description: "UTC day that the usage or money belongs to."
  },
  { name: "x_run_id", type: "STRING", required: true, description: "Run that wrote the row." },
  { name: "x_ingested_at", type: "TIMESTAMP", required: true, description: "When the row was written." },
  { name: "x_ingestion_date", type: "DATE", required: true, description: "UTC day of x_ingested_at; the partition." }
]
