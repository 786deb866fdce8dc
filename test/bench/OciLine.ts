import { dayText, decimal, type Usage } from "./Usage.ts"

const products = [
  ["COMPUTE", "instance", "B93113", "Compute - Standard - E4 - OCPU", "1 NONE HOURS OCPU", "OCPU Per Hour", 250],
  ["COMPUTE", "instance", "B93114", "Compute - Standard - E4 - Memory", "1 GiB HOURS", "Gigabyte Per Hour", 15],
  ["OBJECTSTORE", "bucket", "B91628", "Object Storage - Storage", "1 GiB MONTHS STORAGE_SIZE", "GB Months", 255],
  [
    "DATABASE",
    "autonomousdatabase",
    "B89040",
    "Oracle Autonomous Data Warehouse",
    "1 NONE HOURS OCPU",
    "OCPU Per Hour",
    13_441
  ]
] as const
const regions = ["eu-frankfurt-1", "us-ashburn-1", "uk-london-1"] as const

/** One line of a cost report, by column. */
export const ociLine = ({ day, number, random, resource }: Usage): Readonly<Record<string, string>> => {
  const [service, type, sku, description, unit, readable, price] = products[resource % products.length] ?? products[0]
  const region = regions[resource % regions.length] ?? regions[0]
  const compartment = resource % 30
  const quantity = 1 + random(24_000)
  return {
    "lineItem/referenceNo": `r-${number}`,
    "lineItem/tenantId": "ocid1.tenancy.oc1..aaaaexample",
    "lineItem/intervalUsageStart": `${dayText(day)}T10:00Z`,
    "lineItem/intervalUsageEnd": `${dayText(day)}T11:00Z`,
    "product/service": service,
    "product/compartmentId": `ocid1.compartment.oc1..c${compartment}`,
    "product/compartmentName": `compartment-${compartment}`,
    "product/region": region,
    "product/availabilityDomain": "1",
    "product/resourceId": `ocid1.${type}.oc1.${region}.r${resource}`,
    "usage/billedQuantity": decimal(quantity, 3),
    "usage/billedQuantityOverage": "",
    "cost/subscriptionId": "8800001",
    "cost/productSku": sku,
    "product/Description": description,
    "cost/unitPrice": decimal(price, 4),
    "cost/unitPriceOverage": "",
    "cost/myCost": decimal(quantity * price, 7),
    "cost/myCostOverage": "",
    "cost/currencyCode": "USD",
    "cost/billingUnitReadable": unit,
    "cost/skuUnitDescription": readable,
    "cost/overageFlag": "false",
    "lineItem/isCorrection": "false",
    "lineItem/backreferenceNo": "",
    "tags/Oracle-Tags.CreatedBy": `default/user${resource % 50}@example.com`,
    "tags/Finance.CostCenter": `CC-${resource % 12}`
  }
}
