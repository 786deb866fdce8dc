/**
 * The FOCUS view of Google's guide, which customers make over their detailed export, and which spells FOCUS in its own way.
 */
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { convertAll, filesCredential, procedures } from "./gcpSupport.ts"
import { query, world, write } from "./support.ts"

/** A row of the FOCUS view that Google publishes as a query over the detailed export. */
const viewed = (change: object) => ({
  BilledCost: "1.25",
  BillingAccountId: "0AAAAA-111111-222222",
  BillingCurrency: "USD",
  BillingPeriodStart: "2026-03-01 08:00:00 UTC",
  BillingPeriodEnd: "2026-03-31 07:00:00 UTC",
  ChargeCategory: "usage",
  ChargeClass: null,
  ChargeDescription: "N1 Predefined Instance Core running in Americas",
  ChargePeriodStart: "2026-03-10 01:00:00 UTC",
  ChargePeriodEnd: "2026-03-10 02:00:00 UTC",
  CommitmentDiscountCategory: null,
  CommitmentDiscountId: null,
  ConsumedQuantity: "3600",
  ConsumedUnit: "seconds",
  ContractedCost: "1.25",
  ContractedUnitPrice: "1.25",
  EffectiveCost: "1.25",
  ListCost: "1.25",
  ListUnitPrice: "1.25",
  PricingCategory: "standard",
  PricingQuantity: "1",
  PricingUnit: "hour",
  ProviderName: "Google Cloud",
  PublisherName: "Google Cloud",
  ServiceName: "Compute Engine",
  SkuId: "2E27-4F75-95CD",
  SkuPriceId: "Billing Account ID:0AAAAA-111111-222222, SKU ID: 2E27-4F75-95CD, Price Tier Start Amount: 0",
  SubAccountId: "acme",
  Tags: [
    { key: "env", value: "prod", x_type: "label", x_inherited: false, x_namespace: "n/a" },
    { key: "owner", value: "data", x_type: "project_label", x_inherited: true, x_namespace: "n/a" },
    { key: "team", value: null, x_type: "tag", x_inherited: false, x_namespace: "123" }
  ],
  x_CostType: "regular",
  x_Credits: [],
  ...change
})

describe("the FOCUS view of Google's guide", () => {
  it.scoped("becomes FOCUS 1.3: its words, its tags, its months, byte-seconds and commitments", () =>
    world((folder) =>
      Effect.gen(function* () {
        yield* procedures
        const commitment = {
          CommitmentDiscountId: "sub-1",
          CommitmentDiscountCategory: "Usage",
          PricingCategory: "committed"
        }
        const unpriced = {
          SkuId: null,
          SkuPriceId: null,
          PricingCategory: null,
          PricingQuantity: null,
          PricingUnit: null
        }
        const path = join(folder, "view.jsonl")
        const rows = [
          viewed({}),
          viewed({ ...commitment, BilledCost: "0", EffectiveCost: "0" }),
          viewed({ ...commitment, ChargeDescription: "Commitment v1: Cpu in Americas for 1 Year" }),
          viewed({ ConsumedQuantity: "4.32E+16", ConsumedUnit: "byte-seconds" }),
          viewed({ ConsumedQuantity: "9.313225746154785e-10", ConsumedUnit: "gibibyte" }),
          viewed({ ...unpriced, ChargeCategory: "tax", ConsumedQuantity: null, ConsumedUnit: null, Tags: [] }),
          viewed({
            ...unpriced,
            ChargeCategory: "adjustment",
            ChargeClass: "correction",
            ConsumedQuantity: null,
            ConsumedUnit: null
          })
        ]
        yield* Effect.promise(() => write(path, rows.map((row) => `${JSON.stringify(row)}\n`).join("")))
        yield* filesCredential(path)
        const { rows: counted, violated } = yield* convertAll
        expect(violated).toEqual([])
        expect(counted).toMatchObject({ in: 7, converted: 7, quarantined: 0 })
        expect(
          yield* query(`SELECT ChargeCategory AS category, ChargeClass AS class, PricingCategory AS pricing,
            CommitmentDiscountStatus AS status, CAST(ConsumedQuantity AS STRING) AS consumed, ConsumedUnit AS unit,
            CommitmentDiscountUnit AS committed FROM cost_data_standard_1_3 ORDER BY x_source_row`)
        ).toEqual(
          [
            ["Usage", null, "Standard", null, "3600", "Seconds", null],
            ["Usage", null, "Committed", "Used", "3600", "Seconds", "Seconds"],
            ["Usage", null, "Other", null, "3600", "Seconds", null],
            ["Usage", null, "Standard", null, "43200000", "1000000000 B-Seconds", null],
            ["Usage", null, "Standard", null, "0.000000000931323", "GiB", null],
            ["Tax", null, null, null, null, null, null],
            ["Adjustment", "Correction", null, null, null, null, null]
          ].map(([category, klass, pricing, status, consumed, unit, committed]) => ({
            category,
            class: klass,
            pricing,
            status,
            consumed,
            unit,
            committed
          }))
        )
        expect(
          yield* query(`SELECT DISTINCT CAST(BillingPeriodEnd AS STRING) AS period_end, TO_JSON_STRING(Tags) AS tags
            FROM cost_data_standard_1_3 WHERE ChargeCategory = 'Usage'`)
        ).toEqual([
          { period_end: "2026-04-01 07:00:00+00", tags: '{"env":"prod","project:owner":"data","tag:123/team":true}' }
        ])
      })
    )
  )
})
