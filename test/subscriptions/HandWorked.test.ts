import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { OrgSlug } from "../../src/platform/Identifiers.ts"
import type { Json, JsonObject } from "../../src/platform/Json.ts"
import { layer, plan, query, run, writePlans } from "./support.ts"

interface Case {
  readonly id: string
  readonly title: string
  readonly plan: Record<string, Json>
  readonly cycles: Array<ReadonlyArray<string>>
  readonly days: Array<ReadonlyArray<string>>
}

interface Range {
  readonly org: OrgSlug
  readonly from: string
  readonly to: string
  readonly plansStart: string
  readonly cases: Array<Case>
}

/** Reads the file; a line that is none of its kinds is an error. */
const readCases = (): ReadonlyArray<Range> => {
  const ranges: Array<Range> = []
  const text = readFileSync(new URL("hand-worked.txt", import.meta.url), "utf8")
  for (const line of text.slice(text.indexOf("\nrun ")).split("\n")) {
    const range = ranges.at(-1)
    const current = range?.cases.at(-1)
    const [, word = "", rest = ""] = /^ *(\w+) *(.*)$/.exec(line) ?? []
    if (word === "run") {
      const [, org = "", from = "", to = "", plansStart = ""] =
        /^(\w+) (\S+) (\S+), plans start on (\S+)$/.exec(rest) ?? []
      ranges.push({ org: OrgSlug.make(org), from, to, plansStart, cases: [] })
    } else if (word === "case" && range !== undefined) {
      const [, id = "", title = ""] = /^(\w+): (.*)$/.exec(rest) ?? []
      range.cases.push({ id, title, plan: {}, cycles: [], days: [] })
    } else if (word === "plan" && current !== undefined) {
      for (const [, name = "", value = ""] of rest.matchAll(/(\w+) = ([^,]+)/g)) {
        current.plan[name] = value === "null" ? null : value
      }
    } else if (word === "cycle") current?.cycles.push(rest.split(/ +/))
    else if (word === "day") current?.days.push(rest.split(/ +/))
    else if (word !== "" && word !== "work") throw new Error(`hand-worked.txt: ${line}`)
  }
  return ranges
}

const ranges = readCases()
const texts = (row: JsonObject | undefined, ...names: ReadonlyArray<string>) => names.map((name) => String(row?.[name]))

withLayer(layer, { excludeTestServices: true })("hand-worked subscriptions", (it) => {
  for (const { cases, from, org, plansStart, to } of ranges) {
    it.effect(`${cases.length} plans from ${from} to ${to} cost what they cost by hand`, () =>
      Effect.gen(function* () {
        expect(new Set(cases.map(({ id }) => id)).size).toBe(cases.length)
        const plans = cases.map((each) => plan(each.id, { start_date: plansStart, ...each.plan }))
        yield* writePlans(org, [...plans, ...plans.filter((each) => each["subscription_id"] === "duplicate")])
        const ended = yield* run(org, from, to)
        expect([ended.run.status, ended.run.errorMessage]).toEqual(["COMPLETED", null])

        const daily = yield* query(
          org,
          `SELECT cost.*, focus.BilledCost, focus.EffectiveCost, focus.ContractedCost, focus.ListCost
          FROM subscription_plan_costs_daily AS cost
          JOIN cost_data_standard_1_3 AS focus ON focus.x_source_record_id = cost.x_ingestion_id AND focus.x_SplitPart = 1`
        )
        const cycles = yield* query(
          org,
          `SELECT cost.subscription_id, cost.cycle_start, cost.cycle_end, COUNT(*) AS days, SUM(cost.daily_cost) AS cost,
            SUM(focus.EffectiveCost) AS effective, MIN(cost.cycle_cost) AS cycle_cost, MAX(cost.cycle_cost) AS same,
            SUM(focus.BilledCost) AS billed, MIN(cost.is_prepaid) AS is_prepaid
          FROM subscription_plan_costs_daily AS cost
          JOIN cost_data_standard_1_3 AS focus ON focus.x_source_record_id = cost.x_ingestion_id AND focus.x_SplitPart = 1
          GROUP BY cost.subscription_id, cost.cycle_start, cost.cycle_end`
        )
        const purchases = yield* query(
          org,
          "SELECT *, DATE(ChargePeriodStart) AS first FROM cost_data_standard_1_3 WHERE x_SplitPart = 2"
        )
        for (const { cycles: expectedCycles, days: expectedDays, id, title } of cases) {
          for (const expected of expectedDays) {
            const [day = "", cost = "", list = "", billed = "", effective = "", listCost = ""] = expected
            const found = daily.filter((row) => row["subscription_id"] === id && row["cost_date"] === day)
            expect(found, `${title}: rows of ${day}`).toHaveLength(1)
            expect(
              texts(
                found[0],
                "daily_cost",
                "list_daily_cost",
                "BilledCost",
                "EffectiveCost",
                "ContractedCost",
                "ListCost"
              ),
              `${title}: ${day}`
            ).toEqual([cost, list, billed, effective, effective, listCost])
          }
          for (const [start = "", end = "", days = "", cost = "", effective = "", cycleCost = ""] of expectedCycles) {
            const row = cycles.find((each) => each["subscription_id"] === id && each["cycle_start"] === start)
            expect(
              texts(row, "cycle_end", "days", "cost", "effective", "cycle_cost", "same"),
              `${title}: ${start}`
            ).toEqual([end, days, cost, effective, cycleCost, cycleCost])
            const isPrepaid = row?.["is_prepaid"] === true
            expect(String(row?.["billed"]), `${title}: billed by day`).toBe(isPrepaid ? "0" : effective)
            const bought = purchases.filter((each) => each["ResourceId"] === id && each["first"] === start)
            expect(bought, `${title}: purchases of ${start}`).toHaveLength(isPrepaid && start >= from ? 1 : 0)
            for (const each of bought) {
              expect(texts(each, "BilledCost", "ContractedCost", "EffectiveCost", "ChargePeriodEnd"), title).toEqual([
                cycleCost,
                cycleCost,
                "0",
                `${end}T00:00:00Z`
              ])
            }
          }
        }
      })
    )
  }
})
