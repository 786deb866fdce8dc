/**
 * Allocation of cloud charges to the organisation's hierarchy, worked by hand.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Day } from "../../src/platform/Identifiers.ts"
import type { JsonObject } from "../../src/platform/Json.ts"
import type { OrgWarehouse } from "../../src/warehouse/Warehouse.ts"
import { expectSound, periods } from "../support/FocusProof.ts"
import * as azure from "./azureSupport.ts"
import * as support from "./support.ts"

/** A version of an entity. `from` and `to` (exclusive) are days. */
const entity = (id: string, name: string, from: string, to: string | null, above: ReadonlyArray<string>) => ({
  id: `${id}/${from}`,
  entity_id: id,
  entity_name: name,
  level: above.length + 1,
  level_code: above.length === 0 ? "department" : "team",
  depth: above.length,
  path: ["", ...above, id].join("/"),
  path_names: [...above.map(() => "Engineering"), name],
  version: 1,
  is_active: to === null,
  created_at: `${from}T00:00:00Z`,
  created_by: "test",
  end_date: to === null ? null : `${to}T00:00:00Z`
})

const engineering = entity("DEPT-ENG", "Engineering", "2026-01-01", null, [])
const finance = entity("FIN", "Finance", "2026-01-01", "2026-03-05", [])
const backend = entity("TEAM-BACKEND", "Backend", "2026-03-01", "2026-03-10", ["DEPT-ENG"])
const renamed = entity("TEAM-BACKEND", "Platform Backend", "2026-03-10", null, ["DEPT-ENG"])

/** Puts the hierarchy into the table as another service would: unchecked. */
const putHierarchy = (dataset: OrgWarehouse, entities: ReadonlyArray<JsonObject>) =>
  support.load(
    dataset,
    {
      table: "org_hierarchy",
      pipelineId: "another_service",
      credentialId: "default",
      extent: { kind: "day", date: Schema.decodeSync(Day)("1970-01-01") }
    },
    { _tag: "Rows", rows: Stream.fromIterable(entities) }
  )

const loadRows = (dataset: OrgWarehouse, cloud: string, runDateColumn: string, rows: ReadonlyArray<JsonObject>) =>
  support.load(
    dataset,
    {
      table: `cloud_${cloud}_billing_raw_daily`,
      pipelineId: `cloud_${cloud}_cost_billing`,
      credentialId: "main",
      extent: { kind: "periods", periodColumn: "billing_period_start", runDateColumn }
    },
    {
      _tag: "Rows",
      rows: Stream.fromIterable(
        rows.map((row, index) => ({ x_source_file: "bill.csv", x_source_row: index + 1, ...row }))
      )
    }
  )

/** The name of the entity that each charge was allocated to, in the order of the native rows. */
const owners = (dataset: OrgWarehouse) =>
  Effect.map(
    dataset.query("SELECT x_hierarchy_path_names AS owner FROM cost_data_standard_1_3 ORDER BY x_source_row"),
    (rows) => rows.map(({ owner }) => owner)
  )

const findings = (dataset: OrgWarehouse) =>
  dataset.query(
    "SELECT overall_status AS status, expectations_failed AS n, failed_expectations AS found FROM org_meta_dq_results WHERE dq_config_id = 'cloud_hierarchy_orphan_check'"
  )

const march = { from: "2026-03-01", to: "2026-03-31" }
const backendPath = "Engineering > Backend"

layer(support.layer)("allocation to the hierarchy", (it) => {
  it.effect("takes the first entity that a charge's tags name, in the version of its day, and changes no total", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("allocation_aws")
      /** What a charge has, its day, and who bears it. */
      const cases: ReadonlyArray<readonly [tags: JsonObject | null, day: string, owner: string | null]> = [
        [{ "user:team": "team-backend" }, "2026-03-09", backendPath],
        [{ "user:team": "team-backend" }, "2026-03-10", "Engineering > Platform Backend"],
        // Older than the first version: that one counts.
        [{ team: "Team-Backend " }, "2026-02-28", backendPath],
        // CostCenter comes before department, as long as that entity lasts.
        [{ department: "dept-eng", CostCenter: "fin" }, "2026-03-04", "Finance"],
        [{ department: "dept-eng", CostCenter: "fin" }, "2026-03-05", "Engineering"],
        [{ user_entity_id: "nobody", TEAM: "TEAM-BACKEND" }, "2026-03-02", backendPath],
        // A text that looks like a tag is none.
        [{ note: 'x,"team":"team-backend"' }, "2026-03-02", null],
        [null, "2026-03-02", null],
        // Orphans: no entity of that id, or none any more.
        [{ Team: "atlantis" }, "2026-03-02", null],
        [{ cost_center: "FIN" }, "2026-03-06", null],
        [{ entity_id: "dup" }, "2026-03-02", "Second"]
      ]
      yield* support.loadLines(dataset, [
        ...cases.map(([tags, day], index) =>
          support.line({
            line_item_id: `line-${index}`,
            usage_date: day,
            usage_start_time: `${day}T00:00:00Z`,
            usage_end_time: `${day}T01:00:00Z`,
            resource_tags_json: tags === null ? null : JSON.stringify(tags),
            x_source_row: index + 1
          })
        ),
        support.line({
          line_item_id: "categories",
          cost_category_json: '{"Department":"DEPT-ENG"}',
          x_source_row: cases.length + 1
        })
      ])

      // Without a hierarchy nobody bears anything and no tag is wrong.
      expect(yield* support.convert(dataset, march)).toMatchObject({
        orphan_hierarchy_count: 0,
        unallocated_costs: null,
        missing_hierarchy_check: null
      })
      const before = yield* support.totals(dataset)
      expect([...new Set(yield* owners(dataset))]).toEqual([null])

      yield* putHierarchy(dataset, [
        engineering,
        finance,
        backend,
        renamed,
        // Two open versions of one entity, and a third in another case: still one owner.
        entity("dup", "First", "2026-01-01", null, []),
        { ...entity("dup", "Second", "2026-02-01", null, []), id: "b" },
        { ...entity("DUP", "Third", "2026-02-01", null, []), id: "a" }
      ])
      // 12 rows of 0.096, four of them without an owner: 0.384 of 1.152.
      const unallocated = {
        currency: "USD",
        charges: 12,
        unallocated_charges: 4,
        effective_cost: "1.152",
        unallocated_effective_cost: "0.384",
        unallocated_share: "0.333333"
      }
      for (const run of [support.firstRun, support.firstRun]) {
        expect(yield* support.convert(dataset, { ...march, run })).toMatchObject({
          rows_inserted: 12,
          orphan_hierarchy_count: 2,
          unallocated_costs: [unallocated],
          missing_hierarchy_check: null
        })
        expect(yield* owners(dataset)).toEqual([...cases.map(([, , owner]) => owner), "Engineering"])
        expect(yield* support.totals(dataset)).toEqual(before)
        // The same run twice leaves one finding.
        expect(yield* findings(dataset)).toEqual([
          {
            status: "WARNING",
            n: 2,
            found: ['"Team":"atlantis" names no entity: 1 rows', '"cost_center":"FIN" names no entity: 1 rows']
          }
        ])
      }
      yield* expectSound(dataset, "aws", periods("2026-03-01"))
      const [row] = yield* dataset.query(
        `SELECT x_hierarchy_entity_id AS id, x_hierarchy_level_code AS level, x_hierarchy_path AS path,
          x_hierarchy_validated_at IS NOT NULL AS validated FROM cost_data_standard_1_3 WHERE x_source_row = 1`
      )
      expect(row).toEqual({ id: "TEAM-BACKEND", level: "team", path: "/DEPT-ENG/TEAM-BACKEND", validated: true })
      const [untouched] = yield* dataset.query(
        "SELECT COUNT(x_hierarchy_validated_at) AS n FROM cost_data_standard_1_3 WHERE x_hierarchy_entity_id IS NULL"
      )
      expect(untouched).toEqual({ n: 0 })
    })
  )

  it.effect("Azure: tag entity_id, then the column cost_center, then other tags", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("allocation_azure")
      yield* putHierarchy(dataset, [engineering, backend, entity("cc-7", "Seven", "2026-01-01", null, [])])
      const cases: ReadonlyArray<readonly [JsonObject, string | null]> = [
        [{ resource_tags_json: '"entity_id": "team-backend"', cost_center: "cc-7", usage_date: "2026-04-05" }, "Seven"],
        [{ resource_tags_json: '{"entity_id": "dept-eng"}', cost_center: "cc-7" }, "Engineering"],
        [{ resource_tags_json: '{"team": "dept-eng"}', cost_center: "CC-7" }, "Seven"],
        [{ resource_tags_json: '{"team": "dept-eng"}', cost_center: "cc-8" }, "Engineering"],
        [{ cost_center: "cc-8" }, null]
      ]
      yield* azure.loadLines(
        dataset,
        cases.map(([change]) => azure.line(change))
      )
      expect(yield* azure.convert(dataset, "2026-04-05")).toMatchObject({ orphan_hierarchy_count: 1 })
      expect(yield* owners(dataset)).toEqual(cases.map(([, owner]) => owner))
      expect(yield* findings(dataset)).toMatchObject([
        { n: 1, found: ['"x_CostCenter":"cc-8" names no entity: 1 rows'] }
      ])

      // A finding that cannot be written (it has no pipeline) takes nothing back.
      const day = { type: "DATE", value: "2026-04-05" } as const
      const unsaid = { type: "STRING", value: null } as const
      const [answer] = yield* dataset.call("sp_cloud_azure_convert_to_focus", [
        day,
        day,
        unsaid,
        unsaid,
        { type: "STRING", value: support.secondRun }
      ])
      expect(answer).toMatchObject({ rows_inserted: 5, orphan_hierarchy_count: null, unallocated_costs: null })
      expect(answer?.["missing_hierarchy_check"]).toMatch(/x_pipeline_id/)
      expect(yield* owners(dataset)).toEqual(cases.map(([, owner]) => owner))
    })
  )

  it.effect("Google Cloud: labels, then project labels, then the project", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("allocation_gcp")
      yield* putHierarchy(dataset, [engineering, backend, entity("shop-prod", "Shop", "2026-01-01", null, [])])
      const list = (key: string, value: string) => JSON.stringify([{ key, value }])
      const cases: ReadonlyArray<readonly [JsonObject, string | null]> = [
        [
          { labels_json: list("team", "team-backend"), project_labels_json: list("entity_id", "dept-eng") },
          backendPath
        ],
        [{ labels_json: list("team", "nobody"), project_labels_json: list("team", "dept-eng") }, "Engineering"],
        [{ project_id: "shop-prod" }, "Shop"],
        [{ project_labels_json: list("department", "nobody") }, null]
      ]
      yield* loadRows(
        dataset,
        "gcp",
        "usage_start_time",
        cases.map(([change]) => ({
          billing_account_id: "01ABCD-000000-000000",
          billing_period_start: "2026-03-01",
          usage_start_time: "2026-03-02T10:00:00Z",
          usage_end_time: "2026-03-02T11:00:00Z",
          project_id: "other",
          cost: "1.5",
          currency: "EUR",
          cost_type: "regular",
          x_cloud_provider: "gcp",
          ...change
        }))
      )
      expect(yield* support.convert(dataset, march, "gcp")).toMatchObject({
        orphan_hierarchy_count: 1,
        unallocated_costs: [
          { currency: "EUR", effective_cost: "6", unallocated_effective_cost: "1.5", unallocated_share: "0.25" }
        ]
      })
      expect(yield* owners(dataset)).toEqual(cases.map(([, owner]) => owner))
    })
  )

  it.effect("OCI: free-form tags, then defined tags, then the compartment", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("allocation_oci")
      yield* putHierarchy(dataset, [
        engineering,
        backend,
        entity("ocid1.compartment.oc1..shop", "Shop", "2026-01-01", null, [])
      ])
      const cases: ReadonlyArray<readonly [JsonObject, string | null]> = [
        [{ defined_tags_json: { "Finance.entity_id": "dept-eng", team: "team-backend" } }, backendPath],
        [{ defined_tags_json: { "Finance.CostCenter": "DEPT-ENG", team: "nobody" } }, "Engineering"],
        [{ compartment_id: "ocid1.compartment.oc1..shop" }, "Shop"],
        [{ compartment_id: "ocid1.compartment.oc1..other" }, null]
      ]
      yield* loadRows(
        dataset,
        "oci",
        "usage_start_time",
        cases.map(([change]) => ({
          tenancy_id: "ocid1.tenancy.oc1..t",
          subscription_kind: "payg",
          billing_period_start: "2026-03-01",
          usage_start_time: "2026-03-02T10:00:00Z",
          usage_end_time: "2026-03-02T11:00:00Z",
          cost: "2",
          currency: "USD",
          x_cloud_provider: "oci",
          ...change
        }))
      )
      // A compartment that is no entity is no orphan: only tags promise one.
      expect(yield* support.convert(dataset, march, "oci")).toMatchObject({
        orphan_hierarchy_count: 0,
        unallocated_costs: [{ charges: 4, unallocated_charges: 1, unallocated_share: "0.25" }]
      })
      expect(yield* owners(dataset)).toEqual(cases.map(([, owner]) => owner))
      expect(yield* findings(dataset)).toEqual([])
    })
  )
})
