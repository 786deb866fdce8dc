import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { join } from "node:path"
import * as Conformance from "../../src/focus/Conformance.ts"
import * as RuleSet from "../../src/focus/RuleSet.ts"
import { Settings } from "../../src/platform/Settings.ts"
import * as Tables from "../../src/warehouse/Tables.ts"
import { Warehouse } from "../../src/warehouse/Warehouse.ts"
import { acme, globex, layer, query, run } from "./support.ts"
import {
  azureAccount,
  azureCredential,
  bedrockCredential,
  Clouds,
  ownPrices,
  vertexCredential
} from "./commitmentSupport.ts"
import { project } from "../support/monitoringServer.ts"

const [first, last] = ["2026-06-01", "2026-06-02"]
const arn = (region: string, id: string) => `arn:aws:bedrock:${region}:123456789012:provisioned-model/${id}`
const throughput = (region: string, id: string, change: Readonly<Record<string, unknown>>) => ({
  provisionedModelName: id,
  provisionedModelArn: arn(region, id),
  modelArn: `arn:aws:bedrock:${region}::foundation-model/cohere.command-text-v14`,
  desiredModelArn: `arn:aws:bedrock:${region}::foundation-model/cohere.command-text-v14`,
  foundationModelArn: `arn:aws:bedrock:${region}::foundation-model/cohere.command-text-v14`,
  modelUnits: 2,
  desiredModelUnits: 2,
  status: "InService",
  creationTime: "2026-06-01T00:00:00Z",
  lastModifiedTime: "2026-06-01T00:00:00Z",
  ...change
})

/** A pipeline's outcome, which must be good. */
const done = Effect.fnUntraced(function* (org: typeof acme, pipeline: string, from = first, to = last) {
  const { run: ended, steps } = yield* run(org, pipeline, from, to)
  expect([pipeline, ended.status, ended.errorMessage]).toEqual([pipeline, "COMPLETED", null])
  return steps.map((step) => step.metadata["output"])
})

const costs = (org: typeof acme, provider: string) =>
  query(
    org,
    `SELECT cost_date AS day, x_credential_id AS credential, COALESCE(commitment_name, commitment_id) AS name, region,
      provisioned_units AS units, hours_active AS hours, average_used_units AS used, tokens_processed AS tokens,
      commitment_cost_usd AS cost, total_cost_usd AS total, commitment_term_months AS term
    FROM genai_commitment_costs_daily WHERE provider = '${provider}' ORDER BY 1, 2, 3`
  )

const focus = (org: typeof acme, provider: string) =>
  Effect.map(
    query(
      org,
      `SELECT DATE(ChargePeriodStart) AS day, ChargeCategory AS category, CommitmentDiscountStatus AS status, BilledCost AS billed,
        EffectiveCost AS effective, PricingQuantity AS quantity, PricingUnit AS unit
      FROM cost_data_standard_1_3 WHERE x_genai_provider = '${provider}' ORDER BY 1, x_source_record_id, x_SplitPart`
    ),
    (rows) => rows.map((row) => Object.values(row))
  )

withLayer(Layer.provideMerge(Clouds.layer, layer), { excludeTestServices: true })("provisioned throughput", (it) => {
  it.effect("Bedrock: model units by the hours that they were in service, region by region", () =>
    Effect.gen(function* () {
      const { aws } = yield* Clouds
      aws.provision("us-east-1", [
        throughput("us-east-1", "monthly", {
          commitmentDuration: "OneMonth",
          commitmentExpirationTime: "2026-07-01T00:00:00Z"
        }),
        throughput("us-east-1", "hourly", { modelUnits: 1, creationTime: "2026-06-01T10:45:00Z" }),
        throughput("us-east-1", "starting", { status: "Creating" })
      ])
      aws.provision("eu-central-1", [throughput("eu-central-1", "new", { creationTime: "2026-06-02T23:15:00Z" })])
      aws.measure("us-east-1", "InputTokenCount", arn("us-east-1", "monthly"), first, "1200000.0")
      aws.measure("us-east-1", "OutputTokenCount", arn("us-east-1", "monthly"), first, "3.0E5")
      aws.measure("us-east-1", "Invocations", arn("us-east-1", "monthly"), first, "42.0")
      yield* bedrockCredential(acme, "bedrock", { regions: ["us-east-1", "eu-central-1"] })
      const [, priced] = yield* done(acme, "genai/commitment/aws_bedrock")
      // Units of a month have a shipped price, those by the hour have none.
      expect(priced).toMatchObject({
        findings: {
          genai_missing_price: {
            status: "FAIL",
            rows: 3,
            examples: [
              "aws_bedrock provisioned_throughput, cohere.command-text-v14 in eu-central-1: no price on 2026-06-02",
              "aws_bedrock provisioned_throughput, cohere.command-text-v14 in us-east-1: no price on 2026-06-01",
              "aws_bedrock provisioned_throughput, cohere.command-text-v14 in us-east-1: no price on 2026-06-02"
            ]
          }
        }
      })
      yield* ownPrices(acme, "genai_commitment_pricing", [
        {
          provider: "aws_bedrock",
          commitment_type: "provisioned_throughput",
          model: "cohere.command-text-v14",
          region: "global",
          ptu_hourly_rate: "44",
          volume_discount_pct: "10",
          tokens_per_unit_minute: "2500"
        }
      ])
      yield* done(acme, "genai/commitment/aws_bedrock")
      // 2 x 39.6 x 24; 1 x 44 x 13.25 x 0.9 and x 24; 2 x 44 x 0.75 x 0.9.
      expect((yield* costs(acme, "aws_bedrock")).map((row) => Object.values(row))).toEqual([
        [first, "bedrock", "hourly", "us-east-1", 1, "13.25", null, null, "524.7", "524.7", 0],
        [first, "bedrock", "monthly", "us-east-1", 2, "24", null, 1_500_000, "1900.8", "1900.8", 1],
        [last, "bedrock", "hourly", "us-east-1", 1, "24", null, null, "950.4", "950.4", 0],
        [last, "bedrock", "monthly", "us-east-1", 2, "24", null, null, "1900.8", "1900.8", 1],
        [last, "bedrock", "new", "eu-central-1", 2, "0.75", null, null, "59.4", "59.4", 0]
      ])
      const [, , reconciled, conformance] = yield* done(acme, "genai/unified/consolidate")
      expect(reconciled).toMatchObject({
        reconciliation: [{ nativeBilled: "5336.1", focusBilled: "5336.1", difference: "0", effectiveDifference: "0" }]
      })
      expect(conformance).toMatchObject({ conformance: { violated: [] } })
      const rows = yield* focus(acme, "aws_bedrock")
      expect(rows.filter(([day]) => day === first).sort()).toEqual([
        [first, "Purchase", null, "1900.8", "0", "48", "Model Unit-Hours"],
        [first, "Usage", null, "524.7", "524.7", "13.25", "Model Unit-Hours"],
        [first, "Usage", "Used", "0", "1900.8", "48", "Model Unit-Hours"]
      ])
      expect(
        yield* query(
          acme,
          `SELECT ContractId AS id, ContractCommitmentQuantity AS quantity, ContractCommitmentUnit AS unit,
            DATE(ContractPeriodStart) AS start_day, DATE(ContractPeriodEnd) AS end_day FROM contract_commitment_1_3`
        )
      ).toEqual([
        {
          id: arn("us-east-1", "monthly"),
          quantity: "1440",
          unit: "Model Unit-Hours",
          start_day: "2026-06-01",
          end_day: "2026-07-01"
        }
      ])
    })
  )

  it.effect("Azure: units of deployments and how far they were used, by the hour and on a term", () =>
    Effect.gen(function* () {
      const { azure } = yield* Clouds
      const [hourly, reserved] = [azureAccount("acme-models"), azureAccount("acme-reserved")]
      const deployment = (name: string, sku: string, capacity: number) => ({
        name,
        sku: { name: sku, capacity },
        properties: { model: { name: "gpt-4o", version: "2024-08-06" } },
        systemData: { createdAt: name === "late" ? "2026-06-02T06:00:00Z" : "2026-05-01T00:00:00Z" }
      })
      azure.deployments.set(hourly, [
        deployment("chat", "GlobalProvisionedManaged", 100),
        deployment("shared", "GlobalStandard", 10),
        deployment("late", "ProvisionedManaged", 50)
      ])
      azure.deployments.set(reserved, [deployment("batch", "DataZoneProvisionedManaged", 50)])
      const measure = (resourceId: string, metric: string, name: string, hours: Readonly<Record<string, string>>) =>
        azure.series.push({ resourceId, metric, dimensions: { ModelDeploymentName: name }, hours })
      const utilization = "AzureOpenAIProvisionedManagedUtilizationV2"
      measure(hourly, utilization, "chat", { [`${first}T08:00:00Z`]: "60", [`${first}T09:00:00Z`]: "42" })
      measure(hourly, "ProcessedPromptTokens", "chat", { [`${first}T08:00:00Z`]: "1000" })
      measure(hourly, "GeneratedTokens", "chat", { [`${first}T08:00:00Z`]: "500" })
      measure(reserved, utilization, "batch", { [`${first}T08:00:00Z`]: "480" })
      yield* azureCredential(globex, "azure_hourly", { resource_group: "models", region: "swedencentral" })
      yield* azureCredential(
        globex,
        "azure_reserved",
        { resource_ids: [reserved], commitment_term_months: 1, commitment_start: "2026-06-01" },
        { subscription_id: "44444444-aaaa-4000-8000-000000000002" }
      )
      yield* done(globex, "genai/commitment/azure_ptu")
      // 102 percent over 24 hours of 100 units; 480 percent over 24 hours of 50: 10 units. 50 x 260 / 720 x 24.
      expect((yield* costs(globex, "azure_openai")).map((row) => Object.values(row))).toEqual([
        [first, "azure_hourly", "chat", "global", 100, "24", "4.25", 1500, "2400", "2400", 0],
        [first, "azure_reserved", "batch", "global", 50, "24", "10", null, "433.333333333", "433.333333333", 1],
        [last, "azure_hourly", "chat", "global", 100, "24", null, null, "2400", "2400", 0],
        [last, "azure_hourly", "late", "swedencentral", 50, "18", null, null, "900", "900", 0],
        [last, "azure_reserved", "batch", "global", 50, "24", null, null, "433.333333333", "433.333333333", 1]
      ])
      const [, , reconciled, conformance] = yield* done(globex, "genai/unified/consolidate")
      expect(reconciled).toMatchObject({
        reconciliation: [
          {
            credentialId: "azure_hourly",
            nativeBilled: "5700",
            focusBilled: "5700",
            difference: "0",
            effectiveDifference: "0"
          },
          { credentialId: "azure_reserved", nativeBilled: "866.666666666", difference: "0", effectiveDifference: "0" }
        ]
      })
      expect(conformance).toMatchObject({ conformance: { violated: [] } })
      // A fifth of the fee was used; the unused row takes the rest.
      expect((yield* focus(globex, "azure_openai")).filter(([day]) => day === first).sort()).toEqual([
        [first, "Purchase", null, "433.333333333", "0", "1200", "PTU-Hours"],
        [first, "Usage", null, "2400", "2400", "2400", "PTU-Hours"],
        [first, "Usage", "Unused", "0", "346.666666666", "960", "PTU-Hours"],
        [first, "Usage", "Used", "0", "86.666666667", "240", "PTU-Hours"]
      ])
    })
  )

  it.effect("Vertex: the orders that the credential names, held against Google's limit", () =>
    Effect.gen(function* () {
      const { google } = yield* Clouds
      const prefix = "aiplatform.googleapis.com/publisher/online_serving"
      const measure = (metric: string, values: Readonly<Record<string, string>>) =>
        google.series.push({
          metric: `${prefix}/${metric}`,
          metricLabels: { request_type: "dedicated" },
          resourceType: "aiplatform.googleapis.com/PublisherModel",
          resourceLabels: { model_user_id: "gemini-2.5-pro", location: "us-central1" },
          values
        })
      measure("consumed_token_throughput", { [first]: "21600000" })
      measure("dedicated_token_limit", { [first]: "1000", [last]: "1000" })
      measure("dedicated_gsu_limit", { [first]: "12", [last]: "10" })
      yield* vertexCredential(acme, "vertex", {
        gsu_commitments: [
          { id: "order-1", model: "gemini-2.5-pro", region: "us-central1", units: 10, term_months: 1, start: first },
          { id: "order-2", model: "gemini-2.5-flash", units: 1, term_months: 7 },
          { id: "order-3", model: "gemini-2.5-pro", region: "us-central1", units: 5, end: first }
        ]
      })
      const [loaded, priced] = yield* done(acme, "genai/commitment/gcp_vertex")
      expect(loaded).toMatchObject({
        findings: {
          genai_gsu_limit_differs: {
            status: "WARNING",
            examples: ["gemini-2.5-pro in us-central1 on 2026-06-01: the credential names 10 GSU, Google's limit is 12"]
          }
        }
      })
      expect(priced).toMatchObject({ findings: { genai_missing_price: { rows: 2 } } })
      // 21.6 million of 86.4 million: a quarter of 10 units. 10 x 3.6986 x 24.
      expect((yield* costs(acme, "gcp_vertex")).map((row) => Object.values(row))).toEqual([
        [first, "vertex", "order-1", "us-central1", 10, "24", "2.5", 21_600_000, "887.664", "887.664", 1],
        [last, "vertex", "order-1", "us-central1", 10, "24", null, null, "887.664", "887.664", 1]
      ])
      yield* done(acme, "genai/unified/consolidate")
      expect((yield* focus(acme, "gcp_vertex")).filter(([day]) => day === first)).toEqual([
        [first, "Purchase", null, "887.664", "0", "240", "GSU-Hours"],
        [first, "Usage", "Used", "0", "221.916", "60", "GSU-Hours"],
        [first, "Usage", "Unused", "0", "665.748", "180", "GSU-Hours"]
      ])
      expect(
        yield* query(
          acme,
          `SELECT cost_type, provider, COUNT(*) AS n, SUM(usage_quantity) AS quantity, MIN(usage_unit) AS unit, SUM(total_cost_usd) AS total
          FROM genai_costs_daily_unified GROUP BY cost_type, provider ORDER BY provider`
        )
      ).toEqual([
        {
          cost_type: "commitment",
          provider: "aws_bedrock",
          n: 5,
          quantity: "134.75",
          unit: "ptu_hours",
          total: "5336.1"
        },
        { cost_type: "commitment", provider: "gcp_vertex", n: 2, quantity: "480", unit: "ptu_hours", total: "1775.328" }
      ])
      expect(
        yield* query(
          acme,
          `SELECT SubAccountId AS account, ServiceName AS service, ServiceCategory AS category, ServiceSubcategory AS subcategory,
            SkuPriceId AS sku, COUNT(*) AS n FROM cost_data_standard_1_3 WHERE x_genai_provider = 'gcp_vertex' GROUP BY ALL`
        )
      ).toEqual([
        {
          account: project,
          service: "Vertex AI",
          category: "AI and Machine Learning",
          subcategory: "Generative AI",
          sku: "gcp_vertex/gemini-2.5-pro/gsu/1-months/us-central1",
          n: 5
        }
      ])
      const { configsPath } = yield* Settings
      const table = (yield* Tables.load(join(configsPath, "tables"))).get("contract_commitment_1_3")
      const report = yield* Conformance.evaluate(
        yield* (yield* Warehouse).org(acme),
        yield* RuleSet.load(configsPath, "1.3"),
        {
          dataset: "ContractCommitment",
          table: { name: "contract_commitment_1_3", columns: table === undefined ? [] : Tables.columnsOf(table) }
        }
      )
      expect(report).toMatchObject({ rows: 2, violated: [] })
    })
  )
})
