/**
 * The allow-list's notation: `STRING, INT64 -> STRING` with DuckDB SQL in which `$1`, `$2` are the arguments.
 *
 * `[T]` is an array, `T*` repeats, FLOAT64 takes an INT64 but never a decimal (BigQuery has other signatures for those), JSON and the
 * rest take their own type. A template that is one call of a prelude function has a twin whose name ends in `_safe`.
 */
import * as Either from "effect/Either"
import { coerce, fits } from "./Coercion.ts"
import type { Token } from "./Tokens.ts"
import { unsupported, type Translate, type Translator, type Typed } from "./Translator.ts"
import { arrayOf, duckType, scalar, typeName, type ScalarKind, type SqlType } from "./Types.ts"

export interface Signature {
  readonly parameters: ReadonlyArray<SqlType>
  readonly repeated: boolean
  readonly returns: SqlType
  readonly template: string
}

const kinds: ReadonlyArray<ScalarKind> = [
  "INT64",
  "FLOAT64",
  "NUMERIC",
  "BIGNUMERIC",
  "STRING",
  "BYTES",
  "BOOL",
  "DATE",
  "DATETIME",
  "TIMESTAMP",
  "TIME",
  "JSON"
]

const parseTypeText = (text: string): SqlType => {
  const name = text.trim()
  const kind = kinds.find((kind) => kind === name)
  return kind !== undefined
    ? scalar(kind)
    : name.startsWith("[")
      ? arrayOf(parseTypeText(name.slice(1, -1)))
      : { kind: "OTHER" }
}

/** A signature from its notation. */
export const signature = (notation: string, template: string): Signature => {
  const [left = "", right = ""] = notation.split("->")
  const names = left.trim() === "" ? [] : left.split(",")
  return {
    parameters: names.map((name) => parseTypeText(name.replace("*", ""))),
    repeated: left.trim().endsWith("*"),
    returns: parseTypeText(right),
    template
  }
}

/** Functions by name, each with its signatures from the narrowest to the widest. */
export const functionTable = (
  table: Readonly<Record<string, ReadonlyArray<readonly [string, string]>>>
): ReadonlyMap<string, ReadonlyArray<Signature>> =>
  new Map(
    Object.entries(table).map(([name, list]) => [
      name,
      list.map(([notation, template]) => signature(notation, template))
    ])
  )

const accepts = (value: Typed, parameter: SqlType, literals: boolean): boolean =>
  parameter.kind === "FLOAT64" && (value.type.kind === "NUMERIC" || value.type.kind === "BIGNUMERIC")
    ? false
    : fits(value, parameter, literals)

/** Native functions that never fail, so that SAFE. changes nothing. */
const total = new Set([
  "UPPER",
  "LOWER",
  "LENGTH",
  "CHAR_LENGTH",
  "BYTE_LENGTH",
  "STARTS_WITH",
  "ENDS_WITH",
  "CONCAT",
  "TO_HEX",
  "TO_BASE64"
])

/** The call by the first signature that fits. */
export const applySignature = (
  t: Translator,
  at: Token,
  name: string,
  signatures: ReadonlyArray<Signature>,
  args: ReadonlyArray<Typed>,
  safe: boolean
): Translate<Typed> =>
  Either.gen(function* () {
    const counted = signatures.filter((each) =>
      each.repeated ? args.length >= each.parameters.length : each.parameters.length === args.length
    )
    const parameterAt = (each: Signature, index: number): SqlType =>
      each.parameters[Math.min(index, each.parameters.length - 1)] ?? { kind: "OTHER" }
    const match =
      counted.find((each) => args.every((arg, index) => accepts(arg, parameterAt(each, index), false))) ??
      counted.find((each) => args.every((arg, index) => accepts(arg, parameterAt(each, index), true)))
    if (match === undefined) {
      return yield* unsupported(
        t,
        at,
        `No matching signature for function ${name} for argument types: ${args.map((arg) => typeName(arg.type)).join(", ")}`
      )
    }
    const values: Array<string> = []
    for (const [index, arg] of args.entries()) values.push(yield* coerce(t, at, arg, parameterAt(match, index)))
    let template = match.template
    if (safe && !total.has(name)) {
      const call = /^(bq_[a-z0-9_]+)(\(.*\))$/s.exec(template)
      if (call === null) return yield* unsupported(t, at, `SAFE.${name}`)
      template = `${call[1]}_safe${call[2]}`
    }
    const sql = template.replaceAll(/\$(\d|\|)/g, (_whole, which: string) =>
      which === "|" ? values.join(" || ") : (values[Number(which) - 1] ?? "NULL")
    )
    // The prelude's functions give JSON as text.
    const element = match.returns.kind === "ARRAY" ? match.returns.element : match.returns
    return { sql: element.kind === "JSON" ? `CAST(${sql} AS ${duckType(match.returns)})` : sql, type: match.returns }
  })
