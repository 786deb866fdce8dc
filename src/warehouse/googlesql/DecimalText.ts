/**
 * Decimal numbers as text, read without binary floating point.
 */
const decimalPattern = /^\s*([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?\s*$/

/** The digits of a decimal text without exponent, or undefined when it is no number. */
export const plainDecimal = (
  text: string
): { readonly negative: boolean; readonly digits: bigint; readonly scale: number } | undefined => {
  const match = decimalPattern.exec(text)
  const whole = match?.[2] ?? ""
  const fraction = match?.[3] ?? ""
  if (match === null || whole + fraction === "") return undefined
  let digits = BigInt(whole + fraction)
  let scale = fraction.length - Number(match[4] ?? "0")
  if (scale < 0) {
    digits *= 10n ** BigInt(-scale)
    scale = 0
  }
  while (scale > 0 && digits % 10n === 0n) {
    digits /= 10n
    scale--
  }
  return { negative: match[1] === "-", digits, scale }
}
