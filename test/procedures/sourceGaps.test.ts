/**
 * x_SourceGaps names what a row's source cells do not tell, and only that: what a conversion loses on the way is a violation.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { JsonObject } from "../../src/platform/Json.ts"
import { type OrgWarehouse, Warehouse } from "../../src/warehouse/Warehouse.ts"
import * as Procedures from "../support/Procedures.ts"
import { judge, periods } from "../support/FocusProof.ts"
import * as azure from "./azureSupport.ts"
import * as support from "./support.ts"

const { charge, line } = support

/** An hour of a compute shape on a pay-as-you-go subscription of OCI, by the columns of the raw table. */
const ociLine = (change: JsonObject): JsonObject => ({
  reference_no: "r-1",
  tenancy_id: "ocid1.tenancy.oc1..t",
  subscription_id: "1001",
  subscription_kind: "payg",
  billing_period_start: "2026-03-01",
  usage_start_time: "2026-03-02T00:00:00Z",
  usage_end_time: "2026-03-02T01:00:00Z",
  service_name: "COMPUTE",
  compartment_id: "ocid1.compartment.oc1..c",
  compartment_name: "core",
  region: "eu-frankfurt-1",
  sku_part_number: "B1",
  sku_name: "Standard OCPU",
  unit: "1 NONE HOURS OCPU",
  usage_quantity: "2",
  unit_price: "0.05",
  cost: "0.1",
  currency: "EUR",
  x_source_file: "report.csv",
  ...change
})

/** A line of Azure's cost details, amortized as they hold every kind of it. */
const azureLine = (change: JsonObject): JsonObject =>
  azure.line({ billing_period_start: "2026-03-01", usage_date: "2026-03-05", cost_view: "amortized", ...change })

const reserved = { pricing_model: "Reservation", reservation_id: "r-1", reservation_name: "reserved" }
const saved = { pricing_model: "SavingsPlan", benefit_id: "/providers/Microsoft.BillingBenefits/savingsPlanOrders/s-1" }
const untold = { unit_price: null, effective_price: null, payg_price: null }
const endless = { cost_in_billing_currency: "0.2", usage_quantity: "7" }

/** A day of a machine's cores, by the columns of Google Cloud's raw table. */
const gcpLine = (change: JsonObject): JsonObject => ({
  billing_account_id: "0A0A0A-0B0B0B-0C0C0C",
  billing_period_start: "2026-03-01",
  invoice_month: "202603",
  service_id: "6F81-5844-456A",
  service_description: "Compute Engine",
  sku_id: "S-1",
  sku_description: "N2 Instance Core",
  usage_start_time: "2026-03-02T08:00:00Z",
  usage_end_time: "2026-03-03T08:00:00Z",
  project_id: "core",
  project_name: "Core",
  cost: "0.2",
  cost_type: "regular",
  currency: "USD",
  usage_amount: "7200",
  usage_unit: "seconds",
  usage_amount_in_pricing_units: "2",
  usage_pricing_unit: "hour",
  price_effective_price: "0.1",
  price_list_price: "0.12",
  x_source_file: "export.csv",
  ...change
})

const loadGcp = (dataset: OrgWarehouse, lines: ReadonlyArray<JsonObject>) =>
  support.load(
    dataset,
    {
      table: "cloud_gcp_billing_raw_daily",
      pipelineId: "cloud_gcp_cost_billing",
      credentialId: "main",
      extent: { kind: "periods", periodColumn: "billing_period_start", runDateColumn: "usage_start_time" }
    },
    { _tag: "Rows", rows: Stream.fromIterable(lines) }
  )

const loadOci = (dataset: OrgWarehouse, lines: ReadonlyArray<JsonObject>) =>
  support.load(
    dataset,
    {
      table: "cloud_oci_billing_raw_daily",
      pipelineId: "cloud_oci_cost_billing",
      credentialId: "main",
      extent: { kind: "periods", periodColumn: "billing_period_start", runDateColumn: "usage_start_time" }
    },
    { _tag: "Rows", rows: Stream.fromIterable(lines) }
  )

const named = { payer_account_name: "acme", linked_account_name: "acme-prod" }
const delivered = { BillingAccountName: "acme", SubAccountName: "acme-prod" }
const noCost = { public_on_demand_rate: null, unblended_rate: null }
const noPrice = { ListUnitPrice: null, ContractedUnitPrice: null }

/** Source rows with the gaps of each; the first of a source is complete. */
const sources = {
  cur: {
    cloud: "aws",
    load: support.loadLines,
    rows: [
      [line(named), null],
      [line({ payer_account_name: null, linked_account_name: null }), "BillingAccountName SubAccountName"],
      [line({ ...named, public_on_demand_rate: null }), "ListUnitPrice"],
      // The public cost by the amount ends, or does not.
      [line({ ...named, public_on_demand_rate: null, public_on_demand_cost: "0.2", usage_amount: "4" }), null],
      [
        line({ ...named, public_on_demand_rate: null, public_on_demand_cost: "0.2", usage_amount: "3" }),
        "ListUnitPrice"
      ],
      [line({ ...named, ...noCost, usage_amount: "7" }), "ContractedUnitPrice ListUnitPrice"],
      [line({ ...named, ...noCost, usage_amount: "2" }), "ListUnitPrice"],
      [line({ ...named, unblended_rate: null, net_unblended_rate: "0.09" }), null],
      // Sellers and fees have no public rate; what they charge is the list price.
      [line({ ...named, public_on_demand_rate: null, bill_billing_entity: "AWS Marketplace" }), null],
      [
        line({ ...named, ...noCost, bill_billing_entity: "AWS Marketplace", usage_amount: "7" }),
        "ContractedUnitPrice ListUnitPrice"
      ],
      [line({ ...named, ...noCost, line_item_type: "Fee", usage_amount: "7" }), null],
      [line({ ...named, ...noCost, line_item_type: "Tax", tax_type: "VAT" }), null],
      [line({ ...named, ...noCost, line_item_type: "Credit", unblended_cost: "-1" }), null],
      [
        line({
          ...named,
          ...noCost,
          line_item_type: "Refund",
          product_sku: null,
          pricing_rate_code: null,
          unblended_cost: "-1"
        }),
        null
      ]
    ]
  },
  focus: {
    cloud: "aws",
    load: support.loadCharges,
    rows: [
      [charge(delivered), null],
      [charge({}), "BillingAccountName SubAccountName"],
      [charge({ ...delivered, SubAccountId: null, SubAccountName: null }), null],
      [charge({ ...delivered, ...noPrice }), null],
      [charge({ ...delivered, ...noPrice, PricingQuantity: "4" }), null],
      [charge({ ...delivered, ...noPrice, PricingQuantity: "7" }), "ContractedUnitPrice ListUnitPrice"],
      [
        charge({ ...delivered, ContractedUnitPrice: null, PricingQuantity: "7", ListCost: "0.672" }),
        "ContractedUnitPrice"
      ],
      [charge({ ...delivered, ContractedUnitPrice: null, ContractedCost: null }), null],
      [charge({ ...delivered, PricingQuantity: null }), "PricingQuantity"],
      [charge({ ...delivered, PricingQuantity: null, ConsumedQuantity: null }), "ConsumedQuantity PricingQuantity"],
      // A millionth is the rounding of an export; more contradicts.
      [charge({ ...delivered, ListCost: "0.0960000001" }), null],
      [charge({ ...delivered, ListCost: "0.097" }), "ListCost"],
      [charge({ ...delivered, ContractedCost: "0.095" }), "ContractedCost"],
      [
        charge({
          ...delivered,
          ...noPrice,
          ChargeCategory: "Credit",
          SkuId: null,
          SkuPriceId: null,
          EffectiveCost: "0"
        }),
        "EffectiveCost"
      ],
      [
        charge({
          ...delivered,
          ...noPrice,
          ChargeCategory: "Adjustment",
          SkuId: null,
          SkuPriceId: null,
          ListCost: "0",
          ContractedCost: "0"
        }),
        "ContractedCost ListCost"
      ],
      [
        charge({ ...delivered, ChargeCategory: "Adjustment", SkuId: null, SkuPriceId: null, EffectiveCost: "0" }),
        "EffectiveCost"
      ],
      [charge({ ...delivered, ...noPrice, ChargeCategory: "Tax" }), null]
    ]
  },
  azure: {
    cloud: "azure",
    load: azure.loadLines,
    rows: [
      [azureLine({}), null],
      [azureLine({ unit_price: null, payg_price: null }), null],
      // The cost by the quantity ends, or does not.
      [azureLine({ ...untold, usage_quantity: "3" }), null],
      [azureLine({ ...untold, ...endless }), "ContractedUnitPrice ListUnitPrice"],
      [azureLine({ ...untold, ...endless, payg_price: "0.24" }), "ContractedUnitPrice"],
      // A price of 0 beside a charge is none.
      [azureLine({ ...endless, unit_price: "0", effective_price: null }), "ContractedUnitPrice"],
      [azureLine({ ...endless, unit_price: "0" }), null],
      [azureLine({ ...untold, usage_quantity: "3", pricing_currency: "EUR", exchange_rate: "1.1" }), null],
      [azureLine({ usage_quantity: null, unit_of_measure: null }), "ConsumedQuantity PricingQuantity"],
      [
        azureLine({ ...untold, usage_quantity: null, unit_of_measure: null }),
        "ConsumedQuantity ContractedUnitPrice ListUnitPrice PricingQuantity"
      ],
      // Sellers and commitments have no retail price: 0 is none.
      [azureLine({ publisher_type: "Marketplace", payg_price: "0" }), "ListUnitPrice"],
      [azureLine({ publisher_type: "Marketplace" }), null],
      [azureLine({ ...reserved, unit_price: "0", payg_price: "0" }), "ContractedUnitPrice ListUnitPrice"],
      [azureLine(reserved), null],
      [azureLine({ ...reserved, ...untold, charge_type: "UnusedReservation", usage_quantity: "3" }), null],
      [
        azureLine({ ...reserved, ...untold, ...endless, charge_type: "UnusedReservation" }),
        "ContractedUnitPrice ListUnitPrice"
      ],
      [azureLine({ ...saved, ...untold, charge_type: "UnusedSavingsPlan", usage_quantity: null }), null],
      [
        azureLine({ ...reserved, payg_price: "0", charge_type: "Purchase", frequency: "OneTime", cost_view: "actual" }),
        "ListUnitPrice"
      ],
      [azureLine({ ...untold, charge_type: "Purchase", frequency: "OneTime", usage_quantity: null }), null],
      [azureLine({ ...untold, ...endless, charge_type: "Refund", previous_invoice_id: "i-1" }), null],
      [azureLine({ ...untold, charge_type: "Tax" }), null]
    ]
  },
  gcp: {
    cloud: "gcp",
    load: loadGcp,
    rows: [
      [gcpLine({}), "BillingAccountName"],
      [gcpLine({ project_name: null }), "BillingAccountName SubAccountName"],
      [gcpLine({ project_id: null, project_name: null }), "BillingAccountName"],
      [gcpLine({ price_effective_price: null }), "BillingAccountName ContractedUnitPrice"],
      [gcpLine({ price_list_price: null }), "BillingAccountName ListUnitPrice"],
      [
        gcpLine({ price_effective_price: null, price_list_price: null }),
        "BillingAccountName ContractedUnitPrice ListUnitPrice"
      ],
      // A fee without a price is priced as one piece, and what nobody used of it in money.
      [
        gcpLine({ sku_description: "Commitment v1: Cpu", price_effective_price: null, price_list_price: null }),
        "BillingAccountName"
      ],
      [
        gcpLine({ cost_type: "tax", price_effective_price: null, price_list_price: null, project_name: null }),
        "BillingAccountName"
      ]
    ]
  },
  oci: {
    cloud: "oci",
    load: loadOci,
    rows: [
      [ociLine({}), "BillingAccountName"],
      [ociLine({ subscription_kind: "universal_credits" }), "BillingAccountName ListUnitPrice"],
      [ociLine({ subscription_kind: "universal_credits", list_rate: "0.06" }), "BillingAccountName"],
      // The cost by the quantity ends, or does not; a cost of 0 tells no price.
      [ociLine({ unit_price: null }), "BillingAccountName"],
      [ociLine({ unit_price: null, cost: "-0.1", usage_quantity: "-2" }), "BillingAccountName"],
      [ociLine({ unit_price: null, usage_quantity: "3" }), "BillingAccountName ContractedUnitPrice ListUnitPrice"],
      [ociLine({ unit_price: null, cost: "0" }), "BillingAccountName ContractedUnitPrice ListUnitPrice"],
      [ociLine({ unit_price: null, usage_quantity: "3", list_rate: "0.06" }), "BillingAccountName ContractedUnitPrice"]
    ]
  }
} satisfies Readonly<
  Record<
    string,
    {
      readonly cloud: string
      readonly load: unknown
      readonly rows: ReadonlyArray<readonly [JsonObject, string | null]>
    }
  >
>

const converted = Effect.fn(function* (slug: string, source: keyof typeof sources) {
  const { cloud, load, rows } = sources[source]
  const dataset = yield* support.org(slug)
  yield* load(
    dataset,
    rows.map(([cells], index) => ({ ...cells, x_source_row: index + 1 }))
  )
  yield* support.convert(dataset, { from: "2026-03-01" }, cloud)
  return { dataset, verdict: yield* judge(dataset, cloud, periods("2026-03-01")) }
})

layer(support.layer)("source gaps", (it) => {
  for (const source of ["cur", "focus", "azure", "gcp", "oci"] as const) {
    it.effect(`${source}: names the cells that are blank or contradict, and nothing is violated beyond`, () =>
      Effect.gen(function* () {
        const { dataset, verdict } = yield* converted(`gaps_${source}`, source)
        const gaps = yield* dataset.query(
          "SELECT DISTINCT x_source_row, x_SourceGaps AS gaps FROM cost_data_standard_1_3 ORDER BY x_source_row"
        )
        expect(gaps.map(({ gaps }) => gaps)).toEqual(sources[source].rows.map(([, gaps]) => gaps))
        expect(verdict.violated).toEqual([])
      })
    )
  }

  it.effect("gcp: a blank quantity is no known gap, and takes no price with it", () =>
    Effect.gen(function* () {
      const dataset = yield* support.org("gaps_gcp_quantity")
      yield* loadGcp(dataset, [gcpLine({ usage_amount_in_pricing_units: null, x_source_row: 1 })])
      yield* support.convert(dataset, { from: "2026-03-01" }, "gcp")
      const { violated } = yield* judge(dataset, "gcp", periods("2026-03-01"))
      expect(violated.map(({ rule, rows }) => [rule, rows])).toEqual([["CAU-PricingQuantity-C-005-C", 1]])
    })
  )
})

/** Procedures that lose what they are asked for: the column's expression is replaced by NULL. */
const losing = (procedure: string, ...columns: ReadonlyArray<string>) =>
  Effect.flatMap(Warehouse, (warehouse) => {
    const sound = support.procedureText(procedure, warehouse.projectId)
    const text = columns.reduce(
      (text, column) => text.replace(new RegExp(`^  .+ AS ${column},$`, "m"), `  NULL AS ${column},`),
      sound
    )
    expect(text.split("NULL AS ").length - sound.split("NULL AS ").length).toBe(columns.length)
    return Procedures.create({ name: procedure, text, contentHash: "losing" })
  })

layer(support.layer)("a conversion that loses prices", (it) => {
  const procedures = {
    cur: "sp_cloud_aws_insert_lines",
    focus: "sp_cloud_insert_focus",
    azure: "sp_cloud_azure_insert_lines",
    gcp: "sp_cloud_gcp_insert_lines",
    oci: "sp_cloud_oci_insert_costs"
  }
  for (const source of ["cur", "focus", "azure", "gcp", "oci"] as const) {
    it.effect(`${source}: is told so on every row whose cells have them`, () =>
      Effect.gen(function* () {
        yield* losing(procedures[source], "ContractedUnitPrice", "ListUnitPrice")
        const { dataset, verdict } = yield* converted(`losing_${source}`, source)
        const lost = (column: string) =>
          dataset.query(
            `SELECT COUNT(*) AS n FROM cost_data_standard_1_3
            WHERE SkuPriceId IS NOT NULL AND STRPOS(COALESCE(x_SourceGaps, ''), '${column}') = 0`
          )
        const rows = Object.fromEntries(verdict.violated.map(({ rows, rule }) => [rule, rows]))
        expect([rows["CAU-ContractedUnitPrice-C-015-C"]]).toEqual(
          (yield* lost("ContractedUnitPrice")).map(({ n }) => n)
        )
        expect([rows["CAU-ListUnitPrice-C-013-C"]]).toEqual((yield* lost("ListUnitPrice")).map(({ n }) => n))
      })
    )
  }
})
