/**
 * A local source file made ready for the engine: found, unpacked, its native columns known.
 *
 * The engine does not notice a gzip stream that was cut at a line's end or damaged inside, so gzip is unpacked here, where its check
 * sum and length are verified. Text goes through a byte stream that prepares it for the engine, which then reads the plain file with
 * all its threads.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createReadStream } from "node:fs"
import { type FileHandle, mkdir, open, rm } from "node:fs/promises"
import { join } from "node:path"
import { type Transform, Writable } from "node:stream"
import { createGunzip } from "node:zlib"
import * as TextFile from "../../platform/TextFile.ts"
import type { FileFormat, FileMapping } from "../FileMapping.ts"
import { SourceRejected, type StatementFailed, type WarehouseUnavailable } from "../Warehouse.ts"
import { readCsvHeader } from "./CsvHeader.ts"
import type { Connection } from "./DuckDb.ts"
import { LineFault, NumberedCsv } from "./NumberedCsv.ts"
import { CELL_QUOTE, DELIMITER, JsonKeys, NumberedJson } from "./NumberedJson.ts"
import { text } from "./SqlText.ts"

/** A source file as the caller names it. */
export interface SourceFile {
  readonly path: string
  readonly uri: string
  /** Its {@link columnNames}, where the caller has asked for them already. */
  readonly columns?: ReadonlyArray<string>
}

/** A native column: its name as written, and the engine's type (VARCHAR for CSV and NDJSON). */
export interface NativeColumn {
  readonly name: string
  readonly type: string
}

/** A file that the engine can read. */
export interface ReadableFile {
  readonly uri: string
  readonly path: string
  readonly format: "csv" | "parquet"
  readonly columns: ReadonlyArray<NativeColumn>
  /** Lines before the first row. */
  readonly headerLines: number
  readonly delimiter: string
  readonly quote: string
  /** Where it is known without reading them. */
  readonly rows?: number
}

/** A header may not be longer. */
const HEADER_LIMIT_BYTES = 4 * 1024 ** 2
/** What tells a format is within these first bytes. */
const MAGIC_BYTES = 4

/** Makes a file readable; what is unpacked lies in `spillFolder` until the scope closes. */
export const prepare = Effect.fn("SourceFile.prepare")(function* (
  file: SourceFile,
  { format, mapping }: { readonly format: FileFormat; readonly mapping?: Pick<FileMapping, "shortRows"> },
  connection: Connection,
  spillFolder: string
) {
  const start = yield* readStart(file, MAGIC_BYTES)
  if (format === "parquet") {
    const columns = yield* parquetColumns(connection, file)
    const rows = yield* parquetRows(connection, file)
    return { ...readable(file, file.path, []), format, columns, rows }
  }
  yield* refuseOtherContent(file, start)
  if (format === "ndjson") {
    const names = file.columns ?? (yield* keysOf(file, TextFile.startsAsGzip(start)))
    const numbered = new NumberedJson(names)
    const path = yield* unpack(file, spillFolder, TextFile.startsAsGzip(start), numbered)
    return { ...readable(file, path, names), delimiter: DELIMITER, quote: CELL_QUOTE, rows: numbered.rows }
  }
  const header = yield* headerOf(file, TextFile.startsAsGzip(start))
  const numbered = new NumberedCsv(header.delimiter, header.names.length, mapping?.shortRows === true)
  const path = yield* unpack(file, spillFolder, TextFile.startsAsGzip(start), numbered)
  return { ...readable(file, path, header.names), headerLines: 1, delimiter: header.delimiter, rows: numbered.rows }
})

/** The native column names of a file; of a CSV file without reading the whole of it. */
export const columnNames = Effect.fn("SourceFile.columnNames")(function* (
  file: SourceFile,
  format: FileFormat,
  connection: Connection
) {
  if (format === "parquet") return (yield* parquetColumns(connection, file)).map(({ name }) => name)
  const start = yield* readStart(file, MAGIC_BYTES)
  yield* refuseOtherContent(file, start)
  return format === "csv"
    ? (yield* headerOf(file, TextFile.startsAsGzip(start))).names
    : yield* keysOf(file, TextFile.startsAsGzip(start))
})

/** A file of texts in CSV without a header. */
const readable = (file: SourceFile, path: string, names: ReadonlyArray<string>): ReadableFile => ({
  uri: file.uri,
  path,
  format: "csv",
  columns: names.map((name) => ({ name, type: "VARCHAR" })),
  headerLines: 0,
  delimiter: ",",
  quote: '"'
})

const keysOf = Effect.fn("SourceFile.keys")(function* (file: SourceFile, gzip: boolean) {
  const keys = new JsonKeys()
  yield* read(file, gzip, keys, () => new Writable())
  return keys.names
})

const headerOf = Effect.fn("SourceFile.header")(function* (file: SourceFile, gzip: boolean) {
  const header = readCsvHeader(gzip ? yield* unpackStart(file) : yield* readStart(file, HEADER_LIMIT_BYTES))
  return typeof header === "string" ? yield* new SourceRejected({ file: file.uri, line: 1, reason: header }) : header
})

const parquetColumns = (connection: Connection, file: SourceFile) =>
  connection.query(`DESCRIBE SELECT * FROM read_parquet(${text(file.path)}, binary_as_string = true)`).pipe(
    Effect.map(({ rows }) => rows.map(([name, type]): NativeColumn => ({ name: String(name), type: String(type) }))),
    Effect.mapError((error) => new SourceRejected({ file: file.uri, reason: withoutPath(error, file) }))
  )

const parquetRows = (connection: Connection, file: SourceFile) =>
  connection.query(`SELECT sum(num_rows) FROM parquet_file_metadata(${text(file.path)})`).pipe(
    Effect.map(({ rows }) => Number(rows[0]?.[0])),
    Effect.mapError((error) => new SourceRejected({ file: file.uri, reason: withoutPath(error, file) }))
  )

/** The engine's words about a file, without the local path, which means nothing to who reads them. */
export const withoutPath = (error: StatementFailed, file: { readonly path: string; readonly uri: string }): string =>
  error.reason.replaceAll(file.path, file.uri)

const refuseOtherContent = (file: SourceFile, start: Buffer): Effect.Effect<void, SourceRejected> => {
  const found = otherContents.find(([magic]) => start.subarray(0, magic.length).equals(magic))
  return found === undefined
    ? Effect.void
    : Effect.fail(
        new SourceRejected({ file: file.uri, line: 1, reason: `${found[1]}; expected is UTF-8 text or gzip` })
      )
}

const otherContents: ReadonlyArray<readonly [magic: Buffer, what: string]> = [
  [Buffer.from("PK\u0003\u0004", "latin1"), "the content is a ZIP archive"],
  [Buffer.from("PAR1", "latin1"), "the content is Parquet"],
  [Buffer.from([0xff, 0xfe]), "the content is UTF-16"],
  [Buffer.from([0xfe, 0xff]), "the content is UTF-16"],
  [Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), "the content is Zstandard"]
]

const readStart = (file: SourceFile, bytes: number): Effect.Effect<Buffer, SourceRejected> =>
  Effect.acquireUseRelease(
    Effect.tryPromise({ try: () => open(file.path, "r"), catch: () => unreadable(file) }),
    (handle) => Effect.tryPromise({ try: () => readFully(handle, bytes), catch: () => unreadable(file) }),
    (handle) => Effect.promise(() => handle.close())
  )

const readFully = async (handle: FileHandle, bytes: number): Promise<Buffer> => {
  const { size } = await handle.stat()
  const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(Math.min(bytes, size)), position: 0 })
  return buffer.subarray(0, bytesRead)
}

const unreadable = (file: SourceFile) =>
  new SourceRejected({ file: file.uri, reason: "the file does not exist or cannot be read" })

/** Writes the text of a file, changed by `transform`, into the spill folder; the file goes with the scope. */
const unpack = (
  file: SourceFile,
  spillFolder: string,
  gzip: boolean,
  transform: Transform
): Effect.Effect<string, SourceRejected | WarehouseUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const target = join(spillFolder, `${crypto.randomUUID()}.plain`)
    yield* Effect.addFinalizer(() => Effect.promise(() => rm(target, { force: true })))
    yield* read(file, gzip, transform, async () => {
      await mkdir(spillFolder, { recursive: true })
      return (await open(target, "w")).createWriteStream()
    })
    return target
  })

/** Sends the text of a file through `transform`. */
const read = (
  file: SourceFile,
  isGzip: boolean,
  transform: Transform,
  target: () => Writable | Promise<Writable>
): Effect.Effect<void, SourceRejected> =>
  TextFile.transformed({ path: file.path, isGzip }, transform, target, (cause) =>
    cause instanceof LineFault
      ? new SourceRejected({ file: file.uri, line: cause.line, reason: cause.message })
      : new SourceRejected({ file: file.uri, reason: unpackReason(cause) })
  )

const unpackReason = (cause: unknown): string =>
  `the file cannot be unpacked: ${cause instanceof Error ? cause.message : String(cause)}; it may have been cut`

/** The first bytes of a gzip file's text; enough for a header. */
const unpackStart = (file: SourceFile): Effect.Effect<Buffer, SourceRejected> =>
  Effect.tryPromise({
    try: async () => {
      const chunks: Array<Buffer> = []
      let bytes = 0
      const source = createReadStream(file.path)
      const plain = source.pipe(createGunzip())
      source.on("error", (error) => plain.destroy(error))
      for await (const chunk of plain) {
        const piece = Buffer.from(chunk)
        chunks.push(piece)
        bytes += piece.length
        if (piece.includes(0x0a) || bytes > HEADER_LIMIT_BYTES) break
      }
      source.destroy()
      return Buffer.concat(chunks)
    },
    catch: (cause) => new SourceRejected({ file: file.uri, reason: unpackReason(cause) })
  })
