/**
 * The texts that GoogleSQL has for a FLOAT64: one of its own, and one in JSON.
 */
import { plainDecimal } from "../DecimalText.ts"

/** As a STRING: 15 digits if they read back as the same number, else 17; in the layout of C's `%g`. Zero has no sign. */
export const floatText = (value: number): string => {
  if (Number.isNaN(value)) return "NaN"
  if (!Number.isFinite(value)) return value < 0 ? "-Infinity" : "Infinity"
  if (value === 0) return "0"
  const short = value.toExponential(14)
  return Number(short) === value ? layout(value, short, 15) : layout(value, value.toExponential(16), 17)
}

/** As a number in JSON, for finite values: the shortest digits that read back, with a fraction or an exponent. */
export const jsonFloatText = (value: number): string => {
  const text = layout(value, value.toExponential(), 15)
  return /^-?\d+$/.test(text) ? `${text}.0` : text
}

/** A decimal text as the JSON type keeps it: an integer of 64 bits, or a FLOAT64; undefined when that would lose digits and `round` is false. */
export const jsonNumberText = (source: string, round: boolean): string | undefined => {
  if (isInteger(source)) return source
  const number = Number(source)
  if (!Number.isFinite(number)) return undefined
  const [a, b] = [plainDecimal(source), plainDecimal(String(number))]
  return round || (a?.digits === b?.digits && a?.scale === b?.scale) ? jsonFloatText(number) : undefined
}

const isInteger = (source: string): boolean =>
  /^-?\d+$/.test(source) &&
  (BigInt.asIntN(64, BigInt(source)) === BigInt(source) || BigInt.asUintN(64, BigInt(source)) === BigInt(source))

/** Digits without zeros at their end; with an exponent, of two digits at least, below 1e-4 and from ten to the power of `fixedBelow`. */
const layout = (value: number, exponential: string, fixedBelow: number): string => {
  const sign = value < 0 || Object.is(value, -0) ? "-" : ""
  const [mantissa = "", power = "0"] = exponential.split("e")
  const digits = mantissa.replace(/[-.]/g, "").replace(/0+$/, "") || "0"
  const exponent = Number(power)
  const fraction = (from: number) => (digits.length > from ? `.${digits.slice(from)}` : "")
  if (exponent < -4 || exponent >= fixedBelow) {
    const size = String(Math.abs(exponent)).padStart(2, "0")
    return `${sign}${digits[0]}${fraction(1)}e${exponent < 0 ? "-" : "+"}${size}`
  }
  return exponent < 0
    ? `${sign}0.${"0".repeat(-exponent - 1)}${digits}`
    : `${sign}${digits.slice(0, exponent + 1).padEnd(exponent + 1, "0")}${fraction(exponent + 1)}`
}
