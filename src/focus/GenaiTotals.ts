/**
 * What models cost by the native rows: the lines of a provider's own bill, and on days of a credential without one, tokens times price.
 */
import type { Day } from "../platform/Identifiers.ts"
import { dateList } from "./SqlText.ts"

const classes: ReadonlyArray<readonly [tokens: string, rate: string]> = [
  ["input_tokens - cached_input_tokens - cache_write_tokens - cache_write_1h_tokens", "effective_rate_input"],
  ["cached_input_tokens", "effective_rate_cached"],
  ["cache_write_tokens", "effective_rate_cache_write"],
  ["cache_write_1h_tokens", "effective_rate_cache_write_1h"],
  ["output_tokens", "effective_rate_output"]
]

/** See NativeTable.statement; `kind` is billed or computed. A row of costs is dropped when the day has a bill, or no tokens. */
export const genaiTotals = (periods: ReadonlyArray<Day>): string => `
WITH bill AS (
  SELECT DISTINCT x_pipeline_id, x_credential_id, cost_date FROM genai_payg_billed_raw WHERE cost_month IN (${dateList(periods)})
),
line AS (
  SELECT cost_month AS period, currency, x_credential_id AS credential, 'billed' AS kind, CAST(NULL AS STRING) AS dropped, amount AS total
  FROM genai_payg_billed_raw
  WHERE cost_month IN (${dateList(periods)})
  UNION ALL
  SELECT
    cost_month, 'USD', costs.x_credential_id, 'computed',
    CASE WHEN bill.cost_date IS NOT NULL THEN 'billed_by_provider' WHEN total_tokens = 0 THEN 'no_tokens' END,
    IF(bill.cost_date IS NOT NULL, BIGNUMERIC '0', (${classes
      .map(([tokens, rate]) => `CAST(${tokens} AS BIGNUMERIC) * CAST(${rate} AS BIGNUMERIC)`)
      .join(" + ")}) * BIGNUMERIC '0.000001')
  FROM genai_payg_costs_daily AS costs
  LEFT JOIN bill ON bill.x_pipeline_id = costs.x_pipeline_id AND bill.x_credential_id = costs.x_credential_id
    AND bill.cost_date = costs.cost_date
  WHERE cost_month IN (${dateList(periods)})
)
SELECT period, currency, credential, kind, dropped, COUNT(*) AS n, SUM(total) AS billed, SUM(total) AS effective
FROM line
GROUP BY period, currency, credential, kind, dropped`
