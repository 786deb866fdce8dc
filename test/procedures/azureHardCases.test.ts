/**
 * The hand-made pair of exports with every kind of charge that Azure bills: each row is checked against what focus.md asks of it.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { convert, loadDetails } from "./azureSupport.ts"
import * as support from "./support.ts"

const actual = "azure/ea/hard_cases_actual.csv"
const amortized = "azure/ea/hard_cases_amortized.csv"

const converted = (slug: string) =>
  Effect.gen(function* () {
    const dataset = yield* support.org(slug)
    yield* loadDetails(dataset, { [actual]: "actual", [amortized]: "amortized" })
    return { dataset, result: yield* convert(dataset, "2026-04-15") }
  })

const columns = `ChargeCategory AS category, ChargeFrequency AS frequency, ChargeClass AS class, PricingCategory AS pricing,
  CAST(BilledCost AS STRING) AS billed, CAST(EffectiveCost AS STRING) AS effective, CAST(ContractedCost AS STRING) AS contracted,
  CAST(ListCost AS STRING) AS list, CAST(PricingQuantity AS STRING) AS quantity, PricingUnit AS unit,
  CAST(ContractedUnitPrice AS STRING) AS price, CommitmentDiscountStatus AS status`

const usage = {
  category: "Usage",
  frequency: "Usage-Based",
  class: null,
  pricing: "Standard",
  status: null,
  unit: "Hours"
}
const purchase = {
  category: "Purchase",
  frequency: "Recurring",
  class: null,
  pricing: "Standard",
  status: null,
  unit: "Units"
}
const same = (amount: string) => ({ billed: amount, effective: amount, contracted: amount, list: amount })
const covered = { ...usage, pricing: "Committed", billed: "0", status: "Used" }
const unused = { ...usage, pricing: "Committed", billed: "0", status: "Unused" }

/** By file and row. 24 h x 0.21 = 5.04, at the retail price of 0.24 it is 5.76, and so on. */
const expected: ReadonlyArray<readonly [file: string, row: number, charge: object]> = [
  [amortized, 1, { ...usage, ...same("5.04"), list: "5.76", quantity: "24", price: "0.21" }],
  [amortized, 2, { ...usage, pricing: "Dynamic", ...same("0.1872"), list: "1.44", quantity: "6", price: "0.0312" }],
  // Quantities are in blocks of 10K.
  [
    amortized,
    3,
    { ...usage, ...same("0.00004644"), list: "0.0000516", quantity: "0.0129", price: "0.0036", unit: "10000 Units" }
  ],
  // A reservation: nobody tells what its hours would have cost, so the costs at prices are the amortised one.
  [amortized, 4, { ...covered, effective: "1.35", contracted: "1.35", list: "1.35", quantity: "18", price: null }],
  [amortized, 5, { ...unused, effective: "0.45", contracted: "0.45", list: "0.45", quantity: "6", price: "0.075" }],
  [actual, 5, { ...purchase, ...same("54"), effective: "0", quantity: "1", price: "54" }],
  // Refunded in the month that it was bought in.
  [actual, 6, { ...purchase, frequency: "One-Time", ...same("-27"), effective: "0", quantity: "-1", price: "27" }],
  // A savings plan: 10 h at 0.101 would have cost 1.01; 0.07 of it was not used.
  [amortized, 6, { ...covered, effective: "0.65", contracted: "1.01", list: "1.01", quantity: "10", price: "0.101" }],
  [
    amortized,
    7,
    { ...unused, effective: "0.07", contracted: "0.07", list: "0.07", quantity: "0.07", price: "1", unit: "USD" }
  ],
  [actual, 8, { ...purchase, ...same("0.72"), effective: "0", quantity: "1", price: "0.72" }],
  // Marketplace, a capacity reservation that nobody used, a rounding.
  [amortized, 8, { ...purchase, ...same("99"), quantity: "1", price: "99" }],
  [amortized, 9, { ...usage, ...same("0.4"), list: "0.46", quantity: "4", price: "0.1" }],
  [
    amortized,
    10,
    {
      ...usage,
      category: "Adjustment",
      frequency: "One-Time",
      pricing: null,
      ...same("0.01"),
      quantity: null,
      price: null,
      unit: null
    }
  ]
]

layer(support.layer)("Azure hard cases", (it) => {
  it.effect.skipIf(support.samplesMissing)(
    "bills what the actual view bills and amortises as the amortized one does",
    () =>
      Effect.gen(function* () {
        const { dataset, result } = yield* converted("azure_totals")
        expect(yield* support.totals(dataset)).toEqual([
          { period: "2026-04-01", currency: "USD", charges: 13, billed: "132.35724644", effective: "107.15724644" }
        ])
        expect(result).toMatchObject({
          rows_native: 21,
          rows_inserted: 13,
          rows_dropped_duplicate: 8,
          missing_cost_views: null,
          unknown_services: null
        })
      })
  )

  it.effect.skipIf(support.samplesMissing)("gives every line the row of its kind", () =>
    Effect.gen(function* () {
      const { dataset } = yield* converted("azure_rows")
      for (const [file, row, charge] of expected) {
        const rows = yield* dataset.query(
          `SELECT ${columns} FROM cost_data_standard_1_3 WHERE x_source_file = 'sample:${file}' AND x_source_row = ${row}`
        )
        expect(rows, `${file}:${row}`).toEqual([charge])
      }
      expect(expected).toHaveLength(13)
    })
  )

  it.effect.skipIf(support.samplesMissing)("names services, regions, resources, commitments, sellers and tags", () =>
    Effect.gen(function* () {
      const { dataset } = yield* converted("azure_names")
      const of = (file: string, row: number, selected: string) =>
        Effect.map(
          dataset.query(
            `SELECT ${selected} FROM cost_data_standard_1_3 WHERE x_source_file = 'sample:${file}' AND x_source_row = ${row}`
          ),
          (rows) => rows[0]
        )
      expect(
        yield* of(
          amortized,
          1,
          `BillingAccountId, BillingAccountType, SubAccountName, RegionId, RegionName, ResourceName, ResourceType, ServiceName,
          ServiceCategory, ServiceSubcategory, SkuId, SkuPriceId, Tags, SkuPriceDetails, x_CostCenter, InvoiceId`
        )
      ).toEqual({
        BillingAccountId: "71111111",
        BillingAccountType: "Billing Account",
        SubAccountName: "acme-prod",
        RegionId: "westeurope",
        RegionName: "West Europe",
        ResourceName: "vm1",
        ResourceType: "Virtual machine",
        ServiceName: "Virtual Machines",
        ServiceCategory: "Compute",
        ServiceSubcategory: "Virtual Machines",
        SkuId: "m-d4sv5",
        SkuPriceId: "m-d4sv5/1 Hour/",
        Tags: { env: "prod", team: "core" },
        SkuPriceDetails: { InstanceType: "Standard_D4s_v5", CoreCount: 4 },
        x_CostCenter: "4711",
        InvoiceId: null
      })
      const commitment = `CommitmentDiscountType AS type, CommitmentDiscountCategory AS category, CommitmentDiscountName AS name,
        CAST(CommitmentDiscountQuantity AS STRING) AS quantity, CommitmentDiscountUnit AS unit`
      const reservation = { type: "Reservation", category: "Usage", name: "VM_RI_A", unit: "Hours" }
      const plan = { type: "Savings Plan", category: "Spend", name: "SP_A", unit: "USD" }
      expect(yield* of(amortized, 4, commitment)).toEqual({ ...reservation, quantity: "18" })
      expect(yield* of(amortized, 5, commitment)).toEqual({ ...reservation, quantity: "6" })
      expect(yield* of(amortized, 6, commitment)).toEqual({ ...plan, quantity: "0.65" })
      expect(yield* of(amortized, 7, commitment)).toEqual({ ...plan, quantity: "0.07" })
      expect(yield* of(actual, 8, commitment)).toEqual({ ...plan, quantity: "0.72" })
      expect(yield* of(amortized, 3, "CAST(ConsumedQuantity AS STRING) AS quantity, ConsumedUnit AS unit")).toEqual({
        quantity: "129",
        unit: "Units"
      })
      expect(
        yield* of(amortized, 8, "ServiceProviderName, HostProviderName, InvoiceIssuerName, PublisherName")
      ).toEqual({
        ServiceProviderName: "Contoso Security",
        HostProviderName: "Microsoft",
        InvoiceIssuerName: "Microsoft",
        PublisherName: "Contoso Security"
      })
      expect(yield* of(amortized, 9, "CapacityReservationStatus AS status")).toEqual({ status: "Unused" })
    })
  )
})
