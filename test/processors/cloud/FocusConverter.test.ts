import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { generateAwsExports } from "../../../src/cli/demo/AwsExportGenerator.ts"
import * as FocusConverter from "../../../src/processors/cloud/FocusConverter.ts"
import type { StepOutput } from "../../../src/pipelines/Processor.ts"
import { ProcedureSync } from "../../../src/warehouse/ProcedureSync.ts"
import { contextOf, curFile, days, deliver, extract, folderCredential, query, world } from "./support.ts"

const syncProcedures = Effect.gen(function* () {
  const { failed } = yield* (yield* ProcedureSync).sync()
  expect(failed).toEqual([])
}).pipe(Effect.provide(ProcedureSync.layer))

/** Runs the converter once, after the step that gave `extracted`, or without one. */
const convert = (extracted: StepOutput | undefined, over: Parameters<typeof contextOf>[0] = {}) =>
  Effect.flatMap(FocusConverter.make, (converter) =>
    converter.execute(
      contextOf({ stepId: "convert_to_focus", outputs: extracted === undefined ? {} : { extracted }, ...over })
    )
  )

const focusTotals =
  "SELECT DATE(BillingPeriodStart) AS period, SUM(BilledCost) AS cost FROM cost_data_standard_1_3 GROUP BY period ORDER BY period"

// The warehouse stamps its rows by its own clock, so these tests run on the real one.
it.scopedLive("converts each affected period once, and again only when it was loaded again", () =>
  world((folder) =>
    Effect.gen(function* () {
      yield* syncProcedures
      const place = join(folder, "exports")
      yield* deliver(place, "2026-03", [curFile("2026-03", ["1.25", "2"])])
      yield* deliver(place, "2026-04", [curFile("2026-04", ["4"])])
      yield* folderCredential("aws_1", place)
      const extracted = yield* extract()
      expect(yield* convert(extracted)).toMatchObject({
        rowsWritten: 3,
        outputTable: "cost_data_standard_1_3",
        affectedPeriods: ["2026-03-01", "2026-04-01"],
        details: { rows_inserted: 3 }
      })
      const totals = [
        { period: "2026-03-01", cost: "3.25" },
        { period: "2026-04-01", cost: "4" }
      ]
      expect(yield* query(focusTotals)).toEqual(totals)

      const unchanged = yield* extract()
      expect(unchanged.affectedPeriods).toEqual([])
      expect(yield* convert(unchanged)).toMatchObject({ rowsWritten: 0, affectedPeriods: [] })
      expect(yield* query(focusTotals)).toEqual(totals)

      // A period that was loaded by a run that died before converting it is found by the next one.
      yield* deliver(place, "2026-04", [curFile("2026-04", ["5"])])
      yield* extract()
      const found = yield* extract()
      expect(found.affectedPeriods).toEqual(["2026-04-01"])
      yield* convert(found)
      expect(yield* query(focusTotals)).toEqual([totals[0], { period: "2026-04-01", cost: "5" }])

      // So is one that was emptied.
      yield* deliver(place, "2026-03", [])
      yield* extract()
      const emptied = yield* extract()
      expect(emptied.affectedPeriods).toEqual(["2026-03-01"])
      yield* convert(emptied)
      expect(yield* query(focusTotals)).toEqual([{ period: "2026-04-01", cost: "5" }])
      expect((yield* extract()).affectedPeriods).toEqual([])
    })
  )
)

it.scopedLive("works on the run's dates when no dependency names periods", () =>
  world((folder) =>
    Effect.gen(function* () {
      yield* syncProcedures
      for (const month of ["2026-03", "2026-04", "2026-05"]) {
        yield* deliver(join(folder, "exports"), month, [curFile(month, ["1"])])
      }
      yield* folderCredential("aws_1", join(folder, "exports"))
      yield* extract()
      const output = yield* convert(undefined, days("2026-03-31", "2026-04-01"))
      expect(output).toMatchObject({ rowsWritten: 2, affectedPeriods: ["2026-03-01", "2026-04-01"] })
      expect(yield* query(focusTotals)).toMatchObject([{ period: "2026-03-01" }, { period: "2026-04-01" }])
      expect(yield* Effect.flip(convert(undefined, { config: { provider: "moon" } }))).toMatchObject({
        errorType: "VALIDATION_ERROR"
      })
    })
  )
)

it.scopedLive("bills in FOCUS what the generated exports bill, to the last decimal", () =>
  world((folder) =>
    Effect.gen(function* () {
      yield* syncProcedures
      const generated = yield* generateAwsExports({ folder, seed: 5, rows: 4_000 })
      for (const { kind, folder: name } of generated.exports) yield* folderCredential(kind, join(folder, name))
      yield* convert(yield* extract({ ...contextOf(), ...days(generated.startDate, generated.endDate) }))
      const billed = yield* query(
        "SELECT x_credential_id AS kind, FORMAT_DATE('%Y-%m', DATE(BillingPeriodStart)) AS month, SUM(BilledCost) AS cost FROM cost_data_standard_1_3 GROUP BY kind, month ORDER BY kind, month"
      )
      const expected = generated.exports.flatMap(({ kind, totals }) =>
        Object.entries(totals).map(([month, cost]) => ({ kind, month, cost }))
      )
      expect(billed).toEqual(expected.sort((a, b) => (a.kind < b.kind ? -1 : 1)))
    })
  )
)
