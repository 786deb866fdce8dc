/**
 * The clouds' counterparties beside an installation, credentials for them, and a small bill of Google Cloud with accelerators.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { vi } from "vitest"
import { Credentials } from "../../src/credentials/Credentials.ts"
import { Day, type OrgSlug, RunId } from "../../src/platform/Identifiers.ts"
import type { JsonObject } from "../../src/platform/Json.ts"
import { Settings } from "../../src/platform/Settings.ts"
import { Warehouse } from "../../src/warehouse/Warehouse.ts"
import { awsMetadata, awsServer, externalId, processKeys, roleArn } from "../support/awsServer.ts"
import { azureServer, principal, subscription } from "../support/azureServer.ts"
import { monitoringServer } from "../support/monitoringServer.ts"

/** The three, for a test that runs them itself. */
export const servers = Effect.gen(function* () {
  // The process's own identity, which takes over the role.
  vi.stubEnv("AWS_ACCESS_KEY_ID", processKeys.accessKeyId)
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", processKeys.secretAccessKey)
  yield* Effect.addFinalizer(() => Effect.sync(() => vi.unstubAllEnvs()))
  return { aws: yield* awsServer, azure: yield* azureServer("none"), google: yield* monitoringServer }
})

/** AWS, Azure and Google on the loopback. */
export class Clouds extends Context.Tag("test/Clouds")<Clouds, Effect.Effect.Success<typeof servers>>() {
  static readonly layer = Layer.scoped(Clouds, servers)
}

const put = (org: OrgSlug, provider: string, credentialId: string, metadata: JsonObject, secret: JsonObject) =>
  Effect.flatMap(Credentials, (credentials) =>
    credentials.put({
      org,
      credentialId,
      provider,
      credentialName: credentialId,
      metadata,
      secret: Redacted.make(JSON.stringify(secret))
    })
  )

/** A role that reads Bedrock in the regions. */
export const bedrockCredential = (org: OrgSlug, credentialId: string, metadata: JsonObject, external = externalId) =>
  Effect.flatMap(Clouds, ({ aws }) =>
    put(
      org,
      "AWS_BEDROCK",
      credentialId,
      { ...awsMetadata(aws.endpoint), ...metadata },
      { role_arn: roleArn, external_id: external }
    )
  )

/** The resource id of an Azure OpenAI account. */
export const azureAccount = (name: string) =>
  `/subscriptions/${subscription}/resourceGroups/models/providers/Microsoft.CognitiveServices/accounts/${name}`

/** A service principal that reads Azure OpenAI accounts. */
export const azureCredential = (org: OrgSlug, credentialId: string, metadata: JsonObject, secret: JsonObject = {}) =>
  Effect.flatMap(Clouds, ({ azure }) => {
    const given = principal(azure.endpoint)
    return put(
      org,
      "AZURE_OPENAI",
      credentialId,
      { ...given.endpoints, ...metadata },
      { ...given.secret, endpoint: "https://acme-models.openai.azure.com", api_key: "unused", ...secret }
    )
  })

/** A service account that reads Cloud Monitoring, with its orders. */
export const vertexCredential = (org: OrgSlug, credentialId: string, metadata: JsonObject) =>
  Effect.flatMap(Clouds, ({ google }) =>
    put(org, "GCP_VERTEX", credentialId, { monitoring_endpoint: google.endpoint, ...metadata }, google.keyFile)
  )

/** Rows of a table on a day, as another program would put them there. */
export const ownRows = (org: OrgSlug, table: string, date: string, rows: ReadonlyArray<JsonObject>) =>
  Effect.flatMap(Warehouse, (warehouse) =>
    Effect.flatMap(warehouse.org(org), (dataset) =>
      dataset.replaceSlice({
        slice: {
          table,
          pipelineId: "another_service",
          credentialId: "default",
          extent: { kind: "day", date: Schema.decodeSync(Day)(date) }
        },
        source: { _tag: "Rows", rows: Stream.fromIterable(rows) },
        runId: Schema.decodeSync(RunId)("00000000-0000-4000-8000-000000000000")
      })
    )
  )

/** The organisation's own rows of a price list. */
export const ownPrices = (org: OrgSlug, table: string, rows: ReadonlyArray<JsonObject>) =>
  ownRows(org, table, "2026-01-01", rows)

/** One line of Google Cloud's detailed export: so many hours of a SKU on a day. */
export interface GpuLine {
  readonly sku: string
  readonly day: string
  readonly hours: string
  readonly cost: string
  readonly machine?: string
  readonly project?: string
  readonly service?: string
  readonly unit?: "hour" | "gibibyte hour"
  readonly costType?: string
  readonly model?: string
}

const billLine = (line: GpuLine) =>
  `{"billing_account_id":"0AAAAA-111111-222222","service":{"id":"${line.service === undefined ? "6F81-5844-456A" : "AAAA-0000-0000"}","description":"${line.service ?? "Compute Engine"}"},` +
  `"sku":{"id":"${line.sku.length}-SKU","description":"${line.sku}"},"usage_start_time":"${line.day} 01:00:00 UTC",` +
  `"usage_end_time":"${line.day} 02:00:00 UTC","project":{"id":"${line.project ?? "acme-data"}","number":"1","name":"acme-data","labels":[],` +
  `"ancestry_numbers":"/1/","ancestors":[]},"labels":[],"system_labels":[{"key":"compute.googleapis.com/machine_spec","value":"g2-standard-8"}],` +
  `"location":{"location":"us-central1","country":"US","region":"us-central1","zone":"us-central1-a"},"tags":[],` +
  `"resource":{"name":"${line.machine ?? "vm-1"}","global_name":"//compute.googleapis.com/projects/acme-data/zones/us-central1-a/instances/${line.machine ?? "vm-1"}"},` +
  `"price":{"effective_price":"0.5","list_price":"0.5","tier_start_amount":"0","unit":"${line.unit ?? "hour"}","pricing_unit_quantity":"1"},` +
  `"export_time":"${line.day} 09:13:11 UTC","cost":${line.cost},"currency":"USD","currency_conversion_rate":1.0,` +
  `"usage":{"amount":${line.hours}00,"unit":"seconds","amount_in_pricing_units":${line.hours},"pricing_unit":"${line.unit ?? "hour"}"},"credits":[],` +
  `"invoice":{"month":"${line.day.slice(0, 7).replace("-", "")}","publisher_type":"GOOGLE"},"cost_type":"${line.costType ?? "regular"}",` +
  `"adjustment_info":null,"cost_at_list":${line.cost},"transaction_type":"GOOGLE","seller_name":"Google","subscription":null` +
  `${line.model === undefined ? "" : `,"consumption_model":{"id":"1","description":"${line.model}"}`}}`

/** Puts a bill of Google Cloud into a folder, that of the installation when absent, with a credential for it. */
export const googleBill = (
  org: OrgSlug,
  lines: ReadonlyArray<GpuLine>,
  given: { readonly folder?: string; readonly metadata?: JsonObject } = {}
) =>
  Effect.flatMap(Settings, ({ dataDir }) => {
    const path = join(given.folder ?? dataDir, `${org}-bill.jsonl`)
    writeFileSync(path, `${lines.map(billLine).join("\n")}\n`)
    return put(org, "GCP_FILES", "google_bill", { path, ...given.metadata }, {})
  })
