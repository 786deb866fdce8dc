import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { AuditLog } from "../../../src/audit/AuditLog.ts"
import * as AuditLogSql from "../../../src/audit/AuditLogSql.ts"
import { Day, OrgSlug, RunId } from "../../../src/platform/Identifiers.ts"
import type { JsonObject } from "../../../src/platform/Json.ts"
import * as ProcedureExecutor from "../../../src/processors/generic/ProcedureExecutor.ts"
import { bind } from "../../../src/processors/generic/ProcedureParameters.ts"
import * as WarehouseDuckDb from "../../../src/warehouse/duckdb/WarehouseDuckDb.ts"
import { Warehouse } from "../../../src/warehouse/Warehouse.ts"
import * as Procedures from "../../support/Procedures.ts"
import { installation } from "../../support/ServiceDatabase.ts"
import { temporaryFolder } from "../../support/TemporaryDatabase.ts"

const org = OrgSlug.make("acme_corp")

/** Calls a procedure that gives its parameters back, one row a call. */
const echo = (parameters: string, columns: string) =>
  Effect.gen(function* () {
    const { projectId } = yield* Warehouse
    const text = `CREATE OR REPLACE PROCEDURE \`${projectId}.organizations.sp_echo\`(p_project_id STRING, p_dataset_id STRING, ${parameters})
      BEGIN
        IF p_fail THEN RAISE USING MESSAGE = CONCAT('refused for ', p_dataset_id); END IF;
        SELECT ${columns}, 2 AS rows_inserted, CONCAT(p_dataset_id, '.some_table') AS target_table;
      END;`
    yield* Procedures.create({ name: "sp_echo", text, contentHash: text })
  })

const execute = (config: JsonObject, startDate = "2026-02-27", endDate = "2026-03-02") =>
  Effect.flatMap(ProcedureExecutor.make, (processor) =>
    processor.execute({
      org,
      runId: RunId.make("00000000-0000-4000-8000-000000000001"),
      pipelineId: "subscription_costs_subscription_cost",
      stepId: "call",
      attempt: 1,
      config,
      outputs: {},
      startDate: Day.make(startDate),
      endDate: Day.make(endDate),
      forceRefresh: false,
      progress: () => Effect.void
    })
  )

const world = <A, E>(body: Effect.Effect<A, E, Warehouse | AuditLog>) =>
  Effect.flatMap(temporaryFolder, (folder) =>
    Effect.provide(
      body,
      Layer.merge(AuditLogSql.layer, WarehouseDuckDb.layer).pipe(Layer.provideMerge(installation(folder)))
    )
  )

it.scopedLive("calls once with typed values, or for each day of the run, and records it", () =>
  world(
    Effect.gen(function* () {
      yield* echo(
        "p_day DATE, p_text STRING, p_whole INT64, p_price NUMERIC, p_fail BOOL",
        "p_day AS day, p_text AS text, p_whole AS whole, p_price AS price"
      )
      const values: ReadonlyArray<JsonObject> = [
        { name: "p_day", type: "DATE", value: "2026-02-27" },
        { name: "p_text", type: "STRING", optional: true },
        { name: "p_whole", type: "INT64", value: 7 },
        { name: "p_price", type: "NUMERIC", value: "1.100000001" }
      ]
      const config: JsonObject = {
        procedure: { name: "sp_echo" },
        parameters: [...values, { name: "p_fail", type: "BOOL", default: false }]
      }
      const once = yield* execute(config)
      expect(once).toMatchObject({
        rowsWritten: 2,
        outputTable: "some_table",
        details: {
          rows_returned: 1,
          results: [{ day: "2026-02-27", text: null, whole: 7, price: "1.100000001" }]
        }
      })
      // A step that iterates gets `${date}` as it stands, and fills it in itself.
      const daily = yield* execute({
        ...config,
        iterate: "day",
        parameters: [
          { name: "p_day", type: "DATE", value: "${date}" },
          { name: "p_text", type: "STRING", value: "day ${date}" },
          { name: "p_whole", type: "INT64", value: 7 },
          { name: "p_price", type: "NUMERIC", value: "0" },
          { name: "p_fail", type: "BOOL", value: "false" }
        ]
      })
      expect(daily).toMatchObject({ rowsWritten: 8, details: { rows_returned: 4 } })
      expect(daily.details["results"]).toMatchObject(
        ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"].map((day) => ({ day, text: `day ${day}` }))
      )

      const failing = { ...config, parameters: [...values, { name: "p_fail", type: "BOOL", value: true }] }
      const error = yield* Effect.flip(execute(failing))
      expect([error.errorType, error.message]).toEqual([
        "PERMANENT",
        expect.stringContaining("refused for acme_corp_local")
      ])
      const entries = yield* (yield* AuditLog).list(org, 10)
      expect(
        entries.map(({ details, errorMessage, status }) => [status, details["rows_returned"], errorMessage])
      ).toEqual([
        ["FAILURE", undefined, expect.stringContaining("refused for acme_corp_local")],
        ["START", undefined, undefined],
        ["SUCCESS", 4, undefined],
        ["START", undefined, undefined],
        ["SUCCESS", 1, undefined],
        ["START", undefined, undefined]
      ])
      expect(entries[0]).toMatchObject({
        action: "EXECUTE_PROCEDURE",
        resourceId: "organizations.sp_echo",
        details: { step_id: "call" }
      })
    })
  )
)

it.scopedLive("refuses what it cannot call, before calling it", () =>
  world(
    Effect.gen(function* () {
      yield* echo("p_day DATE, p_fail BOOL", "p_day AS day")
      const refused = (parameters: ReadonlyArray<JsonObject>, more: JsonObject = {}) =>
        Effect.map(
          Effect.flip(execute({ procedure: { name: "sp_echo" }, parameters, ...more }, "2024-01-01", "2026-03-02")),
          (error) => [error.errorType, error.message]
        )
      expect(yield* refused([{ name: "p_day", type: "DATE" }])).toEqual([
        "VALIDATION_ERROR",
        "Missing required parameter: p_day"
      ])
      expect(yield* refused([{ name: "p_day", type: "DATE", value: "2026-02-30" }])).toEqual([
        "VALIDATION_ERROR",
        'parameter p_day: "2026-02-30" is no DATE'
      ])
      expect(yield* refused([], { iterate: "day" })).toEqual([
        "VALIDATION_ERROR",
        "iterate: day over 792 days is more than 730"
      ])
      expect(yield* refused([], { procedure: { name: "sp_none" } })).toEqual([
        "PERMANENT",
        expect.stringContaining("Not found: Table organizations.sp_none")
      ])
      const { check } = yield* ProcedureExecutor.make
      expect(check({ procedure: { name: "sp_echo" } })).toBeUndefined()
      for (const config of [
        {},
        { procedure: { name: "sp_echo; DROP TABLE x" } },
        { procedure: { name: "sp_echo", dataset: "globex_2_test" } },
        { procedure: { name: "sp_echo" }, iterate: "month" },
        { procedure: { name: "sp_echo" }, parameters: [{ name: "p", type: "BYTES" }] },
        { procedure: { name: "sp_echo" }, parameter: [] }
      ]) {
        expect(check(config), JSON.stringify(config)).toContain("config has procedure {name}")
      }
    })
  )
)

it("defaults are days of the call, in UTC", () => {
  const at = Date.parse("2024-02-29T23:59:59Z")
  const value = (word: string) =>
    Either.getOrThrow(bind({ name: "p", type: "DATE", value: null, optional: false, default: word }, at)).value
  expect(["TODAY", "YESTERDAY", "MONTH_START", "MONTH_END", "YEAR_START", "YEAR_END", "2020-05-05"].map(value)).toEqual(
    ["2024-02-29", "2024-02-28", "2024-02-01", "2024-02-29", "2024-01-01", "2024-12-31", "2020-05-05"]
  )
})
