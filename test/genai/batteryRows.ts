/**
 * What the phases of the battery leave in the warehouse, so that it can be compared cell by cell.
 */
import * as Effect from "effect/Effect"
import type { OrgSlug } from "../../src/platform/Identifiers.ts"
import { cases } from "./batteryCases.ts"
import { acme, query } from "./support.ts"

/** What differs from run to run: whose run it was, and when. */
const isOfRun = (column: string) =>
  /^x_(run_id|ingested_at|ingestion_date|hierarchy_validated_at|pipeline_run_id|created_at|updated_at)$|^(calculated_at|consolidated_at|created_at|updated_at|x_calculated_at)$/i.test(
    column
  )

/** The rows of a table without what differs from run to run, in an order of their own. */
const rowsOf = (org: OrgSlug, table: string, where: string) =>
  Effect.map(query(org, `SELECT * FROM ${table} WHERE ${where}`), (rows) =>
    rows
      .map((row) => Object.fromEntries(Object.entries(row).filter(([column]) => !isOfRun(column))))
      .map((row) => JSON.stringify(row))
      .sort()
  )

const ownTables = [
  "genai_payg_usage_raw",
  "genai_payg_billed_raw",
  "genai_payg_costs_daily",
  "genai_payg_comparison_daily",
  "genai_payg_balance_raw",
  "genai_claude_code_daily",
  "genai_commitment_usage_raw",
  "genai_commitment_costs_daily",
  "genai_infrastructure_usage_raw",
  "genai_infrastructure_costs_daily"
]
const commonTables = [
  "genai_usage_daily_unified",
  "genai_costs_daily_unified",
  "cost_data_standard_1_3",
  "contract_commitment_1_3"
]

/** All rows of the first organisation: those of each owner, and those of all. */
export type Rows = Readonly<Record<string, Readonly<Record<string, ReadonlyArray<string>>>>>

/** Rows of one owner in each of its tables that has any. */
export const ofOwner = (org: OrgSlug, owner: string, where = "TRUE") =>
  Effect.map(
    Effect.forEach(ownTables, (table) =>
      Effect.map(rowsOf(org, table, `x_pipeline_id = '${owner}' AND ${where}`), (rows) => [table, rows] as const)
    ),
    (tables) => Object.fromEntries(tables.filter(([, rows]) => rows.length > 0))
  )

/** Reads all of them. */
export const allRows = Effect.gen(function* () {
  const rows: Record<string, Readonly<Record<string, ReadonlyArray<string>>>> = {}
  for (const { owner } of cases) rows[owner] = yield* ofOwner(acme, owner)
  rows["genai_infrastructure_gcp_gpu"] = yield* ofOwner(acme, "genai_infrastructure_gcp_gpu")
  rows["all"] = Object.fromEntries(
    yield* Effect.forEach(commonTables, (table) =>
      Effect.map(rowsOf(acme, table, "TRUE"), (found) => [table, found] as const)
    )
  )
  return rows satisfies Rows
})
