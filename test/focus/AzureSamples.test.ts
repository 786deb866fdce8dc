/**
 * The FOCUS rows of every Azure sample: equal to their bill to the last decimal, and without a violated rule beyond the known gaps.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { convert, loadDetails, loadFocus } from "../procedures/azureSupport.ts"
import * as support from "../procedures/support.ts"
import { expectSound, periods } from "../support/FocusProof.ts"

const focusRun = "azure/focus-1.2-export/20260601-20260630/1a2b3c4d-5e6f-7089-9abc-def012345678/part_0_0001.csv.gz"

layer(support.layer)("FOCUS rows of the Azure samples", (it) => {
  it.effect.skipIf(support.samplesMissing)("of all agreements and ages, and a native FOCUS export", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("azure_samples")
      yield* loadDetails(dataset, {
        "azure/ea/hard_cases_actual.csv": "actual",
        "azure/ea/hard_cases_amortized.csv": "amortized",
        "azure/ea/amortized_2023-09.csv": "amortized",
        "azure/mca/camel_2023-08.csv": "actual",
        "azure/payg/v1_camel_2019-07.csv": "actual",
        "azure/header-dialects/Enterprise.csv": "actual",
        "azure/header-dialects/German.csv": "actual"
      })
      yield* loadFocus(dataset, focusRun)
      yield* convert(dataset, "2019-07-01", "2026-06-30")
      yield* expectSound(
        dataset,
        "azure",
        periods("2019-07-01", "2021-02-01", "2021-05-01", "2023-08-01", "2023-09-01", "2026-04-01", "2026-06-01")
      )
    })
  )

  it.effect.skipIf(support.samplesMissing)("in two currencies in one month", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("azure_currencies")
      yield* loadDetails(dataset, {
        "azure/ea/actual_2023-09.csv": "actual",
        "azure/ea/usage_2023-09_cad.csv": "actual",
        "azure/header-dialects/PayAsYouGo.csv": "actual"
      })
      yield* convert(dataset, "2021-02-01", "2023-09-01")
      const { reconciliation } = yield* expectSound(dataset, "azure", periods("2021-02-01", "2023-09-01"))
      const billed = reconciliation.map(({ billingPeriod, currency, focusBilled }) => [
        billingPeriod,
        currency,
        focusBilled
      ])
      expect(billed).toEqual([
        ["2021-02-01", "USD", "0.075"],
        ["2023-09-01", "CAD", "0.76694284565679"],
        ["2023-09-01", "USD", "8.5450077867419368"]
      ])
    })
  )

  it.effect.skipIf(support.samplesMissing)("of exports of a few columns, once the credential says their currency", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("azure_subset")
      const files = { "azure/ea/subset_2021-02.csv": "actual", "azure/ea/tags_without_braces.csv": "actual" } as const
      yield* loadDetails(dataset, files, { currency: "USD", shortRows: true })
      yield* convert(dataset, "2021-02-01")
      const { reconciliation, rows } = yield* expectSound(dataset, "azure", periods("2021-02-01"))
      expect(rows).toEqual({ in: 53, converted: 53, extra: 0, dropped: {}, quarantined: 0 })
      expect(reconciliation).toMatchObject([{ currency: "USD", nativeBilled: "8.921583609584683", difference: "0" }])
    })
  )

  it.effect.skipIf(support.samplesMissing)(
    "of an export with a code that is no currency, once the credential says which",
    () =>
      Effect.gen(function* () {
        const dataset = yield* support.org("azure_code")
        yield* loadDetails(dataset, { "azure/ea/version2_2020-09.csv": "actual" }, { currencyCodes: { MC: "USD" } })
        yield* convert(dataset, "2020-09-01")
        const { reconciliation, rows } = yield* expectSound(dataset, "azure", periods("2020-09-01"))
        expect(rows).toEqual({ in: 5, converted: 5, extra: 0, dropped: {}, quarantined: 0 })
        expect(reconciliation).toMatchObject([{ currency: "USD", nativeBilled: "19.998413754", difference: "0" }])
      })
  )

  it.effect.skipIf(support.samplesMissing)(
    "is refused with the place and the reason where money or currency is unknown",
    () =>
      Effect.gen(function* () {
        const dataset = yield* support.org("azure_refused")
        const refusal = (file: string, settings = {}) =>
          Effect.map(Effect.flip(loadDetails(dataset, { [file]: "actual" }, settings)), ({ message }) => message)
        const subset = "azure/ea/subset_2021-02.csv"
        expect(yield* refusal(subset, { currency: "USD" })).toContain(
          `${subset}:2: the row has 10 cells, the header has 11`
        )
        expect(yield* refusal(subset, { shortRows: true })).toContain("which billing_currency needs, is missing")
        expect(yield* refusal("azure/ea/tags_without_braces.csv")).toContain("which billing_currency needs, is missing")
        // A code that is no currency is not overruled by the currency of files that name none.
        const invented = "azure/ea/version2_2020-09.csv"
        expect(yield* refusal(invented, { currency: "USD" })).toContain(
          `${invented}:2: BillingCurrencyCode is not of the form [A-Z]{3}`
        )
        // The one row has a date and no cost: no setting can tell what it bills.
        const empty = "azure/header-dialects/BOM.csv"
        expect(yield* refusal(empty, { currency: "USD", shortRows: true })).toContain(
          `${empty}:2: Currency has no value`
        )
        expect(yield* dataset.query("SELECT COUNT(*) AS n FROM cloud_azure_billing_raw_daily")).toEqual([{ n: 0 }])
      })
  )
})
