/**
 * A backfill of many organisations planned against BigQuery's quotas: what it would ask for all at once, and how long it takes when the
 * ledger that the warehouse keeps lets its slices in. No BigQuery is asked and nothing waits; the figures are of the plan.
 *
 * Writing a slice makes a staging table in the organisation's dataset, loads it by one job and commits it by one script; one script of a
 * dataset runs at a time.
 */
import { Ledger, newTable, quotas, stagingLoad } from "../../src/warehouse/bigquery/Quotas.ts"

/** What the peaks are compared with. Of scripts that change a table two run, twenty wait, more fail. */
export const limits: Peaks = {
  loadsPerDay: quotas.loads.limit,
  tablesPerSecond: quotas.newTables.limit,
  scriptsPerTable: 22
}

/** How long the two jobs of a slice are taken to run. */
const LOAD_MILLIS = 15_000
const COMMIT_MILLIS = 15_000

/** How much there is to write. */
export interface Backfill {
  readonly organisations: number
  readonly days: number
  readonly tables: number
}

/** One slice: where, when it was let in, and from when to when its script ran. Times are milliseconds from the start. */
export interface Admission {
  readonly organisation: number
  readonly table: number
  readonly at: number
  readonly commit: number
  readonly end: number
}

/** The most that was asked at a time. */
export interface Peaks {
  readonly loadsPerDay: number
  readonly tablesPerSecond: number
  readonly scriptsPerTable: number
}

/** The slices, organisations in turn: a day of each table after the other. */
const slices = ({ days, organisations, tables }: Backfill) =>
  Array.from({ length: organisations * days * tables }, (_, index) => ({
    organisation: index % organisations,
    table: Math.floor(index / organisations) % tables
  }))

/** Everything at once: what a backfill without a ledger asks for. */
export const unplanned = (backfill: Backfill): ReadonlyArray<Admission> =>
  slices(backfill).map((slice) => ({
    ...slice,
    at: 0,
    commit: LOAD_MILLIS,
    end: LOAD_MILLIS + COMMIT_MILLIS
  }))

/** The same, each slice when the ledger lets it in. */
export const planned = (backfill: Backfill): ReadonlyArray<Admission> => {
  const ledger = new Ledger()
  const writerFree = Array.from({ length: backfill.organisations }, () => 0)
  let now = 0
  return slices(backfill).map((slice) => {
    for (;;) {
      const denied = ledger.take([...newTable, ...stagingLoad], now)
      if (denied === undefined) break
      now = denied.atMillis
    }
    const commit = Math.max(now + LOAD_MILLIS, writerFree[slice.organisation] ?? 0)
    const end = commit + COMMIT_MILLIS
    writerFree[slice.organisation] = end
    return { ...slice, at: now, commit, end }
  })
}

/** The most that these slices ask for at a time, counted apart from how they were let in. */
export const peaks = (admissions: ReadonlyArray<Admission>): Peaks => ({
  loadsPerDay: mostStarts(admissions, quotas.loads.seconds * 1000),
  tablesPerSecond: mostStarts(admissions, quotas.newTables.seconds * 1000),
  scriptsPerTable: [...Map.groupBy(admissions, ({ organisation, table }) => `${organisation} ${table}`).values()]
    .map(mostScripts)
    .reduce((most, scripts) => Math.max(most, scripts), 0)
})

/** The largest number of slices let in within any so many milliseconds. */
const mostStarts = (admissions: ReadonlyArray<Admission>, millis: number): number => {
  const starts = admissions.map(({ at }) => at).sort((a, b) => a - b)
  let first = 0
  return starts.reduce((most, at, index) => {
    while ((starts[first] ?? at) <= at - millis) first++
    return Math.max(most, index - first + 1)
  }, 0)
}

/** The largest number of scripts at the same moment. */
const mostScripts = (admissions: ReadonlyArray<Admission>): number => {
  const changes = admissions
    .flatMap(({ commit, end }) => [
      { at: commit, by: 1 },
      { at: end, by: -1 }
    ])
    .sort((a, b) => a.at - b.at || a.by - b.by)
  let running = 0
  return changes.reduce((most, { by }) => Math.max(most, (running += by)), 0)
}
