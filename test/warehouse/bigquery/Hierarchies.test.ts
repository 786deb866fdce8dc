/**
 * Hierarchies in BigQuery: one table of all organisations.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as HierarchiesBigQuery from "../../../src/hierarchy/HierarchiesBigQuery.ts"
import { importHierarchy } from "../../../src/hierarchy/HierarchyImport.ts"
import * as CentralDatasetBigQuery from "../../../src/warehouse/bigquery/CentralDatasetBigQuery.ts"
import { Warehouse } from "../../../src/warehouse/Warehouse.ts"
import * as WarehouseLayers from "../../../src/warehouse/WarehouseLayers.ts"
import * as Procedures from "../../support/Procedures.ts"
import { accountsOf, acme, at, given, globex, settingsOf, tables, written } from "./accounts.ts"

it.scopedLive("a hierarchy is one table of all, of which each organisation sees its own rows", () =>
  given(({ counterpart, folder }) =>
    Effect.gen(function* () {
      const row = (entity_id: string, start_date: string, parent_id?: string) => ({
        line: 2,
        cells: { entity_id, entity_name: `${entity_id}'s`, level_code: "team", start_date, parent_id }
      })
      yield* importHierarchy(acme, [row("DEPT", "2026-01-01"), row("TEAM", "2026-02-01", "DEPT")])
      yield* importHierarchy(globex, [row("OTHER", "2026-01-01")])
      yield* written(
        counterpart,
        `INSERT INTO org_hierarchy (org_slug, id, entity_id, entity_name, level, level_code, depth, path, version, is_active, created_at, created_by)
         SELECT '${acme}', 'x', 'API', 'By the API service', 1, 'department', 0, '/API', 1, TRUE, ${at}, 'somebody'`
      )
      const dataset = yield* (yield* Warehouse).org(acme)
      const seen = dataset.query(
        "SELECT entity_id, entity_name, path, path_names, DATE(created_at) AS since, x_org_slug FROM org_hierarchy ORDER BY entity_id"
      )
      const own = { x_org_slug: acme }
      expect(yield* seen).toEqual([
        {
          ...own,
          entity_id: "API",
          entity_name: "By the API service",
          path: "/API",
          path_names: [],
          since: "2026-01-02"
        },
        {
          ...own,
          entity_id: "DEPT",
          entity_name: "DEPT's",
          path: "/DEPT",
          path_names: ["DEPT's"],
          since: "2026-01-01"
        },
        {
          ...own,
          entity_id: "TEAM",
          entity_name: "TEAM's",
          path: "/DEPT/TEAM",
          path_names: ["DEPT's", "TEAM's"],
          since: "2026-02-01"
        }
      ])
      // An import replaces the one before, not what the API service wrote.
      yield* importHierarchy(acme, [row("NEW", "2026-03-01")])
      expect((yield* seen).map((each) => each["entity_id"])).toEqual(["API", "NEW"])
    }).pipe(
      Effect.provide(
        Layer.mergeAll(HierarchiesBigQuery.layer, WarehouseLayers.layer).pipe(
          Layer.provide(CentralDatasetBigQuery.layer),
          Layer.provide(settingsOf(folder, counterpart))
        )
      )
    )
  )
)

it.scopedLive("a hierarchy whose table the API service has not created is empty, and is seen when it is there", () =>
  given(({ counterpart, folder }) =>
    Effect.gen(function* () {
      const remote = WarehouseLayers.layer.pipe(
        Layer.provide(settingsOf(folder, counterpart, { VALIDATOR: "remote" })),
        Layer.provide(Logger.minimumLogLevel(LogLevel.None))
      )
      const entities = Effect.flatMap(Warehouse, (warehouse) => warehouse.org(acme)).pipe(
        Effect.flatMap((dataset) => dataset.query("SELECT entity_id, path_ids, metadata FROM org_hierarchy"))
      )
      yield* Effect.gen(function* () {
        expect(yield* entities).toEqual([])
        yield* Effect.provide(tables, accountsOf(folder, counterpart))
        yield* written(
          counterpart,
          `INSERT INTO org_hierarchy (org_slug, id, entity_id, entity_name, level, level_code, depth, path, version, is_active, created_at, created_by)
           SELECT '${acme}', 'x', 'TEAM', 'Team', 1, 'team', 0, '/TEAM', 1, TRUE, ${at}, 'somebody'`
        )
        const { org, projectId } = yield* Warehouse
        const text = `CREATE OR REPLACE PROCEDURE \`${projectId}.organizations\`.sp_convert(p_project_id STRING, p_dataset_id STRING)
          BEGIN SELECT 1 AS n; END;`
        yield* Procedures.create({ name: "sp_convert", text, contentHash: text })
        yield* (yield* org(acme)).call("sp_convert", [])
        expect(yield* entities).toEqual([{ entity_id: "TEAM", path_ids: [], metadata: null }])
      }).pipe(Effect.provide(remote))
      // Gone again, as the next start of the service finds it.
      counterpart.store.tables.delete(`${counterpart.project}.organizations.org_hierarchy`)
      expect(yield* Effect.provide(entities, remote)).toEqual([])
    })
  )
)
