/**
 * Native FOCUS rows of older versions become FOCUS 1.3: names and values of today, dependent columns null, money untouched.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { JsonObject } from "../../src/platform/Json.ts"
import * as support from "./support.ts"

const { charge } = support

const lifted = (slug: string, charges: ReadonlyArray<JsonObject>, selected: string) =>
  Effect.gen(function* () {
    const dataset = yield* support.org(slug)
    yield* support.loadCharges(
      dataset,
      charges.map((one, index) => ({ ...one, x_source_row: index + 1 }))
    )
    yield* support.convert(dataset, { from: "2026-03-01" })
    return yield* dataset.query(`SELECT ${selected} FROM cost_data_standard_1_3 ORDER BY x_source_row`)
  })

layer(support.layer)("AWS FOCUS lift", (it) => {
  it.effect("rewrites the words of earlier versions", () =>
    Effect.gen(function* () {
      const rows = yield* lifted(
        "old_words",
        [
          charge({
            ServiceCategory: "Database",
            ServiceName: "Amazon DynamoDB",
            PricingUnit: "Hrs",
            PricingCategory: "On-Demand"
          }),
          charge({
            ChargeCategory: "Adjustment",
            x_ChargeSubcategory: "Credit",
            SkuPriceId: null,
            ChargeFrequency: "One-time"
          }),
          charge({ ChargeCategory: "Purchase", ChargeFrequency: "Usage-Based" })
        ],
        `ChargeCategory AS category, ServiceCategory AS service_category, ServiceSubcategory AS subcategory, PricingUnit AS unit,
          PricingCategory AS pricing, ChargeFrequency AS frequency, PricingCurrency AS currency, HostProviderName AS host, ServiceProviderName AS seller`
      )
      expect(rows).toEqual([
        {
          category: "Usage",
          service_category: "Databases",
          subcategory: "NoSQL Databases",
          unit: "Hours",
          pricing: "Standard",
          frequency: "Usage-Based",
          currency: "USD",
          host: "AWS",
          seller: "AWS"
        },
        {
          category: "Credit",
          service_category: "Compute",
          subcategory: "Virtual Machines",
          unit: null,
          pricing: null,
          frequency: "One-Time",
          currency: "USD",
          host: "AWS",
          seller: "AWS"
        },
        expect.objectContaining({ category: "Purchase", frequency: "One-Time" })
      ])
    })
  )

  it.effect("converts billing periods that start within a month, beside those that start with it", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("within_month")
      const within = { billing_period_start_date: "2026-03-14", BillingPeriodStart: "2026-03-14T00:00:00Z" }
      yield* support.loadCharges(dataset, [
        charge({ x_source_row: 1 }),
        charge({ ...within, BillingPeriodEnd: "2026-04-14T00:00:00Z", x_source_row: 2 })
      ])
      for (const from of ["2026-03-14", "2026-03-01", "2026-03-14"]) yield* support.convert(dataset, { from })
      expect(
        yield* dataset.query(
          "SELECT CAST(BillingPeriodStart AS STRING) AS start FROM cost_data_standard_1_3 ORDER BY x_source_row"
        )
      ).toEqual([{ start: "2026-03-01 00:00:00+00" }, { start: "2026-03-14 00:00:00+00" }])
    })
  )

  it.effect("gives a subcategory of the row's own category, and a service of its own to block storage", () =>
    Effect.gen(function* () {
      const rows = yield* lifted(
        "subcategories",
        [
          charge({ ServiceSubcategory: "Containers" }),
          charge({ ServiceSubcategory: "Not One" }),
          charge({ ServiceCategory: "Storage" }),
          charge({ ServiceName: "AWS Key Management Service", ServiceCategory: "Identity" }),
          charge({ ServiceName: "Unheard Of", ServiceCategory: "Nope" })
        ],
        "ServiceName AS service, ServiceCategory AS category, ServiceSubcategory AS subcategory"
      )
      const compute = { service: "Amazon Elastic Compute Cloud", category: "Compute" }
      expect(rows).toEqual([
        { ...compute, subcategory: "Containers" },
        { ...compute, subcategory: "Virtual Machines" },
        { service: "Amazon EBS", category: "Storage", subcategory: "Block Storage" },
        { service: "AWS Key Management Service", category: "Identity", subcategory: "Other (Identity)" },
        { service: "Unheard Of", category: "Other", subcategory: "Other (Other)" }
      ])
    })
  )

  it.effect("stores price x quantity where a cost was only rounded, and keeps a cost that disagrees", () =>
    Effect.gen(function* () {
      const rows = yield* lifted(
        "rounded_costs",
        [
          charge({ PricingQuantity: "0.0001786314", ListUnitPrice: "0.085", ListCost: "0.0000151837" }),
          charge({ PricingQuantity: "0.5", ListUnitPrice: "2", ListCost: "0.75" }),
          charge({ ContractedCost: null, ListUnitPrice: null })
        ],
        `CAST(ListCost AS STRING) AS list, CAST(ListUnitPrice AS STRING) AS price, CAST(ContractedCost AS STRING) AS contracted,
          CAST(BilledCost AS STRING) AS billed`
      )
      expect(rows).toMatchObject([
        { list: "0.000015183669", price: "0.085", billed: "0.096" },
        { list: "0.75", price: "2", billed: "0.096" },
        { list: "0.096", price: "0.096", contracted: "0.096" }
      ])
    })
  )

  it.effect("nulls what 1.3 forbids without a SKU price, and fills what it demands of commitments", () =>
    Effect.gen(function* () {
      const plan = { CommitmentDiscountId: "arn:aws:savingsplans::1:savingsplan/p", EffectiveCost: "0.5" }
      const rows = yield* lifted(
        "dependent_columns",
        [
          charge({ ChargeCategory: "Tax", RegionName: "nowhere", RegionId: null, SubAccountId: null }),
          charge({
            ...plan,
            BilledCost: "0",
            CommitmentDiscountStatus: "Unused",
            ResourceId: null,
            PricingCategory: "Committed"
          })
        ],
        `SkuId AS sku, SkuPriceId AS sku_price, CAST(PricingQuantity AS STRING) AS quantity, CAST(ConsumedQuantity AS STRING) AS consumed,
          RegionName AS region, SubAccountType AS account_type, ResourceId AS resource, CommitmentDiscountCategory AS category,
          CAST(CommitmentDiscountQuantity AS STRING) AS committed, CommitmentDiscountUnit AS unit`
      )
      expect(rows).toEqual([
        {
          sku: null,
          sku_price: null,
          quantity: null,
          consumed: null,
          region: null,
          account_type: null,
          resource: null,
          category: null,
          committed: null,
          unit: null
        },
        {
          sku: "SKU1",
          sku_price: "SKU1.TERM.RATE",
          quantity: "1",
          consumed: null,
          region: "US East (N. Virginia)",
          account_type: "Linked Account",
          resource: "arn:aws:savingsplans::1:savingsplan/p",
          category: "Spend",
          committed: "0.5",
          unit: "USD"
        }
      ])
    })
  )

  it.effect("names the SKU and the price where an export has neither, and no price that the cost does not make", () =>
    Effect.gen(function* () {
      const unnamed = {
        SkuId: null,
        SkuPriceId: null,
        PricingCategory: null,
        ListUnitPrice: null,
        ContractedUnitPrice: null,
        x_ServiceCode: "AmazonEC2",
        x_UsageType: "BoxUsage"
      }
      const costs = (cost: string) => ({ BilledCost: cost, EffectiveCost: cost, ListCost: cost, ContractedCost: cost })
      const rows = yield* lifted(
        "without_skus",
        [
          charge({ ...unnamed, ...costs("1.5"), PricingQuantity: "12" }),
          charge({ ...unnamed, ...costs("2.5"), PricingQuantity: "24" }),
          charge({ ...unnamed, ...costs("1.123456789012345678"), PricingQuantity: "1" }),
          charge({
            ...unnamed,
            ...costs("0.012"),
            ContractedCost: null,
            ListUnitPrice: "0.0015",
            PricingQuantity: "8"
          }),
          charge({ ...unnamed, ...costs("0"), ContractedCost: null, ListUnitPrice: "0.0015", PricingQuantity: "8" }),
          charge({ ...unnamed, ...costs("-1"), ChargeCategory: "Credit" })
        ],
        `SkuPriceId AS sku_price, PricingCategory AS category, CAST(PricingQuantity AS STRING) AS quantity,
          CAST(ContractedUnitPrice AS STRING) AS contracted, CAST(ListUnitPrice AS STRING) AS list,
          CAST(ContractedCost AS STRING) AS cost`
      )
      const named = { sku_price: "AmazonEC2/BoxUsage", category: "Standard" }
      expect(rows).toEqual([
        { ...named, quantity: "12", contracted: "0.125", list: "0.125", cost: "1.5" },
        { ...named, quantity: "24", contracted: null, list: null, cost: "2.5" },
        {
          ...named,
          quantity: "1",
          contracted: "1.123456789012345678",
          list: "1.123456789012345678",
          cost: "1.123456789012345678"
        },
        { ...named, quantity: "8", contracted: "0.0015", list: "0.0015", cost: "0.012" },
        { ...named, quantity: "8", contracted: null, list: "0.0015", cost: "0" },
        { sku_price: null, category: null, quantity: null, contracted: null, list: null, cost: "-1" }
      ])
    })
  )

  it.effect("spells the keys of ContractApplied as 1.3 does, and names the marketplace seller", () =>
    Effect.gen(function* () {
      const rows = yield* lifted(
        "contracts_and_sellers",
        [
          charge({
            ContractApplied: `{"Elements":[{"ContractId":"c","ContractCommitmentId":"d"}]}`,
            PublisherName: "Example Seller"
          })
        ],
        "ContractApplied AS contracts, ServiceProviderName AS seller, ProviderName AS provider, HostProviderName AS host"
      )
      expect(rows).toEqual([
        {
          contracts: { Elements: [{ ContractId: "c", ContractCommitmentID: "d" }] },
          seller: "Example Seller",
          provider: "AWS",
          host: "AWS"
        }
      ])
    })
  )
})
