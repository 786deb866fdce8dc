/**
 * An installation with a real warehouse and real credentials, and the steps of the AWS pipeline run on it.
 */
import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { gzipSync } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Credentials } from "../../../src/credentials/Credentials.ts"
import * as CredentialsSql from "../../../src/credentials/CredentialsSql.ts"
import type { StepContext } from "../../../src/pipelines/Processor.ts"
import * as EncryptionLocal from "../../../src/platform/EncryptionLocal.ts"
import { Day, OrgSlug, RunId } from "../../../src/platform/Identifiers.ts"
import type { JsonObject } from "../../../src/platform/Json.ts"
import * as CurExtractor from "../../../src/processors/cloud/CurExtractor.ts"
import { Warehouse } from "../../../src/warehouse/Warehouse.ts"
import * as WarehouseDuckDb from "../../../src/warehouse/duckdb/WarehouseDuckDb.ts"
import { installation } from "../../support/ServiceDatabase.ts"
import { temporaryFolder } from "../../support/TemporaryDatabase.ts"

export const org = OrgSlug.make("acme_corp")
const day = Schema.decodeSync(Day)

/** Warehouse, credentials and settings of a new installation; `folder` is its data folder. */
export const world = <A, E, R>(body: (folder: string) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(temporaryFolder, (folder) =>
    Effect.provide(
      body(folder),
      Layer.mergeAll(CredentialsSql.layer, WarehouseDuckDb.layer).pipe(
        Layer.provide(EncryptionLocal.layer),
        Layer.provideMerge(installation(folder))
      )
    )
  )

/** Stores a credential of a folder of exports. */
export const folderCredential = (credentialId: string, path: string, metadata: JsonObject = {}) =>
  Effect.flatMap(Credentials, (credentials) =>
    credentials.put({
      org,
      credentialId,
      provider: "AWS_FILES",
      credentialName: credentialId,
      metadata: { path, ...metadata },
      secret: Redacted.make("{}")
    })
  )

let runs = 0

/** The context of one attempt of a step in a new run. */
export const contextOf = (over: Partial<StepContext> = {}): StepContext => ({
  org,
  runId: RunId.make(`00000000-0000-4000-8000-${String(++runs).padStart(12, "0")}`),
  pipelineId: "cloud_aws_cost_billing",
  stepId: "extract_billing",
  attempt: 1,
  config: { provider: "aws" },
  outputs: {},
  startDate: day("2026-01-01"),
  endDate: day("2026-12-31"),
  forceRefresh: false,
  progress: () => Effect.void,
  ...over
})

export const days = (startDate: string, endDate: string) => ({ startDate: day(startDate), endDate: day(endDate) })

/** Runs the extractor once. */
export const extract = (over: Partial<StepContext> = {}) =>
  Effect.flatMap(CurExtractor.make, (extractor) => extractor.execute(contextOf(over)))

/** Rows of a query over the organisation's tables. */
export const query = (sql: string) =>
  Effect.flatMap(Warehouse, (warehouse) => Effect.flatMap(warehouse.org(org), (opened) => opened.query(sql)))

const curHeader =
  "identity_line_item_id,bill_payer_account_id,bill_billing_period_start_date,bill_billing_period_end_date,line_item_usage_account_id,line_item_line_item_type,line_item_usage_start_date,line_item_usage_end_date,line_item_product_code,line_item_currency_code,line_item_usage_amount,line_item_unblended_cost,resource_tags"

/** A CUR 2.0 file of one month with one line per cost. */
export const curFile = (month: string, costs: ReadonlyArray<string>) =>
  [
    curHeader,
    ...costs.map(
      (cost, index) =>
        `line-${index},111111111111,${month}-01T00:00:00.000Z,${month}-28T00:00:00.000Z,222222222222,Usage,${month}-0${(index % 9) + 1}T00:00:00Z,${month}-0${(index % 9) + 1}T01:00:00Z,AmazonEC2,USD,1,${cost},{}`
    )
  ].join("\n")

const focusHeader =
  "BillingAccountId,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,BillingCurrency,BilledCost,EffectiveCost,ListCost,ContractedCost"

/** A FOCUS file of one month with one row per cost. */
export const focusFile = (month: string, costs: ReadonlyArray<string>) =>
  [
    focusHeader,
    ...costs.map(
      (cost) =>
        `111111111111,${month}-01T00:00:00Z,${month}-28T00:00:00Z,${month}-02T00:00:00Z,${month}-03T00:00:00Z,Usage,USD,${cost},${cost},${cost},${cost}`
    )
  ].join("\n")

/** Writes a month of a data export, gzipped, one file per text; what was there before stays, as when AWS overwrites. */
export const deliver = (folder: string, month: string, texts: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const keys = texts.map((_, index) => `data/BILLING_PERIOD=${month}/acme-0000${index + 1}.csv.gz`)
    for (const [index, key] of keys.entries()) await write(join(folder, key), gzipSync(texts[index] ?? ""))
    const manifest = { dataFiles: keys.map((key) => `s3://acme-billing/exports/acme/${key}`) }
    await write(join(folder, `metadata/BILLING_PERIOD=${month}/acme-Manifest.json`), JSON.stringify(manifest))
  })

export const write = async (path: string, content: string | Uint8Array) => {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
}
