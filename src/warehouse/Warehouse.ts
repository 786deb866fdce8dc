/**
 * The warehouse: one dataset per organisation, idempotent slices, GoogleSQL, stored procedures. The same service on every engine.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { Day, OrgSlug, RunId } from "../platform/Identifiers.ts"
import type { JsonObject } from "../platform/Json.ts"
import type { Table } from "./Table.ts"
import type { FileFormat, FileMapping, SqlParameter } from "./FileMapping.ts"

/** The engine cannot be reached or is locked; worth another try. */
export class WarehouseUnavailable extends Schema.TaggedError<WarehouseUnavailable>()("WarehouseUnavailable", {
  message: Schema.String
}) {}

/** The engine knows the service account but does not let it do this; the message names what is missing. */
export class WarehouseAccessDenied extends Schema.TaggedError<WarehouseAccessDenied>()("WarehouseAccessDenied", {
  message: Schema.String
}) {}

/** A quota or limit of the engine is used up; another try is worth it when it is free again. */
export class WarehouseQuotaExceeded extends Schema.TaggedError<WarehouseQuotaExceeded>()("WarehouseQuotaExceeded", {
  message: Schema.String,
  retryAfterSeconds: Schema.Number
}) {}

/** A dataset that the service needs is not there, or in another place. */
export class DatasetMissing extends Schema.TaggedError<DatasetMissing>()("DatasetMissing", {
  message: Schema.String
}) {}

/** A source file cannot be loaded as it is; the slice keeps its previous content. `line` counts from 1, the header included. */
export class SourceRejected extends Schema.TaggedError<SourceRejected>()("SourceRejected", {
  file: Schema.String,
  line: Schema.optional(Schema.Number),
  reason: Schema.String
}) {
  override get message() {
    return `${this.file}${this.line === undefined ? "" : `:${this.line}`}: ${this.reason}`
  }
}

/** The engine refused a statement. `reason` is the engine's first line. */
export class StatementFailed extends Schema.TaggedError<StatementFailed>()("StatementFailed", {
  statement: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.statement}: ${this.reason}`
  }
}

/** A statement names a dataset that is not the caller's. */
export class OtherTenant extends Schema.TaggedError<OtherTenant>()("OtherTenant", {
  org: Schema.String,
  path: Schema.String
}) {
  override get message() {
    return `organisation ${this.org} may not name ${this.path}: use the plain names of its own tables`
  }
}

/** GoogleSQL that the embedded engine cannot run with the same answer as BigQuery. Never a guess. */
export class UnsupportedSql extends Schema.TaggedError<UnsupportedSql>()("UnsupportedSql", {
  source: Schema.String,
  line: Schema.Number,
  column: Schema.Number,
  reason: Schema.String
}) {
  override get message() {
    return `${this.source}:${this.line}:${this.column}: ${this.reason}`
  }
}

export type WarehouseError =
  | WarehouseUnavailable
  | WarehouseAccessDenied
  | WarehouseQuotaExceeded
  | DatasetMissing
  | SourceRejected
  | StatementFailed
  | OtherTenant
  | UnsupportedSql

/**
 * What is replaced as a whole: the rows of one table with this pipeline and credential (the org is the dataset's) and either one data
 * date, or whole billing periods, of which `runDateColumn` gives each row its own data date.
 */
export interface Slice {
  readonly table: string
  /** x_pipeline_id: the template that owns the data, whoever executes. */
  readonly pipelineId: string
  /** x_credential_id, `default` where none is needed. */
  readonly credentialId: string
  readonly extent:
    | { readonly kind: "day"; readonly date: Day }
    | {
        readonly kind: "periods"
        /** DATE column that holds the period's first day. */
        readonly periodColumn: string
        /** DATE or TIMESTAMP column whose UTC day becomes x_pipeline_run_date. */
        readonly runDateColumn: string
        /** The periods to replace, also by nothing; rows of other periods go to the quarantine. Absent: every period found in the source is replaced. */
        readonly expected?: readonly [Day, ...ReadonlyArray<Day>]
      }
}

/** What a slice is filled from. */
export type SliceSource<E = never> =
  | {
      readonly _tag: "Files"
      readonly format: FileFormat
      /**
       * `path` is local; `uri` is the name that lineage and errors show. Each CSV file has its own header. `values` are texts for columns
       * of the table that the file itself has not, the same for all its rows. `columns` are its native columns, where they are known
       * already: a JSON file is read once more to find them.
       */
      readonly files: ReadonlyArray<{
        readonly path: string
        readonly uri: string
        readonly columns?: ReadonlyArray<string>
        readonly values?: Readonly<Record<string, string>>
      }>
      readonly mapping: FileMapping
    }
  | { readonly _tag: "Rows"; readonly rows: Stream.Stream<JsonObject, E> }
  | {
      readonly _tag: "Query"
      /** GoogleSQL over the org's own tables, by their plain names. */
      readonly sql: string
      readonly parameters: Readonly<Record<string, SqlParameter>>
    }

/** A replacement of one slice. With `token`, the slice's change token is saved in the same transaction. */
export interface SliceWrite<E = never> {
  readonly slice: Slice
  readonly source: SliceSource<E>
  readonly runId: RunId
  readonly token?: string
}

/** What a replacement did: rowsRead = rowsWritten + rowsQuarantined. */
export interface SliceReport {
  readonly rowsRead: number
  readonly rowsWritten: number
  readonly rowsQuarantined: number
  readonly quarantine: ReadonlyArray<{ readonly reason: string; readonly rows: number; readonly example: string }>
  /** Native columns that the mapping does not know; their cells are in the drift column. */
  readonly unmappedColumns: ReadonlyArray<string>
  /** First days of the billing periods that were replaced, ascending; empty for a day. */
  readonly periods: ReadonlyArray<Day>
}

/**
 * One INSERT, UPDATE, DELETE or MERGE on a table of the organisation, by its plain name. Rows that it inserts belong to this pipeline,
 * credential and day; what it writes carries the run. Lineage columns are the warehouse's: a statement that names them is refused.
 */
export interface Change {
  readonly sql: string
  readonly parameters: Readonly<Record<string, SqlParameter>>
  readonly pipelineId: string
  readonly credentialId: string
  readonly date: Day
  readonly runId: RunId
  /** Names the work: asked again after it was committed, it changes nothing more. */
  readonly workId: string
}

/** What a change did: `rows` is undefined where there is no such table. */
export interface ChangeReport {
  readonly table: string
  readonly rows: number | undefined
}

/** Rows of a query: decimals, dates and timestamps (`2026-03-05T00:00:00Z`) are text, JSON is parsed, INT64 is a number. */
export type Rows = ReadonlyArray<JsonObject>

/** One organisation's dataset. It cannot name another's: statements use the plain names of its tables, and a dataset in a name is refused. */
export interface OrgWarehouse {
  readonly org: OrgSlug
  readonly dataset: string
  /** Replaces the slice in one transaction: readers see the old rows or the new ones. Tables are created and given new columns on demand; the lineage columns are stamped here. */
  readonly replaceSlice: <E = never>(write: SliceWrite<E>) => Effect.Effect<SliceReport, WarehouseError | E>
  /** The change token saved with the slice's present content. */
  readonly token: (slice: Slice) => Effect.Effect<string | undefined, WarehouseError>
  /** Runs one GoogleSQL SELECT. At most 100,000 rows. */
  readonly query: (
    sql: string,
    parameters?: Readonly<Record<string, SqlParameter>>
  ) => Effect.Effect<Rows, WarehouseError>
  /** Makes one change in one transaction, exactly once for its `workId`. */
  readonly change: (change: Change) => Effect.Effect<ChangeReport, WarehouseError>
  /** Calls a stored procedure of `organizations`; its first two arguments, project and dataset, are given by the warehouse. */
  readonly call: (procedure: string, args: ReadonlyArray<SqlParameter>) => Effect.Effect<Rows, WarehouseError>
  /** Writes the result of a GoogleSQL SELECT to a new local file; answers the number of rows. */
  readonly exportTo: (
    sql: string,
    file: { readonly path: string; readonly format: "csv" | "parquet" }
  ) => Effect.Effect<number, WarehouseError>
}

/** A stored procedure as the engine holds it. */
export interface StoredProcedure {
  readonly name: string
  readonly definition: string
  readonly contentHash: string
  readonly createdAt: string
  readonly modifiedAt: string
}

/** The text of a `CREATE OR REPLACE PROCEDURE` file; the name is the text's own. */
export interface ProcedureDefinition {
  readonly name: string
  readonly text: string
  readonly contentHash: string
}

export interface WarehouseService {
  /** `duckdb` or `bigquery`, and where the data lies, for a person to read. */
  readonly location: string
  readonly projectId: string
  /** The tables that each dataset has, by name. */
  readonly tables: ReadonlyMap<string, Table>
  /** The dataset of one organisation, created when absent. */
  readonly org: (org: OrgSlug) => Effect.Effect<OrgWarehouse, WarehouseError>
  /** The native column names of a local file, as written: to tell one provider's formats apart before loading. */
  readonly columnsOf: (file: {
    readonly path: string
    readonly uri: string
    readonly format: FileFormat
  }) => Effect.Effect<ReadonlyArray<string>, SourceRejected>
  /** Fails when the engine does not answer. */
  readonly ready: Effect.Effect<void, WarehouseError>
  /** The procedures of the central dataset `organizations`. */
  readonly procedures: {
    readonly list: Effect.Effect<ReadonlyArray<StoredProcedure>, WarehouseError>
    /** Creates or replaces; answers, in order, why one was refused, which does not stop the others. */
    readonly create: (
      definitions: ReadonlyArray<ProcedureDefinition>
    ) => Effect.Effect<ReadonlyArray<Option.Option<WarehouseError>>, WarehouseError>
    readonly drop: (name: string) => Effect.Effect<boolean, WarehouseError>
  }
}

/** The warehouse service. */
export class Warehouse extends Context.Tag("pipeline-service/Warehouse")<Warehouse, WarehouseService>() {}
