/**
 * Reads the header of a CSV file: the native names and the delimiter.
 */

/** Native names as written, trimmed, without a byte order mark. */
export interface CsvHeader {
  readonly names: ReadonlyArray<string>
  readonly delimiter: string
}

const delimiters = [",", ";", "\t", "|"]

/** The header that a file starts with, or why it has none. */
export const readCsvHeader = (start: Uint8Array): CsvHeader | string => {
  const bytes = firstRecord(start)
  if (bytes === undefined) return "the header has a quote that is never closed"
  const record = decode(bytes)
  if (record === undefined) return "the header is not UTF-8"
  if (record.trim() === "") return "the file has no header"
  const counts = delimiters.map((delimiter) => cells(record, delimiter))
  const best = counts.reduce((most, next) => (next.length > most.length ? next : most))
  const names = best.map((name) => name.trim())
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) return `the column ${JSON.stringify(name)} stands twice in the header`
    seen.add(name)
  }
  return { names, delimiter: delimiters[counts.indexOf(best)] ?? "," }
}

const firstRecord = (bytes: Uint8Array): Uint8Array | undefined => {
  let quoted = false
  for (const [index, byte] of bytes.entries()) {
    if (byte === 0x22) quoted = !quoted
    else if (!quoted && (byte === 0x0a || byte === 0x0d)) return bytes.subarray(0, index)
  }
  return quoted ? undefined : bytes
}

/** The text without its byte order mark. */
const decode = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

const cells = (record: string, delimiter: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  let cell = ""
  let quoted = false
  for (let index = 0; index < record.length; index++) {
    const character = record[index]
    if (character === '"' && quoted && record[index + 1] === '"') {
      cell += '"'
      index++
    } else if (character === '"') quoted = !quoted
    else if (character === delimiter && !quoted) {
      found.push(cell)
      cell = ""
    } else cell += character
  }
  return [...found, cell]
}
