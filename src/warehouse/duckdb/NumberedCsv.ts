/**
 * Puts each record's number before its first cell, byte by byte: 0 for the header, then 1, 2 ... The engine could only number rows by
 * reading them with one thread; a number in the file lets it use all. On the way each record's cells are counted, empty lines are left
 * out and line ends become one line feed.
 */
import { Transform, type TransformCallback } from "node:stream"

/** A line of a text file is not what it must be; `line` counts line feeds, the first line is 1. */
export class LineFault extends Error {
  readonly line: number
  constructor(line: number, reason: string) {
    super(reason)
    this.line = line
  }
}

const QUOTE = 0x22
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** Where the reader stands: quotes have a meaning only at a cell's start, and in a cell that began with one. */
const cellStart = 0
const plainCell = 1
const quotedCell = 2
const quoteInQuotedCell = 3

/** A record's number has at most as many digits as a safe integer, a comma and a line feed. */
const ADDED_BYTES_PER_RECORD = 18

export class NumberedCsv extends Transform {
  readonly #delimiter: number
  readonly #cells: number
  readonly #pads: boolean
  #state = cellStart
  #found = 1
  #inRecord = false
  #record = 0
  #line = 1
  #recordLine = 1
  #started = false

  /** `cells` is the number of the header's; with `pads`, a row of fewer gets empty ones at its end. The number is always followed by the same delimiter. */
  constructor(delimiter: string, cells: number, pads = false) {
    super({ highWaterMark: 1024 * 1024 })
    this.#delimiter = delimiter.charCodeAt(0)
    this.#cells = cells
    this.#pads = pads
  }

  /** The records that have begun, without the header. */
  get rows(): number {
    return Math.max(0, this.#record - 1)
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    const delimiter = this.#delimiter
    const end = chunk.length
    let state = this.#state
    let found = this.#found
    // Of the bytes before this one, all are written.
    let start = this.#started ? 0 : byteOrderMarkLength(chunk)
    this.#started = true
    let out: Buffer = Buffer.allocUnsafe(end + (end >> 3) + 4096)
    let length = 0
    for (let index = start; index < end; index++) {
      let byte = chunk[index] ?? 0
      if (state === quotedCell) {
        while (byte !== QUOTE) {
          if (byte === LINE_FEED) this.#line++
          if (++index === end) break
          byte = chunk[index] ?? 0
        }
        if (index < end) state = quoteInQuotedCell
        continue
      }
      if (state === plainCell) {
        while (byte !== delimiter && byte !== LINE_FEED && byte !== CARRIAGE_RETURN) {
          if (++index === end) break
          byte = chunk[index] ?? 0
        }
        if (index === end) break
      }
      if (byte === LINE_FEED || byte === CARRIAGE_RETURN) {
        if (byte === LINE_FEED) this.#line++
        if (this.#inRecord) {
          if (found !== this.#cells && !this.#canPad(found)) return done(this.#ragged(found))
          length += chunk.copy(out, length, start, index)
          if (found < this.#cells) {
            const padding = this.#padding(found)
            if (out.length - length < end - index + padding.length + 2 * ADDED_BYTES_PER_RECORD)
              out = grown(out, length)
            length += padding.copy(out, length)
          }
          out[length++] = LINE_FEED
          this.#inRecord = false
        }
        start = index + 1
        state = cellStart
        found = 1
        continue
      }
      if (!this.#inRecord) {
        if (out.length - length < end - index + 2 * ADDED_BYTES_PER_RECORD) out = grown(out, length)
        length = this.#writeNumber(out, length)
      }
      if (byte === delimiter) {
        state = cellStart
        found++
      } else if (byte === QUOTE) state = state === cellStart || state === quoteInQuotedCell ? quotedCell : plainCell
      else state = plainCell
    }
    if (this.#inRecord) length += chunk.copy(out, length, start, end)
    this.#state = state
    this.#found = found
    done(null, out.subarray(0, length))
  }

  override _flush(done: TransformCallback): void {
    if (this.#state === quotedCell) return done(new LineFault(this.#recordLine, "a quote is never closed"))
    if (!this.#inRecord) return done()
    if (this.#found !== this.#cells && !this.#canPad(this.#found)) return done(this.#ragged(this.#found))
    done(null, Buffer.concat([this.#padding(this.#found), Buffer.of(LINE_FEED)]))
  }

  #canPad(found: number): boolean {
    return this.#pads && found < this.#cells
  }

  #padding(found: number): Buffer {
    return Buffer.alloc(this.#cells - found, this.#delimiter)
  }

  #writeNumber(out: Buffer, start: number): number {
    const length = start + out.write(String(this.#record), start, "latin1")
    out[length] = this.#delimiter
    this.#record++
    this.#inRecord = true
    this.#recordLine = this.#line
    return length + 1
  }

  #ragged(found: number): LineFault {
    return new LineFault(this.#recordLine, `the row has ${found} cells, the header has ${this.#cells}`)
  }
}

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

/** Of the mark that a text may start with. */
export const byteOrderMarkLength = (start: Buffer): number =>
  start.subarray(0, byteOrderMark.length).equals(byteOrderMark) ? byteOrderMark.length : 0

const grown = (out: Buffer, length: number): Buffer => {
  const larger = Buffer.allocUnsafe(out.length * 2)
  out.copy(larger, 0, 0, length)
  return larger
}
