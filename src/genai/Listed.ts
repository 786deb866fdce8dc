/**
 * What all price lists have in common: exact decimals, the days that a price is valid on, and which of several counts.
 */
import * as BigDecimal from "effect/BigDecimal"

export type Decimal = BigDecimal.BigDecimal

export const zero = BigDecimal.fromBigInt(0n)
const hundred = BigDecimal.fromBigInt(100n)

/** Decimals of an amount and of a rate. */
export const amountDecimals = 9

/** Rounds half away from zero. */
export const round = (value: Decimal, scale: number): Decimal =>
  BigDecimal.round(value, { scale, mode: "half-from-zero" })
export const times = (...factors: ReadonlyArray<Decimal>): Decimal =>
  factors.reduce((product, factor) => BigDecimal.multiply(product, factor), BigDecimal.fromBigInt(1n))
/** The value without so many percent. */
export const less = (value: Decimal, percent: Decimal | undefined): Decimal =>
  BigDecimal.unsafeDivide(times(value, BigDecimal.subtract(hundred, percent ?? zero)), hundred)

/** What every row of a price list has. Days are `2026-11-01`. */
export interface Listed {
  readonly provider: string
  readonly region: string
  readonly status: string | undefined
  readonly effectiveFrom: string | undefined
  readonly effectiveTo: string | undefined
  readonly lastUpdated: string
  /** A higher one wins: the organisation's own rows over imported ones, and those over what ships with the program. */
  readonly precedence: number
  readonly isOverride: boolean
  readonly overrideFrom: string | undefined
}

/** Whether the price is valid on the day. */
export const isValidOn = (price: Listed, day: string): boolean =>
  (price.effectiveFrom === undefined || price.effectiveFrom <= day) &&
  (price.effectiveTo === undefined || price.effectiveTo >= day)

/** Whether what was negotiated counts on the day. */
export const isNegotiatedOn = (price: Listed, day: string): boolean =>
  price.isOverride && (price.overrideFrom === undefined || price.overrideFrom <= day)

/** Where a price is looked for: the region itself, then everywhere. */
export const regionsOf = (region: string | undefined): ReadonlyArray<string> => [
  ...new Set([region ?? "global", "global"])
]

const statusRank = (status: string | undefined) => (status === undefined || status === "active" ? 0 : 1)

/** Own before imported before shipped, active before preview and deprecated, then the latest. */
export const byPrecedence = (a: Listed, b: Listed): number =>
  b.precedence - a.precedence ||
  statusRank(a.status) - statusRank(b.status) ||
  (b.effectiveFrom ?? "").localeCompare(a.effectiveFrom ?? "") ||
  b.lastUpdated.localeCompare(a.lastUpdated)
