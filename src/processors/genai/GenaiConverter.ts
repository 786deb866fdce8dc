/**
 * `genai.unified_consolidator` (sp_genai_1 and sp_genai_2) and `genai.focus_converter` (sp_genai_3): call the procedures for each day of the
 * run, and for each other day whose usage, costs or bill have changed since they were consolidated or converted.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Processor, type StepContext } from "../../pipelines/Processor.ts"
import { Day } from "../../platform/Identifiers.ts"
import type { JsonObject } from "../../platform/Json.ts"
import { type OrgWarehouse, Warehouse } from "../../warehouse/Warehouse.ts"
import * as StepFailure from "../StepFailure.ts"

const isDay = Schema.is(Day)

interface Conversion {
  readonly type: string
  readonly procedures: ReadonlyArray<string>
  /** What the procedures read, and what they write: table, day, and which of its rows. */
  readonly sources: ReadonlyArray<{ readonly table: string; readonly day: string }>
  readonly target: { readonly table: string; readonly day: string; readonly rows: string }
}

const costs = { table: "genai_payg_costs_daily", day: "cost_date" }

const make = ({ procedures, sources, target, type }: Conversion): Effect.Effect<Processor, never, Warehouse> =>
  Effect.map(Warehouse, (warehouse) => ({
    type,
    check: (config: JsonObject) => (Object.keys(config).length === 0 ? undefined : `${type} has no config`),
    execute: Effect.fn("GenaiConverter.execute")(function* (context: StepContext) {
      const org = yield* warehouse.org(context.org)
      const days = yield* daysToDo(org, context, sources, target)
      let written = 0
      for (const day of days) {
        for (const procedure of procedures) {
          const rows = yield* org.call(procedure, [
            { type: "DATE", value: day },
            { type: "STRING", value: null },
            { type: "STRING", value: context.pipelineId },
            { type: "STRING", value: context.runId }
          ])
          written += rows.reduce((total, row) => total + Number(row["rows_inserted"] ?? 0), 0)
        }
        yield* context.progress({ rows: written })
      }
      return {
        rowsProcessed: written,
        rowsWritten: written,
        outputTable: target.table,
        affectedPeriods: [...new Set(days.map((day) => `${day.slice(0, 7)}-01`))],
        details: { procedures, days: days.length }
      }
    }, Effect.mapError(StepFailure.ofWarehouse))
  }))

/** Days of the run that have or had something, and days with a row that is newer than what was made of the day. */
const daysToDo = Effect.fnUntraced(function* (
  org: OrgWarehouse,
  { endDate, startDate }: StepContext,
  sources: Conversion["sources"],
  target: Conversion["target"]
) {
  const bySource = sources.map(
    ({ day, table }) => `SELECT ${day} AS day, MAX(x_ingested_at) AS newest FROM ${table} GROUP BY ${day}`
  )
  const rows = yield* org.query(
    `WITH source AS (SELECT day, MAX(newest) AS newest FROM (${bySource.join(" UNION ALL ")}) GROUP BY day),
    made AS (SELECT ${target.day} AS day, MIN(x_ingested_at) AS oldest FROM ${target.table} WHERE ${target.rows} GROUP BY ${target.day})
    SELECT COALESCE(source.day, made.day) AS day FROM source FULL JOIN made ON made.day = source.day
    WHERE made.oldest IS NULL OR source.newest IS NULL OR source.newest >= made.oldest OR COALESCE(source.day, made.day) BETWEEN @first AND @last
    ORDER BY day`,
    { first: { type: "DATE", value: startDate }, last: { type: "DATE", value: endDate } }
  )
  return rows.flatMap(({ day }) => (isDay(day) ? [day] : []))
})

/** `genai.unified_consolidator`. */
export const consolidator = make({
  type: "genai.unified_consolidator",
  procedures: ["sp_genai_1_consolidate_usage_daily", "sp_genai_2_consolidate_costs_daily"],
  sources: [{ table: "genai_payg_usage_raw", day: "usage_date" }, costs],
  target: { table: "genai_usage_daily_unified", day: "usage_date", rows: "TRUE" }
})

/** `genai.focus_converter`. */
export const converter = make({
  type: "genai.focus_converter",
  procedures: ["sp_genai_3_convert_to_focus"],
  sources: [costs, { table: "genai_payg_billed_raw", day: "cost_date" }],
  target: {
    table: "cost_data_standard_1_3",
    day: "x_pipeline_run_date",
    rows: "x_source_system = 'genai_costs_daily_unified'"
  }
})
