/**
 * The protocol of jobs against a BigQuery that others wrote; see support/bigquery/Bqemulator.ts for what it cannot be asked.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Warehouse } from "../../../src/warehouse/Warehouse.ts"
import { isPossible, start } from "../../support/bigquery/Bqemulator.ts"
import { billOf, load, org, warehouseOf } from "./support.ts"
import { fixture } from "../duckdb/support.ts"

/** Columns that the emulator holds as BigQuery does. */
const table = `
name: bill
description: Lines of a bill.
clusterBy: [line_id]
columns:
  - {name: line_id, type: STRING, required: true, description: Id of the line.}
  - {name: period, type: DATE, description: First day of the billing period.}
  - {name: cost, type: NUMERIC, description: Cost.}
  - {name: pieces, type: INT64, description: Pieces.}
`
const line = (line_id: string, cost: string, pieces: number | null) => ({ line_id, period: "2026-05-01", cost, pieces })
const bill = "SELECT line_id, cost, pieces, period FROM bill ORDER BY line_id"

const world = Effect.gen(function* () {
  const given = yield* fixture({ bill: table })
  const emulator = yield* Effect.acquireRelease(
    Effect.promise(() => start()),
    (started) => Effect.promise(() => started.close())
  )
  return { given, emulator }
})

const python = await isPossible()

/** The project needs git and npm; where there is no Python there is no second opinion, also in CI. */
describe.skipIf(!python)("on bqemulator, which needs Python 3.11,", () => {
  it.scopedLive(
    "datasets, tables, load jobs and transactions are asked for in BigQuery's own words",
    () =>
      Effect.gen(function* () {
        const { emulator, given } = yield* world
        yield* Effect.gen(function* () {
          const acme = yield* (yield* Warehouse).org(org)
          const fill = (day: string, ...lines: ReadonlyArray<ReturnType<typeof line>>) =>
            load(acme, { _tag: "Rows", rows: Stream.fromIterable(lines) }, billOf(day))
          const kept = line("c", "7", 3)
          yield* fill("2026-05-01", line("a", "0.1", 1), line("b", "-2.123456789", null))
          yield* fill("2026-05-02", kept)
          expect(yield* acme.query(bill)).toEqual([line("a", "0.1", 1), line("b", "-2.123456789", null), kept])
          // The slice is replaced as a whole, the other stays. Answers that get lost start no second job.
          const before = emulator.calls.filter((call) => call === "PUT /upload/jobs").length
          emulator.lose("PUT", /^\/upload\/jobs$/)
          emulator.lose("POST", /^\/jobs$/)
          yield* fill("2026-05-01", line("d", "5", 5))
          expect(yield* acme.query(bill)).toEqual([kept, line("d", "5", 5)])
          expect(emulator.calls.filter((call) => call === "PUT /upload/jobs").length - before).toBe(1)
          const columns = yield* acme.query("SELECT x_org_slug, x_credential_id, x_pipeline_run_date FROM bill")
          expect(columns).toContainEqual({
            x_org_slug: org,
            x_credential_id: "main",
            x_pipeline_run_date: "2026-05-02"
          })
        }).pipe(Effect.provide(warehouseOf({ ...given, counterpart: emulator })))
      }),
    600_000
  )
})
