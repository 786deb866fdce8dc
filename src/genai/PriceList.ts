/**
 * Public lists of model prices as rows of genai_payg_pricing. Two layouts are known: LiteLLM's map of models (US dollars per token) and
 * genai-prices' list of providers (per million). What is not taken is told, with the reason.
 */
import { isObject, type Json, type JsonObject } from "../platform/Json.ts"
import { readGenaiPrices } from "./PriceListGenaiPrices.ts"
import { readLiteLlm } from "./PriceListLiteLlm.ts"
import { type PriceList, Taking } from "./PriceListRows.ts"

/** Reads a list whose numbers are texts (see parseLossless); undefined when it has neither layout. `source` is where it was published. */
export const readPriceList = (content: Json, source: string | undefined): PriceList | undefined => {
  const taking = new Taking()
  if (Array.isArray(content) && content.every(isProvider)) {
    readGenaiPrices(content, taking, source)
    return taking.list("genai-prices")
  }
  if (isObject(content) && Object.values(content).some((entry) => isObject(entry) && "litellm_provider" in entry)) {
    readLiteLlm(content, taking, source)
    return taking.list("litellm")
  }
  return undefined
}

const isProvider = (value: Json): value is JsonObject => isObject(value) && Array.isArray(value["models"])
