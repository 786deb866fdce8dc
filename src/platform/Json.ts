/**
 * JSON as a type, and a reader that keeps every number's source text, so that money never passes through binary floating point.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Any JSON value. */
export type Json = string | number | boolean | null | ReadonlyArray<Json> | JsonObject
/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: Json
}

/** Schema of {@link Json}. */
export const Json: Schema.Schema<Json> = Schema.suspend(() =>
  Schema.Union(Schema.String, Schema.Number, Schema.Boolean, Schema.Null, Schema.Array(Json), JsonObject)
).annotations({ identifier: "Json" })
/** Schema of {@link JsonObject}. */
export const JsonObject: Schema.Schema<JsonObject> = Schema.Record({
  key: Schema.String,
  value: Schema.suspend(() => Json)
}).annotations({ identifier: "JsonObject" })

/** The text is not JSON; `message` is the parser's own words and never the text itself. */
export class InvalidJson extends Schema.TaggedError<InvalidJson>()("InvalidJson", { message: Schema.String }) {}

/** Parses JSON; numbers become JavaScript numbers. For settings and events, never for money: see {@link parseLossless}. */
export const parse = (text: string): Effect.Effect<Json, InvalidJson> =>
  Effect.try({ try: (): Json => JSON.parse(text), catch: invalid })

/** Parses JSON in which each number becomes the string of its source text: `1.10` stays `"1.10"`. */
export const parseLossless = (text: string): Effect.Effect<Json, InvalidJson> =>
  Effect.try({
    try: (): Json => JSON.parse(text, keepNumberSource),
    catch: invalid
  })

const invalid = (cause: unknown) => new InvalidJson({ message: cause instanceof Error ? cause.message : "not JSON" })

function keepNumberSource(_key: string, value: Json, context?: { readonly source?: string }): Json {
  return typeof value === "number" ? (context?.source ?? String(value)) : value
}

/** JSON text with the keys of every object sorted: equal values have equal text, so it can be hashed. */
export const canonical = (value: Json): string => formOf(value).text

/** A value's canonical text, and the value as a reader of that text gets it. */
export interface CanonicalForm<A extends Json> {
  readonly text: string
  readonly value: A
}

/** The canonical form of an object, for less than to write its text and to parse that; `value` is the object itself where it reads the same. */
export const canonicalForm = (value: JsonObject): CanonicalForm<JsonObject> => {
  const kept = keptForms.get(value)
  if (kept !== undefined) return kept
  if (isCanonical(value)) return { text: JSON.stringify(value), value }
  const members: Array<[string, Json]> = []
  let text = ""
  for (const key of Object.keys(value).sort()) {
    const member = formOf(value[key] ?? null)
    text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${member.text}`
    members.push([key, member.value])
  }
  return { text: `{${text}}`, value: Object.fromEntries(members) }
}

const formOf = (value: Json): CanonicalForm<Json> => {
  if (typeof value === "number") return formOfNumber(value)
  if (typeof value !== "object" || value === null) return { text: JSON.stringify(value), value }
  if (isObject(value)) return canonicalForm(value)
  const items = value.map(formOf)
  return { text: `[${items.map(({ text }) => text).join(",")}]`, value: items.map((item) => item.value) }
}

const formOfNumber = (value: number): CanonicalForm<Json> => {
  const read = Number.isFinite(value) ? value + 0 : null
  return { text: JSON.stringify(read), value: read }
}

/**
 * True when `JSON.stringify` writes the canonical text and its reader gets an equal value. Most values are written so, and to find that out
 * costs less than to write them member by member.
 */
const isCanonical = (value: Json | undefined): boolean => {
  // The text has null for what is no finite number, and no negative zero.
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0)
  if (typeof value !== "object" || value === null) return value !== undefined
  if (!isObject(value)) return value.every(isCanonical)
  let before = ""
  for (const key in value) {
    if (key < before || !isCanonical(value[key])) return false
    before = key
  }
  return true
}

const keptForms = new WeakMap<object, CanonicalForm<JsonObject>>()

/** Keeps the canonical text and value of a value that is written again and again; the value must never change from now on. */
export const keepCanonical = (value: JsonObject): void => void keptForms.set(value, canonicalForm(value))

/** Tells a JSON object from the other JSON values. */
export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The text, or null for any other value. */
export const textOrNull = (value: Json | undefined): string | null => (typeof value === "string" ? value : null)

/** The object that a member is; an empty one when it is absent or something else. */
export const objectAt = (data: JsonObject, name: string): JsonObject => {
  const value = data[name]
  return isObject(value) ? value : {}
}
