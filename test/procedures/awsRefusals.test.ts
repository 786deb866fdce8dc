/**
 * What the conversion refuses: it says why, and the rows of the last good conversion stay.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { JsonObject } from "../../src/platform/Json.ts"
import * as support from "./support.ts"

const { line } = support

/** Converts good lines, then the bad ones; the error's text and the rows that are there afterwards. */
const refused = (slug: string, bad: ReadonlyArray<JsonObject>) =>
  Effect.gen(function* () {
    const dataset = yield* support.org(slug)
    yield* support.loadLines(dataset, [line({})])
    yield* support.convert(dataset, { from: "2026-03-01" })
    yield* support.loadLines(dataset, bad)
    const error = yield* Effect.flip(support.convert(dataset, { from: "2026-03-01", run: support.secondRun }))
    const rows = yield* dataset.query(
      "SELECT CAST(BilledCost AS STRING) AS billed, x_run_id AS run FROM cost_data_standard_1_3"
    )
    expect(rows).toEqual([{ billed: "0.096", run: support.firstRun }])
    return error.message
  })

layer(support.layer)("AWS conversion refuses", (it) => {
  it.effect("a line without a net cost in a file that has net costs", () =>
    Effect.gen(function* () {
      const message = yield* refused("no_net_cost", [line({ net_unblended_cost: "1" }), line({})])
      expect(message).toContain("1 lines of no_net_cost_test have no net cost")
    })
  )

  it.effect("covered usage without its effective cost", () =>
    Effect.gen(function* () {
      const message = yield* refused("no_effective_cost", [line({ line_item_type: "DiscountedUsage" })])
      expect(message).toContain("covered usage without an effective cost")
    })
  )

  it.effect("a payer's month that is there as a report and as a FOCUS export", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("two_formats")
      yield* support.loadLines(dataset, [line({})])
      yield* support.loadCharges(dataset, [support.charge({ BillingAccountId: "111111111111" })])
      const error = yield* Effect.flip(support.convert(dataset, { from: "2026-03-01" }))
      expect(error.message).toContain("payer 111111111111 in 2026-03-01")
    })
  )

  it.effect("days in the wrong order", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("reversed_days")
      const error = yield* Effect.flip(support.convert(dataset, { from: "2026-03-02", to: "2026-03-01" }))
      expect(error.message).toContain("must be given and not lie after p_end_date")
    })
  )
})
