/**
 * The FOCUS rows of every AWS sample: equal to their bill to the last decimal, and without a violated rule beyond the known gaps.
 */
import { expect, layer } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as support from "../procedures/support.ts"
import { expectSound, periods } from "../support/FocusProof.ts"

const exports2026 = "aws/focus-1.2-export/data/BILLING_PERIOD=2026-0"

const samples = [
  {
    slug: "real_bill",
    load: support.loadReport,
    files: ["aws/cur1/real_2023-11_usage_tax.csv"],
    periods: periods("2023-11-01")
  },
  {
    slug: "three_months",
    load: support.loadReport,
    files: ["aws/cur1/generated_3_months_ec2.csv"],
    periods: periods("2018-06-01", "2018-07-01", "2018-08-01")
  },
  {
    slug: "marketplace",
    load: support.loadReport,
    files: ["aws/cur1/underscore_names_marketplace.csv"],
    periods: periods("2022-07-01")
  },
  {
    slug: "plan_open",
    load: support.loadReport,
    files: ["aws/cur1/savings_plan_covered_2023-06_open.csv"],
    periods: periods("2023-06-01")
  },
  {
    slug: "plan_final",
    load: support.loadReport,
    files: ["aws/cur1/savings_plan_covered_2023-06_final.csv"],
    periods: periods("2023-06-01")
  },
  { slug: "hard_cases", load: support.loadReport, files: ["aws/cur2/hard_cases.csv"], periods: periods("2026-03-01") },
  {
    slug: "focus_overwrite",
    load: support.loadFocus,
    files: [`${exports2026}5/costroid-demo-00001.csv.gz`, `${exports2026}5/costroid-demo-00002.csv.gz`],
    periods: periods("2026-05-01")
  },
  {
    slug: "focus_corrections",
    load: support.loadFocus,
    files: [`${exports2026}7/20260801T060000Z-c7d8e9f0/costroid-demo-00001.csv.gz`],
    periods: periods("2026-07-01")
  },
  {
    slug: "focus_bom",
    load: support.loadFocus,
    files: ["aws/focus-1.2-variants/bom-export.csv.gz"],
    periods: periods("2026-05-01")
  },
  {
    slug: "focus_1_0",
    load: support.loadFocus,
    files: ["focus/1.0/sample_real.csv"],
    periods: periods("2024-09-01", "2024-10-01")
  },
  {
    slug: "focus_1_2",
    load: support.loadFocus,
    files: ["focus/synthetic/aws_1_2_cost_and_usage.csv"],
    periods: periods("2026-05-01")
  },
  {
    slug: "focus_1_3",
    load: support.loadFocus,
    files: ["focus/synthetic/aws_1_3_cost_and_usage.csv"],
    periods: periods("2026-05-01")
  },
  {
    slug: "focus_credits",
    load: support.loadFocus,
    files: ["focus/synthetic/aws_1_3_credits.csv"],
    periods: periods("2026-05-01")
  },
  {
    slug: "focus_small_1_0",
    load: support.loadFocus,
    files: ["focus/csv-versions/focus-1.0.csv"],
    periods: periods("2026-05-01", "2026-06-01")
  },
  {
    slug: "focus_small_1_2",
    load: support.loadFocus,
    files: ["focus/csv-versions/focus-1.2.csv"],
    periods: periods("2026-05-01", "2026-06-01")
  },
  {
    slug: "focus_small_1_3",
    load: support.loadFocus,
    files: ["focus/csv-versions/focus-1.3.csv"],
    periods: periods("2026-05-01", "2026-06-01")
  },
  {
    slug: "focus_currencies",
    load: support.loadFocus,
    files: ["focus/csv-versions/multicurrency.csv"],
    periods: periods("2026-05-01")
  },
  // Keys of SkuPriceDetails that only FOCUS 1.5 knows become custom ones.
  {
    slug: "focus_draft_1_5",
    load: support.loadFocus,
    files: ["focus/genai-draft-1.5/per_token_foundation_model_api.csv"],
    periods: periods("2025-05-01")
  }
]

/** Files that are no bill: broken on purpose, or examples of a few columns; what is wrong with them. */
const refused = {
  "focus/csv-versions/negative/duplicate-header.csv": 'the column "BilledCost" stands twice in the header',
  "focus/csv-versions/negative/literal-null.csv": "literal-null.csv:2: BilledCost has no value",
  "focus/csv-versions/negative/unknown-header.csv": "is missing",
  "focus/synthetic/scenario_correction_set.csv": "is missing",
  "focus/synthetic/scenario_sca_equal.csv": "is missing",
  "focus/spec-v1.2-scenarios/commitment_discount_usage_scenario_1.csv": "is missing",
  "focus/spec-v1.2-scenarios/saas_spend_agreements_a1.csv":
    "saas_spend_agreements_a1.csv:2: no row of any billing period can be loaded; the first one: BillingPeriodStart: is not a date"
}

layer(support.layer)("FOCUS rows of the AWS samples", (it) => {
  for (const sample of samples) {
    it.effect.skipIf(support.samplesMissing)(`${sample.slug}: ${sample.files[0]}`, () =>
      Effect.gen(function* () {
        const dataset = yield* support.org(`judged_${sample.slug}`)
        yield* sample.load(dataset, ...sample.files)
        yield* support.convert(dataset, { from: sample.periods.at(0) ?? "", to: sample.periods.at(-1) ?? "" })

        yield* expectSound(dataset, "aws", sample.periods)
      })
    )
  }

  for (const [file, reason] of Object.entries(refused)) {
    it.effect.skipIf(support.samplesMissing)(`${file} is refused`, () =>
      Effect.gen(function* () {
        const dataset = yield* support.org("refused_files")
        const exit = yield* Effect.exit(support.loadFocus(dataset, file))
        expect(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "loaded").toContain(reason)
      })
    )
  }
})
