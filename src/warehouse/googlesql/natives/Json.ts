/**
 * JSON as text: a parser that keeps the source text of numbers and the first of equal keys, JSONPath, and BigQuery's conversions.
 */
import { parseJson, parsePath, quote, writeJson, type Json, type Step } from "./JsonText.ts"
import { floatText, jsonFloatText, jsonNumberText } from "./FloatText.ts"
import {
  bool,
  fail,
  float64,
  int64,
  list,
  native1,
  native2,
  Refusal,
  text,
  unsupported,
  type Native
} from "./Native.ts"
/** The value that a path finds; undefined when there is none or the text is no JSON. */
const find = (source: string, path: string): Json | undefined | Refusal => {
  const steps = parsePath(path)
  if (steps instanceof Refusal) return steps
  let current = parseJson(source)
  for (const step of steps) {
    if (current === undefined) return undefined
    current =
      current.kind === "array" && typeof step === "number"
        ? current.items[step]
        : current.kind === "object"
          ? current.fields.get(String(step))
          : undefined
  }
  return current
}

const scalarText = (json: Json | undefined): string | null => {
  switch (json?.kind) {
    case "string":
      return json.value
    case "number":
      return json.text
    case "boolean":
      return String(json.value)
    default:
      return null
  }
}

/** The whole text by the engine's own fast parser; undefined when it is no JSON. */
const fastParse = (source: string): unknown => {
  try {
    return JSON.parse(source)
  } catch {
    return undefined
  }
}

/**
 * The scalar that a path finds. A string is taken from the fast parser; numbers need their source text and equal keys their order, so
 * those go through the exact one.
 */
const value = (source: string, path: string): string | null | Refusal => {
  const steps = parsePath(path)
  if (steps instanceof Refusal) return steps
  let current = fastParse(source)
  for (const step of steps) {
    if (typeof step === "number") current = Array.isArray(current) ? current[step] : undefined
    else {
      const key = `"${step}"`
      if (source.includes("\\") || source.indexOf(key) !== source.lastIndexOf(key)) return exactValue(source, path)
      const property: unknown =
        typeof current === "object" && current !== null
          ? Object.getOwnPropertyDescriptor(current, step)?.value
          : undefined
      current = Array.isArray(current) ? undefined : property
    }
  }
  return typeof current === "string"
    ? current
    : typeof current === "boolean"
      ? String(current)
      : typeof current === "number"
        ? exactValue(source, path)
        : null
}

/** `given` builds the answer from what the path finds. */
const at =
  <R>(given: (json: Json | undefined) => R | null | Refusal) =>
  (source: string, path: string): R | null | Refusal => {
    const found = find(source, path)
    return found instanceof Refusal ? found : given(found)
  }

const exactValue = at(scalarText)

const whole =
  <R>(given: (json: Json) => R | null | Refusal) =>
  (source: string): R | null | Refusal => {
    const json = parseJson(source)
    return json === undefined ? fail("Invalid JSON") : given(json)
  }

const stored = (json: Json, round: boolean): Json | undefined => {
  if (json.kind === "number") {
    const source = jsonNumberText(json.text, round)
    return source === undefined ? undefined : { kind: "number", text: source }
  }
  if (json.kind === "array") {
    const items = json.items.map((item) => stored(item, round))
    return items.every((item) => item !== undefined) ? { kind: "array", items } : undefined
  }
  if (json.kind !== "object") return json
  const fields = new Map<string, Json>()
  for (const [key, field] of [...json.fields].toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
    const value = stored(field, round)
    if (value === undefined) return undefined
    fields.set(key, value)
  }
  return { kind: "object", fields }
}

/** An object of texts in printable ASCII without escapes or spaces around them: what most tags and discounts are. */
const plainObject = /^\{(?:"[ !#-[\]-~]*":"[ !#-[\]-~]*"(?:,"[ !#-[\]-~]*":"[ !#-[\]-~]*")*)?\}$/
const plainMember = /"([^"]*)":"[^"]*"/g

/** Such an object with its keys in order; undefined when it is none, or a key is there twice. */
const sortedPlainObject = (source: string): string | undefined => {
  if (!plainObject.test(source)) return undefined
  const members = Array.from(source.matchAll(plainMember), ([member, key = ""]) => ({ member, key }))
  const inOrder = members.every(({ key }, index) => index === 0 || String(members[index - 1]?.key) < key)
  if (inOrder) return source
  if (new Set(members.map(({ key }) => key)).size < members.length) return undefined
  const sorted = members.sort((a, b) => (a.key < b.key ? -1 : 1))
  return `{${sorted.map(({ member }) => member).join(",")}}`
}

const parse = (source: string, mode: string) => {
  const plain = mode === "exact" || mode === "round" ? sortedPlainObject(source) : undefined
  if (plain !== undefined) return plain
  const json = parseJson(source)
  if (json === undefined) return fail("Invalid input: syntax error while parsing value")
  if (mode !== "exact" && mode !== "round") return fail(`Invalid \`wide_number_mode\` specified: ${mode}`)
  const value = stored(json, mode === "round")
  return value === undefined
    ? fail("Invalid input: a number cannot round-trip through string representation")
    : writeJson(value)
}

const integerOf = (source: string): bigint | undefined => {
  const number = Number(source)
  if (/^-?\d+$/.test(source)) {
    const value = BigInt(source)
    return BigInt.asIntN(64, value) === value ? value : undefined
  }
  return Number.isInteger(number) && Math.abs(number) < 2 ** 53 ? BigInt(number) : undefined
}

const keys = (json: Json, prefix: string, depth: number, found: Set<string>): Set<string> => {
  if (json.kind === "object" && depth > 0) {
    for (const [key, value] of json.fields) {
      const name = /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) ? key : quote(key)
      const path = prefix === "" ? name : `${prefix}.${name}`
      found.add(path)
      keys(value, path, depth - 1, found)
    }
  }
  return found
}

const remove = (json: Json, steps: ReadonlyArray<Step>): Json => {
  const [step, ...rest] = steps
  if (json.kind === "object" && typeof step === "string") {
    const fields = new Map(json.fields)
    const field = fields.get(step)
    if (rest.length === 0) fields.delete(step)
    else if (field !== undefined) fields.set(step, remove(field, rest))
    return { kind: "object", fields }
  }
  if (json.kind === "array" && typeof step === "number") {
    const items =
      rest.length === 0
        ? json.items.filter((_item, index) => index !== step)
        : json.items.map((item, index) => (index === step ? remove(item, rest) : item))
    return { kind: "array", items }
  }
  return json
}

const queryArray = at((json) => (json?.kind === "array" ? json.items.map(writeJson) : null))
const notNull = (json: Json | undefined): string | null =>
  json === undefined || json.kind === "null" ? null : writeJson(json)

export const jsonNatives: ReadonlyArray<Native> = [
  native2("bq_json_value", text, text, text, value),
  native2("bq_json_value_of_json", text, text, text, exactValue),
  native2("bq_json_query", text, text, text, at(notNull)),
  native2(
    "bq_json_query_of_json",
    text,
    text,
    text,
    at((json) => (json === undefined ? null : writeJson(json)))
  ),
  native2("bq_json_query_array", text, text, list(text), queryArray),
  native2(
    "bq_json_value_array",
    text,
    text,
    list(text),
    at((json) =>
      json?.kind === "array" && json.items.every((item) => item.kind !== "array" && item.kind !== "object")
        ? json.items.map(scalarText)
        : null
    )
  ),
  native2("bq_parse_json", text, text, text, parse),
  native2("bq_json_field", text, text, text, (source, key) => {
    const json = parseJson(source)
    const field = json?.kind === "object" ? json.fields.get(key) : undefined
    return field === undefined ? null : writeJson(field)
  }),
  native2("bq_json_element", text, int64, text, (source, index) => {
    const json = parseJson(source)
    const item = json?.kind === "array" && index >= 0n ? json.items[Number(index)] : undefined
    return item === undefined ? null : writeJson(item)
  }),
  native1(
    "bq_json_type",
    text,
    text,
    whole((json) => json.kind)
  ),
  native2("bq_json_keys", text, int64, list(text), (source, depth) => {
    const json = parseJson(source)
    if (json === undefined) return fail("Invalid JSON")
    return depth < 1n ? fail("max_depth must be positive") : [...keys(json, "", Number(depth), new Set())].toSorted()
  }),
  native1(
    "bq_json_to_string",
    text,
    text,
    whole((json) => (json.kind === "string" ? json.value : fail("The provided JSON input is not a string")))
  ),
  native1(
    "bq_json_to_int64",
    text,
    int64,
    whole((json) =>
      json.kind === "number"
        ? (integerOf(json.text) ?? fail(`The provided JSON number: ${json.text} cannot be converted to an integer`))
        : fail("The provided JSON input is not an integer")
    )
  ),
  native1(
    "bq_json_to_float64",
    text,
    float64,
    whole((json) => (json.kind === "number" ? Number(json.text) : fail("The provided JSON input is not a number")))
  ),
  native1(
    "bq_json_to_bool",
    text,
    bool,
    whole((json) => (json.kind === "boolean" ? json.value : fail("The provided JSON input is not a boolean")))
  ),
  native1(
    "bq_lax_string",
    text,
    text,
    whole((json) => scalarText(json))
  ),
  native1(
    "bq_lax_int64",
    text,
    int64,
    whole((json) => {
      if (json.kind === "boolean") return json.value ? 1n : 0n
      const source = json.kind === "number" ? json.text : json.kind === "string" ? json.value.trim() : ""
      if (!/^-?\d+$/.test(source))
        return source === "" ? null : unsupported("LAX_INT64 of a value that is no plain integer")
      return integerOf(source) ?? null
    })
  ),
  native1(
    "bq_lax_float64",
    text,
    float64,
    whole((json) => {
      if (json.kind === "number") return Number(json.text)
      return json.kind === "string" && /^-?\d+(\.\d+)?$/.test(json.value)
        ? Number(json.value)
        : json.kind === "string"
          ? unsupported("LAX_FLOAT64 of this string")
          : null
    })
  ),
  native1(
    "bq_lax_bool",
    text,
    bool,
    whole((json) => {
      if (json.kind === "boolean") return json.value
      if (json.kind === "number") return Number(json.text) !== 0
      const lower = json.kind === "string" ? json.value.toLowerCase() : ""
      return lower === "true" ? true : lower === "false" ? false : null
    })
  ),
  native2("bq_json_remove", text, text, text, (source, path) => {
    const steps = parsePath(path)
    const json = parseJson(source)
    if (steps instanceof Refusal) return steps
    return json === undefined || steps.length === 0 ? fail("Invalid JSON or path") : writeJson(remove(json, steps))
  }),
  native1("bq_json_of_string", text, text, quote),
  native1("bq_json_of_int64", int64, text, (value) =>
    value >= -(2n ** 53n) && value <= 2n ** 53n ? value.toString() : `"${value}"`
  ),
  native2("bq_json_of_float64", float64, bool, text, (value, isJson) => {
    if (!Number.isFinite(value)) return `"${floatText(value)}"`
    if (Math.abs(value) >= 1e15) return unsupported("the JSON text of a FLOAT64 beyond 1e15")
    return isJson ? jsonFloatText(value + 0) : floatText(value)
  })
]
