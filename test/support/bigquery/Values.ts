/**
 * Values between ZetaSQL, BigQuery's REST interface and Parquet.
 */
import {
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBTimestampTZValue,
  type DuckDBValue
} from "@duckdb/node-api"
import type { ZetaType, ZetaValue } from "./ZetaSql.ts"

/** A column as REST writes it. */
export interface RestField {
  readonly name: string
  readonly type: string
  readonly mode?: string
  readonly description?: string
  readonly fields?: ReadonlyArray<RestField>
}

/** A cell as REST writes it. */
export type RestCell =
  | string
  | null
  | { readonly f: ReadonlyArray<{ readonly v: RestCell }> }
  | ReadonlyArray<{ readonly v: RestCell }>

const kinds: Readonly<Record<string, string>> = {
  STRING: "TYPE_STRING",
  INT64: "TYPE_INT64",
  INTEGER: "TYPE_INT64",
  NUMERIC: "TYPE_NUMERIC",
  BIGNUMERIC: "TYPE_BIGNUMERIC",
  FLOAT64: "TYPE_DOUBLE",
  FLOAT: "TYPE_DOUBLE",
  BOOL: "TYPE_BOOL",
  BOOLEAN: "TYPE_BOOL",
  DATE: "TYPE_DATE",
  DATETIME: "TYPE_DATETIME",
  TIMESTAMP: "TYPE_TIMESTAMP",
  JSON: "TYPE_JSON",
  BYTES: "TYPE_BYTES"
}

const restNames: Readonly<Record<string, string>> = {
  TYPE_STRING: "STRING",
  TYPE_INT64: "INTEGER",
  TYPE_NUMERIC: "NUMERIC",
  TYPE_BIGNUMERIC: "BIGNUMERIC",
  TYPE_DOUBLE: "FLOAT",
  TYPE_BOOL: "BOOLEAN",
  TYPE_DATE: "DATE",
  TYPE_DATETIME: "DATETIME",
  TYPE_TIMESTAMP: "TIMESTAMP",
  TYPE_JSON: "JSON",
  TYPE_BYTES: "BYTES"
}

/** ZetaSQL's type of a type's name. */
export const scalarType = (name: string): ZetaType => {
  const kind = kinds[name.toUpperCase()]
  if (kind === undefined) throw new Error(`the counterpart does not know the type ${name}`)
  return { type_kind: kind }
}

/** ZetaSQL's type of a column. */
export const typeOfField = (field: RestField): ZetaType => {
  const element = scalarType(field.type)
  return field.mode === "REPEATED" ? { type_kind: "TYPE_ARRAY", array_type: { element_type: element } } : element
}

/** A result's column as REST writes it. */
export const fieldOf = (name: string, type: ZetaType): RestField => {
  if (type.array_type !== undefined) return { ...fieldOf(name, type.array_type.element_type), mode: "REPEATED" }
  if (type.struct_type !== undefined) {
    const fields = (type.struct_type.field ?? []).map((field) => fieldOf(field.field_name ?? "", field.field_type))
    return { name, type: "RECORD", mode: "NULLABLE", fields }
  }
  return { name, type: restNames[type.type_kind] ?? type.type_kind, mode: "NULLABLE" }
}

/** Decimals of NUMERIC and BIGNUMERIC as ZetaSQL encodes them. */
const scales = { NUMERIC: 9n, BIGNUMERIC: 38n } as const
const daysFromCalendar = (days: number): string => new Date(days * 86_400_000).toISOString().slice(0, 10)

/** A value as a REST cell; timestamps in microseconds. */
export const restCell = (type: ZetaType, value: ZetaValue): RestCell => {
  if (type.array_type !== undefined) {
    const element = type.array_type.element_type
    return (value.array_value?.element ?? []).map((member) => ({ v: restCell(element, member) }))
  }
  if (type.struct_type !== undefined) {
    if (value.struct_value === undefined) return null
    const fields = type.struct_type.field ?? []
    return {
      f: (value.struct_value.field ?? []).map((member, index) => ({
        v: restCell(fields[index]?.field_type ?? type, member)
      }))
    }
  }
  if (value.int64_value !== undefined) return value.int64_value
  if (value.bool_value !== undefined) return String(value.bool_value)
  if (value.double_value !== undefined) return String(value.double_value)
  if (value.string_value !== undefined) return value.string_value
  if (value.json_value !== undefined) return value.json_value
  if (value.bytes_value !== undefined) return value.bytes_value.toString("base64")
  if (value.date_value !== undefined) return daysFromCalendar(value.date_value)
  if (value.timestamp_value !== undefined) {
    const { nanos = 0, seconds = 0 } = value.timestamp_value
    return String(BigInt(seconds) * 1_000_000n + BigInt(Math.trunc(nanos / 1000)))
  }
  if (value.numeric_value !== undefined) return decimalText(value.numeric_value, scales.NUMERIC)
  if (value.bignumeric_value !== undefined) return decimalText(value.bignumeric_value, scales.BIGNUMERIC)
  if (value.datetime_value !== undefined) throw new Error("the counterpart does not show DATETIME")
  return null
}

const decimalText = (bytes: Buffer, scale: bigint): string => {
  const unscaled = fromLittleEndian(bytes)
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(Number(scale) + 1, "0")
  const fraction = digits.slice(-Number(scale)).replace(/0+$/, "")
  return `${unscaled < 0n ? "-" : ""}${digits.slice(0, -Number(scale))}${fraction === "" ? "" : `.${fraction}`}`
}

const fromLittleEndian = (bytes: Buffer): bigint => {
  let number = 0n
  for (let index = bytes.length - 1; index >= 0; index--) number = (number << 8n) | BigInt(bytes[index] ?? 0)
  return bytes.length > 0 && ((bytes[bytes.length - 1] ?? 0) & 0x80) !== 0
    ? number - (1n << BigInt(bytes.length * 8))
    : number
}

/** The least number of bytes in two's complement. */
const toLittleEndian = (value: bigint): Buffer => {
  const bytes: Array<number> = []
  let rest = value
  for (;;) {
    const byte = Number(rest & 0xffn)
    bytes.push(byte)
    rest >>= 8n
    if ((rest === 0n && byte < 0x80) || (rest === -1n && byte >= 0x80)) return Buffer.from(bytes)
  }
}

const decimal = (unscaled: bigint, scale: number, wanted: bigint): Buffer => {
  const shift = wanted - BigInt(scale)
  if (shift < 0n) throw new Error(`a decimal of scale ${scale} does not fit a column of scale ${wanted}`)
  return toLittleEndian(unscaled * 10n ** shift)
}

/** A value that a Parquet reader gave, for a column of the type. */
export const fromParquet = (field: RestField, value: DuckDBValue): ZetaValue => {
  if (value === null) return {}
  switch (scalarType(field.type).type_kind) {
    case "TYPE_STRING":
      return { string_value: String(value) }
    case "TYPE_INT64":
      return { int64_value: String(value) }
    case "TYPE_BOOL":
      return { bool_value: value === true }
    case "TYPE_DOUBLE":
      return { double_value: Number(value) }
    case "TYPE_DATE":
      if (value instanceof DuckDBDateValue) return { date_value: value.days }
      break
    case "TYPE_TIMESTAMP":
      if (value instanceof DuckDBTimestampTZValue) {
        const micros = ((value.micros % 1_000_000n) + 1_000_000n) % 1_000_000n
        return {
          timestamp_value: { seconds: String((value.micros - micros) / 1_000_000n), nanos: Number(micros) * 1000 }
        }
      }
      break
    case "TYPE_NUMERIC":
      if (value instanceof DuckDBDecimalValue)
        return { numeric_value: decimal(value.value, value.scale, scales.NUMERIC) }
      break
    case "TYPE_BIGNUMERIC":
      if (value instanceof DuckDBDecimalValue) {
        return { bignumeric_value: decimal(value.value, value.scale, scales.BIGNUMERIC) }
      }
      break
    case "TYPE_BYTES":
      if (value instanceof DuckDBBlobValue) return { bytes_value: Buffer.from(value.bytes) }
      break
  }
  throw new Error(`a Parquet value for ${field.name} is no ${field.type}`)
}
