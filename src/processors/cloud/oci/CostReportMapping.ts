/**
 * Where the columns of `cloud_oci_billing_raw_daily` stand in OCI's cost reports. The report's month and the kind of subscription are not
 * in the file; they are given with it.
 */
import type { ColumnSource, FileMapping } from "../../../warehouse/FileMapping.ts"

/** Money, currency and time: without them a row cannot be accounted for, so the file is refused. */
const keyColumns: ReadonlyArray<ColumnSource> = [
  { column: "cost", from: ["cost/myCost"], mustExist: true, mustHaveValue: true },
  { column: "currency", from: ["cost/currencyCode"], mustExist: true, mustHaveValue: true, mustMatch: "[A-Z]{3}" },
  { column: "usage_start_time", from: ["lineItem/intervalUsageStart"], mustExist: true, mustHaveValue: true },
  { column: "usage_end_time", from: ["lineItem/intervalUsageEnd"], mustExist: true, mustHaveValue: true },
  { column: "tenancy_id", from: ["lineItem/tenantId"], mustExist: true, mustHaveValue: true }
]

const columns: ReadonlyArray<ColumnSource> = [
  { column: "reference_no", from: ["lineItem/referenceNo"] },
  { column: "backreference_no", from: ["lineItem/backreferenceNo"] },
  { column: "is_correction", from: ["lineItem/isCorrection"] },
  { column: "subscription_id", from: ["cost/subscriptionId"] },
  { column: "service_name", from: ["product/service"] },
  { column: "compartment_id", from: ["product/compartmentId"] },
  { column: "compartment_name", from: ["product/compartmentName"] },
  { column: "compartment_path", from: ["product/compartmentPath"] },
  { column: "region", from: ["product/region"] },
  { column: "availability_domain", from: ["product/availabilityDomain"] },
  { column: "resource_id", from: ["product/resourceId"] },
  { column: "resource_name", from: ["product/resourceName"] },
  { column: "sku_part_number", from: ["cost/productSku"] },
  { column: "sku_name", from: ["product/Description"] },
  { column: "unit", from: ["cost/billingUnitReadable"] },
  { column: "sku_unit_description", from: ["cost/skuUnitDescription"] },
  { column: "usage_quantity", from: ["usage/billedQuantity"], rounded: true },
  { column: "usage_quantity_overage", from: ["usage/billedQuantityOverage"], rounded: true },
  { column: "attributed_usage", from: ["usage/attributedUsage"], rounded: true },
  { column: "unit_price", from: ["cost/unitPrice"] },
  { column: "unit_price_overage", from: ["cost/unitPriceOverage"] },
  { column: "my_cost", from: ["cost/myCost"] },
  { column: "my_cost_overage", from: ["cost/myCostOverage"] },
  { column: "attributed_cost", from: ["cost/attributedCost"], rounded: true },
  { column: "overage_flag", from: ["cost/overageFlag"] },
  { column: "x_cloud_account_id", from: ["lineItem/tenantId"] }
]

/** The mapping of all cost reports; load it with `billing_period_start` as the period and `usage_start_time` as the run date. */
export const costReportMapping: FileMapping = {
  columns: [...keyColumns, ...columns],
  collected: [{ column: "defined_tags_json", prefixes: ["tags/"], maps: [] }],
  driftColumn: "native_columns_json",
  fileColumn: "x_source_file",
  rowColumn: "x_source_row",
  nullWords: []
}
