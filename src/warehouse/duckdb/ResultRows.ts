/**
 * Turns the engine's results into JSON rows: decimals, dates and timestamps as text, JSON parsed, whole numbers as numbers.
 */
import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  type DuckDBValue
} from "@duckdb/node-api"
import type { Json, JsonObject } from "../../platform/Json.ts"
import type { ResultSet } from "./DuckDb.ts"

/** The rows of a result as JSON objects by column name. */
export const toJson = ({ names, rows, types }: ResultSet): ReadonlyArray<JsonObject> => {
  // A row is a copy of one object whose cells are set: adding them one by one takes many times as long.
  const empty: JsonObject = JSON.parse(JSON.stringify(Object.fromEntries(names.map((column) => [column, null]))))
  return rows.map((row) => {
    const object: Record<string, Json> = { ...empty }
    for (const [index, column] of names.entries()) object[column] = valueToJson(row[index] ?? null, types[index])
    return object
  })
}

const valueToJson = (value: DuckDBValue, type: DuckDBType | undefined): Json => {
  if (value === null || typeof value === "boolean") return value
  if (typeof value === "string") return type?.alias === "JSON" ? parsed(value) : value
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value)
  // A number that JavaScript cannot hold exactly stays text.
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof DuckDBDecimalValue) return decimal(value.value, value.scale)
  if (value instanceof DuckDBDateValue) return value.toString()
  if (value instanceof DuckDBTimestampTZValue) return `${timestamp(value.micros)}Z`
  if (value instanceof DuckDBTimestampValue) return timestamp(value.micros)
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString("base64")
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) {
    const item = type !== undefined && "valueType" in type ? type.valueType : undefined
    return value.items.map((member) => valueToJson(member, item))
  }
  if (value instanceof DuckDBStructValue) {
    const fields = type !== undefined && "entryTypes" in type ? type.entryTypes : []
    return Object.fromEntries(
      Object.entries(value.entries).map(([key, member], index) => [key, valueToJson(member, fields[index])])
    )
  }
  if (value instanceof DuckDBMapValue) {
    return Object.fromEntries(
      value.entries.map(({ key, value: member }) => [String(key), valueToJson(member, undefined)])
    )
  }
  return value.toString()
}

/** The engine has checked what it calls JSON. */
const parsed = (text: string): Json => JSON.parse(text)

/** Plain decimal text without exponent and without zeros at the end of the fraction. */
const decimal = (unscaled: bigint, scale: number): string => {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, "0")
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, "")
  const whole = digits.slice(0, digits.length - scale)
  return `${unscaled < 0n ? "-" : ""}${whole}${scale === 0 || fraction === "" ? "" : `.${fraction}`}`
}

const MICROS_PER_SECOND = 1_000_000n

/** `2026-03-05T00:00:00`, with as many decimals as needed. */
const timestamp = (micros: bigint): string => {
  const fraction = ((micros % MICROS_PER_SECOND) + MICROS_PER_SECOND) % MICROS_PER_SECOND
  const seconds = Number((micros - fraction) / MICROS_PER_SECOND)
  const whole = new Date(seconds * 1000).toISOString().slice(0, -5)
  return fraction === 0n ? whole : `${whole}.${fraction.toString().padStart(6, "0").replace(/0+$/, "")}`
}
