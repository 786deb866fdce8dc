/**
 * The Contract Commitment dataset of clouds, by hand-worked cases.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { OrgWarehouse } from "../../src/warehouse/Warehouse.ts"
import * as azure from "./azureSupport.ts"
import * as support from "./support.ts"

/** Last part of the id, category, amount, unit, first day, day after the end, sources of period and amount, used share. */
const commitments = (dataset: OrgWarehouse) =>
  Effect.map(
    dataset.query(`
SELECT
  REGEXP_EXTRACT(ContractCommitmentId, r'([^/:]+)$') AS id, ContractCommitmentCategory AS category,
  COALESCE(ContractCommitmentCost, ContractCommitmentQuantity) AS amount, COALESCE(ContractCommitmentUnit, BillingCurrency) AS unit,
  CAST(DATE(ContractCommitmentPeriodStart) AS STRING) AS first, CAST(DATE(ContractCommitmentPeriodEnd) AS STRING) AS after, x_PeriodSource,
  x_AmountSource, x_commitment_utilization
FROM contract_commitment_1_3 ORDER BY id`),
    (rows) => rows.map((row) => Object.values(row))
  )

const applied = (dataset: OrgWarehouse, id: string) =>
  Effect.map(
    dataset.query(
      `SELECT ContractApplied FROM cost_data_standard_1_3 WHERE ENDS_WITH(CommitmentDiscountId, '${id}')
      ORDER BY ChargeCategory, CommitmentDiscountStatus DESC, EffectiveCost`
    ),
    (rows) => rows.map(({ ContractApplied }) => ContractApplied)
  )

const plan = "arn:aws:savingsplans::111111111111:savingsplan/a"
const attributes = JSON.stringify({ StartTime: "2026-01-10T00:00:00.000Z", EndTime: "2027-01-09T23:59:59.000Z" })
const fee = (change = {}) =>
  support.line({
    line_item_type: "SavingsPlanRecurringFee",
    savings_plan_arn: plan,
    savings_plan_attributes_json: attributes,
    savings_plan_purchase_term: "1yr",
    unblended_cost: "0.6",
    usage_amount: "1",
    unblended_rate: "0.6",
    savings_plan_total_commitment_to_date: "1.000000000001",
    savings_plan_used_commitment: "1.000000000001",
    ...change
  })

layer(support.layer)("contract commitments of clouds", (it) => {
  it.effect.skipIf(support.samplesMissing)("of savings plans and reservations of AWS", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("commitments_aws")
      yield* support.loadReport(dataset, "aws/cur2/hard_cases.csv")
      yield* support.convert(dataset, { from: "2026-03-01" })
      // A year has 8760 hours: 744 of 744 hours a month, an upfront purchase of 8760, 0.5 and 1 dollar an hour.
      expect(yield* commitments(dataset)).toEqual([
        ["ri-a1-au", "Usage", "8760", "Hours", "2026-03-10", "2027-03-10", "purchase", "fees", null],
        ["ri-a1-pu", "Usage", "8760", "Hours", "2026-03-01", "2027-03-01", "first charge", "fees", 0.9],
        ["sp-a1-au", "Spend", "4380", "USD", "2026-03-04", "2027-03-04", "purchase", "fees", 0.799999],
        ["sp-a1-nu", "Spend", "8760", "USD", "2026-03-05", "2027-03-05", "first charge", "fees", 0.9]
      ])
      const arn = "arn:aws:ec2:us-east-1:111111111111:reserved-instances/ri-a1-pu"
      const element = (quantity: number) => ({
        Elements: [
          {
            ContractId: arn,
            ContractCommitmentID: arn,
            ContractCommitmentAppliedCost: null,
            ContractCommitmentAppliedQuantity: quantity,
            ContractCommitmentAppliedUnit: "Hours"
          }
        ]
      })
      expect(yield* applied(dataset, "ri-a1-pu")).toEqual([744, 297.6, 372, 74.4].map(element))
    })
  )

  it.effect.skipIf(support.samplesMissing)("of reservations and savings plans of Azure, by their orders", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("commitments_azure")
      yield* azure.loadDetails(dataset, {
        "azure/ea/hard_cases_actual.csv": "actual",
        "azure/ea/hard_cases_amortized.csv": "amortized"
      })
      yield* azure.convert(dataset, "2026-04-01")
      // One machine for a year; 36 months of 0.72. The refund is no fee.
      expect(yield* commitments(dataset)).toEqual([
        [
          "33333333-0000-4000-8000-000000000001",
          "Usage",
          "8760",
          "Hours",
          "2026-04-01",
          "2027-04-01",
          "first charge",
          "fees",
          0.75
        ],
        [
          "55555555-0000-4000-8000-000000000001",
          "Spend",
          "25.92",
          "USD",
          "2026-04-05",
          "2029-04-05",
          "first charge",
          "fees",
          0.902778
        ]
      ])
      expect(
        yield* dataset.query(
          "SELECT REGEXP_EXTRACT(ContractId, r'([^/]+/[^/]+)$') AS id FROM contract_commitment_1_3 ORDER BY id"
        )
      ).toEqual([
        { id: "reservationOrders/22222222-0000-4000-8000-000000000001" },
        { id: "savingsPlanOrders/44444444-0000-4000-8000-000000000001" }
      ])
    })
  )

  it.effect.skipIf(support.samplesMissing)("of a FOCUS export, as it names contracts and commitments", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("commitments_focus")
      yield* support.loadFocus(dataset, "focus/synthetic/aws_1_3_cost_and_usage.csv")
      yield* support.convert(dataset, { from: "2026-05-01" })
      const named = yield* dataset.query(
        `SELECT ContractId AS contract, ContractCommitmentCategory AS category, COUNT(*) AS n FROM contract_commitment_1_3
        GROUP BY contract, category ORDER BY contract, category`
      )
      expect(named).toContainEqual({ contract: "CONTRACT-NEGOTIATED-AWS", category: "Spend", n: 2 })
      expect(named).toContainEqual({ contract: "CONTRACT-NEGOTIATED-AWS", category: "Usage", n: 1 })
      expect(named).toContainEqual({ contract: "CONTRACT-9a912715d51c", category: "Usage", n: 1 })
      expect(named).toHaveLength(9)
    })
  )

  it.effect("a term of the export counts, to its last second and decimal; months add to one commitment", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("commitments_term")
      yield* support.loadLines(dataset, [
        fee(),
        fee({
          billing_period_start: "2026-02-01",
          usage_start_time: "2026-02-02T00:00:00Z",
          usage_end_time: "2026-02-02T01:00:00Z",
          usage_date: "2026-02-02"
        })
      ])
      yield* support.convert(dataset, { from: "2026-02-01" })
      expect(yield* commitments(dataset)).toEqual([
        ["a", "Spend", "8760.00000000876", "USD", "2026-01-10", "2027-01-10", "term", "fees", null]
      ])
      yield* support.convert(dataset, { from: "2026-03-01" })
      expect(yield* commitments(dataset)).toHaveLength(1)

      // What a restated month no longer has is gone with its last charge.
      yield* support.emptyMonth(dataset, "2026-02-01", "main")
      yield* support.convert(dataset, { from: "2026-02-01" })
      expect(yield* commitments(dataset)).toHaveLength(1)
      yield* support.emptyMonth(dataset, "2026-03-01", "main")
      yield* support.convert(dataset, { from: "2026-03-01" })
      expect(yield* commitments(dataset)).toEqual([])
    })
  )

  it.effect("a commitment whose fees are nothing is one of nothing, not an unknown one", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("commitments_nothing")
      const nothing = { unblended_cost: "0", unblended_rate: "0" }
      yield* support.loadLines(dataset, [
        fee({ ...nothing, savings_plan_total_commitment_to_date: "0", savings_plan_used_commitment: "0" })
      ])
      yield* support.convert(dataset, { from: "2026-03-01" })
      expect(yield* commitments(dataset)).toEqual([
        ["a", "Spend", "0", "USD", "2026-01-10", "2027-01-10", "term", "fees", null]
      ])
    })
  )

  it.effect("usage without any fee or term is what is known of its commitment", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("commitments_usage")
      const covered = { line_item_type: "SavingsPlanCoveredUsage", savings_plan_arn: plan }
      yield* support.loadLines(dataset, [
        support.line({ ...covered, savings_plan_effective_cost: "0.07" }),
        support.line({ line_item_type: "SavingsPlanNegation", savings_plan_arn: plan, unblended_cost: "-0.096" }),
        support.line({ line_item_id: "line-2" })
      ])
      yield* support.convert(dataset, { from: "2026-03-01" })
      expect(yield* commitments(dataset)).toEqual([
        ["a", "Spend", "0.07", "USD", "2026-03-02", "2026-03-02", "charges", "charges", 1]
      ])
      expect(yield* applied(dataset, "/a")).toMatchObject([
        {
          Elements: [
            { ContractCommitmentID: plan, ContractCommitmentAppliedCost: 0.07, ContractCommitmentAppliedQuantity: null }
          ]
        }
      ])
      expect(
        yield* dataset.query("SELECT COUNT(*) AS n FROM cost_data_standard_1_3 WHERE ContractApplied IS NOT NULL")
      ).toEqual([{ n: 1 }])
    })
  )
})
