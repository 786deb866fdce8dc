import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { acme, isAbsent, layer, query, run, sample, Server } from "./support.ts"

/** Cuts a list of day buckets into the JSON text of each day's results; numbers stay as they are written. */
const bucketsOf = (text: string) =>
  text
    .split(/"(?:start_time|starting_at)":/)
    .slice(1)
    .map((part) => {
      const [, start = ""] = /^\s*"?([^",]+)/.exec(part) ?? []
      const day = (/^\d+$/.test(start) ? new Date(Number(start) * 1000).toISOString() : start).slice(0, 10)
      const results = part.slice(
        part.indexOf('"results":') + '"results":'.length,
        part.lastIndexOf("]", part.search(/\}\s*(,\s*\{[^{}[\]]*$|\]\s*$)/)) + 1
      )
      return { day, results }
    })

const serve = Effect.gen(function* () {
  const { put } = yield* Server
  const files = [
    ["openai", "costs", "openai/org-cost/fixture_2026-05.json"],
    ...["audio_speeches", "code_interpreter_sessions", "completions", "images", "vector_stores"].map((name) => [
      "openai",
      `usage/${name}`,
      `openai/org-cost/fixture_2026-05.usage.${name}.json`
    ]),
    ["anthropic", "cost_report", "anthropic/org-cost/fixture_2026-05.json"],
    ["anthropic", "usage_report/messages", "anthropic/org-cost/fixture_2026-05.usage.json"]
  ] as const
  for (const [vendor, api, file] of files) {
    for (const { day, results } of bucketsOf(sample(file ?? "")))
      put(vendor === "openai" ? "openai" : "anthropic", api ?? "", day, results)
  }
})

withLayer(layer, { excludeTestServices: true })("GenAI, from the providers' answers to FOCUS", (it) => {
  it.effect.skipIf(isAbsent)(
    "the published answers become what was billed, to the last decimal, beside what was calculated",
    () =>
      Effect.gen(function* () {
        yield* serve
        for (const pipeline of ["genai/payg/openai", "genai/payg/anthropic"]) {
          const ended = yield* run(acme, pipeline, "2026-05-01", "2026-05-31")
          expect([ended.run.status, ended.run.errorMessage]).toEqual(["COMPLETED", null])
        }
        const ended = yield* run(acme, "genai/unified/consolidate", "2026-05-01", "2026-05-31")
        expect([ended.run.status, ended.run.errorMessage]).toEqual(["COMPLETED", null])
        const output = (step: number) => ended.steps[step]?.metadata["output"]
        // 12.5 + 123.4567890123456789 + 2 + -3.25 + 5; and in cents 1234.5678 + 400 + 800 + 6500 + 2000 + 500 + 300 - 250 + 100 + 200.
        expect(
          yield* query(
            acme,
            `SELECT ServiceProviderName AS provider, BillingCurrency AS currency, SUM(BilledCost) AS billed, COUNT(*) AS n
          FROM cost_data_standard_1_3 GROUP BY provider, currency ORDER BY provider`
          )
        ).toEqual([
          { provider: "Anthropic", currency: "USD", billed: "117.845678", n: 10 },
          { provider: "OpenAI", currency: "USD", billed: "139.7067890123456789", n: 5 }
        ])
        expect(output(2)).toMatchObject({
          reconciliation: [
            { nativeBilled: "117.845678", focusBilled: "117.845678", difference: "0" },
            { nativeBilled: "139.7067890123456789", focusBilled: "139.7067890123456789", difference: "0" }
          ]
        })
        expect(output(3)).toMatchObject({ conformance: { rows: 15, violated: [] } })
        expect(
          yield* query(
            acme,
            `SELECT ChargeCategory AS category, ChargeDescription AS description, BilledCost AS billed FROM cost_data_standard_1_3
          WHERE BilledCost < 0 ORDER BY 2`
          )
        ).toEqual([
          { category: "Credit", description: "Developer promotional credit", billed: "-2.5" },
          { category: "Credit", description: "Promotional credit", billed: "-3.25" }
        ])
        // What was calculated: 4.2 million at 2.50 and 0.85 million at 10; opus 0.8 million at 5, and in the US,
        // where all is a tenth dearer, 0.7 at 5.5, 0.3 at 0.55 and 0.1 at 6.875; and so on.
        expect(
          (yield* query(
            acme,
            `SELECT compare_date AS day, model, billed, computed, difference, unpriced_rows AS unpriced FROM genai_payg_comparison_daily
          WHERE STARTS_WITH(model, 'claude') OR STARTS_WITH(model, 'gpt-4') ORDER BY day, model`
          )).map((row) => Object.values(row))
        ).toEqual([
          ["2026-05-01", "claude-haiku-4", "20", null, "20", 1],
          ["2026-05-01", "claude-opus-4-6", "29.345678", "8.7025", "20.643178", 2],
          ["2026-05-01", "claude-sonnet-4-5", "65", "30", "35", 0],
          ["2026-05-01", "gpt-4o", "137.9567890123456789", "19", "118.9567890123456789", 0],
          ["2026-05-02", "claude-opus-4-6", "6", "1.375231", "4.624769", 0],
          ["2026-05-02", "claude-sonnet-4-5", null, null, "0", 1]
        ])
        // Nothing is dropped: what has no price is said, meters that are no tokens too.
        expect(
          (yield* query(
            acme,
            "SELECT dq_config_id AS name, overall_status AS status, failed_expectations AS texts FROM org_meta_dq_results ORDER BY 1, 2, dq_result_id"
          )).map((row) => [row["name"], row["status"]])
        ).toEqual([
          ["genai_missing_price", "FAIL"],
          ["genai_unpriced_meter", "WARNING"],
          ["genai_unpriced_meter", "WARNING"]
        ])
        expect(
          yield* query(
            acme,
            "SELECT SUM(input_tokens) AS input, SUM(cached_tokens) AS cached, SUM(output_tokens) AS output, COUNT(*) AS n FROM genai_usage_daily_unified"
          )
        ).toEqual([
          {
            input: 4_200_000 + 1_100_000 + 800_000 + 500_000 + 999 + 42,
            cached: 300_000,
            output: 850_000 + 2_000_000 + 50_000 + 123,
            n: 14
          }
        ])
      })
  )
})
