/**
 * Kinds of Azure lines that no sample has: taxes, credits, refunds, other currencies, exports without pricing model, negative lines.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { JsonObject } from "../../src/platform/Json.ts"
import { expectSound, periods } from "../support/FocusProof.ts"
import { convert, line, loadCharges, loadLines } from "./azureSupport.ts"
import * as support from "./support.ts"

const reservation = {
  benefit_id: "/providers/Microsoft.Capacity/reservationOrders/o1/reservations/r1",
  benefit_name: "RI",
  pricing_model: "Reservation",
  product_order_id: "o1",
  payg_price: "0",
  term: "12"
}
const purchase = {
  ...reservation,
  charge_type: "Purchase",
  frequency: "OneTime",
  meter_id: "00000000-0000-0000-0000-000000000000",
  resource_id: null,
  unit_of_measure: "1",
  unit_price: "730",
  effective_price: "730",
  cost_in_billing_currency: "730"
}
const refund = {
  ...purchase,
  charge_type: "Refund",
  usage_quantity: "-1",
  cost_in_billing_currency: "-700",
  effective_price: "700"
}
const bare = {
  meter_id: null,
  resource_id: null,
  usage_quantity: null,
  unit_price: null,
  effective_price: null,
  payg_price: null,
  unit_of_measure: null,
  pricing_model: null,
  consumed_service: null,
  meter_category: null,
  meter_name: null
}
/** As of a Microsoft Customer Agreement that prices in US dollars and bills in euros, at 0.9. */
const euro = {
  billing_account_id: "a:b_2019-05-31",
  billing_profile_id: "PROF-1",
  billing_profile_name: "Profile",
  billing_currency: "EUR",
  pricing_currency: "USD",
  exchange_rate: "0.9",
  invoice_id: "G001",
  product_id: "DZH318Z0BNZJ005D"
}

/** Each line and what its FOCUS row must be. */
const kinds: ReadonlyArray<readonly [what: string, line: JsonObject, expected: JsonObject]> = [
  [
    "a tax",
    { ...bare, charge_type: "Tax", cost_in_billing_currency: "19" },
    { category: "Tax", billed: "19", effective: "19", list: "19", service: "Tax", quantity: null, sku: null }
  ],
  [
    "a credit",
    { ...bare, charge_type: "Credit", cost_in_billing_currency: "-5" },
    { category: "Credit", billed: "-5", effective: "-5", list: "-5", frequency: "One-Time" }
  ],
  [
    "a kind that nobody knows",
    { ...bare, charge_type: "Something", cost_in_billing_currency: "2" },
    { category: "Adjustment", billed: "2", effective: "2" }
  ],
  [
    "a negative line",
    { usage_quantity: "2", cost_in_billing_currency: "-0.42" },
    { category: "Usage", billed: "-0.42", contracted: "-0.42", quantity: "-2", list: "-0.48" }
  ],
  ["a line without a retail price", { payg_price: null }, { list: "0.21", price: "0.21" }],
  [
    "a free line",
    { cost_in_billing_currency: "0", unit_price: "0", effective_price: "0", payg_price: "0" },
    { price: "0", list: "0" }
  ],
  ["a price that is unknown beside a cost", { unit_price: "0" }, { price: "0.21", contracted: "0.21" }],
  [
    "a Marketplace usage",
    { publisher_type: "Marketplace", publisher_name: "Contoso", payg_price: "0" },
    { provider: "Contoso", list: "0.21", class: null }
  ],
  [
    "a purchase without a quantity",
    { ...purchase, benefit_id: null, pricing_model: "OnDemand", usage_quantity: null, payg_price: null },
    { category: "Purchase", quantity: "1", price: "730", effective: "730" }
  ],
  [
    "euros at dollar prices",
    { ...euro, cost_in_billing_currency: "0.189", cost_in_pricing_currency: "0.21" },
    {
      billed: "0.189",
      contracted: "0.189",
      list: "0.216",
      price: "0.189",
      pricingPrice: "0.21",
      account: "PROF-1",
      invoice: "G001",
      sku: "DZH318Z0BNZJ005D"
    }
  ],
  ["euros at euro prices", { ...euro }, { billed: "0.21", contracted: "0.21", price: "0.21" }],
  [
    "a charge of no subscription and no region",
    { subscription_id: null, subscription_name: null, resource_location: "Unassigned" },
    { subAccount: null, region: null }
  ],
  ["a region that nobody knows", { resource_location: "Mars West 2" }, { region: "marswest2" }],
  [
    "a service that nobody knows",
    {
      consumed_service: "Microsoft.Mars",
      meter_category: "Mars Rovers",
      resource_id: "/subscriptions/1/resourceGroups/g/providers/Microsoft.Mars/rovers/r1"
    },
    { service: "Mars Rovers" }
  ],
  [
    "24 decimals",
    {
      usage_quantity: "0.000000080000000000000001",
      unit_price: "0.087",
      payg_price: "0.087",
      cost_in_billing_currency: "0.000000006960000000000001"
    },
    { billed: "0.000000006960000000000001", contracted: "0.00000000696", quantity: "0.00000008" }
  ],
  ["tags that are no JSON", { resource_tags_json: "env: prod", additional_info_json: "{broken" }, { tags: null }],
  [
    "properties of the charge",
    {
      additional_info_json:
        '{"UsageType":"ComputeHR","VCPUs":"8","ServiceType":"Standard_D8s_v5","VMName":"vm1","Nested":1}'
    },
    { details: { InstanceType: "Standard_D8s_v5", CoreCount: 8, x_UsageType: "ComputeHR", x_Nested: 1 } }
  ],
  [
    "properties of a charge that no machine makes",
    { additional_info_json: '{"UsageType":"DataTrOut","ServiceType":""}' },
    { details: { x_UsageType: "DataTrOut" } }
  ],
  [
    "properties that FOCUS has no key for",
    { additional_info_json: '{"VMCapacityReservationId":"/subscriptions/1/cr"}' },
    { details: null }
  ]
]

const selected = `ChargeCategory AS category, ChargeClass AS class, ChargeFrequency AS frequency, CAST(BilledCost AS STRING) AS billed,
  CAST(EffectiveCost AS STRING) AS effective, CAST(ContractedCost AS STRING) AS contracted, CAST(ListCost AS STRING) AS list,
  CAST(PricingQuantity AS STRING) AS quantity, CAST(ContractedUnitPrice AS STRING) AS price, ServiceName AS service, SkuId AS sku,
  CAST(PricingCurrencyContractedUnitPrice AS STRING) AS pricingPrice, BillingAccountId AS account, InvoiceId AS invoice,
  ServiceProviderName AS provider, SubAccountId AS subAccount, RegionId AS region, Tags AS tags, SkuPriceDetails AS details`

layer(support.layer)("Azure charge kinds", (it) => {
  it.effect("become the rows that FOCUS asks for, without a violated rule", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("azure_kinds")
      yield* loadLines(
        dataset,
        kinds.map(([, change]) => line(change))
      )
      const result = yield* convert(dataset, "2026-04-01")
      expect(result).toMatchObject({ rows_inserted: kinds.length, unknown_services: "Mars Rovers" })
      const rows = yield* dataset.query(`SELECT ${selected} FROM cost_data_standard_1_3 ORDER BY x_source_row`)
      for (const [index, [what, , expected]] of kinds.entries()) expect(rows[index], what).toMatchObject(expected)
      const { reconciliation } = yield* expectSound(dataset, "azure", periods("2026-04-01"))
      expect(reconciliation.map(({ currency }) => currency)).toEqual(["EUR", "USD"])
    })
  )

  it.effect("refunds of this month take its purchase back, others correct an earlier one", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("azure_refunds")
      yield* loadLines(dataset, [
        line(purchase),
        line(refund),
        line({ ...refund, benefit_id: `${reservation.benefit_id}-old`, product_order_id: "o0" }),
        line({ ...refund, previous_invoice_id: "G000" }),
        line({ cost_view: "amortized" })
      ])
      yield* convert(dataset, "2026-04-01")
      const rows = yield* dataset.query(
        "SELECT ChargeClass AS class, CAST(BilledCost AS STRING) AS billed, CAST(EffectiveCost AS STRING) AS effective, CAST(PricingQuantity AS STRING) AS quantity FROM cost_data_standard_1_3 ORDER BY x_source_row"
      )
      expect(rows).toEqual([
        { class: null, billed: "730", effective: "0", quantity: "1" },
        { class: null, billed: "-700", effective: "0", quantity: "-1" },
        { class: "Correction", billed: "-700", effective: "0", quantity: null },
        { class: "Correction", billed: "-700", effective: "0", quantity: null },
        { class: null, billed: "0.21", effective: "0.21", quantity: "1" }
      ])
    })
  )

  it.effect("commitments are known without a pricing model, and a missing view is named", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("azure_old_columns")
      const old = { pricing_model: null, payg_price: null, benefit_id: null, benefit_name: null }
      yield* loadLines(dataset, [
        line({ ...old, cost_view: "amortized", reservation_id: "r1", unit_price: "0" }),
        line({
          ...old,
          cost_view: "amortized",
          charge_type: "UnusedReservation",
          reservation_id: "r1",
          resource_id: null
        }),
        line({
          ...old,
          cost_view: "amortized",
          charge_type: "UnusedSavingsPlan",
          product_order_id: "p1",
          product_order_name: "Compute savings plan, 3 Years",
          resource_id: null
        }),
        line({ cost_view: "amortized" })
      ])
      const result = yield* convert(dataset, "2026-04-01")
      expect(result["missing_cost_views"]).toBe("2026-04-01 (credential main) has no actual export")
      const rows = yield* dataset.query(
        "SELECT CommitmentDiscountId AS id, CommitmentDiscountType AS type, CommitmentDiscountStatus AS status, CAST(BilledCost AS STRING) AS billed, CAST(EffectiveCost AS STRING) AS effective FROM cost_data_standard_1_3 ORDER BY x_source_row"
      )
      expect(rows).toEqual([
        { id: "r1", type: "Reservation", status: "Used", billed: "0", effective: "0.21" },
        { id: "r1", type: "Reservation", status: "Unused", billed: "0", effective: "0.21" },
        { id: "p1", type: "Savings Plan", status: "Unused", billed: "0", effective: "0.21" },
        { id: null, type: null, status: null, billed: "0.21", effective: "0.21" }
      ])
      yield* expectSound(dataset, "azure", periods("2026-04-01"))
    })
  )

  it.effect(
    "a month is replaced by its restatement, and no other month with it; both formats at once are refused",
    () =>
      Effect.gen(function* () {
        const dataset = yield* support.org("azure_restated")
        const may = { billing_period_start: "2026-05-01", usage_date: "2026-05-05" }
        const months =
          "SELECT CAST(DATE(BillingPeriodStart) AS STRING) AS period, CAST(SUM(BilledCost) AS STRING) AS billed, MIN(x_run_id) AS run FROM cost_data_standard_1_3 GROUP BY 1 ORDER BY 1"
        yield* loadLines(dataset, [line({}), line(may)])
        yield* convert(dataset, "2026-04-01", "2026-05-31")
        yield* loadLines(dataset, [line({ cost_in_billing_currency: "0.5" })])
        yield* support.convert(dataset, { from: "2026-04-01", run: support.secondRun }, "azure")
        expect(yield* dataset.query(months)).toEqual([
          { period: "2026-04-01", billed: "0.5", run: support.secondRun },
          { period: "2026-05-01", billed: "0.21", run: support.firstRun }
        ])
        yield* loadCharges(dataset, [
          support.charge({
            billing_period_start_date: "2026-04-01",
            BillingPeriodStart: "2026-04-01T00:00:00Z",
            SubAccountId: "/subscriptions/11111111-0000-4000-8000-000000000001"
          })
        ])
        expect((yield* Effect.flip(convert(dataset, "2026-04-01"))).message).toContain(
          "has both cost details and a FOCUS export of subscription 11111111-0000-4000-8000-000000000001 in 2026-04-01"
        )
        expect(yield* dataset.query(months)).toHaveLength(2)
      })
  )
})
