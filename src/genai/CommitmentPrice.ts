/**
 * What provisioned throughput costs (service contract, section 6.4): units that are paid by the hour whether they are used or not. Exact
 * decimals; each amount is rounded once, to 9 decimals, half away from zero.
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

/** One row of genai_commitment_pricing: US dollars of one unit for an hour or a month. */
export interface CommitmentPrice extends Listed {
  /** ptu, provisioned_throughput, gsu. */
  readonly commitmentType: string
  /** A model, or `all`. */
  readonly model: string
  /** Months that units of this price are committed for; undefined: by the hour. */
  readonly termMonths: number | undefined
  readonly minUnits: Decimal | undefined
  readonly tokensPerUnitMinute: Decimal | undefined
  readonly hourly: Decimal | undefined
  readonly monthly: Decimal | undefined
  readonly overrideHourly: Decimal | undefined
  readonly overrideMonthly: Decimal | undefined
  readonly termDiscountPct: Decimal | undefined
  readonly volumeDiscountPct: Decimal | undefined
}

/** One commitment on one day. */
export interface CommitmentUsage {
  readonly provider: string
  readonly commitmentType: string
  readonly model: string
  readonly region: string
  readonly day: string
  readonly units: Decimal
  readonly hours: Decimal
  /** Units used in the mean of these hours; undefined: not told. */
  readonly used: Decimal | undefined
  readonly tokens: Decimal | undefined
  /** As the provider tells it: 0 without a term; undefined: not told, so the price says it. */
  readonly termMonths: number | undefined
}

/** What a commitment costs on a day. Rates are US dollars per unit and hour. */
export interface CommitmentCost {
  /** Units that are paid for. */
  readonly units: Decimal
  readonly used: Decimal | undefined
  readonly tokens: Decimal | undefined
  readonly commitment: Decimal
  readonly overage: Decimal
  readonly total: Decimal
  readonly utilizationPct: Decimal | undefined
  /** The commitment's price of an hour of what was used. */
  readonly ratePerUsedUnit: Decimal | undefined
  readonly termMonths: number | undefined
  /** After, and before what was negotiated; of overage. To 15 decimals. */
  readonly rate: Decimal
  readonly listRate: Decimal
  readonly overageRate: Decimal
}

/** A price times a quantity of 9 decimals has no more than the 24 decimals that FOCUS amounts are kept with. */
const rateDecimals = 15
const percentDecimals = 4
const minutesOfHour = BigDecimal.fromBigInt(60n)
const hundred = BigDecimal.fromBigInt(100n)
const all = "all"

/** The one price that counts, or undefined. */
export const resolve = (
  prices: ReadonlyArray<CommitmentPrice>,
  usage: CommitmentUsage
): CommitmentPrice | undefined => {
  const names = [usage.provider, `${usage.provider}_ptu`, `${usage.provider}_pt`]
  const valid = prices.filter(
    (price) =>
      names.includes(price.provider) &&
      price.commitmentType === usage.commitmentType &&
      (usage.termMonths === undefined || (price.termMonths ?? 0) === usage.termMonths) &&
      isValidOn(price, usage.day) &&
      hourlyOf(price, usage.day, true) !== undefined
  )
  for (const model of [usage.model, all]) {
    for (const region of regionsOf(usage.region)) {
      const [first] = valid
        .filter((price) => price.model === model && price.region === region)
        // Where nobody tells the term, units by the hour are the rule.
        .sort((a, b) => b.precedence - a.precedence || (a.termMonths ?? 0) - (b.termMonths ?? 0) || byPrecedence(a, b))
      if (first !== undefined) return first
    }
  }
  return undefined
}

/** The cost of a commitment on a day by a price that `resolve` gave. */
export const costOf = (price: CommitmentPrice, usage: CommitmentUsage, overageMultiplier: Decimal): CommitmentCost => {
  const units = price.minUnits === undefined ? usage.units : BigDecimal.max(usage.units, price.minUnits)
  const hourly = hourlyOf(price, usage.day, true) ?? none
  const list = hourlyOf(price, usage.day, false) ?? hourly
  const perUnit = price.tokensPerUnitMinute
  const capacity = perUnit === undefined ? undefined : times(perUnit, minutesOfHour, usage.hours)
  const used =
    usage.used ??
    (usage.tokens === undefined || capacity === undefined || BigDecimal.equals(capacity, zero)
      ? undefined
      : round(BigDecimal.unsafeDivide(usage.tokens, capacity), amountDecimals))
  const discounted = (amount: Decimal) => less(less(amount, price.termDiscountPct), price.volumeDiscountPct)
  const over = used === undefined ? zero : BigDecimal.max(BigDecimal.subtract(used, units), zero)
  const commitment = amount(discounted(times(units, usage.hours, hourly.rate)), hourly, amountDecimals)
  const overage = amount(times(over, usage.hours, list.rate, overageMultiplier), list, amountDecimals)
  return {
    units,
    used,
    tokens:
      usage.tokens ?? (used === undefined || capacity === undefined ? undefined : round(times(used, capacity), 0)),
    commitment,
    overage,
    total: BigDecimal.sum(commitment, overage),
    utilizationPct:
      used === undefined || BigDecimal.equals(units, zero)
        ? undefined
        : round(BigDecimal.unsafeDivide(times(used, hundred), units), percentDecimals),
    ratePerUsedUnit:
      used === undefined || BigDecimal.equals(used, zero)
        ? undefined
        : round(BigDecimal.unsafeDivide(times(units, hourly.rate), times(used, hourly.hours)), amountDecimals),
    termMonths: usage.termMonths ?? price.termMonths,
    rate: amount(discounted(hourly.rate), hourly, rateDecimals),
    listRate: amount(list.rate, list, rateDecimals),
    overageRate: amount(times(list.rate, overageMultiplier), list, rateDecimals)
  }
}

/** A price of so many hours: of one, or of a whole month, which is divided last so that no digit is lost before. */
interface Hourly {
  readonly rate: Decimal
  readonly hours: Decimal
}

const one = BigDecimal.fromBigInt(1n)
const none: Hourly = { rate: zero, hours: one }

const amount = (value: Decimal, { hours }: Hourly, decimals: number) =>
  round(BigDecimal.unsafeDivide(value, hours), decimals)

const hourlyOf = (price: CommitmentPrice, day: string, negotiated: boolean): Hourly | undefined => {
  const own = negotiated && isNegotiatedOn(price, day)
  const hourly = (own ? price.overrideHourly : undefined) ?? price.hourly
  if (hourly !== undefined) return { rate: hourly, hours: one }
  const monthly = (own ? price.overrideMonthly : undefined) ?? price.monthly
  return monthly === undefined ? undefined : { rate: monthly, hours: hoursOfMonth(day) }
}

/** Hours of the calendar month of a day: 672 to 744. */
const hoursOfMonth = (day: string): Decimal => {
  const [year = 0, month = 0] = day.split("-").map(Number)
  return BigDecimal.fromBigInt(BigInt(24 * new Date(Date.UTC(year, month, 0)).getUTCDate()))
}
