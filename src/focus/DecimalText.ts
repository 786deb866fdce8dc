/**
 * Exact sums of decimals that are written as text, `-12.50` or `1.8E-8`; answers are plain, without exponent and trailing zeros.
 */

/** Sum of all; `0` for none. */
export const sum = (values: Iterable<string>): string => {
  let units = 0n
  let scale = 0
  for (const value of values) {
    const decimal = parse(value)
    const common = Math.max(scale, decimal.scale)
    units = units * tenTo(common - scale) + decimal.units * tenTo(common - decimal.scale)
    scale = common
  }
  return format(units, scale)
}

/** First minus second. */
export const difference = (a: string, b: string): string => sum([a, b.startsWith("-") ? b.slice(1) : `-${b}`])

const parse = (value: string): { readonly units: bigint; readonly scale: number } => {
  const [mantissa = "", exponent = "0"] = value.split(/[eE]/)
  const [whole = "", fraction = ""] = mantissa.split(".")
  const scale = fraction.length - Number(exponent)
  const units = BigInt(whole + fraction)
  return scale < 0 ? { units: units * tenTo(-scale), scale: 0 } : { units, scale }
}

const tenTo = (power: number): bigint => 10n ** BigInt(power)

const format = (units: bigint, scale: number): string => {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, "0")
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, "")
  const whole = digits.slice(0, digits.length - scale)
  return `${units < 0n ? "-" : ""}${whole}${scale === 0 || fraction === "" ? "" : `.${fraction}`}`
}
