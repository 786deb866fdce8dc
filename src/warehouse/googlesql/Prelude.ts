/**
 * What every database needs before GoogleSQL runs on it: the functions that DuckDB has not, or has with other answers.
 */
import type { Connection } from "../duckdb/DuckDb.ts"
import type { StatementFailed } from "../Warehouse.ts"
import * as Effect from "effect/Effect"
import { decimalNatives } from "./natives/Decimal.ts"
import { jsonNatives } from "./natives/Json.ts"
import { numberNatives } from "./natives/Number.ts"
import { register } from "./natives/Native.ts"
import { textNatives } from "./natives/Text.ts"
import { timeNatives } from "./natives/Time.ts"

const macros: ReadonlyArray<string> = [
  "bq_in_array(item, items) AS CASE WHEN item IS NULL AND len(items) > 0 THEN NULL WHEN list_contains(items, item) THEN TRUE WHEN list_count(items) < len(items) THEN NULL ELSE FALSE END",
  "bq_output_array(items) AS CASE WHEN list_count(items) < len(items) THEN error('Array cannot have a null element; error in writing field') ELSE coalesce(items, []) END",
  "bq_week(day, first) AS CAST((dayofyear(day) + 6 - (dayofweek(day) - first + 7) % 7) // 7 AS BIGINT)"
]

/** Installs the prelude into the connection's database; done again, it changes nothing. */
export const install = (connection: Connection): Effect.Effect<void, StatementFailed> =>
  Effect.gen(function* () {
    for (const native of [...decimalNatives, ...numberNatives, ...textNatives, ...timeNatives, ...jsonNatives]) {
      yield* register(connection, native)
    }
    for (const macro of macros)
      yield* connection.query(`CREATE OR REPLACE MACRO main.${macro}`, { label: "GoogleSQL prelude" })
    yield* connection.query(
      "CREATE TABLE IF NOT EXISTS main.googlesql_routines (kind VARCHAR, name VARCHAR, definition VARCHAR, PRIMARY KEY (name))",
      {
        label: "GoogleSQL prelude"
      }
    )
  })
