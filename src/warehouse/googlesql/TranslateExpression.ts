/**
 * Expressions of GoogleSQL as DuckDB SQL, with their types.
 */
import * as Either from "effect/Either"
import { callOf, type Expr } from "./Ast.ts"
import { translateCall } from "./Calls.ts"
import { castTo } from "./Casts.ts"
import { commonType, convert, intLiteral, packStruct, typedLiteral, unify } from "./Coercion.ts"
import { translateExtract } from "./DateParts.ts"
import { translateExists } from "./Exists.ts"
import { descend, lookUp } from "./Names.ts"
import { arithmetic, compare } from "./Operators.ts"
import { resolveType } from "./TypeNames.ts"
import {
  innerScope,
  rejected,
  unsupported,
  type Scope,
  type Translate,
  type Translator,
  type Typed
} from "./Translator.ts"
import { arrayOf, duckType, isGroupable, quoteText, scalar, typeName, type SqlType } from "./Types.ts"

const bool = scalar("BOOL")

/** One expression in its scope. */
export const translateExpr = (t: Translator, e: Expr, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    switch (e.kind) {
      case "literal":
        return yield* translateLiteral(t, e)
      case "path":
        return yield* lookUp(t, e.at, e.parts, scope)
      case "field":
        return yield* descend(t, e.at, yield* t.expr(e.target, scope), [e.name])
      case "index":
        return yield* translateIndex(t, e, scope)
      case "parameter": {
        const parameter = t.environment.parameters.get(e.name.toLowerCase())
        return parameter ?? (yield* rejected(t, e.at, `Query parameter '${e.name}' not found`))
      }
      case "position":
        return (
          t.environment.positions[e.index] ??
          (yield* rejected(t, e.at, "Query parameter number " + (e.index + 1) + " is not defined"))
        )
      case "system": {
        const value = t.environment.system.get(e.name)
        return value ?? (yield* unsupported(t, e.at, `the system variable @@${e.name}`))
      }
      case "unary":
        return yield* translateUnary(t, e, scope)
      case "binary": {
        if (e.operator === "AND" || e.operator === "OR") {
          const left = yield* condition(t, e.left, scope, `operator ${e.operator}`)
          return {
            sql: `(${left} ${e.operator} ${yield* condition(t, e.right, scope, `operator ${e.operator}`)})`,
            type: bool
          }
        }
        if ((e.operator === "+" || e.operator === "-") && e.right.kind === "interval") {
          const kind = (yield* t.expr(e.left, scope)).type.kind
          if (kind !== "TIMESTAMP" && kind !== "DATETIME")
            return yield* unsupported(t, e.at, `${kind} ${e.operator} INTERVAL`)
          return yield* translateCall(
            t,
            callOf(e.at, `${kind}_${e.operator === "+" ? "ADD" : "SUB"}`, [e.left, e.right]),
            scope
          )
        }
        const left = yield* t.expr(e.left, scope)
        const right = yield* t.expr(e.right, scope)
        return ["=", "!=", "<", ">", "<=", ">="].includes(e.operator)
          ? yield* compare(t, e.at, e.operator, left, right)
          : yield* arithmetic(t, e.at, e.operator, left, right)
      }
      case "between": {
        const value = yield* t.expr(e.value, scope)
        const low = yield* compare(t, e.at, ">=", value, yield* t.expr(e.low, scope))
        const high = yield* compare(t, e.at, "<=", value, yield* t.expr(e.high, scope))
        return { sql: `(${e.not ? "NOT " : ""}(${low.sql} AND ${high.sql}))`, type: bool }
      }
      case "in":
        return yield* translateIn(t, e, scope)
      case "like": {
        const value = yield* t.expr(e.value, scope)
        const pattern = yield* t.expr(e.pattern, scope)
        const left = yield* convert(t, e.at, value, scalar("STRING"), "Argument of LIKE")
        const right = yield* convert(t, e.at, pattern, scalar("STRING"), "Pattern of LIKE")
        if (pattern.literal === "string" && /\\(?![\\%_])|\\$/.test((pattern.text ?? "").replaceAll("\\\\", ""))) {
          return yield* rejected(t, e.at, "LIKE pattern has an invalid escape sequence")
        }
        if (pattern.literal !== "string") return yield* unsupported(t, e.at, "a LIKE pattern that is no literal")
        return { sql: `(${left} ${e.not ? "NOT " : ""}LIKE ${right} ESCAPE '\\')`, type: bool }
      }
      case "is": {
        const value = yield* t.expr(e.value, scope)
        if (e.what !== "NULL") {
          const sql = yield* convert(t, e.at, value, bool, `Argument of IS ${e.what}`)
          return { sql: `(${sql} IS ${e.not ? "NOT " : ""}${e.what})`, type: bool }
        }
        return { sql: `(${value.sql} IS ${e.not ? "NOT " : ""}NULL)`, type: bool }
      }
      case "distinct-from": {
        const values = yield* unify(
          t,
          e.at,
          [yield* t.expr(e.left, scope), yield* t.expr(e.right, scope)],
          "IS DISTINCT FROM"
        )
        if (!isGroupable(values.type))
          return yield* unsupported(t, e.at, `IS DISTINCT FROM over ${typeName(values.type)}`)
        return { sql: `(${values.sql[0]} IS ${e.not ? "NOT " : ""}DISTINCT FROM ${values.sql[1]})`, type: bool }
      }
      case "case":
        return yield* translateCase(t, e, scope)
      case "cast": {
        const value = yield* t.expr(e.value, scope)
        return yield* castTo(t, e.at, value, yield* resolveType(t, e.type), e.safe)
      }
      case "call":
        return yield* translateCall(t, e, scope)
      case "extract":
        return yield* translateExtract(t, e, scope)
      case "interval":
        return yield* unsupported(t, e.at, "an INTERVAL outside a date function")
      case "array":
        return yield* translateArray(t, e, scope)
      case "struct":
        return yield* translateStruct(t, e, scope)
      case "array-query": {
        const query = yield* t.query(e.query, innerScope(scope))
        const column = query.columns[0]
        if (column === undefined || query.columns.length !== 1) {
          return yield* rejected(
            t,
            e.at,
            "ARRAY subquery cannot have more than one column unless using SELECT AS STRUCT to build STRUCT values"
          )
        }
        return { sql: `ARRAY(${query.sql})`, type: arrayOf(column.type) }
      }
      case "exists":
        return { sql: yield* translateExists(t, e.query, innerScope(scope)), type: bool }
      case "query": {
        const query = yield* t.query(e.query, innerScope(scope))
        const column = query.columns[0]
        if (column === undefined || query.columns.length !== 1) {
          return yield* rejected(
            t,
            e.at,
            "Scalar subquery cannot have more than one column unless using SELECT AS STRUCT to build STRUCT values"
          )
        }
        return { sql: `(${query.sql})`, type: column.type }
      }
    }
  })

/** A condition's SQL. */
export const condition = (t: Translator, e: Expr, scope: Scope, what: string): Translate<string> =>
  Either.flatMap(t.expr(e, scope), (value) => convert(t, e.at, value, bool, `Argument of ${what}`))

const translateLiteral = (t: Translator, e: Expr & { kind: "literal" }): Translate<Typed> =>
  Either.gen(function* () {
    switch (e.type) {
      case "INT64": {
        const value = e.text.startsWith("-") ? -BigInt(e.text.slice(1)) : BigInt(e.text)
        return BigInt.asIntN(64, value) === value
          ? intLiteral(value)
          : yield* rejected(t, e.at, `Invalid integer literal: ${e.text}`)
      }
      case "FLOAT64": {
        const value = Number(e.text)
        if (!Number.isFinite(value)) return yield* rejected(t, e.at, `Invalid floating point literal: ${e.text}`)
        return {
          sql: `CAST('${e.text.toLowerCase()}' AS DOUBLE)`,
          type: scalar("FLOAT64"),
          literal: "float",
          text: e.text
        } satisfies Typed
      }
      case "STRING":
        return { sql: quoteText(e.text), type: scalar("STRING"), literal: "string", text: e.text } satisfies Typed
      case "BYTES":
        return { sql: `from_hex('${Buffer.from(e.text, "latin1").toString("hex")}')`, type: scalar("BYTES") }
      case "BOOL":
        return { sql: e.text, type: bool }
      case "NULL":
        return { sql: "NULL", type: { kind: "NULL" } }
      default: {
        const type = scalar(e.type)
        return { sql: yield* typedLiteral(t, e.at, type, e.text), type }
      }
    }
  })

const translateUnary = (t: Translator, e: Expr & { kind: "unary" }, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    if (e.operator === "NOT") return { sql: `(NOT ${yield* condition(t, e.value, scope, "operator NOT")})`, type: bool }
    const value = yield* t.expr(e.value, scope)
    const numbers: ReadonlyArray<SqlType["kind"]> =
      e.operator === "~" ? ["INT64"] : ["INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC"]
    if (!numbers.includes(value.type.kind)) {
      return yield* rejected(
        t,
        e.at,
        `No matching signature for operator ${e.operator} for argument type ${typeName(value.type)}`
      )
    }
    return { sql: `(${e.operator} ${value.sql})`, type: value.type }
  })

const translateIndex = (t: Translator, e: Expr & { kind: "index" }, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    const target = yield* t.expr(e.target, scope)
    const index = yield* t.expr(e.index, scope)
    if (target.type.kind === "JSON" && e.mode === "PLAIN") {
      if (index.type.kind === "INT64")
        return { sql: `CAST(bq_json_element(${target.sql}, ${index.sql}) AS JSON)`, type: target.type }
      return {
        sql: `bq_json_field(${target.sql}, ${yield* convert(t, e.at, index, scalar("STRING"), "JSON subscript")})`,
        type: target.type
      }
    }
    if (target.type.kind !== "ARRAY")
      return yield* rejected(t, e.at, `Element access is not supported on ${typeName(target.type)}`)
    const position = yield* convert(t, e.at, index, scalar("INT64"), "Array position")
    const ordinal = e.mode.endsWith("ORDINAL") ? position : `(${position} + 1)`
    const safe = e.mode.startsWith("SAFE")
    const sql = `CASE WHEN ${target.sql} IS NULL OR ${position} IS NULL THEN NULL WHEN ${ordinal} BETWEEN 1 AND len(${target.sql}) THEN (${target.sql})[${ordinal}] ${
      safe ? "" : `ELSE error('Array index ' || ${position} || ' is out of bounds') `
    }END`
    return { sql: `(${sql})`, type: target.type.element }
  })

const translateIn = (t: Translator, e: Expr & { kind: "in" }, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    const value = yield* t.expr(e.value, scope)
    const not = e.not ? "NOT " : ""
    if (e.options.kind === "list") {
      const items: Array<Typed> = []
      for (const item of e.options.items) items.push(yield* t.expr(item, scope))
      if (
        value.type.kind === "FLOAT64" ||
        value.type.kind === "STRUCT" ||
        items.some((item) => item.type.kind === "FLOAT64")
      ) {
        return yield* unsupported(t, e.at, `IN over ${typeName(value.type)}`)
      }
      const values = yield* unify(t, e.at, [value, ...items], "IN")
      if (!isGroupable(values.type)) return yield* unsupported(t, e.at, `IN over ${typeName(values.type)}`)
      return { sql: `(${values.sql[0]} ${not}IN (${values.sql.slice(1).join(", ")}))`, type: bool }
    }
    if (e.options.kind === "unnest") {
      const array = yield* t.expr(e.options.array, scope)
      if (array.type.kind !== "ARRAY") return yield* rejected(t, e.at, "Second argument of IN UNNEST must be an array")
      const element: Typed = { sql: "", type: array.type.element }
      const type = yield* commonType(t, e.at, [value, element], "IN UNNEST")
      if (!isGroupable(type) || type.kind === "FLOAT64")
        return yield* unsupported(t, e.at, `IN UNNEST over ${typeName(type)}`)
      const left = yield* convert(t, e.at, value, type, "IN UNNEST")
      const list = yield* convert(t, e.at, array, arrayOf(type), "IN UNNEST")
      return { sql: `(${not}bq_in_array(${left}, ${list}))`, type: bool }
    }
    const query = yield* t.query(e.options.query, innerScope(scope))
    const column = query.columns[0]
    if (column === undefined || query.columns.length !== 1)
      return yield* rejected(t, e.at, "Subquery of type IN must have only one output column")
    const type = yield* commonType(t, e.at, [value, { sql: "", type: column.type }], "IN")
    if (!isGroupable(type) || type.kind === "FLOAT64") return yield* unsupported(t, e.at, `IN over ${typeName(type)}`)
    const inner = yield* convert(t, e.at, { sql: `"${column.column}"`, type: column.type }, type, "IN")
    const left = yield* convert(t, e.at, value, type, "IN")
    const sql = column.type.kind === type.kind ? query.sql : `SELECT ${inner} FROM (${query.sql})`
    return { sql: `(${left} ${not}IN (${sql}))`, type: bool }
  })

const translateCase = (t: Translator, e: Expr & { kind: "case" }, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    const conditions: Array<string> = []
    const results: Array<Typed> = []
    const value = e.value === undefined ? undefined : yield* t.expr(e.value, scope)
    for (const branch of e.branches) {
      conditions.push(
        value === undefined
          ? yield* condition(t, branch.when, scope, "CASE WHEN")
          : (yield* compare(t, branch.when.at, "=", value, yield* t.expr(branch.when, scope))).sql
      )
      results.push(yield* t.expr(branch.result, scope))
    }
    if (e.otherwise !== undefined) results.push(yield* t.expr(e.otherwise, scope))
    const values = yield* unify(t, e.at, results, "CASE")
    const branches = conditions.map((when, index) => `WHEN ${when} THEN ${values.sql[index] ?? "NULL"}`)
    const otherwise = e.otherwise === undefined ? "" : ` ELSE ${values.sql.at(-1) ?? "NULL"}`
    return { sql: `(CASE ${branches.join(" ")}${otherwise} END)`, type: values.type }
  })

const translateArray = (t: Translator, e: Expr & { kind: "array" }, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    const declared = e.type === undefined ? undefined : yield* resolveType(t, e.type)
    const items: Array<Typed> = []
    for (const item of e.items) items.push(yield* t.expr(item, scope))
    const element: SqlType =
      declared !== undefined && declared.kind === "ARRAY"
        ? declared.element
        : yield* commonType(t, e.at, items, "array elements")
    if (element.kind === "ARRAY")
      return yield* rejected(
        t,
        e.at,
        "Cannot construct array with element type ARRAY because nested arrays are not supported"
      )
    const parts: Array<Typed> = []
    for (const item of items) {
      parts.push({ ...item, sql: yield* convert(t, e.at, item, element, "Array element"), type: element })
    }
    const type = arrayOf(element)
    return {
      sql: `CAST([${parts.map((part) => part.sql).join(", ")}] AS ${duckType(type)})`,
      type,
      ...(e.type === undefined &&
      items.every((item) => item.literal !== undefined || item.type.kind === "NULL" || item.parts !== undefined)
        ? { parts: items }
        : {})
    }
  })

const translateStruct = (t: Translator, e: Expr & { kind: "struct" }, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    const declared = e.type === undefined ? undefined : yield* resolveType(t, e.type)
    const parts: Array<Typed> = []
    for (const field of e.fields) parts.push(yield* t.expr(field.value, scope))
    if (declared !== undefined && declared.kind === "STRUCT") {
      if (declared.fields.length !== parts.length)
        return yield* rejected(t, e.at, "STRUCT type has a different number of fields than its constructor")
      const fields: Array<string> = []
      for (const [index, part] of parts.entries()) {
        fields.push(yield* convert(t, e.at, part, declared.fields[index]?.type ?? part.type, "Struct field"))
      }
      return { sql: packStruct(declared, fields), type: declared }
    }
    if (parts.length === 0) return yield* unsupported(t, e.at, "an empty STRUCT")
    const type = {
      kind: "STRUCT" as const,
      fields: parts.map((part, index) => {
        const field = e.fields[index]
        const inferred = field?.name ?? (field === undefined ? "" : impliedName(field.value))
        return { name: inferred, type: part.type.kind === "NULL" ? scalar("INT64") : part.type }
      })
    }
    const fields: Array<string> = []
    for (const [index, part] of parts.entries())
      fields.push(yield* convert(t, e.at, part, type.fields[index]?.type ?? part.type, "Struct field"))
    return { sql: packStruct(type, fields), type, parts }
  })

/** The name that a column or field takes from its expression: the last part of a path. */
export const impliedName = (e: Expr): string =>
  e.kind === "path" ? (e.parts.at(-1) ?? "") : e.kind === "field" ? e.name : ""
