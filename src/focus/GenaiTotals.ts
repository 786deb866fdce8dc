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

/**
 * See NativeTable.statement; `kind` is billed, computed, commitment or infrastructure. A row is dropped when its provider's cloud has billed
 * the month itself, unless both are kept; a computed one also when the day has a bill, or no tokens.
 */
export const genaiTotals = (periods: ReadonlyArray<Day>, _days?: unknown, keepsCloudOverlap = false): string => `
WITH bill AS (
  SELECT DISTINCT x_pipeline_id, x_credential_id, cost_date FROM genai_payg_billed_raw WHERE cost_month IN (${dateList(periods)})
),
cloud AS (
  SELECT DISTINCT names.provider, DATE(focus.BillingPeriodStart) AS month
  FROM cost_data_standard_1_3 AS focus
  JOIN organizations.genai_providers AS names
    ON focus.x_source_system IN (CONCAT('cloud_', names.cloud, '_billing_raw_daily'), CONCAT('cloud_', names.cloud, '_focus_raw_daily'))
  WHERE ${keepsCloudOverlap ? "FALSE" : "TRUE"}
),
native AS (
  SELECT
    cost_month AS month, currency, x_credential_id, provider, 'billed' AS kind, CAST(NULL AS STRING) AS reason, amount AS total
  FROM genai_payg_billed_raw
  WHERE cost_month IN (${dateList(periods)})
  UNION ALL
  SELECT
    cost_month, 'USD', costs.x_credential_id, provider, 'computed',
    CASE WHEN bill.cost_date IS NOT NULL THEN 'billed_by_provider' WHEN total_tokens = 0 THEN 'no_tokens' END,
    (${classes
      .map(([tokens, rate]) => `CAST(${tokens} AS BIGNUMERIC) * CAST(${rate} AS BIGNUMERIC)`)
      .join(" + ")}) * BIGNUMERIC '0.000001'
  FROM genai_payg_costs_daily AS costs
  LEFT JOIN bill ON bill.x_pipeline_id = costs.x_pipeline_id AND bill.x_credential_id = costs.x_credential_id
    AND bill.cost_date = costs.cost_date
  WHERE cost_month IN (${dateList(periods)})
  UNION ALL
  SELECT
    DATE_TRUNC(cost_date, MONTH), 'USD', x_credential_id, provider, 'commitment', NULL, CAST(total_cost_usd AS BIGNUMERIC)
  FROM genai_commitment_costs_daily
  WHERE DATE_TRUNC(cost_date, MONTH) IN (${dateList(periods)})
  UNION ALL
  SELECT
    DATE_TRUNC(cost_date, MONTH), 'USD', x_credential_id, provider, 'infrastructure', NULL, CAST(total_cost_usd AS BIGNUMERIC)
  FROM genai_infrastructure_costs_daily
  WHERE DATE_TRUNC(cost_date, MONTH) IN (${dateList(periods)})
),
line AS (
  SELECT
    native.month AS period, currency, x_credential_id AS credential, kind,
    IF(cloud.provider IS NULL, reason, 'on_a_cloud_bill') AS dropped,
    IF(cloud.provider IS NULL AND reason IS NULL, total, BIGNUMERIC '0') AS total
  FROM native
  LEFT JOIN cloud ON cloud.provider = native.provider AND cloud.month = native.month
)
SELECT period, currency, credential, kind, dropped, COUNT(*) AS n, SUM(total) AS billed, SUM(total) AS effective
FROM line
GROUP BY period, currency, credential, kind, dropped`
