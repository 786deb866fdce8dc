/**
 * `aggregated/cost/unified_cost_sync`: three sources side by side, of which one may fail, and the price of what they tell.
 */
import type { ServerResponse } from "node:http"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Credentials } from "../../src/credentials/Credentials.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"
import { acme, credential, layer, query, run, Server } from "./support.ts"

const completion = {
  object: "organization.usage.completions.result",
  model: "gpt-4o",
  input_tokens: 1_000_000,
  input_cached_tokens: 0,
  output_tokens: 0,
  num_model_requests: 1,
  project_id: null,
  api_key_id: null,
  batch: false,
  service_tier: "default"
}
const message = {
  model: "claude-opus-4-6",
  service_tier: "standard",
  context_window: "0-200k",
  inference_geo: "global",
  uncached_input_tokens: 1_000_000,
  cache_creation: { ephemeral_1h_input_tokens: 0, ephemeral_5m_input_tokens: 0 },
  cache_read_input_tokens: 0,
  output_tokens: 0,
  server_tool_use: { web_search_requests: 0 },
  api_key_id: null,
  workspace_id: null
}
const bill =
  '{"billing_account_id":"0AAAAA-111111-222222","service":{"id":"6F81","description":"Compute Engine"},"sku":{"id":"2E27","description":"Core"},' +
  '"usage_start_time":"2026-06-01T11:00:00Z","usage_end_time":"2026-06-01T12:00:00Z","invoice":{"month":"202606"},"cost":1.25,"currency":"USD",' +
  '"export_time":"2026-06-01T20:00:00Z","credits":[]}'

const sync = run(acme, "aggregated/cost/unified_cost_sync", "2026-06-01", "2026-06-30")

const counts = query(
  acme,
  `SELECT 'openai' AS source, COUNT(*) AS n FROM genai_payg_costs_daily WHERE provider = 'openai'
  UNION ALL SELECT 'anthropic', COUNT(*) FROM genai_payg_costs_daily WHERE provider = 'anthropic'
  UNION ALL SELECT 'gcp', COUNT(*) FROM cloud_gcp_billing_raw_daily ORDER BY source`
)

withLayer(layer, { excludeTestServices: true })("unified_cost_sync", (it) => {
  it.scoped("loads its three sources at the same time, then prices the tokens of both providers", () =>
    Effect.gen(function* () {
      const { faults, put } = yield* Server
      put("openai", "usage/completions", "2026-06-01", [completion])
      put("anthropic", "usage_report/messages", "2026-06-01", [message])
      const folder = yield* temporaryFolder
      yield* Effect.promise(() => writeFile(join(folder, "june.json"), `${bill}\n`))
      yield* (yield* Credentials).put({
        org: acme,
        credentialId: "gcp",
        provider: "GCP_FILES",
        credentialName: "gcp",
        metadata: { path: folder },
        secret: Redacted.make("")
      })
      // The first question waits for one of the other provider: steps in a row would wait for ever.
      const held: Array<{ readonly isOpenAi: boolean; readonly response: ServerResponse }> = []
      const again = (response: ServerResponse) => response.writeHead(503, { "retry-after": "0" }).end("{}")
      faults.push(
        ({ url }, response) => {
          held.push({ isOpenAi: url.pathname.startsWith("/v1/organization/"), response })
          return true
        },
        ({ url }, response) => {
          const [first] = held
          if (first?.isOpenAi === url.pathname.startsWith("/v1/organization/")) return false
          for (const each of [first?.response, response]) if (each !== undefined) again(each)
          return true
        }
      )
      const ended = yield* sync
      expect([ended.run.status, ended.run.errorMessage, faults]).toEqual(["COMPLETED", null, []])
      expect(yield* counts).toEqual([
        { source: "anthropic", n: 1 },
        { source: "gcp", n: 1 },
        { source: "openai", n: 1 }
      ])
    })
  )

  it.scoped(
    "goes on without sources that fail (a key that is refused, a folder that is gone), and the run names them",
    () =>
      Effect.gen(function* () {
        const { put } = yield* Server
        yield* credential(acme, "OPENAI", "sk-admin-wrong")
        put("anthropic", "usage_report/messages", "2026-06-02", [message])
        const ended = yield* sync
        expect([ended.run.status, ended.run.metadata["failed_steps"]]).toEqual([
          "COMPLETED",
          ["openai_extract", "gcp_extract"]
        ])
        expect(ended.steps.map(({ status, stepId }) => [stepId, status])).toEqual([
          ["openai_extract", "FAILED"],
          ["anthropic_extract", "COMPLETED"],
          ["gcp_extract", "FAILED"],
          ["calculate_costs", "COMPLETED"]
        ])
        // What was loaded of the sources that failed stays.
        expect(yield* counts).toEqual([
          { source: "anthropic", n: 2 },
          { source: "gcp", n: 1 },
          { source: "openai", n: 1 }
        ])
      })
  )
})
