/**
 * The one statement list that makes a slice's new rows visible: what the slice held goes and what was staged comes in one transaction.
 */
import * as Effect from "effect/Effect"
import type { Day, OrgSlug } from "../../platform/Identifiers.ts"
import { extentText } from "../duckdb/SliceWriter.ts"
import type { Table } from "../Table.ts"
import { quarantineTable, sliceTokensTable } from "../Tables.ts"
import type { Slice, SliceWrite } from "../Warehouse.ts"
import type { Session } from "./Session.ts"
import * as Queries from "./Queries.ts"
import { dates, name, path, text, texts } from "./SqlText.ts"

/** What is written, by whom, when. */
export interface Target {
  readonly org: OrgSlug
  readonly dataset: string
  readonly table: Table
  readonly write: Pick<SliceWrite, "slice" | "runId" | "token">
  /** ISO timestamp of the write. */
  readonly ingestedAt: string
  /** One writer at a time: every slice of a dataset changes the table of tokens, and of two transactions that meet in one table one is aborted. */
  readonly writer: Effect.Semaphore
}

/** A SELECT whose columns are `columns`; it becomes an INSERT. */
export interface Insert {
  readonly columns: ReadonlyArray<string>
  readonly select: string
}

/** Labels of every job of a slice. */
export const labelsOf = ({ org, write }: Target): Readonly<Record<string, string>> => ({
  org,
  pipeline: write.slice.pipelineId,
  run: write.runId
})

/** SQL of the lineage of a row. */
export const lineage = (target: Target, runDate: string): ReadonlyArray<readonly [column: string, sql: string]> => [
  ["x_org_slug", text(target.org)],
  ["x_pipeline_id", text(target.write.slice.pipelineId)],
  ["x_credential_id", text(target.write.slice.credentialId)],
  ["x_pipeline_run_date", runDate],
  ["x_run_id", text(target.write.runId)],
  ["x_ingested_at", `TIMESTAMP ${text(target.ingestedAt)}`],
  ["x_ingestion_date", `DATE ${text(target.ingestedAt.slice(0, 10))}`]
]

/** SQL of the billing period that a row of the table belongs to. */
export const periodOf = (table: Table, periodColumn: string): string => {
  const column = table.columns.find((column) => column.name.toLowerCase() === periodColumn.toLowerCase())
  return column?.type === "TIMESTAMP" ? `DATE(${name(periodColumn)})` : name(periodColumn)
}

/** Replaces the slice's `days`, which are its data date or its billing periods. */
export const commit = Effect.fn("BigQueryCommit.commit")(function* (
  session: Session,
  target: Target,
  days: ReadonlyArray<Day>,
  inserts: { readonly rows: Insert | undefined; readonly quarantine: Insert | undefined }
) {
  const statements = [
    ...clears(session, target, days),
    ...(inserts.rows === undefined ? [] : [insertInto(session, target, target.table, inserts.rows)]),
    ...(inserts.quarantine === undefined ? [] : [insertInto(session, target, quarantineTable, inserts.quarantine)]),
    ...(target.write.token === undefined ? [] : [saveToken(session, target, target.write.token, days)])
  ]
  // An error that nobody catches ends the script and rolls the transaction back.
  const script = Queries.run(session, {
    what: `replace a slice of ${target.dataset}.${target.table.name}`,
    sql: ["BEGIN TRANSACTION", ...statements, "COMMIT TRANSACTION"].map((statement) => `${statement};\n`).join(""),
    labels: labelsOf(target)
  })
  yield* target.writer.withPermits(1)(script)
})

const full = ({ api }: Session, { dataset }: Target, table: Table): string => path(api.projectId, dataset, table.name)

/** SQL that selects the rows of the slice's pipeline and credential. */
export const ownerCondition = (org: OrgSlug, slice: Slice): string =>
  `x_org_slug = ${text(org)} AND x_pipeline_id = ${text(slice.pipelineId)} AND x_credential_id = ${text(slice.credentialId)}`

const clears = (session: Session, target: Target, days: ReadonlyArray<Day>): ReadonlyArray<string> => {
  const { slice } = target.write
  const owner = ownerCondition(target.org, slice)
  const ofTable = `${owner} AND table_name = ${text(target.table.name)}`
  const extent = `extent = ${text(extentText(slice))}`
  if (days.length === 0)
    return [`DELETE FROM ${full(session, target, sliceTokensTable)} WHERE ${ofTable} AND ${extent}`]
  const day = slice.extent.kind === "day" ? "x_pipeline_run_date" : periodOf(target.table, slice.extent.periodColumn)
  return [
    `DELETE FROM ${full(session, target, target.table)} WHERE ${owner} AND ${day} IN (${dates(days)})`,
    `DELETE FROM ${full(session, target, quarantineTable)} WHERE ${ofTable} AND x_pipeline_run_date IN (${dates(days)})`,
    `DELETE FROM ${full(session, target, sliceTokensTable)} WHERE ${ofTable} AND ` +
      `(${extent} OR EXISTS (SELECT 1 FROM UNNEST(days) AS day WHERE day IN (${texts(days)})))`
  ]
}

const insertInto = (session: Session, target: Target, table: Table, { columns, select }: Insert): string =>
  `INSERT INTO ${full(session, target, table)} (${columns.map(name).join(", ")})\n${select}`

const saveToken = (session: Session, target: Target, token: string, days: ReadonlyArray<Day>): string => {
  const values: ReadonlyArray<readonly [string, string]> = [
    ["table_name", text(target.table.name)],
    ["extent", text(extentText(target.write.slice))],
    ["days", `CAST([${texts(days)}] AS ARRAY<STRING>)`],
    ["token", text(token)],
    ...lineage(target, `DATE ${text(days[0] ?? target.ingestedAt.slice(0, 10))}`)
  ]
  return insertInto(session, target, sliceTokensTable, {
    columns: values.map(([column]) => column),
    select: `SELECT ${values.map(([, sql]) => sql).join(", ")}`
  })
}

/** The change token saved with the slice's present content. */
export const token = Effect.fn("BigQueryCommit.token")(function* (
  session: Session,
  target: { readonly org: OrgSlug; readonly dataset: string },
  slice: Slice
) {
  const what = `read the token of ${target.dataset}.${slice.table}`
  const jobId = yield* Queries.run(session, {
    what,
    sql:
      `SELECT token FROM ${path(session.api.projectId, target.dataset, sliceTokensTable.name)} WHERE ` +
      `${ownerCondition(target.org, slice)} AND table_name = ${text(slice.table)} AND extent = ${text(extentText(slice))}`,
    labels: { org: target.org, pipeline: slice.pipelineId }
  })
  const [row] = yield* Queries.rows(session, what, yield* Queries.result(session, what, jobId))
  return row === undefined ? undefined : String(row["token"])
})
