/**
 * The pipelines of the battery, each with data at its counterparty, credentials, and other numbers for its later day.
 */
import { generateKeyPairSync } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Json, JsonObject } from "../../src/platform/Json.ts"
import { awsMetadata, externalId, otherRoleArn, roleArn } from "../support/awsServer.ts"
import { principal } from "../support/azureServer.ts"
import { deepSeekKey, deepSeekServer } from "../support/deepSeekServer.ts"
import { anthropicKey, genaiServer, openAiKey } from "../support/genaiServer.ts"
import type { RunningServer } from "../support/httpServer.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"
import { azureAccount, servers } from "./commitmentSupport.ts"

/** A day so long ago, whole and still known to everybody. */
const dayBefore = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)
export const [earlier, later] = [dayBefore(3), dayBefore(2)]
const days = [earlier, later]

/** Every counterparty. */
export const everybody = Effect.gen(function* () {
  const clouds = yield* servers
  const exports = yield* temporaryFolder
  return { ...clouds, models: yield* genaiServer, deepSeek: yield* deepSeekServer, exports }
})

export class Counterparties extends Context.Tag("test/Counterparties")<
  Counterparties,
  Effect.Effect.Success<typeof everybody>
>() {
  static readonly layer = Layer.scoped(Counterparties, everybody)
}
type Everybody = Counterparties["Type"]

/** `first` and `second` are two accounts of a provider; `wrong` is refused by it. */
export type Kind = "first" | "second" | "wrong"

/** A credential's parts. */
export interface Given {
  readonly metadata: JsonObject
  /** A bare key, or a JSON object. */
  readonly secret: JsonObject | string
}

/** One pipeline. */
export interface Case {
  readonly pipeline: string
  /** Owner of its rows. */
  readonly owner: string
  readonly provider: string
  /** How the provider is called in errors, and where its refusal is named. */
  readonly refused: RegExp
  readonly server: (all: Everybody) => RunningServer
  readonly credential: (all: Everybody, kind: Kind, name: string) => Given
  /** Puts the data of both days, for the export of this name where the provider's data is files; `factor` changes the later day's. */
  readonly put: (all: Everybody, factor: number, name: string) => void
}

const openAi: Case = {
  pipeline: "genai/payg/openai",
  owner: "genai_payg_openai",
  provider: "OPENAI",
  refused: /OpenAI credentials of globex_2 failed: .*HTTP 401/,
  server: ({ models }) => models,
  credential: (_all, kind) => ({ metadata: {}, secret: kind === "wrong" ? "sk-wrong" : openAiKey }),
  put: ({ models }, factor) => {
    for (const day of days) {
      const times = day === later ? factor : 1
      models.put("openai", "usage/completions", day, [
        {
          model: "gpt-4o-2024-08-06",
          input_tokens: 1_000_000 * times,
          input_cached_tokens: 200_000,
          output_tokens: 50_000,
          num_model_requests: 3,
          project_id: "proj_a",
          api_key_id: "key_1"
        },
        { model: "gpt-4o", input_tokens: 7 * times, output_tokens: 3, batch: true, project_id: "proj_b" },
        { model: "gpt-99-new", input_tokens: 5, output_tokens: 5, dream_tokens: 7 }
      ])
      models.put("openai", "usage/images", day, [{ model: "gpt-image-1", images: 4 * times, size: "1024x1024" }])
    }
    models.put(
      "openai",
      "costs",
      later,
      `[{"amount":{"value":${factor}.12345678901234567,"currency":"usd"},"line_item":"gpt-4o, input","project_id":"proj_a"}]`
    )
  }
}

const anthropic: Case = {
  pipeline: "genai/payg/anthropic",
  owner: "genai_payg_anthropic",
  provider: "ANTHROPIC",
  refused: /Anthropic credentials of globex_2 failed: .*HTTP 401/,
  server: ({ models }) => models,
  credential: (_all, kind) => ({ metadata: {}, secret: kind === "wrong" ? "sk-ant-wrong" : anthropicKey }),
  put: ({ models }, factor) => {
    for (const day of days) {
      const times = day === later ? factor : 1
      models.put("anthropic", "usage_report/messages", day, [
        {
          model: "claude-opus-4-6",
          service_tier: "standard",
          context_window: "0-200k",
          workspace_id: "wrkspc_1",
          uncached_input_tokens: 400_000 * times,
          cache_read_input_tokens: 100_000,
          cache_creation: { ephemeral_5m_input_tokens: 200_000, ephemeral_1h_input_tokens: 300_000 },
          output_tokens: 10_000,
          server_tool_use: { web_search_requests: 3 }
        }
      ])
      models.put("anthropic", "usage_report/claude_code", day, [
        {
          date: `${day}T00:00:00Z`,
          actor: { type: "user_actor", email_address: "ada@acme.test" },
          core_metrics: { num_sessions: 2 * times },
          model_breakdown: [
            {
              model: "claude-opus-4-6",
              tokens: { input: 10, output: 20, cache_read: 30, cache_creation: 40 },
              estimated_cost: { currency: "USD", amount: 123 }
            }
          ]
        }
      ])
    }
    models.put("anthropic", "cost_report", later, [
      { amount: `${factor}23.45`, currency: "USD", description: "Claude Opus 4.6, input", model: "claude-opus-4-6" }
    ])
  }
}

/** A key that nobody knows. */
const strangeKey = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" }
}).privateKey

/** A series of both days, in place of the one that was there. */
const putSeries = (
  { google }: Everybody,
  factor: number,
  metric: string,
  value: number,
  labels: Readonly<Record<string, string>>,
  resource?: Readonly<Record<string, string>>
) => {
  const one = {
    metric,
    metricLabels: labels,
    ...(resource === undefined
      ? {}
      : { resourceType: "aiplatform.googleapis.com/PublisherModel", resourceLabels: resource }),
    values: Object.fromEntries(days.map((day) => [day, String(value * (day === later ? factor : 1))]))
  }
  const at = google.series.findIndex(
    (each) => each.metric === metric && JSON.stringify(each.metricLabels) === JSON.stringify(labels)
  )
  google.series.splice(at < 0 ? google.series.length : at, at < 0 ? 0 : 1, one)
}

const googleKey = ({ google }: Everybody, kind: Kind): JsonObject => ({
  ...google.keyFile,
  ...(kind === "wrong" ? { private_key: strangeKey } : {})
})

const gemini: Case = {
  pipeline: "genai/payg/gemini",
  owner: "genai_payg_gemini",
  provider: "GEMINI",
  refused: /Gemini credentials of globex_2 failed: .*HTTP 401/,
  server: ({ google }) => google,
  credential: (all, kind) => ({ metadata: { endpoint: all.google.endpoint }, secret: googleKey(all, kind) }),
  put: (all, factor) => {
    const service = "generativelanguage.googleapis.com"
    const put = (metric: string, value: number, labels: Readonly<Record<string, string>>) =>
      putSeries(all, factor, `${service}/${metric}`, value, labels)
    for (const model of ["gemini-2.5-pro", "gemini-2.5-flash", "gemini-99-new"]) {
      put("generate_content_usage_output_token_count", 1000, { model, thinking_enabled: "false" })
      put("quota/generate_content_paid_tier_input_token_count/usage", 70_000, { model })
    }
    put("quota/generate_requests_per_model/usage", 12, { model: "gemini-2.5-pro" })
  }
}

const placed = { model_user_id: "gemini-2.5-pro", location: "us-central1" }
const serving = "aiplatform.googleapis.com/publisher/online_serving"
const vertexCredential = (all: Everybody, kind: Kind): Given => ({
  metadata: {
    endpoint: all.google.endpoint,
    monitoring_endpoint: all.google.endpoint,
    gsu_commitments: [
      { id: "order-1", model: "gemini-2.5-pro", region: "us-central1", units: 10, term_months: 1, start: earlier }
    ]
  },
  secret: googleKey(all, kind)
})

const vertex: Case = {
  pipeline: "genai/payg/gcp_vertex",
  owner: "genai_payg_gcp_vertex",
  provider: "GCP_VERTEX",
  refused: /Vertex AI credentials of globex_2 failed: .*HTTP 401/,
  server: ({ google }) => google,
  credential: vertexCredential,
  put: (all, factor) => {
    for (const [type, modality, value] of [
      ["input", "text", 1_000_000],
      ["input", "image", 2000],
      ["output", "text", 30_000],
      ["dream", "text", 9]
    ] as const) {
      putSeries(all, factor, `${serving}/token_count`, value, { request_type: "shared", type, modality }, placed)
    }
    putSeries(all, factor, `${serving}/model_invocation_count`, 42, { request_type: "shared" }, placed)
  }
}

const vertexUnits: Case = {
  ...vertex,
  pipeline: "genai/commitment/gcp_vertex",
  owner: "genai_commitment_gcp_vertex",
  put: (all, factor) => {
    const put = (metric: string, value: number, by: number) =>
      putSeries(all, by, `${serving}/${metric}`, value, { request_type: "dedicated" }, placed)
    put("consumed_token_throughput", 21_600_000, factor)
    put("dedicated_token_limit", 1000, 1)
    put("dedicated_gsu_limit", 10, 1)
  }
}

const deepSeek: Case = {
  pipeline: "genai/payg/deepseek",
  owner: "genai_payg_deepseek",
  provider: "DEEPSEEK",
  refused: /DeepSeek credentials of globex_2 failed: .*HTTP 401/,
  server: (all) => all.deepSeek,
  credential: (all, kind, name) => ({
    metadata: { endpoint: all.deepSeek.endpoint, path: join(all.exports, name) },
    secret: { api_key: kind === "wrong" ? "sk-wrong" : deepSeekKey }
  }),
  put: ({ exports }, factor, name) => {
    mkdirSync(join(exports, name), { recursive: true })
    const lines = days.flatMap((day) => {
      const times = day === later ? factor : 1
      return [
        `u1,${day},deepseek-chat,ci,sk-1,input_cache_miss_tokens,0.00000056,${1_000_000 * times}`,
        `u1,${day},deepseek-chat,ci,sk-1,output_tokens,0.00000168,1000`
      ]
    })
    const header = "user_id,utc_date,model,api_key_name,api_key,type,price,amount"
    writeFileSync(join(exports, name, "amount-x.csv"), `${[header, ...lines].join("\n")}\n`)
    const bills = days.map((day) => `u1,${day},deepseek-chat,Paid,${day === later ? factor : 1}.561680001,USD`)
    writeFileSync(
      join(exports, name, "cost-x.csv"),
      `${["user_id,utc_date,model,wallet_type,cost,currency", ...bills].join("\n")}\n`
    )
  }
}

const accounts = ["acme-one", "acme-two"].map(azureAccount)
const azureCredential = ({ azure }: Everybody, kind: Kind): Given => {
  const { endpoints, secret } = principal(azure.endpoint)
  return {
    metadata: { ...endpoints, resource_ids: [...accounts] },
    secret: {
      ...secret,
      endpoint: "https://acme-one.openai.azure.com",
      api_key: "unused",
      ...(kind === "second" ? { subscription_id: "44444444-aaaa-4000-8000-000000000002" } : {}),
      ...(kind === "wrong" ? { client_secret: "wrong" } : {})
    }
  }
}
const putAzure = ({ azure }: Everybody, factor: number) => {
  for (const account of accounts) {
    azure.deployments.set(
      account,
      [
        ["chat", "GlobalStandard"],
        ["nightly", "GlobalBatch"],
        ["reserved", "GlobalProvisionedManaged"]
      ].map(([name = "", sku = ""]) => ({
        name,
        sku: { name: sku, capacity: 10 },
        properties: { model: { name: "gpt-4o", version: "2024-08-06" } }
      }))
    )
  }
  const measure = (metric: string, name: string, value: number) =>
    accounts.map((resourceId) => ({
      resourceId,
      metric,
      dimensions: { ModelDeploymentName: name },
      hours: Object.fromEntries(days.map((day) => [`${day}T08:00:00Z`, String(value * (day === later ? factor : 1))]))
    }))
  azure.series.splice(
    0,
    azure.series.length,
    ...["chat", "nightly", "reserved", "gone"].flatMap((name) => [
      ...measure("ProcessedPromptTokens", name, 1000),
      ...measure("GeneratedTokens", name, 100)
    ]),
    ...measure("AzureOpenAIProvisionedManagedUtilizationV2", "reserved", 20)
  )
}

const azure: Case = {
  pipeline: "genai/payg/azure_openai",
  owner: "genai_payg_azure_openai",
  provider: "AZURE_OPENAI",
  refused: /Azure OpenAI credentials of globex_2 failed: .*HTTP 401/,
  server: (all) => all.azure,
  credential: azureCredential,
  put: putAzure
}

const azureUnits: Case = { ...azure, pipeline: "genai/commitment/azure_ptu", owner: "genai_commitment_azure_ptu" }

const region = "us-east-1"
const monthly = `arn:aws:bedrock:${region}:123456789012:provisioned-model/monthly`
const bedrock: Case = {
  pipeline: "genai/payg/aws_bedrock",
  owner: "genai_payg_aws_bedrock",
  provider: "AWS_BEDROCK",
  refused: /Bedrock credentials of globex_2 failed: .*HTTP 403/,
  server: ({ aws }) => aws,
  credential: ({ aws }, kind) => ({
    metadata: { ...awsMetadata(aws.endpoint), endpoint: aws.endpoint, region },
    secret: {
      role_arn: kind === "second" ? otherRoleArn : roleArn,
      external_id: kind === "wrong" ? "somebody-elses" : externalId
    }
  }),
  put: ({ aws }, factor) => {
    aws.list(region, ["anthropic.claude-3-haiku-20240307-v1:0", "amazon.nova-lite-v1:0", monthly])
    for (const day of days) {
      const times = day === later ? factor : 1
      for (const [model, tokens] of [
        ["anthropic.claude-3-haiku-20240307-v1:0", 1_000_000],
        ["amazon.nova-lite-v1:0", 7]
      ] as const) {
        aws.measure(region, "InputTokenCount", model, day, `${tokens * times}.0`)
        aws.measure(region, "OutputTokenCount", model, day, "1000.0")
        aws.measure(region, "CacheReadInputTokenCount", model, day, "3.0E2")
        aws.measure(region, "Invocations", model, day, "5.0")
      }
    }
  }
}

const bedrockUnits: Case = {
  ...bedrock,
  pipeline: "genai/commitment/aws_bedrock",
  owner: "genai_commitment_aws_bedrock",
  put: ({ aws }, factor) => {
    const model = `arn:aws:bedrock:${region}::foundation-model/cohere.command-text-v14`
    const throughput = (name: string): Readonly<Record<string, Json>> => ({
      provisionedModelName: name,
      provisionedModelArn: monthly.replace("monthly", name),
      modelArn: model,
      foundationModelArn: model,
      modelUnits: 2,
      status: "InService",
      creationTime: `${dayBefore(20)}T00:00:00Z`,
      ...(name === "monthly"
        ? { commitmentDuration: "OneMonth", commitmentExpirationTime: `${dayBefore(-10)}T00:00:00Z` }
        : {})
    })
    aws.provision(region, [throughput("monthly"), throughput("hourly")])
    for (const day of days)
      aws.measure(region, "InputTokenCount", monthly, day, `${1_200_000 * (day === later ? factor : 1)}.0`)
  }
}

/** Every pipeline that asks a provider. */
export const cases: ReadonlyArray<Case> = [
  openAi,
  anthropic,
  gemini,
  deepSeek,
  azure,
  bedrock,
  vertex,
  azureUnits,
  bedrockUnits,
  vertexUnits
]
