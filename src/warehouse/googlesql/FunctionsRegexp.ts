/**
 * Regular expressions. Both engines use RE2, so a pattern means the same; what a call gives back when nothing matches does not.
 */
import * as Either from "effect/Either"
import type { Call } from "./Ast.ts"
import { convert } from "./Coercion.ts"
import { unsupported, type Translate, type Translator, type Typed } from "./Translator.ts"
import { arrayOf, scalar } from "./Types.ts"

export const regexpNames: ReadonlySet<string> = new Set([
  "REGEXP_CONTAINS",
  "REGEXP_EXTRACT",
  "REGEXP_SUBSTR",
  "REGEXP_EXTRACT_ALL",
  "REGEXP_REPLACE"
])

/** A pattern without its escapes and character classes, so that only its operators are left. */
const skeleton = (pattern: string): string =>
  pattern.replaceAll(/\\Q[\s\S]*?\\E|\\[\s\S]|\[\^?\]?(?:\\[\s\S]|\[:\^?\w+:\]|[^\]\\])*\]/g, "x")

const groups = (pattern: string): number => (skeleton(pattern).match(/\((?!\?)|\(\?P?<[^>=!]+>/g) ?? []).length

/** Whether the only group takes part in every match: it is not optional, repeated or one of alternatives. */
const groupAlwaysMatches = (pattern: string): boolean => {
  const text = skeleton(pattern)
  return !text.includes("|") && !/\)[?*{]/.test(text)
}

const mayMatchNothing = (pattern: string): boolean => {
  try {
    return new RegExp(pattern.replace(/^\(\?[a-z]+\)/, ""), "u").test("")
  } catch {
    return true
  }
}

/** Whether a match may give an empty text: its only group, or the whole of a pattern without groups. */
const mayExtractNothing = (pattern: string, groups: number): boolean => {
  const extract = groups === 0 ? pattern : /\((?!\?)((?:\\.|\[[^\]]*\]|[^()[\]\\])*)\)/.exec(pattern)?.[1]
  return extract === undefined || /\\b|\\Q/.test(pattern) || mayMatchNothing(extract)
}

/** One of `regexpNames`. */
export const translateRegexp = (t: Translator, e: Call, name: string, args: ReadonlyArray<Typed>): Translate<Typed> =>
  Either.gen(function* () {
    const [value, pattern, replacement] = args
    if (value === undefined || pattern === undefined || args.length !== (name === "REGEXP_REPLACE" ? 3 : 2) || e.safe) {
      return yield* unsupported(t, e.at, `this form of ${name}`)
    }
    const string = scalar("STRING")
    if (value.type.kind === "BYTES") return yield* unsupported(t, e.at, `${name} over BYTES`)
    const text = yield* convert(t, e.at, value, string, name)
    const regexp = yield* convert(t, e.at, pattern, string, name)
    if (name === "REGEXP_CONTAINS") return { sql: `regexp_matches(${text}, ${regexp}, 'c')`, type: scalar("BOOL") }
    if (pattern.text === undefined) return yield* unsupported(t, e.at, `${name} with a pattern that is no literal`)
    const count = groups(pattern.text)
    if (name === "REGEXP_REPLACE") {
      if (replacement?.text === undefined)
        return yield* unsupported(t, e.at, "REGEXP_REPLACE with a replacement that is no literal")
      if (mayMatchNothing(pattern.text))
        return yield* unsupported(t, e.at, "REGEXP_REPLACE with a pattern that may match nothing")
      if (/\\(?![0-9\\])|\\$/.test(replacement.text.replaceAll("\\\\", "")))
        return yield* unsupported(t, e.at, "this replacement")
      return {
        sql: `regexp_replace(${text}, ${regexp}, ${yield* convert(t, e.at, replacement, string, name)}, 'cg')`,
        type: string
      }
    }
    if (count > 1) return yield* unsupported(t, e.at, `${name} with more than one group`)
    if (count === 1 && !groupAlwaysMatches(pattern.text))
      return yield* unsupported(t, e.at, `${name} with a group that may stay out of the match`)
    if (name === "REGEXP_EXTRACT_ALL") {
      if (mayMatchNothing(pattern.text))
        return yield* unsupported(t, e.at, "REGEXP_EXTRACT_ALL with a pattern that may match nothing")
      return { sql: `regexp_extract_all(${text}, ${regexp}, ${count}, 'c')`, type: arrayOf(string) }
    }
    const extracted = `regexp_extract(${text}, ${regexp}, ${count}, 'c')`
    // The engine gives an empty text where nothing matches; only where the extract may be empty itself does that have to be asked.
    const sql = mayExtractNothing(pattern.text, count)
      ? `(CASE WHEN regexp_matches(${text}, ${regexp}, 'c') THEN ${extracted} END)`
      : `nullif(${extracted}, '')`
    return { sql, type: string }
  })
