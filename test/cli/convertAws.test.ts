/**
 * AWS bills through `convert` that differ from the samples: amounts of any size, and columns that the customer has left out of the report.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { parse } from "csv-parse/sync"
import * as Effect from "effect/Effect"
import { cli } from "../support/commandLine.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const sample = "../shared/samples/aws/cur2/hard_cases.csv"
const isAbsent = !existsSync(sample) && process.env["CI"] !== "true"

const quoted = (cell: string) => `"${cell.replaceAll('"', '""')}"`

/** Converts the sample with other cells, and without some of its columns. */
const convert = (options: { readonly without?: RegExp; readonly cell?: (column: string, value: string) => string }) =>
  Effect.gen(function* () {
    const rows: ReadonlyArray<Record<string, string>> = parse(readFileSync(sample), { columns: true })
    const columns = Object.keys(rows[0] ?? {}).filter((column) => options.without?.test(column) !== true)
    const { cell = (_, value) => value } = options
    const lines = rows.map((row) => columns.map((column) => quoted(cell(column, row[column] ?? ""))).join(","))
    const file = join(yield* temporaryFolder, "report.csv")
    writeFileSync(file, [columns.join(","), ...lines, ""].join("\n"))
    const { failure, out } = yield* cli({}, "convert", "--provider", "aws", "--input", file, "--json")
    return { failure, summary: out === "" ? undefined : JSON.parse(out) }
  })

const effective = /effective_cost$/

if (isAbsent) it.skip("nothing can be converted: the sample lies beside the project, in ../shared/samples", () => {})
else
  describe("convert --provider aws", () => {
    it.scopedLive.each([
      ["of more digits than a FLOAT64 keeps", "0.123456789012345678", "401.84313434422462839"],
      ["of less than a millionth", "1.5E-9", "401.2258504066629"]
    ] as const)("takes effective costs %s", ([, given, focusEffective]) =>
      Effect.gen(function* () {
        const cell = (column: string, value: string) => (effective.test(column) && value !== "" ? given : value)
        const { failure, summary } = yield* convert({ cell })
        expect(failure).toBeUndefined()
        expect(summary).toMatchObject({
          rowsIn: 29,
          rowsOut: 27,
          reconciliation: [{ difference: "0", focusEffective }]
        })
        expect(summary.conformance.violated).toEqual([])
      })
    )

    it.scopedLive("knows a SKU by its rate code where the report has no column of SKUs", () =>
      Effect.gen(function* () {
        const { failure, summary } = yield* convert({ without: /^product_sku$/ })
        expect(failure).toBeUndefined()
        expect(summary.conformance.violated).toEqual([])
      })
    )

    it.scopedLive(
      "says that the unused part of savings plans is missing where the report has not their commitment",
      () =>
        Effect.gen(function* () {
          const { failure, summary } = yield* convert({ without: /^savings_plan_(total|used)_commitment/ })
          expect(failure).toBeUndefined()
          expect(summary.notices).toContainEqual(
            "missing savings plan commitments: the unused part of 3 recurring fees, whose total and used commitment the report does not have"
          )
        })
    )

    it.scopedLive("refuses unused reservation hours whose fee the report has not", () =>
      Effect.gen(function* () {
        const { failure } = yield* convert({ without: /^reservation_unused_(recurring|amortized)/ })
        expect(failure).toContain(
          "have unused reservation hours without their fee: let the report include these columns"
        )
      })
    )
  })
