/**
 * The charges of a whole month that depend on its usage: discounts, support, marketplace, credit, refunds and tax.
 */
import type { Company, Period } from "./AwsCompany.ts"
import { amount, costOf, emptyLine, moneyScale, type Draft } from "./AwsLine.ts"
import { database, instance, type Service } from "./AwsPriceList.ts"

/** The on-demand usage of one service in one account, and what the private agreement takes off it. */
export interface Book {
  readonly account: string
  readonly service: Service
  readonly cost: bigint
  readonly discount: bigint
}

const dollar = 10n ** BigInt(moneyScale)
const cent = dollar / 100n

const ofMonth = ({ start, end }: Period, account: string): Draft => ({ ...emptyLine, start, end, account })

/** The private agreement's discount per account and service: its net cost is 0, because the net costs of the usage contain it. */
export function* discounts(books: Iterable<Book>, period: Period): Generator<Draft> {
  for (const { account, discount, service } of books) {
    if (discount === 0n) continue
    yield {
      ...ofMonth(period, account),
      type: "EdpDiscount",
      productCode: service.code,
      productName: service.name,
      description: "Enterprise Discount Program discount",
      quantity: 1_000n,
      cost: -discount
    }
  }
}

/** Sales tax of each account's charges. */
export function* taxes(totals: ReadonlyMap<string, bigint>, period: Period): Generator<Draft> {
  for (const [account, taxable] of totals) {
    yield {
      ...ofMonth(period, account),
      type: "Tax",
      taxType: "USSalesTax",
      productCode: instance.code,
      productName: instance.name,
      description: `Tax for product code ${instance.code}`,
      ...amount(taxOf(taxable))
    }
  }
}

/** 8.25 %, rounded half up to cents; nothing of a negative sum. */
const taxOf = (taxable: bigint): bigint =>
  taxable <= 0n ? 0n : ((taxable * 825n + 5_000n * cent) / (10_000n * cent)) * cent

const seller = {
  billingEntity: "AWS Marketplace",
  legalEntity: "Observant Software Ltd.",
  productCode: "3xkbh8obsrvnt",
  productName: "Observant Monitoring"
} as const

/** Support at 3 % of the usage, a seller's contract and metered usage, a credit, and refunds of this and of the month before. */
export function* otherCharges(from: Company, period: Period, books: Iterable<Book>): Generator<Draft> {
  const account = from.accounts[0]
  let spent = 0n
  for (const { cost } of books) spent += cost
  yield {
    ...ofMonth(period, from.payer),
    type: "Fee",
    productCode: "AWSSupportBusiness",
    productName: "AWS Support (Business)",
    usageType: "Dollar",
    description: "AWS Support (Business): 3% of monthly AWS usage",
    ...amount(((spent * 3n) / 100n / cent) * cent)
  }
  yield {
    ...ofMonth(period, account),
    ...seller,
    type: "Fee",
    usageType: "MP:contract-monthly",
    description: "Observant Monitoring: monthly contract",
    ...amount(1_250n * dollar)
  }
  const [rate, quantity] = [2_500_000_000n, 840_500n]
  yield {
    ...ofMonth(period, account),
    ...seller,
    usageType: "MP:ingested_gb-Units",
    unit: "Units",
    description: "Observant Monitoring: per GB ingested",
    sku: "OBSERVANT0GB0001",
    rate,
    quantity,
    cost: costOf(rate, quantity),
    netCost: costOf(rate, quantity)
  }
  yield {
    ...ofMonth(period, from.payer),
    type: "Credit",
    productCode: instance.code,
    productName: instance.name,
    description: "AWS Activate promotional credit",
    ...amount(-500n * dollar)
  }
  yield {
    ...ofMonth(period, account),
    type: "Refund",
    billType: "Refund",
    productCode: instance.code,
    productName: instance.name,
    usageType: instance.usageType,
    operation: instance.operation,
    description: "Refund of instance hours of this month",
    cost: -costOf(instance.rate, 36_000n),
    netCost: -costOf(instance.rate, 36_000n)
  }
  if (period.index > 0) {
    yield {
      ...ofMonth(period, account),
      start: new Date(Date.parse(period.start) - 86_400_000).toISOString().replace(".000Z", "Z"),
      end: period.start,
      type: "Refund",
      billType: "Refund",
      productCode: database.code,
      productName: database.name,
      description: "Refund of an earlier invoice",
      cost: -7_525n * cent,
      netCost: -7_525n * cent
    }
  }
}
