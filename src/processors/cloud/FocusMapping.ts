/**
 * Where the columns of the tables `cloud_*_focus_raw_daily` stand in a native FOCUS export: the names of FOCUS 1.3 itself, and the names
 * that the columns had in 1.0-preview.
 */
import type { ColumnSource, FileMapping } from "../../warehouse/FileMapping.ts"

/** Money, currency and period: without them a row cannot be accounted for, so the file is refused. */
const keyColumns: ReadonlyArray<ColumnSource> = [
  { column: "billing_period_start_date", from: ["BillingPeriodStart"], mustExist: true, mustHaveValue: true },
  { column: "BillingPeriodStart", from: ["BillingPeriodStart"], mustExist: true, mustHaveValue: true },
  { column: "ChargePeriodStart", from: ["ChargePeriodStart"], mustExist: true, mustHaveValue: true },
  { column: "BillingCurrency", from: ["BillingCurrency"], mustExist: true, mustHaveValue: true },
  { column: "BilledCost", from: ["BilledCost"], mustExist: true, mustHaveValue: true },
  { column: "EffectiveCost", from: ["EffectiveCost"], mustExist: true, mustHaveValue: true }
]

/** Columns that 1.0-preview knew under another name. */
const renamedColumns: ReadonlyArray<ColumnSource> = [
  { column: "ProviderName", from: ["ProviderName", "Provider"] },
  { column: "PublisherName", from: ["PublisherName", "Publisher"] },
  { column: "InvoiceIssuerName", from: ["InvoiceIssuerName", "InvoiceIssuer"] },
  { column: "RegionId", from: ["RegionId", "Region"] },
  { column: "ConsumedQuantity", from: ["ConsumedQuantity", "UsageQuantity"], rounded: true },
  { column: "ConsumedUnit", from: ["ConsumedUnit", "UsageUnit"] },
  { column: "x_ChargeSubcategory", from: ["x_ChargeSubcategory", "ChargeSubcategory"] }
]

const sameNames = [
  "AllocatedMethodDetails",
  "AllocatedMethodId",
  "AllocatedResourceId",
  "AllocatedResourceName",
  "AllocatedTags",
  "AvailabilityZone",
  "BillingAccountId",
  "BillingAccountName",
  "BillingAccountType",
  "BillingPeriodEnd",
  "CapacityReservationId",
  "CapacityReservationStatus",
  "ChargeCategory",
  "ChargeClass",
  "ChargeDescription",
  "ChargeFrequency",
  "ChargePeriodEnd",
  "CommitmentDiscountCategory",
  "CommitmentDiscountId",
  "CommitmentDiscountName",
  "CommitmentDiscountQuantity",
  "CommitmentDiscountStatus",
  "CommitmentDiscountType",
  "CommitmentDiscountUnit",
  "ContractApplied",
  "ContractedCost",
  "ContractedUnitPrice",
  "HostProviderName",
  "InvoiceId",
  "ListCost",
  "ListUnitPrice",
  "PricingCategory",
  "PricingCurrency",
  "PricingCurrencyContractedUnitPrice",
  "PricingCurrencyEffectiveCost",
  "PricingCurrencyListUnitPrice",
  "PricingQuantity",
  "PricingUnit",
  "RegionName",
  "ResourceId",
  "ResourceName",
  "ResourceType",
  "ServiceCategory",
  "ServiceName",
  "ServiceProviderName",
  "ServiceSubcategory",
  "SkuId",
  "SkuMeter",
  "SkuPriceDetails",
  "SkuPriceId",
  "SubAccountId",
  "SubAccountName",
  "SubAccountType",
  "Tags"
] as const

/**
 * The mapping of a provider's FOCUS exports, `own` being the provider's own columns, or its own names of common ones; load it with `billing_period_start_date` as the period
 * and `ChargePeriodStart` as the run date.
 */
export const focusMapping = (own: ReadonlyArray<ColumnSource>): FileMapping => ({
  columns: [
    ...keyColumns,
    ...[
      ...renamedColumns,
      ...sameNames.map((name): ColumnSource => ({ column: name, from: [name], rounded: name.endsWith("Quantity") }))
    ].filter((common) => !own.some(({ column, from }) => column === common.column || from[0] === common.from[0])),
    ...own
  ],
  collected: [],
  driftColumn: "native_columns_json",
  fileColumn: "x_source_file",
  rowColumn: "x_source_row",
  nullWords: ["NULL", "null"]
})
