/**
 * Every OCI sample through `convert`, and what universal credits change.
 */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { cli } from "../support/commandLine.ts"
import { ociFocusReport } from "../support/ociFocusReport.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const samples = "../shared/samples/oci"
const convert = (input: string) => cli({}, "convert", "--provider", "oci", "--input", input, "--json")

const isAbsent = !existsSync(samples) && process.env["CI"] !== "true"

if (isAbsent) it.skip("nothing can be converted: the files lie beside the project, in ../shared/samples", () => {})
else
  describe("convert --provider oci", () => {
    for (const [file, rows, billed] of [
      ["cost-report/hard_cases.csv", 6, "2.8600499999999915"],
      ["cost-report/2023-11-13.csv", 303, "1.607304194362446882"]
    ] as const) {
      it.scopedLive(`${file}: every row, every digit, no violated rule`, () =>
        Effect.gen(function* () {
          const { failure, out } = yield* convert(`${samples}/${file}`)
          expect(failure).toBeUndefined()
          const summary = JSON.parse(out)
          expect(summary).toMatchObject({ rowsIn: rows, rowsOut: rows, quarantined: 0 })
          expect(summary.reconciliation).toMatchObject([{ nativeBilled: billed, focusBilled: billed, difference: "0" }])
          expect(summary.conformance.violated).toEqual([])
          expect(summary.conformance.gaps.map((gap: { readonly rule: string }) => gap.rule)).toEqual([
            "CAU-BillingAccountName-C-003-C"
          ])
        })
      )
    }

    it.scopedLive("a cost report is told by its columns, also where its name speaks of FOCUS", () =>
      Effect.gen(function* () {
        const file = join(yield* temporaryFolder, "input-of-focus.csv")
        copyFileSync(`${samples}/cost-report/hard_cases.csv`, file)
        const { failure, out } = yield* convert(file)
        expect(failure).toBeUndefined()
        expect(JSON.parse(out)).toMatchObject({ rowsOut: 6, reconciliation: [{ difference: "0" }] })
      })
    )

    it.scopedLive("a byte order mark before a quoted header and empty last lines are no part of a report", () =>
      Effect.gen(function* () {
        const file = join(yield* temporaryFolder, "report.csv")
        const [header = "", ...lines] = readFileSync(`${samples}/cost-report/hard_cases.csv`, "utf8").split("\n")
        const quoted = header.split(",").map((column) => `"${column.trim()}"`)
        writeFileSync(file, `\uFEFF${[quoted.join(","), ...lines].join("\n")}\n\n`)
        const { failure, out } = yield* convert(file)
        expect(failure).toBeUndefined()
        expect(JSON.parse(out)).toMatchObject({ rowsOut: 6, reconciliation: [{ difference: "0" }] })
      })
    )

    it.scopedLive("reports without rows convert to nothing", () =>
      Effect.gen(function* () {
        for (const file of ["cost-report/columns_with_attribution.csv", "focus-report/columns.csv"]) {
          const { failure, out } = yield* convert(`${samples}/${file}`)
          expect([file, failure]).toEqual([file, undefined])
          expect(JSON.parse(out)).toMatchObject({ rowsIn: 0, rowsOut: 0, reconciliation: [] })
        }
      })
    )

    it.scopedLive("a FOCUS report of 1.0-preview becomes 1.3", () =>
      Effect.gen(function* () {
        const file = join(yield* temporaryFolder, "focus.csv")
        writeFileSync(file, ociFocusReport)
        const { failure, out } = yield* convert(file)
        expect(failure).toBeUndefined()
        expect(JSON.parse(out)).toMatchObject({ rowsOut: 1, reconciliation: [{ focusBilled: "0.2", difference: "0" }] })
      })
    )
  })
