/**
 * Commitments of report lines that no sample has: capacity reservations, size-flexible reservations, savings plans' negations.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as support from "./support.ts"

const { costColumns: columns, line, reservation, rowsOf } = support

layer(support.layer)("AWS commitments", (it) => {
  it.effect("names capacity reservations by their own columns, by the reservation or by the resource", () =>
    Effect.gen(function* () {
      const arn = "arn:aws:ec2:us-east-1:111111111111:capacity-reservation/cr-1"
      const rows = yield* rowsOf(
        "capacity_reservations",
        [
          line({ capacity_reservation_arn: arn, capacity_reservation_status: "Used" }),
          line({ capacity_reservation_arn: arn, capacity_reservation_status: "Unused" }),
          line({ capacity_reservation_arn: arn, capacity_reservation_status: "Canceled" }),
          line({ capacity_reservation_arn: arn, capacity_reservation_status: "Reserved" }),
          line({
            ...reservation,
            line_item_type: "DiscountedUsage",
            reservation_effective_cost: "0.03",
            capacity_reservation_arn: arn,
            capacity_reservation_status: "Used"
          }),
          line({ reservation_arn: arn }),
          line({ resource_id: arn, usage_type: "UnusedBox:m5.large" }),
          line({ line_item_type: "Tax", capacity_reservation_arn: arn }),
          line({})
        ],
        "CapacityReservationId AS id, CapacityReservationStatus AS status, CommitmentDiscountStatus AS commitment"
      )
      expect(rows).toEqual([
        { id: arn, status: "Used", commitment: null },
        { id: arn, status: "Unused", commitment: null },
        { id: arn, status: "Unused", commitment: null },
        { id: arn, status: "Used", commitment: null },
        { id: arn, status: "Used", commitment: "Used" },
        { id: arn, status: "Used", commitment: null },
        { id: arn, status: "Unused", commitment: null },
        { id: arn, status: null, commitment: null },
        { id: null, status: null, commitment: null }
      ])
    })
  )

  it.effect("counts a size-flexible reservation in normalized hours on all its rows", () =>
    Effect.gen(function* () {
      const rows = yield* rowsOf(
        "size_flexible",
        [
          line({
            ...reservation,
            line_item_type: "DiscountedUsage",
            usage_amount: "6",
            normalized_usage_amount: "24",
            unblended_cost: "0",
            unblended_rate: "0",
            reservation_effective_cost: "0.3"
          }),
          line({
            ...reservation,
            line_item_type: "RIFee",
            usage_amount: "10",
            unblended_rate: "0.05",
            unblended_cost: "0.5",
            reservation_total_reserved_normalized_units: "40",
            reservation_unused_quantity: "4",
            reservation_unused_normalized_unit_quantity: "16",
            reservation_unused_recurring_fee: "0.2",
            reservation_unused_amortized_upfront_fee_for_billing_period: "0"
          })
        ],
        `${columns}, CAST(CommitmentDiscountQuantity AS STRING) AS quantity, CommitmentDiscountUnit AS unit, CommitmentDiscountStatus AS status`
      )
      const common = { class: null, unit: "Normalized Hours" }
      expect(rows).toEqual([
        {
          category: "Usage",
          billed: "0",
          effective: "0.3",
          contracted: "0.576",
          list: "0.576",
          quantity: "24",
          status: "Used",
          ...common
        },
        {
          category: "Purchase",
          billed: "0.5",
          effective: "0",
          contracted: "0.5",
          list: "0.5",
          quantity: "40",
          status: null,
          ...common
        },
        {
          category: "Usage",
          billed: "0",
          effective: "0.2",
          contracted: "0.2",
          list: "0.2",
          quantity: "16",
          status: "Unused",
          ...common
        }
      ])
    })
  )

  it.effect("adjusts for what savings plan negations leave over, once per payer and month", () =>
    Effect.gen(function* () {
      const plan = { savings_plan_arn: "arn:aws:savingsplans::111111111111:savingsplan/p-1" }
      const dataset = yield* support.org("negation_residue")
      yield* support.loadLines(dataset, [
        line({
          ...plan,
          line_item_type: "SavingsPlanCoveredUsage",
          unblended_cost: "1",
          savings_plan_effective_cost: "0.7"
        }),
        line({ ...plan, line_item_type: "SavingsPlanNegation", unblended_cost: "-0.999" })
      ])
      expect(yield* support.convert(dataset, { from: "2026-03-01" })).toMatchObject({
        rows_native: 2,
        rows_dropped_negation: 1,
        rows_residue: 1,
        rows_inserted: 2
      })
      expect(
        yield* dataset.query(
          `SELECT ${columns}, x_ChargeSubtype AS subtype FROM cost_data_standard_1_3 ORDER BY billed`
        )
      ).toEqual([
        {
          category: "Usage",
          class: null,
          billed: "0",
          effective: "0.7",
          contracted: "0.096",
          list: "0.096",
          subtype: null
        },
        {
          category: "Adjustment",
          class: null,
          billed: "0.001",
          effective: "0.001",
          contracted: "0.001",
          list: "0.001",
          subtype: "Savings Plan Residue"
        }
      ])
    })
  )
})
