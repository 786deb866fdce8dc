/**
 * The quota as a fold of the runs: a run holds a slot of its organisation from its admission to its end, a completed one counts for the
 * day it was admitted. No slot can leak, because the end of a run and the release of its slot are one event.
 *
 * An admission that names an allowance is recorded only while the allowance lasts.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type { JudgedAppend, Projection, Rule } from "../eventlog/Projection.ts"
import type { JsonObject } from "../platform/Json.ts"
import { isObject, textOrNull } from "../platform/Json.ts"
import { RETRY_AFTER_CONCURRENT_SECONDS, RETRY_AFTER_QUOTA_SECONDS, RunNotAllowed } from "../validator/Validator.ts"
import { isTerminal, runIdOf } from "./RunEvent.ts"

/** The quota's tables; follows the projection of the runs, whose table says whose a run is. */
export const quotaProjection: Projection = {
  name: "quota",
  shape: 1,
  tables: ["quota_slots", "org_usage_quotas"],
  migrate: Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`create table if not exists quota_slots (
      run_id text primary key, org_slug text not null, reservation_date text not null)`
    yield* sql`create index if not exists quota_slots_org on quota_slots (org_slug)`
    yield* sql`create table if not exists org_usage_quotas (
      org_slug text not null, usage_date text not null, successful_runs integer not null,
      primary key (org_slug, usage_date))`
  }),
  apply: Effect.fnUntraced(function* (events) {
    const admitted: Array<readonly [runId: string, date: string | null]> = []
    const ended = new Map<string, boolean>()
    for (const { data, stream, type } of events) {
      if (type === "RunAdmitted") admitted.push([runIdOf(stream), textOrNull(data["reservationDate"])])
      if (isTerminal(type)) ended.set(runIdOf(stream), type === "RunCompleted")
    }
    const sql = yield* SqlClient.SqlClient
    if (admitted.length > 0) {
      yield* sql`insert into quota_slots
        select runs.run_id, runs.org_slug, admitted.value ->> 1
        from json_each(${JSON.stringify(admitted)}) as admitted join runs on runs.run_id = admitted.value ->> 0`
    }
    if (ended.size === 0) return
    const released = yield* sql<SlotRow>`
      delete from quota_slots where run_id in (select value from json_each(${JSON.stringify([...ended.keys()])}))
      returning run_id, org_slug, reservation_date`
    const successes = released.filter((slot) => ended.get(slot.run_id) === true)
    if (successes.length === 0) return
    yield* sql`insert into org_usage_quotas
      select value ->> 0, value ->> 1, count(*)
      from json_each(${JSON.stringify(successes.map((slot) => [slot.org_slug, slot.reservation_date]))})
      where true group by 1, 2
      on conflict (org_slug, usage_date) do update set
        successful_runs = org_usage_quotas.successful_runs + excluded.successful_runs`
  })
}

interface SlotRow {
  readonly run_id: string
  readonly org_slug: string
  readonly reservation_date: string
}

/** An admission that is judged: whose, for which day, under which limits. */
interface Admission {
  readonly org: string
  readonly date: string
  readonly allowance: JsonObject
}

/** Runs of one organisation that hold a slot, and its successful runs by day. */
interface Usage {
  running: number
  readonly successes: Map<string, number>
}

/** Forbids admissions beyond their allowance. Judged one by one: a batch answers as if each append had come alone. */
export const quotaRule: Rule = {
  open: Effect.fnUntraced(function* (appends) {
    const usages = new Map<string, Usage>()
    const slots = new Map<string, SlotRow>()
    const admissions = appends.flatMap((append) => admissionOf(append) ?? [])
    if (admissions.length > 0) {
      for (const { org } of admissions) usages.set(org, { running: 0, successes: new Map() })
      const months = admissions.map(({ date }) => monthOf(date)).sort()
      const ending = appends.filter(({ events }) => events.some(({ type }) => isTerminal(type)))
      const rows = yield* readBooks(
        [...usages.keys()],
        months[0] ?? "",
        ending.map(({ stream }) => runIdOf(stream))
      )
      for (const row of rows) {
        const usage = usages.get(row.org_slug)
        if (row.book === "slot") slots.set(row.run_id, row)
        if (row.book === "running" && usage !== undefined) usage.running = row.runs
        if (row.book === "succeeded") usage?.successes.set(row.reservation_date, row.runs)
      }
    }
    return {
      objection: (append) => {
        const admission = admissionOf(append)
        return admission === undefined ? undefined : refusalOf(admission, usages.get(admission.org))
      },
      recorded: (append) => {
        const run_id = runIdOf(append.stream)
        const admission = admissionOf(append)
        if (admission !== undefined) {
          const { org, date } = admission
          slots.set(run_id, { run_id, org_slug: org, reservation_date: date })
          const usage = usages.get(org)
          if (usage !== undefined) usage.running += 1
        }
        const end = append.events.find(({ type }) => isTerminal(type))
        const slot = slots.get(run_id)
        const usage = usages.get(slot?.org_slug ?? "")
        if (end === undefined || slot === undefined || usage === undefined) return
        slots.delete(run_id)
        usage.running -= 1
        if (end.type !== "RunCompleted") return
        usage.successes.set(slot.reservation_date, (usage.successes.get(slot.reservation_date) ?? 0) + 1)
      }
    }
  })
}

/** What an organisation has used of its plan as of a day (UTC): successful runs of the day and its month, and runs that hold a slot. */
export const usageOf = Effect.fnUntraced(function* (org: string, day: string) {
  const rows = yield* readBooks([org], `${monthOf(day)}-01`, [])
  const succeeded = rows.filter(
    ({ book, reservation_date: date }) => book === "succeeded" && monthOf(date) === monthOf(day)
  )
  return {
    today: succeeded.find(({ reservation_date: date }) => date === day)?.runs ?? 0,
    month: succeeded.reduce((sum, { runs }) => sum + runs, 0),
    running: rows.find(({ book }) => book === "running")?.runs ?? 0
  }
})

const admissionOf = ({ events }: JudgedAppend): Admission | undefined => {
  const data = events.find(({ type }) => type === "RunAdmitted")?.data
  const allowance = data?.["allowance"]
  if (data === undefined || !isObject(allowance)) return undefined
  return {
    org: textOrNull(allowance["org"]) ?? "",
    date: textOrNull(data["reservationDate"]) ?? "",
    allowance
  }
}

type BookRow = SlotRow & { readonly book: "slot" | "running" | "succeeded"; readonly runs: number }

/** The slots of the runs and the usage of the organisations since a month: one statement, since each costs as much as all three. */
const readBooks = Effect.fnUntraced(function* (
  orgs: ReadonlyArray<string>,
  firstMonth: string,
  runIds: ReadonlyArray<string>
) {
  const sql = yield* SqlClient.SqlClient
  const ofOrgs = sql`org_slug in (select value from json_each(${JSON.stringify(orgs)}))`
  return yield* sql<BookRow>`
    select 'slot' as book, run_id, org_slug, reservation_date, 1 as runs from quota_slots
      where run_id in (select value from json_each(${JSON.stringify(runIds)}))
    union all select 'running', '', org_slug, '', cast(count(*) as integer) from quota_slots
      where ${ofOrgs} group by org_slug
    union all select 'succeeded', '', org_slug, usage_date, successful_runs from org_usage_quotas
      where ${ofOrgs} and usage_date >= ${firstMonth}`
})

const refusalOf = ({ allowance, date, org }: Admission, usage: Usage | undefined): RunNotAllowed | undefined => {
  const { concurrentLimit, dailyLimit, monthlyLimit, plan } = allowance
  const successes = [...(usage?.successes ?? [])]
  const month = successes.reduce((sum, [day, runs]) => sum + (monthOf(day) === monthOf(date) ? runs : 0), 0)
  const allows = `the plan ${plan} of ${org} allows`
  const orRaise = `or raise the plan with admin org plan ${org}`
  if ((usage?.successes.get(date) ?? 0) >= Number(dailyLimit)) {
    const message = `${allows} ${dailyLimit} successful runs a day (UTC) and as many are done: ask again tomorrow, ${orRaise}`
    return exceeded(RETRY_AFTER_QUOTA_SECONDS, message)
  }
  if (month >= Number(monthlyLimit)) {
    const message = `${allows} ${monthlyLimit} successful runs a month and as many are done: ask again next month, ${orRaise}`
    return exceeded(RETRY_AFTER_QUOTA_SECONDS, message)
  }
  if ((usage?.running ?? 0) >= Number(concurrentLimit)) {
    const message = `${allows} ${concurrentLimit} runs at a time and as many are running: wait for one to end, ${orRaise}`
    return exceeded(RETRY_AFTER_CONCURRENT_SECONDS, message)
  }
  return undefined
}

const exceeded = (retryAfterSeconds: number, message: string) =>
  new RunNotAllowed({ code: "QUOTA_EXCEEDED", status: 429, message, retryAfterSeconds })

const monthOf = (day: string): string => day.slice(0, "yyyy-mm".length)
