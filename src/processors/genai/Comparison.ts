/**
 * What a provider billed beside what was calculated, per day and model. Providers whose bill names no model name it in the line, `gpt-4o, input`:
 * it counts to the longest name of the day's models that it has.
 */
import * as Effect from "effect/Effect"
import type { Day, RunId } from "../../platform/Identifiers.ts"
import type { OrgWarehouse } from "../../warehouse/Warehouse.ts"

/** Lines of the providers' own bills. */
const ownBill = `
  SELECT cost_date, currency, amount, line_item, model FROM genai_payg_billed_raw
  WHERE x_pipeline_id = @pipeline_id AND cost_month = @month`

/** Of those that bill with a cloud: its lines, where the cloud's bill is loaded, too. */
const cloudBills: Readonly<Record<string, string>> = {
  gemini: googleBill("Gemini API"),
  gcp_vertex: googleBill("Vertex AI"),
  azure_openai: `
  SELECT x_pipeline_run_date AS cost_date, billing_currency AS currency, cost_in_billing_currency AS amount, meter_name AS line_item,
    CAST(NULL AS STRING) AS model
  FROM cloud_azure_billing_raw_daily
  WHERE cost_view = 'actual' AND (STRPOS(meter_subcategory, 'OpenAI') > 0 OR STRPOS(meter_category, 'OpenAI') > 0)
    AND DATE_TRUNC(x_pipeline_run_date, MONTH) = @month`,
  aws_bedrock: `
  SELECT x_pipeline_run_date AS cost_date, currency, unblended_cost AS amount, COALESCE(product_name, usage_type) AS line_item,
    CAST(NULL AS STRING) AS model
  FROM cloud_aws_billing_raw_daily
  WHERE (service_code = 'AmazonBedrock' OR STRPOS(product_name, '(Amazon Bedrock Edition)') > 0)
    AND DATE_TRUNC(x_pipeline_run_date, MONTH) = @month`
}

function googleBill(service: string): string {
  return `
  SELECT x_pipeline_run_date AS cost_date, currency, cost + COALESCE(credits_total, BIGNUMERIC '0') AS amount, sku_description AS line_item,
    CAST(NULL AS STRING) AS model
  FROM cloud_gcp_billing_raw_daily
  WHERE service_description = '${service}' AND DATE_TRUNC(x_pipeline_run_date, MONTH) = @month`
}

/** Words in lower case, set off by single blanks; `NovaLite` is two. */
const words = (text: string) =>
  `CONCAT(' ', TRIM(REGEXP_REPLACE(LOWER(REGEXP_REPLACE(${text}, r'([a-z])([A-Z])', r'\\1 \\2')), r'[^a-z0-9]+', ' ')), ' ')`

/** A model as bills name it: without its date; on Bedrock also without its region, maker and version. */
const billedName = (provider: string) =>
  provider === "aws_bedrock"
    ? String.raw`REGEXP_REPLACE(REGEXP_REPLACE(model, r'^([a-z-]+\.)?[a-z0-9]+\.', ''), r'(-[0-9]{8})?-v[0-9]+(:[0-9a-z]+)*$', '')`
    : "REGEXP_REPLACE(model, r'-[0-9]{4}-[0-9]{2}-[0-9]{2}$', '')"

const sqlOf = (provider: string) => `
WITH billed AS (${[ownBill, ...[cloudBills[provider] ?? []].flat()].join("\n  UNION ALL")}
),
used AS (
  SELECT DISTINCT usage_date, model, ${words(billedName(provider))} AS name
  FROM genai_payg_usage_raw WHERE x_pipeline_id = @pipeline_id AND usage_month = @month
),
item AS (
  SELECT cost_date, currency, line_item, model, SUM(CAST(amount AS BIGNUMERIC)) AS amount FROM billed
  GROUP BY cost_date, currency, line_item, model
),
line AS (
  SELECT
    item.cost_date, item.currency, item.amount, item.line_item,
    COALESCE(item.model, SUBSTR(MAX(CONCAT(LPAD(CAST(LENGTH(used.name) AS STRING), 4, '0'), used.model)), 5)) AS model
  FROM item
  LEFT JOIN used ON item.model IS NULL AND used.usage_date = item.cost_date AND STRPOS(${words("item.line_item")}, used.name) > 0
  GROUP BY item.cost_date, item.currency, item.amount, item.line_item, item.model
),
-- Money in another currency than the prices': the provider's own export is what is calculated.
exported AS (
  SELECT usage_date, model, x_credential_id, exported_currency, SUM(exported_cost) AS cost
  FROM genai_payg_usage_raw
  WHERE x_pipeline_id = @pipeline_id AND usage_month = @month AND exported_currency <> 'USD'
  GROUP BY usage_date, model, x_credential_id, exported_currency
),
side AS (
  SELECT cost_date AS day, COALESCE(model, line_item) AS model, currency, SUM(amount) AS billed, CAST(NULL AS BIGNUMERIC) AS computed,
    0 AS unpriced
  FROM line GROUP BY day, COALESCE(model, line_item), currency
  UNION ALL
  SELECT cost_date, costs.model, 'USD', NULL, SUM(CAST(total_cost_usd AS BIGNUMERIC)), 0
  FROM genai_payg_costs_daily AS costs
  LEFT JOIN exported ON exported.usage_date = costs.cost_date AND exported.model = costs.model
    AND exported.x_credential_id = costs.x_credential_id
  WHERE x_pipeline_id = @pipeline_id AND cost_month = @month AND exported.model IS NULL
  GROUP BY cost_date, costs.model
  UNION ALL
  SELECT usage_date, model, exported_currency, NULL, SUM(cost), 0 FROM exported GROUP BY usage_date, model, exported_currency
  UNION ALL
  SELECT usage.usage_date, usage.model, COALESCE(MAX(usage.exported_currency), 'USD'), NULL, NULL, COUNT(*) - COALESCE(MAX(priced.n), 0)
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
    source: { _tag: "Query", sql: sqlOf(provider), parameters },
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
