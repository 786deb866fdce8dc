/**
 * How a result is held against a recorded one: exact decimals, tolerant floats, JSON by value, rows as a multiset without ORDER BY.
 */
import {
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeValue,
  type DuckDBValue
} from "@duckdb/node-api"
import type { ResultSet } from "../../src/warehouse/duckdb/DuckDb.ts"
import { fromDuckType, type SqlType } from "../../src/warehouse/googlesql/Types.ts"
import type { Field } from "./corpusCases.ts"

const restNames: Readonly<Record<string, string>> = {
  INT64: "INTEGER",
  FLOAT64: "FLOAT",
  BOOL: "BOOLEAN",
  STRUCT: "RECORD"
}

const fieldOf = (name: string, type: SqlType): Field => {
  const element = type.kind === "ARRAY" ? type.element : type
  const base = {
    name,
    type: restNames[element.kind] ?? element.kind,
    mode: type.kind === "ARRAY" ? "REPEATED" : "NULLABLE"
  }
  return element.kind === "STRUCT"
    ? {
        ...base,
        fields: element.fields.map((field, index) =>
          fieldOf(field.name === "" ? `_field_${index + 1}` : field.name, field.type)
        )
      }
    : base
}

const showField = (field: Field): string =>
  `${field.name} ${field.type}${field.mode === "REPEATED" ? "[]" : ""}${field.fields === undefined ? "" : `(${field.fields.map(showField).join(", ")})`}`

/** The engine's value as the corpus writes it; a TIME or TIMESTAMP as microseconds. */
const plain = (value: DuckDBValue): unknown => {
  if (value instanceof DuckDBListValue) return value.items.map(plain)
  if (value instanceof DuckDBStructValue)
    return Object.fromEntries(Object.entries(value.entries).map(([name, entry]) => [name, plain(entry)]))
  if (value instanceof DuckDBDecimalValue || value instanceof DuckDBDateValue) return value.toString()
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString("base64")
  if (
    value instanceof DuckDBTimestampValue ||
    value instanceof DuckDBTimestampTZValue ||
    value instanceof DuckDBTimeValue
  )
    return value.micros
  return value
}

const decimalParts = (text: string): string => {
  const [whole = "", fraction = ""] = text.replace(/^([+-]?)0+(?=\d)/, "$1").split(".")
  const trimmed = fraction.replace(/0+$/, "")
  return `${whole === "-0" && trimmed === "" ? "0" : whole}.${trimmed}`
}

const microsOf = (text: string): bigint | undefined => {
  const match = /^(?:(\d{4})-(\d\d)-(\d\d)[T ])?(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:Z|\+00:00)?$/.exec(text)
  if (match === null) return undefined
  const date = new Date(0)
  if (match[1] !== undefined) date.setUTCFullYear(Number(match[1]), Number(match[2]) - 1, Number(match[3]))
  date.setUTCHours(Number(match[4]), Number(match[5]), Number(match[6]))
  return BigInt(date.getTime()) * 1000n + BigInt((match[7] ?? "").padEnd(6, "0"))
}

const parsed = (value: unknown): unknown => {
  if (typeof value !== "string") return value
  try {
    const json: unknown = JSON.parse(value)
    return json
  } catch {
    return undefined
  }
}

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "bigint"
      ? inner.toString()
      : inner !== null && typeof inner === "object" && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : inner
  ) ?? "undefined"

const sameValue = (field: Field, expected: unknown, actual: unknown): boolean => {
  if (field.mode === "REPEATED") {
    const items = Array.isArray(actual) ? actual : actual === null ? [] : undefined
    return (
      Array.isArray(expected) &&
      items !== undefined &&
      items.length === expected.length &&
      expected.every((item, index) => sameValue({ ...field, mode: "NULLABLE" }, item, items[index]))
    )
  }
  if (expected === null || actual === null) return expected === actual
  switch (field.type) {
    case "INTEGER":
      return typeof actual === "bigint" && String(expected) === actual.toString()
    case "FLOAT": {
      const a = Number(expected)
      const b = Number(actual)
      return (
        Object.is(a, b) || a === b || Math.abs(a - b) <= Math.max(1e-15, 1e-12 * Math.max(Math.abs(a), Math.abs(b)))
      )
    }
    case "NUMERIC":
    case "BIGNUMERIC":
      return decimalParts(String(expected)) === decimalParts(String(actual))
    case "TIME":
    case "DATETIME":
    case "TIMESTAMP": {
      const micros = microsOf(String(expected))
      const difference = micros === undefined || typeof actual !== "bigint" ? 2n : micros - actual
      return difference <= 1n && difference >= -1n
    }
    case "JSON":
      return canonical(parsed(expected)) === canonical(parsed(actual))
    case "RECORD": {
      const left = new Map(Object.entries(Object(expected)))
      const right = new Map(Object.entries(Object(actual)))
      return (field.fields ?? []).every((inner) =>
        sameValue(inner, left.get(inner.name) ?? null, right.get(inner.name) ?? null)
      )
    }
    default: {
      if (expected === actual) return true
      const [a, b] = [parsed(expected), parsed(actual)]
      return field.type === "STRING" && a !== null && typeof a === "object" && canonical(a) === canonical(b)
    }
  }
}

const show = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) => (typeof inner === "bigint" ? inner.toString() : inner)) ?? "nothing"

/** The difference in words, or undefined when the result is the recorded one. */
export const difference = (
  expected: { readonly schema: ReadonlyArray<Field>; readonly rows: ReadonlyArray<Readonly<Record<string, unknown>>> },
  actual: ResultSet,
  ordered: boolean
): string | undefined => {
  const schema = actual.names.map((name, index) => {
    const type = actual.types[index]
    return fieldOf(name, type === undefined ? { kind: "OTHER" } : fromDuckType(type))
  })
  const [wanted, got] = [expected.schema.map(showField).join(", "), schema.map(showField).join(", ")]
  if (wanted !== got) return `expected the columns ${wanted}; got ${got}`
  const rows = actual.rows.map((row) => row.map(plain))
  const sameRow = (row: Readonly<Record<string, unknown>>, values: ReadonlyArray<unknown>): boolean =>
    expected.schema.every((field, index) => sameValue(field, row[field.name] ?? null, values[index]))
  const left = [...rows]
  const equal =
    rows.length === expected.rows.length &&
    expected.rows.every((row, index) => {
      if (ordered) return sameRow(row, rows[index] ?? [])
      const found = left.findIndex((values) => sameRow(row, values))
      if (found !== -1) left.splice(found, 1)
      return found !== -1
    })
  return equal ? undefined : `expected ${show(expected.rows)}; got ${show(rows)}`
}
