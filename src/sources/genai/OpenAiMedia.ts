/**
 * Audio and image tokens of OpenAI's usage as lines of their own, since they have prices of their own. OpenAI's figures by kind are taken
 * only where they add up to those without; whether they contain what was cached is seen by that.
 */
import type { JsonObject } from "../../platform/Json.ts"
import type { UsageLine } from "./Lines.ts"
import { detailsOf } from "./Pages.ts"

const kinds = ["text", "audio", "image"] as const
const media = ["audio", "image"] as const

/** The line, and one for each other kind of token that it has; the line as it is, figures by kind in its details, where they do not add up. */
export const split = (
  line: UsageLine,
  result: JsonObject,
  strange: ReadonlyArray<string>
): ReadonlyArray<UsageLine> => {
  const told = (side: string, kind: string) => {
    const text = result[`${side}_${kind}_tokens`]
    return typeof text === "string" && /^\d{1,19}$/.test(text) ? BigInt(text) : 0n
  }
  const sides = ["input", "input_cached", "output"]
  if (!sides.some((side) => media.some((kind) => told(side, kind) > 0n))) {
    return [{ ...line, details: detailsOf(result, strange) }]
  }
  const sumOf = (side: string) => kinds.reduce((total, kind) => total + told(side, kind), 0n)
  const input = BigInt(line.input_tokens ?? "0")
  const cached = BigInt(line.cached_input_tokens ?? "0")
  const written = BigInt(line.cache_write_tokens ?? "0")
  const output = BigInt(line.output_tokens ?? "0")
  const all = sumOf("input")
  // Without what was cached, with it, or with what was written to the cache, too.
  const isUncached = all === input - cached - written
  const addsUp =
    (isUncached || all === input - written || all === input) &&
    sumOf("input_cached") === cached &&
    sumOf("output") === output
  const parts = media.map((kind) => ({
    kind,
    uncached: told("input", kind) - (isUncached ? 0n : told("input_cached", kind)),
    cached: told("input_cached", kind),
    output: told("output", kind)
  }))
  if (!addsUp || parts.some(({ uncached }) => uncached < 0n)) return [line]
  const sum = (count: (part: (typeof parts)[number]) => bigint) =>
    parts.reduce((total, part) => total + count(part), 0n)
  return [
    {
      ...line,
      input_tokens: String(input - sum((part) => part.uncached + part.cached)),
      cached_input_tokens: String(cached - sum((part) => part.cached)),
      output_tokens: String(output - sum((part) => part.output)),
      details: detailsOf(result, strange)
    },
    ...parts
      .filter((part) => part.uncached + part.cached + part.output > 0n)
      .map((part): UsageLine => ({
        ...line,
        token_kind: part.kind,
        request_count: null,
        input_tokens: String(part.uncached + part.cached),
        cached_input_tokens: String(part.cached),
        cache_write_tokens: "0",
        output_tokens: String(part.output),
        details: null
      }))
  ]
}
