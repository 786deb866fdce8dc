import { expect, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { randomUUID } from "node:crypto"
import { Organizations } from "../../src/organizations/Organizations.ts"
import * as OrganizationsSql from "../../src/organizations/OrganizationsSql.ts"
import { OrgSlug, RunId } from "../../src/platform/Identifiers.ts"
import { Validator } from "../../src/validator/Validator.ts"
import * as ValidatorLocal from "../../src/validator/ValidatorLocal.ts"
import { installation } from "../support/ServiceDatabase.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const acme = OrgSlug.make("acme")
const globex = OrgSlug.make("globex")
const newRun = () => Schema.decodeSync(RunId)(randomUUID())
const minute = 60_000
const at = (iso: string) => TestClock.setTime(Date.parse(iso))

const process = (folder: string) =>
  ValidatorLocal.layer.pipe(Layer.provideMerge(OrganizationsSql.layer), Layer.provideMerge(installation(folder)))

const withOrg = <A, E>(plan: string, body: Effect.Effect<A, E, Validator | Organizations | SqlClient.SqlClient>) =>
  Effect.flatMap(temporaryFolder, (folder) =>
    Effect.gen(function* () {
      const organizations = yield* Organizations
      for (const org of [acme, globex]) {
        yield* organizations.create({ org, companyName: org, adminEmail: `ops@${org}.example`, plan })
      }
      yield* at("2026-03-10T12:00:00Z")
      return yield* body
    }).pipe(Effect.provide(process(folder)))
  )

const reserve = (runId = newRun(), org = acme, apiKey?: Redacted.Redacted) =>
  Effect.flatMap(Validator, (validator) =>
    validator.reserve({
      org,
      runId,
      pipelineId: "cloud_aws_cost_billing",
      ...(apiKey === undefined ? {} : { apiKey })
    })
  )
const complete = (
  runId: RunId,
  outcome: "SUCCESS" | "FAILED",
  { reservationDate }: { readonly reservationDate: Parameters<Validator["Type"]["complete"]>[0]["reservationDate"] }
) => Effect.flatMap(Validator, (validator) => validator.complete({ org: acme, runId, outcome, reservationDate }))

/** One whole run. */
const run = (outcome: "SUCCESS" | "FAILED") =>
  Effect.suspend(() => {
    const runId = newRun()
    return Effect.flatMap(reserve(runId), (reservation) => complete(runId, outcome, reservation))
  })

const refused = Effect.flip

it.scoped("of 200 runs that ask at once, the plan's 5 get a slot; each freed slot admits one more", () =>
  withOrg(
    "SCALE",
    Effect.gen(function* () {
      const runs = Array.from({ length: 200 }, newRun)
      const asked = yield* Effect.forEach(runs, (runId) => Effect.either(reserve(runId)), { concurrency: "unbounded" })
      expect(asked.filter(Either.isRight)).toHaveLength(5)
      for (const answer of asked.filter(Either.isLeft)) {
        expect(answer.left).toMatchObject({ code: "QUOTA_EXCEEDED", status: 429, retryAfterSeconds: 300 })
      }
      yield* reserve(newRun(), globex)

      const holder = runs[asked.findIndex(Either.isRight)]
      const reservation = asked.find(Either.isRight)?.right
      if (holder === undefined || reservation === undefined) throw new Error("no run was admitted")
      yield* complete(holder, "FAILED", reservation)
      const again = yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.either(reserve()), {
        concurrency: "unbounded"
      })
      expect(again.filter(Either.isRight)).toHaveLength(1)
    })
  )
)

it.scoped("asking again for the same run takes no second slot, also after a restart and in parallel", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const runId = newRun()
    yield* Effect.gen(function* () {
      const organizations = yield* Organizations
      yield* organizations.create({ org: acme, companyName: "Acme", adminEmail: "ops@acme.example", plan: "STARTER" })
      yield* at("2026-03-10T23:59:00Z")
      yield* Effect.forEach(Array.from({ length: 20 }), () => reserve(runId), { concurrency: "unbounded" })
      expect(yield* refused(reserve())).toMatchObject({ code: "QUOTA_EXCEEDED" })
    }).pipe(Effect.provide(process(folder)))

    yield* Effect.gen(function* () {
      yield* at("2026-03-11T00:01:00Z")
      const reservation = yield* reserve(runId)
      expect(reservation).toEqual({ reservationDate: "2026-03-10" })
      expect(yield* refused(reserve())).toMatchObject({ code: "QUOTA_EXCEEDED" })
      yield* complete(runId, "SUCCESS", reservation)
      yield* complete(runId, "SUCCESS", reservation)
      yield* reserve()
      const sql = yield* SqlClient.SqlClient
      expect(yield* sql`select * from org_usage_quotas`).toEqual([
        { org_slug: "acme", usage_date: "2026-03-10", successful_runs: 1 }
      ])
    }).pipe(Effect.provide(process(folder)))
  })
)

it.scoped("only successes count against the day, and the next day is new", () =>
  withOrg(
    "STARTER",
    Effect.gen(function* () {
      yield* Effect.repeatN(run("FAILED"), 9)
      yield* Effect.repeatN(run("SUCCESS"), 5)
      expect(yield* refused(reserve())).toMatchObject({
        code: "QUOTA_EXCEEDED",
        status: 429,
        retryAfterSeconds: 86_400
      })
      yield* at("2026-03-11T00:00:00Z")
      yield* run("SUCCESS")
    })
  )
)

it.scoped("the month's total is the sum of its days, also in a new day's row", () =>
  withOrg(
    "STARTER",
    Effect.gen(function* () {
      for (let day = 1; day <= 30; day++) {
        yield* at(`2026-03-${String(day).padStart(2, "0")}T00:00:00Z`)
        yield* Effect.repeatN(run("SUCCESS"), 5)
      }
      yield* at("2026-03-31T00:00:00Z")
      const refusal = yield* refused(reserve())
      expect(refusal).toMatchObject({ code: "QUOTA_EXCEEDED", retryAfterSeconds: 86_400 })
      expect(refusal.message).toContain("180 successful runs a month")
      yield* at("2026-04-01T00:00:00Z")
      yield* run("SUCCESS")
    })
  )
)

it.scoped("a run across midnight counts for the day of its reservation and holds its slot until its end", () =>
  withOrg(
    "STARTER",
    Effect.gen(function* () {
      yield* at("2026-03-10T23:59:59Z")
      const runId = newRun()
      const reservation = yield* reserve(runId)
      yield* TestClock.adjust(minute)
      expect(yield* refused(reserve())).toMatchObject({ retryAfterSeconds: 300 })
      yield* complete(runId, "SUCCESS", reservation)
      const sql = yield* SqlClient.SqlClient
      expect(yield* sql`select usage_date, successful_runs from org_usage_quotas`).toEqual([
        { usage_date: "2026-03-10", successful_runs: 1 }
      ])
    })
  )
)

it.scoped("no run without a known organisation, its own key and a running subscription", () =>
  withOrg(
    "SCALE",
    Effect.gen(function* () {
      const organizations = yield* Organizations
      const mine = yield* organizations.createKey(acme)
      const theirs = yield* organizations.createKey(globex)
      yield* reserve(newRun(), acme, mine.secret)
      expect(yield* refused(reserve(newRun(), acme, theirs.secret))).toMatchObject({
        code: "ORG_MISMATCH",
        status: 403
      })
      expect(yield* refused(reserve(newRun(), acme, Redacted.make("acme_api_wrongwrongwrong0")))).toMatchObject({
        code: "INVALID_API_KEY",
        status: 401
      })
      expect(yield* refused(reserve(newRun(), OrgSlug.make("nobody")))).toMatchObject({
        code: "SUBSCRIPTION_ERROR",
        status: 403
      })

      yield* organizations.subscribe(acme, "SCALE", "SUSPENDED")
      yield* TestClock.adjust("3 seconds")
      expect(yield* refused(reserve())).toMatchObject({ code: "SUBSCRIPTION_INACTIVE", status: 403 })
      yield* organizations.subscribe(acme, "SCALE", "TRIAL")
      yield* TestClock.adjust("3 seconds")
      yield* reserve()
    })
  )
)

it.scoped("a larger plan counts within seconds", () =>
  withOrg(
    "STARTER",
    Effect.gen(function* () {
      yield* reserve()
      expect(yield* refused(reserve())).toMatchObject({ code: "QUOTA_EXCEEDED" })
      yield* Effect.flatMap(Organizations, (organizations) => organizations.subscribe(acme, "ENTERPRISE"))
      yield* TestClock.adjust("3 seconds")
      yield* Effect.forEach(Array.from({ length: 1000 }), () => reserve(), { concurrency: "unbounded", discard: true })
      const sql = yield* SqlClient.SqlClient
      expect(yield* sql`select count(*) as open from quota_slots`).toEqual([{ open: 1001 }])
    })
  )
)

it.scoped("a store that fails admits nobody and asks for another completion", () =>
  withOrg(
    "SCALE",
    Effect.gen(function* () {
      const runId = newRun()
      const reservation = yield* reserve(runId)
      const sql = yield* SqlClient.SqlClient
      yield* sql`drop table quota_slots`
      expect(yield* refused(reserve())).toMatchObject({ code: "STORE_UNAVAILABLE", status: 503 })
      expect(yield* Effect.flip(complete(runId, "SUCCESS", reservation))).toMatchObject({
        _tag: "CompletionUndelivered",
        retryable: true
      })
    })
  )
)
