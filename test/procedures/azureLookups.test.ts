/**
 * Azure's lookups hold together: every region, resource type and unit has one name.
 */
import { describe, expect, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { parse } from "csv-parse/sync"

const read = (name: string): ReadonlyArray<Readonly<Record<string, string>>> =>
  parse(readFileSync(new URL(`../../configs/lookups/${name}.csv`, import.meta.url)), { columns: true })

const values = (rows: ReadonlyArray<Readonly<Record<string, string>>>, column: string) => rows.map((row) => row[column])

describe("Azure lookups", () => {
  it("know each region, resource type and unit once", () => {
    for (const [name, key] of [
      ["azure_regions", "location"],
      ["azure_resource_types", "resource_type"],
      ["azure_units", "native_unit"]
    ] as const) {
      const keys = values(read(name), key)
      expect(new Set(keys).size, name).toBe(keys.length)
      expect(keys.filter((each) => each !== each?.toLowerCase() || each === "")).toEqual([])
    }
    const regions = read("azure_regions")
    expect(new Set(values(regions, "region_id")).size).toBe(new Set(values(regions, "region_name")).size)
  })
})
