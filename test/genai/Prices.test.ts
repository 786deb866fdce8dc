import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Day, RunId } from "../../src/platform/Identifiers.ts"
import { Warehouse } from "../../src/warehouse/Warehouse.ts"
import { openAiKey } from "../support/genaiServer.ts"
import { acme, credential, layer, query, run, Server } from "./support.ts"

withLayer(layer, { excludeTestServices: true })("prices of models", (it) => {
  it.effect("the organisation's own win over those that ship, when the costs are calculated anew", () =>
    Effect.gen(function* () {
      const { put } = yield* Server
      yield* credential(acme, "OPENAI", openAiKey, "second_account")
      put("openai", "usage/completions", "2026-07-01", [
        { model: "gpt-4o", input_tokens: 1_000_000, input_cached_tokens: 200_000, output_tokens: 500_000 }
      ])
      const loaded = yield* run(acme, "genai/payg/openai", "2026-07-01")
      expect([loaded.run.status, loaded.run.errorMessage]).toEqual(["COMPLETED", null])
      const costs = query(
        acme,
        `SELECT x_credential_id AS credential, total_cost_usd AS total, list_cost_usd AS list, discount_applied_pct AS pct, x_pipeline_id AS owner
        FROM genai_payg_costs_daily ORDER BY 1`
      )
      // 0.8 x 2.5 + 0.2 x 1.25 + 0.5 x 10, of each account.
      const shipped = { total: "7.25", list: "7.25", pct: "0", owner: "genai_payg_openai" }
      expect(yield* costs).toEqual([
        { credential: "openai", ...shipped },
        { credential: "second_account", ...shipped }
      ])
      const org = yield* (yield* Warehouse).org(acme)
      const contract = {
        provider: "openai",
        model: "gpt-4o",
        region: "global",
        input_per_1m: "2.5",
        output_per_1m: "10",
        cached_input_per_1m: "1.25",
        is_override: true,
        override_input_per_1m: "2",
        override_effective_from: "2026-07-01",
        volume_discount_pct: "10"
      }
      yield* org.replaceSlice({
        slice: {
          table: "genai_payg_pricing",
          pipelineId: "another_service",
          credentialId: "default",
          extent: { kind: "day", date: Schema.decodeSync(Day)("2026-01-01") }
        },
        source: { _tag: "Rows", rows: Stream.make(contract) },
        runId: Schema.decodeSync(RunId)("00000000-0000-4000-8000-000000000000")
      })
      const anew = yield* run(acme, "genai/payg/cost_only", "2026-07-01")
      expect([anew.run.status, anew.run.errorMessage]).toEqual(["COMPLETED", null])
      // (0.8 x 2 + 0.2 x 1.25 + 0.5 x 10) x 0.9 = 6.85 x 0.9; 14.9655172... percent less than 7.25.
      const negotiated = { total: "6.165", list: "7.25", pct: "14.9655", owner: "genai_payg_openai" }
      expect(yield* costs).toEqual([
        { credential: "openai", ...negotiated },
        { credential: "second_account", ...negotiated }
      ])
    })
  )

  it.effect("the file that ships names the source of each, and has one price for a day", () =>
    Effect.gen(function* () {
      yield* run(acme, "genai/payg/cost_only", "2026-07-01")
      const own = "x_pipeline_id = 'genai_prices'"
      expect(
        yield* query(
          acme,
          `SELECT COUNT(*) > 150 AS many, COUNTIF(NOT STARTS_WITH(source, 'https://')) AS unsourced FROM genai_payg_pricing WHERE ${own}`
        )
      ).toEqual([{ many: true, unsourced: 0 }])
      expect(
        yield* query(
          acme,
          `SELECT one.model FROM genai_payg_pricing AS one JOIN genai_payg_pricing AS two
            ON two.provider = one.provider AND two.model = one.model AND two.region = one.region
            AND COALESCE(two.service_tier, '') = COALESCE(one.service_tier, '')
            AND COALESCE(two.context_window, '') = COALESCE(one.context_window, '')
            AND COALESCE(two.token_kind, '') = COALESCE(one.token_kind, '')
            AND COALESCE(two.effective_from, DATE '0001-01-01') > COALESCE(one.effective_from, DATE '0001-01-01')
          WHERE one.${own} AND two.${own} AND (one.effective_to IS NULL OR one.effective_to >= two.effective_from)`
        )
      ).toEqual([])
      expect(
        yield* query(
          acme,
          `SELECT provider, model FROM genai_payg_pricing WHERE ${own}
          GROUP BY provider, model, service_tier, context_window, token_kind, region, effective_from HAVING COUNT(*) > 1`
        )
      ).toEqual([])
    })
  )
})
