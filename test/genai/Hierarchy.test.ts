import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Credentials } from "../../src/credentials/Credentials.ts"
import * as HierarchiesWarehouse from "../../src/hierarchy/HierarchiesWarehouse.ts"
import * as Hierarchy from "../../src/hierarchy/HierarchyImport.ts"
import type { JsonObject } from "../../src/platform/Json.ts"
import { openAiKey } from "../support/genaiServer.ts"
import { acme, layer, query, run, Server } from "./support.ts"

const [first, last] = ["2026-06-29", "2026-06-30"]

const entity = (line: number, entity_id: string, entity_name: string, start_date: string, end_date = "") => ({
  line,
  cells: { entity_id, entity_name, level_code: "team", start_date, end_date }
})

const credential = (metadata: JsonObject) =>
  Effect.flatMap(Credentials, (credentials) =>
    credentials.put({
      org: acme,
      credentialId: "openai",
      provider: "OPENAI",
      credentialName: "openai",
      metadata,
      secret: Redacted.make(openAiKey)
    })
  )

withLayer(layer, { excludeTestServices: true })("who bears what models cost", (it) => {
  it.effect("key before project before the default, as the hierarchy was on the day; another map moves the costs", () =>
    Effect.gen(function* () {
      const { put } = yield* Server
      yield* Hierarchy.importHierarchy(acme, [
        entity(2, "CHAT", "Chat", "2026-01-01", last),
        entity(3, "CHAT", "Talk", last),
        entity(4, "SEARCH", "Search", "2026-01-01"),
        entity(5, "REST", "Everybody", "2026-01-01")
      ]).pipe(Effect.provide(HierarchiesWarehouse.layer))
      for (const day of [first, last]) {
        put(
          "openai",
          "usage/completions",
          day,
          [
            ["proj_chat", "key_1"],
            ["proj_chat", "key_search"],
            [null, null]
          ].map(([project_id, api_key_id]) => ({
            model: "gpt-4o",
            input_tokens: 1_000_000,
            output_tokens: 0,
            project_id,
            api_key_id
          }))
        )
      }
      const bill = [{ amount: { value: 7, currency: "usd" }, line_item: "gpt-4o, input", project_id: "proj_chat" }]
      put("openai", "costs", last, bill)
      const map = { hierarchy_map: { proj_chat: "chat", key_search: "SEARCH" }, default_x_hierarchy_entity_id: "REST" }
      const convert = Effect.fnUntraced(function* (metadata: JsonObject) {
        yield* credential(metadata)
        for (const pipeline of ["genai/payg/openai", "genai/unified/consolidate"]) {
          const { run: ended } = yield* run(acme, pipeline, first, last)
          expect([pipeline, ended.status, ended.errorMessage]).toEqual([pipeline, "COMPLETED", null])
        }
        const rows = yield* query(
          acme,
          `SELECT DATE(ChargePeriodStart) AS day, x_genai_api_key_id AS key, x_hierarchy_path_names AS bearer, BilledCost AS billed
          FROM cost_data_standard_1_3 ORDER BY day, key`
        )
        return rows.map((row) => Object.values(row))
      })
      expect(yield* convert(map)).toEqual([
        [first, null, "Everybody", "2.5"],
        [first, "key_1", "Chat", "2.5"],
        [first, "key_search", "Search", "2.5"],
        [last, null, "Talk", "7"]
      ])
      expect(yield* convert({ hierarchy_map: { proj_chat: "SEARCH" } })).toEqual([
        [first, null, null, "2.5"],
        [first, "key_1", "Search", "2.5"],
        [first, "key_search", "Search", "2.5"],
        [last, null, "Search", "7"]
      ])
      expect(
        yield* query(
          acme,
          `SELECT DISTINCT x_hierarchy_entity_id AS entity FROM genai_usage_daily_unified WHERE x_genai_project_id = 'proj_chat'`
        )
      ).toEqual([{ entity: "SEARCH" }])
    })
  )
})
