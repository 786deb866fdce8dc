/**
 * Small pieces of GoogleSQL text. Booleans that are known beforehand are the words TRUE and FALSE and fold away.
 */
import type { Day } from "../platform/Identifiers.ts"

const MILLIS_PER_DAY = 86_400_000

/** A text literal. */
export const text = (value: string): string => `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`

/** `DATE '2026-03-01', DATE '2026-04-01'`. */
export const dateList = (days: ReadonlyArray<Day>): string => days.map((day) => `DATE ${text(day)}`).join(", ")

/** `('a', 'b')`. */
export const textList = (values: ReadonlyArray<string>): string => `(${values.map(text).join(", ")})`

/** A pattern literal, in which backslashes stand for themselves; patterns hold no apostrophe. */
export const pattern = (source: string): string => `r'${source}'`

/** All of them; TRUE for none. */
export const and = (parts: ReadonlyArray<string>): string => {
  const open = [...new Set(parts)].filter((part) => part !== "TRUE")
  if (open.includes("FALSE")) return "FALSE"
  return open.length === 0 ? "TRUE" : open.length === 1 ? open.join("") : `(${open.join(" AND ")})`
}

/** Any of them; FALSE for none. */
export const or = (parts: ReadonlyArray<string>): string => {
  const open = [...new Set(parts)].filter((part) => part !== "FALSE")
  if (open.includes("TRUE")) return "TRUE"
  return open.length === 0 ? "FALSE" : open.length === 1 ? open.join("") : `(${open.join(" OR ")})`
}

export const not = (sql: string): string => (sql === "TRUE" ? "FALSE" : sql === "FALSE" ? "TRUE" : `NOT (${sql})`)

/** Gives a test that may be NULL one of two values. */
export const coalesce = (sql: string, onNull: "TRUE" | "FALSE"): string => `COALESCE(${sql}, ${onNull})`

/** The TIMESTAMP column lies in one of these UTC days; compared as a range, so that the engine can prune. */
export const startsOnOneOf = (column: string, days: ReadonlyArray<Day>): string =>
  or(
    days.map((day) => {
      const next = new Date(Date.parse(`${day}T00:00:00Z`) + MILLIS_PER_DAY).toISOString().slice(0, 10)
      return `(${column} >= TIMESTAMP '${day} 00:00:00+00' AND ${column} < TIMESTAMP '${next} 00:00:00+00')`
    })
  )
