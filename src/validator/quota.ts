/**
 * The quota's books: open slots and successful runs. One call settles many reservations and completions with a handful of statements.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Subscription } from "../organizations/Organizations.ts"
import { Day, type OrgSlug, type RunId } from "../platform/Identifiers.ts"
import { refusal, RETRY_AFTER_CONCURRENT_SECONDS, RETRY_AFTER_QUOTA_SECONDS } from "./answers.ts"
import type { Reservation, RunNotAllowed } from "./Validator.ts"

/** A run asks for a slot. */
export interface Reserve {
  readonly _tag: "Reserve"
  readonly runId: RunId
  readonly subscription: Subscription
}

/** A run gives its slot back. */
export interface Complete {
  readonly _tag: "Complete"
  readonly org: OrgSlug
  readonly runId: RunId
  readonly outcome: "SUCCESS" | "FAILED"
  readonly reservationDate: Day
}

/** Makes the tables. A slot is a row from reserve to complete, so that the slots in use are counted and cannot drift. */
export const createTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`create table if not exists quota_slots (
    run_id text primary key, org_slug text not null, reservation_date text not null)`
  yield* sql`create index if not exists quota_slots_org on quota_slots (org_slug)`
  yield* sql`create table if not exists org_usage_quotas (
    org_slug text not null, usage_date text not null, successful_runs integer not null,
    primary key (org_slug, usage_date))`
})

/**
 * Settles the tasks in their order, inside the caller's transaction; answers each with its reservation or its refusal. A run that holds a
 * slot gets the same one again; a completion without a slot was settled before and changes nothing.
 */
export const settle = Effect.fnUntraced(function* (tasks: ReadonlyArray<Reserve | Complete>) {
  const sql = yield* SqlClient.SqlClient
  const today = Day.make(DateTime.formatIsoDateUtc(yield* DateTime.now))
  const { slots, usage } = yield* read(sql, tasks, today)
  const opened = new Map<RunId, Slot>()
  const closed = new Set<RunId>()
  const succeeded = new Map<string, UsageRow>()

  const reserve = ({ runId, subscription }: Reserve): Exit.Exit<Reservation, RunNotAllowed> => {
    const { org } = subscription
    const held = slots.get(runId)
    if (held !== undefined) return Exit.succeed({ reservationDate: held.reservation_date })
    const used = usage.get(org) ?? { today: 0, month: 0, running: 0 }
    const refused = refusalOf(subscription, used)
    if (refused !== undefined) return Exit.fail(refused)
    const slot = { run_id: runId, org_slug: org, reservation_date: today }
    slots.set(runId, slot)
    opened.set(runId, slot)
    usage.set(org, { ...used, running: used.running + 1 })
    return Exit.succeed({ reservationDate: today })
  }

  const complete = ({ outcome, reservationDate, runId }: Complete): Exit.Exit<Reservation, RunNotAllowed> => {
    const slot = slots.get(runId)
    if (slot === undefined) return Exit.succeed({ reservationDate })
    const { org_slug, reservation_date } = slot
    slots.delete(runId)
    if (!opened.delete(runId)) closed.add(runId)
    const used = usage.get(org_slug)
    const counts = outcome === "SUCCESS" ? 1 : 0
    if (used !== undefined) {
      usage.set(org_slug, {
        running: used.running - 1,
        today: used.today + (reservation_date === today ? counts : 0),
        month: used.month + (sameMonth(reservation_date, today) ? counts : 0)
      })
    }
    if (counts > 0) {
      const key = `${org_slug}/${reservation_date}`
      const successful_runs = (succeeded.get(key)?.successful_runs ?? 0) + 1
      succeeded.set(key, { org_slug, usage_date: reservation_date, successful_runs })
    }
    return Exit.succeed({ reservationDate: reservation_date })
  }

  const exits = tasks.map((task) => (task._tag === "Reserve" ? reserve(task) : complete(task)))
  if (closed.size > 0) yield* sql`delete from quota_slots where ${sql.in("run_id", [...closed])}`
  if (opened.size > 0) yield* sql`insert into quota_slots ${sql.insert([...opened.values()])}`
  if (succeeded.size > 0) {
    yield* sql`insert into org_usage_quotas ${sql.insert([...succeeded.values()])}
      on conflict (org_slug, usage_date) do update set
        successful_runs = org_usage_quotas.successful_runs + excluded.successful_runs`
  }
  return exits
})

type Slot = {
  readonly run_id: RunId
  readonly org_slug: OrgSlug
  readonly reservation_date: Day
}

type UsageRow = {
  readonly org_slug: OrgSlug
  readonly usage_date: Day
  readonly successful_runs: number
}

/** Successful runs of the day and of the month, and runs that hold a slot. */
interface Usage {
  readonly today: number
  readonly month: number
  readonly running: number
}

type BookRow =
  | (Slot & { readonly book: "slot" })
  | { readonly book: "running"; readonly org_slug: OrgSlug; readonly runs: number }
  | { readonly book: "succeeded"; readonly org_slug: OrgSlug; readonly reservation_date: Day; readonly runs: number }

/** The slots of the tasks' runs and the usage of the organisations that ask: one statement, since each costs as much as all three. */
const read = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  tasks: ReadonlyArray<Reserve | Complete>,
  today: Day
) {
  const runIds = tasks.map((task) => task.runId)
  const orgs = [...new Set(tasks.flatMap((task) => (task._tag === "Reserve" ? [task.subscription.org] : [])))]
  const month = monthOf(today)
  const rows = yield* sql<BookRow>`
    select 'slot' as book, run_id, org_slug, reservation_date, 1 as runs
      from quota_slots where ${sql.in("run_id", runIds)}
    union all select 'running', '', org_slug, '', cast(count(*) as integer)
      from quota_slots where ${sql.in("org_slug", orgs)} group by org_slug
    union all select 'succeeded', '', org_slug, usage_date, successful_runs
      from org_usage_quotas
      where ${sql.in("org_slug", orgs)} and usage_date between ${`${month}-01`} and ${`${month}-31`}`
  const slots = new Map<RunId, Slot>()
  const usage = new Map<OrgSlug, Usage>(orgs.map((org) => [org, { today: 0, month: 0, running: 0 }]))
  for (const row of rows) {
    if (row.book === "slot") {
      slots.set(row.run_id, { run_id: row.run_id, org_slug: row.org_slug, reservation_date: row.reservation_date })
      continue
    }
    const used = usage.get(row.org_slug)
    if (used === undefined) continue
    usage.set(
      row.org_slug,
      row.book === "running"
        ? { ...used, running: row.runs }
        : {
            ...used,
            month: used.month + row.runs,
            today: used.today + (row.reservation_date === today ? row.runs : 0)
          }
    )
  }
  return { slots, usage }
})

const refusalOf = (subscription: Subscription, used: Usage): RunNotAllowed | undefined => {
  const { concurrentLimit, dailyLimit, monthlyLimit, org, plan } = subscription
  const allows = `the plan ${plan} of ${org} allows`
  const orRaise = `or raise the plan with admin org plan ${org}`
  if (used.today >= dailyLimit) {
    const message = `${allows} ${dailyLimit} successful runs a day (UTC) and as many are done: ask again tomorrow, ${orRaise}`
    return refusal("QUOTA_EXCEEDED", RETRY_AFTER_QUOTA_SECONDS, message)
  }
  if (used.month >= monthlyLimit) {
    const message = `${allows} ${monthlyLimit} successful runs a month and as many are done: ask again next month, ${orRaise}`
    return refusal("QUOTA_EXCEEDED", RETRY_AFTER_QUOTA_SECONDS, message)
  }
  if (used.running >= concurrentLimit) {
    const message = `${allows} ${concurrentLimit} runs at a time and as many are running: wait for one to end, ${orRaise}`
    return refusal("QUOTA_EXCEEDED", RETRY_AFTER_CONCURRENT_SECONDS, message)
  }
  return undefined
}

const monthOf = (day: Day): string => day.slice(0, "yyyy-mm".length)
const sameMonth = (left: Day, right: Day): boolean => monthOf(left) === monthOf(right)
