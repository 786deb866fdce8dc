/**
 * JSON lines on their way to the engine, which reads CSV with all its threads and little memory: JSON it would read as documents, numbers
 * as binary floating point, and number its rows with one thread. {@link JsonKeys} finds the columns, {@link NumberedJson} writes the rows:
 * the row's number, then the text of each column's value, empty where there is none. Control characters delimit and quote the cells, since
 * JSON has none as they are: most of it passes unchanged.
 */
import { isUtf8 } from "node:buffer"
import { Transform, type TransformCallback } from "node:stream"
import * as Either from "effect/Either"
import { CLOSE_BRACE, COLON, COMMA, isAt, JsonCursor, OPEN_BRACE, OPEN_BRACKET, QUOTE } from "./JsonCursor.ts"
import { byteOrderMarkLength, LineFault } from "./NumberedCsv.ts"

/** A line may not be longer: its row has a delimiter for each key of its file beside, and the engine holds no row beyond a million bytes. */
const LINE_LIMIT_BYTES = 900_000
/** An object's keys are columns; in a bill they are known, and some tens. */
const KEYS_LIMIT = 4096

/** What stands between the cells. */
export const DELIMITER = "\u001f"
/** What stands around a cell that has line ends or one of these two. */
export const CELL_QUOTE = "\u001e"

const LINE_FEED = 0x0a
const NULL_START = 0x6e
const DELIMITER_BYTE = DELIMITER.charCodeAt(0)
/** A row's number has at most as many digits as a safe integer; a line feed follows. */
const ADDED_BYTES_PER_ROW = 18

/** The keys of objects, each of which mostly has them in the same order. */
class Keys {
  /** By the bytes as they are written, each as one character. */
  readonly #columns = new Map<string, number>()
  readonly #written: Array<Buffer> = []
  readonly #columnOf: Array<number> = []
  #next = 0

  get size(): number {
    return this.#written.length
  }

  /** The column of the key that is written so. */
  find(data: Buffer, start: number, end: number): number | undefined {
    const expected = this.#written[this.#next]
    if (expected === undefined || expected.length !== end - start || !isAt(expected, data, start, end)) {
      const found = this.#columns.get(data.toString("latin1", start, end))
      if (found === undefined) return undefined
      this.#next = found
    }
    return this.#columnOf[this.#next++]
  }

  /** Adds a way to write a column's key. */
  add(written: Buffer, column: number): void {
    this.#columns.set(written.toString("latin1"), this.size)
    this.#written.push(Buffer.from(written))
    this.#columnOf.push(column)
  }
}

/** A stream of lines, each of which is one object or empty. */
abstract class JsonLines extends Transform {
  protected readonly cursor = new JsonCursor()
  #line = 0
  /** The last line so far, whose end has not come yet. */
  #tail: Buffer = Buffer.alloc(0)

  /** Before the lines of so many bytes. */
  protected abstract begin(bytes: number): void
  /** The object that a line is, of the cursor's bytes; answers what is wrong with it. */
  protected abstract object(): string | undefined
  /** What the lines since `begin` have become. */
  protected abstract written(): Buffer | undefined

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    const data = this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk])
    this.begin(data.length)
    let start = 0
    for (let end = data.indexOf(LINE_FEED); end !== -1; end = data.indexOf(LINE_FEED, start)) {
      const reason = this.#addLine(data, start, end)
      if (reason !== undefined) return done(new LineFault(this.#line, reason))
      start = end + 1
    }
    this.#tail = data.subarray(start)
    if (this.#tail.length > LINE_LIMIT_BYTES) return done(new LineFault(this.#line + 1, tooLong))
    done(null, this.written())
  }

  override _flush(done: TransformCallback): void {
    this.begin(this.#tail.length)
    const reason = this.#addLine(this.#tail, 0, this.#tail.length)
    if (reason === undefined) done(null, this.written())
    else done(new LineFault(this.#line, reason))
  }

  #addLine(data: Buffer, start: number, end: number): string | undefined {
    this.#line++
    if (end - start > LINE_LIMIT_BYTES) return tooLong
    const mark = this.#line === 1 ? byteOrderMarkLength(data.subarray(start, end)) : 0
    this.cursor.start(data, start + mark, end)
    this.cursor.blanks()
    return this.cursor.at === end ? undefined : this.object()
  }
}

const tooLong = `the line is longer than ${LINE_LIMIT_BYTES} bytes; write one JSON object per line, without what is no part of the bill`
const malformed = "the line is no JSON object; it may have been cut"

/** Calls `member` with the cursor in front of each value and the place of its key; answers what is wrong. */
const eachMember = (
  cursor: JsonCursor,
  member: (keyStart: number, keyEnd: number) => string | undefined
): string | undefined => {
  if (!cursor.take(OPEN_BRACE)) return malformed
  if (!cursor.take(CLOSE_BRACE)) {
    do {
      cursor.blanks()
      const keyStart = cursor.at + 1
      if (!cursor.string()) return malformed
      const keyEnd = cursor.at - 1
      if (!cursor.take(COLON)) return malformed
      cursor.blanks()
      const reason = member(keyStart, keyEnd)
      if (reason !== undefined) return reason
    } while (cursor.take(COMMA))
    if (!cursor.take(CLOSE_BRACE)) return malformed
  }
  cursor.blanks()
  return cursor.at === cursor.end ? undefined : malformed
}

/** The text of a string with escapes; undefined where one of them is none, or means no character. */
const decoded = (data: Buffer, start: number, end: number): string | undefined => {
  const text = Either.try((): unknown => JSON.parse(`"${data.toString("utf8", start, end)}"`))
  return Either.isRight(text) && typeof text.right === "string" && text.right.isWellFormed() ? text.right : undefined
}

/** Takes lines and gives nothing: it gathers the keys of all objects, in the order in which they come first. */
export class JsonKeys extends JsonLines {
  readonly #keys = new Keys()
  readonly #columns = new Map<string, number>()

  get names(): ReadonlyArray<string> {
    return [...this.#columns.keys()]
  }

  protected override begin(): void {}

  protected override written(): undefined {}

  protected override object(): string | undefined {
    const { cursor } = this
    return eachMember(cursor, (start, end) => {
      const reason = this.#keys.find(cursor.data, start, end) === undefined ? this.#add(start, end) : undefined
      if (reason !== undefined) return reason
      return cursor.value() ? undefined : malformed
    })
  }

  #add(start: number, end: number): string | undefined {
    const written = this.cursor.data.subarray(start, end)
    const name = isUtf8(written) ? decoded(written, 0, written.length) : undefined
    if (name === undefined) return "a key is not UTF-8"
    if (name === "") return "a key is empty"
    if (this.#keys.size === KEYS_LIMIT) return `up to here there are more than ${KEYS_LIMIT} different keys`
    const column = this.#columns.get(name) ?? this.#columns.size
    this.#columns.set(name, column)
    this.#keys.add(written, column)
    return undefined
  }
}

/** Makes a numbered row of each object; `names` are all keys that the file has. */
export class NumberedJson extends JsonLines {
  readonly #names: ReadonlyArray<string>
  readonly #keys = new Keys()
  /** Of each column the row that it was last found in, and where its value stands. */
  readonly #rowOf: Uint32Array
  readonly #start: Uint32Array
  readonly #end: Uint32Array
  readonly #firstChange: Uint32Array
  readonly #lastChange: Uint32Array
  readonly #hasEscape: Array<boolean> = []
  #rows = 0
  #out: Buffer = Buffer.alloc(0)
  #length = 0

  constructor(names: ReadonlyArray<string>) {
    super()
    this.#names = names
    for (const [column, name] of names.entries()) this.#keys.add(Buffer.from(name), column)
    const places = () => new Uint32Array(names.length)
    this.#rowOf = places()
    this.#start = places()
    this.#end = places()
    this.#firstChange = places()
    this.#lastChange = places()
  }

  /** The rows so far. */
  get rows(): number {
    return this.#rows
  }

  protected override begin(bytes: number): void {
    this.#out = Buffer.allocUnsafe(bytes + 4096)
    this.#length = 0
  }

  protected override written(): Buffer {
    return this.#out.subarray(0, this.#length)
  }

  protected override object(): string | undefined {
    const { cursor } = this
    this.#rows++
    // Of the line's bytes at most each is doubled.
    this.#reserve(2 * (cursor.end - cursor.at) + this.#rowOf.length + ADDED_BYTES_PER_ROW)
    const reason = eachMember(cursor, (start, end) => this.#find(start, end))
    if (reason !== undefined) return reason
    this.#length += this.#out.write(String(this.#rows), this.#length, "latin1")
    for (let column = 0; column < this.#rowOf.length; column++) {
      this.#out[this.#length++] = DELIMITER_BYTE
      if (this.#rowOf[column] === this.#rows && !this.#write(column)) return malformed
    }
    this.#out[this.#length++] = LINE_FEED
    return undefined
  }

  /** Remembers where the value of this key stands. */
  #find(start: number, end: number): string | undefined {
    const { cursor } = this
    const { changes, data } = cursor
    const column = this.#keys.find(data, start, end) ?? this.#columnOfEscaped(start, end)
    if (column === undefined) return "the file was changed while it was read"
    if (this.#rowOf[column] === this.#rows) return `the key ${data.toString("utf8", start - 1, end + 1)} stands twice`
    this.#rowOf[column] = this.#rows
    this.#start[column] = cursor.at
    this.#firstChange[column] = changes.length
    if (!cursor.value()) return malformed
    this.#end[column] = cursor.at
    this.#hasEscape[column] = cursor.hasEscape
    this.#lastChange[column] = changes.length
    return undefined
  }

  #columnOfEscaped(start: number, end: number): number | undefined {
    const column = this.#names.indexOf(decoded(this.cursor.data, start, end) ?? "")
    return column === -1 ? undefined : column
  }

  #write(column: number): boolean {
    const { changes, data } = this.cursor
    const start = this.#start[column] ?? 0
    const end = this.#end[column] ?? 0
    const first = data[start]
    if (first === NULL_START) return true
    if (first === QUOTE && this.#hasEscape[column] === true) return this.#writeDecoded(start + 1, end - 1)
    if (first === QUOTE) {
      this.#copy(start + 1, end - 1)
      return true
    }
    let written = start
    if (first === OPEN_BRACE || first === OPEN_BRACKET) {
      for (const change of changes.slice(this.#firstChange[column], this.#lastChange[column])) {
        this.#copy(written, change.start)
        if (change.isNumber) {
          this.#out[this.#length++] = QUOTE
          this.#copy(change.start, change.end)
          this.#out[this.#length++] = QUOTE
        }
        written = change.end
      }
    }
    this.#copy(written, end)
    return true
  }

  #writeDecoded(start: number, end: number): boolean {
    const text = decoded(this.cursor.data, start, end)
    if (text === undefined) return false
    const cell = ["\n", "\r", DELIMITER, CELL_QUOTE].some((mark) => text.includes(mark))
      ? `${CELL_QUOTE}${text.replaceAll(CELL_QUOTE, CELL_QUOTE + CELL_QUOTE)}${CELL_QUOTE}`
      : text
    this.#length += this.#out.write(cell, this.#length, "utf8")
    return true
  }

  #copy(start: number, end: number): void {
    this.#length += this.cursor.data.copy(this.#out, this.#length, start, end)
  }

  #reserve(bytes: number): void {
    if (this.#out.length - this.#length >= bytes) return
    const larger = Buffer.allocUnsafe(2 * this.#out.length + bytes)
    this.#out.copy(larger, 0, 0, this.#length)
    this.#out = larger
  }
}
