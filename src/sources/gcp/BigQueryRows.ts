/**
 * Rows as BigQuery's REST interface gives them: a schema, and cells `{v}` by position. Read into records by name, every number as the text
 * that came, so that no digit is lost.
 */
import * as Schema from "effect/Schema"
import { isObject, type Json, type JsonObject } from "../../platform/Json.ts"

/** A column of a result. RECORD columns have fields. */
export interface Field {
  readonly name: string
  readonly type: string
  readonly mode?: string | undefined
  readonly fields?: ReadonlyArray<Field> | undefined
}

/** The schema of {@link Field}, as the REST interface writes it. */
export const Field: Schema.Schema<Field> = Schema.Struct({
  name: Schema.String,
  type: Schema.String,
  mode: Schema.optional(Schema.String),
  fields: Schema.optional(Schema.Array(Schema.suspend((): Schema.Schema<Field> => Field)))
})

const MICROS_PER_MILLI = 1000n

/** A record of one row; cells that the schema has and the row has not are null. */
export const recordOf = (fields: ReadonlyArray<Field>, row: Json | undefined): JsonObject => {
  const cells = member(row, "f")
  return Object.fromEntries(
    fields.map((field, index) => [field.name, cellOf(field, Array.isArray(cells) ? member(cells[index], "v") : null)])
  )
}

const cellOf = (field: Field, value: Json | undefined): Json => {
  if (value === undefined || value === null) return null
  if (field.mode === "REPEATED") {
    const element: Field = { ...field, mode: undefined }
    return Array.isArray(value) ? value.map((each) => cellOf(element, member(each, "v"))) : null
  }
  if (field.type === "RECORD" || field.type === "STRUCT") return recordOf(field.fields ?? [], value)
  return field.type === "TIMESTAMP" ? timestampOf(String(value)) : value
}

/** Microseconds since 1970 (`useInt64Timestamp`) as ISO text; a text that is no whole number passes. */
const timestampOf = (value: string): string => {
  if (!/^-?\d+$/.test(value)) return value
  const micros = BigInt(value)
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const date = new Date(Number((micros - rest) / MICROS_PER_MILLI))
  return `${date.toISOString().slice(0, 19)}.${rest.toString().padStart(6, "0")}Z`
}

const member = (value: Json | undefined, key: string): Json | undefined => (isObject(value) ? value[key] : undefined)
