import { DuckDBInstance } from "@duckdb/node-api"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { JsonObject } from "../../../src/platform/Json.ts"
import { type OrgWarehouse, Warehouse } from "../../../src/warehouse/Warehouse.ts"
import * as Procedures from "../../support/Procedures.ts"
import { billOf, billTable, fixture, type Fixture, org, otherOrg, runId, warehouseOf, withBill } from "./support.ts"

const fill = (warehouse: OrgWarehouse, ...rows: ReadonlyArray<JsonObject>) =>
  warehouse.replaceSlice({
    slice: billOf("2026-05-01"),
    source: { _tag: "Rows", rows: Stream.fromIterable(rows) },
    runId
  })

const procedure = (name: string, body: string, parameters = "") => ({
  name,
  text: `CREATE OR REPLACE PROCEDURE \`{project_id}.organizations\`.${name}(p_project_id STRING, p_dataset_id STRING${parameters})\nBEGIN\n${body}\nEND;\n`.replaceAll(
    "{project_id}",
    "local-dev-project"
  ),
  contentHash: "hash-1"
})

describe("a query", () => {
  it.effect("is GoogleSQL with typed parameters", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        yield* fill(
          acme,
          { line_id: "a", cost: "0.10", used_at: "2026-05-01T10:00:00Z" },
          { line_id: "b", cost: "0.25" }
        )
        expect(
          yield* acme.query(
            "SELECT SUM(cost) AS total, SAFE_CAST('x' AS INT64) AS none, COUNTIF(used_at >= @since) AS later FROM `bill` WHERE cost > @least",
            {
              since: { type: "TIMESTAMP", value: "2026-05-01T00:00:00Z" },
              least: { type: "BIGNUMERIC", value: "0.05" }
            }
          )
        ).toEqual([{ total: "0.35", none: null, later: 1 }])
        expect(yield* acme.query("SELECT line_id FROM bill ORDER BY line_id DESC")).toEqual([
          { line_id: "b" },
          { line_id: "a" }
        ])
      })
    )
  )

  it.effect("answers at most 100,000 rows", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        const series = (count: number) => `SELECT n FROM UNNEST(GENERATE_ARRAY(1, ${count})) AS n ORDER BY n DESC`
        const rows = yield* acme.query(series(100_000))
        expect([rows.length, rows[0], rows.at(-1)]).toEqual([100_000, { n: 100_000 }, { n: 1 }])
        const error = yield* Effect.flip(acme.query(series(100_001)))
        expect(error.message).toMatch(/more than 100000 rows; narrow it, or export it/)
      })
    )
  )

  it.effect.each([
    "SELECT * FROM globex_test.bill",
    "SELECT * FROM `globex_test.bill`",
    "SELECT * FROM `local-dev-project.globex_test.bill`",
    "SELECT * FROM `local-dev-project`.globex_test.bill",
    "SELECT * FROM acme_corp_test.bill",
    "SELECT * FROM bill WHERE EXISTS (SELECT 1 FROM globex_test.bill)",
    "WITH t AS (SELECT * FROM globex_test.bill) SELECT * FROM t",
    "SELECT (SELECT COUNT(*) FROM globex_test.bill) AS n",
    "SELECT * FROM warehouse_system.procedures",
    "SELECT * FROM main.googlesql_routines"
  ])("may not name a dataset: %s", (sql) =>
    withBill((acme) =>
      Effect.gen(function* () {
        yield* fill(yield* (yield* Warehouse).org(otherOrg), { line_id: "secret" })
        const error = yield* Effect.flip(acme.query(sql))
        expect(error._tag).toBe("OtherTenant")
        expect(error.message).toMatch(/^organisation acme_corp may not name .*: use the plain names of its own tables$/)
      })
    )
  )

  it.effect.each([
    "SELECT * FROM absent",
    "SELECT * FROM organizations.absent",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM duckdb_tables()",
    "SELECT * FROM read_csv('/etc/hostname')",
    "SELECT * FROM '/etc/hostname'",
    "SELECT getenv('HOME') AS home",
    "SELECT read_text('/etc/hostname') AS text",
    "SELECT 1 AS a; SELECT 2 AS b",
    "DELETE FROM bill WHERE true",
    "SELECT * FROM bill; DROP TABLE bill",
    "COPY bill TO 'x'",
    "ATTACH 'x' AS y",
    "SET memory_limit = '1GB'"
  ])("that is no SELECT over the org's tables is refused: %s", (sql) =>
    withBill((acme) =>
      Effect.gen(function* () {
        yield* fill(acme, { line_id: "a" })
        const error = yield* Effect.flip(acme.query(sql))
        expect(["StatementFailed", "UnsupportedSql", "OtherTenant"]).toContain(error._tag)
        expect(yield* acme.query("SELECT line_id FROM bill")).toEqual([{ line_id: "a" }])
      })
    )
  )
})

describe("a slice from a query", () => {
  it.effect("takes the columns of the same names, exactly", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        yield* fill(acme, { line_id: "a", cost: "0.000000000000000000000001", pieces: 2 }, { line_id: "b", cost: "5" })
        const report = yield* acme.replaceSlice({
          slice: { ...billOf("2026-05-01"), pipelineId: "derived" },
          source: {
            _tag: "Query",
            sql: "SELECT CONCAT(line_id, @suffix) AS line_id, cost, DATE '2026-05-01' AS period, NULL AS region, x_run_id FROM bill",
            parameters: { suffix: { type: "STRING", value: "-x" } }
          },
          runId,
          token: "t"
        })
        expect(report).toMatchObject({ rowsRead: 2, rowsWritten: 2 })
        expect(
          yield* acme.query(
            "SELECT line_id, cost, period, region FROM bill WHERE x_pipeline_id = 'derived' ORDER BY line_id"
          )
        ).toEqual([
          { line_id: "a-x", cost: "0.000000000000000000000001", period: "2026-05-01", region: null },
          { line_id: "b-x", cost: "5", period: "2026-05-01", region: null }
        ])
      })
    )
  )

  it.effect("may read the slice that it replaces", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        yield* fill(acme, { line_id: "a", pieces: 1 })
        for (const _ of [1, 2]) {
          yield* acme.replaceSlice({
            slice: billOf("2026-05-01"),
            source: { _tag: "Query", sql: "SELECT line_id, pieces + 1 AS pieces FROM bill", parameters: {} },
            runId
          })
        }
        expect(yield* acme.query("SELECT line_id, pieces FROM bill")).toEqual([{ line_id: "a", pieces: 3 }])
      })
    )
  )

  it.effect.each([
    ["SELECT 'x' AS stranger", "the table has no column stranger"],
    ["SELECT CAST(0.1 AS FLOAT64) AS cost", "the query's column cost is FLOAT64, the table's is BIGNUMERIC"],
    ["SELECT 5 AS region", "the query's column region is INT64, the table's is STRING"],
    ["SELECT 'x' AS pieces", "the query's column pieces is STRING, the table's is INT64"],
    ["SELECT * FROM globex_test.bill", "may not name globex_test.bill"]
  ] as const)("is refused when it does not fit: %s", ([sql, reason]) =>
    withBill((acme) =>
      Effect.gen(function* () {
        yield* fill(acme, { line_id: "a" })
        const error = yield* Effect.flip(
          acme.replaceSlice({ slice: billOf("2026-05-01"), source: { _tag: "Query", sql, parameters: {} }, runId })
        )
        expect(error.message).toContain(reason)
        expect(yield* acme.query("SELECT line_id FROM bill")).toEqual([{ line_id: "a" }])
      })
    )
  )
})

describe("a stored procedure", () => {
  const copy = procedure(
    "sp_copy",
    '  EXECUTE IMMEDIATE FORMAT("""\n    INSERT INTO `%s.%s.bill` (line_id, cost, x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date)\n    SELECT CONCAT(line_id, @suffix), cost, x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date FROM `%s.%s.bill`\n  """, p_project_id, p_dataset_id, p_project_id, p_dataset_id) USING p_suffix AS suffix;\n  SELECT @@row_count AS copied;',
    ", p_suffix STRING"
  )

  it.effect("is called for the org with its project and dataset", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        const warehouse = yield* Warehouse
        yield* fill(acme, { line_id: "a", cost: "1" })
        yield* Procedures.create(copy)
        expect(yield* acme.call("sp_copy", [{ type: "STRING", value: "-copy" }])).toEqual([{ copied: 1 }])
        expect(yield* acme.query("SELECT line_id FROM bill ORDER BY line_id")).toEqual([
          { line_id: "a" },
          { line_id: "a-copy" }
        ])
        const globex = yield* warehouse.org(otherOrg)
        expect(yield* globex.query("SELECT * FROM bill")).toEqual([])
      })
    )
  )

  it.effect("cannot reach another org's dataset, and what it did before is undone with its transaction", () =>
    withBill((acme) =>
      Effect.gen(function* () {
        const warehouse = yield* Warehouse
        const globex = yield* warehouse.org(otherOrg)
        yield* fill(globex, { line_id: "secret" })
        yield* fill(acme, { line_id: "a" })
        yield* Procedures.create(
          procedure(
            "sp_reach",
            "  BEGIN TRANSACTION;\n  EXECUTE IMMEDIATE FORMAT('DELETE FROM `%s.%s.bill` WHERE true', p_project_id, p_dataset_id);\n  EXECUTE IMMEDIATE FORMAT('DELETE FROM `%s.%s.bill` WHERE true', p_project_id, p_other);\n  COMMIT TRANSACTION;",
            ", p_other STRING"
          )
        )
        const error = yield* Effect.flip(acme.call("sp_reach", [{ type: "STRING", value: globex.dataset }]))
        expect(error.message).toBe(
          "organisation acme_corp may not name local-dev-project.globex_test.bill: use the plain names of its own tables"
        )
        expect(yield* acme.query("SELECT line_id FROM bill")).toEqual([{ line_id: "a" }])
        expect(yield* globex.query("SELECT line_id FROM bill")).toEqual([{ line_id: "secret" }])
      })
    )
  )

  it.effect("is listed, replaced, kept over a restart and dropped", () =>
    Effect.gen(function* () {
      const given = yield* fixture({ bill: billTable })
      const inWarehouse = <A, E>(use: Effect.Effect<A, E, Warehouse>) => Effect.provide(use, warehouseOf(given))
      yield* inWarehouse(
        Effect.gen(function* () {
          yield* Procedures.create(copy)
          yield* Procedures.create({ ...procedure("sp_other", "  SELECT 1 AS one;"), contentHash: "hash-2" })
          yield* Procedures.create({ ...copy, contentHash: "hash-3" })
        })
      )
      yield* inWarehouse(
        Effect.gen(function* () {
          const { procedures } = yield* Warehouse
          expect(yield* procedures.list).toEqual([
            {
              name: "sp_copy",
              definition: copy.text,
              contentHash: "hash-3",
              createdAt: "1970-01-01T00:00:00.000Z",
              modifiedAt: "1970-01-01T00:00:00.000Z"
            },
            expect.objectContaining({ name: "sp_other", contentHash: "hash-2" })
          ])
          const acme = yield* (yield* Warehouse).org(org)
          expect(yield* acme.call("sp_other", [])).toEqual([{ one: 1 }])
          expect([yield* procedures.drop("sp_other"), yield* procedures.drop("sp_other")]).toEqual([true, false])
          const error = yield* Effect.flip(acme.call("sp_other", []))
          expect(error.message).toMatch(/sp_other/)
        })
      )
    }).pipe(Effect.scoped)
  )

  it.effect("with another name than its text's, or with a text that is no procedure, is not created", () =>
    withBill(() =>
      Effect.gen(function* () {
        const { procedures } = yield* Warehouse
        expect((yield* Effect.flip(Procedures.create({ ...copy, name: "sp_wrong" }))).message).toMatch(/sp_copy/)
        const bad = { ...copy, text: copy.text.replace("END;", "") }
        expect(["StatementFailed", "UnsupportedSql"]).toContain((yield* Effect.flip(Procedures.create(bad)))._tag)
        expect(yield* procedures.list).toEqual([])
      })
    )
  )
})

describe("an export", () => {
  const sql = "SELECT line_id, cost, used_at, tags, pieces FROM bill ORDER BY line_id"
  const rows = [
    { line_id: "a", cost: "1.50", used_at: "2026-05-01T10:00:00Z", tags: { t: "x,y" }, pieces: 100 },
    { line_id: "b", cost: "0.000000000000000000000001" },
    { line_id: "c", cost: "100" }
  ]
  const inFolder = <A, E>(use: (acme: OrgWarehouse, given: Fixture) => Effect.Effect<A, E, Warehouse>) =>
    withBill((acme, given) => Effect.zipRight(fill(acme, ...rows), use(acme, given)))

  it.effect("to CSV has plain decimals and UTC timestamps", () =>
    inFolder((acme, given) =>
      Effect.gen(function* () {
        const path = join(given.folder, "out.csv")
        expect(yield* acme.exportTo(sql, { path, format: "csv" })).toBe(3)
        expect(readFileSync(path, "utf8")).toBe(
          'line_id,cost,used_at,tags,pieces\na,1.5,2026-05-01T10:00:00Z,"{""t"":""x,y""}",100\nb,0.000000000000000000000001,,,\nc,100,,,\n'
        )
      })
    )
  )

  it.effect("to Parquet keeps the types", () =>
    inFolder((acme, given) =>
      Effect.gen(function* () {
        const path = join(given.folder, "out.parquet")
        expect(yield* acme.exportTo(sql, { path, format: "parquet" })).toBe(3)
        const types = yield* Effect.promise(async () => {
          const instance = await DuckDBInstance.create(":memory:")
          const connection = await instance.connect()
          const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM '${path}'`)
          connection.closeSync()
          instance.closeSync()
          return described.getRows().map(([column, type]) => `${String(column)} ${String(type)}`)
        })
        expect(types).toEqual([
          "line_id VARCHAR",
          "cost DECIMAL(38,24)",
          "used_at TIMESTAMP WITH TIME ZONE",
          "tags JSON",
          "pieces BIGINT"
        ])
      })
    )
  )

  it.effect("of another org's table is refused and leaves no file", () =>
    inFolder((acme, given) =>
      Effect.gen(function* () {
        const path = join(given.folder, "out.csv")
        const error = yield* Effect.flip(acme.exportTo("SELECT * FROM globex_test.bill", { path, format: "csv" }))
        expect(error._tag).toBe("OtherTenant")
        expect(existsSync(path)).toBe(false)
        writeFileSync(join(given.folder, "x"), "")
      })
    )
  )
})
