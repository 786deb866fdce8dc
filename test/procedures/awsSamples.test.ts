/**
 * Every AWS sample: each native line is accounted for, and the billed totals per period and currency are those of the files. The expected
 * sums were added up from the files' own text, outside this project.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as support from "./support.ts"

interface Sample {
  readonly slug: string
  readonly load: typeof support.loadReport
  readonly files: ReadonlyArray<string>
  readonly days: { readonly from: string; readonly to: string }
  readonly native: number
  readonly totals: ReadonlyArray<
    readonly [period: string, currency: string, charges: number, billed: string, effective: string]
  >
}

const samples: ReadonlyArray<Sample> = [
  {
    slug: "real_bill",
    load: support.loadReport,
    files: ["aws/cur1/real_2023-11_usage_tax.csv"],
    days: { from: "2023-11-30", to: "2023-11-30" },
    native: 768,
    totals: [["2023-11-01", "USD", 768, "0.9257669692", "0.9257669692"]]
  },
  {
    slug: "three_months",
    load: support.loadReport,
    files: ["aws/cur1/generated_3_months_ec2.csv"],
    days: { from: "2018-06-30", to: "2018-08-01" },
    native: 1201,
    totals: [
      ["2018-06-01", "USD", 396, "2224.7622960446915705129", "2224.7622960446915705129"],
      ["2018-07-01", "USD", 747, "6289.272295030092269298625", "6289.272295030092269298625"],
      ["2018-08-01", "USD", 58, "474.0221763170140676408", "474.0221763170140676408"]
    ]
  },
  {
    slug: "marketplace",
    load: support.loadReport,
    files: ["aws/cur1/underscore_names_marketplace.csv"],
    days: { from: "2022-07-01", to: "2022-07-01" },
    native: 1,
    totals: [["2022-07-01", "USD", 1, "0", "0"]]
  },
  {
    // Covered usage without its negation: the on-demand cost stays on the bill as one adjustment.
    slug: "savings_plan",
    load: support.loadReport,
    files: ["aws/cur1/savings_plan_covered_2023-06_final.csv"],
    days: { from: "2023-06-01", to: "2023-06-01" },
    native: 2,
    totals: [["2023-06-01", "NOK", 3, "20", "20.2"]]
  },
  {
    slug: "focus_overwrite",
    load: support.loadFocus,
    files: [
      "aws/focus-1.2-export/data/BILLING_PERIOD=2026-05/costroid-demo-00001.csv.gz",
      "aws/focus-1.2-export/data/BILLING_PERIOD=2026-05/costroid-demo-00002.csv.gz"
    ],
    days: { from: "2026-05-07", to: "2026-05-07" },
    native: 42,
    totals: [["2026-05-01", "USD", 42, "32.7663", "32.7663"]]
  },
  {
    slug: "focus_corrections",
    load: support.loadFocus,
    files: ["aws/focus-1.2-export/data/BILLING_PERIOD=2026-07/20260801T060000Z-c7d8e9f0/costroid-demo-00001.csv.gz"],
    days: { from: "2026-07-01", to: "2026-07-31" },
    native: 5,
    totals: [["2026-07-01", "USD", 5, "1.911", "1.911"]]
  },
  {
    slug: "focus_bom",
    load: support.loadFocus,
    files: ["aws/focus-1.2-variants/bom-export.csv.gz"],
    days: { from: "2026-05-01", to: "2026-05-01" },
    native: 42,
    totals: [["2026-05-01", "USD", 42, "32.7663", "32.7663"]]
  },
  {
    slug: "focus_1_0",
    load: support.loadFocus,
    files: ["focus/1.0/sample_real.csv"],
    days: { from: "2024-09-01", to: "2024-10-01" },
    native: 600,
    totals: [
      ["2024-09-01", "USD", 599, "15.37671003341", "12.58603793751"],
      ["2024-10-01", "USD", 1, "0.24", "0"]
    ]
  },
  {
    slug: "focus_1_2",
    load: support.loadFocus,
    files: ["focus/synthetic/aws_1_2_cost_and_usage.csv"],
    days: { from: "2026-05-01", to: "2026-05-01" },
    native: 100,
    totals: [["2026-05-01", "USD", 100, "1157.48882377213324", "403.45921877213324"]]
  },
  {
    slug: "focus_1_3",
    load: support.loadFocus,
    files: ["focus/synthetic/aws_1_3_cost_and_usage.csv"],
    days: { from: "2026-05-01", to: "2026-05-01" },
    native: 100,
    totals: [["2026-05-01", "USD", 100, "1242.1156191148605", "215.6789011148605"]]
  },
  {
    slug: "focus_credits",
    load: support.loadFocus,
    files: ["focus/synthetic/aws_1_3_credits.csv"],
    days: { from: "2026-05-01", to: "2026-05-01" },
    native: 25,
    totals: [["2026-05-01", "USD", 25, "929.19897776197748", "196.72834576197748"]]
  }
]

/** Rows whose list or contracted cost is not exactly price x quantity though both are known. */
const brokenIdentities = `
  SELECT COUNT(*) AS charges FROM cost_data_standard_1_3
  WHERE COALESCE(ListUnitPrice * PricingQuantity <> ListCost, FALSE)
    OR COALESCE(ContractedUnitPrice * PricingQuantity <> ContractedCost, FALSE)`

layer(support.layer)("AWS samples", (it) => {
  for (const sample of samples) {
    it.effect.skipIf(support.samplesMissing)(`${sample.files[0]} goes through with every line and every cent`, () =>
      Effect.gen(function* () {
        const dataset = yield* support.org(sample.slug)
        yield* sample.load(dataset, ...sample.files)
        const result = yield* support.convert(dataset, sample.days)
        const charges = sample.totals.reduce((sum, [, , count]) => sum + count, 0)
        expect(result).toMatchObject({ rows_native: sample.native, rows_inserted: charges })
        expect(yield* support.totals(dataset)).toEqual(
          sample.totals.map(([period, currency, charges, billed, effective]) => ({
            period,
            currency,
            charges,
            billed,
            effective
          }))
        )
      })
    )
  }

  it.effect.skipIf(support.samplesMissing)(
    "computes list and contracted cost, so that price x quantity holds exactly",
    () =>
      Effect.gen(function* () {
        for (const [slug, file] of [
          ["exact_real", "aws/cur1/real_2023-11_usage_tax.csv"],
          ["exact_hard", "aws/cur2/hard_cases.csv"],
          ["exact_months", "aws/cur1/generated_3_months_ec2.csv"]
        ] as const) {
          const dataset = yield* support.org(slug)
          yield* support.loadReport(dataset, file)
          yield* support.convert(dataset, { from: "2018-06-01", to: "2026-03-31" })
          expect(yield* dataset.query(brokenIdentities), file).toEqual([{ charges: 0 }])
        }
      })
  )
})
