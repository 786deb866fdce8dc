/**
 * INFORMATION_SCHEMA.TABLES and COLUMNS of a dataset, from DuckDB's own catalogue.
 */
import * as Either from "effect/Either"
import type { FromItem } from "./Ast.ts"
import { resolvePath, unsupported, type OutputColumn, type Translate, type Translator } from "./Translator.ts"
import { quoteText, scalar, type ScalarKind } from "./Types.ts"

/** Comments that CREATE TABLE leaves on columns. */
export const partitionComment = "partitioning column"
export const clusterComment = "clustering column "

/** Columns that BigQuery has and the embedded engine cannot fill. */
const unknown = { kind: "OTHER" as const }

const view = (
  columns: ReadonlyArray<readonly [string, ScalarKind, string]>,
  missing: ReadonlyArray<string>,
  from: string
) => {
  const outputs: Array<OutputColumn> = [
    ...columns.map(([name, kind]) => ({ name, type: scalar(kind), column: name })),
    ...missing.map((name) => ({ name, type: unknown, column: name }))
  ]
  return {
    sql: `SELECT ${columns.map(([name, , sql]) => `${sql} AS "${name}"`).join(", ")} FROM ${from}`,
    columns: outputs
  }
}

/** The query behind a path through INFORMATION_SCHEMA; undefined when the path names a table. */
export const informationSchema = (
  t: Translator,
  item: FromItem & { kind: "table" }
): Translate<{ readonly sql: string; readonly columns: ReadonlyArray<OutputColumn> } | undefined> =>
  Either.gen(function* () {
    const index = item.path.findIndex((part) => part.toUpperCase() === "INFORMATION_SCHEMA")
    if (index === -1) return undefined
    const what = item.path[index + 1]?.toUpperCase() ?? ""
    const ofRegion = item.path[index - 1]?.toLowerCase().startsWith("region-") === true
    if (item.path.length !== index + 2 || ofRegion) {
      return yield* unsupported(t, item.at, "this path through INFORMATION_SCHEMA")
    }
    const resolved = yield* resolvePath(t, item.at, [...item.path.slice(0, index), "any"])
    const parts = [...resolved.matchAll(/"((?:[^"]|"")*)"/g)].map((match) => (match[1] ?? "").replaceAll('""', '"'))
    const schema = parts.length > 1 ? quoteText(parts.at(-2) ?? "") : "current_schema()"
    const database = parts.length > 2 ? quoteText(parts.at(-3) ?? "") : "current_database()"
    const where = `WHERE "database_name" = ${database} AND "schema_name" = ${schema}`
    if (what === "TABLES") {
      const from = `(SELECT schema_name, table_name, 'BASE TABLE' AS kind FROM duckdb_tables() ${where} AND NOT temporary
        UNION ALL SELECT schema_name, view_name, 'VIEW' FROM duckdb_views() ${where} AND NOT internal AND NOT temporary)`
      return view(
        [
          ["table_schema", "STRING", "schema_name"],
          ["table_name", "STRING", "table_name"],
          ["table_type", "STRING", "kind"],
          ["is_insertable_into", "STRING", "CASE kind WHEN 'VIEW' THEN 'NO' ELSE 'YES' END"],
          ["is_typed", "STRING", "'NO'"]
        ],
        [
          "table_catalog",
          "creation_time",
          "ddl",
          "base_table_catalog",
          "default_collation_name",
          "managed_table_type",
          "is_change_history_enabled"
        ],
        from
      )
    }
    if (what === "COLUMNS") {
      return view(
        [
          ["table_schema", "STRING", "schema_name"],
          ["table_name", "STRING", "table_name"],
          ["column_name", "STRING", "column_name"],
          ["ordinal_position", "INT64", "CAST(column_index AS BIGINT)"],
          ["is_nullable", "STRING", "CASE WHEN is_nullable THEN 'YES' ELSE 'NO' END"],
          ["data_type", "STRING", "bq_type_name(data_type)"],
          ["is_hidden", "STRING", "'NO'"],
          ["is_system_defined", "STRING", "'NO'"],
          [
            "is_partitioning_column",
            "STRING",
            `CASE WHEN coalesce(comment, '') = ${quoteText(partitionComment)} THEN 'YES' ELSE 'NO' END`
          ],
          [
            "clustering_ordinal_position",
            "INT64",
            `TRY_CAST(replace(comment, ${quoteText(clusterComment)}, '') AS BIGINT)`
          ]
        ],
        [
          "table_catalog",
          "is_generated",
          "generation_expression",
          "is_stored",
          "is_updatable",
          "collation_name",
          "column_default",
          "rounding_mode"
        ],
        `duckdb_columns() ${where} AND NOT internal`
      )
    }
    return yield* unsupported(t, item.at, `INFORMATION_SCHEMA.${what}`)
  })
