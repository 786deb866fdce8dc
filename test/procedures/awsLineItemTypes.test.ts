/**
 * Kinds of report lines that no sample has, made up one by one.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as support from "./support.ts"

const { costColumns: columns, line, reservation, rowsOf } = support

const unpriced = { usage_amount: null, unblended_rate: null, pricing_rate_code: null, public_on_demand_rate: null }
const earlier = {
  usage_date: "2026-02-10",
  usage_start_time: "2026-02-10T00:00:00Z",
  usage_end_time: "2026-02-10T01:00:00Z"
}
layer(support.layer)("AWS line item types", (it) => {
  it.effect("keeps discounts as rows of their own where costs are not net of them", () =>
    Effect.gen(function* () {
      const rows = yield* rowsOf(
        "discounts_apart",
        [line({}), line({ ...unpriced, line_item_type: "EdpDiscount", unblended_cost: "-0.01" })],
        `${columns}, x_DiscountType AS discount, x_CostBasis AS basis`
      )
      expect(rows).toEqual([
        {
          category: "Usage",
          class: null,
          billed: "0.096",
          effective: "0.096",
          contracted: "0.096",
          list: "0.096",
          discount: null,
          basis: "unblended_cost"
        },
        {
          category: "Adjustment",
          class: null,
          billed: "-0.01",
          effective: "-0.01",
          contracted: "-0.01",
          list: "0",
          discount: "EdpDiscount",
          basis: "unblended_cost"
        }
      ])
    })
  )

  it.effect("chooses the cost basis per file", () =>
    Effect.gen(function* () {
      const rows = yield* rowsOf(
        "basis_per_file",
        [
          line({ net_unblended_cost: "0.08", x_source_file: "net.csv" }),
          line({
            line_item_type: "EdpDiscount",
            unblended_cost: "-0.016",
            net_unblended_cost: "0",
            x_source_file: "net.csv"
          }),
          line({ x_source_file: "plain.csv" })
        ],
        "x_source_file AS file, x_CostBasis AS basis, CAST(BilledCost AS STRING) AS billed"
      )
      expect(rows).toEqual([
        { file: "net.csv", basis: "net_unblended_cost", billed: "0.08" },
        { file: "plain.csv", basis: "unblended_cost", billed: "0.096" }
      ])
    })
  )

  it.effect("keeps a discount of a net file whose own net cost is not 0", () =>
    Effect.gen(function* () {
      const rows = yield* rowsOf("unfolded_discount", [
        line({ net_unblended_cost: "0.096" }),
        line({ ...unpriced, line_item_type: "Discount", unblended_cost: "-5", net_unblended_cost: "-5" })
      ])
      expect(rows[1]).toMatchObject({ category: "Adjustment", billed: "-5", list: "0" })
    })
  )

  it.effect("converts what it does not know as an adjustment, and says so", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("unknown_type")
      yield* support.loadLines(dataset, [line({ line_item_type: "LoyaltyGift", product_code: "AmazonUnheardOf" })])
      expect(yield* support.convert(dataset, { from: "2026-03-01" })).toMatchObject({
        unknown_line_item_types: "LoyaltyGift",
        unknown_product_codes: "AmazonUnheardOf"
      })
      expect(
        yield* dataset.query(
          "SELECT ChargeCategory AS category, ServiceName AS service, ServiceCategory AS service_category, x_ChargeSubtype AS subtype FROM cost_data_standard_1_3"
        )
      ).toEqual([
        {
          category: "Adjustment",
          service: "AmazonUnheardOf",
          service_category: "Other",
          subtype: "Unknown Line Item Type"
        }
      ])
    })
  )

  it.effect("tells refunds apart: of tax, of an earlier month, of a commitment, of known usage, of anything else", () =>
    Effect.gen(function* () {
      const refund = { line_item_type: "Refund", unblended_cost: "-2", unblended_rate: null }
      const rows = yield* rowsOf(
        "refunds",
        [
          line({ ...refund, tax_type: "VAT" }),
          line({ ...refund, ...earlier }),
          line({ ...refund, ...earlier, ...reservation }),
          line({ ...refund, ...reservation, pricing_lease_contract_length: "1yr" }),
          line({ ...refund, usage_amount: "4" }),
          line({ ...refund, usage_amount: "4", public_on_demand_rate: null }),
          line({ ...refund, ...unpriced })
        ],
        `${columns}, CAST(PricingQuantity AS STRING) AS quantity, CAST(ContractedUnitPrice AS STRING) AS price, x_ChargeSubtype AS subtype`
      )
      const amounts = { billed: "-2", effective: "-2", contracted: "-2", list: "-2" }
      const none = { quantity: null, price: null, subtype: "Refund" }
      expect(rows).toEqual([
        { category: "Tax", class: null, ...amounts, ...none },
        { category: "Usage", class: "Correction", ...amounts, ...none },
        { category: "Purchase", class: "Correction", ...amounts, effective: "0", ...none },
        {
          category: "Purchase",
          class: null,
          ...amounts,
          effective: "0",
          quantity: "-1",
          price: "2",
          subtype: "Refund"
        },
        { category: "Usage", class: null, ...amounts, list: "-0.384", quantity: "-4", price: "0.5", subtype: "Refund" },
        { category: "Usage", class: null, ...amounts, quantity: "-4", price: "0.5", subtype: "Refund" },
        { category: "Adjustment", class: null, ...amounts, ...none }
      ])
    })
  )

  it.effect("prices a fee as one piece where its cost cannot be divided by its quantity", () =>
    Effect.gen(function* () {
      const rows = yield* rowsOf(
        "indivisible_fee",
        [line({ ...unpriced, line_item_type: "Fee", usage_amount: "3", unblended_cost: "10" })],
        `${columns}, CAST(PricingQuantity AS STRING) AS quantity, CAST(ContractedUnitPrice AS STRING) AS price,
          CAST(x_NativeQuantity AS STRING) AS native, PricingUnit AS unit, ChargeFrequency AS frequency`
      )
      expect(rows).toEqual([
        {
          category: "Purchase",
          class: null,
          billed: "10",
          effective: "10",
          contracted: "10",
          list: "10",
          quantity: "1",
          price: "10",
          native: "3",
          unit: "Count",
          frequency: "One-Time"
        }
      ])
    })
  )

  it.effect("folds discounts of the Solution Provider Program, and buys a flat rate's months", () =>
    Effect.gen(function* () {
      const rows = yield* rowsOf(
        "partner_discount",
        [
          line({ net_unblended_cost: "0.08" }),
          line({ ...unpriced, line_item_type: "SppDiscount", unblended_cost: "-0.016", net_unblended_cost: "0" }),
          line({
            ...unpriced,
            line_item_type: "FlatRateSubscription",
            usage_amount: "1",
            unblended_cost: "20",
            net_unblended_cost: "19"
          })
        ],
        `${columns}, ChargeFrequency AS frequency`
      )
      expect(rows).toMatchObject([
        { category: "Usage", billed: "0.08" },
        { category: "Purchase", billed: "19", effective: "19", contracted: "19", list: "19", frequency: "Recurring" }
      ])
    })
  )

  it.effect("rounds a quantity half to even, only where price x quantity would not fit 24 decimals", () =>
    Effect.gen(function* () {
      const rows = yield* rowsOf(
        "long_quantities",
        [
          line({
            unblended_rate: "0.0000166667",
            public_on_demand_rate: "0.02",
            usage_amount: "1.1234567890123450000001"
          }),
          line({ unblended_rate: "0.0000166667", public_on_demand_rate: "0.02", usage_amount: "1.123456789012345" }),
          line({ unblended_rate: "0.16", public_on_demand_rate: "0.16", usage_amount: "0.0235971692316145" })
        ],
        `CAST(PricingQuantity AS STRING) AS quantity, CAST(x_NativeQuantity AS STRING) AS native,
          ContractedUnitPrice * PricingQuantity = ContractedCost AND ListUnitPrice * PricingQuantity = ListCost AS exact`
      )
      expect(rows).toEqual([
        { quantity: "1.12345678901235", native: "1.1234567890123450000001", exact: true },
        { quantity: "1.12345678901234", native: "1.123456789012345", exact: true },
        { quantity: "0.0235971692316145", native: null, exact: true }
      ])
    })
  )

  it.effect("sells block storage as a service of its own, and knows regions by zone and place", () =>
    Effect.gen(function* () {
      const rows = yield* rowsOf(
        "services_and_regions",
        [
          line({ usage_type: "EBS:VolumeUsage.gp3", resource_id: "vol-0123456789abcdef0" }),
          line({ region: "global", resource_id: "arn:aws:s3:::a-bucket/path" }),
          line({ region: null, availability_zone: "us-west-2a" }),
          line({ region: null, region_location: "EU (Frankfurt)", region_location_type: "AWS Region" }),
          line({ region: "xx-new-1", availability_zone: "xx-new-1", product_family: "Gadget", resource_id: "thing" })
        ],
        "ServiceName AS service, ServiceCategory AS category, RegionId AS region, RegionName AS name, AvailabilityZone AS zone, ResourceType AS type"
      )
      const compute = { service: "Amazon Elastic Compute Cloud", category: "Compute" }
      expect(rows).toEqual([
        {
          service: "Amazon EBS",
          category: "Storage",
          region: "us-east-1",
          name: "US East (N. Virginia)",
          zone: null,
          type: "volume"
        },
        { ...compute, region: null, name: null, zone: null, type: "bucket" },
        { ...compute, region: "us-west-2", name: "US West (Oregon)", zone: "us-west-2a", type: null },
        { ...compute, region: "eu-central-1", name: "EU (Frankfurt)", zone: null, type: null },
        { ...compute, region: "xx-new-1", name: "xx-new-1", zone: null, type: "Gadget" }
      ])
    })
  )

  it.effect("strips the scheme of user tags, keeps that of AWS, and takes the name from the tags", () =>
    Effect.gen(function* () {
      const rows = yield* rowsOf(
        "tags",
        [
          line({
            resource_id: "i-0123",
            resource_tags_json: `{"user:Name":"web, \\"user:x\\"","user:team":"a","aws:createdBy":"b"}`
          }),
          line({ resource_id: "i-0123", resource_tags_json: `{"user_name":"i-0123", "user_user_id":"7"}` }),
          line({ resource_tags_json: "{}", cost_category_json: `{"team":"core"}` })
        ],
        "Tags AS tags, ResourceName AS name, x_CostCategories AS categories"
      )
      expect(rows).toEqual([
        {
          tags: { Name: `web, "user:x"`, team: "a", "aws:createdBy": "b" },
          name: `web, "user:x"`,
          categories: null
        },
        { tags: { name: "i-0123", user_id: "7" }, name: null, categories: null },
        { tags: null, name: null, categories: { team: "core" } }
      ])
    })
  )

  it.effect("ends periods exclusively, whatever the report does", () =>
    Effect.gen(function* () {
      const rows = yield* rowsOf(
        "period_ends",
        [
          line({ usage_start_time: "2026-03-01T00:00:00Z", usage_end_time: "2026-03-31T23:59:59Z" }),
          line({ usage_end_time: "2026-03-02T00:00:00Z" })
        ],
        "ChargePeriodStart AS start, ChargePeriodEnd AS ending, BillingPeriodEnd AS billing"
      )
      expect(rows).toEqual([
        { start: "2026-03-01T00:00:00Z", ending: "2026-04-01T00:00:00Z", billing: "2026-04-01T00:00:00Z" },
        { start: "2026-03-02T00:00:00Z", ending: "2026-03-02T00:00:01Z", billing: "2026-04-01T00:00:00Z" }
      ])
    })
  )
})
