/**
 * Variables in the strings of a step: `{name}` is text replacement and stays when unknown; `${name}` as a whole string keeps the value's
 * type, inside text it is text; unknown it is null. One pass: a value is never searched again.
 */
import type { Json, JsonObject } from "../platform/Json.ts"
import { isObject } from "../platform/Json.ts"

const placeholder = /\$\{([a-zA-Z0-9_]+)\}|\{([a-zA-Z0-9_]+)\}/g
const wholePlaceholder = /^\$\{([a-zA-Z0-9_]+)\}$/

/** Replaces the variables in every string of a value. */
export const resolve = (value: Json, variables: JsonObject): Json => {
  if (typeof value === "string") return resolveText(value, variables)
  if (Array.isArray(value)) return value.map((each: Json) => resolve(each, variables))
  return isObject(value) ? resolveObject(value, variables) : value
}

/** {@link resolve} for the members of an object. */
export const resolveObject = (value: JsonObject, variables: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(value).map(([key, each]) => [key, resolve(each, variables)]))

/** True when a string of the value may name a variable: otherwise it is resolved already. */
export const namesVariables = (value: Json): boolean =>
  typeof value === "string"
    ? value.includes("{")
    : typeof value === "object" && value !== null && Object.values(value).some(namesVariables)

const resolveText = (text: string, variables: JsonObject): Json => {
  if (!text.includes("{")) return text
  const whole = wholePlaceholder.exec(text)?.[1]
  if (whole !== undefined) return lookup(variables, whole) ?? null
  return text.replace(placeholder, (found: string, dollar: string | undefined, plain: string | undefined) => {
    const value = lookup(variables, dollar ?? plain ?? "")
    if (value === undefined) return dollar === undefined ? found : "null"
    return typeof value === "string" ? value : JSON.stringify(value)
  })
}

const lookup = (variables: JsonObject, name: string): Json | undefined =>
  Object.hasOwn(variables, name) ? variables[name] : undefined
