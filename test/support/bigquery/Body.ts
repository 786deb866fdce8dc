/**
 * Bodies of BigQuery's REST interface as they come: members are looked for, not trusted.
 */
import { BigQueryError } from "./Store.ts"
import type { RestField } from "./Values.ts"
import { isNode, type Node } from "./ZetaSql.ts"

/** An object, or the refusal that BigQuery gives to anything else. */
export const asNode = (value: unknown): Node => {
  if (!isNode(value)) throw new BigQueryError(400, "invalid", "Invalid JSON payload received")
  return value
}

/** The objects of a list; none where there is no list. */
export const asList = (value: unknown): ReadonlyArray<Node> => (Array.isArray(value) ? value.filter(isNode) : [])

/** The columns of a body's schema. */
export const fieldsOf = (holder: Node): ReadonlyArray<RestField> =>
  "schema" in holder
    ? asList(asNode(holder["schema"])["fields"]).map((field) => ({
        name: String(field["name"]),
        type: String(field["type"]),
        mode: field["mode"] === undefined ? "NULLABLE" : String(field["mode"]),
        ...(field["description"] === undefined ? {} : { description: String(field["description"]) })
      }))
    : []

/** The JSON of a request; empty is an empty object. */
export const readJson = (bytes: Buffer): Node => {
  if (bytes.length === 0) return {}
  const read: unknown = JSON.parse(bytes.toString())
  return asNode(read)
}
