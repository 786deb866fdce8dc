/**
 * Answers the catalogue of tables from the warehouse's declarations.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import { columnsOf } from "../warehouse/Tables.ts"
import { Warehouse } from "../warehouse/Warehouse.ts"
import { DeferredApi } from "./DeferredApi.ts"
import { apiError } from "./Errors.ts"

/** The handlers of the group `tables`. */
export const layer = HttpApiBuilder.group(DeferredApi, "tables", (handlers) =>
  Effect.map(Warehouse, ({ tables }) =>
    handlers
      .handle("list", () => {
        const summaries = [...tables.values()].map((table) => ({
          name: table.name,
          description: table.description,
          column_count: columnsOf(table).length
        }))
        return Effect.succeed({ tables: summaries.sort((a, b) => (a.name < b.name ? -1 : 1)), count: summaries.length })
      })
      .handle("get", ({ path: { name } }) => {
        const table = tables.get(name)
        return table === undefined
          ? Effect.fail(apiError("TABLE_NOT_FOUND", `no table ${name}: GET /api/v1/tables lists them`))
          : Effect.succeed({
              name: table.name,
              description: table.description,
              clustered_by: table.clusterBy,
              columns: columnsOf(table)
            })
      })
  )
)
