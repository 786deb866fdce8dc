/**
 * Where the columns of `cloud_azure_focus_raw_daily` stand in an Azure FOCUS export.
 */
import * as FocusMapping from "../FocusMapping.ts"

/** The mapping of every Azure FOCUS export. */
export const focusMapping = FocusMapping.focusMapping([
  // Versions before 1.2 had these under names of Azure's own.
  { column: "InvoiceId", from: ["InvoiceId", "x_InvoiceId"] },
  { column: "PricingCurrency", from: ["PricingCurrency", "x_PricingCurrency"] },
  { column: "SkuMeter", from: ["SkuMeter", "x_SkuMeterName"] },
  { column: "x_SkuMeterCategory", from: ["x_SkuMeterCategory"] },
  { column: "x_SkuMeterSubcategory", from: ["x_SkuMeterSubcategory"] },
  { column: "x_PublisherCategory", from: ["x_PublisherCategory"] },
  { column: "x_ResourceGroupName", from: ["x_ResourceGroupName"] },
  { column: "x_CostCenter", from: ["x_CostCenter"] },
  { column: "x_InvoiceSectionId", from: ["x_InvoiceSectionId"] }
])
