import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { DuckDBInstance } from "@duckdb/node-api"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { cli, commandLine } from "../support/commandLine.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const samples = fileURLToPath(new URL("../../../shared/samples", import.meta.url))
const absent = !existsSync(samples) && process.env["CI"] !== "true"

const argumentsOf = (args: ReadonlyArray<string>) => [
  "convert",
  ...(args.includes("--provider") ? [] : ["--provider", "aws"]),
  ...args
]

/** In a process of its own. */
const convertAlone = (...args: ReadonlyArray<string>) => commandLine({}, ...argumentsOf(args))

/** The same in this process: a failure is what that prints before it exits with 1. */
const convert = (...args: ReadonlyArray<string>) =>
  Effect.map(cli({}, ...argumentsOf(args)), ({ failure, out }) => ({
    code: failure === undefined ? 0 : 1,
    out,
    err: failure ?? ""
  }))

const query = (sql: string) =>
  Effect.promise(async () => {
    const instance = await DuckDBInstance.create(":memory:")
    const connection = await instance.connect()
    const rows = (await connection.runAndReadAll(sql)).getRowsJson()
    connection.closeSync()
    instance.closeSync()
    return rows
  })

describe.skipIf(absent)("convert (needs the sample bills beside the project)", () => {
  it.scopedLive("gives FOCUS rows and a summary whose parts add up, and exits with 0", () =>
    Effect.gen(function* () {
      const target = join(yield* temporaryFolder, "focus.parquet")
      const { code, err, out } = yield* convertAlone(
        "--input",
        join(samples, "aws/cur2/hard_cases.csv"),
        "--output",
        target,
        "--json"
      )
      expect([err, code]).toEqual(["", 0])
      const summary = JSON.parse(out)
      expect(summary).toMatchObject({ rowsIn: 29, quarantined: 0 })
      expect(summary.reconciliation).toMatchObject([
        {
          billingPeriod: "2026-03-01",
          currency: "USD",
          nativeBilled: "5995.3178500002829",
          focusBilled: "5995.3178500002829",
          difference: "0",
          focusEffective: "425.8178499890829"
        }
      ])
      expect(summary.conformance.violated).toEqual([])
      expect(summary.conformance.evaluated).toBeGreaterThan(300)
      const explained = Object.values<number>(summary.explained).reduce((a, b) => a + b, 0)
      expect(summary.rowsIn + summary.rowsExtra).toBe(summary.rowsOut + summary.quarantined + explained)
      const [row] = yield* query(
        `SELECT count(*), sum(BilledCost)::VARCHAR, count(x_run_id), count(x_source_row) FROM '${target}'`
      )
      expect(row?.[0]).toBe(String(summary.rowsOut))
      expect(String(row?.[1])).toMatch(/^5995\.3178500002829/)
      expect(row?.[2]).toBe(row?.[0])
    })
  )

  it.scopedLive(
    "takes the actual and the amortized costs of an Azure month together, and names the one that is missing",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        for (const view of ["actual", "amortized"]) {
          cpSync(join(samples, `azure/ea/hard_cases_${view}.csv`), join(folder, `${view}.csv`))
        }
        const both = yield* convert("--provider", "azure", "--input", folder, "--json")
        expect([both.err, both.code]).toEqual(["", 0])
        expect(JSON.parse(both.out)).toMatchObject({
          rowsIn: 21,
          rowsOut: 13,
          explained: { same_charge_in_amortized_view: 8 },
          notices: [],
          reconciliation: [{ nativeBilled: "132.35724644", difference: "0", focusEffective: "107.15724644" }],
          conformance: { violated: [] }
        })
        const one = yield* convert("--provider", "azure", "--input", join(folder, "actual.csv"), "--json")
        expect(one.code).toBe(0)
        expect(JSON.parse(one.out)).toMatchObject({
          rowsIn: 11,
          rowsOut: 11,
          notices: ["missing cost views: 2026-04-01 (credential input) has no amortized export"],
          reconciliation: [{ nativeBilled: "132.35724644", difference: "0" }]
        })
      })
  )

  it.scopedLive("refuses an input that is not there, and an output that it cannot write, in one line", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const missing = yield* convertAlone("--input", join(folder, "none.csv"))
      expect([missing.code, missing.out]).toEqual([1, ""])
      expect(missing.err.trim()).toMatch(/none\.csv: there is no such file or folder$/)
      const output = yield* convert("--input", join(samples, "aws/cur2/hard_cases.csv"), "--output", "x.xlsx")
      expect(output.err.trim()).toMatch(/x\.xlsx: the output is a \.parquet or a \.csv file$/)
    })
  )

  /** Each broken bill: how it is made in a folder, and what the one line must say. */
  const bill = () => readFileSync(join(samples, "aws/cur1/real_2023-11_usage_tax.csv"), "utf8")
  const broken: ReadonlyArray<readonly [string, (folder: string) => void, RegExp]> = [
    [
      "a gzip file that is cut in the middle",
      (folder) => {
        const whole = gzipSync(bill())
        writeFileSync(join(folder, "bill.csv.gz"), whole.subarray(0, whole.length / 2))
      },
      /bill\.csv\.gz.*(cut|ends|gzip)/
    ],
    [
      "a row with another number of cells",
      (folder) => writeFileSync(join(folder, "bill.csv"), bill().split("\n").with(3, "a,b,c").join("\n")),
      /bill\.csv:4: .*cell/
    ],
    [
      "a header without its key columns",
      (folder) => writeFileSync(join(folder, "bill.csv"), "a,b\n1,2\n"),
      /bill\.csv/
    ],
    [
      "a header with a name twice",
      (folder) => writeFileSync(join(folder, "bill.csv"), bill().replace(/^([^,]+),[^,]+/, "$1,$1")),
      /bill\.csv.*(twice|duplicate)/i
    ],
    [
      "a manifest that names a missing file",
      (folder) => {
        cpSync(join(samples, "aws/focus-1.2-export"), join(folder, "export"), { recursive: true })
        mkdirSync(join(folder, "export/metadata/BILLING_PERIOD=2026-06"), { recursive: true })
        writeFileSync(
          join(folder, "export/metadata/BILLING_PERIOD=2026-06/costroid-demo-Manifest.json"),
          JSON.stringify({ dataFiles: ["s3://b/export/data/BILLING_PERIOD=2026-06/gone-00001.csv.gz"] })
        )
      },
      /gone-00001\.csv\.gz/
    ]
  ]
  for (const [what, make, expected] of broken) {
    it.scopedLive(`refuses ${what}, naming file and reason in one line`, () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        make(folder)
        const { code, err, out } = yield* convert("--input", folder)
        expect([code, out]).toEqual([1, ""])
        expect(err.trim()).toMatch(expected)
        expect(err.trim().split("\n")).toHaveLength(1)
      })
    )
  }

  const rewritten = (select: string, target: string) =>
    query(
      `COPY (SELECT ${select} FROM read_csv('${join(samples, "aws/cur1/real_2023-11_usage_tax.csv")}', all_varchar = true)) TO '${target}'`
    )

  it.scopedLive("refuses a bill with an empty cost: an unknown amount is no zero", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const cost = '"lineItem/UnblendedCost"'
      yield* rewritten(
        `* REPLACE (CASE WHEN row_number() OVER () = 5 THEN NULL ELSE ${cost} END AS ${cost})`,
        join(folder, "bill.csv")
      )
      const { code, err, out } = yield* convert("--input", folder)
      expect([code, out]).toEqual([1, ""])
      expect(err.trim()).toMatch(/bill\.csv:6: .*[Uu]nblended_?[Cc]ost/)
    })
  )

  it.scopedLive("does not call a bill converted of which rows are in quarantine", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const amount = '"lineItem/UnblendedCost"'
      yield* rewritten(
        `* REPLACE (CASE WHEN row_number() OVER () = 5 THEN 'much' ELSE ${amount} END AS ${amount})`,
        join(folder, "bill.csv")
      )
      const { code, err, out } = yield* convertAlone("--input", folder, "--json")
      expect(JSON.parse(out)).toMatchObject({
        rowsIn: 768,
        rowsOut: 767,
        quarantined: 1,
        quarantine: [{ rows: 1, example: expect.stringMatching(/bill\.csv:5$/) }],
        conformance: { violated: [] }
      })
      expect([code, err.trim()]).toEqual([1, expect.stringContaining("in quarantine")])
    })
  )

  it.scopedLive("reads a file as the metadata say what it does not", () =>
    Effect.gen(function* () {
      const bill = ["--provider", "azure", "--input", join(samples, "azure/ea/subset_2021-02.csv"), "--json"]
      const { code, err, out } = yield* convert(...bill, "--metadata", "currency=USD", "--metadata", "short_rows=true")
      expect([code, err]).toEqual([0, ""])
      expect(JSON.parse(out)).toMatchObject({ rowsIn: 52, rowsOut: 52, quarantined: 0 })
      const refused = yield* convert(...bill, "--metadata", "currency_codes={MC}")
      expect([refused.code, refused.err.trim()]).toEqual([
        1,
        '--metadata "currency_codes={MC}" has a value that is no JSON'
      ])
    })
  )

  it.scopedLive("refuses a Parquet file that lacks a column", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* rewritten('* EXCLUDE ("lineItem/UnblendedCost")', join(folder, "bill.parquet"))
      const { code, err } = yield* convert("--input", folder)
      expect(code).toBe(1)
      expect(err.trim()).toMatch(/bill\.parquet.*[Uu]nblended/)
    })
  )
})
