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
import * as Sqlite from "../platform/Sqlite.ts"
import {
  RETRY_AFTER_CONCURRENT_SECONDS,
  RETRY_AFTER_QUOTA_SECONDS,
  type RunNotAllowed
} from "../validator/Validator.ts"
import { isTerminal, runIdOf } from "./RunEvent.ts"

/** The quota's tables; follows the projection of the runs, whose table says whose a run is. */
export const quotaProjection: Projection = {
  name: "quota",
  shape: 2,
  tables: ["quota_slots", "org_usage_quotas"],
  migrate: Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`create table if not exists quota_slots (
      org_slug text not null, run_id text not null, reservation_date text not null,
      primary key (org_slug, run_id)) without rowid`
    yield* sql`create table if not exists org_usage_quotas (
      org_slug text not null, usage_date text not null, successful_runs integer not null,
      primary key (org_slug, usage_date)) without rowid`
  }),
  apply: (session, events) => {
    const admitted: Array<readonly [date: string | null, runId: string]> = []
    const ended = new Map<string, boolean>()
    for (const { data, stream, type } of events) {
      if (type === "RunAdmitted") admitted.push([textOrNull(data["reservationDate"]), runIdOf(stream)])
      if (isTerminal(type)) ended.set(runIdOf(stream), type === "RunCompleted")
    }
    takeSlot(session, admitted)
    const released = releaseSlot(
      session,
      Array.from(ended.keys(), (runId) => [runId, runId])
    )
    const successes = released.filter((slot) => ended.get(slot.run_id) === true)
    countSuccess(
      session,
      successes.map((slot) => [slot.org_slug, slot.reservation_date])
    )
  }
}

interface SlotRow {
  readonly run_id: string
  readonly org_slug: string
  readonly reservation_date: string
}

const takeSlot = Sqlite.statement("insert into quota_slots select org_slug, run_id, ? from runs where run_id = ?")
const releaseSlot = Sqlite.statement<SlotRow>(
  "delete from quota_slots where org_slug = (select org_slug from runs where run_id = ?) and run_id = ? returning *"
)
const countSuccess = Sqlite.statement(`
  insert into org_usage_quotas values (?, ?, 1)
  on conflict (org_slug, usage_date) do update set successful_runs = org_usage_quotas.successful_runs + 1`)

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
  open: (session, appends) => {
    const admissions = appends.flatMap((append) => admissionOf(append) ?? [])
    const usages = admissions.length === 0 ? new Map<string, Usage>() : readUsages(session, admissions)
    const ending =
      admissions.length === 0 ? [] : appends.filter(({ events }) => events.some(({ type }) => isTerminal(type)))
    const held = selectSlot(
      session,
      ending.map(({ stream }) => [runIdOf(stream), runIdOf(stream)])
    )
    const slots = new Map(held.map((slot) => [slot.run_id, slot]))
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
  }
}

/** What an organisation has used of its plan as of a day (UTC): successful runs of the day and its month, and runs that hold a slot. */
export const usageOf = Effect.fnUntraced(function* (org: string, day: string) {
  const sql = yield* SqlClient.SqlClient
  const read = Sqlite.use((session) => readUsages(session, [{ org, date: day }]))
  const usage = (yield* sql.withTransaction(read)).get(org)
  if (usage === undefined) return { today: 0, month: 0, running: 0 }
  const { running, successes } = usage
  return { today: successes.get(day) ?? 0, month: sumOfMonth(successes, day), running }
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

/** The usage of organisations, their successes since the first month that is asked for. */
const readUsages = (session: Sqlite.Session, asked: ReadonlyArray<Pick<Admission, "org" | "date">>) => {
  const orgs = [...new Set(asked.map(({ org }) => org))]
  const since = asked.map(({ date }) => monthOf(date)).sort()[0] ?? ""
  const usages = new Map(orgs.map((org): [string, Usage] => [org, { running: 0, successes: new Map() }]))
  const slots = countSlots(
    session,
    orgs.map((org) => [org, org])
  )
  for (const { org_slug, running } of slots) {
    const usage = usages.get(org_slug)
    if (usage !== undefined) usage.running = running
  }
  const successes = selectSuccesses(
    session,
    orgs.map((org) => [org, since])
  )
  for (const { org_slug, usage_date, successful_runs } of successes) {
    usages.get(org_slug)?.successes.set(usage_date, successful_runs)
  }
  return usages
}

const countSlots = Sqlite.statement<{ readonly org_slug: string; readonly running: number }>(
  "select ? as org_slug, count(*) as running from quota_slots where org_slug = ?"
)
const selectSuccesses = Sqlite.statement<{
  readonly org_slug: string
  readonly usage_date: string
  readonly successful_runs: number
}>("select org_slug, usage_date, successful_runs from org_usage_quotas where org_slug = ? and usage_date >= ?")
const selectSlot = Sqlite.statement<SlotRow>(
  "select * from quota_slots where org_slug = (select org_slug from runs where run_id = ?) and run_id = ?"
)

/** The objection to an admission: a `RunNotAllowed` as JSON. */
type Refusal = typeof RunNotAllowed.Encoded

const refusalOf = ({ allowance, date, org }: Admission, usage: Usage | undefined) => {
  const { concurrentLimit, dailyLimit, monthlyLimit, plan } = allowance
  const month = usage === undefined ? 0 : sumOfMonth(usage.successes, date)
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
  ({ _tag: "RunNotAllowed", code: "QUOTA_EXCEEDED", status: 429, message, retryAfterSeconds }) satisfies Refusal

/** The successful runs of a day's month. */
const sumOfMonth = (successes: ReadonlyMap<string, number>, date: string): number =>
  [...successes].reduce((sum, [day, runs]) => sum + (monthOf(day) === monthOf(date) ? runs : 0), 0)

const monthOf = (day: string): string => day.slice(0, "yyyy-mm".length)
