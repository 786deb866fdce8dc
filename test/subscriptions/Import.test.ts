import { expect, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { cli, withService } from "../support/commandLine.ts"
import * as World from "../support/HttpWorld.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const path = "/api/v1/subscriptions/acme_corp/plans"
const slack = {
  subscription_id: "sub_slack",
  provider: "slack",
  plan_name: "Business+",
  start_date: "2026-01-01",
  billing_cycle: "monthly",
  currency: "USD",
  unit_price: "12.50"
}

const post = (key: string, body: unknown, to = path) => World.call("POST", to, { headers: { "X-API-Key": key }, body })
const stored = Effect.gen(function* () {
  const { acme } = yield* World.Keys
  const answer = yield* World.call("GET", `${path}?limit=10`, World.withKey(acme))
  return Object(answer.json)
})
const idsOf = (page: { readonly plans: ReadonlyArray<Record<string, unknown>> }) =>
  page.plans.map((plan) => `${plan["subscription_id"]} ${plan["start_date"]}`)

layer(World.layer(), { excludeTestServices: true })("plans over HTTP", (it) => {
  it.effect("are imported, replaced by subscription, and listed with exact amounts", () =>
    Effect.gen(function* () {
      const { acme } = yield* World.Keys
      // The number stands in the body as a number: it must not pass through binary floating point.
      const body = JSON.stringify({
        plans: [slack, { ...slack, subscription_id: "sub_zoom", provider: "zoom", seats: 3 }]
      })
      const first = yield* post(acme, body.replace('"unit_price":"12.50"', '"unit_price":1234567890.123456789'))
      expect([first.status, first.json]).toEqual([200, { imported: 2, subscriptions: 2, total: 2 }])
      expect(yield* stored).toMatchObject({
        plans: [
          {
            ...slack,
            unit_price: "1234567890.123456789",
            category: "other",
            status: "active",
            pricing_model: "PER_SEAT",
            seats: null,
            auto_renew: true,
            end_date: null
          },
          { subscription_id: "sub_zoom", unit_price: "12.5", seats: 3 }
        ],
        total: 2,
        limit: 10,
        offset: 0
      })

      const versions = [
        { ...slack, end_date: "2026-03-31", seats: 5 },
        { ...slack, start_date: "2026-04-01", billing_cycle: "Yearly", currency: "eur", seats: 8 }
      ]
      expect((yield* post(acme, { plans: versions })).json).toEqual({ imported: 2, subscriptions: 1, total: 3 })
      expect(idsOf(yield* stored)).toEqual(["sub_slack 2026-01-01", "sub_slack 2026-04-01", "sub_zoom 2026-01-01"])
      expect((yield* stored).plans[1]).toMatchObject({ billing_cycle: "yearly", currency: "EUR" })

      expect((yield* post(acme, { plans: [slack], replace_all: true })).json).toMatchObject({ imported: 1, total: 1 })
      expect(idsOf(yield* stored)).toEqual(["sub_slack 2026-01-01"])
      expect((yield* post(acme, { plans: [], replace_all: true })).json).toEqual({
        imported: 0,
        subscriptions: 0,
        total: 0
      })
    })
  )

  it.effect("are refused as a whole with every line and reason, and leave nothing behind", () =>
    Effect.gen(function* () {
      const { acme } = yield* World.Keys
      yield* post(acme, { plans: [slack], replace_all: true })
      const faulty: ReadonlyArray<readonly [change: Record<string, unknown>, faults: ReadonlyArray<string>]> = [
        [{}, []],
        [{ subscription_id: "" }, ["subscription_id is missing"]],
        [{ unit_price: "-1" }, ["unit_price is no amount from 0 on with at most 9 decimals"]],
        [{ unit_price: "1e3" }, ["unit_price is no amount from 0 on with at most 9 decimals"]],
        [{ unit_price: "1.0000000001" }, ["unit_price is no amount from 0 on with at most 9 decimals"]],
        [{ start_date: "2026-02-30" }, ["start_date is no day YYYY-MM-DD"]],
        [{ start_date: null }, ["start_date is missing"]],
        [{ end_date: "2025-12-31" }, ["end_date lies before start_date 2026-01-01"]],
        [{ status: "cancelled" }, ["end_date is missing: the plan is cancelled"]],
        [{ status: "paused" }, ["status is none of active, pending, cancelled, expired"]],
        [{ billing_cycle: "fortnightly", currency: "XX" }, ["currency is no ISO 4217 code"]],
        [
          { billing_cycle: "fortnightly" },
          ["billing_cycle is none of weekly, monthly, quarterly, semi-annual, annual"]
        ],
        [{ billing_cycle: "annual", billing_anchor_day: "5" }, ["billing_anchor_day is only for monthly cycles"]],
        [{ billing_anchor_day: 32 }, ["billing_anchor_day is no whole number from 1 to 31"]],
        [{ seats: 0 }, ["seats is no whole number from 1 to 100000000"]],
        [{ seats: 1.5 }, ["seats is no whole number from 1 to 100000000"]],
        [{ discount_type: "percent" }, ["discount_value and discount_type are given together or not at all"]],
        [{ discount_type: "percent", discount_value: "100.01" }, ["discount_value is more than 100 percent"]],
        [
          { discount_type: "fixed", discount_value: "25.01", seats: 2 },
          ["discount_value is more than the price of a cycle"]
        ],
        [{ discount_type: "fixed", discount_value: "25", seats: 2 }, []],
        [{ auto_renew: "yes" }, ["auto_renew is none of true, false"]],
        [{ price: "1" }, ["price is no column of a plan"]],
        [{ notes: { a: 1 } }, ["notes is no text"]]
      ]
      const plans = faulty.map(([change], index) => ({ ...slack, subscription_id: `sub_${index}`, ...change }))
      const answer = yield* post(acme, { plans })
      expect([answer.status, Object(answer.json).error_code]).toEqual([422, "REQUEST_INVALID"])
      expect(Object(answer.json).detail.map(({ msg }: { readonly msg: string }) => msg)).toEqual(
        faulty.flatMap(([, faults], index) => faults.map((fault) => `line ${index + 1}: ${fault}`))
      )
      expect(Object(answer.json).detail[0]).toMatchObject({ loc: ["body", "plans", 1, "subscription_id"] })

      const overlapping = yield* post(acme, {
        plans: [slack, { ...slack, start_date: "2026-02-01" }],
        lines: [7, 9]
      })
      expect(Object(overlapping.json).detail).toEqual([
        {
          loc: ["body", "plans", 1, "start_date"],
          msg: "line 9: start_date lies within the version of sub_slack on line 7: end that one before it",
          type: "value_error"
        }
      ])
      expect(idsOf(yield* stored)).toEqual(["sub_slack 2026-01-01"])
    })
  )

  it.effect("are the organisation's own, and need the right to write", () =>
    Effect.gen(function* () {
      const { acme, other, readOnly, writeOnly } = yield* World.Keys
      yield* post(acme, { plans: [slack], replace_all: true })
      const outcome = (key: string, to = path) =>
        Effect.map(
          post(key, { plans: [], replace_all: true }, to),
          (answer) => Object(answer.json).error_code ?? answer.status
        )
      expect(yield* outcome(other)).toBe("ORG_MISMATCH")
      expect(yield* outcome(other, path.replace("acme_corp", "other_org"))).toBe(200)
      expect(yield* outcome(readOnly)).toBe("INSUFFICIENT_SCOPE")
      expect(idsOf(yield* stored)).toEqual(["sub_slack 2026-01-01"])
      expect(yield* outcome(writeOnly)).toBe(200)
      expect(idsOf(yield* stored)).toEqual([])
    })
  )

  it.effect("lose nothing when several imports come at once", () =>
    Effect.gen(function* () {
      const { acme } = yield* World.Keys
      const names = Array.from({ length: 8 }, (_, index) => `sub_${index}`)
      yield* Effect.forEach(names, (name) => post(acme, { plans: [{ ...slack, subscription_id: name }] }), {
        concurrency: "unbounded"
      })
      expect(idsOf(yield* stored)).toEqual(names.map((name) => `${name} 2026-01-01`))
    })
  )
})

it.scopedLive("plans come from a CSV file by the command line, and become costs", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const local = { DATA_DIR: join(folder, "data") }
    yield* cli(local, "admin", "org", "create", "acme", "--plan", "ENTERPRISE")
    const { apiKey } = JSON.parse((yield* cli(local, "admin", "key", "create", "acme", "--json")).out)
    const file = join(folder, "plans.csv")
    const header = "subscription_id,provider,plan_name,start_date,billing_cycle,currency,unit_price,seats,notes"
    yield* withService(local, (base) =>
      Effect.gen(function* () {
        const there = { ...local, PIPELINE_API_KEY: String(apiKey), PIPELINE_SERVICE_URL: base }
        writeFileSync(
          file,
          `\uFEFF${header}\nslack,slack,Pro,2026-01-01,monthly,USD,31,2,"two\nlines"\nfigma,figma,Org,2026-01-31,sometimes,USD,ten,1,\n`
        )
        const refused = yield* cli(there, "admin", "plan", "import", file)
        expect(refused.failure).toBe(
          `${file}: nothing was imported\n  line 4: unit_price is no amount from 0 on with at most 9 decimals`
        )
        writeFileSync(file, `${header}\nslack,slack,Pro,2026-01-01,monthly,USD,31,2\n`)
        expect((yield* cli(there, "admin", "plan", "import", file)).failure).toContain(
          "line 2: has 8 cells, the header 9"
        )
        expect((yield* cli(there, "admin", "plan", "list")).out).toContain("acme has no plans")
        writeFileSync(
          file,
          `${header}\r\nslack,slack,Pro,2026-01-01,monthly,USD,31,2,\r\nfigma,figma,Org,2026-01-31,quarterly,USD,89,1,\r\n`
        )
        expect((yield* cli(there, "admin", "plan", "import", file)).out).toContain(
          "Imported 2 plans of 2 subscriptions; acme has 2 now."
        )
        expect(JSON.parse((yield* cli(there, "admin", "plan", "list", "--json")).out)).toMatchObject([
          { subscription_id: "figma", unit_price: "89", seats: 1 },
          { subscription_id: "slack", unit_price: "31", seats: 2 }
        ])
        const ran = yield* cli(
          there,
          "run",
          "subscription/costs/subscription_cost",
          "--start",
          "2026-01-01",
          "--end",
          "2026-01-31",
          "--json"
        )
        expect(JSON.parse(ran.out)).toMatchObject({ status: "COMPLETED" })
      })
    )
    // January: 31 days of 2 seats at a dollar a day, and the quarter that is bought on the 31st.
    const billed = yield* cli(
      local,
      "query",
      "--org",
      "acme",
      "--json",
      "SELECT ServiceName, SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective FROM cost_data_standard_1_3 GROUP BY 1 ORDER BY 1"
    )
    expect(JSON.parse(billed.out)).toEqual([
      { ServiceName: "Figma", billed: "89", effective: "0.999999999984" },
      { ServiceName: "Slack", billed: "62", effective: "62" }
    ])
  })
)
