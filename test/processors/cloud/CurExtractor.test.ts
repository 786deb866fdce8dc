import { existsSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { zipSync } from "fflate"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as DuckDb from "../../../src/warehouse/duckdb/DuckDb.ts"
import {
  contextOf,
  curFile,
  days,
  deliver,
  extract,
  focusFile,
  folderCredential,
  query,
  world,
  write
} from "./support.ts"

const curTotals =
  "SELECT x_credential_id AS credential, billing_period_start AS period, SUM(unblended_cost) AS cost FROM cloud_aws_billing_raw_daily GROUP BY x_credential_id, billing_period_start ORDER BY 1, 2"
const focusTotals =
  "SELECT billing_period_start_date AS period, SUM(BilledCost) AS cost FROM cloud_aws_focus_raw_daily GROUP BY billing_period_start_date ORDER BY 1"

describe("periods", () => {
  it.scoped("loads those that the dates touch, and no others", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "exports")
        for (const month of ["2026-03", "2026-04", "2026-05"])
          yield* deliver(place, month, [curFile(month, ["1.10", "2.20"])])
        yield* folderCredential("aws_1", place)
        const output = yield* extract(days("2026-04-20", "2026-05-01"))
        expect(output).toMatchObject({
          rowsProcessed: 4,
          rowsWritten: 4,
          outputTable: "cloud_aws_billing_raw_daily",
          affectedPeriods: ["2026-04-01", "2026-05-01"],
          details: {
            credentials: [
              {
                credential_id: "aws_1",
                format: "cur2",
                periods: [
                  { period: "2026-04-01", files: 1, rows: 2, skipped: false },
                  { period: "2026-05-01", files: 1, rows: 2, skipped: false }
                ]
              }
            ],
            quarantined: 0
          }
        })
        expect(yield* query(curTotals)).toEqual([
          { credential: "aws_1", period: "2026-04-01", cost: "3.3" },
          { credential: "aws_1", period: "2026-05-01", cost: "3.3" }
        ])
      })
    )
  )

  it.scoped("skips what is unchanged, and replaces what was restated, even outside the dates", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "exports")
        yield* deliver(place, "2026-03", [curFile("2026-03", ["1", "2"]), curFile("2026-03", ["4"])])
        yield* deliver(place, "2026-04", [curFile("2026-04", ["8"])])
        yield* folderCredential("aws_1", place)
        yield* extract()
        const again = yield* extract()
        expect(again.rowsProcessed).toBe(0)
        expect(again.details["credentials"]).toMatchObject([{ periods: [{ skipped: true }, { skipped: true }] }])
        // The restated month has fewer files; the stale one still lies there.
        yield* deliver(place, "2026-03", [curFile("2026-03", ["1.5"])])
        const restated = yield* extract(days("2026-04-01", "2026-04-30"))
        expect(restated.rowsWritten).toBe(1)
        expect(restated.details["credentials"]).toMatchObject([
          {
            periods: [
              { period: "2026-03-01", skipped: false },
              { period: "2026-04-01", skipped: true }
            ]
          }
        ])
        expect(yield* query(curTotals)).toMatchObject([{ cost: "1.5" }, { cost: "8" }])
        expect((yield* extract({ ...days("2026-04-01", "2026-04-30"), forceRefresh: true })).rowsWritten).toBe(1)
      })
    )
  )

  it.scoped("names loaded periods until they are converted", () =>
    world((folder) =>
      Effect.gen(function* () {
        yield* deliver(join(folder, "exports"), "2026-03", [curFile("2026-03", ["1"])])
        yield* folderCredential("aws_1", join(folder, "exports"))
        yield* extract()
        expect((yield* extract()).affectedPeriods).toEqual(["2026-03-01"])
        yield* deliver(join(folder, "other"), "2026-04", [curFile("2026-04", ["1"])])
        yield* folderCredential("aws_2", join(folder, "other"))
        const one = yield* extract({ credentialId: "aws_2" })
        expect(one.affectedPeriods).toEqual(["2026-04-01"])
        expect(one.details["credentials"]).toMatchObject([{ credential_id: "aws_2" }])
        expect((yield* extract()).affectedPeriods).toEqual(["2026-03-01", "2026-04-01"])
      })
    )
  )

  it.scoped("empties a period whose manifest names no file any more", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "exports")
        yield* deliver(place, "2026-03", [curFile("2026-03", ["1"])])
        yield* folderCredential("aws_1", place)
        yield* extract()
        yield* deliver(place, "2026-03", [])
        expect(yield* extract()).toMatchObject({ rowsWritten: 0, affectedPeriods: ["2026-03-01"] })
        expect(yield* query(curTotals)).toEqual([])
      })
    )
  )

  it.scoped("takes a period out of the other table when the format changes", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "exports")
        yield* deliver(place, "2026-03", [curFile("2026-03", ["1"])])
        yield* folderCredential("aws_1", place)
        yield* extract()
        yield* deliver(place, "2026-03", [focusFile("2026-03", ["7.25"])])
        const output = yield* extract()
        expect(output.details["credentials"]).toMatchObject([{ format: "focus" }])
        expect(yield* query(curTotals)).toEqual([])
        expect(yield* query(focusTotals)).toEqual([{ period: "2026-03-01", cost: "7.25" }])
        // The token is kept from the next load on.
        yield* extract()
        expect((yield* extract()).details["credentials"]).toMatchObject([{ periods: [{ skipped: true }] }])
      })
    )
  )
})

describe("places", () => {
  it.scoped("takes one bare file with all periods that it holds", () =>
    world((folder) =>
      Effect.gen(function* () {
        const path = join(folder, "bill.csv.gz")
        const text = `${curFile("2026-01", ["1", "2"])}\n${curFile("2026-02", ["4"]).split("\n")[1]}`
        yield* Effect.promise(() => write(path, gzipSync(text)))
        yield* folderCredential("aws_1", path)
        const output = yield* extract(days("2025-06-01", "2025-06-01"))
        expect(output).toMatchObject({ rowsWritten: 3, affectedPeriods: ["2026-01-01", "2026-02-01"] })
        expect(yield* query("SELECT DISTINCT x_source_file AS file FROM cloud_aws_billing_raw_daily")).toEqual([
          { file: path }
        ])
      })
    )
  )

  it.scoped("takes Parquet in the partitions of a CUR 1.0 report", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "report")
        const partition = "acme/year=2026/month=3/acme-00001.snappy.parquet"
        const csv = join(folder, "acme.csv")
        yield* Effect.promise(async () => {
          await write(csv, curFile("2026-03", ["1.25", "2"]))
          await write(join(place, partition), "")
          const manifest = { assemblyId: "a", bucket: "acme-billing", reportKeys: [`reports/acme/${partition}`] }
          await write(join(place, "20260301-20260401/acme-Manifest.json"), JSON.stringify(manifest))
        })
        const { query: run } = yield* Effect.flatMap(DuckDb.open(":memory:", {}), ({ connect }) => connect)
        yield* run(`COPY (SELECT * REPLACE (line_item_unblended_cost::DOUBLE AS line_item_unblended_cost,
          bill_billing_period_start_date::TIMESTAMP AS bill_billing_period_start_date) FROM read_csv('${csv}', all_varchar = true))
          TO '${join(place, partition)}' (FORMAT parquet)`)
        yield* folderCredential("aws_1", place)
        expect(yield* extract()).toMatchObject({ rowsWritten: 2, affectedPeriods: ["2026-03-01"] })
        expect(yield* query(curTotals)).toEqual([{ credential: "aws_1", period: "2026-03-01", cost: "3.25" }])
      })
    )
  )

  it.scoped("takes every period of a place when its credential says so", () =>
    world((folder) =>
      Effect.gen(function* () {
        yield* deliver(join(folder, "exports"), "2026-03", [curFile("2026-03", ["1"])])
        yield* folderCredential("aws_1", join(folder, "exports"), { all_periods: true })
        expect(yield* extract(days("2025-06-01", "2025-06-01"))).toMatchObject({ affectedPeriods: ["2026-03-01"] })
      })
    )
  )

  it.scoped(
    "takes reports that AWS packed as ZIP, and refuses an archive that is damaged, cut or of several files",
    () =>
      world((folder) =>
        Effect.gen(function* () {
          const place = join(folder, "report")
          const key = "20260301-20260401/a/acme-1.csv.zip"
          const deliverZip = (archive: Uint8Array) => Effect.promise(() => write(join(place, key), archive))
          const text = curFile("2026-03", ["1.25", "2"])
          const archive = zipSync({ "acme-1.csv": Buffer.from(text) })
          const manifest = { assemblyId: "a", bucket: "acme-billing", reportKeys: [`reports/${key}`] }
          yield* Effect.promise(() =>
            write(join(place, "20260301-20260401/acme-Manifest.json"), JSON.stringify(manifest))
          )
          yield* folderCredential("aws_1", place)
          for (const whole of [archive, zipSync({ "acme-1.csv": [Buffer.from(text), { level: 0 }] })]) {
            yield* deliverZip(whole)
            expect(yield* extract()).toMatchObject({ rowsWritten: 2, details: { quarantined: 0 } })
          }
          expect(yield* query("SELECT DISTINCT x_source_file AS file FROM cloud_aws_billing_raw_daily")).toEqual([
            { file: join(place, key) }
          ])
          const damaged = Uint8Array.from(archive)
          damaged[60] = 255 - (damaged[60] ?? 0)
          for (const broken of [
            damaged,
            archive.subarray(0, archive.length / 2),
            archive.subarray(0, archive.length - 1),
            zipSync({ "acme-1.csv": Buffer.from(text), "acme-2.csv": Buffer.from(text) }),
            Buffer.from(text),
            Buffer.alloc(0)
          ]) {
            yield* deliverZip(broken)
            const error = yield* Effect.flip(extract())
            expect(error).toMatchObject({ errorType: "PERMANENT", code: "ZIP_UNREADABLE" })
            expect(error.message).toContain("acme-1.csv.zip: it")
          }
          expect(yield* query(curTotals)).toEqual([{ credential: "aws_1", period: "2026-03-01", cost: "3.25" }])
        })
      )
  )

  it.scoped("refuses different formats side by side, and what is no bill at all", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "bills")
        yield* Effect.promise(async () => {
          await write(join(place, "a.csv"), curFile("2026-03", ["1"]))
          await write(join(place, "b.csv"), focusFile("2026-03", ["1"]))
        })
        yield* folderCredential("aws_1", place)
        const mixed = yield* Effect.flip(extract())
        expect(mixed).toMatchObject({ errorType: "PERMANENT", code: "SEVERAL_FORMATS" })
        yield* Effect.promise(() => write(join(place, "b.csv"), "date,amount\n2026-03-01,5\n"))
        const unknown = yield* Effect.flip(extract())
        expect(unknown).toMatchObject({ errorType: "PERMANENT", code: "FORMAT_UNKNOWN" })
        expect(unknown.message).toContain("b.csv")
        expect(yield* query(curTotals)).toEqual([])
      })
    )
  )

  it.scoped("leaves the loaded period as it is when its new files cannot be read", () =>
    world((folder) =>
      Effect.gen(function* () {
        const place = join(folder, "exports")
        yield* deliver(place, "2026-03", [curFile("2026-03", ["1"])])
        yield* folderCredential("aws_1", place)
        yield* extract()
        yield* deliver(place, "2026-03", [curFile("2026-03", ["2"]), "x"])
        const whole = gzipSync(
          curFile(
            "2026-03",
            Array.from({ length: 500 }, (_, index) => String(index))
          )
        )
        yield* Effect.promise(() =>
          write(join(place, "data/BILLING_PERIOD=2026-03/acme-00002.csv.gz"), whole.subarray(0, whole.length / 2))
        )
        const cut = yield* Effect.flip(extract())
        expect(cut).toMatchObject({ errorType: "PERMANENT", code: "SOURCE_REJECTED" })
        expect(cut.message).toContain("acme-00002.csv.gz")
        expect(yield* query(curTotals)).toMatchObject([{ cost: "1" }])
      })
    )
  )
})

describe("credentials", () => {
  it.scoped("loads each one's slices, and names the one that fails after the others went through", () =>
    world((folder) =>
      Effect.gen(function* () {
        yield* deliver(join(folder, "a"), "2026-03", [curFile("2026-03", ["1"])])
        yield* deliver(join(folder, "c"), "2026-03", [curFile("2026-03", ["4"])])
        yield* folderCredential("aws_a", join(folder, "a"))
        yield* folderCredential("aws_b", join(folder, "b"))
        yield* folderCredential("aws_c", join(folder, "c"))
        const failure = yield* Effect.flip(extract())
        expect(failure).toMatchObject({ errorType: "PERMANENT", code: "PATH_NOT_FOUND" })
        expect(failure.message).toContain("1 of 3 AWS credentials of acme_corp failed: credential aws_b:")
        expect(yield* query(curTotals)).toEqual([
          { credential: "aws_a", period: "2026-03-01", cost: "1" },
          { credential: "aws_c", period: "2026-03-01", cost: "4" }
        ])
        yield* deliver(join(folder, "b"), "2026-04", [curFile("2026-04", ["2"])])
        expect((yield* extract()).affectedPeriods).toEqual(["2026-03-01", "2026-04-01"])
      })
    )
  )

  it.scoped("says what to configure when there is none", () =>
    world(() =>
      Effect.gen(function* () {
        expect(yield* Effect.flip(extract())).toMatchObject({
          errorType: "PERMANENT",
          code: "INTEGRATION_NOT_CONFIGURED"
        })
        expect(yield* Effect.flip(extract({ ...contextOf(), config: { provider: "gcp" } }))).toMatchObject({
          errorType: "VALIDATION_ERROR"
        })
      })
    )
  )
})

const samples = join("..", "shared", "samples")
const isAbsent = !existsSync(samples) && process.env["CI"] !== "true"
describe.skipIf(isAbsent)("every AWS sample (skipped where ../shared is absent)", () => {
  const files: ReadonlyArray<readonly [path: string, rows: number, format: string]> = [
    ["aws/cur1/real_2023-11_usage_tax.csv", 768, "cur1"],
    ["aws/cur1/generated_3_months_ec2.csv", 1201, "cur1"],
    ["aws/cur1/savings_plan_covered_2023-06_open.csv", 2, "cur1"],
    ["aws/cur1/savings_plan_covered_2023-06_final.csv", 2, "cur1"],
    ["aws/cur1/underscore_names_marketplace.csv", 1, "cur1"],
    ["aws/cur2/hard_cases.csv", 29, "cur2"],
    ["aws/focus-1.2-export", 47, "focus"],
    ["aws/focus-1.2-variants/bom-export.csv.gz", 42, "focus"]
  ]
  for (const [path, rows, format] of files) {
    it.scoped(path, () =>
      world(() =>
        Effect.gen(function* () {
          yield* folderCredential("sample", join(samples, path), { all_periods: true })
          const output = yield* extract()
          expect(output.rowsProcessed).toBe(rows)
          expect(output.rowsWritten + Number(output.details["quarantined"])).toBe(rows)
          expect(output.details["quarantine"]).toEqual([])
          expect(output.details["credentials"]).toMatchObject([{ format }])
        })
      )
    )
  }
})
