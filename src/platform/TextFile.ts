/**
 * Text files, packed with gzip or not, as streams.
 */
import * as Effect from "effect/Effect"
import { createReadStream } from "node:fs"
import { Transform, type Writable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createGunzip } from "node:zlib"

/** An unpacked file may not be larger: a small archive can hold more than the disk. */
const UNPACKED_LIMIT_BYTES = 256 * 1024 ** 3
/** Files are read and written in pieces of this size. */
const PIECE_BYTES = 1024 ** 2

/** True for a file that starts so. */
export const startsAsGzip = (start: Buffer): boolean => start[0] === 0x1f && start[1] === 0x8b

/**
 * Sends the text of a file through `transform`; `failed` makes the error of what goes wrong. An interrupt waits for the end, so that nothing
 * is written after it.
 */
export const transformed = <E>(
  file: { readonly path: string; readonly isGzip: boolean },
  transform: Transform,
  target: () => Writable | Promise<Writable>,
  failed: (cause: unknown) => E
): Effect.Effect<void, E> =>
  Effect.async((resume) => {
    const abort = new AbortController()
    const run = async () => {
      const written = await target()
      const steps = [...(file.isGzip ? [createGunzip({ chunkSize: PIECE_BYTES })] : []), limiter(), transform]
      const source = createReadStream(file.path, { highWaterMark: PIECE_BYTES })
      await pipeline([source, ...steps, written], { signal: abort.signal })
    }
    const ended = run().then(
      () => resume(Effect.void),
      (cause: unknown) => resume(Effect.fail(failed(cause)))
    )
    return Effect.promise(() => {
      abort.abort()
      return ended
    })
  })

const limiter = (): Transform => {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > UNPACKED_LIMIT_BYTES) done(new Error(`it unpacks to more than ${UNPACKED_LIMIT_BYTES} bytes`))
      else done(null, chunk)
    }
  })
}
