import { dayText, decimal, type Usage } from "./Usage.ts"

const meters = [
  ["Compute", "Microsoft.Compute", "Virtual Machines", "Dv5 Series", "D4 v5", "virtualMachines", "1 Hour", 1920],
  [
    "Storage",
    "Microsoft.Storage",
    "Storage",
    "Tiered Block Blob",
    "Hot LRS Data Stored",
    "storageAccounts",
    "1 GB/Month",
    184
  ],
  ["Databases", "Microsoft.Sql", "SQL Database", "General Purpose - Compute Gen5", "vCore", "servers", "1 Hour", 2521],
  [
    "Networking",
    "Microsoft.Network",
    "Bandwidth",
    "Inter-Region",
    "Standard Data Transfer Out",
    "virtualNetworks",
    "1 GB",
    200
  ]
] as const
const regions = [
  ["westeurope", "EU West"],
  ["eastus", "US East"],
  ["uksouth", "UK South"]
] as const
const subscription = "2639de71-ca37-4a17-a104-17665a50e7fc"

/** One line of a Microsoft Customer Agreement's cost details, by column. */
export const azureLine = ({ day, random, resource }: Usage): Readonly<Record<string, string>> => {
  const [family, service, category, subCategory, meter, type, unit, price] =
    meters[resource % meters.length] ?? meters[0]
  const [location, meterRegion] = regions[resource % regions.length] ?? regions[0]
  const group = `rg-${resource % 40}`
  const date = dayText(day).replace(/(\d+)-(\d+)-(\d+)/, "$2/$3/$1")
  const quantity = 1 + random(24_000)
  const cost = decimal(quantity * price, 7)
  const unitPrice = decimal(price, 4)
  return {
    invoiceId: "G012345678",
    previousInvoiceId: "",
    billingAccountId: "3c100a8a-215e-5a7e-24b2-61aa86945012",
    billingAccountName: "Acme Holding",
    billingProfileId: "NF5V-BI6B-BG7-PGB",
    billingProfileName: "Acme",
    invoiceSectionId: "AVRI-TGJD-PJA-PGB",
    invoiceSectionName: `Section ${resource % 5}`,
    resellerName: "",
    resellerMpnId: "",
    costCenter: `cc-${resource % 12}`,
    billingPeriodEndDate: "10/31/2026",
    billingPeriodStartDate: "10/01/2026",
    servicePeriodEndDate: date,
    servicePeriodStartDate: date,
    date,
    serviceFamily: family,
    productOrderId: "bdd0331d-dbc8-41cc-dc24-69de3e85abbd",
    productOrderName: "Azure plan",
    consumedService: service,
    meterId: `469a7d8f-36f1-4a99-a884-00000000000${resource % meters.length}`,
    meterName: meter,
    meterCategory: category,
    meterSubCategory: subCategory,
    meterRegion,
    ProductId: `DZH318Z0BNZJ000${resource % meters.length}`,
    product: `${category} - ${meter} - ${meterRegion}`,
    subscriptionId: subscription,
    subscriptionName: "Production",
    publisherType: "Azure",
    publisherId: "",
    publisherName: "Microsoft",
    resourceGroupName: group,
    InstanceName: `/subscriptions/${subscription}/resourceGroups/${group}/providers/${service}/${type}/r${resource}`,
    resourceLocation: location,
    Location: meterRegion,
    effectivePrice: unitPrice,
    quantity: decimal(quantity, 3),
    unitOfMeasure: unit,
    chargeType: "Usage",
    billingCurrency: "USD",
    pricingCurrency: "USD",
    costInBillingCurrency: cost,
    costInPricingCurrency: cost,
    costInUsd: cost,
    paygCostInBillingCurrency: cost,
    paygCostInUsd: cost,
    exchangeRatePricingToBilling: "1.0",
    exchangeRateDate: "10/01/2026",
    isAzureCreditEligible: "True",
    serviceInfo1: "",
    serviceInfo2: "",
    additionalInfo: "",
    tags: JSON.stringify({ team: `team-${resource % 20}`, env: resource % 3 === 0 ? "prod" : "test" }),
    payGPrice: unitPrice,
    frequency: "UsageBased",
    term: "",
    reservationId: "",
    reservationName: "",
    unitPrice
  }
}
