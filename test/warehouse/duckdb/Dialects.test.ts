/**
 * Files as other countries and older exports write them: local dates, localised names, missing columns and cells.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { FileMapping } from "../../../src/warehouse/FileMapping.ts"
import { billByPeriods, billMapping, fileSource, load, withBill } from "./support.ts"

const mapping: FileMapping = {
  ...billMapping,
  columns: [
    {
      column: "period",
      from: ["PeriodStart"],
      whenEmpty: ["ServiceStart", "Date"],
      isMonth: true,
      mustHaveValue: true
    },
    { column: "used_at", from: ["Date"], mustHaveValue: true },
    { column: "cost", from: ["Cost"], mustHaveValue: true },
    { column: "region", from: ["Location"], mustMatch: "[a-z]+" }
  ],
  localDates: { firstDays: ["PeriodStart"] }
}

const rows = (text: string, more: Partial<FileMapping> = {}, values: Readonly<Record<string, string>> = {}) =>
  withBill((acme, given) =>
    Effect.gen(function* () {
      const source = fileSource(given, "bill.csv", text, "csv", { ...mapping, ...more })
      const files = source._tag === "Files" ? source.files.map((file) => ({ ...file, values })) : []
      const report = yield* load(acme, source._tag === "Files" ? { ...source, files } : source, billByPeriods())
      const found = yield* acme.query(
        "SELECT period, CAST(used_at AS STRING) AS day, cost, region, line_id FROM bill ORDER BY file_row"
      )
      return { report, found }
    })
  )

const dates = (text: string) =>
  Effect.map(rows(text), ({ found }) => found.map((row) => `${row["period"]} ${String(row["day"]).slice(0, 10)}`))

describe("dates", () => {
  const files: ReadonlyArray<readonly [what: string, text: string, expected: ReadonlyArray<string>]> = [
    [
      "a day above 12 shows that the month is first",
      "PeriodStart,Date,Cost\n04/01/2026,04/05/2026,1\n04/01/2026,04/30/2026,1",
      ["2026-04-01 2026-04-05", "2026-04-01 2026-04-30"]
    ],
    [
      "a day above 12 shows that the day is first",
      "PeriodStart,Date,Cost\n1/4/2026,5/4/2026,1\n1/4/2026,30/4/2026,1",
      ["2026-04-01 2026-04-05", "2026-04-01 2026-04-30"]
    ],
    [
      "the first day of the period shows it too",
      "PeriodStart,Date,Cost\n01/04/2026,05/04/2026,1",
      ["2026-04-01 2026-04-05"]
    ],
    [
      "the month is first when nothing tells",
      "PeriodStart,Date,Cost\n01/01/2026,01/02/2026,1",
      ["2026-01-01 2026-01-02"]
    ],
    ["points and times", "PeriodStart,Date,Cost\n01.04.2026,05.04.2026 00:00:00,1", ["2026-04-01 2026-04-05"]],
    [
      "a year of two digits is one of this century",
      "PeriodStart,Date,Cost\n4/1/26,4/5/26 10:00,1\n04/01/2026,4/30/26,1",
      ["2026-04-01 2026-04-05", "2026-04-01 2026-04-30"]
    ],
    ["ISO dates stay", "PeriodStart,Date,Cost\n2026-04-01,2026-04-05T00:00:00Z,1", ["2026-04-01 2026-04-05"]]
  ]
  for (const [what, text, expected] of files) {
    it.effect(what, () => Effect.map(dates(text), (found) => expect(found).toEqual(expected)))
  }

  it.effect("refuses a file with both orders", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(rows("PeriodStart,Date,Cost\n04/01/2026,04/30/2026,1\n04/01/2026,30/04/2026,1"))
      expect(error).toMatchObject({ _tag: "SourceRejected", reason: expect.stringContaining("some dates") })
    })
  )

  it.effect("puts what is no date in the order of the file into the quarantine", () =>
    Effect.gen(function* () {
      const { report } = yield* rows("PeriodStart,Date,Cost\n04/01/2026,04/30/2026,1\n04/01/2026,04/31/2026,1")
      expect(report).toMatchObject({ rowsWritten: 1, rowsQuarantined: 1 })
    })
  )
})

describe("periods", () => {
  it.effect("come from the first column that has a month's first day, else from the last one that is filled", () =>
    Effect.map(
      dates(
        "PeriodStart,ServiceStart,Date,Cost\n,08/01/2026,08/13/2026,1\n,08/15/2026,08/02/2026,1\n07/15/2026,,08/02/2026,1\n,,08/02/2026,1"
      ),
      (found) =>
        expect(found).toEqual([
          "2026-08-01 2026-08-13",
          "2026-08-01 2026-08-02",
          "2026-08-01 2026-08-02",
          "2026-08-01 2026-08-02"
        ])
    )
  )
})

describe("columns", () => {
  it.effect("are known by the name in parentheses, and filled with what the caller knows", () =>
    Effect.gen(function* () {
      const { found } = yield* rows("Datum (Date),Kosten (Cost)\n2026-04-05,2", {}, { region: "west", line_id: "a" })
      expect(found).toMatchObject([{ period: "2026-04-01", cost: "2", region: "west", line_id: "a" }])
    })
  )

  it.effect("keep their own values where the file has them", () =>
    Effect.gen(function* () {
      const { found } = yield* rows("Date,Cost,Location\n2026-04-05,2,east", {}, { region: "west" })
      expect(found).toMatchObject([{ region: "east" }])
    })
  )

  it.effect("stop the file where a value has not the form that it must have", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(rows("Date,Cost,Location\n2026-04-05,2,east\n2026-04-05,2,EAST1"))
      expect(error).toMatchObject({ _tag: "SourceRejected", line: 3, reason: "Location is not of the form [a-z]+" })
    })
  )
})

describe("rows that lack cells at their end", () => {
  const short = 'Date,Cost,Location,Note\r\n2026-04-05,2\r\n2026-04-05,"3",east,x\r\n2026-04-05,4'

  it.effect("are read where the mapping allows it", () =>
    Effect.gen(function* () {
      const { found } = yield* rows(short, { shortRows: true })
      expect(found.map(({ cost, region }) => [cost, region])).toEqual([
        ["2", null],
        ["3", "east"],
        ["4", null]
      ])
    })
  )

  it.effect("refuse the file otherwise, and rows with too many always do", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(rows(short))).toMatchObject({ line: 2, reason: expect.stringContaining("2 cells") })
      const long = "Date,Cost\n2026-04-05,2,3"
      expect(yield* Effect.flip(rows(long, { shortRows: true }))).toMatchObject({ line: 2 })
    })
  )
})
