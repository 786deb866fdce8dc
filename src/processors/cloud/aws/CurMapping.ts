/**
 * Where the columns of `cloud_aws_billing_raw_daily` stand in an AWS Cost and Usage Report.
 *
 * One mapping serves every layout, because names are compared by their letters and digits: CUR 1.0 (`lineItem/UnblendedCost`), CUR 2.0 and
 * Athena (`line_item_unblended_cost`), and the two spellings of ARN columns (`..._a_r_n`, `..._arn`). CUR 2.0 moves most product
 * attributes into the map column `product`.
 */
import type { CollectedColumns, ColumnSource, FileMapping } from "../../../warehouse/FileMapping.ts"

/** Money, currency and period: without them a line cannot be accounted for, so the file is refused. */
const keyColumns: ReadonlyArray<ColumnSource> = [
  { column: "payer_account_id", from: ["bill/PayerAccountId"], mustExist: true, mustHaveValue: true },
  { column: "billing_period_start", from: ["bill/BillingPeriodStartDate"], mustExist: true, mustHaveValue: true },
  { column: "linked_account_id", from: ["lineItem/UsageAccountId"], mustExist: true, mustHaveValue: true },
  { column: "line_item_type", from: ["lineItem/LineItemType"], mustExist: true, mustHaveValue: true },
  { column: "usage_date", from: ["lineItem/UsageStartDate"], mustExist: true, mustHaveValue: true },
  { column: "currency", from: ["lineItem/CurrencyCode"], mustExist: true, mustHaveValue: true },
  { column: "unblended_cost", from: ["lineItem/UnblendedCost"], mustExist: true, mustHaveValue: true }
]

const billColumns: ReadonlyArray<ColumnSource> = [
  { column: "payer_account_name", from: ["bill/PayerAccountName"] },
  { column: "bill_payer_account_id", from: ["bill/PayerAccountId"] },
  { column: "bill_billing_entity", from: ["bill/BillingEntity"] },
  { column: "bill_invoicing_entity", from: ["bill/InvoicingEntity"] },
  { column: "bill_type", from: ["bill/BillType"] },
  { column: "invoice_id", from: ["bill/InvoiceId"] },
  { column: "billing_period_end", from: ["bill/BillingPeriodEndDate"] }
]

const lineColumns: ReadonlyArray<ColumnSource> = [
  { column: "line_item_id", from: ["identity/LineItemId"] },
  { column: "linked_account_name", from: ["lineItem/UsageAccountName"] },
  { column: "usage_start_time", from: ["lineItem/UsageStartDate"] },
  { column: "usage_end_time", from: ["lineItem/UsageEndDate"] },
  { column: "product_code", from: ["lineItem/ProductCode"] },
  { column: "usage_type", from: ["lineItem/UsageType"] },
  { column: "operation", from: ["lineItem/Operation"] },
  { column: "availability_zone", from: ["lineItem/AvailabilityZone"] },
  { column: "resource_id", from: ["lineItem/ResourceId"] },
  { column: "line_item_description", from: ["lineItem/LineItemDescription"] },
  { column: "legal_entity", from: ["lineItem/LegalEntity"] },
  { column: "tax_type", from: ["lineItem/TaxType"] },
  { column: "usage_amount", from: ["lineItem/UsageAmount"], rounded: true },
  { column: "normalization_factor", from: ["lineItem/NormalizationFactor"], rounded: true },
  { column: "normalized_usage_amount", from: ["lineItem/NormalizedUsageAmount"], rounded: true },
  { column: "unblended_rate", from: ["lineItem/UnblendedRate"] },
  { column: "net_unblended_rate", from: ["lineItem/NetUnblendedRate"] },
  { column: "net_unblended_cost", from: ["lineItem/NetUnblendedCost"] },
  { column: "blended_rate", from: ["lineItem/BlendedRate"] },
  { column: "blended_cost", from: ["lineItem/BlendedCost"] },
  { column: "x_cloud_account_id", from: ["lineItem/UsageAccountId"] }
]

const pricingColumns: ReadonlyArray<ColumnSource> = [
  { column: "pricing_currency", from: ["pricing/currency"] },
  { column: "pricing_unit", from: ["pricing/unit"] },
  { column: "usage_unit", from: ["pricing/unit"] },
  { column: "pricing_term", from: ["pricing/term"] },
  { column: "pricing_rate_code", from: ["pricing/RateCode"] },
  { column: "pricing_rate_id", from: ["pricing/RateId"] },
  // Some writers glue the names of two columns together and keep the purchase option under the result.
  {
    column: "pricing_purchase_option",
    from: ["pricing/PurchaseOption", "pricing/OfferingClasspricing/PurchaseOption"]
  },
  { column: "pricing_offering_class", from: ["pricing/OfferingClass"] },
  { column: "pricing_lease_contract_length", from: ["pricing/LeaseContractLength"] },
  { column: "public_on_demand_rate", from: ["pricing/publicOnDemandRate"] },
  { column: "public_on_demand_cost", from: ["pricing/publicOnDemandCost"] }
]

const productColumns: ReadonlyArray<ColumnSource> = [
  { column: "product_name", from: ["product/ProductName", "product[product_name]"] },
  { column: "product_sku", from: ["product/sku", "product[sku]"] },
  { column: "product_family", from: ["product/productFamily", "product[product_family]"] },
  { column: "service_code", from: ["product/servicecode", "product[servicecode]"] },
  { column: "product_instance_type", from: ["product/instanceType", "product[instance_type]"] },
  { column: "product_instance_type_family", from: ["product/instanceTypeFamily", "product[instance_type_family]"] },
  { column: "product_operating_system", from: ["product/operatingSystem", "product[operating_system]"] },
  { column: "product_tenancy", from: ["product/tenancy", "product[tenancy]"] },
  { column: "product_vcpu", from: ["product/vcpu", "product[vcpu]"] },
  { column: "product_memory", from: ["product/memory", "product[memory]"] },
  { column: "product_storage", from: ["product/storage", "product[storage]"] },
  { column: "product_storage_class", from: ["product/storageClass", "product[storage_class]"] },
  { column: "product_gpu", from: ["product/gpu", "product[gpu]"] },
  { column: "region", from: ["product/regionCode", "product[region_code]"] },
  { column: "region_name_code", from: ["product/region", "product[region]"] },
  { column: "region_location", from: ["product/location", "product[location]"] },
  { column: "region_location_type", from: ["product/locationType", "product[location_type]"] }
]

const reservationColumns: ReadonlyArray<ColumnSource> = [
  { column: "reservation_arn", from: ["reservation/ReservationARN"] },
  { column: "capacity_reservation_arn", from: ["capacityReservation/CapacityReservationARN"] },
  { column: "capacity_reservation_status", from: ["capacityReservation/CapacityReservationStatus"] },
  { column: "reservation_subscription_id", from: ["reservation/SubscriptionId"] },
  { column: "reservation_number_of_reservations", from: ["reservation/NumberOfReservations"] },
  { column: "reservation_total_reserved_units", from: ["reservation/TotalReservedUnits"] },
  {
    column: "reservation_total_reserved_normalized_units",
    from: ["reservation/TotalReservedNormalizedUnits"],
    rounded: true
  },
  { column: "reservation_effective_cost", from: ["reservation/EffectiveCost"] },
  { column: "reservation_net_effective_cost", from: ["reservation/NetEffectiveCost"] },
  { column: "reservation_amortized_upfront_cost_for_usage", from: ["reservation/AmortizedUpfrontCostForUsage"] },
  { column: "reservation_recurring_fee_for_usage", from: ["reservation/RecurringFeeForUsage"] },
  {
    column: "reservation_amortized_upfront_fee_for_billing_period",
    from: ["reservation/AmortizedUpfrontFeeForBillingPeriod"]
  },
  { column: "reservation_unused_quantity", from: ["reservation/UnusedQuantity"], rounded: true },
  {
    column: "reservation_unused_normalized_unit_quantity",
    from: ["reservation/UnusedNormalizedUnitQuantity"],
    rounded: true
  },
  { column: "reservation_unused_recurring_fee", from: ["reservation/UnusedRecurringFee"] },
  {
    column: "reservation_unused_amortized_upfront_fee_for_billing_period",
    from: ["reservation/UnusedAmortizedUpfrontFeeForBillingPeriod"]
  },
  { column: "reservation_net_unused_recurring_fee", from: ["reservation/NetUnusedRecurringFee"] },
  {
    column: "reservation_net_unused_amortized_upfront_fee_for_billing_period",
    from: ["reservation/NetUnusedAmortizedUpfrontFeeForBillingPeriod"]
  },
  { column: "reservation_upfront_value", from: ["reservation/UpfrontValue"] }
]

const savingsPlanColumns: ReadonlyArray<ColumnSource> = [
  { column: "savings_plan_arn", from: ["savingsPlan/SavingsPlanARN"] },
  { column: "savings_plan_offering_type", from: ["savingsPlan/OfferingType"] },
  { column: "savings_plan_payment_option", from: ["savingsPlan/PaymentOption"] },
  { column: "savings_plan_purchase_term", from: ["savingsPlan/PurchaseTerm"] },
  { column: "savings_plan_savings_plan_rate", from: ["savingsPlan/SavingsPlanRate"] },
  { column: "savings_plan_effective_cost", from: ["savingsPlan/SavingsPlanEffectiveCost"] },
  { column: "savings_plan_net_effective_cost", from: ["savingsPlan/NetSavingsPlanEffectiveCost"] },
  { column: "savings_plan_used_commitment", from: ["savingsPlan/UsedCommitment"] },
  { column: "savings_plan_total_commitment_to_date", from: ["savingsPlan/TotalCommitmentToDate"] },
  {
    column: "savings_plan_recurring_commitment_for_billing_period",
    from: ["savingsPlan/RecurringCommitmentForBillingPeriod"]
  },
  {
    column: "savings_plan_amortized_upfront_commitment_for_billing_period",
    from: ["savingsPlan/AmortizedUpfrontCommitmentForBillingPeriod"]
  }
]

const discountColumns: ReadonlyArray<ColumnSource> = [
  { column: "discount_edp_amount", from: ["discount/EdpDiscount"] },
  { column: "discount_private_rate_amount", from: ["discount/PrivateRateDiscount"] },
  { column: "discount_bundled_amount", from: ["discount/BundledDiscount"] },
  { column: "discount_total_amount", from: ["discount/TotalDiscount"] }
]

const collected: ReadonlyArray<CollectedColumns> = [
  { column: "resource_tags_json", prefixes: ["resourceTags/", "resource_tags_"], maps: ["resource_tags"] },
  { column: "cost_category_json", prefixes: ["costCategory/", "cost_category_"], maps: ["cost_category"] },
  { column: "discount_json", prefixes: ["discount/", "discount_"], maps: ["discount"] },
  { column: "product_attributes_json", prefixes: ["product/", "product_"], maps: ["product"] },
  { column: "reservation_attributes_json", prefixes: ["reservation/", "reservation_"], maps: ["reservation"] },
  { column: "savings_plan_attributes_json", prefixes: ["savingsPlan/", "savings_plan_"], maps: ["savings_plan"] },
  { column: "split_line_item_json", prefixes: ["splitLineItem/", "split_line_item_"], maps: [] }
]

/** The mapping of every Cost and Usage Report; load it into `cloud_aws_billing_raw_daily` with `billing_period_start` as the period and `usage_date` as the run date. */
export const curMapping: FileMapping = {
  columns: [
    ...keyColumns,
    ...billColumns,
    ...lineColumns,
    ...pricingColumns,
    ...productColumns,
    ...reservationColumns,
    ...savingsPlanColumns,
    ...discountColumns
  ],
  collected,
  driftColumn: "native_columns_json",
  fileColumn: "x_source_file",
  rowColumn: "x_source_row",
  nullWords: []
}
