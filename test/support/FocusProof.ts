/**
 * What every conversion must prove: each native row accounted for, equal totals, no violated rule.
 */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Conformance from "../../src/focus/Conformance.ts"
import * as Reconciliation from "../../src/focus/Reconciliation.ts"
import { Day } from "../../src/platform/Identifiers.ts"
import * as Tables from "../../src/warehouse/Tables.ts"
import type { OrgWarehouse } from "../../src/warehouse/Warehouse.ts"
import { ruleSet } from "./FocusTables.ts"

export const periods = (...days: ReadonlyArray<string>) => days.map((day) => Schema.decodeSync(Day)(day))

/** Judges the FOCUS rows of a cloud's billing periods. */
export const judge = Effect.fn(function* (dataset: OrgWarehouse, cloud: string, billingPeriods: ReadonlyArray<Day>) {
  const table = (yield* Tables.load("configs/tables")).get("cost_data_standard_1_3")
  const columns = table === undefined ? [] : Tables.columnsOf(table).filter(({ name }) => name !== "ChargeType")
  return yield* Conformance.evaluate(dataset, yield* ruleSet, {
    dataset: "CostAndUsage",
    table: { name: "cost_data_standard_1_3", columns },
    billingPeriods,
    sourcePrefix: `cloud_${cloud}_`
  })
})

/** The converted periods equal their bill, billed and amortised, to the last decimal, and violate no rule beyond the known gaps. */
export const expectSound = Effect.fn(function* (
  dataset: OrgWarehouse,
  cloud: string,
  billingPeriods: ReadonlyArray<Day>
) {
  const reconciled = yield* Reconciliation.compare(dataset, cloud, billingPeriods)
  expect(Reconciliation.mismatches(reconciled)).toEqual([])
  expect([...new Set(reconciled.reconciliation.map(({ billingPeriod }) => billingPeriod))].sort()).toEqual(
    billingPeriods
  )
  expect(reconciled.reconciliation.filter(({ effectiveDifference }) => effectiveDifference !== "0")).toEqual([])
  const report = yield* judge(dataset, cloud, billingPeriods)
  expect(report.rows).toBe(reconciled.rows.converted + reconciled.rows.extra)
  expect(report.violated).toEqual([])
  return reconciled
})
