/**
 * A line item of the demo's bills and how AWS writes it: column by column in CUR 1.0 and in CUR 2.0. Amounts are integers, so that what
 * is written is exact.
 */

/** Money has 14 decimals, rates 10, quantities 3: rate x quantity is exact, and so are nine tenths of it. */
export const moneyScale = 14
const rateScale = 10
const quantityScale = 3

/** Cost of a quantity at a rate. */
export const costOf = (rate: bigint, quantity: bigint): bigint => rate * quantity * 10n

/** What a line says about the savings plan or the reservation that it belongs to, and about the price of the latter; the names are those of CUR 1.0. */
export type Commitment = Readonly<Record<string, string>>

/** One line item. Times are `YYYY-MM-DDT00:00:00Z`. */
export interface Line {
  readonly id: string
  readonly type: string
  readonly billType: "Anniversary" | "Purchase" | "Refund"
  readonly billingEntity: "AWS" | "AWS Marketplace"
  readonly legalEntity: string
  readonly account: string
  readonly start: string
  readonly end: string
  readonly productCode: string
  readonly productName: string
  readonly family: string
  readonly usageType: string
  readonly operation: string
  readonly availabilityZone: string
  readonly resourceId: string
  readonly description: string
  readonly taxType: string
  /** 0 leaves the cell empty. */
  readonly quantity: bigint
  readonly unit: string
  /** Undefined where AWS leaves the cell empty. */
  readonly rate: bigint | undefined
  readonly cost: bigint
  readonly netCost: bigint
  readonly publicRate: bigint | undefined
  readonly term: string
  readonly sku: string
  readonly region: string
  readonly location: string
  readonly instanceType: string
  readonly attributes: Readonly<Record<string, string>>
  readonly tags: Readonly<Record<string, string>>
  readonly savingsPlan: Commitment
  readonly reservation: Commitment
}

/** A line that has not got its id yet. */
export type Draft = Omit<Line, "id">

/** What all lines of one bill share. */
export interface Bill {
  readonly payer: string
  readonly payerName: string
  readonly accountNames: Readonly<Record<string, string>>
  /** Empty while the bill is open. */
  readonly invoiceId: string
  readonly start: string
  readonly end: string
}

/** One column of a report. */
export interface ReportColumn {
  readonly name: string
  readonly value: (line: Line, bill: Bill) => string
}

/** Writes an integer of 10^-scale as a decimal without needless zeros. */
export const decimal = (value: bigint, scale: number): string => {
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0")
  const fraction = digits.slice(-scale).replace(/0+$/, "")
  return `${value < 0n ? "-" : ""}${digits.slice(0, -scale)}${fraction === "" ? "" : `.${fraction}`}`
}

export const money = (value: bigint): string => decimal(value, moneyScale)
export const rateText = (value: bigint | undefined): string => (value === undefined ? "" : decimal(value, rateScale))
export const quantityText = (value: bigint): string => decimal(value, quantityScale)

/** `savingsPlan/SavingsPlanARN` is `savings_plan_savings_plan_a_r_n` in CUR 2.0. */
const snake = (name: string): string =>
  name
    .replace("/", "_")
    .replace(/[A-Z]/g, (letter, at: number) => (at === 0 || name[at - 1] === "/" ? "" : "_") + letter.toLowerCase())

const common: ReadonlyArray<readonly [name: string, value: (line: Line, bill: Bill) => string]> = [
  ["identity/LineItemId", (line) => line.id],
  ["identity/TimeInterval", (line) => `${line.start}/${line.end}`],
  ["bill/InvoiceId", (_, bill) => bill.invoiceId],
  ["bill/InvoicingEntity", () => "Amazon Web Services, Inc."],
  ["bill/BillingEntity", (line) => line.billingEntity],
  ["bill/BillType", (line) => line.billType],
  ["bill/PayerAccountId", (_, bill) => bill.payer],
  ["bill/BillingPeriodStartDate", (_, bill) => bill.start],
  ["bill/BillingPeriodEndDate", (_, bill) => bill.end],
  ["lineItem/UsageAccountId", (line) => line.account],
  ["lineItem/LineItemType", (line) => line.type],
  ["lineItem/UsageStartDate", (line) => line.start],
  ["lineItem/UsageEndDate", (line) => line.end],
  ["lineItem/ProductCode", (line) => line.productCode],
  ["lineItem/UsageType", (line) => line.usageType],
  ["lineItem/Operation", (line) => line.operation],
  ["lineItem/AvailabilityZone", (line) => line.availabilityZone],
  ["lineItem/ResourceId", (line) => line.resourceId],
  ["lineItem/UsageAmount", (line) => (line.quantity === 0n ? "" : quantityText(line.quantity))],
  ["lineItem/CurrencyCode", () => "USD"],
  ["lineItem/UnblendedRate", (line) => rateText(line.rate)],
  ["lineItem/UnblendedCost", (line) => money(line.cost)],
  ["lineItem/LineItemDescription", (line) => line.description],
  ["lineItem/TaxType", (line) => line.taxType],
  ["lineItem/LegalEntity", (line) => line.legalEntity],
  ["pricing/RateCode", (line) => (line.sku === "" ? "" : `${line.sku}.JRTCKXETXF.6YS6EN2CT7`)],
  ["pricing/currency", (line) => (line.publicRate === undefined ? "" : "USD")],
  ["pricing/publicOnDemandRate", (line) => rateText(line.publicRate)],
  [
    "pricing/publicOnDemandCost",
    (line) => (line.publicRate === undefined ? "" : money(costOf(line.publicRate, line.quantity)))
  ],
  ["pricing/term", (line) => line.term],
  ["pricing/unit", (line) => line.unit],
  ...["LeaseContractLength", "OfferingClass", "PurchaseOption"].map(
    (name) => [`pricing/${name}`, (line: Line) => line.reservation[name] ?? ""] as const
  ),
  ["product/instanceType", (line) => line.instanceType],
  ["product/location", (line) => line.location],
  ["product/locationType", (line) => (line.location === "" ? "" : "AWS Region")],
  ["product/productFamily", (line) => line.family],
  ["product/regionCode", (line) => line.region],
  ["product/servicecode", (line) => line.productCode],
  ["product/sku", (line) => line.sku],
  ...[
    "SavingsPlanARN",
    "OfferingType",
    "PaymentOption",
    "PurchaseTerm",
    "SavingsPlanRate",
    "SavingsPlanEffectiveCost",
    "TotalCommitmentToDate",
    "UsedCommitment",
    "RecurringCommitmentForBillingPeriod",
    "AmortizedUpfrontCommitmentForBillingPeriod"
  ].map((name) => [`savingsPlan/${name}`, (line: Line) => line.savingsPlan[name] ?? ""] as const),
  ...[
    "ReservationARN",
    "SubscriptionId",
    "NumberOfReservations",
    "TotalReservedUnits",
    "EffectiveCost",
    "RecurringFeeForUsage",
    "AmortizedUpfrontCostForUsage",
    "AmortizedUpfrontFeeForBillingPeriod",
    "UnusedQuantity",
    "UnusedRecurringFee",
    "UnusedAmortizedUpfrontFeeForBillingPeriod",
    "UpfrontValue"
  ].map((name) => [`reservation/${name}`, (line: Line) => line.reservation[name] ?? ""] as const)
]

const attributeNames = [
  "operatingSystem",
  "tenancy",
  "vcpu",
  "memory",
  "instanceTypeFamily",
  "databaseEngine",
  "cacheEngine",
  "storageClass",
  "volumeApiName"
]
const tagNames = ["env", "team", "cost_center"]

/** The columns of a CUR 1.0 report: a column per product attribute and per tag, no net amounts. */
export const cur1Columns: ReadonlyArray<ReportColumn> = [
  ...common.map(([name, value]) => ({ name, value })),
  { name: "product/ProductName", value: (line) => line.productName },
  ...attributeNames.map((name) => ({ name: `product/${name}`, value: (line: Line) => line.attributes[name] ?? "" })),
  ...tagNames.map((name) => ({ name: `resourceTags/user:${name}`, value: (line: Line) => line.tags[name] ?? "" }))
]

const json = (values: Readonly<Record<string, string>>, keyOf: (key: string) => string): string =>
  JSON.stringify(Object.fromEntries(Object.entries(values).map(([key, value]) => [keyOf(key), value])))

const unsortedCur2Columns: ReadonlyArray<ReportColumn> = [
  ...common.map(([name, value]) => ({ name: snake(name), value })),
  { name: "bill_payer_account_name", value: (_, bill) => bill.payerName },
  { name: "line_item_usage_account_name", value: (line, bill) => bill.accountNames[line.account] ?? "" },
  { name: "line_item_net_unblended_cost", value: (line) => money(line.netCost) },
  { name: "line_item_net_unblended_rate", value: netRate },
  {
    name: "savings_plan_net_savings_plan_effective_cost",
    value: (line) => line.savingsPlan["SavingsPlanEffectiveCost"] ?? ""
  },
  ...["EffectiveCost", "UnusedRecurringFee", "UnusedAmortizedUpfrontFeeForBillingPeriod"].map((name) => ({
    name: snake(`reservation/Net${name}`),
    value: (line: Line) => line.reservation[name] ?? ""
  })),
  { name: "product", value: (line) => json({ productName: line.productName, ...line.attributes }, snake) },
  { name: "resource_tags", value: (line) => json(line.tags, (key) => `user_${key}`) },
  {
    name: "cost_category",
    value: (line) => json(line.tags["team"] === undefined ? {} : { team: line.tags["team"] }, snake)
  },
  {
    name: "discount",
    value: (line) =>
      json(
        line.type === "Usage" && line.cost !== line.netCost ? { edp_discount: money(line.netCost - line.cost) } : {},
        snake
      )
  }
]

/** The columns of a CUR 2.0 export: names of accounts, maps as JSON text, and net amounts, because of private discounts. */
export const cur2Columns = [...unsortedCur2Columns].sort((a, b) => (a.name < b.name ? -1 : 1))

/** The rate after private discounts has one decimal more. */
function netRate(line: Line): string {
  if (line.rate === undefined) return ""
  return line.netCost === line.cost ? rateText(line.rate) : decimal(line.rate * 9n, rateScale + 1)
}

/** One CSV record with its line end. */
export const recordOf = (cells: ReadonlyArray<string>): string =>
  `${cells.map((cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",")}\n`

/** A line of which nothing is known but where it belongs. */
export const emptyLine: Omit<Line, "id" | "start" | "end" | "account"> = {
  type: "Usage",
  billType: "Anniversary",
  billingEntity: "AWS",
  legalEntity: "Amazon Web Services, Inc.",
  productCode: "",
  productName: "",
  family: "",
  usageType: "",
  operation: "",
  availabilityZone: "",
  resourceId: "",
  description: "",
  taxType: "",
  quantity: 0n,
  unit: "",
  rate: undefined,
  cost: 0n,
  netCost: 0n,
  publicRate: undefined,
  term: "",
  sku: "",
  region: "",
  location: "",
  instanceType: "",
  attributes: {},
  tags: {},
  savingsPlan: {},
  reservation: {}
}

/** One piece at a price that is no rate. */
export const amount = (cost: bigint) => ({ quantity: 1_000n, cost, netCost: cost })
