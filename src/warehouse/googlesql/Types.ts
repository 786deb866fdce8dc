/**
 * The types of GoogleSQL that the adapter knows, their DuckDB counterparts, and BigQuery's supertypes.
 *
 * NUMERIC is DECIMAL(38,9), the same range as BigQuery's. BIGNUMERIC is DECIMAL(38,24): a value that needs more digits is an error.
 */
import { DuckDBTypeId, type DuckDBType } from "@duckdb/node-api"

export type ScalarKind =
  | "INT64"
  | "FLOAT64"
  | "NUMERIC"
  | "BIGNUMERIC"
  | "STRING"
  | "BYTES"
  | "BOOL"
  | "DATE"
  | "DATETIME"
  | "TIMESTAMP"
  | "TIME"
  | "JSON"

/** `NULL` is the type of a bare NULL, `OTHER` a column type of the engine that GoogleSQL has no name for. */
export type SqlType =
  | { readonly kind: ScalarKind | "NULL" | "OTHER" }
  | { readonly kind: "ARRAY"; readonly element: SqlType }
  | { readonly kind: "STRUCT"; readonly fields: ReadonlyArray<StructField> }

export interface StructField {
  /** Empty for an anonymous field. */
  readonly name: string
  readonly type: SqlType
}

const scalars: Readonly<Record<ScalarKind, string>> = {
  INT64: "BIGINT",
  FLOAT64: "DOUBLE",
  NUMERIC: "DECIMAL(38,9)",
  BIGNUMERIC: "DECIMAL(38,24)",
  STRING: "VARCHAR",
  BYTES: "BLOB",
  BOOL: "BOOLEAN",
  DATE: "DATE",
  DATETIME: "TIMESTAMP",
  TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
  TIME: "TIME",
  JSON: "JSON"
}

export const scalar = <K extends ScalarKind>(kind: K): { readonly kind: K } => ({ kind })
export const arrayOf = (element: SqlType): SqlType => ({ kind: "ARRAY", element })
export const nullType: SqlType = { kind: "NULL" }

/** Double-quoted name for DuckDB. */
export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`
/** Single-quoted text for DuckDB, typed as VARCHAR. */
export const quoteText = (text: string): string =>
  text.includes("\0")
    ? `(${text
        .split("\0")
        .map((part) => `'${part.replaceAll("'", "''")}'`)
        .join(" || chr(0) || ")})`
    : `'${text.replaceAll("'", "''")}'`

/** The type as DuckDB writes it; a bare NULL is INT64, as in BigQuery. */
export const duckType = (type: SqlType): string => {
  switch (type.kind) {
    case "ARRAY":
      return `${duckType(type.element)}[]`
    case "STRUCT":
      return `STRUCT(${type.fields.map((field, index) => `${quoteName(fieldName(field, index))} ${duckType(field.type)}`).join(", ")})`
    case "NULL":
    case "OTHER":
      return "BIGINT"
    default:
      return scalars[type.kind]
  }
}

/** Name of a struct field inside DuckDB, which has no anonymous ones beside named ones. */
export const fieldName = (field: StructField, index: number): string =>
  field.name === "" ? `_field_${index + 1}` : field.name

/** The type as BigQuery's messages and INFORMATION_SCHEMA write it. */
export const typeName = (type: SqlType): string => {
  switch (type.kind) {
    case "ARRAY":
      return `ARRAY<${typeName(type.element)}>`
    case "STRUCT":
      return `STRUCT<${type.fields.map((field) => `${field.name === "" ? "" : `${field.name} `}${typeName(field.type)}`).join(", ")}>`
    case "NULL":
      return "INT64"
    default:
      return type.kind
  }
}

const byTypeId: ReadonlyMap<DuckDBTypeId, ScalarKind> = new Map([
  [DuckDBTypeId.BIGINT, "INT64"],
  [DuckDBTypeId.DOUBLE, "FLOAT64"],
  [DuckDBTypeId.BLOB, "BYTES"],
  [DuckDBTypeId.BOOLEAN, "BOOL"],
  [DuckDBTypeId.DATE, "DATE"],
  [DuckDBTypeId.TIMESTAMP, "DATETIME"],
  [DuckDBTypeId.TIMESTAMP_TZ, "TIMESTAMP"],
  [DuckDBTypeId.TIME, "TIME"]
])

/** The GoogleSQL type of an engine type. */
export const fromDuckType = (type: DuckDBType): SqlType => {
  switch (type.typeId) {
    case DuckDBTypeId.VARCHAR:
      return { kind: type.alias === "JSON" ? "JSON" : "STRING" }
    case DuckDBTypeId.DECIMAL:
      return type.width === 38 && type.scale === 9
        ? { kind: "NUMERIC" }
        : type.width === 38 && type.scale === 24
          ? { kind: "BIGNUMERIC" }
          : { kind: "OTHER" }
    case DuckDBTypeId.LIST:
      return arrayOf(fromDuckType(type.valueType))
    case DuckDBTypeId.STRUCT:
      return {
        kind: "STRUCT",
        fields: type.entryNames.map((name, index) => {
          const entry = type.entryTypes[index]
          return {
            name: name === `_field_${index + 1}` ? "" : name,
            type: entry === undefined ? { kind: "OTHER" } : fromDuckType(entry)
          }
        })
      }
    default: {
      const kind = byTypeId.get(type.typeId)
      return kind === undefined ? { kind: "OTHER" } : { kind }
    }
  }
}

export const sameType = (a: SqlType, b: SqlType): boolean => {
  if (a.kind === "ARRAY" && b.kind === "ARRAY") return sameType(a.element, b.element)
  if (a.kind === "STRUCT" && b.kind === "STRUCT") {
    return (
      a.fields.length === b.fields.length &&
      a.fields.every((field, index) => {
        const other = b.fields[index]
        return (
          other !== undefined &&
          field.name.toLowerCase() === other.name.toLowerCase() &&
          sameType(field.type, other.type)
        )
      })
    )
  }
  return a.kind === b.kind
}

const numericOrder: ReadonlyArray<SqlType["kind"]> = ["INT64", "NUMERIC", "BIGNUMERIC", "FLOAT64"]
export const isNumeric = (type: SqlType): boolean => numericOrder.includes(type.kind)

/** Whether a value that is no literal turns into the target by itself. */
export const widens = (from: SqlType, to: SqlType): boolean =>
  from.kind === "NULL" ||
  sameType(from, to) ||
  (isNumeric(from) && isNumeric(to) && numericOrder.indexOf(from.kind) <= numericOrder.indexOf(to.kind))

/** The common type of values that are no literals; undefined when there is none. */
export const supertype = (a: SqlType, b: SqlType): SqlType | undefined => {
  if (widens(a, b)) return b
  if (widens(b, a)) return a
  if (a.kind === "STRUCT" && b.kind === "STRUCT" && a.fields.length === b.fields.length) {
    const fields = a.fields.map((field, index) => {
      const other = b.fields[index]
      const type = other === undefined ? undefined : supertype(field.type, other.type)
      return type === undefined || (other?.name !== "" && field.name !== "" && other?.name !== field.name)
        ? undefined
        : { name: field.name, type }
    })
    return fields.every((field) => field !== undefined) ? { kind: "STRUCT", fields } : undefined
  }
  if (a.kind === "ARRAY" && b.kind === "ARRAY" && a.element.kind === "NULL") return b
  if (a.kind === "ARRAY" && b.kind === "ARRAY" && b.element.kind === "NULL") return a
  return undefined
}

/** Whether values can be compared for equality and grouped. */
export const isGroupable = (type: SqlType): boolean =>
  type.kind !== "ARRAY" && type.kind !== "STRUCT" && type.kind !== "JSON" && type.kind !== "OTHER"
