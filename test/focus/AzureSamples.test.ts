/**
 * The FOCUS rows of every Azure sample: equal to their bill to the last decimal, and without a violated rule beyond the known gaps.
 */
import { layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { CostView } from "../../src/sources/azure/AzureDataFile.ts"
import { convert, loadDetails, loadFocus } from "../procedures/azureSupport.ts"
import * as support from "../procedures/support.ts"
import { expectSound, periods } from "../support/FocusProof.ts"

const details: ReadonlyArray<readonly [slug: string, files: Readonly<Record<string, CostView>>, period: string]> = [
  ["hard", { "ea/hard_cases_actual.csv": "actual", "ea/hard_cases_amortized.csv": "amortized" }, "2026-04-01"],
  ["actual", { "ea/actual_2023-09.csv": "actual" }, "2023-09-01"],
  ["amortized", { "ea/amortized_2023-09.csv": "amortized" }, "2023-09-01"],
  ["cad", { "ea/usage_2023-09_cad.csv": "actual" }, "2023-09-01"],
  ["payg", { "payg/v1_camel_2019-07.csv": "actual" }, "2019-07-01"],
  ["mca", { "mca/camel_2023-08.csv": "actual" }, "2023-08-01"],
  ["enterprise", { "header-dialects/Enterprise.csv": "actual" }, "2021-05-01"],
  ["payasyougo", { "header-dialects/PayAsYouGo.csv": "actual" }, "2021-02-01"],
  ["german", { "header-dialects/German.csv": "actual" }, "2021-02-01"]
]

const focusRun = "azure/focus-1.2-export/20260601-20260630/1a2b3c4d-5e6f-7089-9abc-def012345678/part_0_0001.csv.gz"

layer(support.layer)("FOCUS rows of the Azure samples", (it) => {
  for (const [slug, files, period] of details) {
    it.effect.skipIf(support.samplesMissing)(`${slug}: ${Object.keys(files).join(", ")}`, () =>
      Effect.gen(function* () {
        const dataset = yield* support.org(`azure_${slug}`)
        yield* loadDetails(
          dataset,
          Object.fromEntries(Object.entries(files).map(([name, view]) => [`azure/${name}`, view]))
        )
        yield* convert(dataset, period)
        yield* expectSound(dataset, "azure", periods(period))
      })
    )
  }

  it.effect.skipIf(support.samplesMissing)("a native FOCUS export", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("azure_focus")
      yield* loadFocus(dataset, focusRun)
      yield* convert(dataset, "2026-06-01")
      yield* expectSound(dataset, "azure", periods("2026-06-01"))
    })
  )
})
