import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { randomUUID } from "node:crypto"
import type { Subscription } from "../../src/organizations/Organizations.ts"
import { Day, OrgSlug, RunId } from "../../src/platform/Identifiers.ts"
import * as Quota from "../../src/validator/quota.ts"
import { installation } from "../support/ServiceDatabase.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const HISTORIES = 60
const limits = { dailyLimit: 3, monthlyLimit: 4, concurrentLimit: 2 }
const orgs = [OrgSlug.make("acme"), OrgSlug.make("globex")] as const
const runs = Array.from({ length: 5 }, () => Schema.decodeSync(RunId)(randomUUID()))
const days = ["2026-03-30", "2026-03-31", "2026-04-01"].map((day) => Day.make(day))

/** A run belongs to one organisation for ever. */
const orgOf = (run: number) => (run < 4 ? orgs[0] : orgs[1])
const subscription = (org: OrgSlug): Subscription => ({ org, plan: "SCALE", status: "ACTIVE", ...limits })

type Ask = { readonly run: number; readonly what: "reserve" | "SUCCESS" | "FAILED" }

/** What the contract says, one ask at a time. */
class Model {
  readonly slots = new Map<number, Day>()
  readonly succeeded: Array<{ readonly org: OrgSlug; readonly day: Day }> = []

  answer({ run, what }: Ask, today: Day): string {
    const org = orgOf(run)
    const held = this.slots.get(run)
    if (what !== "reserve") {
      this.slots.delete(run)
      if (held !== undefined && what === "SUCCESS") this.succeeded.push({ org, day: held })
      return held ?? today
    }
    if (held !== undefined) return held
    const successes = (prefix: string) =>
      this.succeeded.filter((each) => each.org === org && each.day.startsWith(prefix)).length
    if (successes(today) >= limits.dailyLimit) return "a day"
    if (successes(today.slice(0, 7)) >= limits.monthlyLimit) return "a month"
    if ([...this.slots.keys()].filter((other) => orgOf(other) === org).length >= limits.concurrentLimit)
      return "at a time"
    this.slots.set(run, today)
    return today
  }
}

const task = ({ run, what }: Ask, today: Day): Quota.Reserve | Quota.Complete => {
  const runId = runs[run]
  if (runId === undefined) throw new Error("no such run")
  return what === "reserve"
    ? { _tag: "Reserve", runId, subscription: subscription(orgOf(run)) }
    : { _tag: "Complete", runId, org: orgOf(run), outcome: what, reservationDate: today }
}

const said = (exit: Exit.Exit<{ readonly reservationDate: Day }, { readonly message: string }>): string =>
  Exit.match(exit, {
    onSuccess: ({ reservationDate }) => reservationDate,
    onFailure: (cause) => /a day|a month|at a time/.exec(String(cause))?.[0] ?? String(cause)
  })

const ask = fc.record({
  run: fc.nat({ max: runs.length - 1 }),
  what: fc.constantFrom("reserve" as const, "reserve" as const, "SUCCESS" as const, "FAILED" as const)
})
/** The batches of each day. */
const history = fc.array(fc.array(fc.array(ask, { minLength: 1, maxLength: 8 }), { maxLength: 5 }), {
  minLength: days.length,
  maxLength: days.length
})

it.scoped("batches answer as if each run had asked alone, in any history", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    yield* Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const seen = new Set<string>()
      yield* Quota.createTables
      for (const batchesOfDays of fc.sample(history, { numRuns: HISTORIES, seed: 20_260_310 })) {
        const model = new Model()
        yield* sql`delete from quota_slots`
        yield* sql`delete from org_usage_quotas`
        for (const [index, batches] of batchesOfDays.entries()) {
          const today = days[index] ?? Day.make("2026-04-02")
          yield* TestClock.setTime(Date.parse(`${today}T12:00:00Z`))
          for (const batch of batches) {
            const exits = yield* sql.withTransaction(Quota.settle(batch.map((each) => task(each, today))))
            const expected = batch.map((each) => model.answer(each, today))
            for (const answer of expected) seen.add(answer)
            expect({ batch, answers: exits.map(said) }).toEqual({ batch, answers: expected })
          }
        }
        const open = yield* sql<{ readonly run_id: RunId }>`select run_id from quota_slots order by run_id`
        expect(open.map(({ run_id }) => run_id)).toEqual([...model.slots.keys()].map((run) => runs[run]).sort())
        const counted = yield* sql<{ readonly runs: number }>`
          select coalesce(sum(successful_runs), 0) as runs from org_usage_quotas`
        expect(counted[0]?.runs).toBe(model.succeeded.length)
      }
      expect([...seen].sort()).toEqual([...days, "a day", "a month", "at a time"])
    }).pipe(Effect.provide(installation(folder)))
  })
)
