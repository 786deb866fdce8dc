/**
 * The services of each cloud: every native name once, each service in one category of FOCUS, and enough of them for real bills.
 */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { parse } from "csv-parse/sync"

const read = (name: string): ReadonlyArray<Readonly<Record<string, string>>> =>
  parse(readFileSync(new URL(`../../configs/lookups/${name}.csv`, import.meta.url)), { columns: true })

const values = (rows: ReadonlyArray<Readonly<Record<string, string>>>, column: string) =>
  rows.map((row) => row[column] ?? "")

const LEAST_SERVICES = 150

/** How a native name is written in the lookup, which is how the procedure looks it up. */
const clouds = [
  { cloud: "aws", key: "product_code", written: (name: string) => name },
  { cloud: "azure", key: "native_name", written: (name: string) => name.toLowerCase() },
  { cloud: "gcp", key: "service_key", written: (name: string) => name },
  { cloud: "oci", key: "native_name", written: (name: string) => name.toUpperCase() }
]

describe("services", () => {
  const allowed = new Set(
    read("focus_service_categories").map((row) => `${row["service_category"]}/${row["service_subcategory"]}`)
  )

  it.each(clouds)("of $cloud have one native name each and one category of FOCUS", ({ cloud, key, written }) => {
    expect(allowed.size).toBe(82)
    const services = read(`${cloud}_services`)
    const names = values(services, key)
    expect(new Set(names).size).toBe(names.length)
    expect(names.filter((name) => name === "" || name !== written(name))).toEqual([])
    const categories = services.map((row) => `${row["service_category"]}/${row["service_subcategory"]}`)
    expect(categories.filter((category) => !allowed.has(category))).toEqual([])
    const serviceNames = new Set(values(services, "service_name"))
    const perService = new Set(services.map((row, index) => `${row["service_name"]}: ${categories[index]}`))
    expect(perService.size).toBe(serviceNames.size)
    expect(serviceNames.size).toBeGreaterThanOrEqual(LEAST_SERVICES)
  })
})
