/**
 * Lookup tables: each `configs/lookups/<name>.csv` is the table `organizations.<name>` with text columns; its description carries the hash
 * of the file, and a file that has changed is loaded in place of what the table held.
 */
import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readCsvHeader } from "../duckdb/CsvHeader.ts"
import { name as duckName, text as duckText } from "../duckdb/SqlText.ts"
import { SourceRejected } from "../Warehouse.ts"
import * as Conversion from "./Conversion.ts"
import * as Jobs from "./Jobs.ts"
import type { Session } from "./Session.ts"
import * as Quotas from "./Quotas.ts"
import { centralDataset, TableResource } from "./Tables.ts"

const hashMark = "sha256:"
const LOAD_CONCURRENCY = 4

/** The names of the lookup tables of a folder, which may be absent. */
export const names = (folder: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.tryPromise(() => readdir(folder)).pipe(
    Effect.orElseSucceed((): ReadonlyArray<string> => []),
    Effect.map((entries) =>
      entries
        .filter((entry) => entry.endsWith(".csv"))
        .map((entry) => basename(entry, ".csv"))
        .sort()
    )
  )

/** Loads new and changed files. */
export const load = Effect.fn("BigQueryLookups.load")(function* (
  session: Session,
  workplace: Conversion.Workplace,
  folder: string
) {
  yield* Effect.forEach(
    yield* names(folder),
    (table) => Effect.scoped(loadOne(session, workplace, table, join(folder, `${table}.csv`))),
    { concurrency: LOAD_CONCURRENCY, discard: true }
  )
})

const loadOne = Effect.fnUntraced(function* (
  session: Session,
  workplace: Conversion.Workplace,
  table: string,
  file: string
) {
  const content = yield* Effect.tryPromise({
    try: () => readFile(file),
    catch: () => new SourceRejected({ file, reason: "the lookup file cannot be read" })
  })
  const hash = createHash("sha256").update(content).digest("hex")
  const what = `load the lookup table ${table}`
  const path = `/datasets/${centralDataset}/tables/${table}`
  const present = yield* Jobs.find(session, what, { method: "GET", path }, TableResource)
  if (present?.description?.includes(`${hashMark}${hash}`) === true) return
  const header = readCsvHeader(content)
  if (typeof header === "string") return yield* new SourceRejected({ file, line: 1, reason: header })
  const wrong = [table, ...header.names].find((identifier) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(identifier))
  if (wrong !== undefined) {
    const reason = `${JSON.stringify(wrong)} cannot be the name of a table or column`
    return yield* new SourceRejected({ file, line: 1, reason })
  }
  const staged = yield* asParquet(workplace, file, header)
  const fields = header.names.map((column) => ({ name: column, type: "STRING", mode: "NULLABLE" }))
  yield* Quotas.admit(session.ledger, what, Quotas.newTable)
  yield* Jobs.create(session, what, `/datasets/${centralDataset}/tables`, {
    tableReference: { projectId: session.api.projectId, datasetId: centralDataset, tableId: table },
    labels: { service: "pipeline-service" },
    schema: { fields }
  })
  yield* Jobs.run(session, {
    id: Jobs.jobId("lookup", table, hash, crypto.randomUUID()),
    what,
    work: {
      kind: "upload",
      dataset: centralDataset,
      table,
      file: staged,
      uses: Quotas.loadOf(table),
      load: { sourceFormat: "PARQUET", schema: { fields }, writeDisposition: "WRITE_TRUNCATE" }
    },
    labels: { lookup: table }
  })
  yield* Quotas.admit(session.ledger, what, Quotas.changeOf(table))
  yield* Jobs.call(
    session,
    what,
    { method: "PATCH", path, body: { description: `Lookup table of pipeline-service, ${hashMark}${hash}` } },
    Schema.Unknown
  )
})

const asParquet = Effect.fnUntraced(function* (
  workplace: Conversion.Workplace,
  file: string,
  header: { readonly names: ReadonlyArray<string>; readonly delimiter: string }
) {
  const folder = yield* Conversion.temporaryFolder(workplace.folder)
  const { connection } = yield* Conversion.engine(workplace, folder)
  const target = join(folder, "lookup.parquet")
  const columns = header.names.map((column) => `${duckText(column)}: 'VARCHAR'`).join(", ")
  const cells = header.names.map(duckName).join(", ")
  yield* connection
    .query(
      `COPY (SELECT ${cells} FROM read_csv(${duckText(file)}, auto_detect = false, header = true, delim = ${duckText(header.delimiter)}, ` +
        `quote = '"', escape = '"', nullstr = '', columns = {${columns}})) TO ${duckText(target)} (FORMAT parquet, COMPRESSION zstd)`
    )
    .pipe(Effect.mapError((error) => new SourceRejected({ file, reason: error.reason })))
  return target
})
