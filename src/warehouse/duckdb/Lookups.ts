/**
 * Lookup tables: each `configs/lookups/<name>.csv` is the table `organizations.<name>` with text columns, loaded again when the file's
 * content has changed.
 */
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import { SourceRejected } from "../Warehouse.ts"
import { readCsvHeader } from "./CsvHeader.ts"
import { centralDataset, systemDataset } from "./Datasets.ts"
import { type Connection, transaction } from "./DuckDb.ts"
import { name, text } from "./SqlText.ts"

const hashes = `${systemDataset}.lookups`

/** Loads new and changed files of the folder, which may be absent; answers the names of all lookup tables. */
export const load = Effect.fn("Lookups.load")(function* (connection: Connection, folder: string) {
  const known = yield* connection.query(
    `CREATE TABLE IF NOT EXISTS ${hashes} (name VARCHAR PRIMARY KEY, content_hash VARCHAR NOT NULL);
    SELECT name, content_hash FROM ${hashes}`
  )
  const loaded = new Map(known.rows.map(([table, hash]) => [String(table), String(hash)]))
  const entries = yield* Effect.orElseSucceed(
    Effect.try(() => readdirSync(folder)),
    (): ReadonlyArray<string> => []
  )
  const tables: Array<string> = []
  const changed: Array<Lookup> = []
  for (const file of entries.filter((entry) => entry.endsWith(".csv")).sort()) {
    const table = basename(file, ".csv")
    const path = join(folder, file)
    // To have another thread read costs more than to read.
    const content = yield* Effect.try({
      try: () => readFileSync(path),
      catch: () => new SourceRejected({ file: path, reason: "the lookup file cannot be read" })
    })
    const hash = createHash("sha256").update(content).digest("hex")
    tables.push(table)
    if (loaded.get(table) !== hash) changed.push({ table, path, content, hash })
  }
  if (changed.length === 0) return tables
  const values = changed.map(({ hash, table }) => `(${text(table)}, ${text(hash)})`).join(", ")
  // All of them or none: a transaction of its own for each would wait for the disk as often.
  yield* transaction(
    connection,
    Effect.gen(function* () {
      for (const lookup of changed) yield* replace(connection, lookup)
      yield* connection.query(`INSERT OR REPLACE INTO ${hashes} VALUES ${values}`)
    })
  )
  return tables
})

interface Lookup {
  readonly table: string
  readonly path: string
  readonly content: Buffer
  readonly hash: string
}

const replace = Effect.fn("Lookups.replace")(function* (connection: Connection, lookup: Lookup) {
  const header = readCsvHeader(lookup.content)
  if (typeof header === "string") return yield* new SourceRejected({ file: lookup.path, line: 1, reason: header })
  const wrong = [lookup.table, ...header.names].find((identifier) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(identifier))
  if (wrong !== undefined) {
    const reason = `${JSON.stringify(wrong)} cannot be the name of a table or column`
    return yield* new SourceRejected({ file: lookup.path, line: 1, reason })
  }
  const columns = header.names.map((column) => `${text(column)}: 'VARCHAR'`).join(", ")
  const reader =
    `read_csv(${text(lookup.path)}, auto_detect = false, header = true, delim = ${text(header.delimiter)}, quote = '"', ` +
    `escape = '"', nullstr = '', columns = {${columns}})`
  const path = `${name(centralDataset)}.${name(lookup.table)}`
  yield* Effect.mapError(
    connection.query(`CREATE OR REPLACE TABLE ${path} AS SELECT * FROM ${reader}`),
    ({ reason }) => new SourceRejected({ file: lookup.path, reason })
  )
})
