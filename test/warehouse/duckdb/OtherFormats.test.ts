import { DuckDBInstance } from "@duckdb/node-api"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { Warehouse } from "../../../src/warehouse/Warehouse.ts"
import { fileSource, type Fixture, load, withBill } from "./support.ts"

/** Writes the result of a query as Parquet and answers its bytes. */
const parquet = ({ folder }: Fixture, select: string) =>
  Effect.promise(async () => {
    const instance = await DuckDBInstance.create(":memory:")
    const connection = await instance.connect()
    const path = join(folder, "written.parquet")
    await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`)
    connection.closeSync()
    instance.closeSync()
    return readFileSync(path)
  })

describe("Parquet files", () => {
  const select = `SELECT 'a' || i AS line_item_id, TIMESTAMP '2026-05-01 00:00:00' AS bill_billing_period_start_date,
    TIMESTAMPTZ '2026-05-03 10:00:00+00' AS line_item_usage_start_date, 1.81e-8::DOUBLE AS line_item_unblended_cost,
    0.123456789::DECIMAL(18,9) AS line_item_usage_amount, i AS pieces, MAP {'region': 'eu-west-1', 'sku': NULL, 'az': ''} AS product,
    {'user_team': 'blue', 'user_none': NULL} AS resource_tags, '' AS empty_text, 'NULL' AS null_word, i % 2 = 0 AS estimated, NULL::INTEGER AS nothing
    FROM range(1, 5001) t(i)`.replace("line_item_id", "identity_line_item_id")

  it.effect("become typed rows, map columns included", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const source = fileSource(given, "a.parquet", yield* parquet(given, select), "parquet")
        const report = yield* load(acme, source)
        expect(report).toMatchObject({
          rowsRead: 5000,
          rowsWritten: 5000,
          unmappedColumns: ["empty_text", "nothing", "null_word"]
        })
        expect(
          yield* acme.query(
            "SELECT COUNT(*) AS n FROM bill WHERE line_id = CONCAT('a', CAST(file_row AS STRING)) AND pieces = file_row"
          )
        ).toEqual([{ n: 5000 }])
        const [row] = yield* acme.query("SELECT * FROM bill WHERE file_row = 4999")
        expect(row).toMatchObject({
          line_id: "a4999",
          period: "2026-05-01",
          used_at: "2026-05-03T10:00:00Z",
          cost: "0.0000000181",
          quantity: "0.123456789",
          pieces: 4999,
          estimated: false,
          region: "eu-west-1",
          tags: { user_team: "blue" },
          more: { product: '{"region":"eu-west-1","az":""}' }
        })
      })
    )
  )

  it.effect("round binary floating point to the decimals of the column, and quarantine longer decimals", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const bill = (cost: string) =>
          parquet(
            given,
            `SELECT TIMESTAMP '2026-05-01' AS bill_billing_period_start_date, ${cost} AS line_item_unblended_cost`
          )
        const binary = yield* bill("1.2345678901234567e-10::DOUBLE")
        expect(yield* load(acme, fileSource(given, "a.parquet", binary, "parquet"))).toMatchObject({ rowsWritten: 1 })
        expect(yield* acme.query("SELECT cost FROM bill")).toEqual([{ cost: "0.000000000123456789012346" }])
        const decimal = yield* bill("'0.00000000012345678901234567'")
        expect(yield* load(acme, fileSource(given, "b.parquet", decimal, "parquet"))).toMatchObject({
          rowsQuarantined: 1
        })
      })
    )
  )

  it.effect("that were cut or damaged are refused", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const whole = yield* parquet(given, select)
        const damaged = Buffer.from(whole)
        damaged.fill(0x55, 200, 4000)
        for (const content of [whole.subarray(0, whole.length / 2), whole.subarray(0, whole.length - 1), damaged]) {
          const error = yield* Effect.flip(load(acme, fileSource(given, "cut.parquet", content, "parquet")))
          expect(error._tag).toBe("SourceRejected")
          expect(error.message).toMatch(/^s3:\/\/bucket\/cut\.parquet: /)
          expect(error.message).not.toContain(given.folder)
        }
        const less = yield* parquet(given, "SELECT 'a' AS identity_line_item_id")
        const error = yield* Effect.flip(load(acme, fileSource(given, "less.parquet", less, "parquet")))
        expect(error.message).toMatch(/lineItem\/UnblendedCost, which cost needs, is missing/)
      })
    )
  )
})

describe("NDJSON files", () => {
  const text =
    '{"identity/LineItemId": "a", "lineItem/UnblendedCost": 0.123456789012345678901234, "pieces": 3, "estimated": true, "more_of": {"n": 1.5, "long": 0.12345678901234567890}}\n' +
    '{"lineItem/UnblendedCost":1E-7,"identity/LineItemId":"b -1 \\"2\\" ","product/region":null,"late":[1,"x"]}\n'

  it.effect.each([
    ["plain", text],
    ["gzip", gzipSync(text)]
  ] as const)("keep the source text of numbers (%s)", ([, content]) =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const report = yield* load(acme, fileSource(given, "a.ndjson", content, "ndjson"))
        expect(report).toMatchObject({ rowsRead: 2, rowsWritten: 2, unmappedColumns: ["late", "more_of"] })
        expect(
          yield* acme.query(
            "SELECT line_id, cost, pieces, estimated, region, more, file_row FROM bill ORDER BY file_row"
          )
        ).toEqual([
          {
            line_id: "a",
            cost: "0.123456789012345678901234",
            pieces: 3,
            estimated: true,
            region: null,
            more: { more_of: '{"n":1.5,"long":"0.12345678901234567890"}' },
            file_row: 1
          },
          {
            line_id: 'b -1 "2" ',
            cost: "0.0000001",
            pieces: null,
            estimated: null,
            region: null,
            more: { late: '[1,"x"]' },
            file_row: 2
          }
        ])
      })
    )
  )
})

describe("values of an NDJSON file", () => {
  it.effect("are the ones that their text means, whatever characters and blanks they have", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const texts = [
          "a\u001fb",
          "a\u001eb",
          "\u001e",
          "line\nend\r\n",
          '"quoted", \\ ',
          "\u0000",
          "é €😀",
          " blanks "
        ]
        const lines = texts.map((text, index) => {
          const escaped = index % 2 === 0 ? JSON.stringify(text) : `"${Array.from(text, unicodeEscape).join("")}"`
          return `\ufeff \t{ "lineItem/UnblendedCost" : -1.50e+1 , "identity\\u002fLineItemId":${escaped}}\r\n`.slice(
            index === 0 ? 0 : 1
          )
        })
        const nested =
          '{"lineItem/UnblendedCost":"2","more":{ "b" : [ 1 , -0.12345678901234567890 , null , { } ] ,"s":" x : \\" , "},"More":true}\n'
        yield* load(acme, fileSource(given, "a.ndjson", `${lines.join("\n")}${nested}`, "ndjson"))
        const rows = yield* acme.query("SELECT line_id, cost, more, file_row FROM bill ORDER BY file_row")
        expect(rows.map(({ line_id }) => line_id)).toEqual([...texts, null])
        expect(rows[0]).toEqual({ line_id: texts[0], cost: "-15", more: null, file_row: 1 })
        expect(rows.at(-1)).toMatchObject({
          more: { more: '{"b":[1,"-0.12345678901234567890",null,{}],"s":" x : \\" , "}', More: "true" },
          file_row: texts.length + 1
        })
      })
    )
  )
})

/** As JSON may write it: each unit of UTF-16 by its number. */
const unicodeEscape = (character: string): string =>
  Array.from(
    { length: character.length },
    (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`
  ).join("")

describe("rows of a large NDJSON file", () => {
  it.effect("have their numbers in the file's order", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const count = 150_000
        const lines = Array.from(
          { length: count },
          (_, index) =>
            `{"identity/LineItemId":"${index + 1}","lineItem/UnblendedCost":1,"filler":"${"x".repeat(120)}"}`
        )
        yield* load(acme, fileSource(given, "large.ndjson", `${lines.join("\n")}\n`, "ndjson"))
        expect(
          yield* acme.query("SELECT COUNT(*) AS n, COUNTIF(CAST(line_id AS INT64) = file_row) AS ordered FROM bill")
        ).toEqual([{ n: count, ordered: count }])
      })
    )
  )
})

describe("the native columns of a file", () => {
  it.effect("are told before it is loaded", () =>
    withBill((_acme, given) =>
      Effect.gen(function* () {
        const warehouse = yield* Warehouse
        const names = (name: string, content: string | Uint8Array, format: "csv" | "parquet" | "ndjson") => {
          const source = fileSource(given, name, content, format)
          return source._tag === "Files" && source.files[0] !== undefined
            ? warehouse.columnsOf({ ...source.files[0], format })
            : Effect.dieMessage("one file")
        }
        const csv = 'a/B,"c, d"\n1,2\n'
        expect(yield* names("a.csv", csv, "csv")).toEqual(["a/B", "c, d"])
        expect(yield* names("a.csv.gz", gzipSync(csv), "csv")).toEqual(["a/B", "c, d"])
        expect(yield* names("a.ndjson", '{"x":1}\n{"y":{"z":1}}\n', "ndjson")).toEqual(["x", "y"])
        const written = yield* parquet(given, 'SELECT 1 AS "p/q", MAP {1: 2} AS m')
        expect(yield* names("a.parquet", written, "parquet")).toEqual(["p/q", "m"])
        const error = yield* Effect.flip(names("b.parquet", "nothing", "parquet"))
        expect(error).toMatchObject({ _tag: "SourceRejected", file: "s3://bucket/b.parquet" })
      })
    )
  )
})
