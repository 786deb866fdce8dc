import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readPriceList } from "../../src/genai/PriceList.ts"
import { parseLossless } from "../../src/platform/Json.ts"
import { commandLine } from "../support/commandLine.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"
import { isAbsent } from "./support.ts"

const list = (text: string) =>
  Effect.map(parseLossless(text), (content) => readPriceList(content, "https://prices.example"))

const samplePath = (name: string) => new URL(`../../../shared/samples/pricing/${name}`, import.meta.url).pathname

it.effect(
  "LiteLLM: prices per token become prices per million, exact; suffixes combine; what is not taken is told",
  () =>
    Effect.gen(function* () {
      const found = yield* list(`{
      "sample_spec": {"litellm_provider": "one of many", "input_cost_per_token": 1},
      "fallback_generalizations": "text",
      "gpt-9": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.9999999900000002e-06, "output_cost_per_token": 1e-05,
        "cache_read_input_token_cost": 1.3e-10, "input_cost_per_token_batches": 1.5e-06, "output_cost_per_token_batches": 5e-06,
        "input_cost_per_token_above_272k_tokens_flex": 3e-06, "output_cost_per_token_above_272k_tokens_flex": 1.5e-05,
        "input_cost_per_token_flex": 1.5e-06, "output_cost_per_token_flex": 5e-06, "input_cost_per_audio_token": 4e-05,
        "output_cost_per_audio_token": 8e-05, "search_context_cost_per_query": {"search_context_size_low": 0.01}},
      "claude-9": {"litellm_provider": "anthropic", "input_cost_per_token": 5e-06, "output_cost_per_token": 2.5e-05,
        "cache_creation_input_token_cost": 6.25e-06, "cache_creation_input_token_cost_above_1hr": 1e-05, "provider_specific_entry": {"us": 1.1}},
      "azure/eu/gpt-9": {"litellm_provider": "azure", "input_cost_per_token": 3.3e-06, "output_cost_per_token": 1.1e-05},
      "gemini/free-9": {"litellm_provider": "gemini", "input_cost_per_token": 0, "output_cost_per_token": 0},
      "bedrock/us-east-1/1-month-commitment/x": {"litellm_provider": "bedrock", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6},
      "groq/llama": {"litellm_provider": "groq", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}
    }`)
      const common = { source: "https://prices.example" }
      expect(found?.rows).toEqual([
        {
          ...common,
          provider: "openai",
          model: "gpt-9",
          region: "global",
          context_window: "0-272k",
          input_per_1m: "2.99999999",
          output_per_1m: "10",
          cached_input_per_1m: "0.00013",
          batch_input_per_1m: "1.5",
          batch_output_per_1m: "5"
        },
        {
          ...common,
          provider: "openai",
          model: "gpt-9",
          region: "global",
          service_tier: "flex",
          context_window: "272k-",
          input_per_1m: "3",
          output_per_1m: "15"
        },
        {
          ...common,
          provider: "openai",
          model: "gpt-9",
          region: "global",
          service_tier: "flex",
          context_window: "0-272k",
          input_per_1m: "1.5",
          output_per_1m: "5"
        },
        {
          ...common,
          provider: "openai",
          model: "gpt-9",
          region: "global",
          context_window: "0-272k",
          token_kind: "audio",
          input_per_1m: "40",
          output_per_1m: "80"
        },
        {
          ...common,
          provider: "anthropic",
          model: "claude-9",
          region: "global",
          input_per_1m: "5",
          output_per_1m: "25",
          cached_write_per_1m: "6.25",
          cached_write_1h_per_1m: "10"
        },
        {
          ...common,
          provider: "anthropic",
          model: "claude-9",
          region: "us",
          input_per_1m: "5.5",
          output_per_1m: "27.5",
          cached_write_per_1m: "6.875",
          cached_write_1h_per_1m: "11"
        },
        {
          ...common,
          provider: "azure_openai",
          model: "gpt-9",
          region: "eu",
          input_per_1m: "3.3",
          output_per_1m: "11"
        }
      ])
      expect(found?.skipped.map(({ count, reason }) => [reason, count]).sort()).toEqual([
        ["a commitment, no price per token", 1],
        ["a price of 0, which may mean that it is not known", 1],
        ["a provider that this service does not read", 1],
        ["no model", 2],
        ["the field provider_specific_entry", 1],
        ["the field search_context_cost_per_query", 1]
      ])
    })
)

it.effect("genai-prices: first days, lengths of context and kinds; a price by the time of day is not taken", () =>
  Effect.gen(function* () {
    const found = yield* list(`[{"id": "google", "pricing_urls": ["https://google.example"], "models": [
      {"id": "gemini-9", "match": {"or": [{"equals": "gemini-9-latest"}, {"starts_with": "gemini-9-"}, {"contains": "nine"}]}, "prices": [
        {"prices": {"input_mtok": {"base": 1.25, "tiers": [{"start": 200000, "price": 2.5}]}, "output_mtok": 10, "input_audio_mtok": 3}},
        {"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": 1, "output_mtok": 8}}]},
      {"id": "night", "prices": [{"prices": {"input_mtok": 1}}, {"constraint": {"start_time": "00:30:00Z"}, "prices": {"input_mtok": 2}}]}
    ]}, {"id": "groq", "models": [{"id": "x", "prices": {"input_mtok": 1}}]}]`)
    expect(
      found?.rows
        .filter(({ model, provider }) => provider === "gemini" && model === "gemini-9-latest")
        .map((row) => [
          row.context_window,
          row.token_kind,
          row.effective_from,
          row.effective_to,
          row.input_per_1m,
          row.output_per_1m
        ])
    ).toEqual([
      ["0-200k", undefined, undefined, "2026-12-31", "1.25", "10"],
      ["200k-1M", undefined, undefined, "2026-12-31", "2.5", "10"],
      ["0-200k", "audio", undefined, "2026-12-31", "3", "10"],
      [undefined, undefined, "2027-01-01", undefined, "1", "8"]
    ])
    expect(found?.models).toBe(4)
    expect(found?.skipped.map(({ reason }) => reason).sort()).toEqual([
      "a price that depends on the time of day",
      "a provider that this service does not read"
    ])
    expect(yield* list('{"no": "list"}')).toBeUndefined()
  })
)

it.scopedLive.skipIf(isAbsent)("prices import takes a published list into an organisation, or into a file", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const environment = { DATA_DIR: join(folder, "data") }
    const file = samplePath("litellm_model_prices_and_context_window.json")
    const cli = (...args: ReadonlyArray<string>) => commandLine(environment, ...args)
    expect((yield* cli("admin", "org", "create", "acme_corp")).code).toBe(0)
    const taken = yield* cli(
      "prices",
      "import",
      file,
      "--org",
      "acme_corp",
      "--from",
      "2026-11-01",
      "--output",
      join(folder, "out.csv"),
      "--json"
    )
    expect([taken.err, taken.code]).toEqual(["", 0])
    expect(readFileSync(join(folder, "out.csv"), "utf8").split("\n").length).toBeGreaterThan(1000)
    const counted = yield* cli(
      "query",
      "--org",
      "acme_corp",
      "SELECT COUNT(*) AS n, MIN(effective_from) AS first FROM genai_payg_pricing WHERE x_pipeline_id = 'genai_prices_import'"
    )
    expect(counted.out).toContain(String(JSON.parse(taken.out).prices))
    expect(counted.out).toContain("2026-11-01")
  })
)
