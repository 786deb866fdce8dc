/**
 * `genai.unified_consolidator` (sp_genai_1 and sp_genai_2) and `genai.focus_converter` (sp_genai_3): call the procedures for each day of the
 * run, and for each other day whose usage, costs or bill have changed since they were consolidated or converted.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Processor, type StepContext } from "../../pipelines/Processor.ts"
import { Day } from "../../platform/Identifiers.ts"
import type { JsonObject } from "../../platform/Json.ts"
import { Settings } from "../../platform/Settings.ts"
import { type OrgWarehouse, Warehouse } from "../../warehouse/Warehouse.ts"
import * as StepFailure from "../StepFailure.ts"

const isDay = Schema.is(Day)

interface Table {
  readonly table: string
  readonly day: string
}

interface Conversion {
  readonly type: string
  readonly procedures: ReadonlyArray<string>
  /** What the procedures read. */
  readonly sources: ReadonlyArray<Table>
  readonly outputTable: string
  /** A query of the days that were done, and since when: `day`, `oldest`. */
  readonly made: string
  /** A query of further days to do: `day`. */
  readonly also?: (keepsCloudOverlap: boolean) => string
}

const make = (conversion: Conversion): Effect.Effect<Processor, never, Warehouse | Settings> =>
  Effect.gen(function* () {
    const warehouse = yield* Warehouse
    const { genaiCloudOverlap } = yield* Settings
    const { outputTable, procedures, type } = conversion
    return {
      type,
      check: (config: JsonObject) => (Object.keys(config).length === 0 ? undefined : `${type} has no config`),
      execute: Effect.fn("GenaiConverter.execute")(function* (context: StepContext) {
        const org = yield* warehouse.org(context.org)
        const days = yield* daysToDo(org, context, conversion, genaiCloudOverlap === "keep")
        let [written, leftOut] = [0, 0]
        for (const day of days) {
          for (const procedure of procedures) {
            const rows = yield* org.call(procedure, [
              { type: "DATE", value: day },
              { type: "STRING", value: null },
              { type: "STRING", value: context.pipelineId },
              { type: "STRING", value: context.runId }
            ])
            written += rows.reduce((total, row) => total + Number(row["rows_inserted"] ?? 0), 0)
            leftOut += rows.reduce((total, row) => total + Number(row["rows_left_out"] ?? 0), 0)
          }
          yield* context.progress({ rows: written })
        }
        return {
          rowsProcessed: written,
          rowsWritten: written,
          outputTable,
          affectedPeriods: [...new Set(days.map((day) => `${day.slice(0, 7)}-01`))],
          details: { procedures, days: days.length, rows_left_out: leftOut }
        }
      }, Effect.mapError(StepFailure.ofWarehouse))
    }
  })

/** Days of the run that have or had something, days with a row that is newer than what was made of the day, and the further ones. */
const daysToDo = Effect.fnUntraced(function* (
  org: OrgWarehouse,
  { endDate, startDate }: StepContext,
  { also, made, sources }: Conversion,
  keepsCloudOverlap: boolean
) {
  const bySource = sources.map(
    ({ day, table }) => `SELECT ${day} AS day, MAX(x_ingested_at) AS newest FROM ${table} GROUP BY ${day}`
  )
  const rows = yield* org.query(
    `WITH source AS (SELECT day, MAX(newest) AS newest FROM (${bySource.join(" UNION ALL ")}) GROUP BY day),
    made AS (${made})
    SELECT COALESCE(source.day, made.day) AS day FROM source FULL JOIN made ON made.day = source.day
    WHERE made.oldest IS NULL OR source.newest IS NULL OR source.newest >= made.oldest OR COALESCE(source.day, made.day) BETWEEN @first AND @last
    ${also === undefined ? "" : `UNION DISTINCT ${also(keepsCloudOverlap)}`}
    ORDER BY day`,
    { first: { type: "DATE", value: startDate }, last: { type: "DATE", value: endDate } }
  )
  return rows.flatMap(({ day }) => (isDay(day) ? [day] : []))
})

const usage: ReadonlyArray<Table> = [
  { table: "genai_payg_usage_raw", day: "usage_date" },
  { table: "genai_commitment_usage_raw", day: "usage_date" },
  { table: "genai_infrastructure_usage_raw", day: "usage_date" }
]
const costs: ReadonlyArray<Table> = [
  { table: "genai_payg_costs_daily", day: "cost_date" },
  { table: "genai_commitment_costs_daily", day: "cost_date" },
  { table: "genai_infrastructure_costs_daily", day: "cost_date" }
]
const ofGenai = "x_source_system = 'genai_costs_daily_unified'"

/** `genai.unified_consolidator`. */
export const consolidator = make({
  type: "genai.unified_consolidator",
  procedures: ["sp_genai_1_consolidate_usage_daily", "sp_genai_2_consolidate_costs_daily"],
  sources: [...usage, ...costs],
  outputTable: "genai_usage_daily_unified",
  made: "SELECT usage_date AS day, MIN(x_ingested_at) AS oldest FROM genai_usage_daily_unified GROUP BY usage_date"
})

/** `genai.focus_converter`. */
export const converter = make({
  type: "genai.focus_converter",
  procedures: ["sp_genai_3_convert_to_focus"],
  sources: [...costs, { table: "genai_payg_billed_raw", day: "cost_date" }],
  outputTable: "cost_data_standard_1_3",
  // A day whose rows were all left out has no row that tells when: the finding does.
  made: `SELECT day, COALESCE(MIN(row_at), MAX(left_out_at)) AS oldest
    FROM (
      SELECT x_pipeline_run_date AS day, x_ingested_at AS row_at, CAST(NULL AS TIMESTAMP) AS left_out_at
      FROM cost_data_standard_1_3 WHERE ${ofGenai}
      UNION ALL
      SELECT x_pipeline_run_date, NULL, x_ingested_at FROM org_meta_dq_results WHERE dq_config_id = 'genai_cloud_overlap'
    )
    GROUP BY day`,
  // A bill of a cloud came or went, or the setting has changed: rows are there that should not be, or are missing.
  also: (keepsCloudOverlap) => `
    SELECT cost.cost_date AS day
    FROM (
      SELECT cost_date, provider FROM genai_costs_daily_unified WHERE total_cost_usd <> 0 GROUP BY cost_date, provider
    ) AS cost
    JOIN organizations.genai_providers AS names ON names.provider = cost.provider AND names.cloud IS NOT NULL
    LEFT JOIN (
      SELECT DISTINCT REGEXP_EXTRACT(x_source_system, r'^cloud_([a-z]+)_') AS cloud, DATE(BillingPeriodStart) AS month
      FROM cost_data_standard_1_3 WHERE STARTS_WITH(x_source_system, 'cloud_')
    ) AS bill ON bill.cloud = names.cloud AND bill.month = DATE_TRUNC(cost.cost_date, MONTH)
    LEFT JOIN (
      SELECT DISTINCT x_pipeline_run_date, x_genai_provider FROM cost_data_standard_1_3 WHERE ${ofGenai}
    ) AS focus ON focus.x_pipeline_run_date = cost.cost_date AND focus.x_genai_provider = cost.provider
    WHERE (focus.x_genai_provider IS NULL) = ${keepsCloudOverlap ? "TRUE" : "(bill.cloud IS NULL)"}`
})
