/**
 * Turns any row of JSON values, one after the other with or without commas, as elements of an array, or spread over many lines, into one
 * value per line, byte by byte. Strings and numbers pass as they are.
 */
import { Transform, type TransformCallback } from "node:stream"

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c
const LINE_FEED = 0x0a

/** The text is no row of JSON objects. */
export class JsonLinesFault extends Error {}

/** Blanks, line ends and byte order mark. */
const isBlank = (byte: number): boolean => byte <= 0x20 || byte === 0xef || byte === 0xbb || byte === 0xbf

export class JsonLines extends Transform {
  #depth = 0
  #inString = false
  #escaped = false
  #inArray = false
  #arrayClosed = false
  #values = 0

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    // Each value adds one line feed, and has at least two bytes of its own.
    const out = Buffer.allocUnsafe(chunk.length * 2)
    let length = 0
    for (const byte of chunk) {
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false
        else if (byte === BACKSLASH) this.#escaped = true
        else if (byte === QUOTE) this.#inString = false
        out[length++] = byte
        continue
      }
      if (this.#depth === 0) {
        if (isBlank(byte) || byte === COMMA) continue
        if (byte === OPEN_BRACKET && this.#values === 0 && !this.#inArray) this.#inArray = true
        else if (byte === CLOSE_BRACKET && this.#inArray) this.#arrayClosed = true
        else if (byte === OPEN_BRACE && !this.#arrayClosed) {
          this.#depth = 1
          out[length++] = byte
        } else return done(new JsonLinesFault(`after ${this.#values} values stands something that is no JSON object`))
        continue
      }
      if (byte < 0x20) continue
      out[length++] = byte
      if (byte === QUOTE) this.#inString = true
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#depth++
      else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        this.#depth--
        if (this.#depth === 0) {
          this.#values++
          out[length++] = LINE_FEED
        }
      }
    }
    done(null, out.subarray(0, length))
  }

  override _flush(done: TransformCallback): void {
    const isCut = this.#depth > 0 || (this.#inArray && !this.#arrayClosed)
    done(isCut ? new JsonLinesFault(`the file ends inside of value ${this.#values + 1}; it may have been cut`) : null)
  }
}
