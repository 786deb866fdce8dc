/**
 * Where the columns of `cloud_azure_billing_raw_daily` stand in Azure's cost details: exports and reports of Enterprise Agreements and
 * Microsoft Customer Agreements, and the older pay-as-you-go files. One mapping serves all, because names are compared by their letters
 * and digits; the alternatives are the names that the agreements and versions gave to one thing.
 */
import type { ColumnSource, FileMapping } from "../../../warehouse/FileMapping.ts"

const dateNames: readonly [string, ...ReadonlyArray<string>] = ["Date", "UsageDateTime", "UsageDate"]

/** Money, currency and day: without them a row cannot be accounted for, so the file is refused. */
const keyColumns: ReadonlyArray<ColumnSource> = [
  {
    column: "billing_period_start",
    from: ["BillingPeriodStartDate"],
    whenEmpty: ["ServicePeriodStartDate", ...dateNames],
    isMonth: true,
    mustExist: true,
    mustHaveValue: true
  },
  { column: "usage_date", from: dateNames, mustExist: true, mustHaveValue: true },
  {
    column: "billing_currency",
    from: ["BillingCurrency", "BillingCurrencyCode", "Currency"],
    mustExist: true,
    mustHaveValue: true,
    mustMatch: "[A-Z]{3}"
  },
  {
    column: "cost_in_billing_currency",
    from: ["CostInBillingCurrency", "Cost", "PreTaxCost"],
    mustExist: true,
    mustHaveValue: true
  }
]

const accountColumns: ReadonlyArray<ColumnSource> = [
  { column: "subscription_id", from: ["SubscriptionId", "SubscriptionGuid"] },
  { column: "subscription_name", from: ["SubscriptionName"] },
  { column: "x_cloud_account_id", from: ["SubscriptionId", "SubscriptionGuid"] },
  { column: "billing_account_id", from: ["BillingAccountId"] },
  { column: "billing_account_name", from: ["BillingAccountName"] },
  { column: "billing_profile_id", from: ["BillingProfileId"] },
  { column: "billing_profile_name", from: ["BillingProfileName"] },
  { column: "invoice_section_id", from: ["InvoiceSectionId"] },
  { column: "invoice_section_name", from: ["InvoiceSectionName", "InvoiceSection"] },
  { column: "invoice_id", from: ["InvoiceId"] },
  { column: "previous_invoice_id", from: ["PreviousInvoiceId"] },
  { column: "billing_period_end", from: ["BillingPeriodEndDate"] },
  { column: "service_period_start", from: ["ServicePeriodStartDate"] },
  { column: "service_period_end", from: ["ServicePeriodEndDate"] },
  { column: "usage_start_time", from: dateNames },
  { column: "partner_name", from: ["PartnerName", "ResellerName"] },
  { column: "publisher_type", from: ["PublisherType"] },
  { column: "publisher_id", from: ["PublisherId"] },
  { column: "publisher_name", from: ["PublisherName"] },
  { column: "plan_name", from: ["PlanName"] },
  { column: "cost_center", from: ["CostCenter"] },
  { column: "cost_allocation_rule_name", from: ["CostAllocationRuleName"] }
]

const chargeColumns: ReadonlyArray<ColumnSource> = [
  { column: "charge_type", from: ["ChargeType"] },
  { column: "frequency", from: ["Frequency"] },
  { column: "pricing_model", from: ["PricingModel"] },
  { column: "usage_quantity", from: ["Quantity", "UsageQuantity"], rounded: true },
  { column: "unit_of_measure", from: ["UnitOfMeasure"] },
  { column: "effective_price", from: ["EffectivePrice"] },
  { column: "unit_price", from: ["UnitPrice", "ResourceRate"] },
  { column: "payg_price", from: ["PayGPrice"] },
  { column: "cost_in_pricing_currency", from: ["CostInPricingCurrency"], rounded: true },
  { column: "pricing_currency", from: ["PricingCurrency", "PricingCurrencyCode"] },
  { column: "cost_in_usd", from: ["CostInUsd"], rounded: true },
  { column: "exchange_rate", from: ["ExchangeRatePricingToBilling", "ExchangeRate"], rounded: true },
  { column: "exchange_rate_date", from: ["ExchangeRateDate"] },
  { column: "payg_cost_in_billing_currency", from: ["PaygCostInBillingCurrency"], rounded: true },
  { column: "azure_credit_applied", from: ["AzureCreditApplied"] },
  { column: "is_azure_credit_eligible", from: ["IsAzureCreditEligible"] }
]

const productColumns: ReadonlyArray<ColumnSource> = [
  { column: "consumed_service", from: ["ConsumedService"] },
  { column: "service_family", from: ["ServiceFamily"] },
  { column: "service_name", from: ["ServiceName"] },
  { column: "service_tier", from: ["ServiceTier"] },
  { column: "service_info_1", from: ["ServiceInfo1"] },
  { column: "service_info_2", from: ["ServiceInfo2"] },
  { column: "meter_id", from: ["MeterId"] },
  { column: "meter_name", from: ["MeterName"] },
  { column: "meter_category", from: ["MeterCategory"] },
  { column: "meter_subcategory", from: ["MeterSubCategory"] },
  { column: "meter_region", from: ["MeterRegion"] },
  { column: "product_id", from: ["ProductId"] },
  { column: "product_name", from: ["ProductName", "Product"] },
  { column: "product_order_id", from: ["ProductOrderId"] },
  { column: "product_order_name", from: ["ProductOrderName"] },
  { column: "part_number", from: ["PartNumber"] },
  { column: "offer_id", from: ["OfferId"] },
  { column: "term", from: ["Term"] },
  { column: "reservation_id", from: ["ReservationId"] },
  { column: "reservation_name", from: ["ReservationName"] },
  { column: "savings_plan_id", from: ["SavingsPlanId"] },
  { column: "savings_plan_name", from: ["SavingsPlanName"] },
  { column: "benefit_id", from: ["BenefitId"] },
  { column: "benefit_name", from: ["BenefitName"] }
]

const resourceColumns: ReadonlyArray<ColumnSource> = [
  { column: "resource_id", from: ["ResourceId", "InstanceId", "InstanceName"] },
  { column: "resource_name", from: ["ResourceName"] },
  { column: "resource_group", from: ["ResourceGroup", "ResourceGroupName"] },
  { column: "resource_type", from: ["ResourceType"] },
  { column: "resource_location", from: ["ResourceLocation", "Location"] },
  { column: "availability_zone", from: ["AvailabilityZone"] },
  { column: "resource_tags_json", from: ["Tags"] },
  { column: "additional_info_json", from: ["AdditionalInfo"] }
]

/** What the files of one credential need. */
export interface CostDetailsReading {
  /** Rows may lack cells at their end. */
  readonly shortRows?: boolean
  /** Which currency a code means that is none of ISO 4217. */
  readonly currencyCodes?: Readonly<Record<string, string>>
}

/** The mapping of all cost details; load it into `cloud_azure_billing_raw_daily` with `billing_period_start` as the period and `usage_date` as the run date. */
export const costDetailsMapping = ({
  currencyCodes = {},
  shortRows = false
}: CostDetailsReading = {}): FileMapping => ({
  columns: [
    ...keyColumns.map((source) =>
      source.column === "billing_currency" ? { ...source, words: currencyCodes } : source
    ),
    ...accountColumns,
    ...chargeColumns,
    ...productColumns,
    ...resourceColumns
  ],
  collected: [],
  driftColumn: "native_columns_json",
  fileColumn: "x_source_file",
  rowColumn: "x_source_row",
  nullWords: [],
  localDates: { firstDays: ["BillingPeriodStartDate", "ServicePeriodStartDate"] },
  shortRows
})
