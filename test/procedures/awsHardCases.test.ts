/**
 * The hand-made report with every kind of line that AWS bills: each row is checked against what focus.md asks of its line item type.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as support from "./support.ts"

const sample = "aws/cur2/hard_cases.csv"

const converted = (slug: string) =>
  Effect.gen(function* () {
    const dataset = yield* support.org(slug)
    yield* support.loadReport(dataset, sample)
    return { dataset, result: yield* support.convert(dataset, { from: "2026-03-15" }) }
  })

/** The rows of one native line, its first part first; amounts as text. */
const rowsOf = (lineItemId: string) =>
  `SELECT ChargeCategory AS category, ChargeFrequency AS frequency, ChargeClass AS class, PricingCategory AS pricing,
    CAST(BilledCost AS STRING) AS billed, CAST(EffectiveCost AS STRING) AS effective, CAST(ContractedCost AS STRING) AS contracted,
    CAST(ListCost AS STRING) AS list, CAST(PricingQuantity AS STRING) AS quantity, PricingUnit AS unit,
    CAST(ContractedUnitPrice AS STRING) AS price, CommitmentDiscountStatus AS status
  FROM cost_data_standard_1_3 WHERE x_source_record_id = '${lineItemId}' ORDER BY x_SplitPart`

const usage = { category: "Usage", frequency: "Usage-Based", class: null, pricing: "Standard", status: null }
const purchase = { category: "Purchase", frequency: "Recurring", class: null, pricing: "Standard", status: null }
const unpriced = {
  frequency: "One-Time",
  class: null,
  pricing: null,
  quantity: null,
  unit: null,
  price: null,
  status: null
}
const same = (amount: string) => ({ billed: amount, effective: amount, contracted: amount, list: amount })
const covered = { ...usage, pricing: "Committed", billed: "0", status: "Used" }
const unused = { ...usage, pricing: "Committed", billed: "0", status: "Unused" }

const expected: Readonly<Record<string, ReadonlyArray<object>>> = {
  // On-demand, spot and free usage.
  a10001: [{ ...usage, ...same("2.304"), quantity: "24", unit: "Hours", price: "0.096" }],
  a10002: [{ ...usage, ...same("0.7854500002829"), quantity: "34.1500000123", unit: "GB-Months", price: "0.023" }],
  a10003: [
    { ...usage, pricing: "Dynamic", ...same("0.4224"), list: "1.152", quantity: "12", unit: "Hours", price: "0.0352" }
  ],
  a10004: [{ ...usage, ...same("0"), list: "0.05", quantity: "5", unit: "Metrics", price: "0" }],
  // A savings plan without upfront payment: covered usage, its negation, the fee and what was not used of it.
  a10005: [
    { ...covered, effective: "0.8", contracted: "1.12", list: "1.12", quantity: "10", unit: "Hours", price: "0.112" }
  ],
  a10006: [],
  a10007: [
    { ...purchase, ...same("1"), effective: "0", quantity: "1", unit: "Hours", price: "1" },
    { ...unused, effective: "0.2", contracted: "0.2", list: "0.2", quantity: "0.2", unit: "USD", price: "1" }
  ],
  a10010: [{ ...purchase, ...same("1"), effective: "0", quantity: "1", unit: "Hours", price: "1" }],
  // All upfront: the fee of each hour is 0, and still a part of the commitment was not used.
  a10011: [
    { ...purchase, frequency: "One-Time", ...same("4380"), effective: "0", quantity: "1", unit: "Count", price: "4380" }
  ],
  a10012: [
    {
      ...covered,
      effective: "0.3999996",
      contracted: "0.6000012",
      list: "0.6000012",
      quantity: "36000",
      unit: "GB-Seconds",
      price: "0.0000166667"
    }
  ],
  a10014: [
    { ...purchase, ...same("0"), quantity: "1", unit: "Hours", price: "0" },
    {
      ...unused,
      effective: "0.1000004",
      contracted: "0.1000004",
      list: "0.1000004",
      quantity: "0.1000004",
      unit: "USD",
      price: "1"
    }
  ],
  // A reservation paid partly upfront.
  a10015: [
    {
      ...covered,
      effective: "12.4399999944",
      contracted: "46.872",
      list: "46.872",
      quantity: "372",
      unit: "Hours",
      price: "0.126"
    }
  ],
  a10017: [
    { ...purchase, ...same("14.88"), effective: "0", quantity: "744", unit: "Hours", price: "0.02" },
    {
      ...unused,
      effective: "2.48799999888",
      contracted: "1.488",
      list: "1.488",
      quantity: "74.4",
      unit: "Hours",
      price: "0.02"
    }
  ],
  a10018: [
    { ...purchase, frequency: "One-Time", ...same("1200"), effective: "0", quantity: "1", unit: "Count", price: "1200" }
  ],
  // Support has no rate: its price is the cost of the one unit.
  a10019: [{ ...purchase, ...same("100"), quantity: "1", unit: "Count", price: "100" }],
  // Private discounts are inside the net cost; their own lines have no row.
  a10020: [
    {
      ...usage,
      ...same("50"),
      billed: "47.5",
      effective: "47.5",
      quantity: "40",
      unit: "WriteRequestUnits",
      price: "1.25"
    }
  ],
  a10021: [],
  a10023: [],
  // Marketplace.
  a10024: [{ ...purchase, ...same("250"), quantity: "1", unit: "Units", price: "250" }],
  a10025: [{ ...usage, ...same("4.5"), quantity: "3", unit: "Units", price: "1.5" }],
  // Credit, refunds of this and of an earlier month, tax.
  a10026: [{ category: "Credit", ...unpriced, ...same("-10") }],
  a10027: [{ category: "Adjustment", ...unpriced, ...same("-3.2") }],
  a10028: [{ category: "Usage", ...unpriced, class: "Correction", ...same("-2.304") }],
  a10029: [{ category: "Tax", ...unpriced, ...same("5.13") }]
}

layer(support.layer)("AWS hard cases", (it) => {
  it.effect.skipIf(support.samplesMissing)("bills what AWS bills and spreads commitments over what they cover", () =>
    Effect.gen(function* () {
      const { dataset, result } = yield* converted("hard_totals")
      expect(yield* support.totals(dataset)).toEqual([
        {
          period: "2026-03-01",
          currency: "USD",
          charges: 27,
          billed: "5995.3178500002829",
          effective: "425.8178499890829"
        }
      ])
      expect(result).toMatchObject({
        rows_native: 29,
        rows_inserted: 27,
        rows_dropped_negation: 3,
        rows_dropped_folded: 2,
        rows_split_extra: 3,
        rows_residue: 0,
        unknown_product_codes: "7q2xexamplemp",
        unknown_line_item_types: null
      })
    })
  )

  it.effect.skipIf(support.samplesMissing)("gives every line the row of its type", () =>
    Effect.gen(function* () {
      const { dataset } = yield* converted("hard_rows")
      for (const [lineItemId, rows] of Object.entries(expected)) {
        expect(yield* dataset.query(rowsOf(lineItemId)), lineItemId).toEqual(rows)
      }
    })
  )

  it.effect.skipIf(support.samplesMissing)(
    "counts commitments in one unit, and their parts sum to what was bought",
    () =>
      Effect.gen(function* () {
        const { dataset } = yield* converted("hard_commitments")
        expect(
          yield* dataset.query(
            `SELECT CommitmentDiscountId AS id, CommitmentDiscountUnit AS unit, CommitmentDiscountType AS type,
            CAST(SUM(IF(ChargeCategory = 'Usage', CommitmentDiscountQuantity, 0)) AS STRING) AS used,
            CAST(SUM(IF(ChargeFrequency = 'Recurring', CommitmentDiscountQuantity, 0)) AS STRING) AS bought
          FROM cost_data_standard_1_3 WHERE CommitmentDiscountId IS NOT NULL GROUP BY id, unit, type ORDER BY id`
          )
        ).toEqual([
          {
            id: "arn:aws:ec2:us-east-1:111111111111:reserved-instances/ri-a1-pu",
            unit: "Hours",
            type: "Reserved Instance",
            used: "744",
            bought: "744"
          },
          {
            id: "arn:aws:rds:eu-west-1:111111111111:ri:ri-a1-au",
            unit: "Hours",
            type: "Reserved Instance",
            used: "0",
            bought: "0"
          },
          {
            id: "arn:aws:savingsplans::111111111111:savingsplan/sp-a1-au",
            unit: "USD",
            type: "Savings Plan",
            used: "0.5",
            bought: "0.5"
          },
          {
            id: "arn:aws:savingsplans::111111111111:savingsplan/sp-a1-nu",
            unit: "USD",
            type: "Savings Plan",
            used: "2",
            bought: "2"
          }
        ])
      })
  )

  it.effect.skipIf(support.samplesMissing)("describes resource, SKU, region, provider and tags", () =>
    Effect.gen(function* () {
      const { dataset } = yield* converted("hard_dimensions")
      expect(
        yield* dataset.query(
          `SELECT ServiceName AS service, ServiceSubcategory AS subcategory, RegionId AS region, RegionName AS region_name,
            AvailabilityZone AS zone, ResourceId AS resource, ResourceType AS resource_type, Tags AS tags,
            SkuPriceDetails AS details, HostProviderName AS host, ServiceProviderName AS seller, PublisherName AS publisher
          FROM cost_data_standard_1_3 WHERE x_source_record_id IN ('a10001', 'a10024', 'a10020') ORDER BY x_source_record_id`
        )
      ).toEqual([
        {
          service: "Amazon Elastic Compute Cloud",
          subcategory: "Virtual Machines",
          region: "us-east-1",
          region_name: "US East (N. Virginia)",
          zone: "us-east-1a",
          resource: "i-0aaa1111bbbb2222c",
          resource_type: "instance",
          tags: { env: "prod", cost_center: "cc-12" },
          details: {
            InstanceType: "m6i.large",
            InstanceSeries: "m6i",
            CoreCount: 2,
            MemorySize: 8,
            OperatingSystem: "Linux",
            x_Tenancy: "Shared",
            x_Operation: "RunInstances"
          },
          host: "AWS",
          seller: "AWS",
          publisher: "Amazon Web Services, Inc."
        },
        {
          service: "Amazon DynamoDB",
          subcategory: "NoSQL Databases",
          region: "eu-west-1",
          region_name: "Europe (Ireland)",
          zone: null,
          resource: "arn:aws:dynamodb:eu-west-1:222222222222:table/orders",
          resource_type: "table",
          tags: null,
          details: { x_Operation: "PayPerRequestThroughput" },
          host: "AWS",
          seller: "AWS",
          publisher: "Amazon Web Services, Inc."
        },
        {
          service: "Example Observability SaaS",
          subcategory: "Other (Other)",
          region: null,
          region_name: null,
          zone: null,
          resource: null,
          resource_type: null,
          tags: null,
          details: null,
          host: "Example Seller, Inc.",
          seller: "Example Seller, Inc.",
          publisher: "Example Seller, Inc."
        }
      ])
    })
  )

  it.effect.skipIf(support.samplesMissing)("gives the same rows again, apart from the writing run", () =>
    Effect.gen(function* () {
      const { dataset } = yield* converted("hard_again")
      const content = dataset.query(
        `SELECT * EXCEPT (x_run_id, x_ingested_at, x_ingestion_date) FROM cost_data_standard_1_3 ORDER BY x_source_row, x_SplitPart`
      )
      const first = yield* content
      yield* support.convert(dataset, { from: "2026-03-01", to: "2026-03-31", run: support.secondRun })
      expect(yield* content).toEqual(first)
      expect(yield* dataset.query("SELECT DISTINCT x_run_id AS run FROM cost_data_standard_1_3")).toEqual([
        { run: support.secondRun }
      ])
    })
  )
})
