/**
 * A backfill of many organisations planned against BigQuery's quotas: what it would ask for all at once, and how long it takes when slices
 * are let in one after the other as the quotas allow. No BigQuery is asked; the figures are of the plan.
 *
 * Writing a slice makes a staging table in the organisation's dataset, loads it by one job and commits it by one script; the script is the
 * only writer of its table meanwhile.
 */

/** BigQuery's published quotas, and how long the two jobs of a slice are taken to run. */
export const quotas = {
  loadsPerDay: 100_000,
  tablesPerSecond: 10,
  datasetUpdatesPerTenSeconds: 5,
  /** Two run, twenty wait, more fail. */
  scriptsPerTable: 22,
  loadSeconds: 15,
  commitSeconds: 15
}

const DAY_SECONDS = 86_400
const WINDOW_SECONDS = 10

/** How much there is to write. */
export interface Backfill {
  readonly organisations: number
  readonly days: number
  readonly tables: number
}

/** One slice let in: when, and where. */
export interface Admission {
  readonly second: number
  readonly organisation: number
  readonly table: number
}

/** The most that was asked at a time. */
export interface Peaks {
  readonly loadsPerDay: number
  readonly tablesPerSecond: number
  readonly datasetUpdatesPerTenSeconds: number
  readonly scriptsPerTable: number
}

/** Everything at once: what a backfill without a plan asks for. */
export const unplanned = ({ days, organisations, tables }: Backfill): ReadonlyArray<Admission> =>
  Array.from({ length: organisations * days * tables }, (_, index) => ({
    second: 0,
    organisation: index % organisations,
    table: Math.floor(index / organisations) % tables
  }))

/**
 * Lets slices in second by second, organisations in turn: never more new tables, updates of a dataset or loads of a day than the quotas
 * have, and one slice of a table at a time.
 */
export const planned = ({ days, organisations, tables }: Backfill): ReadonlyArray<Admission> => {
  const waiting = Array.from({ length: organisations }, () => Array.from({ length: tables }, () => days))
  const busyUntil = Array.from({ length: organisations }, () => Array.from({ length: tables }, () => 0))
  const recent = Array.from({ length: organisations }, (): Array<number> => [])
  const admissions: Array<Admission> = []
  const slices = organisations * days * tables
  let loadsBefore = 0
  let turn = 0
  for (let second = 0; admissions.length < slices; second++) {
    // Loads of the last 24 hours: those that are older no longer count.
    while ((admissions[loadsBefore]?.second ?? second) <= second - DAY_SECONDS) loadsBefore++
    let granted = 0
    for (let looked = 0; looked < organisations && granted < quotas.tablesPerSecond; looked++) {
      if (admissions.length - loadsBefore >= quotas.loadsPerDay || admissions.length === slices) break
      const organisation = turn
      turn = (turn + 1) % organisations
      const updates = recent[organisation] ?? []
      while ((updates[0] ?? second) <= second - WINDOW_SECONDS) updates.shift()
      if (updates.length >= quotas.datasetUpdatesPerTenSeconds) continue
      const table = (waiting[organisation] ?? []).findIndex(
        (left, index) => left > 0 && (busyUntil[organisation]?.[index] ?? 0) <= second
      )
      const left = waiting[organisation]?.[table]
      const busy = busyUntil[organisation]
      if (left === undefined || busy === undefined) continue
      waiting[organisation]?.splice(table, 1, left - 1)
      busy[table] = second + quotas.loadSeconds + quotas.commitSeconds
      updates.push(second)
      admissions.push({ second, organisation, table })
      granted++
    }
  }
  return admissions
}

/** The most that these admissions ask for at a time, counted apart from how they were made. */
export const peaks = (admissions: ReadonlyArray<Admission>): Peaks => ({
  loadsPerDay: most(admissions, DAY_SECONDS, () => ""),
  tablesPerSecond: most(admissions, 1, () => ""),
  datasetUpdatesPerTenSeconds: most(admissions, WINDOW_SECONDS, ({ organisation }) => String(organisation)),
  scriptsPerTable: most(
    admissions,
    quotas.loadSeconds + quotas.commitSeconds,
    ({ organisation, table }) => `${organisation} ${table}`
  )
})

/** The largest number of admissions of one key within any so many seconds; admissions are ascending in time. */
const most = (admissions: ReadonlyArray<Admission>, seconds: number, keyOf: (admission: Admission) => string): number =>
  [...Map.groupBy(admissions, keyOf).values()].reduce((largest, group) => {
    let first = 0
    return group.reduce((found, { second }, index) => {
      while ((group[first]?.second ?? second) <= second - seconds) first++
      return Math.max(found, index - first + 1)
    }, largest)
  }, 0)
