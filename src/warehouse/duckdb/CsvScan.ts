/**
 * Finds the first record of a CSV file with another number of cells than its header: only for files that are known to have one.
 */
import * as Effect from "effect/Effect"
import { createReadStream } from "node:fs"

const QUOTE = 0x22
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** The record's number, the header being 1. */
export const firstRaggedRecord = (path: string, delimiter: string, cells: number): Effect.Effect<number | undefined> =>
  Effect.promise(async () => {
    const delimiterByte = delimiter.charCodeAt(0)
    let quoted = false
    let delimiters = 0
    let bytes = 0
    let record = 1
    for await (const chunk of createReadStream(path)) {
      for (const byte of Buffer.from(chunk)) {
        if (byte === QUOTE) quoted = !quoted
        else if (!quoted && byte === LINE_FEED) {
          if (bytes > 0 && delimiters + 1 !== cells) return record
          if (bytes > 0) record++
          delimiters = 0
          bytes = 0
          continue
        } else if (!quoted && byte === delimiterByte) delimiters++
        if (byte !== CARRIAGE_RETURN) bytes++
      }
    }
    return bytes > 0 && delimiters + 1 !== cells ? record : undefined
  })
