/**
 * A temporary warehouse with the shipped tables, lookups and cloud procedures, and the steps of an AWS conversion on it.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Day, OrgSlug, RunId } from "../../src/platform/Identifiers.ts"
import type { JsonObject } from "../../src/platform/Json.ts"
import { Settings } from "../../src/platform/Settings.ts"
import { curMapping } from "../../src/processors/cloud/aws/CurMapping.ts"
import { focusMapping } from "../../src/processors/cloud/aws/FocusMapping.ts"
import type { SqlParameter } from "../../src/warehouse/FileMapping.ts"
import { type OrgWarehouse, type Slice, type SliceSource, Warehouse } from "../../src/warehouse/Warehouse.ts"
import * as WarehouseDuckDb from "../../src/warehouse/duckdb/WarehouseDuckDb.ts"
import * as Procedures from "../support/Procedures.ts"

const projectFolder = new URL("../../", import.meta.url)
const proceduresFolder = new URL("procedures/cloud/", projectFolder)
const samplesFolder = new URL("../shared/samples/", projectFolder)

/** The samples are no part of the project: without them their tests are skipped, but never in CI. */
export const samplesMissing = !existsSync(samplesFolder) && process.env["CI"] !== "true"

export const firstRun = Schema.decodeSync(RunId)("7f8a52d1-3f43-4a53-9d0c-1a2b3c4d5e6f")
export const secondRun = Schema.decodeSync(RunId)("0b7f2c1e-98a4-4d5b-8a55-2f4f6f0c9a10")
const orgOf = Schema.decodeSync(OrgSlug)
const day = Schema.decodeSync(Day)

/** A cloud procedure as it is created in a project. */
export const procedureText = (name: string, projectId: string) =>
  readFileSync(new URL(`${name}.sql`, proceduresFolder), "utf8").replaceAll("{project_id}", projectId)

/** The warehouse, with the procedures created from their files. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const warehouse = yield* Warehouse
    const names = readdirSync(proceduresFolder).map((file) => file.replace(/\.sql$/, ""))
    yield* Procedures.create(
      ...names.map((name) => ({ name, text: procedureText(name, warehouse.projectId), contentHash: name }))
    )
  })
).pipe(
  Layer.provideMerge(WarehouseDuckDb.layerTemporary),
  Layer.provideMerge(Settings.layer),
  Layer.provide(
    Layer.setConfigProvider(
      ConfigProvider.fromMap(
        new Map([
          ["CONFIGS_BASE_PATH", fileURLToPath(new URL("configs", projectFolder))],
          ["ENVIRONMENT", "test"],
          ["DUCKDB_MEMORY_LIMIT", "1GB"]
        ])
      )
    )
  )
)

/** The dataset of an organisation; each test has one of its own. */
export const org = (slug: string) => Effect.flatMap(Warehouse, (warehouse) => warehouse.org(orgOf(slug)))

const curPeriods = { kind: "periods", periodColumn: "billing_period_start", runDateColumn: "usage_date" } as const
const curSlice: Slice = {
  table: "cloud_aws_billing_raw_daily",
  pipelineId: "cloud_aws_cost_billing",
  credentialId: "main",
  extent: curPeriods
}
const focusSlice: Slice = {
  table: "cloud_aws_focus_raw_daily",
  pipelineId: "cloud_aws_cost_billing",
  credentialId: "main",
  extent: { kind: "periods", periodColumn: "billing_period_start_date", runDateColumn: "ChargePeriodStart" }
}

/** Files of the samples. */
export const samples = (names: ReadonlyArray<string>) =>
  names.map((name) => ({ path: fileURLToPath(new URL(name, samplesFolder)), uri: `sample:${name}` }))

/** Loads Cost and Usage Reports of the samples. */
export const loadReport = (dataset: OrgWarehouse, ...names: ReadonlyArray<string>) =>
  load(dataset, curSlice, { _tag: "Files", format: "csv", files: samples(names), mapping: curMapping })

/** Loads FOCUS exports of the samples. */
export const loadFocus = (dataset: OrgWarehouse, ...names: ReadonlyArray<string>) =>
  load(dataset, focusSlice, { _tag: "Files", format: "csv", files: samples(names), mapping: focusMapping })

/** Loads report lines that a test made up, by the columns of the raw table. */
export const loadLines = (dataset: OrgWarehouse, lines: ReadonlyArray<JsonObject>, credentialId = "main") =>
  load(dataset, { ...curSlice, credentialId }, { _tag: "Rows", rows: Stream.fromIterable(lines) })

/** Replaces the report lines of a month and credential by nothing. */
export const emptyMonth = (dataset: OrgWarehouse, period: string, credentialId: string) =>
  load(
    dataset,
    { ...curSlice, credentialId, extent: { ...curPeriods, expected: [day(period)] } },
    { _tag: "Rows", rows: Stream.empty }
  )

/** Loads FOCUS rows that a test made up, by the columns of the raw table. */
export const loadCharges = (dataset: OrgWarehouse, charges: ReadonlyArray<JsonObject>) =>
  load(dataset, focusSlice, { _tag: "Rows", rows: Stream.fromIterable(charges) })

/** Replaces a slice; no row may be quarantined. */
export const load = (dataset: OrgWarehouse, slice: Slice, source: SliceSource) =>
  Effect.tap(dataset.replaceSlice({ slice, source, runId: firstRun }), ({ rowsQuarantined }) =>
    rowsQuarantined === 0 ? Effect.void : Effect.dieMessage(`${rowsQuarantined} rows were quarantined`)
  )

/** Converts the billing periods of the days; the procedure's result row. */
export const convert = (
  dataset: OrgWarehouse,
  days: { readonly from: string; readonly to?: string; readonly credentialId?: string; readonly run?: RunId },
  cloud = "aws"
) =>
  Effect.map(
    dataset.call(`sp_cloud_${cloud}_convert_to_focus`, [
      { type: "DATE", value: day(days.from) },
      { type: "DATE", value: days.to === undefined ? null : day(days.to) },
      { type: "STRING", value: `cloud_${cloud}_cost_billing` },
      { type: "STRING", value: days.credentialId ?? null },
      { type: "STRING", value: days.run ?? firstRun }
    ] satisfies ReadonlyArray<SqlParameter>),
    (rows) => rows[0] ?? {}
  )

/** Sums of the FOCUS rows per billing period and currency, as text without the zeros at the end. */
export const totals = (dataset: OrgWarehouse) =>
  Effect.map(
    dataset.query(
      `SELECT CAST(DATE(BillingPeriodStart) AS STRING) AS period, BillingCurrency AS currency, COUNT(*) AS charges,
        CAST(SUM(BilledCost) AS STRING) AS billed, CAST(SUM(EffectiveCost) AS STRING) AS effective
      FROM cost_data_standard_1_3 GROUP BY period, currency ORDER BY period, currency`
    ),
    (rows) => rows
  )

/** One line of a report, by the columns of the raw table: an hour of a small instance in March 2026, changed by `change`. */
export const line = (change: JsonObject): JsonObject => ({
  payer_account_id: "111111111111",
  linked_account_id: "222222222222",
  billing_period_start: "2026-03-01",
  line_item_id: "line-1",
  line_item_type: "Usage",
  usage_date: "2026-03-02",
  usage_start_time: "2026-03-02T00:00:00Z",
  usage_end_time: "2026-03-02T01:00:00Z",
  product_code: "AmazonEC2",
  usage_type: "BoxUsage:m6i.large",
  operation: "RunInstances",
  currency: "USD",
  usage_amount: "1",
  pricing_unit: "Hrs",
  unblended_rate: "0.096",
  unblended_cost: "0.096",
  public_on_demand_rate: "0.096",
  product_sku: "SKU1",
  pricing_rate_code: "SKU1.TERM.RATE",
  bill_billing_entity: "AWS",
  legal_entity: "Amazon Web Services, Inc.",
  region: "us-east-1",
  x_source_file: "report.csv",
  x_source_row: 1,
  ...change
})

/** What makes a line one of a reservation. */
export const reservation = {
  reservation_arn: "arn:aws:ec2:us-east-1:111111111111:reserved-instances/r-1",
  pricing_term: "Reserved"
}

/** The kind of a row and its four costs. */
export const costColumns = `ChargeCategory AS category, ChargeClass AS class, CAST(BilledCost AS STRING) AS billed,
  CAST(EffectiveCost AS STRING) AS effective, CAST(ContractedCost AS STRING) AS contracted, CAST(ListCost AS STRING) AS list`

/** Converts lines of a report; the named columns of the rows, in the order of the lines. */
export const rowsOf = (slug: string, lines: ReadonlyArray<JsonObject>, selected = costColumns) =>
  Effect.gen(function* () {
    const dataset = yield* org(slug)
    yield* loadLines(
      dataset,
      lines.map((one, index) => ({ ...one, x_source_row: index + 1 }))
    )
    yield* convert(dataset, { from: "2026-03-01" })
    return yield* dataset.query(`SELECT ${selected} FROM cost_data_standard_1_3 ORDER BY x_source_row, x_SplitPart`)
  })

/** One row of a FOCUS export, by the columns of the raw table: the same hour, changed by `change`. */
export const charge = (change: JsonObject): JsonObject => ({
  billing_period_start_date: "2026-03-01",
  BillingPeriodStart: "2026-03-01T00:00:00Z",
  BillingPeriodEnd: "2026-04-01T00:00:00Z",
  ChargePeriodStart: "2026-03-02T00:00:00Z",
  ChargePeriodEnd: "2026-03-02T01:00:00Z",
  BillingAccountId: "333333333333",
  SubAccountId: "222222222222",
  BillingCurrency: "USD",
  ChargeCategory: "Usage",
  ChargeFrequency: "Usage-Based",
  BilledCost: "0.096",
  EffectiveCost: "0.096",
  ListCost: "0.096",
  ContractedCost: "0.096",
  ListUnitPrice: "0.096",
  ContractedUnitPrice: "0.096",
  PricingCategory: "Standard",
  PricingQuantity: "1",
  PricingUnit: "Hours",
  ConsumedQuantity: "1",
  ConsumedUnit: "Hours",
  ProviderName: "AWS",
  PublisherName: "Amazon Web Services, Inc.",
  InvoiceIssuerName: "Amazon Web Services, Inc.",
  ServiceCategory: "Compute",
  ServiceName: "Amazon Elastic Compute Cloud",
  SkuId: "SKU1",
  SkuPriceId: "SKU1.TERM.RATE",
  RegionId: "us-east-1",
  x_source_file: "focus.csv",
  x_source_row: 1,
  ...change
})
