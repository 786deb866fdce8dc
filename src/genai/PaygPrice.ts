/**
 * What tokens cost: which price counts on a day, and the formulas of pay-as-you-go (service contract, section 6.3). Exact decimals; each
 * amount is rounded once, to 9 decimals, half away from zero.
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

/** One row of genai_payg_pricing. Prices are US dollars per million tokens; absent ones are undefined. */
export interface Price extends Listed {
  readonly model: string
  /** undefined: the standard tier. */
  readonly serviceTier: string | undefined
  /** undefined: whatever the length of the context. */
  readonly contextWindow: string | undefined
  /** What the tokens are of: `audio`, `image`, `video`; undefined: text. */
  readonly tokenKind: string | undefined
  readonly input: Decimal
  readonly output: Decimal
  readonly cachedInput: Decimal | undefined
  readonly cacheWrite: Decimal | undefined
  readonly cacheWrite1h: Decimal | undefined
  readonly batchInput: Decimal | undefined
  readonly batchOutput: Decimal | undefined
  readonly overrideInput: Decimal | undefined
  readonly overrideOutput: Decimal | undefined
  readonly cachedDiscountPct: Decimal | undefined
  readonly batchDiscountPct: Decimal | undefined
  readonly volumeDiscountPct: Decimal | undefined
}

/** What is priced. Counts are of one day. */
export interface Usage {
  readonly provider: string
  readonly model: string
  readonly modelFamily: string | undefined
  readonly region: string | undefined
  readonly serviceTier: string | undefined
  readonly contextWindow: string | undefined
  readonly tokenKind: string | undefined
  readonly day: string
  readonly isBatch: boolean
  /** All input, cached reads and cache writes among them. */
  readonly input: bigint
  readonly cachedInput: bigint
  readonly cacheWrite: bigint
  readonly cacheWrite1h: bigint
  readonly output: bigint
}

/** Prices of a million tokens by class. */
export interface Rates {
  readonly input: Decimal
  readonly cached: Decimal
  readonly cacheWrite: Decimal
  readonly cacheWrite1h: Decimal
  readonly output: Decimal
}

/** What a usage costs. `rates` are after, `listRates` before what was negotiated; both to 9 decimals. */
export interface Cost {
  readonly uncached: bigint
  readonly input: Decimal
  readonly output: Decimal
  readonly cached: Decimal
  readonly cacheWrite: Decimal
  readonly total: Decimal
  readonly list: Decimal
  readonly discountPct: Decimal
  readonly rates: Rates
  readonly listRates: Rates
}

const hundred = BigDecimal.fromBigInt(100n)
const million = BigDecimal.fromBigInt(1_000_000n)
const half = BigDecimal.make(50n, 0)

const percentDecimals = 4

/** Tiers whose price is the model's own, in the words of the providers. */
const standardTiers = new Set(["standard", "default", "batch", "auto"])

/** The one price that counts, or undefined. */
export const resolve = (prices: ReadonlyArray<Price>, usage: Usage): Price | undefined => {
  const tier = usage.serviceTier === undefined || standardTiers.has(usage.serviceTier) ? undefined : usage.serviceTier
  const valid = prices.filter(
    (price) =>
      price.provider === usage.provider &&
      price.serviceTier === tier &&
      // A batch is not priced like what is not one: without a price for batches there is none.
      (!usage.isBatch ||
        price.batchDiscountPct !== undefined ||
        (price.batchInput !== undefined && price.batchOutput !== undefined)) &&
      isValidOn(price, usage.day)
  )
  const { contextWindow: told } = usage
  // Most contexts are short: where the usage does not tell, the window that begins at 0 counts.
  const windows =
    told === undefined
      ? [isUndefined, (window: string | undefined) => window?.startsWith("0-") === true]
      : [(window: string | undefined) => window === told, isUndefined]
  const kinds = [...new Set([usage.tokenKind, undefined])]
  const regions = regionsOf(usage.region)
  for (const model of namesOf(usage)) {
    const ofModel = valid.filter((price) => price.model === model)
    for (const kind of kinds) {
      for (const region of regions) {
        for (const isWindow of windows) {
          const [first] = ofModel
            .filter((price) => price.tokenKind === kind && price.region === region && isWindow(price.contextWindow))
            .sort(byPrecedence)
          if (first !== undefined) return first
        }
      }
    }
  }
  return undefined
}

const isUndefined = (value: string | undefined) => value === undefined

/** The names that a model's price may stand under: its own, its family's, its own without a date. */
export const namesOf = ({ model, modelFamily }: Usage): ReadonlyArray<string> => {
  const undated = model.replace(/(-\d{8}|-\d{4}-\d{2}-\d{2}|@.*)$/, "")
  return [...new Set([model, ...(modelFamily === undefined ? [] : [modelFamily]), undated])]
}

/** The cost of a usage; undefined when more was cached than there was input. */
export const costOf = (price: Price, usage: Usage): Cost | undefined => {
  const uncached = usage.input - usage.cachedInput - usage.cacheWrite - usage.cacheWrite1h
  const counts = [uncached, usage.cachedInput, usage.cacheWrite, usage.cacheWrite1h, usage.output]
  if (counts.some((count) => count < 0n)) return undefined
  const negotiated = isNegotiatedOn(price, usage.day)
  const rates = ratesOf(price, usage, negotiated, price.volumeDiscountPct)
  const listRates = ratesOf(price, usage, false, undefined)
  const parts = partsOf({ ...usage, uncached }, rates)
  const list = partsOf({ ...usage, uncached }, listRates)
  const [total, listTotal] = [totalOf(parts), totalOf(list)]
  return {
    uncached,
    ...parts,
    total,
    list: listTotal,
    discountPct: BigDecimal.equals(listTotal, zero)
      ? zero
      : round(
          BigDecimal.unsafeDivide(times(BigDecimal.subtract(listTotal, total), hundred), listTotal),
          percentDecimals
        ),
    rates: rounded(rates),
    listRates: rounded(listRates)
  }
}

const ratesOf = (price: Price, { isBatch }: Usage, negotiated: boolean, volume: Decimal | undefined): Rates => {
  const input = (negotiated ? price.overrideInput : undefined) ?? price.input
  const output = (negotiated ? price.overrideOutput : undefined) ?? price.output
  const batchInput = isBatch ? (price.batchInput ?? less(input, price.batchDiscountPct)) : input
  const batchOutput = isBatch ? (price.batchOutput ?? less(output, price.batchDiscountPct)) : output
  // Multiplied before it is divided, so that the quotient is the only place where digits can be cut.
  const scaled = (rate: Decimal) =>
    BigDecimal.equals(input, zero) ? rate : BigDecimal.unsafeDivide(times(rate, batchInput), input)
  const cached = price.cachedInput ?? less(input, price.cachedDiscountPct ?? half)
  return {
    input: less(batchInput, volume),
    output: less(batchOutput, volume),
    cached: less(scaled(cached), volume),
    cacheWrite: less(scaled(price.cacheWrite ?? input), volume),
    cacheWrite1h: less(scaled(price.cacheWrite1h ?? price.cacheWrite ?? input), volume)
  }
}

const rounded = (rates: Rates): Rates => ({
  input: round(rates.input, amountDecimals),
  cached: round(rates.cached, amountDecimals),
  cacheWrite: round(rates.cacheWrite, amountDecimals),
  cacheWrite1h: round(rates.cacheWrite1h, amountDecimals),
  output: round(rates.output, amountDecimals)
})

const partsOf = (usage: Usage & { readonly uncached: bigint }, rates: Rates) => {
  const amount = (...classes: ReadonlyArray<readonly [bigint, Decimal]>) =>
    round(
      BigDecimal.unsafeDivide(
        BigDecimal.sumAll(classes.map(([count, rate]) => times(BigDecimal.fromBigInt(count), rate))),
        million
      ),
      amountDecimals
    )
  return {
    input: amount([usage.uncached, rates.input]),
    output: amount([usage.output, rates.output]),
    cached: amount([usage.cachedInput, rates.cached]),
    cacheWrite: amount([usage.cacheWrite, rates.cacheWrite], [usage.cacheWrite1h, rates.cacheWrite1h])
  }
}

const totalOf = (parts: ReturnType<typeof partsOf>): Decimal =>
  BigDecimal.sumAll([parts.input, parts.output, parts.cached, parts.cacheWrite])
