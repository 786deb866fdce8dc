/**
 * One part of a slice's source, a file or the result of a query, as SQL that the engine can check and insert.
 */
import type { Column } from "../Table.ts"
import type { StatementFailed, WarehouseError } from "../Warehouse.ts"

/** What one column of the table receives: SQL of the typed value, right for rows that pass every check. */
export interface PartValue {
  readonly column: Column
  readonly sql: string
}

/** A source relation and what the table's columns become from it. Columns without a value are NULL. */
export interface Part {
  /** Name of the source in lineage and errors. */
  readonly uri: string
  /** The relation, for a FROM clause; with `numbered` it has the BIGINT column `source_row`, 1 for the first row. */
  readonly relation: (numbered: boolean) => string
  readonly values: ReadonlyArray<PartValue>
  /** A row of which `bad` is true goes to the quarantine with the first such reason. */
  readonly checks: ReadonlyArray<{ readonly bad: string; readonly reason: string }>
  /** A row of which `missing` is true stops the whole slice. */
  readonly stops: ReadonlyArray<{ readonly missing: string; readonly reason: string }>
  /** SQL of the native row as a JSON object, for the quarantine. */
  readonly raw: string
  /** Native columns that the mapping does not know. */
  readonly unmapped: ReadonlyArray<string>
  /** Lines before the first row. */
  readonly headerLines: number
  /** How many rows the source has, where that is known before it is read. */
  readonly rows?: number
  /** What the engine needs of its memory to read the part. */
  readonly needs: "load" | "documents"
  /** Turns the engine's refusal while it reads the part into the error that the caller gets. */
  readonly refused: (error: StatementFailed) => WarehouseError
}

/** SQL of a JSON object of the members whose value is not NULL; NULL when there are none. Each value is a VARCHAR expression. */
export const jsonObject = (members: Iterable<readonly [key: string, value: string]>): string | undefined => {
  const pieces = Array.from(members, ([key, value]) => `${keyLiteral(key)} || to_json(${value})`)
  if (pieces.length === 0) return undefined
  return `CAST(nullif('{' || concat_ws(',', ${pieces.join(", ")}) || '}', '{}') AS JSON)`
}

const keyLiteral = (key: string): string => `'${JSON.stringify(key).replaceAll("'", "''")}:'`
