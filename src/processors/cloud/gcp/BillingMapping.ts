/**
 * Where the columns of `cloud_gcp_billing_raw_daily` stand in Google's standard and detailed billing exports.
 *
 * One mapping serves every form, because names are compared by their letters and digits and a record's members are found in it: records as
 * BigQuery extracts them (`service` with `id`), and records that somebody flattened to `service.id` or `service_id`.
 */
import { type ColumnSource, type FileMapping, reduced } from "../../../warehouse/FileMapping.ts"

/** Money, currency and month: without them a row cannot be accounted for, so the file is refused. */
const keyColumns: ReadonlyArray<ColumnSource> = [
  { column: "billing_account_id", from: ["billing_account_id"], mustExist: true, mustHaveValue: true },
  {
    column: "billing_period_start",
    from: ["invoice.month", "invoice[month]"],
    mustExist: true,
    mustHaveValue: true
  },
  { column: "usage_start_time", from: ["usage_start_time"], mustExist: true, mustHaveValue: true },
  { column: "usage_end_time", from: ["usage_end_time"], mustExist: true, mustHaveValue: true },
  { column: "currency", from: ["currency"], mustExist: true, mustHaveValue: true },
  // FLOAT64 at Google: its decimals are those of the shortest text that means it.
  { column: "cost", from: ["cost"], mustExist: true, mustHaveValue: true, rounded: true }
]

/** A member of a record, flattened or inside of it. */
const member = (column: string, record: string, name: string): ColumnSource => ({
  column,
  from: [`${record}.${name}`, `${record}[${name}]`]
})

const recordColumns: ReadonlyArray<ColumnSource> = [
  member("invoice_month", "invoice", "month"),
  member("invoice_publisher_type", "invoice", "publisher_type"),
  member("service_id", "service", "id"),
  member("service_description", "service", "description"),
  member("sku_id", "sku", "id"),
  member("sku_description", "sku", "description"),
  member("project_id", "project", "id"),
  member("project_number", "project", "number"),
  member("project_name", "project", "name"),
  {
    column: "project_ancestry_numbers",
    from: ["project.ancestry_numbers", "ancestry_numbers", "project[ancestry_numbers]"]
  },
  { column: "project_ancestors_json", from: ["project.ancestors", "ancestors", "project[ancestors]"] },
  member("location_location", "location", "location"),
  member("location_country", "location", "country"),
  member("location_region", "location", "region"),
  member("location_zone", "location", "zone"),
  member("resource_name", "resource", "name"),
  member("resource_global_name", "resource", "global_name"),
  member("subscription_instance_id", "subscription", "instance_id"),
  { ...member("usage_amount", "usage", "amount"), rounded: true },
  member("usage_unit", "usage", "unit"),
  { ...member("usage_amount_in_pricing_units", "usage", "amount_in_pricing_units"), rounded: true },
  member("usage_pricing_unit", "usage", "pricing_unit"),
  member("price_effective_price", "price", "effective_price"),
  member("price_list_price", "price", "list_price"),
  member("price_effective_price_default", "price", "effective_price_default"),
  member("price_list_price_consumption_model", "price", "list_price_consumption_model"),
  member("price_tier_start_amount", "price", "tier_start_amount"),
  member("price_pricing_unit_quantity", "price", "pricing_unit_quantity"),
  member("price_unit", "price", "unit"),
  member("x_cloud_account_id", "project", "id")
]

const plainColumns: ReadonlyArray<ColumnSource> = [
  "cost_type",
  "currency_conversion_rate",
  "cost_at_list",
  "cost_at_effective_price_default",
  "cost_at_list_consumption_model",
  "transaction_type",
  "seller_name",
  "export_time"
].map((name) => ({ column: name, from: [name], rounded: true }))

const listColumns: ReadonlyArray<ColumnSource> = [
  { column: "system_labels_json", from: ["system_labels"] },
  { column: "tags_json", from: ["tags"] },
  { column: "credits_json", from: ["credits"] },
  { column: "credits_total", from: ["credits_total"] }
]

/**
 * The mapping for a file with these columns; load it with `billing_period_start` as the period and `usage_start_time` as the run date.
 * Where flattening left two columns of the name `labels`, the first is the project's and the second, `labels_1`, the resource's.
 */
export const billingMapping = (columns: ReadonlyArray<string>): FileMapping => {
  const isTwice = columns.some((name) => reduced(name) === "labels1")
  return {
    columns: [
      ...keyColumns,
      ...recordColumns,
      ...plainColumns,
      ...listColumns,
      { column: "labels_json", from: [isTwice ? "labels_1" : "labels"] },
      {
        column: "project_labels_json",
        from: ["project.labels", ...(isTwice ? ["labels"] : []), "project[labels]"]
      }
    ],
    collected: [
      {
        column: "adjustment_info_json",
        prefixes: ["adjustment_info.", "adjustment_info_"],
        maps: ["adjustment_info"]
      },
      {
        column: "consumption_model_json",
        prefixes: ["consumption_model.", "consumption_model_"],
        maps: ["consumption_model"]
      }
    ],
    driftColumn: "native_columns_json",
    fileColumn: "x_source_file",
    rowColumn: "x_source_row",
    nullWords: []
  }
}
