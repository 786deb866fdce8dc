/**
 * Cost alerts over HTTP: real costs in a real warehouse, a real mail server; only the clock is the test's.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"
import { mkdirSync, cpSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Alerts } from "../../src/alerts/Alerts.ts"
import { EventLog } from "../../src/eventlog/EventLog.ts"
import { Runs } from "../../src/runs/Runs.ts"
import * as World from "../support/HttpWorld.ts"
import { mailTo } from "../support/NotifierWorld.ts"
import { smtpServer } from "../support/smtpServer.ts"
import { spend } from "../support/spend.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const root = (method: string, path: string) => World.call(method, `/api/v1/alerts${path}`, World.asRoot)
const json = (answer: World.Answer) => {
  expect(answer.status, answer.text).toBe(200)
  return Object(answer.json)
}

const alerts = (list: ReadonlyArray<Record<string, unknown>>) =>
  JSON.stringify({
    alerts: list.map((each) => ({
      name: `Alert ${String(each["id"])}`,
      schedule: { cron: "0 8 * * *", timezone: "Europe/Berlin" },
      conditions: [{ field: "total_cost", operator: "gt", value: "100" }],
      recipients: { type: "org_owners" },
      notification: { severity: "warning" },
      ...each
    }))
  })

const source = (query_template: string, params: Record<string, string> = {}) => ({
  type: "bigquery",
  query_template,
  params: { period: "current_month", ...params }
})

/** A service at 11 May 2026, 06:30 UTC, half an hour after the alerts were due in Berlin, with these alerts alone. */
const inWorld = <A, E, R>(
  files: Readonly<Record<string, string>>,
  use: (mail: Effect.Effect.Success<ReturnType<typeof smtpServer>>) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const mail = yield* smtpServer()
    const configs = join(yield* temporaryFolder, "configs")
    mkdirSync(join(configs, "alerts", "acme_corp"), { recursive: true })
    for (const name of ["tables", "lookups", "notifications", "focus"]) {
      cpSync(join("configs", name), join(configs, name), { recursive: true })
    }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(configs, "alerts", name), text)
    yield* TestClock.setTime(Date.parse("2026-05-11T06:30:00Z"))
    const world = World.layer({ variables: { ...mailTo(mail.port), CONFIGS_BASE_PATH: configs } })
    return yield* Effect.provide(use(mail), Layer.fresh(world))
  })

const noMail = { triggered: 0, skipped_cooldown: 0, skipped_disabled: 0, no_match: 0, no_data: 0, errors: 0 }

describe("cost alerts", () => {
  it.scoped("are evaluated once for each time they are due, tell the owners, and cool down", () =>
    inWorld(
      { "total.yml": alerts([{ id: "total", source: source("total_costs"), cooldown: { hours: 30 } }]) },
      (mail) =>
        Effect.gen(function* () {
          yield* spend(World.acme, ["02", "60.000000000000000000000001"], ["10", "40"])
          yield* spend(World.other, ["10", "100"])
          const first = json(yield* root("POST", "/scheduler/evaluate"))
          expect(first.summary).toEqual({ ...noMail, triggered: 1, no_match: 1 })
          const { mail: seen, recipients } = yield* Queue.take(mail.mails)
          expect(recipients).toEqual(["admin@acme-corp.test"])
          expect(seen.subject).toBe("[CloudAct.AI] Alert total: 100.000000000000000000000001 USD (acme_corp)")
          expect(seen.text).toContain("Condition: total_cost gt 100")
          // Not due again, neither at once nor for the one that did not match.
          expect(json(yield* root("POST", "/scheduler/evaluate")).details).toEqual([])
          yield* TestClock.adjust("24 hours")
          expect(json(yield* root("POST", "/scheduler/evaluate")).summary).toEqual({
            ...noMail,
            skipped_cooldown: 1,
            no_match: 1
          })
          yield* TestClock.adjust("24 hours")
          expect(json(yield* root("POST", "/scheduler/evaluate")).summary.triggered).toBe(1)
          yield* Queue.take(mail.mails)
          const history = json(yield* root("GET", "/orgs/acme_corp/history?days=1"))
          expect(history).toMatchObject({ org_slug: "acme_corp", total: 1, history: [{ status: "SENT" }] })
          const both = json(yield* root("GET", "/orgs/acme_corp/history?alert_id=total&status=SENT&limit=1"))
          expect(both.total).toBe(2)
          expect(both.history).toHaveLength(1)
          expect(both.history[0]).toMatchObject({
            alert_id: "total",
            severity: "warning",
            recipients: ["admin@acme-corp.test"],
            recipient_count: 1,
            trigger_data: { total_cost: "100.000000000000000000000001", currency: "USD" },
            condition_results: [{ field: "total_cost", operator: "gt", value: "100", text: "total_cost gt 100" }]
          })
          expect(json(yield* root("GET", "/orgs/other_org/history"))).toMatchObject({ total: 0, history: [] })
          expect(yield* Queue.size(mail.mails)).toBe(0)
          expect((yield* (yield* EventLog).verify).findings).toEqual([])
        })
    )
  )

  it.scoped("sum what their scope and node of the hierarchy hold, and nothing of another organisation", () =>
    inWorld(
      {
        "scopes.yml": alerts([
          { id: "total", source: source("total_costs") },
          { id: "cloud", source: source("cloud_costs") },
          { id: "aws", source: source("aws_costs") },
          { id: "azure", source: source("azure_costs") },
          { id: "genai", source: source("genai_costs") },
          { id: "openai", source: source("openai_costs") },
          { id: "subscription", source: source("subscription_costs") },
          { id: "node", source: source("hierarchy_costs", { hierarchy_path: "/ENG" }) },
          { id: "gcp", source: source("gcp_costs") }
        ])
      },
      () =>
        Effect.gen(function* () {
          yield* spend(
            World.acme,
            ["02", "101", { path: "/ENG/TEAM" }],
            ["02", "0.5", { path: "/ENG" }],
            ["02", "200", { path: "/ENGLISH" }],
            ["02", "1000.25", { provider: "OpenAI", system: "genai_costs_daily_unified" }],
            ["02", "7", { provider: "Slack", system: "subscription_costs_daily" }]
          )
          yield* spend(World.other, ["02", "9000"])
          const report = json(yield* root("POST", "/orgs/acme_corp/evaluate?force_check=true"))
          expect(report.org_slug).toBe("acme_corp")
          const costs = Object.fromEntries(
            report.details.map((each: { alert_id: string; values: { total_cost?: string }; outcome: string }) => [
              each.alert_id,
              each.values.total_cost ?? each.outcome
            ])
          )
          expect(costs).toEqual({
            total: "1308.75",
            cloud: "301.5",
            aws: "301.5",
            azure: "no_data",
            genai: "1000.25",
            openai: "1000.25",
            subscription: "7",
            node: "101.5",
            gcp: "no_data"
          })
        })
    )
  )

  it.scoped("a dry run says what would be told, and neither sends nor records", () =>
    inWorld({ "total.yml": alerts([{ id: "total", enabled: false, source: source("total_costs") }]) }, (mail) =>
      Effect.gen(function* () {
        yield* spend(World.acme, ["02", "100.01"])
        const head = (yield* EventLog).head
        const before = yield* head
        const dry = json(yield* root("POST", "/configs/total/test"))
        expect(dry).toMatchObject({
          alert_id: "total",
          alert_name: "Alert total",
          dry_run: true,
          summary: { triggered: 1 }
        })
        expect(dry.details).toContainEqual({
          org_slug: "acme_corp",
          alert_id: "total",
          outcome: "triggered",
          reason: "dry run: nothing was sent",
          values: expect.objectContaining({ total_cost: "100.01", currency: "USD" }),
          recipients: ["admin@acme-corp.test"]
        })
        expect(yield* head).toBe(before)
        // It is switched off, so only who asks for it gets it.
        expect(json(yield* root("POST", "/scheduler/evaluate")).summary.skipped_disabled).toBe(2)
        expect(json(yield* root("POST", "/configs/total/test?dry_run=false")).summary.triggered).toBe(1)
        expect((yield* Queue.take(mail.mails)).mail.subject).toContain("Alert total: 100.01 USD")
      })
    )
  )

  it.scoped("two evaluators send once", () =>
    inWorld({ "total.yml": alerts([{ id: "total", source: source("total_costs") }]) }, (mail) =>
      Effect.gen(function* () {
        yield* spend(World.acme, ["02", "100.01"])
        const { evaluate, history } = yield* Alerts
        const both = yield* Effect.all([evaluate({ force: true }), evaluate({ force: true })], { concurrency: 2 })
        const outcomes = both.flat().filter(({ org }) => org === World.acme)
        expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(["cooldown", "triggered"])
        yield* Queue.take(mail.mails)
        expect(yield* Queue.size(mail.mails)).toBe(0)
        expect((yield* history(World.acme, { days: 1, limit: 10 })).total).toBe(1)
      })
    )
  )

  it.scoped(
    "several currencies, an unreachable mail server: an error of its own, kept in the history where it was tried",
    () =>
      inWorld(
        {
          "total.yml": alerts([
            { id: "mixed", source: source("total_costs") },
            { id: "euros", source: source("total_costs", { currency: "EUR" }) },
            {
              id: "nobody",
              source: source("total_costs", { currency: "EUR" }),
              notification: { severity: "info", channels: ["slack"] }
            }
          ]),
          "acme_corp/own.yml": alerts([
            { id: "mixed", name: "Own", source: source("total_costs", { currency: "USD" }) }
          ])
        },
        () =>
          Effect.gen(function* () {
            yield* spend(World.acme, ["02", "50"], ["02", "150", { currency: "EUR" }])
            yield* spend(World.other, ["02", "50"], ["02", "150", { currency: "EUR" }])
            const { details } = json(yield* root("POST", "/scheduler/evaluate"))
            const told = details.map((each: Record<string, unknown>) => [
              each["org_slug"],
              each["alert_id"],
              each["outcome"]
            ])
            expect(told.sort()).toEqual([
              ["acme_corp", "euros", "triggered"],
              // Its own alert of this id looks at dollars alone.
              ["acme_corp", "mixed", "no_match"],
              ["acme_corp", "nobody", "send_failed"],
              ["other_org", "euros", "triggered"],
              ["other_org", "mixed", "error"],
              ["other_org", "nobody", "send_failed"]
            ])
            expect(details).toContainEqual(
              expect.objectContaining({
                reason: "the costs are in EUR and USD, which are never added up: set params.currency"
              })
            )
            const failed = json(yield* root("GET", "/orgs/acme_corp/history?status=FAILED"))
            expect(failed.history).toMatchObject([
              { alert_id: "nobody", error_message: expect.stringContaining("nobody to tell") }
            ])
          })
      )
  )

  it.scoped("have a list, refuse what is not there, and read their files again when told", () =>
    inWorld({ "total.yml": alerts([{ id: "total", source: source("total_costs"), tags: ["x"] }]) }, () =>
      Effect.gen(function* () {
        const code = (answer: World.Answer) => [answer.status, Object(answer.json).error_code]
        expect(json(yield* root("GET", "/configs?enabled_only=true&tag=x"))).toMatchObject({ total: 1 })
        expect(json(yield* root("GET", "/configs?tag=y"))).toEqual({ alerts: [], total: 0 })
        expect(json(yield* root("GET", "/configs/total")).alert).toMatchObject({ id: "total", cooldown: { hours: 24 } })
        expect(code(yield* root("GET", "/configs/none"))).toEqual([404, "ALERT_NOT_FOUND"])
        expect(code(yield* root("POST", "/configs/none/test"))).toEqual([404, "ALERT_NOT_FOUND"])
        expect(code(yield* root("POST", "/scheduler/evaluate?alert_ids=total,none"))).toEqual([404, "ALERT_NOT_FOUND"])
        expect(code(yield* root("POST", "/orgs/Bad/evaluate"))).toEqual([400, "INVALID_ORG_SLUG"])
        expect(code(yield* root("POST", "/orgs/no_such_org/evaluate"))).toEqual([404, "NOT_FOUND"])
        expect(code(yield* root("GET", "/orgs/acme_corp/history?days=91"))).toEqual([422, "REQUEST_INVALID"])
        expect(json(yield* root("POST", "/cache/clear"))).toMatchObject({ status: "SUCCESS" })
      })
    )
  )
})

/** What is shipped can be read, and is what the contract lists. */
describe("the shipped alerts", () => {
  it.scoped("are those of the contract", () =>
    Effect.gen(function* () {
      const ids = json(yield* root("GET", "/configs")).alerts.map(({ id }: { id: string }) => id)
      expect(ids.sort()).toEqual(
        [
          "subscription_cost_threshold_20",
          "subscription_cost_warning_50",
          "subscription_cost_critical_100",
          "subscription_cost_test_3",
          "cloud_cost_threshold_1000",
          "cloud_cost_critical_5000",
          "genai_cost_threshold_500",
          "gcp_cost_threshold_500",
          "aws_cost_threshold_500",
          "azure_cost_threshold_500",
          "oci_cost_threshold_500",
          "openai_cost_threshold_200",
          "anthropic_cost_threshold_200",
          "total_cost_threshold_2500",
          "total_cost_critical_10000",
          "cost_forecast_5000"
        ].sort()
      )
    }).pipe(Effect.provide(World.layer()))
  )
})

describe("quota alerts", () => {
  it.scoped("tell of the use of a plan, in figures of the runs themselves", () =>
    inWorld(
      {
        "quota.yml": alerts([
          {
            id: "busy",
            source: { type: "bigquery", query_template: "quota_usage" },
            conditions: [{ field: "daily_percent", operator: "gte", value: 50 }]
          }
        ])
      },
      (mail) =>
        Effect.gen(function* () {
          expect(json(yield* root("POST", "/scheduler/evaluate")).summary).toEqual({ ...noMail, no_match: 2 })
          const { acme } = yield* World.Keys
          const runs = yield* Runs
          for (let count = 0; count < 3; count++) {
            const path = "/api/v1/pipelines/run/acme_corp/cloud/test/cost/demo"
            const accepted = Object((yield* World.call("POST", path, World.withKey(acme))).json)
            yield* runs.awaitEnd(accepted.pipeline_logging_id)
          }
          yield* TestClock.adjust("10 minutes")
          const forced = json(yield* root("POST", "/scheduler/evaluate?force_check=true"))
          expect(forced.summary).toEqual({ ...noMail, triggered: 1, no_match: 1 })
          const { mail: seen } = yield* Queue.take(mail.mails)
          expect(seen.subject).toBe("[CloudAct.AI] Alert busy (acme_corp)")
          expect(seen.text).toContain("Runs today: 3")
          expect(seen.text).toContain("Runs a day of the plan: 6")
        })
    )
  )
})
