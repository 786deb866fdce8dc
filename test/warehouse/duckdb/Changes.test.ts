/**
 * INSERT, UPDATE, DELETE and MERGE of an organisation: what they may name, the lineage of what they write, and that they happen once.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { SqlParameter } from "../../../src/warehouse/FileMapping.ts"
import type { OrgWarehouse } from "../../../src/warehouse/Warehouse.ts"
import { billOf, day, otherRunId, runId, withBill } from "./support.ts"

const slice = billOf("2026-05-01")

const filled = (acme: OrgWarehouse) =>
  acme.replaceSlice({
    slice,
    source: {
      _tag: "Rows",
      rows: Stream.make(
        { line_id: "a", cost: "1.5", region: "eu" },
        { line_id: "b", cost: "0.000000000000000001", region: "us" }
      )
    },
    runId,
    token: "t-1"
  })

const change = (
  acme: OrgWarehouse,
  sql: string,
  parameters: Readonly<Record<string, SqlParameter>> = {},
  workId = "work-1"
) =>
  acme.change({
    sql,
    parameters,
    pipelineId: "acme_own",
    credentialId: "default",
    date: day("2026-05-07"),
    runId: otherRunId,
    workId
  })

const rows = (acme: OrgWarehouse) =>
  acme.query("SELECT line_id AS id, cost, region, x_pipeline_id AS owner, x_run_id AS run FROM bill ORDER BY line_id")

const a = { id: "a", cost: "1.5", region: "eu", owner: slice.pipelineId, run: runId }
const b = { id: "b", cost: "0.000000000000000001", region: "us", owner: slice.pipelineId, run: runId }

const statements = [
  {
    what: "an INSERT of values",
    sql: "INSERT INTO bill (line_id, cost) VALUES ('c', @cost), (CONCAT('d', '('), (1 + 1)); -- end",
    rows: [
      a,
      b,
      { id: "c", cost: "12.000000000000000001", region: null, owner: "acme_own", run: otherRunId },
      { id: "d(", cost: "2", region: null, owner: "acme_own", run: otherRunId }
    ]
  },
  {
    what: "an INSERT of a query",
    sql: "INSERT bill (line_id, cost, region) WITH one AS (SELECT (cost) AS cost FROM bill WHERE line_id = 'a') SELECT 'c', cost + @cost, NULL FROM one",
    rows: [a, b, { id: "c", cost: "13.500000000000000001", region: null, owner: "acme_own", run: otherRunId }]
  },
  {
    what: "an UPDATE",
    sql: "UPDATE bill SET cost = cost + @cost, region = 'eu' WHERE line_id = 'b'",
    rows: [a, { ...b, cost: "12.000000000000000002", region: "eu", run: otherRunId }]
  },
  { what: "a DELETE", sql: "DELETE FROM bill WHERE cost < @cost AND region = 'us'", rows: [a] },
  {
    what: "a MERGE",
    sql: `MERGE bill AS kept USING (SELECT 'b' AS id, @cost AS cost UNION ALL SELECT 'c', 3) AS given ON kept.line_id = given.id
      WHEN MATCHED THEN UPDATE SET cost = given.cost
      WHEN NOT MATCHED THEN INSERT (line_id, cost) VALUES (given.id, given.cost)
      WHEN NOT MATCHED BY SOURCE AND kept.region = 'eu' THEN DELETE`,
    rows: [
      { ...b, cost: "12.000000000000000001", run: otherRunId },
      { id: "c", cost: "3", region: null, owner: "acme_own", run: otherRunId }
    ]
  }
]
const parameters = { cost: { type: "BIGNUMERIC", value: "12.000000000000000001" } } as const

describe("a change", () => {
  it.effect.each(statements)("$what: rows carry who wrote them, and the same work happens once", (given) =>
    withBill((acme) =>
      Effect.gen(function* () {
        yield* filled(acme)
        expect(yield* acme.token(slice)).toBe("t-1")
        const first = yield* change(acme, given.sql, parameters)
        expect(first.rows).toBeGreaterThan(0)
        expect(yield* rows(acme)).toEqual(given.rows)
        // Asked again, as after an answer that was lost.
        expect(yield* change(acme, given.sql, parameters)).toEqual(first)
        expect(yield* rows(acme)).toEqual(given.rows)
        // The slice is not what its source gave any more.
        expect(yield* acme.token(slice)).toBeUndefined()
        const [added] = yield* acme.query(
          "SELECT x_pipeline_run_date AS date, x_org_slug AS org, x_ingestion_date = DATE(x_ingested_at) AS today FROM bill WHERE x_pipeline_id = 'acme_own' LIMIT 1"
        )
        if (added !== undefined) expect(added).toEqual({ date: "2026-05-07", org: "acme_corp", today: true })
      })
    )
  )

  it.effect("of a table that is not there changes nothing, and says so", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        expect(yield* change(acme, "DELETE FROM nowhere WHERE TRUE")).toEqual({ table: "nowhere", rows: undefined })
      })
    )
  )

  it.effect.each([
    { sql: "SELECT 1", reason: "one INSERT, UPDATE, DELETE or MERGE is expected" },
    { sql: "TRUNCATE TABLE bill", reason: "one INSERT, UPDATE, DELETE or MERGE is expected" },
    { sql: "DELETE FROM bill WHERE TRUE; DELETE FROM bill WHERE TRUE", reason: "one INSERT, UPDATE" },
    { sql: "DELETE FROM globex_test.bill WHERE TRUE", reason: "may not name globex_test.bill" },
    {
      sql: "DELETE FROM bill WHERE line_id IN (SELECT line_id FROM globex_test.bill)",
      reason: "may not name globex_test.bill"
    },
    {
      sql: "UPDATE bill SET cost = 0 FROM globex_test.bill AS other WHERE TRUE",
      reason: "may not name globex_test.bill"
    },
    { sql: "DELETE FROM org_slice_tokens WHERE TRUE", reason: "org_slice_tokens is the warehouse's own" },
    { sql: "UPDATE bill SET x_org_slug = 'globex' WHERE TRUE", reason: "x_org_slug is written by the warehouse" },
    { sql: "INSERT INTO bill (line_id, X_RUN_ID) VALUES ('c', 'x')", reason: "X_RUN_ID is written by the warehouse" },
    { sql: "INSERT INTO bill SELECT * FROM bill", reason: "an INSERT must list its columns" },
    {
      sql: "MERGE bill USING (SELECT 1 AS n) AS s ON FALSE WHEN NOT MATCHED THEN INSERT ROW",
      reason: "must list its columns"
    },
    { sql: "UPDATE bill SET cost = 1 / 0 WHERE TRUE", reason: "" }
  ])("that is refused leaves everything as it was: $sql", ({ reason, sql }) =>
    withBill((acme) =>
      Effect.gen(function* () {
        yield* filled(acme)
        const error = yield* Effect.flip(change(acme, sql))
        expect(error.message).toContain(reason)
        expect(yield* rows(acme)).toEqual([a, b])
        expect(yield* acme.token(slice)).toBe("t-1")
        // It left no trace of work that was done.
        yield* change(acme, "DELETE FROM bill WHERE line_id = 'a'")
        expect(yield* rows(acme)).toEqual([b])
      })
    )
  )
})
