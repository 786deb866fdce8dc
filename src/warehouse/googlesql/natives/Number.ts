/**
 * INT64 and FLOAT64 as BigQuery computes them: errors where IEEE would give an infinity, halves rounded away from zero.
 */
import { divideHalfAway } from "./Decimal.ts"
import { floatText } from "./FloatText.ts"
import { float64, fail, int64, list, native1, native2, native3, text, unsupported, type Native } from "./Native.ts"

const inInt64 = (value: bigint, what: string) =>
  BigInt.asIntN(64, value) === value ? value : fail(`int64 overflow: ${what}`)

/** The result of an operation on finite numbers must be finite. */
const finite = (a: number, b: number, result: number, sign: string) =>
  Number.isFinite(result) || !Number.isFinite(a) || !Number.isFinite(b)
    ? result
    : fail(`double overflow: ${a} ${sign} ${b}`)

const floatToText = (value: number) => {
  if (Math.abs(value) === Infinity) return value < 0 ? "-inf" : "inf"
  // Of so many digits one may lie in the middle of two, where libraries round to different sides.
  return Math.abs(value) >= 1e15 ? unsupported("the text of a FLOAT64 beyond 1e15") : floatText(value)
}

const parseFloat64 = (value: string) => {
  const trimmed = value.trim()
  if (/^[+-]?(inf|infinity)$/i.test(trimmed)) return trimmed.startsWith("-") ? -Infinity : Infinity
  if (/^[+-]?nan$/i.test(trimmed)) return Number.NaN
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(trimmed)) return fail(`Bad double value: ${value}`)
  const number = Number(trimmed)
  return Number.isFinite(number) ? number : fail(`Bad double value: ${value}`)
}

const parseInt64 = (value: string) => {
  const trimmed = value.trim()
  if (!/^[+-]?(0[xX][0-9a-fA-F]+|\d+)$/.test(trimmed)) return fail(`Bad int64 value: ${value}`)
  const size = BigInt(trimmed.replace(/^[+-]/, ""))
  const number = trimmed.startsWith("-") ? -size : size
  return BigInt.asIntN(64, number) === number ? number : fail(`Bad int64 value: ${value}`)
}

const roundAway = (value: number): number => Math.sign(value) * Math.floor(Math.abs(value) + 0.5)

const round = (value: number, places: bigint) => {
  if (!Number.isFinite(value) || (Number.isInteger(value) && places >= 0n)) return value
  if (places === 0n) {
    // floor(x + 0.5) is wrong for 0.49999999999999994.
    return Math.abs(value) < 0.5 ? (value < 0 ? -0 : 0) : roundAway(value)
  }
  if (places > 15n || places < -15n) return unsupported("ROUND of a FLOAT64 to more than 15 places")
  if (places < 0n && Number.isInteger(value)) {
    const unit = 10n ** -places
    return Number(divideHalfAway(BigInt(value), unit) * unit)
  }
  const factor = 10 ** Number(places < 0n ? -places : places)
  const scaled = places > 0n ? value * factor : value / factor
  if (Math.abs(scaled) > 2 ** 52) return value
  // Where the scaled value lies on a half, the engines may differ in the last bit before they round.
  if (Math.abs(Math.abs(scaled % 1) - 0.5) < 1e-6 && !(places > 0n && isExactHalf(value, places)))
    return unsupported("ROUND of a FLOAT64 that lies on a half")
  const rounded = roundAway(scaled)
  return places > 0n ? rounded / factor : rounded * factor
}

/** Whether the binary value itself lies on the half between two decimals of so many places. */
const isExactHalf = (value: number, places: bigint): boolean => {
  let denominator = 1n
  let numerator = Math.abs(value)
  while (!Number.isInteger(numerator)) {
    numerator *= 2
    denominator *= 2n
  }
  const doubled = BigInt(numerator) * 2n * 10n ** places
  return doubled % denominator === 0n && (doubled / denominator) % 2n === 1n
}

export const numberNatives: ReadonlyArray<Native> = [
  native2("bq_divide_int", int64, int64, float64, (a, b) =>
    b === 0n ? fail(`division by zero: ${a} / ${b}`) : Number(a) / Number(b)
  ),
  native2("bq_int64_add", int64, int64, int64, (a, b) => inInt64(a + b, `${a} + ${b}`)),
  native2("bq_int64_subtract", int64, int64, int64, (a, b) => inInt64(a - b, `${a} - ${b}`)),
  native2("bq_int64_multiply", int64, int64, int64, (a, b) => inInt64(a * b, `${a} * ${b}`)),
  native2("bq_int64_mod", int64, int64, int64, (a, b) => (b === 0n ? fail(`division by zero: MOD(${a}, 0)`) : a % b)),
  native2("bq_int64_div", int64, int64, int64, (a, b) =>
    b === 0n ? fail(`division by zero: ${a} / ${b}`) : inInt64(a / b, `${a} / ${b}`)
  ),
  native2("bq_float64_add", float64, float64, float64, (a, b) => finite(a, b, a + b, "+")),
  native2("bq_float64_subtract", float64, float64, float64, (a, b) => finite(a, b, a - b, "-")),
  native2("bq_float64_multiply", float64, float64, float64, (a, b) => finite(a, b, a * b, "*")),
  native2("bq_float64_divide", float64, float64, float64, (a, b) =>
    b === 0 ? fail(`division by zero: ${floatText(a)} / ${floatText(b)}`) : finite(a, b, a / b, "/")
  ),
  native2("bq_ieee_divide", float64, float64, float64, (a, b) => a / b),
  native2("bq_float64_round", float64, int64, float64, round),
  native2("bq_float64_trunc", float64, int64, float64, (value) => Math.trunc(value)),
  native1("bq_float64_sign", float64, float64, (value) => Math.sign(value)),
  native2("bq_float64_fixed", float64, int64, text, (value, places) =>
    // Exactly on a half the engines round to different sides.
    Number.isFinite(value) && Math.abs(value) < 1e15 && places <= 20n && !isExactHalf(value, places)
      ? value.toFixed(Number(places))
      : unsupported("this FLOAT64 in a format")
  ),
  native1("bq_float64_to_int64", float64, int64, (value) => {
    if (!Number.isFinite(value))
      return fail(`Illegal conversion of non-finite floating point number to an integer: ${floatText(value)}`)
    const rounded = Math.abs(value) < 0.5 ? 0 : roundAway(value)
    return rounded >= -(2 ** 63) && rounded < 2 ** 63
      ? BigInt(rounded)
      : fail(`int64 out of range: ${floatText(value)}`)
  }),
  native1("bq_float64_to_string", float64, text, floatToText),
  native1("bq_string_to_float64", text, float64, parseFloat64),
  native1("bq_string_to_int64", text, int64, parseInt64),
  native1("bq_sqrt", float64, float64, (x) =>
    x < 0 ? fail(`Argument to SQRT cannot be negative: ${x}`) : Math.sqrt(x)
  ),
  native1("bq_exp", float64, float64, (x) => finite(x, x, Math.exp(x), "exp")),
  native1("bq_ln", float64, float64, (x) =>
    x <= 0 ? fail(`Argument to LN should be greater than zero: ${x}`) : Math.log(x)
  ),
  native1("bq_log10", float64, float64, (x) =>
    x <= 0 ? fail(`Argument to LOG10 should be greater than zero: ${x}`) : Math.log10(x)
  ),
  native2("bq_log", float64, float64, float64, (x, base) =>
    x <= 0 || base <= 0 || base === 1
      ? fail(`Invalid arguments to LOG: ${x}, ${base}`)
      : !Number.isFinite(x) || !Number.isFinite(base)
        ? unsupported("LOG of an infinity")
        : Math.log(x) / Math.log(base)
  ),
  native2("bq_pow", float64, float64, float64, (x, y) => {
    if (x < 0 && Number.isFinite(x) && Number.isFinite(y) && !Number.isInteger(y))
      return fail(`Floating point error in function: POW(${x}, ${y})`)
    if (x === 0 && y < 0) return fail(`Floating point error in function: POW(${x}, ${y})`)
    return x === 1 || (x === -1 && !Number.isFinite(y)) ? 1 : finite(x, y, x ** y, "^")
  }),
  native2("bq_range_bucket_int64", int64, list(int64), int64, (point, bounds) => bucket(point, bounds)),
  native2("bq_range_bucket_float64", float64, list(float64), int64, (point, bounds) =>
    Number.isNaN(point) ? null : bucket(point, bounds)
  ),
  native3("bq_generate_array", int64, int64, int64, list(int64), (from, to, step) => {
    if (step === 0n) return fail("Sequence step cannot be 0.")
    if ((to - from) / step > maxArrayItems) return unsupported(`an array of more than ${maxArrayItems} items`)
    const items: Array<bigint> = []
    for (let item = from; step > 0n ? item <= to : item >= to; item += step) items.push(item)
    return items
  })
]

const maxArrayItems = 1_000_000n

const bucket = <T extends bigint | number>(point: T, bounds: ReadonlyArray<T | null>) => {
  let position = 0n
  let previous: T | undefined
  for (const bound of bounds) {
    if (bound === null || Number.isNaN(Number(bound)))
      return fail("Array elements of RANGE_BUCKET cannot be NULL or NaN")
    if (previous !== undefined && bound < previous)
      return fail("Array elements of RANGE_BUCKET must be in increasing order")
    previous = bound
    if (bound <= point) position++
  }
  return position
}
