/**
 * Steps that write an organisation's own tables by SQL: bq_execute, local_bq_transformer, bq_loader; and kms_decrypt, which writes nothing.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { Credentials } from "../../../src/credentials/Credentials.ts"
import type { Processor, StepContext } from "../../../src/pipelines/Processor.ts"
import { Day } from "../../../src/platform/Identifiers.ts"
import type { JsonObject } from "../../../src/platform/Json.ts"
import * as BqExecute from "../../../src/processors/generic/BqExecute.ts"
import * as BqLoader from "../../../src/processors/generic/BqLoader.ts"
import * as LocalBqTransformer from "../../../src/processors/generic/LocalBqTransformer.ts"
import * as KmsDecrypt from "../../../src/processors/integrations/KmsDecrypt.ts"
import { Warehouse } from "../../../src/warehouse/Warehouse.ts"
import { contextOf, days, org, query, world } from "../cloud/support.ts"

const run = <R>(make: Effect.Effect<Processor, never, R>, config: JsonObject, over: Partial<StepContext> = {}) =>
  Effect.flatMap(make, ({ check, execute }) => {
    expect(check(config)).toBeUndefined()
    return execute(
      contextOf({ pipelineId: "acme_own", stepId: "step", config, ...days("2026-03-07", "2026-03-09"), ...over })
    )
  })

const item = (id: string, amount: string) => ({ id, amount })

/** Raw items of one day, as a step of this run wrote them. */
const fill = (items: ReadonlyArray<JsonObject>, { runId } = contextOf()) =>
  Effect.gen(function* () {
    const dataset = yield* (yield* Warehouse).org(org)
    yield* dataset.replaceSlice({
      slice: {
        table: "generic_api_raw",
        pipelineId: "acme_own",
        credentialId: "default",
        extent: { kind: "day", date: Day.make("2026-03-07") }
      },
      source: {
        _tag: "Rows",
        rows: Stream.fromIterable(
          items.map((each, index) => ({
            source: "read",
            raw_data: each,
            mapped: each,
            extracted_at: "2026-03-07T01:00:00Z",
            x_ingestion_id: `n-${index}`
          }))
        )
      },
      runId
    })
    return runId
  })

const buckets = query(
  "SELECT resource_key AS id, source_api AS amount, x_pipeline_id AS owner, x_pipeline_run_date AS date FROM gcp_storage_buckets_raw ORDER BY 1, 2"
)
const own = (id: string, amount: string) => ({ id, amount, owner: "acme_own", date: "2026-03-07" })

describe("bq_execute", () => {
  it.scoped("changes the organisation's rows once for a step of a run, with bound values and the run's dates", () =>
    world(() =>
      Effect.gen(function* () {
        yield* fill([item("a", "1"), item("b", "2")])
        const config = {
          query:
            "DELETE FROM generic_api_raw WHERE JSON_VALUE(raw_data, '$.id') = @id AND x_pipeline_run_date BETWEEN @start_date AND @end_date",
          parameters: [{ name: "id", type: "STRING", value: "a' OR TRUE --" }]
        }
        expect(yield* run(BqExecute.make, config)).toMatchObject({ rowsWritten: 0, details: { table_missing: false } })
        const { runId } = contextOf()
        const right = { ...config, parameters: [{ name: "id", type: "STRING", value: "a" }] }
        expect(yield* run(BqExecute.make, right, { runId })).toMatchObject({
          rowsWritten: 1,
          outputTable: "generic_api_raw"
        })
        expect(yield* run(BqExecute.make, right, { runId, attempt: 2 })).toMatchObject({ rowsWritten: 1 })
        expect(yield* query("SELECT COUNT(*) AS n FROM generic_api_raw")).toEqual([{ n: 1 }])
      })
    )
  )

  const refused: ReadonlyArray<readonly [what: string, config: JsonObject, code: string, message: RegExp]> = [
    [
      "a date that nobody gave",
      {
        query: "DELETE FROM generic_api_raw WHERE x_pipeline_run_date = @day",
        parameters: [{ name: "day", type: "DATE", value: null }]
      },
      "STEP_CONFIG_INVALID",
      /Missing required parameter: day/
    ],
    [
      "a date that was not replaced",
      {
        query: "DELETE FROM generic_api_raw WHERE x_pipeline_run_date = @day",
        parameters: [{ name: "day", type: "DATE", value: "{day}" }]
      },
      "STEP_CONFIG_INVALID",
      /"\{day\}" is no DATE/
    ],
    [
      "another dataset",
      { query: "DELETE FROM globex_local.generic_api_raw WHERE TRUE" },
      "WAREHOUSE_STATEMENT_FAILED",
      /may not name/
    ],
    ["a SELECT", { query: "SELECT 1" }, "WAREHOUSE_STATEMENT_FAILED", /one INSERT, UPDATE, DELETE or MERGE/]
  ]
  for (const [what, config, code, message] of refused) {
    it.scoped(`${what} fails the step`, () =>
      world(() =>
        Effect.gen(function* () {
          yield* fill([item("a", "1")])
          const error = yield* Effect.flip(run(BqExecute.make, config))
          expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)])
          expect(error.errorType).not.toBe("TRANSIENT")
          expect(yield* query("SELECT COUNT(*) AS n FROM generic_api_raw")).toEqual([{ n: 1 }])
        })
      )
    )
  }

  it.scoped("a table that is not there is success with 0 rows", () =>
    world(() =>
      Effect.gen(function* () {
        expect(yield* run(BqExecute.make, { query: "DELETE FROM nowhere WHERE TRUE" })).toMatchObject({
          rowsWritten: 0,
          details: { table_missing: true }
        })
      })
    )
  )
})

describe("local_bq_transformer", () => {
  const select = (id: string) =>
    `SELECT JSON_VALUE(raw_data, '$.id') AS resource_key, JSON_VALUE(raw_data, '$.amount') AS source_api, raw_data, extracted_at, x_ingestion_id
    FROM generic_api_raw WHERE JSON_VALUE(raw_data, '$.id') <> '${id}'`
  const columns = ["resource_key", "source_api", "raw_data", "extracted_at", "x_ingestion_id"]
  const config = (write_mode: string, id = "none") => ({
    query: select(id),
    destination: { table: "gcp_storage_buckets_raw", write_mode, columns }
  })

  it.scoped("overwrites its own slice, or adds to the table once for a run", () =>
    world(() =>
      Effect.gen(function* () {
        yield* fill([item("a", "1"), item("b", "2")])
        yield* run(LocalBqTransformer.make, config("overwrite"))
        expect(yield* run(LocalBqTransformer.make, config("overwrite", "a"))).toMatchObject({ rowsWritten: 1 })
        expect(yield* buckets).toEqual([own("b", "2")])
        const { runId } = contextOf()
        expect(yield* run(LocalBqTransformer.make, config("append"), { runId })).toMatchObject({ rowsWritten: 2 })
        expect(yield* run(LocalBqTransformer.make, config("append"), { runId, attempt: 2 })).toMatchObject({
          rowsWritten: 2
        })
        expect(yield* buckets).toEqual([own("a", "1"), own("b", "2"), own("b", "2")])
        const error = yield* Effect.flip(
          run(LocalBqTransformer.make, { ...config("overwrite"), query: "SELECT * FROM globex_local.generic_api_raw" })
        )
        expect(error.message).toMatch(/may not name/)
        expect(yield* buckets).toHaveLength(3)
      })
    )
  )
})

describe("bq_loader", () => {
  const config = (write_mode: string, merge_keys: ReadonlyArray<string> = []) => ({
    source_step: "read",
    columns: [
      { name: "resource_key", from: "mapped.id" },
      { name: "source_api", from: "mapped.amount" },
      { name: "raw_data", from: "raw_data" },
      { name: "extracted_at", from: "extracted_at", type: "TIMESTAMP" },
      { name: "x_ingestion_id", from: "x_ingestion_id" }
    ],
    destination: { table: "gcp_storage_buckets_raw", write_mode, merge_keys }
  })
  /** Loads what a step `read` of the same run wrote. */
  const load = (items: ReadonlyArray<JsonObject>, mode: string, keys?: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const runId = yield* fill(items)
      const read = {
        rowsProcessed: items.length,
        rowsWritten: items.length,
        outputTable: "generic_api_raw",
        details: {}
      }
      return yield* run(BqLoader.make, config(mode, keys), { runId, outputs: { read } })
    })

  it.scoped("replaces, adds, or merges by keys what a step before wrote in this run", () =>
    world(() =>
      Effect.gen(function* () {
        yield* load([item("a", "1"), item("b", "2")], "truncate")
        expect(yield* load([item("a", "3")], "truncate")).toMatchObject({
          rowsWritten: 1,
          details: { source_table: "generic_api_raw" }
        })
        expect(yield* buckets).toEqual([own("a", "3")])
        yield* load([item("c", "4")], "append")
        yield* load([item("c", "5"), item("d", "6")], "merge", ["resource_key"])
        expect(yield* buckets).toEqual([own("a", "3"), own("c", "5"), own("d", "6")])
      })
    )
  )

  it.scoped("fails where merge keys come twice or are null, and changes nothing", () =>
    world(() =>
      Effect.gen(function* () {
        yield* load([item("a", "1")], "truncate")
        for (const items of [[item("a", "2"), item("a", "3")], [{ amount: "4" }]]) {
          const error = yield* Effect.flip(load(items, "merge", ["resource_key"]))
          expect(error.message).toMatch(/merge keys resource_key are not unique/)
        }
        const without = yield* Effect.flip(run(BqLoader.make, config("truncate")))
        expect(without).toMatchObject({
          errorType: "DEPENDENCY_FAILURE",
          message: "the step read gave no table to load from"
        })
        expect(yield* buckets).toEqual([own("a", "1")])
      })
    )
  )

  it.scoped("is refused by the catalogue where its config cannot mean anything", () =>
    world(() =>
      Effect.gen(function* () {
        const { check } = yield* BqLoader.make
        for (const wrong of [
          config("merge"),
          config("truncate", ["resource_key"]),
          config("merge", ["unknown"]),
          { ...config("append"), columns: [{ name: "a; DROP", from: "b" }] }
        ]) {
          expect(check(wrong)).toMatch(/^config has source_step/)
        }
      })
    )
  )
})

describe("kms_decrypt", () => {
  const put = (credentialId: string, provider: string, secret: string) =>
    Effect.flatMap(Credentials, (credentials) =>
      credentials.put({
        org,
        credentialId,
        provider,
        credentialName: credentialId,
        metadata: {},
        secret: Redacted.make(secret)
      })
    )

  it.scoped("answers the ids of the credentials that decrypt, never more", () =>
    world(() =>
      Effect.gen(function* () {
        yield* put("key_1", "OPENAI", "sk-admin-very-secret")
        const output = yield* run(KmsDecrypt.make, { provider: "openai" })
        expect(output).toEqual({ rowsProcessed: 1, rowsWritten: 0, details: { output_credential_ids: ["key_1"] } })
        const none = yield* Effect.flip(run(KmsDecrypt.make, { provider: "anthropic" }))
        expect(none).toMatchObject({ errorType: "PERMANENT", code: "INTEGRATION_NOT_CONFIGURED" })
      })
    )
  )
})
