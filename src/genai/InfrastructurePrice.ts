/**
 * What rented GPUs and TPUs cost (service contract, section 6.5). Exact decimals; each amount is rounded once, to 9 decimals, half away
 * from zero.
 */
import * as BigDecimal from "effect/BigDecimal"
import {
  amountDecimals,
  byPrecedence,
  type Decimal,
  isNegotiatedOn,
  isValidOn,
  less,
  type Listed,
  regionsOf,
  round,
  times,
  zero
} from "./Listed.ts"

/** One row of genai_infrastructure_pricing: US dollars of one machine for an hour. */
export interface InfrastructurePrice extends Listed {
  readonly instanceType: string
  /** Accelerators of one machine; undefined: 1. */
  readonly gpuCount: Decimal | undefined
  readonly hourly: Decimal
  readonly overrideHourly: Decimal | undefined
  readonly spotDiscountPct: Decimal | undefined
  readonly reserved1yrDiscountPct: Decimal | undefined
  readonly reserved3yrDiscountPct: Decimal | undefined
}

/** Machines of one kind on one day. */
export interface InfrastructureUsage {
  readonly provider: string
  readonly instanceType: string
  readonly region: string
  readonly day: string
  /** on_demand, spot, preemptible, reserved_1yr, committed_1yr, reserved_3yr, committed_3yr ... */
  readonly pricingType: string
  /** Of each machine. */
  readonly hours: Decimal
  readonly count: Decimal
  /** Of all machines and accelerators; undefined: not told. */
  readonly gpuHours: Decimal | undefined
}

/** What machines cost on a day. Rates are US dollars per hour of one machine, to 15 decimals. */
export interface InfrastructureCost {
  readonly base: Decimal
  readonly discount: Decimal
  readonly total: Decimal
  readonly gpuHours: Decimal
  /** Of one accelerator, after the discount. */
  readonly effectiveHourlyRate: Decimal
  readonly rate: Decimal
  readonly listRate: Decimal
}

const rateDecimals = 15
const one = BigDecimal.fromBigInt(1n)

/** The one price that counts, or undefined. */
export const resolve = (
  prices: ReadonlyArray<InfrastructurePrice>,
  usage: InfrastructureUsage
): InfrastructurePrice | undefined => {
  const valid = prices.filter(
    (price) =>
      price.provider === usage.provider && price.instanceType === usage.instanceType && isValidOn(price, usage.day)
  )
  for (const region of regionsOf(usage.region)) {
    const [first] = valid.filter((price) => price.region === region).sort(byPrecedence)
    if (first !== undefined) return first
  }
  return undefined
}

/** The cost of machines on a day by a price that `resolve` gave. */
export const costOf = (price: InfrastructurePrice, usage: InfrastructureUsage): InfrastructureCost => {
  const hourly = (isNegotiatedOn(price, usage.day) ? price.overrideHourly : undefined) ?? price.hourly
  const percent = discountOf(price, usage.pricingType)
  const gpus = price.gpuCount ?? one
  const base = round(times(usage.hours, usage.count, hourly), amountDecimals)
  const discount = round(BigDecimal.subtract(base, less(base, percent)), amountDecimals)
  const rate = less(hourly, percent)
  return {
    base,
    discount,
    total: BigDecimal.subtract(base, discount),
    gpuHours: usage.gpuHours ?? times(usage.hours, usage.count, gpus),
    effectiveHourlyRate: BigDecimal.equals(gpus, zero)
      ? rate
      : round(BigDecimal.unsafeDivide(rate, gpus), amountDecimals),
    rate: round(rate, rateDecimals),
    listRate: round(price.hourly, rateDecimals)
  }
}

const discountOf = (price: InfrastructurePrice, pricingType: string): Decimal => {
  switch (pricingType) {
    case "spot":
    case "preemptible":
      return price.spotDiscountPct ?? zero
    case "reserved_1yr":
    case "committed_1yr":
      return price.reserved1yrDiscountPct ?? zero
    case "reserved_3yr":
    case "committed_3yr":
      return price.reserved3yrDiscountPct ?? zero
    default:
      return zero
  }
}
