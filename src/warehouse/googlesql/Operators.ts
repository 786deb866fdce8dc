/**
 * Comparisons and arithmetic by the types of both sides.
 */
import * as Either from "effect/Either"
import { convert, fits, unify } from "./Coercion.ts"
import type { Token } from "./Tokens.ts"
import { rejected, unsupported, type Translate, type Translator, type Typed } from "./Translator.ts"
import { duckType, isGroupable, isNumeric, scalar, typeName, type SqlType } from "./Types.ts"

const bool = scalar("BOOL")

const noSignature = (t: Translator, at: Token, operator: string, values: ReadonlyArray<Typed>) =>
  rejected(
    t,
    at,
    `No matching signature for operator ${operator} for argument types: ${values.map((value) => typeName(value.type)).join(", ")}`
  )

/** `=`, `!=`, `<`, `>`, `<=`, `>=`. A FLOAT64 comparison with NaN is false. */
export const compare = (t: Translator, at: Token, operator: string, left: Typed, right: Typed): Translate<Typed> =>
  Either.gen(function* () {
    const comparable =
      isNumeric(left.type) === isNumeric(right.type) || left.type.kind === "NULL" || right.type.kind === "NULL"
    if (!comparable) return yield* noSignature(t, at, operator, [left, right])
    const values = yield* unify(t, at, [left, right], `operator ${operator}`)
    if (values.type.kind === "NULL") return { sql: "CAST(NULL AS BOOLEAN)", type: bool }
    if (!isGroupable(values.type)) {
      return values.type.kind === "JSON"
        ? yield* noSignature(t, at, operator, [left, right])
        : yield* unsupported(t, at, `operator ${operator} over ${typeName(values.type)}`)
    }
    const [a = "", b = ""] = values.sql
    if (values.type.kind === "BIGNUMERIC") {
      // The product or quotient may have more digits than a column holds, and still be compared exactly.
      const [x, y] = [left, right].map((value) => (value.type.kind === "BIGNUMERIC" ? value.operands : undefined))
      const operands = x ?? y
      if (operands !== undefined && (x === undefined || y === undefined)) {
        const other = x === undefined ? a : b
        const sign = `bq_bignumeric_compare_${operands.operation}${operands.safe ? "_safe" : ""}(${operands.left}, ${operands.right}, ${other})`
        return { sql: x === undefined ? `(0 ${operator} ${sign})` : `(${sign} ${operator} 0)`, type: bool }
      }
    }
    if (values.type.kind === "FLOAT64") {
      const same = `(${a} ${operator} ${b})`
      const involved = [left, right].filter((value) => value.literal === undefined && value.type.kind === "FLOAT64")
      const isNan = involved.map((value) => `isnan(${value === left ? a : b})`).join(" OR ")
      return {
        sql: isNan === "" ? same : `(CASE WHEN ${isNan} THEN ${operator === "!=" ? "TRUE" : "FALSE"} ELSE ${same} END)`,
        type: bool
      }
    }
    return { sql: `(${a} ${operator} ${b})`, type: bool }
  })

const udf: Readonly<Record<string, string>> = { "+": "add", "-": "subtract", "*": "multiply", "/": "divide" }

/** The type in which two numbers are added or multiplied. */
export const numericType = (left: Typed, right: Typed, division: boolean): SqlType["kind"] | undefined => {
  const kinds: ReadonlyArray<SqlType["kind"]> = ["INT64", "NUMERIC", "BIGNUMERIC", "FLOAT64"]
  if (![left, right].every((value) => value.type.kind === "NULL" || isNumeric(value.type))) return undefined
  const rank = (value: Typed): number => (value.type.kind === "NULL" ? 0 : kinds.indexOf(value.type.kind))
  // A FLOAT64 literal beside a NUMERIC that is no literal becomes NUMERIC.
  const rankOf = (value: Typed, other: Typed): number =>
    value.literal === "float" && (other.type.kind === "NUMERIC" || other.type.kind === "BIGNUMERIC")
      ? rank(other)
      : rank(value)
  const kind = kinds[Math.max(rankOf(left, right), rankOf(right, left))]
  return division && kind === "INT64" ? "FLOAT64" : kind
}

/** `+`, `-`, `*`, `/`, `||` and the operators on bits. */
export const arithmetic = (t: Translator, at: Token, operator: string, left: Typed, right: Typed): Translate<Typed> =>
  Either.gen(function* () {
    if (operator === "||") return yield* concatenate(t, at, left, right)
    if (["|", "&", "^", "<<", ">>"].includes(operator)) {
      if (left.type.kind !== "INT64" || right.type.kind !== "INT64")
        return yield* noSignature(t, at, operator, [left, right])
      if (operator === "<<" || operator === ">>") return yield* unsupported(t, at, `operator ${operator}`)
      const sql = operator === "^" ? `xor(${left.sql}, ${right.sql})` : `(${left.sql} ${operator} ${right.sql})`
      return { sql, type: left.type }
    }
    if ((operator === "+" || operator === "-") && left.type.kind === "DATE" && right.type.kind === "INT64") {
      return { sql: `bq_date_add_days(${left.sql}, ${operator === "-" ? "-" : ""}(${right.sql}))`, type: left.type }
    }
    if (operator === "+" && right.type.kind === "DATE" && left.type.kind === "INT64") {
      return { sql: `bq_date_add_days(${right.sql}, ${left.sql})`, type: right.type }
    }
    const kind = numericType(left, right, operator === "/")
    if (kind === undefined) return yield* noSignature(t, at, operator, [left, right])
    if (operator === "/" && isInt(left) && isInt(right)) {
      const a = yield* convert(t, at, left, scalar("INT64"), "Operand")
      const b = yield* convert(t, at, right, scalar("INT64"), "Operand")
      return { sql: `bq_divide_int(${a}, ${b})`, type: scalar("FLOAT64") }
    }
    return yield* numericOperation(t, at, operator, kind, left, right, false)
  })

const isInt = (value: Typed): boolean => value.type.kind === "INT64" || value.type.kind === "NULL"

/** One operation in a decided type; `safe` gives NULL instead of an error. */
export const numericOperation = (
  t: Translator,
  at: Token,
  operator: string,
  kind: SqlType["kind"],
  left: Typed,
  right: Typed,
  safe: boolean
): Translate<Typed> =>
  Either.gen(function* () {
    if (kind !== "INT64" && kind !== "FLOAT64" && kind !== "NUMERIC" && kind !== "BIGNUMERIC") {
      return yield* noSignature(t, at, operator, [left, right])
    }
    const type = scalar(kind)
    const suffix = safe ? "_safe" : ""
    if (kind === "BIGNUMERIC" && operator === "*" && (left.type.kind === "INT64" || right.type.kind === "INT64")) {
      const [whole, decimal] = left.type.kind === "INT64" ? [left, right] : [right, left]
      const factor = yield* convert(t, at, decimal, type, "Operand")
      return { sql: `CAST(${factor} * CAST(${whole.sql} AS DECIMAL(19,0)) AS DECIMAL(38,24))`, type }
    }
    const a = yield* convert(t, at, left, type, "Operand")
    const b = yield* convert(t, at, right, type, "Operand")
    if (kind === "INT64") {
      return { sql: safe ? `bq_int64_${udf[operator]}${suffix}(${a}, ${b})` : `(${a} ${operator} ${b})`, type }
    }
    if (kind === "FLOAT64") return { sql: `bq_float64_${udf[operator]}${suffix}(${a}, ${b})`, type }
    if (operator === "+" || operator === "-") {
      return safe ? yield* unsupported(t, at, `SAFE arithmetic on ${kind}`) : { sql: `(${a} ${operator} ${b})`, type }
    }
    const name = `bq_${kind.toLowerCase()}_${udf[operator]}${suffix}`
    const sql = `${name}(${a}, ${b})`
    return { sql, type, operands: { operation: operator === "/" ? "divide" : "multiply", left: a, right: b, safe } }
  })

const concatenate = (t: Translator, at: Token, left: Typed, right: Typed): Translate<Typed> =>
  Either.gen(function* () {
    if (left.type.kind === "ARRAY" && right.type.kind === "ARRAY") {
      const values = yield* unify(t, at, [left, right], "operator ||")
      return {
        sql: `CASE WHEN ${values.sql[0]} IS NULL OR ${values.sql[1]} IS NULL THEN NULL ELSE list_concat(${values.sql[0]}, ${values.sql[1]}) END`,
        type: values.type
      }
    }
    const kind = left.type.kind === "BYTES" || right.type.kind === "BYTES" ? "BYTES" : "STRING"
    const type = scalar(kind)
    if (!fits(left, type, true) || !fits(right, type, true)) return yield* noSignature(t, at, "||", [left, right])
    return {
      // A concatenation with a constant NULL would lose its type.
      sql: `CAST(${yield* convert(t, at, left, type, "Operand")} || ${yield* convert(t, at, right, type, "Operand")} AS ${duckType(type)})`,
      type
    }
  })
