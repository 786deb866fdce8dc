/**
 * What a provider billed beside what was calculated, per day and model. Providers that name no model on their bill name it in front of the
 * line: `gpt-4o, input` counts to gpt-4o when that was used on the day.
 */
import * as Effect from "effect/Effect"
import type { Day, RunId } from "../../platform/Identifiers.ts"
import type { OrgWarehouse } from "../../warehouse/Warehouse.ts"

const sql = `
WITH used AS (
  SELECT DISTINCT usage_date, model FROM genai_payg_usage_raw WHERE x_pipeline_id = @pipeline_id AND usage_month = @month
),
line AS (
  SELECT
    billed.cost_date, billed.currency, billed.amount, billed.line_item,
    COALESCE(billed.model, MAX(used.model)) AS model
  FROM genai_payg_billed_raw AS billed
  LEFT JOIN used ON billed.model IS NULL AND used.usage_date = billed.cost_date
    AND (billed.line_item = used.model OR STARTS_WITH(billed.line_item, CONCAT(used.model, ', ')))
  WHERE billed.x_pipeline_id = @pipeline_id AND billed.cost_month = @month
  GROUP BY billed.x_ingestion_id, billed.cost_date, billed.currency, billed.amount, billed.line_item, billed.model
),
side AS (
  SELECT cost_date AS day, COALESCE(model, line_item) AS model, currency, SUM(amount) AS billed, CAST(NULL AS BIGNUMERIC) AS computed,
    0 AS unpriced
  FROM line GROUP BY day, COALESCE(model, line_item), currency
  UNION ALL
  SELECT cost_date, model, 'USD', NULL, SUM(CAST(total_cost_usd AS BIGNUMERIC)), 0
  FROM genai_payg_costs_daily WHERE x_pipeline_id = @pipeline_id AND cost_month = @month GROUP BY cost_date, model
  UNION ALL
  SELECT usage.usage_date, usage.model, 'USD', NULL, NULL, COUNT(*) - COALESCE(MAX(priced.n), 0)
  FROM genai_payg_usage_raw AS usage
  LEFT JOIN (
    SELECT cost_date, model, COUNT(*) AS n FROM genai_payg_costs_daily
    WHERE x_pipeline_id = @pipeline_id AND cost_month = @month GROUP BY cost_date, model
  ) AS priced ON priced.cost_date = usage.usage_date AND priced.model = usage.model
  WHERE usage.x_pipeline_id = @pipeline_id AND usage.usage_month = @month GROUP BY usage.usage_date, usage.model
)
SELECT
  day AS compare_date, @month AS compare_month, @provider AS provider, model, currency, SUM(billed) AS billed, SUM(computed) AS computed,
  COALESCE(SUM(billed), BIGNUMERIC '0') - COALESCE(SUM(computed), BIGNUMERIC '0') AS difference, SUM(unpriced) AS unpriced_rows
FROM side
GROUP BY day, model, currency`

/** Replaces the comparison of a month; answers its totals by currency. */
export const compareMonth = Effect.fn("Comparison.compareMonth")(function* (
  org: OrgWarehouse,
  runId: RunId,
  pipelineId: string,
  provider: string,
  month: Day
) {
  const parameters = {
    pipeline_id: { type: "STRING", value: pipelineId },
    provider: { type: "STRING", value: provider },
    month: { type: "DATE", value: month }
  } as const
  yield* org.replaceSlice({
    slice: {
      table: "genai_payg_comparison_daily",
      pipelineId,
      credentialId: "default",
      extent: {
        kind: "periods",
        periodColumn: "compare_month",
        runDateColumn: "compare_date",
        expected: [month]
      }
    },
    source: { _tag: "Query", sql, parameters },
    runId
  })
  return yield* org.query(
    `SELECT provider, compare_month AS month, currency, SUM(billed) AS billed, SUM(computed) AS computed, SUM(difference) AS difference,
      SUM(unpriced_rows) AS unpriced_rows
    FROM genai_payg_comparison_daily WHERE x_pipeline_id = @pipeline_id AND compare_month = @month
    GROUP BY provider, compare_month, currency ORDER BY currency`,
    { pipeline_id: parameters.pipeline_id, month: parameters.month }
  )
})
