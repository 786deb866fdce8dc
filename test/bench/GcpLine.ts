import { dayText, decimal, type Usage } from "./Usage.ts"

const skus = [
  [
    "6F81-5844-456A",
    "Compute Engine",
    "2E27-4F75-95CD",
    "N1 Predefined Instance Core running in Americas",
    "hour",
    31_611
  ],
  [
    "6F81-5844-456A",
    "Compute Engine",
    "6C71-E844-38BC",
    "N1 Predefined Instance Ram running in Americas",
    "gibibyte hour",
    4237
  ],
  ["95FF-2EF5-5EA1", "Cloud Storage", "E5F0-6A5D-7BAD", "Standard Storage US Regional", "gibibyte month", 20_000],
  ["24E6-581D-38E5", "BigQuery", "16B8-3DDA-9F10", "Analysis", "tebibyte", 5_000_000]
] as const

/** One row of the detailed export, as BigQuery writes it to a file. */
export const gcpLine = ({ day, random, resource }: Usage): object => {
  const [serviceId, service, skuId, sku, unit, price] = skus[resource % skus.length] ?? skus[0]
  const project = `acme-${resource % 25}`
  const quantity = 1 + random(24_000)
  const cost = Number(decimal(quantity * price, 9))
  const amount = Number(decimal(quantity, 3))
  const listed = decimal(price, 6)
  return {
    billing_account_id: "0AAAAA-111111-222222",
    service: { id: serviceId, description: service },
    sku: { id: skuId, description: sku },
    usage_start_time: `${dayText(day)} 07:00:00 UTC`,
    usage_end_time: `${dayText(day)} 08:00:00 UTC`,
    project: {
      id: project,
      number: String(100_000_000_000 + (resource % 25)),
      name: project,
      labels: [{ key: "owner", value: `team-${resource % 20}` }],
      ancestry_numbers: "/1000000001/",
      ancestors: []
    },
    labels: [{ key: "env", value: resource % 3 === 0 ? "prod" : "test" }],
    system_labels: [],
    location: { location: "us-central1", country: "US", region: "us-central1", zone: "us-central1-a" },
    tags: [],
    resource: {
      name: `vm-${resource}`,
      global_name: `//compute.googleapis.com/projects/${project}/zones/us-central1-a/instances/vm-${resource}`
    },
    price: { effective_price: listed, list_price: listed, tier_start_amount: "0", unit, pricing_unit_quantity: "1" },
    export_time: `${dayText(day + 1)} 09:13:11 UTC`,
    cost,
    currency: "USD",
    currency_conversion_rate: 1,
    usage: { amount, unit, amount_in_pricing_units: amount, pricing_unit: unit },
    credits:
      resource % 5 === 0
        ? [
            {
              name: "Sustained Usage Discount",
              amount: -Number(decimal(quantity * price, 10)),
              full_name: "Sustained Usage Discount",
              id: "Sustained Usage Discount",
              type: "SUSTAINED_USAGE_DISCOUNT"
            }
          ]
        : [],
    invoice: { month: "202610", publisher_type: "GOOGLE" },
    cost_type: "regular",
    adjustment_info: null,
    cost_at_list: cost,
    transaction_type: "GOOGLE",
    seller_name: "Google",
    subscription: null
  }
}
