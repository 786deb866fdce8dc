import { expect, it } from "@effect/vitest"
import { readFileSync } from "node:fs"

const read = (name: string) => {
  const text = readFileSync(new URL(`../../configs/lookups/${name}.csv`, import.meta.url), "utf8")
  const [header = "", ...lines] = text.trimEnd().split("\n")
  const columns = header.split(",")
  return lines.map((line) => {
    const cells = line.split(",")
    expect(cells, `${name}: ${line}`).toHaveLength(columns.length)
    return Object.fromEntries(columns.map((column, index) => [column, cells[index] ?? ""]))
  })
}

const categories = new Set(
  readFileSync(new URL("../../configs/lookups/focus_service_categories.csv", import.meta.url), "utf8")
    .split("\n")
    .map((line) => line.replaceAll('"', ""))
)

it("vendors and kinds of software have one row each, and categories of FOCUS", () => {
  for (const [name, key] of [
    ["saas_vendors", "provider"],
    ["saas_categories", "category"]
  ] as const) {
    const rows = read(name)
    expect(new Set(rows.map((row) => row[key])).size, name).toBe(rows.length)
    for (const row of rows) {
      expect(row[key], name).toBe(row[key]?.toLowerCase())
      expect(categories, `${name}: ${row[key]}`).toContain(`${row["service_category"]},${row["service_subcategory"]}`)
    }
  }
})

it("a service has one vendor, one category and one subcategory", () => {
  const services = Map.groupBy(read("saas_vendors"), (row) => row["service_name"])
  for (const [service, rows] of services) {
    const kinds = new Set(
      rows.map((row) => [row["service_provider_name"], row["service_category"], row["service_subcategory"]].join())
    )
    expect(kinds.size, service).toBe(1)
  }
})

it("every word for a billing cycle is written once, and all words of a cycle say the same", () => {
  const rows = read("subscription_billing_cycles")
  expect(new Set(rows.map((row) => row["billing_cycle"])).size).toBe(rows.length)
  const cycles = Map.groupBy(rows, (row) => row["cycle"])
  expect([...cycles.keys()]).toEqual(["weekly", "monthly", "quarterly", "semi-annual", "annual"])
  for (const [cycle, words] of cycles) {
    expect(
      words.map((row) => row["billing_cycle"]),
      cycle
    ).toContain(cycle)
    const said = words.map((row) => [row["cycle_months"], row["seat_unit"], row["subscription_unit"]].join())
    expect(new Set(said).size, cycle).toBe(1)
  }
})
