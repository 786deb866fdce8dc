/**
 * Exact fractions of decimals: comparing a mean or a percentage needs no division, so nothing is rounded before it is compared.
 */
import * as BigDecimal from "effect/BigDecimal"

/** `numerator / denominator`; the denominator is positive. */
export interface Rational {
  readonly numerator: BigDecimal.BigDecimal
  readonly denominator: BigDecimal.BigDecimal
}

const one = BigDecimal.fromBigInt(1n)

/** A decimal or a whole number as a fraction. */
export const of = (value: BigDecimal.BigDecimal | number): Rational => ({
  numerator: typeof value === "number" ? BigDecimal.fromBigInt(BigInt(value)) : value,
  denominator: one
})

/** The fraction; undefined when the denominator is not positive. */
export const make = (numerator: BigDecimal.BigDecimal, denominator: BigDecimal.BigDecimal): Rational | undefined =>
  BigDecimal.isPositive(denominator) ? { numerator, denominator } : undefined

/** -1, 0 or 1, as of the fraction against a decimal. */
export const compare = ({ denominator, numerator }: Rational, decimal: BigDecimal.BigDecimal): -1 | 0 | 1 =>
  BigDecimal.Order(numerator, BigDecimal.multiply(decimal, denominator))

/** To show: the decimal itself when it is one, else rounded to two places, half away from zero. */
export const toText = (fraction: Rational): string =>
  BigDecimal.equals(fraction.denominator, one) ? plain(fraction.numerator) : plain(hundredths(fraction))

/** To show an amount: always two places, half away from zero. */
export const rounded = (fraction: Rational): string => {
  const [whole = "", decimals = ""] = plain(hundredths(fraction)).split(".")
  return `${whole}.${decimals.padEnd(2, "0")}`
}

const hundredths = ({ denominator, numerator }: Rational): BigDecimal.BigDecimal => {
  const scale = Math.max(numerator.scale, denominator.scale)
  const [above, below] = [BigDecimal.scale(numerator, scale).value, BigDecimal.scale(denominator, scale).value]
  return BigDecimal.make((above * 200n + (above < 0n ? -below : below)) / (below * 2n), 2)
}

/** All digits, without an exponent and without zeros at the end. */
const plain = (decimal: BigDecimal.BigDecimal): string => {
  const { scale, value } = BigDecimal.normalize(decimal)
  if (scale <= 0) return String(value * 10n ** BigInt(-scale))
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, "0")
  return `${value < 0n ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
