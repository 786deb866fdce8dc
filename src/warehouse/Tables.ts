/**
 * Reads the declarations of `configs/tables/*.yml`, and declares the two tables that every dataset has for the warehouse's own use.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Option from "effect/Option"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { SettingsValues } from "../platform/Settings.ts"
import * as Yaml from "../platform/Yaml.ts"
import { type Column, lineageColumns, Table } from "./Table.ts"

/** A declaration cannot be used; it stops the start. */
export class InvalidTable extends Schema.TaggedError<InvalidTable>()("InvalidTable", {
  file: Schema.String,
  line: Schema.Number,
  reason: Schema.String
}) {
  override get message() {
    return `${this.file}:${this.line}: ${this.reason}`
  }
}

const nullable = (name: string, type: Column["type"], description: string): Column => ({
  name,
  type,
  required: false,
  description
})
const required = (name: string, type: Column["type"], description: string): Column => ({
  ...nullable(name, type, description),
  required: true
})

/** Native rows that could not become rows of their table, each with its reason. Replaced together with the slice they belong to. */
export const quarantineTable: Table = {
  name: "org_quarantine",
  description: "Native rows that could not be loaded, and why.",
  clusterBy: ["table_name", "x_pipeline_id"],
  columns: [
    required("table_name", "STRING", "Table that the row was meant for."),
    required("reason", "STRING", "Column and kind of value that could not be read, or the rule that was broken."),
    nullable("source_file", "STRING", "URI of the file."),
    nullable("source_row", "INT64", "Number of the row in the file; 1 is the first after the header."),
    nullable("raw", "JSON", "The row as it came: native column names and texts.")
  ]
}

/** The change token that was saved with the present content of a slice. */
export const sliceTokensTable: Table = {
  name: "org_slice_tokens",
  description: "Change tokens of the sources that slices were filled from.",
  clusterBy: ["table_name", "x_pipeline_id"],
  columns: [
    required("table_name", "STRING", "Table of the slice."),
    required("extent", "STRING", "Day or billing periods that the slice covers."),
    nullable("days", "ARRAY<STRING>", "Data date, or first days of the billing periods."),
    required("token", "STRING", "Token of the source.")
  ]
}

/** The tables that every dataset has for the warehouse's own use. */
export const ownTables: ReadonlyArray<Table> = [quarantineTable, sliceTokensTable]

/** All columns of a table in order: its own, then the lineage. */
export const columnsOf = (table: Table): ReadonlyArray<Column> => [...table.columns, ...lineageColumns]

/**
 * Every table of an installation by name: the declarations of the package, those of `CUSTOM_CONFIGS_PATH`, which win, and the warehouse's own
 * tables.
 */
export const declared = Effect.fn("Tables.declared")(function* ({ configsPath, customConfigsPath }: SettingsValues) {
  const tables = new Map(yield* load(join(configsPath, "tables")))
  const custom = Option.map(customConfigsPath, (folder) => join(folder, "tables"))
  if (Option.isSome(custom) && existsSync(custom.value)) {
    for (const [name, table] of yield* load(custom.value)) tables.set(name, table)
  }
  return tables
})

/** Reads every declaration of a folder and adds the warehouse's own tables; by table name. */
export const load = Effect.fn("Tables.load")(function* (folder: string) {
  const names = yield* Effect.try({
    try: () => readdirSync(folder),
    catch: () => new InvalidTable({ file: folder, line: 1, reason: "the folder of table declarations cannot be read" })
  })
  const tables = new Map<string, Table>(ownTables.map((table) => [table.name, table]))
  for (const name of names.filter((name) => name.endsWith(".yml")).sort()) {
    const file = join(folder, name)
    const table = yield* read(file)
    if (name !== `${table.name}.yml`) {
      return yield* new InvalidTable({ file, line: 1, reason: `the table ${table.name} belongs in ${table.name}.yml` })
    }
    if (tables.has(table.name)) {
      return yield* new InvalidTable({ file, line: 1, reason: `${table.name} is a table of the warehouse itself` })
    }
    tables.set(table.name, table)
  }
  return tables
})

/** A file that declares one table. */
export const kind = Yaml.kind("table", Table, { onExcessProperty: "error" })

const read = Effect.fnUntraced(function* (file: string) {
  const invalid = (line: number, reason: string) => new InvalidTable({ file, line, reason })
  // To have another thread read costs more than to read.
  const text = yield* Effect.try({
    try: () => readFileSync(file, "utf8"),
    catch: () => invalid(1, "the file cannot be read")
  })
  const { lineOf, value: table } = yield* Effect.mapError(kind.read(text), ({ line, reason }) => invalid(line, reason))
  const seen = new Set(lineageColumns.map((column) => column.name))
  for (const [index, column] of table.columns.entries()) {
    const name = column.name.toLowerCase()
    if (seen.has(name)) {
      const reason = `column ${column.name} is declared twice, or is a lineage column that the warehouse adds itself`
      return yield* invalid(lineOf(["columns", index]), reason)
    }
    seen.add(name)
  }
  return table
})
