/**
 * BigQuery's result rows as JSON rows: decimals, dates and timestamps as text, JSON parsed, whole numbers as numbers.
 */
import * as Schema from "effect/Schema"
import type { Json, JsonObject } from "../../platform/Json.ts"

/** A column of a result or a table. */
export interface Field {
  readonly name: string
  readonly type: string
  readonly mode?: string | undefined
  readonly description?: string | undefined
  readonly fields?: ReadonlyArray<Field> | undefined
}

/** Schema of {@link Field}. */
export const Field: Schema.Schema<Field> = Schema.Struct({
  name: Schema.String,
  type: Schema.String,
  mode: Schema.optional(Schema.String),
  description: Schema.optional(Schema.String),
  fields: Schema.optional(Schema.Array(Schema.suspend(() => Field)))
})

type Cell = string | null | { readonly f: ReadonlyArray<{ readonly v: Cell }> } | ReadonlyArray<{ readonly v: Cell }>

const Cell: Schema.Schema<Cell> = Schema.Union(
  Schema.String,
  Schema.Null,
  Schema.Struct({ f: Schema.Array(Schema.Struct({ v: Schema.suspend(() => Cell) })) }),
  Schema.Array(Schema.Struct({ v: Schema.suspend(() => Cell) }))
)

/** One page of rows. */
export const Page = Schema.Struct({
  jobComplete: Schema.optional(Schema.Boolean),
  schema: Schema.optional(Schema.Struct({ fields: Schema.optional(Schema.Array(Field)) })),
  rows: Schema.optional(Schema.Array(Schema.Struct({ f: Schema.Array(Schema.Struct({ v: Cell })) }))),
  totalRows: Schema.optional(Schema.String),
  pageToken: Schema.optional(Schema.String)
})
export type Page = typeof Page.Type

/** The rows of a page by the columns' names. */
export const toJson = (fields: ReadonlyArray<Field>, page: Page): ReadonlyArray<JsonObject> =>
  (page.rows ?? []).map(({ f }) => record(fields, f))

const record = (fields: ReadonlyArray<Field>, cells: ReadonlyArray<{ readonly v: Cell }>): JsonObject =>
  Object.fromEntries(fields.map((field, index) => [field.name, valueOf(field, cells[index]?.v ?? null)]))

const valueOf = (field: Field, cell: Cell): Json => {
  if (cell === null) return field.mode === "REPEATED" ? [] : null
  if (typeof cell !== "string") {
    return "f" in cell
      ? record(field.fields ?? [], cell.f)
      : cell.map(({ v }) => valueOf({ ...field, mode: undefined }, v))
  }
  switch (field.type) {
    case "INTEGER":
    case "INT64":
      // A number that JavaScript cannot hold exactly stays text.
      return Number.isSafeInteger(Number(cell)) ? Number(cell) : cell
    case "FLOAT":
    case "FLOAT64":
      return Number.isFinite(Number(cell)) ? Number(cell) : cell
    case "BOOLEAN":
    case "BOOL":
      return cell === "true"
    case "NUMERIC":
    case "BIGNUMERIC":
      return plainDecimal(cell)
    case "TIMESTAMP":
      return timestamp(BigInt(cell))
    case "JSON":
      return parsed(cell)
    default:
      return cell
  }
}

const plainDecimal = (cell: string): string => (cell.includes(".") ? cell.replace(/\.?0+$/, "") : cell)

/** BigQuery has checked what it calls JSON. */
const parsed = (cell: string): Json => JSON.parse(cell)

const MICROS_PER_SECOND = 1_000_000n

/** `2026-03-05T00:00:00Z`, with as many decimals as needed. */
const timestamp = (micros: bigint): string => {
  const fraction = ((micros % MICROS_PER_SECOND) + MICROS_PER_SECOND) % MICROS_PER_SECOND
  const whole = new Date(Number((micros - fraction) / MICROS_PER_SECOND) * 1000).toISOString().slice(0, -5)
  return fraction === 0n ? `${whole}Z` : `${whole}.${fraction.toString().padStart(6, "0").replace(/0+$/, "")}Z`
}
