import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { openAiKey } from "../support/genaiServer.ts"
import { acme, credential, globex, layer, query, run, Server } from "./support.ts"

const pipelines = ["genai/payg/openai", "genai/payg/anthropic", "genai/unified/consolidate"]

const late = ["genai/payg/openai", "genai/unified/consolidate"]

/** Loads, prices and converts June. */
const convert = Effect.fnUntraced(function* (which: ReadonlyArray<string>) {
  const outputs = []
  for (const pipeline of which) {
    const { run: ended, steps } = yield* run(acme, pipeline, "2026-06-01", "2026-06-30")
    expect([pipeline, ended.status, ended.errorMessage]).toEqual([pipeline, "COMPLETED", null])
    outputs.push(steps.map((step) => step.metadata["output"]))
  }
  return outputs
})

const focusRows = query(
  acme,
  `SELECT x_genai_model AS model, x_genai_token_type AS kind, SkuPriceId AS price_id, PricingQuantity AS quantity, ContractedUnitPrice AS price,
    BilledCost AS billed, ListCost AS list, SubAccountId AS account, x_CostSource AS source, x_source_record_id AS id
  FROM cost_data_standard_1_3 WHERE DATE(ChargePeriodStart) BETWEEN '2026-06-01' AND '2026-06-30' ORDER BY price_id, account, id, kind`
)

const completions = (change: Readonly<Record<string, unknown>>) => ({
  object: "organization.usage.completions.result",
  input_tokens: 0,
  input_cached_tokens: 0,
  output_tokens: 0,
  num_model_requests: 1,
  project_id: null,
  api_key_id: null,
  batch: false,
  service_tier: "default",
  ...change
})

withLayer(layer, { excludeTestServices: true })("GenAI, with providers that are disturbed", (it) => {
  it.effect("throttling, failures and cut connections change no row; what is not billed is tokens times price", () =>
    Effect.gen(function* () {
      const { faults, put } = yield* Server
      put("openai", "usage/completions", "2026-06-01", [
        completions({
          model: "gpt-4o-2024-08-06",
          input_tokens: 1_000_000,
          input_cached_tokens: 200_000,
          output_tokens: 500_000,
          project_id: "proj_a"
        }),
        completions({
          model: "gpt-4o",
          input_tokens: 1_000_000,
          output_tokens: 100_000,
          batch: true,
          project_id: "proj_b",
          api_key_id: "key_1"
        }),
        completions({ model: "gpt-4o", input_tokens: 10, output_tokens: 3, project_id: "proj_b", api_key_id: "key_2" }),
        completions({ model: "gpt-5", input_tokens: 1_000_000, output_tokens: 0, service_tier: "flex" }),
        completions({ model: "gpt-99-new", input_tokens: 5, output_tokens: 5, dream_tokens: 7 })
      ])
      put("anthropic", "usage_report/messages", "2026-06-30", [
        {
          model: "claude-opus-4-6",
          service_tier: "standard",
          context_window: "0-200k",
          inference_geo: "global",
          workspace_id: "wrkspc_1",
          uncached_input_tokens: 400_000,
          cache_read_input_tokens: 100_000,
          cache_creation: { ephemeral_5m_input_tokens: 200_000, ephemeral_1h_input_tokens: 300_000 },
          output_tokens: 10_000,
          server_tool_use: { web_search_requests: 3 }
        }
      ])
      faults.push(
        (_request, response) => {
          response.writeHead(429, { "retry-after": "1" }).end('{"error":{"code":"rate_limit_exceeded"}}')
          return true
        },
        (_request, response) => {
          response.writeHead(503).end("<html>")
          return true
        },
        (_request, response) => {
          response.writeHead(200, { "content-length": "100" }).write('{"data":')
          response.destroy()
          return true
        }
      )
      const [openAi, , unified] = yield* convert(pipelines)
      expect(faults).toEqual([])
      expect(openAi?.[0]).toMatchObject({ unknown_fields: ["completions.dream_tokens"], quarantined: 0 })
      expect(openAi?.[1]).toMatchObject({
        findings: {
          genai_missing_price: {
            status: "FAIL",
            rows: 1,
            examples: ["openai gpt-99-new, tier default: no price on 2026-06-01"]
          }
        }
      })
      expect(unified?.[2]).toMatchObject({ reconciliation: [{ difference: "0" }, { difference: "0" }] })
      expect(unified?.[3]).toMatchObject({ conformance: { rows: 13, violated: [] } })
      const rows = yield* focusRows
      // Opus: 0.4 x 5, 0.1 x 0.5, 0.2 x 6.25, 0.3 x 10, 0.01 x 25. gpt-4o: 0.8 x 2.5, 0.2 x 1.25, 0.5 x 10; in a batch 1 x 1.25, 0.1 x 5.
      expect(
        rows.map(({ account, billed, kind, model, price, quantity }) => [model, kind, account, quantity, price, billed])
      ).toEqual([
        ["claude-opus-4-6", "cache_write_1h", "wrkspc_1", "0.3", "10", "3"],
        ["claude-opus-4-6", "cache_write_5m", "wrkspc_1", "0.2", "6.25", "1.25"],
        ["claude-opus-4-6", "cached_input", "wrkspc_1", "0.1", "0.5", "0.05"],
        ["claude-opus-4-6", "input", "wrkspc_1", "0.4", "5", "2"],
        ["claude-opus-4-6", "output", "wrkspc_1", "0.01", "25", "0.25"],
        ["gpt-4o-2024-08-06", "cached_input", "proj_a", "0.2", "1.25", "0.25"],
        ["gpt-4o-2024-08-06", "input", "proj_a", "0.8", "2.5", "2"],
        ["gpt-4o-2024-08-06", "output", "proj_a", "0.5", "10", "5"],
        ["gpt-4o", "input", "proj_b", "1", "1.25", "1.25"],
        ["gpt-4o", "input", "proj_b", "0.00001", "2.5", "0.000025"],
        ["gpt-4o", "output", "proj_b", "0.1", "5", "0.5"],
        ["gpt-4o", "output", "proj_b", "0.000003", "10", "0.00003"],
        ["gpt-5", "input", null, "1", "0.625", "0.625"]
      ])

      // Again, undisturbed: nothing new is written, and the rows are the same.
      const again = yield* convert(pipelines)
      expect(again[0]?.[0]).toMatchObject({
        credentials: [{ months: [{ outcome: "unchanged" }, { outcome: "unchanged" }] }]
      })
      expect(yield* focusRows).toEqual(rows)

      // The bill arrives, late: it is the day's cost from now on, and a restated one replaces it.
      const bill = (value: string) =>
        `[{"amount":{"value":${value},"currency":"usd"},"line_item":"gpt-4o, input","project_id":"proj_b","quantity":2000,"quantity_unit":"1000_tokens"}]`
      for (const value of ["0.1234567890123456789", "1e-7"]) {
        put("openai", "costs", "2026-06-01", bill(value))
        yield* convert(late)
        const billed = (yield* focusRows).filter(({ source }) => source === "provider")
        expect(billed).toMatchObject([
          { billed: value === "1e-7" ? "0.0000001" : value, quantity: "2", price: null, account: "proj_b" }
        ])
        expect(yield* focusRows).toHaveLength(5 + 1)
      }

      // Amounts have no price; what they say of a quantity is taken, in its unit, and only what they leave out is a gap.
      const line = (item: string, quantity: string) =>
        `{"amount":{"value":0.5,"currency":"usd"},"line_item":"${item}","project_id":"proj_b"${quantity}}`
      const lines = [
        line("a, input", ',"quantity":2000,"quantity_unit":"1000_tokens"'),
        line("b, images", ',"quantity":3,"quantity_unit":"images"'),
        line("c, fee", "")
      ]
      put("openai", "costs", "2026-06-01", `[${lines.join()}]`)
      const told = yield* convert(late)
      expect(told.at(-1)?.[3]).toMatchObject({ conformance: { violated: [] } })
      const quantities = yield* query(
        acme,
        `SELECT CONCAT(CAST(PricingQuantity AS STRING), ' ', PricingUnit) AS priced,
          CONCAT(CAST(ConsumedQuantity AS STRING), ' ', ConsumedUnit) AS consumed, x_SourceGaps AS gaps
        FROM cost_data_standard_1_3 WHERE x_CostSource = 'provider' ORDER BY ChargeDescription`
      )
      const gaps = "ContractedUnitPrice ListUnitPrice"
      expect(quantities).toEqual([
        { priced: "2 1000000 Tokens", consumed: "2000000 Tokens", gaps },
        { priced: "3 Images", consumed: "3 Images", gaps },
        { priced: null, consumed: null, gaps: `ConsumedQuantity ${gaps} PricingQuantity` }
      ])
      put("openai", "costs", "2026-06-01", "[]")
      yield* convert(late)
      expect(yield* focusRows).toEqual(rows)
      expect(yield* query(globex, "SELECT COUNT(*) AS n FROM cost_data_standard_1_3")).toEqual([{ n: 0 }])
    })
  )

  it.effect(
    "a wrong key is one clear error after one call; answers that break the contract fail and lose nothing",
    () =>
      Effect.gen(function* () {
        const { faults, journal, put } = yield* Server
        yield* credential(globex, "OPENAI", "sk-project-0000")
        const before = journal.length
        const refused = yield* run(globex, "genai/payg/openai", "2026-06-01")
        expect(refused.run.status).toBe("FAILED")
        expect(journal.slice(before).map(({ url }) => url.pathname)).toEqual(["/v1/organization/costs"])
        expect(refused.run.errorMessage).toContain("OpenAI costs of 2026-06: HTTP 401, invalid_api_key")
        expect(JSON.stringify(refused)).toContain("admin key")
        expect(JSON.stringify(refused)).not.toMatch(/sk-project-0000|never show this/)

        yield* credential(globex, "OPENAI", openAiKey)
        put("openai", "costs", "2026-06-02", '[{"amount":{"value":2.5,"currency":"usd"},"line_item":"x"}]')
        expect((yield* run(globex, "genai/payg/openai", "2026-06-02")).run.status).toBe("COMPLETED")
        const kept = query(globex, "SELECT SUM(amount) AS amount FROM genai_payg_billed_raw")
        expect(yield* kept).toEqual([{ amount: "2.5" }])
        const broken = [
          "<html>maintenance</html>",
          '{"data":[],"has_more":true,"next_page":null}',
          '{"data":[{"start_time":1780272000,"results":[{"amount":{"value":"many","currency":"usd"}}]}],"has_more":false}',
          '{"data":[{"start_time":1780272000,"results":[{"amount":{"value":1.5}}]}],"has_more":false}'
        ]
        for (const body of broken) {
          faults.push((_request, response) => {
            response.writeHead(200).end(body)
            return true
          })
          const failed = yield* run(globex, "genai/payg/openai", "2026-06-02")
          expect([failed.run.status, failed.steps[0]?.errorContext]).toMatchObject([
            "FAILED",
            { error_code: "OPENAI_ANSWER_UNREADABLE", error_type: "PERMANENT" }
          ])
          expect(yield* kept).toEqual([{ amount: "2.5" }])
        }
        const repeated = '{"data":[],"has_more":true,"next_page":"page_again"}'
        faults.push(
          ...[repeated, repeated].map((body) => (_request: unknown, response: { end: (text: string) => void }) => {
            response.end(body)
            return true
          })
        )
        expect((yield* run(globex, "genai/payg/openai", "2026-06-02")).run.errorMessage).toContain(
          "a page's cursor came twice"
        )
      })
  )
})
