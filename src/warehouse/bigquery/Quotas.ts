/**
 * BigQuery's quotas on writes, and a ledger of what this process has used of them: what would exceed one waits, or fails with the time at
 * which it may be tried again, before BigQuery is asked.
 *
 * Slices are loaded into staging tables, each new, and committed by DML. So an organisation's table never uses its 1,500 loads and query
 * results a day, nor its 30,000 changed partitions, which count neither DML nor other tables; what counts are the new tables and the loads
 * of the project. Of DML one script of a dataset runs at a time, where BigQuery runs 2 and lets 20 wait. Each process counts for itself:
 * where several together exceed a quota, BigQuery refuses, and the same error follows.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { WarehouseQuotaExceeded } from "../Warehouse.ts"

const DAY_SECONDS = 86_400

interface Quota {
  /** In words, for errors. */
  readonly what: string
  readonly limit: number
  /** Any so many seconds; also where BigQuery counts days of the calendar. */
  readonly seconds: number
}

/** The published quotas that writes of this service can reach. */
export const quotas = {
  loads: { what: "load jobs of a project", limit: 100_000, seconds: DAY_SECONDS },
  newTables: { what: "new tables of a project", limit: 10, seconds: 1 },
  tableWrites: { what: "load jobs and query results of a table", limit: 1_500, seconds: DAY_SECONDS },
  tableChanges: { what: "changes of a table's metadata, of which a load is one", limit: 5, seconds: 10 }
} satisfies Readonly<Record<string, Quota>>

/** One unit of a quota: of the project, or of one table. */
export interface Use {
  readonly quota: keyof typeof quotas
  /** The table; empty for the project. */
  readonly of: string
}

/** A table is made. */
export const newTable: ReadonlyArray<Use> = [{ quota: "newTables", of: "" }]
/** A staging table, which is new, is loaded. */
export const stagingLoad: ReadonlyArray<Use> = [{ quota: "loads", of: "" }]
/** A table's schema or description is changed. */
export const changeOf = (table: string): ReadonlyArray<Use> => [{ quota: "tableChanges", of: table }]
/** A table that stays is loaded. */
export const loadOf = (table: string): ReadonlyArray<Use> => [
  ...stagingLoad,
  ...changeOf(table),
  { quota: "tableWrites", of: table }
]

/** When uses may be asked for again, and the quota that is used up until then. */
export interface Denied {
  readonly atMillis: number
  readonly quota: keyof typeof quotas
}

/** Uses are counted in steps of this part of their quota's time, so that a day is a thousand numbers. */
const STEPS = 1_000

interface Counted {
  total: number
  readonly steps: Array<{ readonly at: number; amount: number }>
}

/** What was used, by quota and table. Time is given, so that a plan can be tried without waiting. */
export class Ledger {
  readonly #used = new Map<string, Counted>()

  /** Notes all uses, or none: then it says when to ask again. */
  take(uses: ReadonlyArray<Use>, nowMillis: number): Denied | undefined {
    let denied: Denied | undefined
    for (const { of, quota } of uses) {
      const { limit, seconds } = quotas[quota]
      const { steps, total } = this.#counted(quota, of, nowMillis)
      const oldest = steps[0]
      if (total < limit || oldest === undefined) continue
      const atMillis = oldest.at + seconds * 1000
      if (denied === undefined || atMillis > denied.atMillis) denied = { atMillis, quota }
    }
    if (denied !== undefined) return denied
    for (const { of, quota } of uses) {
      const counted = this.#counted(quota, of, nowMillis)
      const stepMillis = (quotas[quota].seconds * 1000) / STEPS
      // Counted at the end of its step: never forgotten too early.
      const at = Math.floor(nowMillis / stepMillis) * stepMillis + stepMillis
      const last = counted.steps.at(-1)
      if (last?.at === at) last.amount++
      else counted.steps.push({ at, amount: 1 })
      counted.total++
    }
    return undefined
  }

  /** The uses that still count. */
  #counted(quota: keyof typeof quotas, of: string, nowMillis: number): Counted {
    const key = `${quota} ${of}`
    const counted = this.#used.get(key) ?? { total: 0, steps: [] }
    this.#used.set(key, counted)
    const since = nowMillis - quotas[quota].seconds * 1000
    while ((counted.steps[0]?.at ?? nowMillis) <= since) counted.total -= counted.steps.shift()?.amount ?? 0
    return counted
  }
}

/** Longer than this nobody waits: the caller is told when to come again. */
const LONGEST_WAIT_MILLIS = 60_000

/** Waits until the uses may be had, and notes them. */
export const admit = Effect.fnUntraced(function* (ledger: Ledger, what: string, uses: ReadonlyArray<Use>) {
  let asleepUntil = 0
  for (;;) {
    const now = Math.max(yield* Clock.currentTimeMillis, asleepUntil)
    const denied = ledger.take(uses, now)
    if (denied === undefined) return
    const waitMillis = denied.atMillis - now
    if (waitMillis > LONGEST_WAIT_MILLIS) {
      const { limit, seconds, what: used } = quotas[denied.quota]
      return yield* new WarehouseQuotaExceeded({
        message: `${what}: BigQuery allows ${limit} ${used} in ${seconds} s, which are used up until ${new Date(denied.atMillis).toISOString()}`,
        retryAfterSeconds: Math.ceil(waitMillis / 1000)
      })
    }
    yield* Effect.sleep(Duration.millis(waitMillis))
    asleepUntil = denied.atMillis
  }
})
