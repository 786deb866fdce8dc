/**
 * FORMAT with a literal format string: each specifier is checked against its argument's type when the statement is translated.
 */
import * as Either from "effect/Either"
import type { Call } from "./Ast.ts"
import { castTo } from "./Casts.ts"
import { unsupported, type Translate, type Translator, type Typed } from "./Translator.ts"
import { quoteText, scalar, typeName } from "./Types.ts"

const specifier = /%(?:(%)|([-+ #0']*)(\*|\d+)?(?:\.(\*|\d+))?([a-zA-Z]))/g

/** FORMAT(format, ...). NULL gives NULL, but %t and %T write it as text. */
export const translateFormat = (t: Translator, e: Call, args: ReadonlyArray<Typed>): Translate<Typed> =>
  Either.gen(function* () {
    const format = args[0]
    if (format?.text === undefined || format.literal !== "string")
      return yield* unsupported(t, e.at, "FORMAT with a format that is no literal")
    const pieces: Array<string> = []
    let next = 1
    let position = 0
    for (const match of format.text.matchAll(specifier)) {
      if (format.text.slice(position, match.index).includes("%"))
        return yield* unsupported(t, e.at, "this format string")
      pieces.push(quoteText(format.text.slice(position, match.index)))
      position = match.index + match[0].length
      if (match[1] === "%") {
        pieces.push("'%'")
        continue
      }
      const arg = args[next]
      next++
      if (arg === undefined) return yield* unsupported(t, e.at, "FORMAT with too few arguments")
      pieces.push(yield* piece(t, e, arg, match))
    }
    if (format.text.slice(position).includes("%")) return yield* unsupported(t, e.at, "this format string")
    pieces.push(quoteText(format.text.slice(position)))
    if (next !== args.length) return yield* unsupported(t, e.at, "FORMAT with too many arguments")
    const used = pieces.filter((each) => each !== "''")
    return { sql: `CAST(${used.length === 0 ? "''" : used.join(" || ")} AS VARCHAR)`, type: scalar("STRING") }
  })

const piece = (t: Translator, e: Call, arg: Typed, match: RegExpMatchArray): Translate<string> =>
  Either.gen(function* () {
    const [whole, , flags = "", width, precision, conversion = ""] = match
    if (width === "*" || precision === "*") return yield* unsupported(t, e.at, `the format ${whole}`)
    const pad = (sql: string): string =>
      width === undefined
        ? sql
        : `bq_${flags.includes("-") ? "rpad_to" : "lpad_to"}(${sql}, CAST(${width} AS BIGINT), '${flags.includes("0") && !flags.includes("-") && conversion !== "s" ? "0" : " "}')`
    const kind = arg.type.kind
    if (/[+ #']/.test(flags) || (flags.includes("0") && conversion === "s"))
      return yield* unsupported(t, e.at, `the format ${whole}`)
    switch (conversion) {
      case "s":
        if (kind !== "STRING" || precision !== undefined)
          return yield* unsupported(t, e.at, `the format ${whole} for ${typeName(arg.type)}`)
        return pad(arg.sql)
      case "d":
      case "i":
        if (kind !== "INT64" || precision !== undefined)
          return yield* unsupported(t, e.at, `the format ${whole} for ${typeName(arg.type)}`)
        return width !== undefined && flags.includes("0")
          ? `bq_zero_pad(${arg.sql}, CAST(${width} AS BIGINT))`
          : pad(`CAST(${arg.sql} AS VARCHAR)`)
      case "x":
      case "X":
        if (kind !== "INT64" || precision !== undefined)
          return yield* unsupported(t, e.at, `the format ${whole} for ${typeName(arg.type)}`)
        return pad(`bq_format_hex(${arg.sql}, ${conversion === "X" ? "TRUE" : "FALSE"})`)
      case "f":
        if ((kind !== "FLOAT64" && kind !== "NUMERIC" && kind !== "BIGNUMERIC") || flags.includes("0")) {
          return yield* unsupported(t, e.at, `the format ${whole} for ${typeName(arg.type)}`)
        }
        return pad(
          kind === "FLOAT64"
            ? `bq_float64_fixed(${arg.sql}, CAST(${precision ?? "6"} AS BIGINT))`
            : `bq_${kind.toLowerCase()}_fixed(${arg.sql}, CAST(${precision ?? "6"} AS BIGINT))`
        )
      case "t":
        if (
          !["STRING", "INT64", "BOOL", "DATE", "NUMERIC", "BIGNUMERIC", "TIMESTAMP", "DATETIME"].includes(kind) ||
          flags !== "" ||
          precision !== undefined
        ) {
          return yield* unsupported(t, e.at, `the format ${whole} for ${typeName(arg.type)}`)
        }
        return pad(`coalesce(${(yield* castTo(t, e.at, arg, scalar("STRING"), false)).sql}, 'NULL')`)
      case "T":
        if (kind === "STRING" && width === undefined) return `coalesce(bq_string_literal(${arg.sql}), 'NULL')`
        if (kind === "INT64" && width === undefined) return `coalesce(CAST(${arg.sql} AS VARCHAR), 'NULL')`
        return yield* unsupported(t, e.at, `the format ${whole} for ${typeName(arg.type)}`)
      default:
        return yield* unsupported(t, e.at, `the format ${whole}`)
    }
  })
