import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import type { FileMapping } from "../../../src/warehouse/FileMapping.ts"
import { billMapping, fileSource, load, withBill } from "./support.ts"

const rows = "SELECT line_id, cost, region, file_row FROM bill ORDER BY file_row"

describe("CSV files", () => {
  it.effect("become typed rows with their lineage", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const source = fileSource(
          given,
          "typed.csv",
          "identity/LineItemId,bill/BillingPeriodStartDate,lineItem/UsageStartDate,lineItem/UnblendedCost,lineItem/UsageAmount,pieces,share,estimated,product/region,resourceTags/user:Team,resourceTags/aws:by,new/Column,new/Empty\n" +
            "007,2026-05-01T00:00:00Z,2026-05-01T10:00:00.000Z,1.81E-8,0.5,3,0.25,true,eu-west-1,blue,me,x,\n" +
            "b,2026-05-01,2022-07-01 00:00:00.000,-10.000000000000000000000001,,,,,NULL,,,,\n"
        )
        const report = yield* load(acme, source)
        expect(report).toEqual({
          rowsRead: 2,
          rowsWritten: 2,
          rowsQuarantined: 0,
          quarantine: [],
          unmappedColumns: ["new/Column", "new/Empty"],
          periods: []
        })
        const lineage = {
          x_org_slug: "acme_corp",
          x_pipeline_id: "cloud_aws_cost_billing",
          x_credential_id: "main",
          x_pipeline_run_date: "2026-05-01",
          x_run_id: "7f8a52d1-3f43-4a53-9d0c-1a2b3c4d5e6f",
          x_ingested_at: "1970-01-01T00:00:00Z",
          x_ingestion_date: "1970-01-01"
        }
        expect(yield* acme.query("SELECT * FROM bill ORDER BY file_row")).toEqual([
          {
            line_id: "007",
            period: "2026-05-01",
            used_at: "2026-05-01T10:00:00Z",
            cost: "0.0000000181",
            quantity: "0.5",
            pieces: 3,
            share: 0.25,
            estimated: true,
            region: "eu-west-1",
            tags: { Team: "blue", "aws:by": "me" },
            more: { "new/Column": "x" },
            file: "s3://bucket/typed.csv",
            file_row: 1,
            ...lineage
          },
          {
            line_id: "b",
            period: "2026-05-01",
            used_at: "2022-07-01T00:00:00Z",
            cost: "-10.000000000000000000000001",
            quantity: null,
            pieces: null,
            share: null,
            estimated: null,
            region: null,
            tags: null,
            more: null,
            file: "s3://bucket/typed.csv",
            file_row: 2,
            ...lineage
          }
        ])
      })
    )
  )

  const plain = "identity/LineItemId,lineItem/UnblendedCost,product/region\na,1,x\nb,2,y\n"
  const dialects: ReadonlyArray<readonly [string, string | Uint8Array]> = [
    ["plain", plain],
    ["a byte order mark", `\uFEFF${plain}`],
    ["CRLF", plain.replaceAll("\n", "\r\n")],
    ["CRLF and a byte order mark", `\uFEFF${plain.replaceAll("\n", "\r\n")}`],
    ["no line end at the end", plain.slice(0, -1)],
    ["empty lines at the end", `${plain}\n`],
    ["quoted cells", plain.replaceAll(/[^,\n]+/g, '"$&"')],
    ["semicolons", plain.replaceAll(",", ";")],
    ["tabs", plain.replaceAll(",", "\t")],
    [
      "snake-case names",
      plain.replace("identity/LineItemId,lineItem/UnblendedCost", "identity_line_item_id,line_item_unblended_cost")
    ],
    ["names with blanks around", plain.replace("product/region", " product/region ")],
    ["gzip", gzipSync(plain)],
    ["two gzip members", Buffer.concat([gzipSync(plain.slice(0, 70)), gzipSync(plain.slice(70))])]
  ]
  it.effect.each(dialects)("with %s", ([, content]) =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        // The name says nothing: gzip is told by the content.
        yield* load(acme, fileSource(given, "dialect.csv", content))
        expect(yield* acme.query(rows)).toEqual([
          { line_id: "a", cost: "1", region: "x", file_row: 1 },
          { line_id: "b", cost: "2", region: "y", file_row: 2 }
        ])
      })
    )
  )

  it.effect("keep quotes, delimiters and line ends inside of cells", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const text = 'identity/LineItemId,lineItem/UnblendedCost\n"a ""b"", c\nd",1\n\'e,2\n'
        yield* load(acme, fileSource(given, "quotes.csv", text))
        expect(yield* acme.query(rows)).toEqual([
          { line_id: 'a "b", c\nd', cost: "1", region: null, file_row: 1 },
          { line_id: "'e", cost: "2", region: null, file_row: 2 }
        ])
      })
    )
  )

  it.effect("of one slice may have different headers, and each counts its own rows", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const files = [
          ["one.csv", "lineItem/UnblendedCost,identity/LineItemId\n1,a\n2,b\n"],
          ["two.csv", "identity/LineItemId,extra,lineItem/NetUnblendedCost,lineItem/UnblendedCost\nc,x,3,30\n"],
          ["three.csv", "identity/LineItemId,lineItem/UnblendedCost\n"]
        ].map(([name = "", text = ""]) => {
          writeFileSync(join(given.folder, name), text)
          return { path: join(given.folder, name), uri: name }
        })
        const report = yield* load(acme, { _tag: "Files", format: "csv", files, mapping: billMapping })
        expect(report).toMatchObject({ rowsRead: 3, rowsWritten: 3, unmappedColumns: ["extra"] })
        expect(yield* acme.query("SELECT line_id, cost, more, file, file_row FROM bill ORDER BY line_id")).toEqual([
          { line_id: "a", cost: "1", more: null, file: "one.csv", file_row: 1 },
          { line_id: "b", cost: "2", more: null, file: "one.csv", file_row: 2 },
          // A column that another one of its family was preferred to is not lost, though it is no unknown one.
          {
            line_id: "c",
            cost: "3",
            more: { extra: "x", "lineItem/UnblendedCost": "30" },
            file: "two.csv",
            file_row: 1
          }
        ])
      })
    )
  )

  it.effect("number the rows of a large file in its order", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const count = 150_000
        const lines = Array.from({ length: count }, (_, index) => `${index + 1},1,${"filler".repeat(20)}`)
        const text = ["identity/LineItemId,lineItem/UnblendedCost,extra", ...lines, ""].join("\n")
        const report = yield* load(acme, fileSource(given, "large.csv", gzipSync(text, { level: 1 })))
        expect(report).toMatchObject({ rowsRead: count, rowsWritten: count })
        expect(
          yield* acme.query("SELECT COUNT(*) AS n, COUNTIF(CAST(line_id AS INT64) = file_row) AS ordered FROM bill")
        ).toEqual([{ n: count, ordered: count }])
      })
    )
  )

  it.effect("give map columns as JSON text", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const text =
          "identity_line_item_id,line_item_unblended_cost,product,resource_tags\n" +
          'a,1,"{""region"":""eu-west-1"",""sku"":""X""}","{""user_team"":""blue""}"\n' +
          "b,2,{},{}\n" +
          "c,3,,\n" +
          'd,4,"{""region"":""""}",\n'
        const report = yield* load(acme, fileSource(given, "maps.csv", text))
        expect(report).toMatchObject({ rowsQuarantined: 0, unmappedColumns: [] })
        expect(yield* acme.query("SELECT line_id, region, tags, more FROM bill ORDER BY line_id")).toEqual([
          {
            line_id: "a",
            region: "eu-west-1",
            tags: { user_team: "blue" },
            more: { product: '{"region":"eu-west-1","sku":"X"}' }
          },
          { line_id: "b", region: null, tags: null, more: { product: "{}" } },
          { line_id: "c", region: null, tags: null, more: null },
          { line_id: "d", region: null, tags: null, more: { product: '{"region":""}' } }
        ])
      })
    )
  )

  it.effect("keep the exact decimal of every notation, and quarantine what would be rounded", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const exact: ReadonlyArray<readonly [string, string]> = [
          ["0", "0"],
          ["-0.00", "0"],
          ["+1.5", "1.5"],
          ["1.", "1"],
          [".5", "0.5"],
          ["0012.50", "12.5"],
          ["1.81E-8", "0.0000000181"],
          ["-1.5e+3", "-1500"],
          ["100e-25", "0.00000000000000000000001"],
          ["0.000000000000000000000001", "0.000000000000000000000001"],
          ["0.12345678901234567890123400000000", "0.123456789012345678901234"],
          ["99999999999999.999999999999999999999999", "99999999999999.999999999999999999999999"],
          ["0.0000000000000000000000000000", "0"],
          ["0E-30", "0"],
          ["999999.999999999999", "999999.999999999999"],
          ["-1000000.000000000001", "-1000000.000000000001"],
          ["0.0000000000005", "0.0000000000005"],
          ["1234567890123", "1234567890123"],
          ["4520000", "4520000"],
          ["123456789012", "123456789012"],
          ["-1234567.123456", "-1234567.123456"],
          ["1234567.1234567", "1234567.1234567"],
          ["1234567.123400000", "1234567.1234"],
          ["999999999999.999999", "999999999999.999999"],
          ["4.52E+6", "4520000"]
        ]
        const broken = [
          "0.0000000000000000000000001",
          "1e-25",
          "100000000000000",
          "1e14",
          "1_000",
          "1,5",
          "abc",
          "0x10",
          "NaN",
          "1e",
          "--1",
          "1.5.5"
        ]
        const lines = [...exact.map(([text]) => text), ...broken].map((text) => `"${text}"`)
        const report = yield* load(acme, fileSource(given, "d.csv", `lineItem/UnblendedCost\n${lines.join("\n")}\n`))
        expect(yield* acme.query("SELECT cost FROM bill ORDER BY file_row")).toEqual(
          exact.map(([, cost]) => ({ cost }))
        )
        expect(report).toMatchObject({
          rowsRead: exact.length + broken.length,
          rowsWritten: exact.length,
          rowsQuarantined: broken.length,
          quarantine: [
            {
              reason: "lineItem/UnblendedCost: is not a decimal of at most 24 decimals and 14 digits before the point",
              rows: broken.length,
              example: `s3://bucket/d.csv:${exact.length + 1}`
            }
          ]
        })
      })
    )
  )

  it.effect("quarantine rows with a cell that cannot be read, whole and with the reason", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const header =
          "identity/LineItemId,lineItem/UnblendedCost,lineItem/UsageStartDate,pieces,share,estimated,bill/BillingPeriodStartDate"
        const cells: ReadonlyArray<readonly [column: string, kind: string, texts: ReadonlyArray<string>]> = [
          ["lineItem/UsageStartDate", "a timestamp", ["2026-02-30T00:00:00Z", "infinity", "epoch", "yesterday"]],
          ["pieces", "a whole number", ["1.5", "9223372036854775808", "1e3"]],
          ["share", "a number", ["NaN", "inf", "many"]],
          ["estimated", "true or false", ["perhaps"]],
          ["bill/BillingPeriodStartDate", "a date", ["2026-13-01", "05/01/2026", "infinity"]]
        ]
        const lines = cells.flatMap(([column, , texts]) =>
          texts.map((text) =>
            header
              .split(",")
              .map((name) => (name === column ? text : name.includes("Cost") ? "1" : ""))
              .join(",")
          )
        )
        const report = yield* load(acme, fileSource(given, "q.csv", `${header}\n${lines.join("\n")}\ngood,1,,,,,\n`))
        expect(report).toMatchObject({ rowsWritten: 1, rowsQuarantined: lines.length, rowsRead: lines.length + 1 })
        expect(
          report.quarantine
            .map(({ reason, rows }) => ({ reason, rows }))
            .toSorted((a, b) => a.reason.localeCompare(b.reason))
        ).toEqual(
          cells
            .map(([column, kind, texts]) => ({ reason: `${column}: is not ${kind}`, rows: texts.length }))
            .toSorted((a, b) => a.reason.localeCompare(b.reason))
        )
        const [first] = yield* acme.query("SELECT * FROM org_quarantine ORDER BY source_row LIMIT 1")
        expect(first).toMatchObject({
          table_name: "bill",
          reason: "lineItem/UsageStartDate: is not a timestamp",
          source_file: "s3://bucket/q.csv",
          source_row: 1,
          raw: { "lineItem/UnblendedCost": "1", "lineItem/UsageStartDate": "2026-02-30T00:00:00Z" },
          x_pipeline_run_date: "2026-05-01"
        })
        // The same slice without broken rows has an empty quarantine.
        yield* load(acme, fileSource(given, "q.csv", `${header}\ngood,1,,,,,\n`))
        expect(yield* acme.query("SELECT * FROM org_quarantine")).toEqual([])
      })
    )
  )

  it.effect("never write columns with the names of the lineage from the source", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const mapping: FileMapping = {
          ...billMapping,
          columns: [...billMapping.columns, { column: "x_org_slug", from: ["x_org_slug"] }]
        }
        const text = "lineItem/UnblendedCost,x_org_slug\n1,globex\n"
        yield* load(acme, fileSource(given, "forged.csv", text, "csv", mapping))
        expect(yield* acme.query("SELECT x_org_slug, more FROM bill")).toEqual([
          { x_org_slug: "acme_corp", more: { x_org_slug: "globex" } }
        ])
      })
    )
  )
})

describe("cells that a mapping reads in its own way", () => {
  it.effect("take a month as its first day, and round quantities but never money", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const mapping: FileMapping = {
          ...billMapping,
          columns: [
            { column: "period", from: ["month"] },
            { column: "cost", from: ["cost"], mustHaveValue: true },
            { column: "quantity", from: ["quantity"], rounded: true }
          ]
        }
        const text =
          "month,cost,quantity\n202605,1,9.313225746154785e-10\n202605,1,4.32e+16\n202613,1,2\n202605,1,many\n202605,1e-25,1\n"
        const report = yield* load(acme, fileSource(given, "months.csv", text, "csv", mapping))
        expect(report.quarantine).toEqual([
          {
            reason: "cost: is not a decimal of at most 24 decimals and 14 digits before the point",
            rows: 1,
            example: expect.stringContaining("5")
          },
          { reason: "month: is not a date", rows: 1, example: expect.stringContaining("3") },
          { reason: "quantity: is not a decimal of at most 9 decimals", rows: 1, example: expect.stringContaining("4") }
        ])
        expect(yield* acme.query("SELECT period, quantity FROM bill ORDER BY file_row")).toEqual([
          { period: "2026-05-01", quantity: "0.000000001" },
          { period: "2026-05-01", quantity: "43200000000000000" }
        ])
      })
    )
  )
})
