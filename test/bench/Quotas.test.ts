import { expect, it } from "@effect/vitest"
import { type Backfill, limits, peaks, planned, unplanned } from "./Quotas.ts"

const backfill: Backfill = { organisations: 1000, days: 30, tables: 4 }

it("keeps a backfill of 1,000 organisations and 30 days inside of every quota, which all at once it is not", () => {
  // 1,000 x 30 x 4 slices, each with one new table and one load; 30 scripts of one table.
  expect(peaks(unplanned(backfill))).toEqual({ loadsPerDay: 120_000, tablesPerSecond: 120_000, scriptsPerTable: 30 })
  const admissions = planned(backfill)
  expect(admissions.length).toBe(120_000)
  const found = peaks(admissions)
  expect(found.loadsPerDay).toBe(limits.loadsPerDay)
  expect(found.tablesPerSecond).toBe(limits.tablesPerSecond)
  expect(found.scriptsPerTable).toBe(1)
  // 100,000 loads at 10 a second take 2.8 hours; the other 20,000 wait until the first are a day old.
  const last = admissions.at(-1)?.at ?? 0
  expect(last).toBeGreaterThanOrEqual(86_400_000)
  expect(last).toBeLessThan(86_400_000 + 2_300_000)
})

it("lets one organisation load as it likes, and commit one slice after the other", () => {
  const admissions = planned({ organisations: 1, days: 2, tables: 2 })
  expect(admissions.map(({ at, commit, table }) => [at, commit, table])).toEqual([
    [0, 15_000, 0],
    [0, 30_000, 1],
    [0, 45_000, 0],
    [0, 60_000, 1]
  ])
})
