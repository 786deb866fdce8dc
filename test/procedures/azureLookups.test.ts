/**
 * Azure's lookups hold together: one service has one category, every category is FOCUS's, every region one name.
 */
import { describe, expect, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { parse } from "csv-parse/sync"

const read = (name: string): ReadonlyArray<Readonly<Record<string, string>>> =>
  parse(readFileSync(new URL(`../../configs/lookups/${name}.csv`, import.meta.url)), { columns: true })

const values = (rows: ReadonlyArray<Readonly<Record<string, string>>>, column: string) => rows.map((row) => row[column])

describe("Azure lookups", () => {
  it("name each native service once, in lower case, with a category of FOCUS", () => {
    const allowed = new Set(
      read("focus_service_categories").map((row) => `${row["service_category"]}/${row["service_subcategory"]}`)
    )
    const services = read("azure_services")
    const names = values(services, "native_name")
    expect(new Set(names).size).toBe(names.length)
    expect(names.filter((name) => name !== name?.toLowerCase())).toEqual([])
    const categories = services.map((row) => `${row["service_category"]}/${row["service_subcategory"]}`)
    expect(categories.filter((category) => !allowed.has(category))).toEqual([])
    const perService = new Set(services.map((row, index) => `${row["service_name"]}: ${categories[index]}`))
    const serviceNames = new Set(values(services, "service_name"))
    expect(perService.size).toBe(serviceNames.size)
    expect(serviceNames.size).toBeGreaterThanOrEqual(150)
  })

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
