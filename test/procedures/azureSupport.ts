/**
 * Azure's native rows in a temporary warehouse: files of the samples, and lines that a test makes up.
 */
import * as Stream from "effect/Stream"
import type { JsonObject } from "../../src/platform/Json.ts"
import { costDetailsMapping, type CostDetailsReading } from "../../src/processors/cloud/azure/CostDetailsMapping.ts"
import { focusMapping } from "../../src/processors/cloud/azure/FocusMapping.ts"
import type { CostView } from "../../src/sources/azure/AzureDataFile.ts"
import type { OrgWarehouse, Slice } from "../../src/warehouse/Warehouse.ts"
import * as support from "./support.ts"

const detailsSlice: Slice = {
  table: "cloud_azure_billing_raw_daily",
  pipelineId: "cloud_azure_cost_billing",
  credentialId: "main",
  extent: { kind: "periods", periodColumn: "billing_period_start", runDateColumn: "usage_date" }
}
const focusSlice: Slice = {
  ...detailsSlice,
  table: "cloud_azure_focus_raw_daily",
  extent: { kind: "periods", periodColumn: "billing_period_start_date", runDateColumn: "ChargePeriodStart" }
}

/** Loads cost details of the samples, each file with the view of its rows; `settings` are those of the credential's metadata. */
export const loadDetails = (
  dataset: OrgWarehouse,
  files: Readonly<Record<string, CostView>>,
  { currency, ...reading }: CostDetailsReading & { readonly currency?: string } = {}
) =>
  support.load(dataset, detailsSlice, {
    _tag: "Files",
    format: "csv",
    files: Object.entries(files).flatMap(([name, view]) =>
      support.samples([name]).map((file) => ({
        ...file,
        values: {
          cost_view: view,
          ...(currency === undefined ? {} : { billing_currency: currency })
        }
      }))
    ),
    mapping: costDetailsMapping(reading)
  })

/** Loads FOCUS exports of the samples. */
export const loadFocus = (dataset: OrgWarehouse, ...names: ReadonlyArray<string>) =>
  support.load(dataset, focusSlice, {
    _tag: "Files",
    format: "csv",
    files: support.samples(names),
    mapping: focusMapping
  })

/** Loads cost details that a test made up, by the columns of the raw table. */
export const loadLines = (dataset: OrgWarehouse, lines: ReadonlyArray<JsonObject>, credentialId = "main") =>
  support.load(
    dataset,
    { ...detailsSlice, credentialId },
    { _tag: "Rows", rows: Stream.fromIterable(lines.map((line, index) => ({ x_source_row: index + 1, ...line }))) }
  )

/** Loads FOCUS rows that a test made up, by the columns of the raw table. */
export const loadCharges = (dataset: OrgWarehouse, charges: ReadonlyArray<JsonObject>) =>
  support.load(dataset, focusSlice, { _tag: "Rows", rows: Stream.fromIterable(charges) })

/** One line: an hour of a small machine on 5 April 2026, changed by `change`. */
export const line = (change: JsonObject): JsonObject => ({
  billing_account_id: "71111111",
  billing_account_name: "Acme",
  billing_period_start: "2026-04-01",
  usage_date: "2026-04-05",
  cost_view: "actual",
  subscription_id: "11111111-0000-4000-8000-000000000001",
  subscription_name: "acme-prod",
  billing_currency: "USD",
  cost_in_billing_currency: "0.21",
  usage_quantity: "1",
  unit_of_measure: "1 Hour",
  effective_price: "0.21",
  unit_price: "0.21",
  payg_price: "0.24",
  charge_type: "Usage",
  pricing_model: "OnDemand",
  frequency: "UsageBased",
  publisher_type: "Azure",
  publisher_name: "Microsoft",
  consumed_service: "Microsoft.Compute",
  meter_id: "m-1",
  meter_category: "Virtual Machines",
  meter_name: "D4s v5",
  product_name: "Virtual Machines Dsv5",
  resource_id: "/subscriptions/1/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm1",
  resource_location: "westeurope",
  x_source_file: "export.csv",
  ...change
})

/** Converts the periods of the days. */
export const convert = (dataset: OrgWarehouse, from: string, to = from) =>
  support.convert(dataset, { from, to }, "azure")
