import { expect, it } from "@effect/vitest"
import { type Backfill, peaks, planned, quotas, unplanned } from "./Quotas.ts"

const backfill: Backfill = { organisations: 1000, days: 30, tables: 4 }

it("keeps a backfill of 1,000 organisations and 30 days inside of every quota, which all at once it is not", () => {
  // 1,000 x 30 x 4 slices, each with one load; 30 scripts of one table; 120 new tables of one dataset.
  expect(peaks(unplanned(backfill))).toEqual({
    loadsPerDay: 120_000,
    tablesPerSecond: 120_000,
    datasetUpdatesPerTenSeconds: 120,
    scriptsPerTable: 30
  })
  const admissions = planned(backfill)
  expect(admissions.length).toBe(120_000)
  const found = peaks(admissions)
  expect(found.loadsPerDay).toBeLessThanOrEqual(quotas.loadsPerDay)
  expect(found.tablesPerSecond).toBeLessThanOrEqual(quotas.tablesPerSecond)
  expect(found.datasetUpdatesPerTenSeconds).toBeLessThanOrEqual(quotas.datasetUpdatesPerTenSeconds)
  expect(found.scriptsPerTable).toBe(1)
  // 100,000 loads at 10 a second take 2.8 hours; the other 20,000 wait until the first are a day old.
  const last = admissions.at(-1)?.second ?? 0
  expect(last).toBeGreaterThanOrEqual(86_400)
  expect(last).toBeLessThan(86_400 + 2_100)
})

it("does not let one large organisation wait for its own tables alone", () => {
  const admissions = planned({ organisations: 1, days: 3, tables: 2 })
  expect(admissions.map(({ second, table }) => [second, table])).toEqual([
    [0, 0],
    [1, 1],
    [30, 0],
    [31, 1],
    [60, 0],
    [61, 1]
  ])
})
