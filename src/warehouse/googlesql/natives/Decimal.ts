/**
 * Exact arithmetic on NUMERIC (scale 9) and BIGNUMERIC (scale 24 here, 38 in BigQuery) as scaled integers.
 *
 * A BIGNUMERIC result that needs more than 24 decimals is refused, since BigQuery would keep them.
 */
import { plainDecimal } from "../DecimalText.ts"
import { jsonNumberText } from "./FloatText.ts"
import {
  bool,
  decimal,
  fail,
  float64,
  int64,
  native1,
  native2,
  native3,
  Refusal,
  text,
  unsupported,
  type Codec,
  type Native
} from "./Native.ts"

const limit = 10n ** 38n
const abs = (value: bigint): bigint => (value < 0n ? -value : value)

interface Kind {
  readonly name: "NUMERIC" | "BIGNUMERIC"
  readonly scale: number
  readonly one: bigint
  readonly codec: Codec<bigint>
}
const numeric: Kind = { name: "NUMERIC", scale: 9, one: 10n ** 9n, codec: decimal(9) }
const bignumeric: Kind = { name: "BIGNUMERIC", scale: 24, one: 10n ** 24n, codec: decimal(24) }

/** A value in range, or the refusal: BigQuery's own overflow for NUMERIC, a limit of this engine for BIGNUMERIC. */
const inRange = (kind: Kind, value: bigint): bigint | Refusal =>
  abs(value) < limit
    ? value
    : kind.name === "NUMERIC"
      ? fail("numeric overflow")
      : unsupported("a BIGNUMERIC result of 10^14 or more")

/** value / divisor to an integer, half away from zero. */
export const divideHalfAway = (value: bigint, divisor: bigint): bigint => {
  const negative = value < 0n !== divisor < 0n
  const size = abs(value)
  const by = abs(divisor)
  const quotient = (2n * size + by) / (2n * by)
  return negative ? -quotient : quotient
}

const multiply = (kind: Kind) => (a: bigint, b: bigint) => {
  const product = a * b
  if (kind.name === "NUMERIC") return inRange(kind, divideHalfAway(product, kind.one))
  const quotient = product / kind.one
  return quotient * kind.one === product
    ? inRange(kind, quotient)
    : unsupported("a BIGNUMERIC product with more than 24 decimals")
}

const plain = (kind: Kind, value: bigint): string => {
  const digits = abs(value)
    .toString()
    .padStart(kind.scale + 1, "0")
  const whole = digits.slice(0, -kind.scale)
  const fraction = digits.slice(-kind.scale).replace(/0+$/, "")
  return `${value < 0n ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`
}

const divide = (kind: Kind) => (a: bigint, b: bigint) => {
  if (b === 0n) return fail(`division by zero: ${plain(kind, a)} / ${plain(kind, b)}`)
  if (kind.name === "NUMERIC") return inRange(kind, divideHalfAway(a * kind.one, b))
  const scaled = a * kind.one
  return scaled % b === 0n
    ? inRange(kind, scaled / b)
    : unsupported("a BIGNUMERIC quotient with more than 24 decimals; put it into ROUND(..., n)")
}

const wide = 10n ** 38n

type Operation = (a: bigint, b: bigint) => bigint | Refusal
/** BigQuery's quotient: 38 decimals. */
const quotient38: Operation = (a, b) =>
  b === 0n ? fail(`division by zero: ${plain(bignumeric, a)} / ${plain(bignumeric, b)}`) : divideHalfAway(a * wide, b)
/** BigQuery's product: 38 decimals of the 48 that two factors of 24 may have. */
const product38: Operation = (a, b) => divideHalfAway(a * b, 10n ** 10n)

/** The result of BigQuery, rounded at 38 decimals and then at `places`. */
const rounded = (operation: Operation) => (a: bigint, b: bigint, places: bigint) => {
  if (places > 24n) return unsupported("ROUND to more than 24 decimals")
  if (places < -14n) return 0n
  const value = operation(a, b)
  if (value instanceof Refusal) return value
  const unit = 10n ** (38n - places)
  return inRange(bignumeric, (divideHalfAway(value, unit) * unit) / 10n ** 14n)
}

/** -1, 0 or 1: BigQuery's result beside another value. */
const compared = (operation: Operation) => (a: bigint, b: bigint, other: bigint) => {
  const value = operation(a, b)
  if (value instanceof Refusal) return value
  const difference = value - other * 10n ** 14n
  return difference === 0n ? 0n : difference > 0n ? 1n : -1n
}

const roundTo =
  (kind: Kind, how: (value: bigint, unit: bigint) => bigint) =>
  (value: bigint, places: bigint): bigint | Refusal => {
    if (places >= BigInt(kind.scale)) return value
    if (places < -38n) return 0n
    const unit = 10n ** (BigInt(kind.scale) - places)
    return inRange(kind, how(value, unit) * unit)
  }

const halfEven = (value: bigint, unit: bigint): bigint => {
  const size = abs(value)
  const floor = size / unit
  const twice = (size % unit) * 2n
  const rounded = twice > unit || (twice === unit && floor % 2n === 1n) ? floor + 1n : floor
  return value < 0n ? -rounded : rounded
}
const floorTo = (value: bigint, unit: bigint): bigint =>
  value < 0n && value % unit !== 0n ? value / unit - 1n : value / unit

const toInt64 = (kind: Kind) => (value: bigint) => {
  const rounded = divideHalfAway(value, kind.one)
  return BigInt.asIntN(64, rounded) === rounded ? rounded : fail(`int64 out of range: ${plain(kind, value)}`)
}

const fromText = (kind: Kind) => (value: string) => {
  const number = plainDecimal(value)
  if (number === undefined) return fail(`Invalid ${kind.name} value: ${value}`)
  const { digits, scale, negative } = number
  if (scale > kind.scale && kind.name === "BIGNUMERIC") return unsupported("a BIGNUMERIC with more than 24 decimals")
  const scaled =
    scale > kind.scale
      ? divideHalfAway(digits, 10n ** BigInt(scale - kind.scale))
      : digits * 10n ** BigInt(kind.scale - scale)
  if (scaled >= limit)
    return kind.name === "NUMERIC"
      ? fail(`Invalid NUMERIC value: ${value}`)
      : unsupported("a BIGNUMERIC of 10^14 or more")
  return negative ? -scaled : scaled
}

/** The exact binary value of a FLOAT64 at the kind's scale. */
const fromFloat = (kind: Kind) => (value: number) => {
  if (!Number.isFinite(value))
    return fail(`Illegal conversion of non-finite floating point number to ${kind.name}: ${value}`)
  let numerator = value
  let denominator = 1n
  while (!Number.isInteger(numerator)) {
    numerator *= 2
    denominator *= 2n
  }
  const scaled = BigInt(numerator) * kind.one
  if (kind.name === "BIGNUMERIC" && scaled % denominator !== 0n)
    return unsupported("a FLOAT64 whose exact value has more than 24 decimals as BIGNUMERIC")
  return inRange(kind, divideHalfAway(scaled, denominator))
}

const fixed = (kind: Kind) => (value: bigint, places: bigint) => {
  const digits = Number(places)
  if (digits > kind.scale) return unsupported("a format with more decimals than the type has here")
  const unit = 10n ** BigInt(kind.scale - digits)
  const rounded = divideHalfAway(value, unit)
  const padded = abs(rounded)
    .toString()
    .padStart(digits + 1, "0")
  const sign = rounded < 0n ? "-" : ""
  return digits === 0 ? `${sign}${padded}` : `${sign}${padded.slice(0, -digits)}.${padded.slice(-digits)}`
}

const natives = (kind: Kind): ReadonlyArray<Native> => {
  const name = `bq_${kind.name.toLowerCase()}`
  const c = kind.codec
  return [
    { ...native2(`${name}_multiply`, c, c, c, multiply(kind)), decimals: multiply(kind) },
    { ...native2(`${name}_divide`, c, c, c, divide(kind)), decimals: divide(kind) },
    native2(`${name}_mod`, c, c, c, (a, b) => (b === 0n ? fail(`division by zero: MOD(${plain(kind, a)}, 0)`) : a % b)),
    native2(`${name}_div`, c, c, c, (a, b) =>
      b === 0n ? fail(`division by zero: ${plain(kind, a)} / 0`) : inRange(kind, (a / b) * kind.one)
    ),
    native2(`${name}_round`, c, int64, c, roundTo(kind, divideHalfAway)),
    native3(`${name}_round_mode`, c, int64, text, c, (value, places, mode) =>
      mode === "ROUND_HALF_EVEN"
        ? roundTo(kind, halfEven)(value, places)
        : mode === "ROUND_HALF_AWAY_FROM_ZERO"
          ? roundTo(kind, divideHalfAway)(value, places)
          : fail(`Invalid rounding mode: ${mode}`)
    ),
    native2(
      `${name}_trunc`,
      c,
      int64,
      c,
      roundTo(kind, (value, unit) => value / unit)
    ),
    native1(`${name}_floor`, c, c, (value) => roundTo(kind, floorTo)(value, 0n)),
    native1(`${name}_ceil`, c, c, (value) => {
      const floor = roundTo(kind, floorTo)(-value, 0n)
      return floor instanceof Refusal ? floor : -floor
    }),
    native2(`${name}_fixed`, c, int64, text, fixed(kind)),
    native1(`${name}_to_int64`, c, int64, toInt64(kind)),
    native1(`bq_string_to_${kind.name.toLowerCase()}`, text, c, fromText(kind)),
    native1(`bq_float64_to_${kind.name.toLowerCase()}`, float64, c, fromFloat(kind))
  ]
}

export const decimalNatives: ReadonlyArray<Native> = [
  ...natives(numeric),
  ...natives(bignumeric),
  ...[
    { name: "divide", operation: quotient38 },
    { name: "multiply", operation: product38 }
  ].flatMap(({ name, operation }) => {
    const c = bignumeric.codec
    return [
      native3(`bq_bignumeric_${name}_round`, c, c, int64, c, rounded(operation)),
      native3(`bq_bignumeric_compare_${name}`, c, c, c, int64, compared(operation))
    ]
  }),
  native2("bq_json_of_decimal", text, bool, text, (value, isJson) => {
    if (isJson) return jsonNumberText(value, true) ?? unsupported("this decimal in JSON")
    if (value.includes(".")) return `"${value}"`
    return value.length <= 16 && BigInt(value) <= 2n ** 53n && BigInt(value) >= -(2n ** 53n) ? value : `"${value}"`
  })
]
