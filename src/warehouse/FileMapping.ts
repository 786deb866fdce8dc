/**
 * How the columns of a provider's files become the columns of a table: data that every engine compiles to its own bulk reader, so that
 * rows never pass through JavaScript.
 *
 * Header names are compared trimmed, without a byte order mark, reduced to lower-case letters and digits:
 * `lineItem/UnblendedCost` equals `line_item_unblended_cost`. A localised name that carries another one in parentheses at its end, as in
 * `Ressourcengruppe (ResourceGroup)`, is that one.
 */
import type { ColumnType } from "./Table.ts"

/**
 * Where one table column comes from: the first of `from` that the file has. A DATE may be written as a date, as a timestamp (its UTC day)
 * or as a month `YYYYMM` (its first day).
 */
export interface ColumnSource {
  readonly column: string
  /** Native names in order of preference; `product[region]` names a key of a map column (JSON text in CSV, MAP or STRUCT in Parquet). */
  readonly from: readonly [string, ...ReadonlyArray<string>]
  /** The file is refused when it has none of the names. */
  readonly mustExist?: boolean
  /** A row without a value here stops the whole slice (money, currency, period); other unreadable rows go to the quarantine. */
  readonly mustHaveValue?: boolean
  /** Native columns that stand in for an empty cell, row by row: the first of them that is filled. */
  readonly whenEmpty?: ReadonlyArray<string>
  /**
   * A DATE column of months: the first of the cells (of `from`, then `whenEmpty`) that is a month's first day, else the month of the last
   * one that is filled.
   */
  readonly isMonth?: boolean
  /** What words of the file mean: each is read as the word beside it. */
  readonly words?: Readonly<Record<string, string>>
  /** Regular expression that the whole value (as read by `words`) must match; a row that does not stops the whole slice. */
  readonly mustMatch?: string
  /**
   * A quantity, a rate of exchange or an amount beside the bill, never what is billed: decimals beyond the column's type are rounded half
   * away from zero instead of quarantining the row. Binary floating point of Parquet, which has no decimals of its own, always is.
   */
  readonly rounded?: boolean
}

/** A family of native columns, or one native map column, gathered into one JSON column; empty cells are left out. */
export interface CollectedColumns {
  readonly column: string
  /** Native names that start with one of these (compared as written, ignoring case) are gathered, the prefix cut off. */
  readonly prefixes: ReadonlyArray<string>
  /** Native columns that hold the whole map already. */
  readonly maps: ReadonlyArray<string>
}

/** The whole mapping of one native format. */
export interface FileMapping {
  readonly columns: ReadonlyArray<ColumnSource>
  readonly collected: ReadonlyArray<CollectedColumns>
  /** JSON column for every native column that is mapped nowhere, by its native name; empty cells are left out. */
  readonly driftColumn: string
  /** Columns that receive the file's URI and the row's number in it (1 = first row after the header), so that any figure can be traced. */
  readonly fileColumn: string
  readonly rowColumn: string
  /** Cells with exactly these words are NULL, beside the empty cell. */
  readonly nullWords: ReadonlyArray<string>
  /**
   * Dates may be written as 4/30/2026 or 30.4.2026, one order in a whole file. A part above 12 is the day; where there is none, the first
   * days of months in these native columns tell; where they do not either, the month comes first. Without this only ISO 8601 is read.
   */
  readonly localDates?: { readonly firstDays: ReadonlyArray<string> }
  /** Rows may lack cells at their end, which are then empty; without this such a row refuses its file. */
  readonly shortRows?: boolean
}

/** How native names are compared: lower-case letters and digits only, of the name in parentheses where a localised one carries it. */
export const reduced = (native: string): string =>
  (/\(([^()]+)\)\s*$/.exec(native)?.[1] ?? native).toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "")

/** Formats that the bulk lane reads. CSV and NDJSON may be gzipped; it is told by the content, not by the name. */
export type FileFormat = "csv" | "parquet" | "ndjson"

/** A value bound to a statement; decimals, dates and timestamps are text. */
export interface SqlParameter {
  readonly type: ColumnType
  readonly value: string | number | boolean | null
}
