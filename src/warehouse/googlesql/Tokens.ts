/**
 * GoogleSQL's lexical grammar: identifiers, literals with their escapes, parameters and comments.
 */
import * as Either from "effect/Either"
import { StatementFailed, UnsupportedSql } from "../Warehouse.ts"

export type TokenKind =
  | "identifier"
  | "quoted"
  | "integer"
  | "float"
  | "string"
  | "bytes"
  | "parameter"
  | "position"
  | "system"
  | "symbol"
  | "end"

/** `text` is an identifier as written, a literal's value, or the symbol; `upper` is for keyword comparison and empty for a quoted name. */
export interface Token {
  readonly kind: TokenKind
  readonly text: string
  readonly upper: string
  readonly line: number
  readonly column: number
  readonly start: number
  readonly end: number
}

const symbols = ["<<", ">>", "<=", ">=", "<>", "!=", "||", "=>", "|>"]
const singles = "()[]{},.;:+-*/=<>&|^~@"
const identifierPattern = /[A-Za-z_][A-Za-z0-9_]*/y
const numberPattern = /0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y
const stringPattern = /(rb|br|r|b)?("""|'''|"|')/iy
const maxScriptCharacters = 4_000_000

/** Splits a text into tokens; the last one has the kind `end`. */
export const tokenize = (
  source: string,
  text: string
): Either.Either<ReadonlyArray<Token>, UnsupportedSql | StatementFailed> => {
  const tokens: Array<Token> = []
  let position = 0
  let line = 1
  let lineStart = 0
  const refuse = (reason: string) =>
    Either.left(new UnsupportedSql({ source, line, column: position - lineStart + 1, reason }))
  const reject = (reason: string) =>
    Either.left(
      new StatementFailed({
        statement: source,
        reason: `Syntax error: ${reason} at [${line}:${position - lineStart + 1}]`
      })
    )
  const push = (kind: TokenKind, end: number, value: string) => {
    tokens.push({
      kind,
      text: value,
      upper: kind === "identifier" ? value.toUpperCase() : kind === "symbol" ? value : "",
      line,
      column: position - lineStart + 1,
      start: position,
      end
    })
    for (let at = position; at < end; at++) {
      if (text.charCodeAt(at) === 10) {
        line++
        lineStart = at + 1
      }
    }
    position = end
  }
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = position
    return pattern.exec(text)
  }
  if (text.length > maxScriptCharacters) return refuse(`a script of more than ${maxScriptCharacters} characters`)

  while (position < text.length) {
    const char = text.charAt(position)
    if (/\s/.test(char)) {
      position++
      if (char === "\n") {
        line++
        lineStart = position
      }
      continue
    }
    if (char === "#" || text.startsWith("--", position)) {
      const end = text.indexOf("\n", position)
      position = end === -1 ? text.length : end
      continue
    }
    if (text.startsWith("/*", position)) {
      const end = text.indexOf("*/", position + 2)
      if (end === -1) return reject("Unclosed comment")
      for (let at = position; at < end; at++) {
        if (text.charCodeAt(at) === 10) {
          line++
          lineStart = at + 1
        }
      }
      position = end + 2
      continue
    }
    const opening = match(stringPattern)
    if (opening !== null) {
      const prefix = (opening[1] ?? "").toLowerCase()
      const quote = opening[2] ?? "'"
      const end = closingQuote(text, position + opening[0].length, quote)
      if (end === undefined) {
        return reject(quote.length === 3 ? "Unclosed triple-quoted string literal" : "Unclosed string literal")
      }
      const raw = text.slice(position + opening[0].length, end).replaceAll("\r\n", "\n")
      const value = prefix.includes("r") ? raw : unescape(raw, prefix.includes("b"))
      if (value === undefined) return refuse(`the escape sequences of ${text.slice(position, end + quote.length)}`)
      push(prefix.includes("b") ? "bytes" : "string", end + quote.length, value)
      continue
    }
    if (char === "`") {
      const end = text.indexOf("`", position + 1)
      if (end === -1) return reject("Unclosed identifier literal")
      const name = text.slice(position + 1, end)
      if (name.includes("\\")) return refuse("an escape sequence in a quoted name")
      if (name === "") return reject("Invalid empty identifier")
      push("quoted", end + 1, name)
      continue
    }
    const identifier = match(identifierPattern)
    if (identifier !== null) {
      push("identifier", position + identifier[0].length, identifier[0])
      continue
    }
    const previous = tokens.at(-1)
    const number = char === "." && previous !== undefined && previous.end === position ? null : match(numberPattern)
    if (number !== null) {
      const value = number[0]
      if (/[A-Za-z_]/.test(text.charAt(position + value.length))) return refuse("a name that begins with a digit")
      push(/^0[xX]|^\d+$/.test(value) ? "integer" : "float", position + value.length, value)
      continue
    }
    if (char === "@") {
      const system = text.startsWith("@@", position)
      identifierPattern.lastIndex = position + (system ? 2 : 1)
      const name = identifierPattern.exec(text)
      if (name === null) return refuse("a character @ without a name")
      push(system ? "system" : "parameter", identifierPattern.lastIndex, name[0])
      continue
    }
    if (char === "?") {
      push("position", position + 1, char)
      continue
    }
    const double = symbols.find((symbol) => text.startsWith(symbol, position))
    if (double !== undefined || singles.includes(char)) {
      push("symbol", position + (double ?? char).length, double ?? char)
      continue
    }
    return reject(`Illegal input character "${char}"`)
  }
  push("end", position, "")
  return Either.right(tokens)
}

const closingQuote = (text: string, from: number, quote: string): number | undefined => {
  for (let at = from; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === "\\") at++
    else if (quote.length === 1 && char === "\n") return undefined
    else if (text.startsWith(quote, at)) return at
  }
  return undefined
}

const simpleEscapes: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "?": "?",
  '"': '"',
  "'": "'",
  "`": "`"
}

/** Escapes resolved; for bytes each character of the result is one byte. */
const unescape = (raw: string, bytes: boolean): string | undefined => {
  let valid = true
  const source = bytes ? Buffer.from(raw, "utf8").toString("latin1") : raw
  const value = source.replaceAll(
    /\\(?:x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([\s\S]))/g,
    (_whole, hex?: string, hexUpper?: string, four?: string, eight?: string, octal?: string, simple?: string) => {
      const code = hex ?? hexUpper
      if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16))
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8))
      const point = four ?? eight
      if (point !== undefined) {
        const value = Number.parseInt(point, 16)
        if (bytes || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) valid = false
        else return String.fromCodePoint(value)
        return ""
      }
      const replacement = simpleEscapes[simple ?? ""]
      if (replacement === undefined) valid = false
      return replacement ?? ""
    }
  )
  return valid ? value : undefined
}
