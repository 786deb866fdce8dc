/**
 * Inputs of the GenAI pipelines that have no file: provisioned throughput from the clouds' counterparties, and accelerators on a bill.
 */
import { mkdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { OrgSlug } from "../../../src/platform/Identifiers.ts"
import {
  azureAccount,
  azureCredential,
  bedrockCredential,
  Clouds,
  googleBill,
  servers,
  vertexCredential
} from "../../genai/commitmentSupport.ts"
import type { Input } from "./parity.ts"

const org = Schema.decodeSync(OrgSlug)("acme_corp")
const days = { from: "2026-06-01", to: "2026-06-01" }
const consolidate = { pipeline: "genai/unified/consolidate", days }

/** Units by the hour and of a term, used in part, beyond what there is, and not told how far. */
const provisioned = Effect.gen(function* () {
  const { aws, azure } = yield* Clouds
  const arn = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/monthly"
  aws.provision("us-east-1", [
    {
      provisionedModelName: "monthly",
      provisionedModelArn: arn,
      modelArn: "arn:aws:bedrock:us-east-1::foundation-model/cohere.command-text-v14",
      foundationModelArn: "arn:aws:bedrock:us-east-1::foundation-model/cohere.command-text-v14",
      modelUnits: 2,
      status: "InService",
      commitmentDuration: "OneMonth",
      commitmentExpirationTime: "2026-07-01T00:00:00Z",
      creationTime: "2026-06-01T06:40:00Z"
    }
  ])
  aws.measure("us-east-1", "InputTokenCount", arn, days.from, "1200000.0")
  yield* bedrockCredential(org, "bedrock", { regions: ["us-east-1"] })
  const account = azureAccount("acme-models")
  azure.deployments.set(account, [
    { name: "chat", sku: { name: "GlobalProvisionedManaged", capacity: 7 }, properties: { model: { name: "gpt-4o" } } }
  ])
  azure.series.push({
    resourceId: account,
    metric: "AzureOpenAIProvisionedManagedUtilizationV2",
    dimensions: { ModelDeploymentName: "chat" },
    hours: { [`${days.from}T08:00:00Z`]: "2600.5" }
  })
  yield* azureCredential(org, "azure", { resource_ids: [account] })
})

const ordered = Effect.gen(function* () {
  const { google } = yield* Clouds
  google.series.push(
    ...["consumed_token_throughput", "dedicated_token_limit"].map((metric) => ({
      metric: `aiplatform.googleapis.com/publisher/online_serving/${metric}`,
      metricLabels: { request_type: "dedicated" },
      resourceType: "aiplatform.googleapis.com/PublisherModel",
      resourceLabels: { model_user_id: "gemini-2.5-pro" },
      values: { [days.from]: metric === "dedicated_token_limit" ? "1000" : "31415926" }
    }))
  )
  yield* vertexCredential(org, "vertex", {
    gsu_commitments: [{ model: "gemini-2.5-pro", units: 3, term_months: 3, start: "2026-05-15" }]
  })
})

const accelerators = Effect.gen(function* () {
  const folder = join(tmpdir(), `pipeline-service-parity-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
  const line = { sku: "Nvidia L4 GPU running in Iowa", day: days.from, hours: "10.25", cost: "5.74041" }
  yield* googleBill(
    org,
    [
      line,
      { ...line, sku: "Nvidia L4 GPU attached to Spot Preemptible VMs running in Iowa", machine: "vm-2" },
      { ...line, machine: "vm-3", model: "3 years CUD" },
      { ...line, sku: "TpuV5e running in Iowa", machine: "tpu-1" }
    ],
    { folder, metadata: { hierarchy_map: { "acme-data": "nobody" } } }
  )
})

/** Every GenAI pipeline whose data has an owner of its own. */
export const genaiInputs: ReadonlyArray<Input> = [
  {
    name: "genai: provisioned throughput of Bedrock and Azure",
    runs: [
      { pipeline: "genai/commitment/aws_bedrock", days },
      { pipeline: "genai/commitment/azure_ptu", days },
      consolidate
    ],
    prepare: Effect.provideServiceEffect(provisioned, Clouds, servers)
  },
  {
    name: "genai: orders of Vertex",
    runs: [{ pipeline: "genai/commitment/gcp_vertex", days }, consolidate],
    prepare: Effect.provideServiceEffect(ordered, Clouds, servers)
  },
  {
    name: "genai: accelerators on a bill, kept beside it",
    runs: [
      { pipeline: "cloud/gcp/cost/billing" },
      { pipeline: "genai/infrastructure/gcp_gpu", days },
      { ...consolidate, days }
    ],
    settings: { GENAI_CLOUD_OVERLAP: "keep" },
    prepare: accelerators
  }
]
