/**
 * What the counterpart holds: datasets, tables with their rows, routines. Rows are replaced, never changed in place, so that a transaction
 * is a copy of the references.
 */
import type { Relation, ZetaValue } from "./ZetaSql.ts"
import { type RestField, typeOfField } from "./Values.ts"

/** An error with BigQuery's reason and status. */
export class BigQueryError extends Error {
  readonly status: number
  readonly reason: string
  constructor(status: number, reason: string, message: string) {
    super(message)
    this.status = status
    this.reason = reason
  }
}

export interface StoredTable {
  readonly resource: Readonly<Record<string, unknown>>
  readonly fields: ReadonlyArray<RestField>
  readonly rows: ReadonlyArray<ReadonlyArray<ZetaValue>>
  /** The query of a view, which has no rows of its own. */
  readonly view?: string
}

export interface StoredRoutine {
  readonly name: string
  readonly parameters: ReadonlyArray<{ readonly name: string; readonly type: string; readonly isOut: boolean }>
  /** From BEGIN to END. */
  readonly body: string
  readonly description: string
  readonly created: number
  readonly modified: number
}

export class Store {
  readonly datasets = new Map<string, Readonly<Record<string, unknown>>>()
  tables = new Map<string, StoredTable>()
  readonly routines = new Map<string, StoredRoutine>()

  dataset(name: string): Readonly<Record<string, unknown>> {
    const found = this.datasets.get(name)
    if (found === undefined) throw new BigQueryError(404, "notFound", `Not found: Dataset ${name.replace(".", ":")}`)
    return found
  }

  /** A table by `project.dataset.table`. */
  table(path: string): StoredTable {
    const found = this.tables.get(path)
    if (found !== undefined) return found
    const [project = "", dataset = "", table = ""] = path.split(".")
    this.dataset(`${project}.${dataset}`)
    throw new BigQueryError(404, "notFound", `Not found: Table ${project}:${dataset}.${table}`)
  }

  setRows(path: string, rows: ReadonlyArray<ReadonlyArray<ZetaValue>>): void {
    const table = this.table(path)
    const required = table.fields.flatMap((field, index) => (field.mode === "REQUIRED" ? [{ field, index }] : []))
    for (const row of rows) {
      const missing = required.find(({ index }) => Object.keys(row[index] ?? {}).length === 0)
      if (missing !== undefined) {
        throw new BigQueryError(400, "invalidQuery", `Required field ${missing.field.name} cannot be null`)
      }
    }
    this.tables.set(path, { ...table, rows })
  }

  /** A table as a relation; NULL lists are empty lists in tables. */
  relation(path: string): Relation {
    const { fields, rows } = this.table(path)
    return { columns: fields.map((field) => ({ name: field.name, type: typeOfField(field) })), rows }
  }
}
