/**
 * The lookups of the AWS conversion hold together, and the mappings know the columns of every AWS file.
 */
import { describe, expect, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { curMapping } from "../../src/processors/cloud/aws/CurMapping.ts"
import { focusMapping } from "../../src/processors/cloud/aws/FocusMapping.ts"
import type { FileMapping } from "../../src/warehouse/FileMapping.ts"
import { samplesMissing } from "./support.ts"

/** Rows of a CSV file without quoted line breaks, by the names of its header. */
const csv = (path: string) => {
  const [header = [], ...rows] = readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")
    .replace(/^\uFEFF/, "")
    .trimEnd()
    .split(/\r?\n/)
    .map((row) =>
      [...row.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)]
        .slice(0, -1)
        .map(([, cell = ""]) => cell.replace(/^"|"$/g, ""))
    )
  return rows.map((row) => new Map(header.map((name, index) => [name, row[index] ?? ""])))
}
const column = (rows: ReturnType<typeof csv>, name: string) => rows.map((row) => row.get(name) ?? "")
const lookup = (name: string) => csv(`configs/lookups/${name}.csv`)
const duplicates = (values: ReadonlyArray<string>) => values.filter((value, index) => values.indexOf(value) !== index)

describe("AWS lookups", () => {
  it("join to one row at most", () => {
    for (const [name, key] of [
      ["aws_services", "product_code"],
      ["aws_places", "place"],
      ["aws_units", "native_unit"],
      ["aws_resource_types", "resource_prefix"],
      ["aws_row_kinds", "row_kind"]
    ] as const) {
      expect(duplicates(column(lookup(name), key)), name).toEqual([])
    }
    const parts = lookup("aws_line_item_types").map((row) => `${row.get("line_item_type")}/${row.get("split_part")}`)
    expect(duplicates(parts)).toEqual([])
  })

  it("describe every kind that a line item type has", () => {
    const kinds = new Set(column(lookup("aws_row_kinds"), "row_kind"))
    const used = column(lookup("aws_line_item_types"), "row_kind").filter((kind) => kind !== "negation")
    expect(used.filter((kind) => !kinds.has(kind))).toEqual([])
  })

  it("give each region one name, and know it by its code", () => {
    const names = new Map<string, string>()
    for (const row of lookup("aws_places")) {
      const [region = "", name = ""] = [row.get("region_code"), row.get("region_name")]
      expect(names.get(region) ?? name).toBe(name)
      names.set(region, name)
    }
    const places = new Set(column(lookup("aws_places"), "place"))
    expect([...names.keys()].filter((region) => !places.has(region))).toEqual([])
  })

  it.skipIf(samplesMissing)("know every product code of the reference list", () => {
    const known = new Set(column(lookup("aws_services"), "product_code"))
    const wanted = column(csv("../shared/spec/lookups/aws_service_category.csv"), "product_code")
    expect(wanted).toHaveLength(213)
    expect(wanted.filter((code) => !known.has(code))).toEqual([])
  })
})

const letters = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "")

/** Native names that would go to the drift column. */
const unknownTo = (mapping: FileMapping, names: ReadonlyArray<string>) => {
  const mapped = new Set(mapping.columns.flatMap(({ from }) => from).map(letters))
  const gathered = mapping.collected
    .flatMap(({ maps, prefixes }) => [...maps, ...prefixes])
    .map((name) => name.toLowerCase())
  return names.filter(
    (name) => !mapped.has(letters(name)) && !gathered.some((prefix) => name.toLowerCase().startsWith(prefix))
  )
}
const header = (path: string) =>
  (readFileSync(new URL(`../../../shared/samples/${path}`, import.meta.url), "utf8").split(/\r?\n/)[0] ?? "")
    .replace(/^\uFEFF/, "")
    .split(",")
    .map((name) => name.replaceAll('"', ""))

describe.skipIf(samplesMissing)("AWS mappings leave to the drift column only", () => {
  it("the time interval and partition columns of reports, and tags that no bill has", () => {
    const reports = [
      "aws/cur1/real_2023-11_usage_tax.csv",
      "aws/cur1/generated_3_months_ec2.csv",
      "aws/cur1/underscore_names_marketplace.csv",
      "aws/cur1/savings_plan_covered_2023-06_final.csv",
      "aws/cur2/hard_cases.csv"
    ]
    const left = reports.flatMap((report) => unknownTo(curMapping, header(report)))
    expect(new Set(left.filter((name) => !name.startsWith("noTags/")).map(letters))).toEqual(
      new Set(["identitytimeinterval", "year", "month"])
    )
  })

  it("the time interval of CUR 2.0's full column list", () => {
    const columns = column(csv("../shared/samples/aws/cur2/columns.csv"), "column")
    expect(columns).toHaveLength(126)
    expect(unknownTo(curMapping, columns)).toEqual(["identity_time_interval"])
  })

  it("nothing of FOCUS exports but a stray row number", () => {
    const exports = [
      "focus/1.0/sample_real.csv",
      "focus/synthetic/aws_1_2_cost_and_usage.csv",
      "focus/synthetic/aws_1_3_cost_and_usage.csv"
    ]
    expect(exports.flatMap((path) => unknownTo(focusMapping, header(path)))).toEqual(["Id"])
  })
})
