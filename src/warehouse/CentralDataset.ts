/**
 * The tables of the dataset `organizations` that say who may use the service and how: read in GoogleSQL, changed row by row. Only rooms that
 * stand on these tables use it, never a processor.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { JsonObject } from "../platform/Json.ts"
import type { SqlParameter } from "./FileMapping.ts"
import type { Rows, WarehouseError } from "./Warehouse.ts"

/** One change of a table. `where` compares text columns, all of them; values of a row are JSON, BYTES are base64. */
export type Change =
  | { readonly kind: "insert"; readonly table: string; readonly rows: ReadonlyArray<JsonObject> }
  | { readonly kind: "delete"; readonly table: string; readonly where: Readonly<Record<string, string>> }
  | {
      readonly kind: "update"
      readonly table: string
      readonly set: JsonObject
      readonly where: Readonly<Record<string, string>>
    }

export interface CentralDatasetService {
  /** Rows of one SELECT over the tables' plain names; BYTES are base64. */
  readonly query: (
    what: string,
    sql: string,
    parameters?: Readonly<Record<string, SqlParameter>>
  ) => Effect.Effect<Rows, WarehouseError>
  /** Makes the changes in one transaction. */
  readonly change: (what: string, changes: ReadonlyArray<Change>) => Effect.Effect<void, WarehouseError>
}

/** The dataset's tables. */
export class CentralDataset extends Context.Tag("pipeline-service/CentralDataset")<
  CentralDataset,
  CentralDatasetService
>() {}
