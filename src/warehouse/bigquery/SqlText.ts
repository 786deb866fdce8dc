/**
 * Small pieces of GoogleSQL: names, literals.
 */

/** A full table or routine name in backticks. */
export const path = (...parts: ReadonlyArray<string>): string => `\`${parts.join(".")}\``

/** A column's name. */
export const name = (identifier: string): string => `\`${identifier}\``

/** A string literal. */
export const text = (value: string): string =>
  `'${value.replaceAll(/[\\'\n\r]/g, (character) => escapes[character] ?? character)}'`

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r" }

/** A list of string literals, without brackets. */
export const texts = (values: Iterable<string>): string => Array.from(values, text).join(", ")

/** A list of dates, without brackets. */
export const dates = (days: Iterable<string>): string => Array.from(days, (day) => `DATE ${text(day)}`).join(", ")
