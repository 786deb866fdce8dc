/**
 * Native files and streams of rows as Parquet files that BigQuery loads as they are. The embedded engine reads, checks and types them in
 * a database of its own that lives for one slice, with the same code that fills the embedded warehouse: one reader of every format, one
 * quarantine, and rows pass through neither JavaScript nor a float.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import type { OrgSlug } from "../../platform/Identifiers.ts"
import * as Datasets from "../duckdb/Datasets.ts"
import { type Connection, open, PARQUET } from "../duckdb/DuckDb.ts"
import * as FilePart from "../duckdb/FilePart.ts"
import type { Part } from "../duckdb/Part.ts"
import * as RowsPart from "../duckdb/RowsPart.ts"
import * as SliceWriter from "../duckdb/SliceWriter.ts"
import * as SourceFile from "../duckdb/SourceFile.ts"
import { name as duckName, text as duckText } from "../duckdb/SqlText.ts"
import type { Column, Table } from "../Table.ts"
import { columnsOf, quarantineTable, sliceTokensTable } from "../Tables.ts"
import {
  type SliceReport,
  type SliceSource,
  type SliceWrite,
  type WarehouseError,
  WarehouseUnavailable
} from "../Warehouse.ts"

/** Where conversions work, and what the engine of one may take. */
export interface Workplace {
  readonly folder: string
  readonly limits: Readonly<Record<string, string>>
}

/** A table's rows in a Parquet file; none where there are no rows. */
export interface Converted {
  readonly report: SliceReport
  readonly rows: string | undefined
  readonly quarantine: string | undefined
}

/** Converts the source of a slice; the files go with the scope. */
export const convert = Effect.fn("BigQueryConversion.convert")(function* <E>(
  workplace: Workplace,
  target: { readonly org: OrgSlug; readonly dataset: string; readonly table: Table; readonly ingestedAt: string },
  write: SliceWrite<E>,
  source: Exclude<SliceSource<E>, { readonly _tag: "Query" }>
) {
  const folder = yield* temporaryFolder(workplace.folder)
  const { connection, spill } = yield* engine(workplace, folder)
  const { dataset, table } = target
  yield* Datasets.ensure(connection, dataset, [table, quarantineTable, sliceTokensTable])
  const parts: ReadonlyArray<Effect.Effect<Part, WarehouseError, Scope.Scope>> =
    source._tag === "Files"
      ? source.files.map((file) =>
          SourceFile.prepare(file, source, connection, spill).pipe(
            Effect.flatMap((prepared) => FilePart.open(connection, prepared, source.mapping, table, file.values))
          )
        )
      : [Effect.succeed(yield* RowsPart.spool(source.rows, table, spill))]
  const report = yield* SliceWriter.replace(
    { connection, ...target, write: { slice: write.slice, runId: write.runId } },
    parts
  )
  const written = yield* exported(connection, join(folder, "rows.parquet"), dataset, table, report.rowsWritten)
  const quarantined = yield* exported(
    connection,
    join(folder, "quarantine.parquet"),
    dataset,
    quarantineTable,
    report.rowsQuarantined
  )
  const converted: Converted = { report, rows: written, quarantine: quarantined }
  return converted
})

/** An engine for one use, in a folder of its own. */
export const engine = Effect.fn("BigQueryConversion.engine")(function* ({ limits }: Workplace, folder: string) {
  const spill = join(folder, "spill")
  const database = yield* open(join(folder, "conversion.duckdb"), {
    ...limits,
    temp_directory: spill,
    preserve_insertion_order: "false",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false"
  })
  return { connection: yield* database.connect, spill }
})

/** A folder that goes with the scope. */
export const temporaryFolder = (parent: string): Effect.Effect<string, WarehouseUnavailable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        await mkdir(parent, { recursive: true })
        return await mkdtemp(join(parent, "slice-"))
      },
      catch: (cause) => new WarehouseUnavailable({ message: `the folder ${parent} cannot be used: ${String(cause)}` })
    }),
    (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
  )

const exported = Effect.fnUntraced(function* (
  connection: Connection,
  path: string,
  dataset: string,
  table: Table,
  rows: number
) {
  if (rows === 0) return undefined
  const cells = columnsOf(table).map((column) => `${staged(column)} AS ${duckName(column.name)}`)
  yield* connection.query(
    `COPY (SELECT ${cells.join(", ")} FROM ${duckName(dataset)}.${duckName(table.name)}) TO ${duckText(path)} (${PARQUET})`,
    { label: `stage ${dataset}.${table.name}`, needs: "wide" }
  )
  return path
})

/** JSON and lists travel as text: Parquet's own forms of them are read differently from loader to loader. */
const staged = ({ name, type }: Column): string => {
  const cell = duckName(name)
  if (type === "JSON") return `CAST(${cell} AS VARCHAR)`
  return type === "ARRAY<STRING>" ? `CAST(to_json(${cell}) AS VARCHAR)` : cell
}
