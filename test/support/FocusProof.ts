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
  return yield* Conformance.evaluate(dataset, yield* ruleSet, {
    dataset: "CostAndUsage",
    table: yield* tableOf("cost_data_standard_1_3"),
    billingPeriods,
    sourcePrefix: `cloud_${cloud}_`
  })
})

const tableOf = (name: string) =>
  Effect.map(Tables.load("configs/tables"), (tables) => {
    const table = tables.get(name)
    return {
      name,
      columns: table === undefined ? [] : Tables.columnsOf(table).filter((column) => column.name !== "ChargeType")
    }
  })

/** The cloud's contract commitments violate no rule, and every commitment that a charge applies is one of them (check X-013). */
const expectSoundCommitments = Effect.fn(function* (dataset: OrgWarehouse, cloud: string) {
  const report = yield* Conformance.evaluate(dataset, yield* ruleSet, {
    dataset: "ContractCommitment",
    table: yield* tableOf("contract_commitment_1_3"),
    sourcePrefix: `cloud_${cloud}_`
  })
  expect(report.violated).toEqual([])
  expect(
    yield* dataset.query(`
SELECT DISTINCT
  JSON_VALUE(element, '$.ContractId') AS contract, JSON_VALUE(element, '$.ContractCommitmentID') AS commitment
FROM cost_data_standard_1_3 AS charge
CROSS JOIN UNNEST(JSON_QUERY_ARRAY(charge.ContractApplied, '$.Elements')) AS element
LEFT JOIN contract_commitment_1_3 AS commitment
  ON commitment.ContractId = JSON_VALUE(element, '$.ContractId')
  AND commitment.ContractCommitmentId = JSON_VALUE(element, '$.ContractCommitmentID')
WHERE commitment.ContractCommitmentId IS NULL`)
  ).toEqual([])
  expect(
    yield* dataset.query(
      "SELECT COUNT(*) AS n FROM cost_data_standard_1_3 WHERE CommitmentDiscountId IS NOT NULL AND ContractApplied IS NULL"
    )
  ).toEqual([{ n: 0 }])
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
  yield* expectSoundCommitments(dataset, cloud)
  return reconciled
})
