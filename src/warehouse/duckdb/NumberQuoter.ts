/**
 * Puts quotes around numbers in JSON text, byte by byte, so that the engine, which reads JSON numbers as binary floating point, gets
 * their source text. Numbers inside nested values are quoted only when they are too long to survive.
 */
import { Transform, type TransformCallback } from "node:stream"

/** Shorter numbers are the same after a way through binary floating point. */
const SAFE_NUMBER_BYTES = 15

const QUOTE = 0x22
const BACKSLASH = 0x5c

export class NumberQuoter extends Transform {
  #inString = false
  #escaped = false
  #depth = 0
  #number: Array<number> = []

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    // Each byte adds at most two quotes, and only where a number stands.
    const out = Buffer.allocUnsafe(chunk.length * 3 + this.#number.length + 2)
    let length = 0
    for (const byte of chunk) {
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false
        else if (byte === BACKSLASH) this.#escaped = true
        else if (byte === QUOTE) this.#inString = false
        out[length++] = byte
        continue
      }
      if (isNumberByte(byte, this.#number.length > 0)) {
        this.#number.push(byte)
        continue
      }
      length = this.#writeNumber(out, length)
      if (byte === QUOTE) this.#inString = true
      else if (byte === 0x7b || byte === 0x5b) this.#depth++
      else if (byte === 0x7d || byte === 0x5d) this.#depth--
      out[length++] = byte
    }
    done(null, out.subarray(0, length))
  }

  override _flush(done: TransformCallback): void {
    const out = Buffer.allocUnsafe(this.#number.length + 2)
    done(null, out.subarray(0, this.#writeNumber(out, 0)))
  }

  #writeNumber(out: Buffer, start: number): number {
    if (this.#number.length === 0) return start
    const quoted = this.#depth === 1 || this.#number.length > SAFE_NUMBER_BYTES
    let length = start
    if (quoted) out[length++] = QUOTE
    for (const byte of this.#number) out[length++] = byte
    if (quoted) out[length++] = QUOTE
    this.#number = []
    return length
  }
}

/** A number starts with a digit or minus and goes on with digits, point, E and signs. */
const isNumberByte = (byte: number, inside: boolean): boolean =>
  (byte >= 0x30 && byte <= 0x39) ||
  byte === 0x2d ||
  (inside && (byte === 0x2e || byte === 0x2b || byte === 0x45 || byte === 0x65))
