/**
 * Files of others, and our own, before the rules of FOCUS 1.3.
 */
import { gzipSync } from "node:zlib"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { cli } from "../support/commandLine.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const samples = "../shared/samples"
const check = (...args: ReadonlyArray<string>) => cli({}, "focus", "check", ...args)

const isAbsent = !existsSync(samples) && process.env["CI"] !== "true"

if (isAbsent) it.skip("nothing can be judged: the files lie beside the project, in ../shared/samples", () => {})
else
  describe("focus check", () => {
    const misspelt = `${samples}/focus/synthetic/aws_1_3_cost_and_usage.csv`

    it.scoped("names the rules, the rows and an example, and fails", () =>
      Effect.gen(function* () {
        const { failure, out } = yield* check(misspelt, "--json")
        const report = JSON.parse(out)
        expect(report).toMatchObject({ dataset: "CostAndUsage", rows: 100, unreadable: [], unknownColumns: [] })
        expect(report.violated.map((each: { readonly rule: string }) => each.rule)).toEqual(
          ["007-M", "010-M", "017-C", "029-C"].map((part) => `CAU-ContractAppliedObject-O-${part}`)
        )
        expect(failure).toBe(`${misspelt} is not FOCUS 1.3: 4 findings`)
        expect((yield* check(misspelt)).out).toMatch(/CAU-ContractAppliedObject-O-007-M +ContractApplied +95 +/)
      })
    )

    it.scoped("passes a packed file with the key spelt right, and tells commitments from costs", () =>
      Effect.gen(function* () {
        const mended = join(yield* temporaryFolder, "mended.csv.gz")
        const text = readFileSync(misspelt, "utf8").replaceAll("ContractCommitmentId", "ContractCommitmentID")
        writeFileSync(mended, gzipSync(text))
        expect(yield* check(mended)).toEqual({
          out: expect.stringMatching(/100 rows of CostAndUsage, judged by \d{3} rules of FOCUS 1\.3\n0 violated/),
          failure: undefined
        })
        const commitments = yield* check(`${samples}/focus/synthetic/aws_1_3_contract_commitment.csv`)
        expect(commitments.out).toContain("10 rows of ContractCommitment")
        expect(commitments.failure).toBeUndefined()
      })
    )

    it.scoped("reports absent and unknown columns, and cells that no number is", () =>
      Effect.gen(function* () {
        const { out } = yield* check(`${samples}/focus/csv-versions/negative/literal-null.csv`)
        expect(out).toMatch(/CAU-BilledCost-C-00\d-M +BilledCost +1 +/)
        expect(out).toContain("the column HostProviderName is absent")
        const unknown = yield* check(`${samples}/focus/csv-versions/negative/unknown-header.csv`)
        expect(unknown.out).toMatch(/Columns that are neither of FOCUS nor custom \(x_\): \S+/)
        const twice = yield* check(`${samples}/focus/csv-versions/negative/duplicate-header.csv`)
        expect(twice.failure).toContain("stands twice in the header")
      })
    )

    it.scopedLive("judges what convert writes as convert does", () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const file = join(folder, "focus.parquet")
        const input = `${samples}/aws/cur2/hard_cases.csv`
        const converted = yield* cli({}, "convert", "--provider", "aws", "--input", input, "--output", file, "--json")
        expect(converted.failure).toBeUndefined()
        const judged = yield* check(file, "--json")
        expect(judged.failure).toBeUndefined()
        const { conformance, rowsOut } = JSON.parse(converted.out)
        expect(JSON.parse(judged.out)).toMatchObject({
          rows: rowsOut,
          violated: [],
          gaps: conformance.gaps,
          unreadable: []
        })
      })
    )
  })
