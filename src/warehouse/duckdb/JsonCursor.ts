/**
 * Reads JSON (RFC 8259) in place, byte by byte: where a value ends, and which places of it are to be changed when it is copied. Nothing is
 * decoded, so that a number is never more than its text.
 */

/** Values may be nested so deep. */
const DEPTH_LIMIT = 100
/** Shorter numbers are the same after a way through binary floating point. */
const SAFE_NUMBER_BYTES = 15

export const QUOTE = 0x22
export const COLON = 0x3a
export const COMMA = 0x2c
export const OPEN_BRACE = 0x7b
export const CLOSE_BRACE = 0x7d
export const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const BACKSLASH = 0x5c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const NINE = 0x39

const literals = ["true", "false", "null"].map((word) => Buffer.from(word))

/** A place in a nested value: blanks, which are left out, or a number too long to survive binary floating point, which gets quotes. */
export interface Change {
  readonly start: number
  readonly end: number
  readonly isNumber: boolean
}

/** Stands in front of byte `at` of `data`, and goes no further than `end`. */
export class JsonCursor {
  data: Buffer = Buffer.alloc(0)
  at = 0
  end = 0
  /** Whether the last string has an escape. */
  hasEscape = false
  /** Of the nested values since {@link start}. */
  readonly changes: Array<Change> = []

  start(data: Buffer, at: number, end: number): void {
    this.data = data
    this.at = at
    this.end = end
    this.changes.length = 0
  }

  /** Goes behind the byte, if it is the next one after blanks. */
  take(byte: number): boolean {
    this.blanks()
    if (this.at >= this.end || this.data[this.at] !== byte) return false
    this.at++
    return true
  }

  blanks(): void {
    while (this.at < this.end && isBlank(this.data[this.at] ?? 0)) this.at++
  }

  /** Goes behind the string that is next; false where none is. */
  string(): boolean {
    if (this.data[this.at] !== QUOTE || this.at >= this.end) return false
    const { data, end } = this
    this.hasEscape = false
    for (let at = this.at + 1; at < end; at++) {
      const byte = data[at] ?? 0
      if (byte === QUOTE) {
        this.at = at + 1
        return true
      }
      if (byte < 0x20) return false
      if (byte === BACKSLASH) {
        this.hasEscape = true
        at++
      }
    }
    return false
  }

  /** Goes behind the value that is next, of an object at `depth`; false where none is. */
  value(depth = 1): boolean {
    const byte = this.at < this.end ? (this.data[this.at] ?? 0) : 0
    switch (byte) {
      case QUOTE:
        return this.string()
      case OPEN_BRACE:
        return this.#nested(depth, CLOSE_BRACE)
      case OPEN_BRACKET:
        return this.#nested(depth, CLOSE_BRACKET)
      default:
        return isDigit(byte) || byte === MINUS ? this.#number(depth) : this.#literal()
    }
  }

  #nested(depth: number, close: number): boolean {
    if (depth > DEPTH_LIMIT) return false
    this.at++
    if (this.#takeInside(close)) return true
    do {
      this.#blanksInside()
      if (close === CLOSE_BRACE) {
        if (!this.string() || !this.#takeInside(COLON)) return false
        this.#blanksInside()
      }
      if (!this.value(depth + 1)) return false
    } while (this.#takeInside(COMMA))
    return this.#takeInside(close)
  }

  #takeInside(byte: number): boolean {
    this.#blanksInside()
    return this.take(byte)
  }

  #blanksInside(): void {
    const start = this.at
    this.blanks()
    if (this.at > start) this.changes.push({ start, end: this.at, isNumber: false })
  }

  #number(depth: number): boolean {
    const start = this.at
    if (this.data[this.at] === MINUS) this.at++
    const first = this.at
    if (!this.#digits() || (this.data[first] === ZERO && this.at > first + 1)) return false
    if (this.at < this.end && this.data[this.at] === POINT) {
      this.at++
      if (!this.#digits()) return false
    }
    if (this.at < this.end && isExponent(this.data[this.at] ?? 0)) {
      this.at++
      if (this.at < this.end && isSign(this.data[this.at] ?? 0)) this.at++
      if (!this.#digits()) return false
    }
    if (depth > 1 && this.at - start > SAFE_NUMBER_BYTES) this.changes.push({ start, end: this.at, isNumber: true })
    return true
  }

  #digits(): boolean {
    const start = this.at
    while (this.at < this.end && isDigit(this.data[this.at] ?? 0)) this.at++
    return this.at > start
  }

  #literal(): boolean {
    for (const word of literals) {
      if (!isAt(word, this.data, this.at, this.end)) continue
      this.at += word.length
      return true
    }
    return false
  }
}

/** Whether the bytes stand there, before `end`. */
export const isAt = (wanted: Buffer, data: Buffer, at: number, end: number): boolean => {
  const { length } = wanted
  if (at + length > end) return false
  for (let index = 0; index < length; index++) if (data[at + index] !== wanted[index]) return false
  return true
}

const isBlank = (byte: number): boolean => byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === 0x0a
const isDigit = (byte: number): boolean => byte >= ZERO && byte <= NINE
const isExponent = (byte: number): boolean => byte === 0x65 || byte === 0x45
const isSign = (byte: number): boolean => byte === MINUS || byte === 0x2b
