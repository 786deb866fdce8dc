/**
 * Strings by code points, with BigQuery's rules for white space, positions and padding.
 */
import { createHash } from "node:crypto"
import { bool, bytes, fail, int64, list, native1, native2, native3, text, unsupported, type Native } from "./Native.ts"
import type { DuckDBValue } from "@duckdb/node-api"

/** Unicode's White_Space property; JavaScript's \s differs by U+0085 and U+FEFF. */
const whiteSpace = "\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"
const leading = new RegExp(`^[${whiteSpace}]+`)
const trailing = new RegExp(`[${whiteSpace}]+$`)
const maxTextLength = 50_000_000n

const isAscii = (value: string): boolean => {
  for (let index = 0; index < value.length; index++) if (value.charCodeAt(index) > 127) return false
  return true
}
/** Code points; a string for ASCII, which needs no splitting. */
const points = (value: string): ReadonlyArray<string> | string => (isAscii(value) ? value : [...value])
const slice = (value: ReadonlyArray<string> | string, from: number, to: number): string => {
  const part = value.slice(from, to)
  return typeof part === "string" ? part : part.join("")
}

const trimCharacters = (start: boolean, end: boolean) => (value: string, characters: string) => {
  const set = new Set(characters)
  const all = [...value]
  let from = 0
  let to = all.length
  if (start) while (from < to && set.has(all[from] ?? "")) from++
  if (end) while (to > from && set.has(all[to - 1] ?? "")) to--
  return all.slice(from, to).join("")
}

const substr = (value: string, position: bigint, length: bigint) => {
  if (length < 0n) return fail("Third argument in SUBSTR() cannot be negative")
  const all = points(value)
  const size = BigInt(all.length)
  let from = position > 0n ? position - 1n : position === 0n ? 0n : size + position
  if (from < 0n) from = 0n
  if (from >= size) return ""
  const to = length >= size - from ? size : from + length
  return slice(all, Number(from), Number(to))
}

const pad = (left: boolean, name: string) => (value: string, length: bigint, pattern: string) => {
  if (length < 0n) return fail(`Second argument (output size) for ${name} cannot be negative`)
  if (pattern === "") return fail(`Third argument (pad pattern) for ${name} cannot be empty`)
  if (length > maxTextLength) return unsupported(`${name} to more than ${maxTextLength} characters`)
  const all = [...value]
  const size = Number(length)
  if (all.length >= size) return all.slice(0, size).join("")
  const fill = [...pattern]
  const missing = size - all.length
  const filled = Array.from({ length: missing }, (_, index) => fill[index % fill.length] ?? "").join("")
  return left ? filled + value : value + filled
}

/** Pads to at least `length`, as FORMAT does; never cuts. */
const padTo = (left: boolean) => (value: string, length: bigint, character: string) => {
  const missing = Number(length) - [...value].length
  return missing <= 0 ? value : left ? character.repeat(missing) + value : value + character.repeat(missing)
}

const instr = (value: string, wanted: string, position: bigint, occurrence: bigint) => {
  if (position === 0n || occurrence <= 0n) return fail("The third and fourth arguments of INSTR must be positive")
  if (wanted === "") return unsupported("INSTR of an empty string")
  const all = [...value]
  const find = [...wanted]
  const matches = (at: number): boolean => find.every((point, index) => all[at + index] === point)
  let left = occurrence
  const step = position > 0n ? 1 : -1
  let at = position > 0n ? Number(position) - 1 : all.length + Number(position)
  for (; at >= 0 && at < all.length; at += step) {
    if (matches(at) && --left === 0n) return BigInt(at + 1)
  }
  return 0n
}

const initcapBreaks = new Set(` \t\n\r\v\f[](){}/|<>!?@"^#$&~_,.:;*%+-'=\\`)
const initcap = (value: string): string => {
  let start = true
  return [...value]
    .map((point) => {
      const result = start ? point.toUpperCase() : point.toLowerCase()
      start = initcapBreaks.has(point)
      return result
    })
    .join("")
}

const translate = (value: string, from: string, to: string) => {
  const sources = [...from]
  if (new Set(sources).size !== sources.length) return fail("Duplicate character in TRANSLATE source characters")
  const targets = [...to]
  const mapping = new Map(sources.map((source, index) => [source, targets[index] ?? ""]))
  return [...value].map((point) => mapping.get(point) ?? point).join("")
}

const casefold = (value: string): string => value.toLowerCase().replaceAll("ß", "ss").replaceAll("ς", "σ")
const forms: Readonly<Record<string, "NFC" | "NFD" | "NFKC" | "NFKD">> = {
  NFC: "NFC",
  NFD: "NFD",
  NFKC: "NFKC",
  NFKD: "NFKD"
}
const normalize = (value: string, form: string): string => value.normalize(forms[form] ?? "NFC")
/** Characters whose case folding is not that of toLowerCase. */
const unusualCase =
  /[\u0130\u0149\u01f0]|\u0345|[\u0390\u03b0\u0587\u1e96-\u1e9f\u1f50-\u1fff\ufb00-\ufb17\u{10400}-\u{1e943}\u13a0-\u13fd\uab70-\uabbf]/u
const normalizeAndCasefold = (value: string, form: string) =>
  unusualCase.test(value)
    ? unsupported("case folding of these characters")
    : normalize(casefold(normalize(value, form)), form)

const decodeUtf8 = (value: Uint8Array) => {
  const decoded = Buffer.from(value).toString("utf8")
  return Buffer.from(decoded, "utf8").equals(value) ? decoded : fail("Invalid UTF-8 string")
}

const codePoint = (value: bigint): string | undefined =>
  value >= 0n && value <= 0x10ffffn && !(value >= 0xd800n && value <= 0xdfffn)
    ? String.fromCodePoint(Number(value))
    : undefined

const typeNames: ReadonlyArray<readonly [RegExp, string]> = [
  [/^DECIMAL\(38,9\)/, "NUMERIC"],
  [/^DECIMAL\(38,24\)/, "BIGNUMERIC"],
  [/^TIMESTAMP WITH TIME ZONE/, "TIMESTAMP"],
  [/^TIMESTAMP/, "DATETIME"],
  [/^BIGINT/, "INT64"],
  [/^DOUBLE/, "FLOAT64"],
  [/^VARCHAR/, "STRING"],
  [/^BLOB/, "BYTES"],
  [/^BOOLEAN/, "BOOL"],
  [/^DATE/, "DATE"],
  [/^TIME/, "TIME"],
  [/^JSON/, "JSON"]
]

/** BigQuery's name of a type that DuckDB's catalogue writes. */
const typeName = (duck: string) => {
  let rest = duck
  const one = (): string | undefined => {
    let name: string | undefined
    if (rest.startsWith("STRUCT(")) {
      rest = rest.slice(7)
      const fields: Array<string> = []
      while (!rest.startsWith(")")) {
        const field = /^(?:"((?:[^"]|"")*)"|(\w+)) /.exec(rest)
        if (field === null) return undefined
        rest = rest.slice(field[0].length)
        const type = one()
        if (type === undefined) return undefined
        fields.push(`${(field[1] ?? field[2] ?? "").replaceAll('""', '"')} ${type}`)
        if (rest.startsWith(", ")) rest = rest.slice(2)
      }
      rest = rest.slice(1)
      name = `STRUCT<${fields.join(", ")}>`
    } else {
      const known = typeNames.find(([pattern]) => pattern.test(rest))
      if (known === undefined) return undefined
      rest = rest.replace(known[0], "")
      name = known[1]
    }
    if (!rest.startsWith("[]")) return name
    rest = rest.slice(2)
    return `ARRAY<${name}>`
  }
  const name = one()
  return name === undefined || rest !== "" ? unsupported(`the engine type ${duck}`) : name
}

const arrayToString: Native = {
  name: "bq_array_to_string",
  parameters: [list(text).type, text.type, text.type],
  returns: text.type,
  row: ([items = null, separator = null, missing = null]): DuckDBValue => {
    const values = list(text).read(items)
    const between = text.read(separator)
    if (values === undefined || between === undefined) return null
    const fallback = text.read(missing)
    return values.flatMap((value) => value ?? fallback ?? []).join(between)
  }
}

export const textNatives: ReadonlyArray<Native> = [
  native1("bq_trim", text, text, (value) => value.replace(leading, "").replace(trailing, "")),
  native1("bq_ltrim", text, text, (value) => value.replace(leading, "")),
  native1("bq_rtrim", text, text, (value) => value.replace(trailing, "")),
  native2("bq_trim_characters", text, text, text, trimCharacters(true, true)),
  native2("bq_ltrim_characters", text, text, text, trimCharacters(true, false)),
  native2("bq_rtrim_characters", text, text, text, trimCharacters(false, true)),
  native3("bq_replace", text, text, text, text, (value, from, to) =>
    from === "" ? value : value.split(from).join(to)
  ),
  native3("bq_substr", text, int64, int64, text, substr),
  native2("bq_left", text, int64, text, (value, length) =>
    length < 0n ? fail("Second argument in LEFT() cannot be negative") : substr(value, 1n, length)
  ),
  native2("bq_right", text, int64, text, (value, length) => {
    if (length < 0n) return fail("Second argument in RIGHT() cannot be negative")
    const all = points(value)
    return slice(all, Math.max(0, all.length - Number(length)), all.length)
  }),
  native3("bq_lpad", text, int64, text, text, pad(true, "LPAD")),
  native3("bq_rpad", text, int64, text, text, pad(false, "RPAD")),
  native3("bq_lpad_to", text, int64, text, text, padTo(true)),
  native3("bq_rpad_to", text, int64, text, text, padTo(false)),
  native2("bq_zero_pad", int64, int64, text, (value, length) => {
    const digits = (value < 0n ? -value : value).toString()
    return value < 0n ? `-${digits.padStart(Number(length) - 1, "0")}` : digits.padStart(Number(length), "0")
  }),
  native2("bq_format_hex", int64, bool, text, (value, upper) => {
    const digits = value < 0n ? `-${(-value).toString(16)}` : value.toString(16)
    return upper ? digits.toUpperCase() : digits
  }),
  native2("bq_repeat", text, int64, text, (value, count) =>
    count < 0n
      ? fail("Second argument in REPEAT() cannot be negative")
      : BigInt(value.length) * count > maxTextLength
        ? unsupported(`REPEAT to more than ${maxTextLength} characters`)
        : value.repeat(Number(count))
  ),
  native1("bq_reverse", text, text, (value) => [...value].toReversed().join("")),
  native2("bq_strpos", text, text, int64, (value, wanted) => instr(value, wanted, 1n, 1n)),
  {
    ...native3("bq_instr", text, text, int64, int64, (value, wanted) => instr(value, wanted, 1n, 1n)),
    parameters: [text.type, text.type, int64.type, int64.type],
    row: ([value = null, wanted = null, position = null, occurrence = null]) => {
      const a = text.read(value)
      const b = text.read(wanted)
      const from = int64.read(position)
      const nth = int64.read(occurrence)
      return a === undefined || b === undefined || from === undefined || nth === undefined
        ? null
        : instr(a, b, from, nth)
    }
  },
  native2("bq_split", text, text, list(text), (value, separator) =>
    separator === "" ? (value === "" ? [""] : [...value]) : value.split(separator)
  ),
  native1("bq_upper", text, text, (value) => value.toUpperCase()),
  native1("bq_lower", text, text, (value) => value.toLowerCase()),
  native1("bq_initcap", text, text, initcap),
  native3("bq_translate", text, text, text, text, translate),
  native2("bq_contains_substr", text, text, bool, (value, wanted) =>
    casefold(value.normalize("NFKC")).includes(casefold(wanted.normalize("NFKC")))
  ),
  native1("bq_ascii", text, int64, (value) => {
    const code = value.codePointAt(0) ?? 0
    return code < 128 ? BigInt(code) : fail("ASCII() argument must start with an ASCII character")
  }),
  native1("bq_unicode", text, int64, (value) => BigInt(value.codePointAt(0) ?? 0)),
  native1("bq_chr", int64, text, (value) =>
    value === 0n ? "" : (codePoint(value) ?? fail(`Invalid codepoint ${value}`))
  ),
  native1("bq_to_code_points", text, list(int64), (value) =>
    [...value].map((point) => BigInt(point.codePointAt(0) ?? 0))
  ),
  native1("bq_bytes_to_code_points", bytes, list(int64), (value) => [...value].map((byte) => BigInt(byte))),
  native1("bq_code_points_to_string", list(int64), text, (values) => {
    let result = ""
    for (const value of values) {
      if (value === null) return null
      const point = codePoint(value)
      if (point === undefined) return fail(`Invalid codepoint ${value}`)
      result += point
    }
    return result
  }),
  native1("bq_code_points_to_bytes", list(int64), bytes, (values) => {
    const result: Array<number> = []
    for (const value of values) {
      if (value === null) return null
      if (value < 0n || value > 255n) return fail(`Invalid extended ASCII code point ${value}`)
      result.push(Number(value))
    }
    return Uint8Array.from(result)
  }),
  native2("bq_normalize", text, text, text, normalize),
  native2("bq_normalize_and_casefold", text, text, text, normalizeAndCasefold),
  native1("bq_from_hex", text, bytes, (value) => {
    const digits = value.length % 2 === 0 ? value : `0${value}`
    return /^[0-9a-fA-F]*$/.test(digits)
      ? Uint8Array.from(Buffer.from(digits, "hex"))
      : fail(`Failed to decode invalid hexadecimal string: ${value}`)
  }),
  native1("bq_from_base64", text, bytes, (value) =>
    /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value)
      ? Uint8Array.from(Buffer.from(value, "base64"))
      : fail(`Failed to decode invalid base64 string`)
  ),
  native1("bq_bytes_to_string", bytes, text, decodeUtf8),
  native1("bq_bytes_to_string_replacing", bytes, text, (value) => Buffer.from(value).toString("utf8")),
  native1("bq_sha512", bytes, bytes, (value) => Uint8Array.from(createHash("sha512").update(value).digest())),
  native1("bq_string_to_bool", text, bool, (value) => {
    const lower = value.toLowerCase()
    return lower === "true" ? true : lower === "false" ? false : fail(`Bad bool value: ${value}`)
  }),
  native1("bq_string_literal", text, text, (value) =>
    /[\\\n\r\t]|[^\x20-\x7e]/.test(value)
      ? unsupported("%T of these characters")
      : value.includes('"')
        ? value.includes("'")
          ? unsupported("%T of these characters")
          : `'${value}'`
        : `"${value}"`
  ),
  native1("bq_type_name", text, text, typeName),
  arrayToString
]
