/**
 * The catalogue of tables: what the columns of an organisation's dataset mean.
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { ColumnType } from "../warehouse/Table.ts"
import { ReadAccess } from "./Authentication.ts"
import { failure } from "./Errors.ts"

const ColumnDescription = Schema.Struct({
  name: Schema.String,
  type: ColumnType.annotations({ description: "BigQuery's name of the type" }),
  required: Schema.Boolean.annotations({ description: "Refuses NULL" }),
  description: Schema.String
}).annotations({ identifier: "ColumnDescription" })

/** A table with its columns in order; the seven lineage columns come last. */
export const TableDescription = Schema.Struct({
  name: Schema.String,
  description: Schema.String,
  clustered_by: Schema.Array(Schema.String),
  columns: Schema.Array(ColumnDescription)
}).annotations({ identifier: "TableDescription" })

const TableSummary = Schema.Struct({
  name: Schema.String,
  description: Schema.String,
  column_count: Schema.Number
}).annotations({ identifier: "TableSummary" })

/** The group. */
export const TablesGroup = HttpApiGroup.make("tables")
  .add(
    HttpApiEndpoint.get("list", "/tables")
      .addSuccess(Schema.Struct({ tables: Schema.Array(TableSummary), count: Schema.Number }))
      .annotate(OpenApi.Summary, "The tables that every organisation's dataset has")
  )
  .add(
    HttpApiEndpoint.get("get", "/tables/:name")
      .setPath(Schema.Struct({ name: Schema.String.annotations({ description: "Name of a table" }) }))
      .addSuccess(TableDescription)
      .addError(failure(404, "No such table"))
      .annotate(OpenApi.Summary, "A table with its columns: type, whether it refuses NULL, meaning")
  )
  .middleware(ReadAccess)
  .prefix("/api/v1")
  .annotate(OpenApi.Description, "What the tables and columns mean")
