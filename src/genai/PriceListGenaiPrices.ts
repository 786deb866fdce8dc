/**
 * genai-prices' `data.json`: providers with models, prices per million, some with a first day or a length of context. A model's names are its
 * id and what its rule compares with; rules that only look into a name give none.
 */
import { isObject, type Json, type JsonObject } from "../platform/Json.ts"
import { type PriceCells, priceOf, type PriceRow, type Taking } from "./PriceListRows.ts"

const providers: Readonly<Record<string, ReadonlyArray<string>>> = {
  openai: ["openai"],
  anthropic: ["anthropic"],
  google: ["gemini", "gcp_vertex"],
  deepseek: ["deepseek"],
  azure: ["azure_openai"],
  aws: ["aws_bedrock"]
}

const classes: Readonly<Record<string, readonly [cell: keyof PriceCells, kind: string]>> = {
  input_mtok: ["input_per_1m", ""],
  output_mtok: ["output_per_1m", ""],
  cache_read_mtok: ["cached_input_per_1m", ""],
  cache_write_mtok: ["cached_write_per_1m", ""],
  cache_write_5m_mtok: ["cached_write_per_1m", ""],
  cache_write_1h_mtok: ["cached_write_1h_per_1m", ""],
  input_audio_mtok: ["input_per_1m", "audio"],
  output_audio_mtok: ["output_per_1m", "audio"],
  cache_audio_read_mtok: ["cached_input_per_1m", "audio"],
  input_image_mtok: ["input_per_1m", "image"],
  output_image_mtok: ["output_per_1m", "image"],
  cache_image_read_mtok: ["cached_input_per_1m", "image"],
  input_video_mtok: ["input_per_1m", "video"],
  output_video_mtok: ["output_per_1m", "video"]
}

/** Adds every model of the providers that this service knows. */
export const readGenaiPrices = (list: ReadonlyArray<JsonObject>, taking: Taking, source: string | undefined): void => {
  for (const provider of list) {
    const id = String(provider["id"])
    const models = provider["models"]
    for (const model of Array.isArray(models) ? models.filter(isObject) : []) {
      const owners = providers[id]
      if (owners === undefined)
        taking.skip("a provider that this service does not read", `${id}/${String(model["id"])}`)
      else {
        const urls = provider["pricing_urls"]
        const published = Array.isArray(urls) && typeof urls[0] === "string" ? urls[0] : undefined
        for (const owner of owners) addModel(owner, model, taking, source ?? published ?? "genai-prices")
      }
    }
  }
}

const addModel = (provider: string, model: JsonObject, taking: Taking, source: string): void => {
  const id = String(model["id"])
  const { prices } = model
  const conditions = Array.isArray(prices) ? prices.filter(isObject) : isObject(prices) ? [{ prices }] : []
  const periods = conditions.map((condition) => {
    const constraint = isObject(condition["constraint"]) ? condition["constraint"] : {}
    return {
      from: typeof constraint["start_date"] === "string" ? constraint["start_date"] : undefined,
      isOfDay: "start_time" in constraint || "end_time" in constraint,
      prices: isObject(condition["prices"]) ? condition["prices"] : {}
    }
  })
  if (periods.some(({ isOfDay }) => isOfDay)) return taking.skip("a price that depends on the time of day", id)
  const starts = periods.flatMap(({ from }) => from ?? []).sort()
  for (const period of periods) {
    const next = starts.find((start) => period.from === undefined || start > period.from)
    for (const row of rowsOf(period.prices, id, taking)) {
      for (const name of namesOf(model)) {
        taking.add({
          provider,
          model: name,
          region: "global",
          ...row,
          ...(period.from === undefined ? {} : { effective_from: period.from }),
          ...(next === undefined ? {} : { effective_to: dayBefore(next) }),
          source
        })
      }
    }
  }
}

const dayBefore = (day: string) => new Date(Date.parse(`${day}T00:00:00Z`) - 86_400_000).toISOString().slice(0, 10)

const namesOf = (model: JsonObject): ReadonlyArray<string> => {
  const texts = (rule: Json | undefined): ReadonlyArray<string> => {
    if (!isObject(rule)) return []
    if (Array.isArray(rule["or"])) return rule["or"].flatMap(texts)
    const text = rule["equals"] ?? rule["starts_with"]
    return typeof text === "string" ? [text.replace(/-$/, "")] : []
  }
  return [...new Set([String(model["id"]), ...texts(model["match"])])]
}

type Row = Omit<PriceRow, "provider" | "model" | "region" | "source">

const rowsOf = (prices: JsonObject, id: string, taking: Taking): ReadonlyArray<Row> => {
  const rows = new Map<
    string,
    { readonly start: number; readonly kind: string; readonly cells: Record<string, string> }
  >()
  const put = (start: number, kind: string, cell: string, value: Json | undefined, name: string) => {
    const price = priceOf(value, 0)
    if (price === undefined) return taking.skip(`the field ${name} is no price that can be kept`, id)
    const place = `${start} ${kind}`
    const row = rows.get(place) ?? { start, kind, cells: {} }
    rows.set(place, row)
    row.cells[cell] = price
  }
  for (const [name, value] of Object.entries(prices)) {
    const known = classes[name]
    if (known === undefined) {
      taking.skip(`the field ${name}`, id)
      continue
    }
    const [cell, kind] = known
    if (!isObject(value)) {
      put(0, kind, cell, value, name)
      continue
    }
    put(0, kind, cell, value["base"], name)
    for (const tier of Array.isArray(value["tiers"]) ? value["tiers"].filter(isObject) : [])
      put(Number(tier["start"]), kind, cell, tier["price"], name)
  }
  const starts = [...new Set([...rows.values()].map(({ start }) => start))].sort((a, b) => a - b)
  const base = rows.get("0 ")?.cells ?? {}
  return [...rows.values()].flatMap(({ cells, kind, start }): ReadonlyArray<Row> => {
    const input = cells["input_per_1m"] ?? base["input_per_1m"]
    if (input === undefined) {
      taking.skip("a price of input is missing", id)
      return []
    }
    // A model without a price of output has no output: it embeds or judges.
    const output = cells["output_per_1m"] ?? base["output_per_1m"] ?? "0"
    const end = starts[starts.indexOf(start) + 1]
    const window =
      starts.length === 1 ? {} : { context_window: `${start === 0 ? "0" : `${start / 1000}k`}-${endOf(start, end)}` }
    return [
      { ...cells, input_per_1m: input, output_per_1m: output, ...window, ...(kind === "" ? {} : { token_kind: kind }) }
    ]
  })
}

const endOf = (start: number, end: number | undefined) =>
  end === undefined ? (start === 200_000 ? "1M" : "") : `${end / 1000}k`
