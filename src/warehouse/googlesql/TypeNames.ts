/**
 * Written type names, as in a cast or a column definition.
 */
import * as Either from "effect/Either"
import type { TypeName } from "./Ast.ts"
import { unsupported, type Translate, type Translator } from "./Translator.ts"
import { arrayOf, scalar, type SqlType } from "./Types.ts"

/** The type that a written type name means. */
export const resolveType = (t: Translator, name: TypeName): Translate<SqlType> =>
  Either.gen(function* () {
    const parameters = name.parameters.join(",")
    switch (name.name) {
      case "ARRAY": {
        const element = name.fields[0]
        return element === undefined
          ? yield* unsupported(t, name.at, "ARRAY without a type")
          : arrayOf(yield* resolveType(t, element.type))
      }
      case "STRUCT": {
        const fields: Array<{ name: string; type: SqlType }> = []
        for (const field of name.fields) fields.push({ name: field.name, type: yield* resolveType(t, field.type) })
        return fields.length === 0
          ? yield* unsupported(t, name.at, "STRUCT without fields")
          : { kind: "STRUCT", fields }
      }
      default: {
        const kind = typeNames[name.name]
        if (kind === undefined) return yield* unsupported(t, name.at, `the type ${name.name}`)
        const allowed = kind === "NUMERIC" ? "38,9" : kind === "BIGNUMERIC" ? "38,24" : ""
        if (parameters !== "" && parameters !== allowed)
          return yield* unsupported(t, name.at, `the type ${name.name}(${parameters})`)
        return scalar(kind)
      }
    }
  })

const typeNames: Readonly<Record<string, Parameters<typeof scalar>[0]>> = {
  INT64: "INT64",
  INT: "INT64",
  INTEGER: "INT64",
  BIGINT: "INT64",
  SMALLINT: "INT64",
  TINYINT: "INT64",
  BYTEINT: "INT64",
  FLOAT64: "FLOAT64",
  NUMERIC: "NUMERIC",
  DECIMAL: "NUMERIC",
  BIGNUMERIC: "BIGNUMERIC",
  BIGDECIMAL: "BIGNUMERIC",
  STRING: "STRING",
  BYTES: "BYTES",
  BOOL: "BOOL",
  BOOLEAN: "BOOL",
  DATE: "DATE",
  DATETIME: "DATETIME",
  TIMESTAMP: "TIMESTAMP",
  TIME: "TIME",
  JSON: "JSON"
}
