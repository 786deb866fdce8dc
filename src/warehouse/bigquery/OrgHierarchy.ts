/**
 * The hierarchy of an organisation: a view in its dataset over its rows of the central table, which the API service or the import writes. So
 * the procedures join it there as on every engine, see it as it is now, and none sees another organisation's. Where the API service keeps
 * hierarchies and has not made its table yet, the view is empty.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { OrgSlug } from "../../platform/Identifiers.ts"
import type { Column, Table } from "../Table.ts"
import { columnsOf } from "../Tables.ts"
import { StatementFailed } from "../Warehouse.ts"
import * as Jobs from "./Jobs.ts"
import * as Quotas from "./Quotas.ts"
import type { Session } from "./Session.ts"
import { name, path, text } from "./SqlText.ts"
import { centralDataset } from "./Tables.ts"

/** The view in the organisation's dataset, and the table behind it. */
export const viewName = "org_hierarchy"

const View = Schema.Struct({
  type: Schema.optional(Schema.String),
  view: Schema.optional(Schema.Struct({ query: Schema.String }))
})

/** What the central table does not have; it has no slices. */
const lineage: Readonly<Record<string, string>> = {
  x_org_slug: "org_slug",
  x_pipeline_id: "'organizations'",
  x_credential_id: "'default'",
  x_pipeline_run_date: "DATE(created_at)",
  x_run_id: "id",
  x_ingested_at: "COALESCE(updated_at, created_at)",
  x_ingestion_date: "DATE(COALESCE(updated_at, created_at))"
}

/** Creates the view, or gives it the present query. Answers whether there is a central table; without one the view is empty. */
export const ensureView = Effect.fn("BigQueryOrgHierarchy.ensureView")(function* (
  session: Session,
  org: OrgSlug,
  dataset: string,
  table: Table
) {
  const what = `open ${dataset}.${viewName}`
  const tables = `/datasets/${dataset}/tables`
  const source = { method: "GET", path: `/datasets/${centralDataset}/tables/${viewName}` } as const
  const isThere = (yield* Jobs.find(session, what, source, Schema.Unknown)) !== undefined
  const query = isThere ? queryOf(session, org, table) : `SELECT ${columnsOf(table).map(empty).join(", ")} LIMIT 0`
  const view = { query, useLegacySql: false }
  const present = yield* Jobs.find(session, what, { method: "GET", path: `${tables}/${viewName}` }, View)
  if (present === undefined) {
    yield* Quotas.admit(session.ledger, what, Quotas.newTable)
    yield* Jobs.create(session, what, tables, {
      tableReference: { projectId: session.api.projectId, datasetId: dataset, tableId: viewName },
      description: table.description,
      labels: { service: "pipeline-service" },
      view
    })
    return isThere
  }
  if (present.view === undefined) {
    return yield* new StatementFailed({
      statement: what,
      reason: `it is no view but a ${present.type ?? "TABLE"}: copy its rows to ${centralDataset}.${viewName} and drop it`
    })
  }
  if (present.view.query === query) return isThere
  yield* Quotas.admit(session.ledger, what, Quotas.changeOf(`${dataset}.${viewName}`))
  yield* Jobs.call(session, what, { method: "PATCH", path: `${tables}/${viewName}`, body: { view } }, Schema.Unknown)
  return isThere
})

const queryOf = ({ api }: Session, org: OrgSlug, table: Table): string => {
  const cells = columnsOf(table).map((column) => `${lineage[column.name] ?? name(column.name)} AS ${name(column.name)}`)
  return `SELECT ${cells.join(", ")} FROM ${path(api.projectId, centralDataset, viewName)} WHERE org_slug = ${text(org)}`
}

/** A column without a table; JSON cannot be cast to. */
const empty = ({ name: column, type }: Column): string =>
  `${type === "JSON" ? "JSON 'null'" : `CAST(NULL AS ${type})`} AS ${name(column)}`
