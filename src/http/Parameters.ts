/**
 * What the endpoints of several groups have in common: parameters of the path and of the query, and failures.
 */
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { failure } from "./Errors.ts"

/** `:org` of a path. */
export const orgPath = { org: Schema.String.annotations({ description: "Organisation: 3 to 50 of a-z, 0-9 and _" }) }
/** `:id` of a path. */
export const runPath = { id: Schema.String.annotations({ description: "Run id, a UUID" }) }
/** A day as text: each wrong one has its own answer. */
export const dateText = Schema.String.annotations({ description: "A UTC day, YYYY-MM-DD" })

/** `limit` of a query: 1 to `maximum`. */
export const limit = (maximum: number, standard: number) =>
  Schema.optionalWith(Schema.NumberFromString.pipe(Schema.int(), Schema.between(1, maximum)), {
    default: () => standard
  })
/** `offset` of a query. */
export const offset = Schema.optionalWith(
  Schema.NumberFromString.pipe(Schema.int(), Schema.between(0, Number.MAX_SAFE_INTEGER)),
  { default: () => 0 }
)

/** `true` or `false` in a query. */
export const flag = Schema.transform(Schema.Literal("true", "false"), Schema.Boolean, {
  strict: true,
  decode: (text) => text === "true",
  encode: (value) => (value ? "true" : "false")
})

/** The answer to a wrong query or body. */
export const invalid = failure(422, "A parameter or the body is not what the schema says")
/** The answer to an unknown run. */
export const runNotFound = failure(404, "No such run, or another organisation's")

/** The body may be left out. */
export const optionalBody = OpenApi.annotations({
  transform: (operation) =>
    "requestBody" in operation && typeof operation["requestBody"] === "object"
      ? { ...operation, requestBody: { ...operation["requestBody"], required: false } }
      : operation
})
