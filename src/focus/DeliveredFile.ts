/**
 * A FOCUS dataset in a file that somebody delivered, ours or not: it is read as it is, then judged by the same rules as our own rows.
 */
import * as Effect from "effect/Effect"
import type { Day, RunId } from "../platform/Identifiers.ts"
import type { FileFormat, FileMapping } from "../warehouse/FileMapping.ts"
import type { Column, ColumnType, Table } from "../warehouse/Table.ts"
import type { OrgWarehouse } from "../warehouse/Warehouse.ts"
import * as Conformance from "./Conformance.ts"
import { columnsOf, leavesOf } from "./Expression.ts"
import type { Dataset, FocusColumn, RuleSet } from "./RuleSet.ts"

/** A file, what its header says, and how it is packed. */
export interface DeliveredFile {
  readonly path: string
  readonly format: FileFormat
  /** The column names as written, in their order. */
  readonly header: ReadonlyArray<string>
}

/** The judgement of a file. Rows with a cell that its Parquet type does not fit are not judged: they are `unreadable`. */
export type FileReport = Conformance.ConformanceReport & {
  readonly dataset: Dataset
  readonly unreadable: ReadonlyArray<{ readonly reason: string; readonly rows: number; readonly example: string }>
  /** Columns that are neither of the specification nor custom ones. */
  readonly unknownColumns: ReadonlyArray<string>
}

/** The format that a file's name tells; everything but Parquet and NDJSON is read as CSV. */
export const formatOf = (path: string): FileFormat =>
  /\.parquet$/i.test(path) ? "parquet" : /\.(ndjson|jsonl)(\.gz)?$/i.test(path) ? "ndjson" : "csv"

/** Which of the two datasets the columns are. */
export const datasetOf = (header: ReadonlyArray<string>): Dataset =>
  header.includes("ContractCommitmentId") && !header.includes("BilledCost") ? "ContractCommitment" : "CostAndUsage"

const TABLE = "delivered_rows"
const FILE_COLUMN = "x_source_file"
const ROW_COLUMN = "x_source_row"
const OTHERS_COLUMN = "other_columns"
/** Where a row stands in this file; what it says of earlier files is not read. */
const ownColumns: ReadonlyArray<string> = [FILE_COLUMN, ROW_COLUMN, OTHERS_COLUMN]

const typeIn: Readonly<Record<FocusColumn["type"], ColumnType>> = {
  String: "STRING",
  Decimal: "BIGNUMERIC",
  "Date/Time": "TIMESTAMP",
  JSON: "JSON"
}

/**
 * The table that files of this dataset and format are read into. CSV cells stay text, so that the rules judge how they are written;
 * the formats with types are read by the types of the specification.
 */
export const tableOf = (ruleSet: RuleSet, dataset: Dataset, format: FileFormat): Table => {
  const rules = ruleSet.rules[dataset].flatMap(({ check, when }) => (when === undefined ? [check] : [check, when]))
  const named = [...rules, ...ruleSet.gaps.map(({ when }) => when)].flatMap((each) => leavesOf(each).flatMap(columnsOf))
  const custom = [...new Set(named)].filter((name) => name.startsWith("x_") && !ownColumns.includes(name))
  return {
    name: TABLE,
    description: "Rows of a delivered file.",
    clusterBy: [],
    columns: [
      column(FILE_COLUMN, "STRING"),
      column(ROW_COLUMN, "INT64"),
      column(OTHERS_COLUMN, "JSON"),
      ...ruleSet.columns[dataset].map(({ name, type }) => column(name, format === "csv" ? "STRING" : typeIn[type])),
      ...custom.map((name) => column(name, "STRING"))
    ]
  }
}

const column = (name: string, type: ColumnType): Column => ({ name, type, required: false, description: name })

/** Reads the file into `table` (of {@link tableOf}) of a warehouse made for this, and judges it; `abilities` as in {@link Conformance.ConformanceRequest}. */
export const judge = Effect.fn("DeliveredFile.judge")(function* (
  warehouse: OrgWarehouse,
  ruleSet: RuleSet,
  given: {
    readonly file: DeliveredFile
    readonly table: Table
    readonly runId: RunId
    readonly today: Day
    readonly abilities?: ReadonlyArray<string>
  }
) {
  const { file, table } = given
  const dataset = datasetOf(file.header)
  const readColumns = new Map(table.columns.map((each) => [each.name, each]))
  const loaded = yield* warehouse.replaceSlice({
    slice: {
      table: TABLE,
      pipelineId: "focus_check",
      credentialId: "default",
      extent: { kind: "day", date: given.today }
    },
    source: {
      _tag: "Files",
      format: file.format,
      files: [{ path: file.path, uri: file.path }],
      mapping: mappingOf(file.header.filter((name) => readColumns.has(name) && !ownColumns.includes(name)))
    },
    runId: given.runId
  })
  const judged = yield* Conformance.evaluate(warehouse, ruleSet, {
    dataset,
    // In the order of the file and with its custom columns: there are rules about both.
    table: { name: TABLE, columns: file.header.map((name) => readColumns.get(name) ?? column(name, "STRING")) },
    ...(given.abilities === undefined ? {} : { abilities: given.abilities })
  })
  const specified = new Set(ruleSet.columns[dataset].map(({ name }) => name))
  const report: FileReport = {
    ...judged,
    dataset,
    unreadable: loaded.quarantine,
    unknownColumns: file.header.filter((name) => !specified.has(name) && !name.startsWith("x_"))
  }
  return report
})

const mappingOf = (names: ReadonlyArray<string>): FileMapping => ({
  columns: names.map((name) => ({ column: name, from: [name] })),
  collected: [],
  driftColumn: OTHERS_COLUMN,
  fileColumn: FILE_COLUMN,
  rowColumn: ROW_COLUMN,
  nullWords: []
})
