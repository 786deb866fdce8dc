/** A report in Oracle's own FOCUS columns (1.0-preview), of which the samples have the header only: one hour of two OCPUs for 0.2 USD. */
const cells = {
  "BilledCost ": "0.2",
  EffectiveCost: "0.2",
  BillingAccountId: "ocid1.tenancy.oc1..t",
  BillingCurrency: "USD",
  BillingPeriodStart: "2026-03-01T00:00:00Z",
  BillingPeriodEnd: "2026-04-01T00:00:00Z",
  ChargeCategory: "Usage",
  ChargeDescription: "E4",
  ChargePeriodStart: "2026-03-04T00:00Z",
  ChargePeriodEnd: "2026-03-04T01:00:00Z",
  ListUnitPrice: "0.1",
  PricingQuantity: "2",
  PricingUnit: "OCPU-Hours",
  Provider: "Oracle",
  Publisher: "Oracle",
  InvoiceIssuer: "Oracle",
  Region: "eu-frankfurt-1",
  ServiceName: "COMPUTE",
  SkuId: "B93113",
  UsageQuantity: "2",
  UsageUnit: "OCPU-Hours",
  oci_CompartmentId: "ocid1.compartment.oc1..c"
}

/** The report's text. */
export const ociFocusReport = `${Object.keys(cells).join(",")}\n${Object.values(cells).join(",")}\n`
