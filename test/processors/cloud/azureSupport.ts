/**
 * Azure's exports and reports as tests make them up, and the extractor that reads them.
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Credentials } from "../../../src/credentials/Credentials.ts"
import type { StepContext } from "../../../src/pipelines/Processor.ts"
import * as HttpClientNode from "../../../src/platform/HttpClientNode.ts"
import type { JsonObject } from "../../../src/platform/Json.ts"
import * as AzureExtractor from "../../../src/processors/cloud/AzureExtractor.ts"
import { principal } from "../../support/azureServer.ts"
import { contextOf, org, query, write } from "./support.ts"

/** Runs the extractor once. */
export const extract = (over: Partial<StepContext> = {}) =>
  Effect.flatMap(AzureExtractor.make, (extractor) =>
    extractor.execute(contextOf({ pipelineId: "cloud_azure_cost_billing", config: { provider: "azure" }, ...over }))
  ).pipe(Effect.provide(HttpClientNode.layer))

/** Stores a credential of a folder of exports. */
export const folderCredential = (path: string, metadata: JsonObject = {}) =>
  Effect.flatMap(Credentials, (credentials) =>
    credentials.put({
      org,
      credentialId: "azure_1",
      provider: "AZURE_FILES",
      credentialName: "folder",
      metadata: { path, ...metadata },
      secret: Redacted.make("{}")
    })
  )

/** Stores a credential of a service principal. */
export const principalCredential = (endpoint: string, metadata: JsonObject, secret: JsonObject = {}) =>
  Effect.flatMap(Credentials, (credentials) =>
    credentials.put({
      org,
      credentialId: "azure_1",
      provider: "AZURE",
      credentialName: "principal",
      metadata: { ...principal(endpoint).endpoints, ...metadata },
      secret: Redacted.make(JSON.stringify({ ...principal(endpoint).secret, ...secret }))
    })
  )

/** Costs by month and view. */
export const totals = query(
  `SELECT billing_period_start AS period, cost_view AS view, SUM(cost_in_billing_currency) AS cost, COUNT(*) AS n
  FROM cloud_azure_billing_raw_daily GROUP BY billing_period_start, cost_view ORDER BY 1, 2`
)

/** A cost details file of one month with one line per cost. */
export const details = (month: string, costs: ReadonlyArray<string>) =>
  [
    "SubscriptionId,BillingAccountId,BillingPeriodStartDate,Date,BillingCurrency,Cost,ChargeType,PricingModel,Quantity,UnitOfMeasure,UnitPrice,ResourceId",
    ...costs.map((cost, index) => {
      const [year, number] = month.split("-")
      return `s-1,71111111,${number}/01/${year},${number}/${String(index + 1).padStart(2, "0")}/${year},USD,${cost},Usage,OnDemand,1,1 Hour,${cost},`
    })
  ].join("\r\n")

/** A FOCUS file of one month with one row per cost. */
export const focusDetails = (month: string, costs: ReadonlyArray<string>) =>
  [
    "BillingAccountId,BillingPeriodStart,ChargePeriodStart,ChargeCategory,BillingCurrency,BilledCost,EffectiveCost",
    ...costs.map((cost) => `71111111,${month}-01T00:00:00Z,${month}-02T00:00Z,Usage,USD,${cost},${cost}`)
  ].join("\n")

/** One run of an export. */
export interface Run {
  readonly month: string
  readonly type?: string
  readonly name?: string
  readonly submitted?: string
  readonly files: ReadonlyArray<string | Uint8Array>
}

/** The files of a run, by key: its parts, then its manifest. */
export const runOf = ({
  files,
  month,
  name = "daily",
  submitted = "2026-11-01T00:00:00.1",
  type = "ActualCost"
}: Run) => {
  const folder = `exports/${name}-${type}/${month.replace("-", "")}01-${month.replace("-", "")}28/${submitted.replaceAll(/\D/g, "")}`
  const parts = files.map((content, index) => [`${folder}/part_${index}_0001.csv`, Buffer.from(content)] as const)
  const manifest = {
    manifestVersion: "2024-04-01",
    exportConfig: { exportName: `${name}-${type}`, type },
    runInfo: {
      submittedTime: submitted,
      runId: "r",
      startDate: `${month}-01T00:00:00`,
      endDate: `${month}-28T00:00:00`
    },
    blobs: parts.map(([blobName, content]) => ({ blobName, byteCount: content.length }))
  }
  return [...parts, [`${folder}/manifest.json`, Buffer.from(JSON.stringify(manifest))] as const]
}

/** Writes a run below a folder that is a copy of `exports/`. */
export const deliver = (folder: string, run: Run) =>
  Effect.promise(async () => {
    for (const [key, content] of runOf(run)) await write(join(folder, key.slice("exports/".length)), content)
  })
