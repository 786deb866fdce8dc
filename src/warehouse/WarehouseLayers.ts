/**
 * The warehouse that the settings ask for.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Settings } from "../platform/Settings.ts"
import * as WarehouseDuckDb from "./duckdb/WarehouseDuckDb.ts"

const bigQuery = Effect.promise(() => import("./bigquery/WarehouseBigQuery.ts"))

/** The embedded one, or BigQuery. */
export const layer = Layer.unwrapEffect(
  Effect.flatMap(Settings, ({ warehouse }) =>
    warehouse === "duckdb" ? Effect.succeed(WarehouseDuckDb.layer) : Effect.map(bigQuery, ({ layer }) => layer)
  )
)
