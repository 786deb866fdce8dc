/**
 * The FOCUS rows of every AWS sample: equal to their bill to the last decimal, and without a violated rule beyond the known gaps.
 */
import { layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
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
  }
]

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
})
