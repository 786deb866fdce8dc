import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as World from "../support/HttpWorld.ts"

layer(World.layer(), { excludeTestServices: true })("the catalogue of tables", (it) => {
  it.effect("lists every table, describes each of its columns, and knows no other", () =>
    Effect.gen(function* () {
      const asked = World.withKey((yield* World.Keys).readOnly)
      const list = Object((yield* World.call("GET", "/api/v1/tables", asked)).json)
      expect(list.count).toBeGreaterThan(20)
      expect(list.tables).toHaveLength(list.count)
      for (const { column_count, description, name } of list.tables) {
        const table = Object((yield* World.call("GET", `/api/v1/tables/${name}`, asked)).json)
        expect(table.description).toBe(description)
        expect(table.columns).toHaveLength(column_count)
        for (const column of table.columns) expect(column.description, `${name}.${column.name}`).not.toBe("")
        expect(table.columns.at(-1)).toMatchObject({ name: "x_ingestion_date", type: "DATE", required: true })
      }
      const none = yield* World.call("GET", "/api/v1/tables/no_such_table", asked)
      expect([none.status, Object(none.json).error_code]).toEqual([404, "TABLE_NOT_FOUND"])
    })
  )
})
