/** What the bench's invented bills have in common: usage of a day, and how its values are written. */
import type { Random } from "../../src/cli/demo/AwsCompany.ts"

/** Usage of a day, from which each provider's layout makes a line. */
export interface Usage {
  /** Of the line in its bill, from 0. */
  readonly number: number
  readonly resource: number
  /** Day of October 2026, from 1. */
  readonly day: number
  readonly random: Random
}

/** `YYYY-MM-DD`; the 32nd is the first of November. */
export const dayText = (day: number): string => new Date(Date.UTC(2026, 9, day)).toISOString().slice(0, 10)

/** Exact text of a number of units of 10^-scale. */
export const decimal = (units: number, scale: number): string => {
  const digits = String(units).padStart(scale + 1, "0")
  return `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
