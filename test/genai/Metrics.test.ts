import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { azureServer, principal, subscription } from "../support/azureServer.ts"
import { monitoringServer } from "../support/monitoringServer.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"
import { acme, credential, globex, isAbsent, layer, query, run, sample, stored } from "./support.ts"

const service = "generativelanguage.googleapis.com"
const usageRows = (provider: string) =>
  query(
    acme,
    `SELECT usage_date AS day, model, service_tier AS tier, input_tokens AS input, output_tokens AS output, request_count AS requests,
      quantity, region, x_genai_project_id AS project, x_genai_api_key_id AS api_key
    FROM genai_payg_usage_raw WHERE provider = '${provider}' ORDER BY 1, 2, 3, 9, 10, 4`
  )
const output = (ended: Effect.Effect.Success<ReturnType<typeof run>>, step: number) =>
  ended.steps[step]?.metadata["output"]

/** The first and the last day of the month before this one, and whether Google still knows all of it. */
const monthBefore = () => {
  const now = new Date()
  const first = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1)).toISOString().slice(0, 10)
  const last = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 0)).toISOString().slice(0, 10)
  return { last, isKnown: Date.now() - Date.parse(first) < 42 * 86_400_000 }
}

withLayer(layer, { excludeTestServices: true })("usage that only metrics tell", (it) => {
  it.scoped("Gemini: tokens of every tier, priced; the free tier costs nothing; a plain key says what is needed", () =>
    Effect.gen(function* () {
      const server = yield* monitoringServer
      const { isKnown, last } = monthBefore()
      const put = (metric: string, model: string, value: string, labels: Readonly<Record<string, string>> = {}) =>
        server.series.push({ metric, metricLabels: { model, ...labels }, values: { [`${last}T20:00:00Z`]: value } })
      const output2 = `${service}/generate_content_usage_output_token_count`
      put(output2, "gemini-2.5-pro", "100000", { thinking_enabled: "false" })
      put(output2, "gemini-2.5-pro", "20000", { thinking_enabled: "true" })
      put(`${service}/quota/generate_content_paid_tier_2_input_token_count/usage`, "gemini-2.5-pro", "300000")
      put(`${service}/quota/generate_content_paid_tier_input_token_count/usage`, "gemini-2.5-pro", "700000")
      put(`${service}/quota/generate_content_free_tier_input_token_count/usage`, "gemini-2.5-flash", "5000")
      put(output2, "gemini-2.5-flash", "800", { thinking_enabled: "false" })
      put(`${service}/quota/generate_requests_per_model/usage`, "gemini-2.5-pro", "42")
      put(`${service}/quota/generate_content_search_request_usage/usage`, "gemini-2.5-pro", "3")
      server.series.push({
        metric: "serviceruntime.googleapis.com/api/request_count",
        metricLabels: {},
        resourceType: "consumed_api",
        resourceLabels: { credential_id: "apikey:k-1" },
        values: { [`${last}T20:00:00Z`]: "42" }
      })
      yield* credential(acme, "GEMINI", "AIza-plain-key")
      const plain = yield* run(acme, "genai/payg/gemini", last)
      expect(plain.steps[0]?.errorContext).toMatchObject({ error_code: "PROVIDER_USAGE_UNAVAILABLE" })
      expect(JSON.stringify(plain.steps[0])).toContain("Monitoring Viewer")
      expect(JSON.stringify(plain)).not.toContain("AIza-plain-key")
      expect(server.journal).toEqual([])

      yield* stored(acme, "GEMINI", { secret: server.keyFile, metadata: { endpoint: server.endpoint } })
      server.faults.push(
        (_request, response) => (response.writeHead(429, { "retry-after": "1" }).end("{}"), true),
        (_request, response) => (response.writeHead(503).end("<html>"), true),
        (_request, response) => (response.destroy(), true)
      )
      const ended = yield* run(acme, "genai/payg/gemini", last)
      expect([ended.run.status, ended.run.errorMessage]).toEqual(["COMPLETED", null])
      expect(server.faults).toEqual([])
      const rows = yield* usageRows("gemini")
      expect(rows.map((row) => Object.values(row))).toEqual([
        [last, "gemini-2.5-flash", "free", 5000, 800, null, null, null, null, null],
        [last, "gemini-2.5-pro", null, null, null, null, "3", null, null, null],
        [last, "gemini-2.5-pro", null, 1_000_000, 120_000, 42, null, null, null, null],
        [last, "requests by key", null, null, null, null, "42", null, null, "k-1"]
      ])
      // 1 x 1.25 + 0.12 x 10: contexts count as short, which is said.
      expect(
        yield* query(
          acme,
          "SELECT model, total_cost_usd AS total FROM genai_payg_costs_daily WHERE provider = 'gemini' ORDER BY 1"
        )
      ).toEqual([
        { model: "gemini-2.5-flash", total: "0" },
        { model: "gemini-2.5-pro", total: "2.45" }
      ])
      expect(output(ended, 1)).toMatchObject({
        findings: { genai_context_not_told: { rows: 1 }, genai_unpriced_meter: { rows: 2 } },
        billed_against_computed: expect.arrayContaining([expect.objectContaining({ computed: "2.45", billed: null })])
      })

      // Google restates, and then forgets: what is loaded of a month that it does not know in full any more stays.
      server.series.length = 0
      server.known.add(output2)
      yield* run(acme, "genai/payg/gemini", last)
      expect(yield* usageRows("gemini")).toEqual(isKnown ? [] : rows)
      server.known.clear()
      const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10)
      const none = yield* run(acme, "genai/payg/gemini", yesterday)
      expect(none.steps[0]?.errorContext).toMatchObject({ error_code: "PROVIDER_USAGE_UNAVAILABLE" })
      const beyond = yield* run(acme, "genai/payg/gemini", "2025-01-01")
      expect(output(beyond, 0)).toMatchObject({ findings: { genai_usage_forgotten: { rows: 1 } } })
    })
  )

  it.scoped.skipIf(isAbsent)(
    "Gemini: saved answers of Monitoring are usage, counted once whatever files tell them",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const answer = sample("gemini/monitoring_output_tokens.json")
        writeFileSync(join(folder, "output.json"), answer)
        writeFileSync(join(folder, "twice.json"), `[${answer}]`)
        yield* stored(globex, "GEMINI_FILES", { metadata: { path: folder } })
        const ended = yield* run(globex, "genai/payg/gemini", "2026-05-01", "2026-05-31")
        expect([ended.run.status, ended.run.errorMessage]).toEqual(["COMPLETED", null])
        expect(
          yield* query(
            globex,
            "SELECT usage_date AS day, model, output_tokens AS output FROM genai_payg_usage_raw ORDER BY 1"
          )
        ).toEqual([
          { day: "2026-05-01", model: "gemini-2.5-pro", output: 880 },
          { day: "2026-05-02", model: "gemini-2.5-pro", output: 1204 }
        ])
        writeFileSync(join(folder, "other.json"), answer.replace('"880"', '"881"'))
        const refused = yield* run(globex, "genai/payg/gemini", "2026-05-01", "2026-05-31")
        expect(refused.steps[0]?.errorContext).toMatchObject({ error_code: "GEMINI_EXPORT_UNREADABLE" })
        writeFileSync(
          join(folder, "other.json"),
          '{"timeSeries":[{"metric":{"type":"m"},"points":[{"value":{"doubleValue":1}}]}]}'
        )
        const broken = yield* run(globex, "genai/payg/gemini", "2026-05-01", "2026-05-31")
        expect(broken.run.errorMessage).toContain("other.json: it is no answer of timeSeries.list with counts")
      })
  )

  it.scoped("Azure OpenAI: tokens of deployments by their models; provisioned ones are left to the commitments", () =>
    Effect.gen(function* () {
      const server = yield* azureServer("unused")
      const given = principal(server.endpoint)
      const { last } = monthBefore()
      const account = `/subscriptions/${subscription}/resourceGroups/models/providers/Microsoft.CognitiveServices/accounts/acme-ai`
      const deployment = (name: string, sku: string, model: string) => ({
        name,
        sku: { name: sku, capacity: 10 },
        properties: { model: { name: model, version: "2024-08-06" } }
      })
      server.deployments.set(account, [
        deployment("chat", "GlobalStandard", "gpt-4o"),
        deployment("reserved", "GlobalProvisionedManaged", "gpt-4o"),
        deployment("nightly", "GlobalBatch", "gpt-4o"),
        deployment("zone", "DataZoneStandard", "gpt-4o")
      ])
      const measure = (metric: string, name: string, hours: Readonly<Record<string, string>>) =>
        server.series.push({ resourceId: account, metric, dimensions: { ModelDeploymentName: name }, hours })
      for (const name of ["chat", "reserved", "nightly", "gone", "zone"]) {
        measure("ProcessedPromptTokens", name, { [`${last}T01:00:00Z`]: "600000", [`${last}T23:00:00Z`]: "400000" })
        measure("GeneratedTokens", name, { [`${last}T23:00:00Z`]: "100000" })
      }
      measure("AzureOpenAIRequests", "chat", { [`${last}T23:00:00Z`]: "7" })
      const secret = { ...given.secret, endpoint: "https://acme-ai.openai.azure.com", api_key: "unused" }
      yield* stored(acme, "AZURE_OPENAI", { secret, metadata: given.endpoints })
      const nowhere = yield* run(acme, "genai/payg/azure_openai", last)
      expect(nowhere.steps[0]?.errorContext).toMatchObject({ error_code: "PROVIDER_USAGE_UNAVAILABLE" })
      yield* stored(acme, "AZURE_OPENAI", { secret, metadata: { ...given.endpoints, resource_group: "models" } })
      const ended = yield* run(acme, "genai/payg/azure_openai", last)
      expect([ended.run.status, ended.run.errorMessage]).toEqual(["COMPLETED", null])
      expect((yield* usageRows("azure_openai")).map((row) => Object.values(row))).toEqual([
        [last, "deployment gone", null, 1_000_000, 100_000, null, null, null, "gone", null],
        [last, "gpt-4o-2024-08-06", null, 1_000_000, 100_000, 7, null, "global", "chat", null],
        [last, "gpt-4o-2024-08-06", null, 1_000_000, 100_000, null, null, "global", "nightly", null],
        [last, "gpt-4o-2024-08-06", null, 1_000_000, 100_000, null, null, "eu", "zone", null]
      ])
      expect(output(ended, 0)).toMatchObject({ findings: { genai_unknown_deployment: { rows: 1 } } })
      // 1 x 2.50 + 0.1 x 10, and half of it as a batch; what has no price is said.
      expect(
        yield* query(
          acme,
          "SELECT x_genai_project_id AS deployment, total_cost_usd AS total FROM genai_payg_costs_daily WHERE provider = 'azure_openai' ORDER BY 1"
        )
      ).toEqual([
        { deployment: "chat", total: "3.5" },
        { deployment: "nightly", total: "1.75" },
        { deployment: "zone", total: "3.85" }
      ])
      expect(output(ended, 1)).toMatchObject({ findings: { genai_missing_price: { rows: 1 } } })
      yield* stored(acme, "AZURE_OPENAI", {
        secret: { ...secret, client_secret: "wrong" },
        metadata: { ...given.endpoints, resource_group: "models" }
      })
      const before = server.journal.length
      const refused = yield* run(acme, "genai/payg/azure_openai", last)
      expect(refused.steps[0]?.errorContext).toMatchObject({ error_code: "AZURE_ACCESS_DENIED" })
      expect(server.journal.length - before).toBe(1)
    })
  )
})
