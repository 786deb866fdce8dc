/**
 * JSON as text: a parser that keeps the source text of numbers and the first of equal keys, a writer, and JSONPath.
 */
import { Refusal, unsupported } from "./Native.ts"

export type Json =
  | { readonly kind: "null" }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "number"; readonly text: string }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "array"; readonly items: ReadonlyArray<Json> }
  | { readonly kind: "object"; readonly fields: ReadonlyMap<string, Json> }

export const maxDepth = 500
export const numberPattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
export const stringPattern = /"(?:[ !#-[\]-\u{10ffff}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy
export const spacePattern = /[ \t\n\r]*/y

/** The value of a JSON text; undefined when it is none. */
export const parseJson = (source: string): Json | undefined => {
  let position = 0
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = position
    const match = pattern.exec(source)
    if (match === null) return undefined
    position = pattern.lastIndex
    return match[0]
  }
  const skip = (): void => void take(spacePattern)
  const accept = (char: string): boolean => {
    if (source.charAt(position) !== char) return false
    position++
    return true
  }
  const string = (): string | undefined => {
    const raw = take(stringPattern)
    if (raw === undefined) return undefined
    if (!raw.includes("\\")) return raw.slice(1, -1)
    const parsed: unknown = JSON.parse(raw)
    return typeof parsed === "string" ? parsed : undefined
  }
  const value = (depth: number): Json | undefined => {
    if (depth > maxDepth) return undefined
    skip()
    const char = source.charAt(position)
    if (char === '"') {
      const parsed = string()
      return parsed === undefined ? undefined : { kind: "string", value: parsed }
    }
    if (accept("[")) {
      const items: Array<Json> = []
      skip()
      if (accept("]")) return { kind: "array", items }
      do {
        const item = value(depth + 1)
        if (item === undefined) return undefined
        items.push(item)
        skip()
      } while (accept(","))
      return accept("]") ? { kind: "array", items } : undefined
    }
    if (accept("{")) {
      const fields = new Map<string, Json>()
      skip()
      if (accept("}")) return { kind: "object", fields }
      do {
        skip()
        const key = string()
        skip()
        if (key === undefined || !accept(":")) return undefined
        const field = value(depth + 1)
        if (field === undefined) return undefined
        if (!fields.has(key)) fields.set(key, field)
        skip()
      } while (accept(","))
      return accept("}") ? { kind: "object", fields } : undefined
    }
    for (const word of ["true", "false", "null"] as const) {
      if (source.startsWith(word, position)) {
        position += word.length
        return word === "null" ? { kind: "null" } : { kind: "boolean", value: word === "true" }
      }
    }
    const number = take(numberPattern)
    return number === undefined ? undefined : { kind: "number", text: number }
  }
  const result = value(0)
  skip()
  return position === source.length ? result : undefined
}

export const quote = (value: string): string => JSON.stringify(value).replaceAll("\u007f", "\\u007f")

/** The text without white space. */
export const writeJson = (json: Json): string => {
  switch (json.kind) {
    case "null":
      return "null"
    case "boolean":
      return String(json.value)
    case "number":
      return json.text
    case "string":
      return quote(json.value)
    case "array":
      return `[${json.items.map(writeJson).join(",")}]`
    case "object":
      return `{${[...json.fields].map(([key, value]) => `${quote(key)}:${writeJson(value)}`).join(",")}}`
  }
}

export type Step = string | number
export const stepPattern = /\.([A-Za-z_0-9$-]+)|\."([^"\\]*)"|\[(\d+)\]|\['([^'\\]*)'\]|\["([^"\\]*)"\]/y
export const paths = new Map<string, ReadonlyArray<Step> | Refusal>()
export const maxCachedPaths = 1000

export const parsePath = (path: string): ReadonlyArray<Step> | Refusal => {
  const cached = paths.get(path)
  if (cached !== undefined) return cached
  const steps: Array<Step> = []
  let position = 1
  while (path.startsWith("$") && position < path.length) {
    stepPattern.lastIndex = position
    const match = stepPattern.exec(path)
    if (match === null) break
    steps.push(match[3] !== undefined ? Number(match[3]) : (match[1] ?? match[2] ?? match[4] ?? match[5] ?? ""))
    position = stepPattern.lastIndex
  }
  const result = path.startsWith("$") && position === path.length ? steps : unsupported(`the JSONPath ${path}`)
  if (paths.size < maxCachedPaths) paths.set(path, result)
  return result
}
