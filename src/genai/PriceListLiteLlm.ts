/**
 * LiteLLM's `model_prices_and_context_window.json`. Names of fields are a base and suffixes that combine: `input_cost_per_token`,
 * `_above_272k_tokens`, `_flex`.
 */
import * as BigDecimal from "effect/BigDecimal"
import { isObject, type JsonObject } from "../platform/Json.ts"
import { type PriceCells, priceOf, type PriceRow, type Taking } from "./PriceListRows.ts"

const ownSource = "https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json"
const perToken = 6

const providerOf = (name: string): string | undefined =>
  name.startsWith("vertex_ai")
    ? "gcp_vertex"
    : {
        openai: "openai",
        "text-completion-openai": "openai",
        azure: "azure_openai",
        anthropic: "anthropic",
        gemini: "gemini",
        deepseek: "deepseek",
        bedrock: "aws_bedrock",
        bedrock_converse: "aws_bedrock"
      }[name]

const classes: Readonly<Record<string, readonly [cell: keyof PriceCells, kind: string]>> = {
  input_cost_per_token: ["input_per_1m", ""],
  output_cost_per_token: ["output_per_1m", ""],
  cache_read_input_token_cost: ["cached_input_per_1m", ""],
  input_cost_per_token_cache_hit: ["cached_input_per_1m", ""],
  cache_creation_input_token_cost: ["cached_write_per_1m", ""],
  input_cost_per_audio_token: ["input_per_1m", "audio"],
  output_cost_per_audio_token: ["output_per_1m", "audio"],
  cache_read_input_audio_token_cost: ["cached_input_per_1m", "audio"],
  cache_creation_input_audio_token_cost: ["cached_write_per_1m", "audio"],
  input_cost_per_image_token: ["input_per_1m", "image"],
  output_cost_per_image_token: ["output_per_1m", "image"],
  output_cost_per_video_token: ["output_per_1m", "video"]
}
const bases = Object.keys(classes).join("|")
const field = new RegExp(`^(${bases})((?:_above_1hr|_above_\\d+k_tokens|_batches|_priority|_flex)*)$`)

/** One combination of tier, length and kind. */
interface Variant {
  readonly tier: string
  readonly above: string
  readonly kind: string
  readonly cells: { -readonly [Cell in keyof PriceCells]: string }
}

/** Adds every model of the providers that this service knows. */
export const readLiteLlm = (list: JsonObject, taking: Taking, source = ownSource): void => {
  for (const [key, entry] of Object.entries(list)) {
    if (!isObject(entry) || key === "sample_spec" || typeof entry["litellm_provider"] !== "string") {
      taking.skip("no model", key)
      continue
    }
    const provider = providerOf(entry["litellm_provider"])
    if (provider === undefined) {
      taking.skip("a provider that this service does not read", key)
      continue
    }
    const named = nameOf(key, provider)
    if (named === undefined) {
      taking.skip("a commitment, no price per token", key)
      continue
    }
    const variants = variantsOf(key, entry, taking)
    const base = variants.find(({ above, kind, tier }) => tier === "" && above === "" && kind === "")
    const priced = variants.some(({ cells }) => Object.values(cells).some((price) => price !== "0"))
    if (base === undefined || !priced) {
      taking.skip(base === undefined ? "no price per token" : "a price of 0, which may mean that it is not known", key)
      continue
    }
    const hasNoOutput = ["embedding", "moderation", "rerank"].includes(String(entry["mode"]))
    const lengths = variants.flatMap(({ above }) => above || []).map(Number)
    const longest = lengths.length === 0 ? undefined : Math.min(...lengths)
    for (const { above, cells, kind, tier } of variants) {
      const input = cells.input_per_1m ?? base.cells.input_per_1m
      const output = cells.output_per_1m ?? (hasNoOutput ? "0" : base.cells.output_per_1m)
      if (input === undefined || output === undefined) {
        taking.skip("a price of input or output is missing", key)
        continue
      }
      const row: PriceRow = {
        ...cells,
        input_per_1m: input,
        output_per_1m: output,
        provider,
        ...named,
        ...(tier === "" ? {} : { service_tier: tier }),
        ...(longest === undefined ? {} : { context_window: windowOf(above, longest) }),
        ...(kind === "" ? {} : { token_kind: kind }),
        source
      }
      taking.add(row)
      const multiplier = isObject(entry["provider_specific_entry"]) ? entry["provider_specific_entry"]["us"] : undefined
      if (typeof multiplier === "string") taking.add({ ...multiplied(row, multiplier), region: "us" })
    }
  }
}

const windowOf = (above: string, longest: number) =>
  above === "" ? `0-${longest}k` : above === "200" ? "200k-1M" : `${above}k-`

const cellNames = [
  "input_per_1m",
  "output_per_1m",
  "cached_input_per_1m",
  "cached_write_per_1m",
  "cached_write_1h_per_1m",
  "batch_input_per_1m",
  "batch_output_per_1m"
] as const

const multiplied = (row: PriceRow, factor: string): PriceRow => ({
  ...row,
  ...Object.fromEntries(
    cellNames.flatMap((name) => {
      const price = row[name]
      return price === undefined
        ? []
        : [
            [
              name,
              BigDecimal.format(
                BigDecimal.multiply(BigDecimal.unsafeFromString(price), BigDecimal.unsafeFromString(factor))
              )
            ]
          ]
    })
  )
})

const variantsOf = (key: string, entry: JsonObject, taking: Taking): ReadonlyArray<Variant> => {
  const found = new Map<string, Variant>()
  for (const [name, value] of Object.entries(entry)) {
    const [, base = "", suffixes = ""] = field.exec(name) ?? []
    const known = classes[base]
    if (known === undefined) {
      if (/cost|tiered_pricing|multiplier|provider_specific_entry/.test(name) && value !== null)
        taking.skip(`the field ${name}`, key)
      continue
    }
    const price = priceOf(value, perToken)
    if (price === undefined) {
      taking.skip(`the field ${name} is no price that can be kept`, key)
      continue
    }
    const [cell, kind] = known
    const above = /_above_(\d+)k_tokens/.exec(suffixes)?.[1] ?? ""
    const isBatch = suffixes.includes("_batches")
    const tier = /_(priority|flex)/.exec(suffixes)?.[1] ?? ""
    const own = suffixes.includes("_above_1hr")
      ? "cached_write_1h_per_1m"
      : isBatch && (cell === "input_per_1m" || cell === "output_per_1m")
        ? (`batch_${cell}` as const)
        : cell
    if (isBatch && own === cell) {
      taking.skip(`the field ${name}`, key)
      continue
    }
    const place = [tier, above, kind].join(" ")
    const variant: Variant = found.get(place) ?? { tier, above, kind, cells: {} }
    found.set(place, variant)
    variant.cells[own] = price
  }
  return [...found.values()].filter(
    ({ cells }) => cells.input_per_1m !== undefined || cells.output_per_1m !== undefined
  )
}

/** The model as its provider names it, and the region that LiteLLM puts in front; undefined for commitments. */
const nameOf = (key: string, provider: string): { readonly model: string; readonly region: string } | undefined => {
  const parts = key.split("/")
  if (provider === "azure_openai") {
    const [, place = "", ...rest] = parts
    const isPlace = rest.length > 0 && ["us", "eu", "global", "global-standard"].includes(place)
    return {
      model: isPlace ? rest.join("/") : key.replace(/^azure\//, ""),
      region: isPlace && !place.startsWith("global") ? place : "global"
    }
  }
  if (provider === "aws_bedrock") {
    if (/commitment/.test(key)) return undefined
    const rest = parts[0] === "bedrock" || parts[0] === "bedrock_converse" ? parts.slice(1) : parts
    const isRegion = rest.length > 1 && /^[a-z]{2}(-[a-z]+)+-\d$/.test(rest[0] ?? "")
    return { model: (isRegion ? rest.slice(1) : rest).join("/"), region: isRegion ? (rest[0] ?? "global") : "global" }
  }
  const isPrefixed =
    parts.length > 1 && ["gemini", "deepseek", "vertex_ai", "openai", "anthropic"].includes(parts[0] ?? "")
  return { model: (isPrefixed ? parts.slice(1) : parts).join("/"), region: "global" }
}
