/**
 * Small pieces of GoogleSQL text. Booleans that are known beforehand are the words TRUE and FALSE and fold away.
 */

/** A text literal. */
export const text = (value: string): string => `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`

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
