/**
 * A report that AWS packed as a ZIP archive of one file. It is unpacked with its check sum and its length verified, and piece by piece: the
 * library that reads small archives does neither.
 */
import { createReadStream, createWriteStream } from "node:fs"
import { type FileHandle, open, rm } from "node:fs/promises"
import { join } from "node:path"
import { Transform } from "node:stream"
import { pipeline } from "node:stream/promises"
import { crc32, createInflateRaw } from "node:zlib"
import * as Effect from "effect/Effect"
import { SourceError } from "../SourceError.ts"

/** Whether a key or URI names such an archive. */
export const isZipped = (key: string): boolean => /\.zip$/i.test(key)

/** The path of the unpacked report; what is written lies in `folder` and goes with the scope. */
export const unpack = Effect.fn("ZippedReport.unpack")(function* (
  file: { readonly path: string; readonly uri: string },
  folder: string
) {
  const target = join(folder, `${crypto.randomUUID()}.csv`)
  yield* Effect.addFinalizer(() => Effect.promise(() => rm(target, { force: true })))
  yield* Effect.tryPromise({
    try: async (signal) => {
      const entry = await onlyEntry(file.path)
      const packed = createReadStream(file.path, { start: entry.start, end: entry.start + entry.packedBytes - 1 })
      const steps = [...(entry.isDeflated ? [createInflateRaw()] : []), checked(entry)]
      await pipeline([packed, ...steps, createWriteStream(target)], { signal })
    },
    catch: (cause) =>
      new SourceError({
        kind: "permanent",
        code: "ZIP_UNREADABLE",
        message: `${file.uri}: ${cause instanceof ZipFault ? cause.message : "it cannot be unpacked; it may have been cut"}`,
        suggestedAction: "let AWS deliver the report again, or let it write GZIP or Parquet"
      })
  })
  return target
})

/** The archive is not one that is read here. */
class ZipFault extends Error {}

interface Entry {
  readonly start: number
  readonly packedBytes: number
  readonly bytes: number
  readonly checkSum: number
  readonly isDeflated: boolean
}

const endOfDirectory = Buffer.from("PK\u0005\u0006", "latin1")
const endOfDirectoryBytes = 22
const directoryEntryBytes = 46
const localHeaderBytes = 30
/** The end of the directory stands before a comment of at most this length. */
const commentLimitBytes = 0xffff
/** Numbers of this value stand elsewhere, in archives above 4 GB. */
const elsewhere = 0xffffffff
const methods = { stored: 0, deflated: 8 } as const

/** The archive's only file, by its directory. */
const onlyEntry = async (path: string): Promise<Entry> => {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const tailBytes = Math.min(size, endOfDirectoryBytes + commentLimitBytes)
    const tail = await bytesAt(file, size - tailBytes, tailBytes)
    const end = tail.lastIndexOf(endOfDirectory)
    const isWhole = end >= 0 && tail.length - end >= endOfDirectoryBytes
    if (!isWhole) throw new ZipFault("it is no ZIP archive, or was cut")
    const entries = tail.readUInt16LE(end + 10)
    if (entries !== 1) throw new ZipFault(`it holds ${entries} files, expected is one report`)
    const entry = await bytesAt(file, tail.readUInt32LE(end + 16), directoryEntryBytes)
    const [packedBytes, bytes, header] = [entry.readUInt32LE(20), entry.readUInt32LE(24), entry.readUInt32LE(42)]
    if ([packedBytes, bytes, header].includes(elsewhere)) throw new ZipFault("it is of more than 4 GB")
    const method = entry.readUInt16LE(10)
    const isEncrypted = (entry.readUInt16LE(8) & 1) === 1
    if (isEncrypted || (method !== methods.stored && method !== methods.deflated)) {
      throw new ZipFault("it is encrypted or packed in another way than by deflate")
    }
    const local = await bytesAt(file, header, localHeaderBytes)
    const start = header + localHeaderBytes + local.readUInt16LE(26) + local.readUInt16LE(28)
    return { start, packedBytes, bytes, checkSum: entry.readUInt32LE(16), isDeflated: method === methods.deflated }
  } finally {
    await file.close()
  }
}

const bytesAt = async (file: FileHandle, position: number, length: number): Promise<Buffer> => {
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(length), position })
  if (bytesRead < length) throw new ZipFault("it is no ZIP archive, or was cut")
  return buffer
}

const checked = ({ bytes, checkSum }: Entry): Transform => {
  let found = 0
  let sum = 0
  const damaged = () => new ZipFault("its content has another length or check sum than it tells; it may be damaged")
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      found += chunk.length
      sum = crc32(chunk, sum)
      if (found > bytes) done(damaged())
      else done(null, chunk)
    },
    flush(done) {
      done(found === bytes && sum === checkSum ? null : damaged())
    }
  })
}
