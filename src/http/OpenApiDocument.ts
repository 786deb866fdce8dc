/**
 * Makes the generated OpenAPI document say what is sent: the framework declares an error of its own for requests that do not decode, which
 * this service never sends (see Lifecycle.ts).
 */

const undecodable = "#/components/schemas/HttpApiDecodeError"
const failed = { $ref: "#/components/schemas/Error" }
const unused: ReadonlySet<string> = new Set(["HttpApiDecodeError", "Issue", "PropertyKey"])
const descriptions: ReadonlyMap<string, string> = new Map([
  ["The request did not match the expected schema", "Malformed request, path or parameter"]
])

/** The document with the service's one error in place of the framework's. */
export const withOneError = (document: Record<string, unknown>): Record<string, unknown> =>
  JSON.parse(JSON.stringify(document), (key: string, value: unknown) => {
    if (unused.has(key)) return undefined
    if (typeof value === "string") return descriptions.get(value) ?? value
    if (key === "Error" && typeof value === "object") return { ...value, description: "A failed answer" }
    return isUndecodable(value) ? failed : value
  })

const isUndecodable = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  (("$ref" in value && value.$ref === undecodable) ||
    ("anyOf" in value &&
      Array.isArray(value.anyOf) &&
      value.anyOf.every((each: unknown) => JSON.stringify(each) === JSON.stringify(failed))))
