/**
 * What Azure's cost details say that a month costs: billed is the sum of the actual view, amortised the sum of the amortized one. The two
 * views show the same charges, so where both were delivered an actual row has a FOCUS row of its own only when it buys or refunds a
 * commitment.
 */
import type { Day } from "../platform/Identifiers.ts"
import { dateList } from "./SqlText.ts"

/** See NativeTable.statement; `kind` is the charge type. Where one view is missing, its sum is what the other one knows of it. */
export const azureTotals = (periods: ReadonlyArray<Day>): string => `
WITH line AS (
  SELECT
    billing_period_start AS period, billing_currency AS currency, x_credential_id AS credential, invoice_id AS invoice,
    COALESCE(charge_type, 'Usage') AS kind, cost_view, cost_in_billing_currency AS cost,
    IF(pricing_model IS NULL,
      COALESCE(benefit_id, savings_plan_id, reservation_id) IS NOT NULL OR STRPOS(COALESCE(charge_type, ''), 'Unused') = 1
        OR STRPOS(LOWER(COALESCE(product_order_name, '')), 'savings plan') > 0 OR STRPOS(LOWER(COALESCE(product_order_name, '')), 'reserved ') = 1,
      REPLACE(LOWER(pricing_model), ' ', '') IN ('reservation', 'savingsplan')) AS is_committed,
    LOWER(COALESCE(charge_type, 'usage')) IN ('purchase', 'refund') AS is_bought
  FROM cloud_azure_billing_raw_daily
  WHERE billing_period_start IN (${dateList(periods)})
),
delivered AS (
  SELECT period, credential, COUNTIF(cost_view = 'actual') > 0 AS actual, COUNTIF(cost_view = 'amortized') > 0 AS amortized
  FROM line
  GROUP BY period, credential
),
counted AS (
  SELECT
    line.period, line.currency, line.credential, line.invoice, line.kind,
    CASE
      WHEN line.cost_view = 'actual' THEN line.cost
      WHEN delivered.actual OR (line.is_committed AND NOT line.is_bought) THEN BIGNUMERIC '0'
      ELSE line.cost
    END AS billed,
    CASE
      WHEN line.cost_view = 'amortized' THEN line.cost
      WHEN delivered.amortized OR (line.is_committed AND line.is_bought) THEN BIGNUMERIC '0'
      ELSE line.cost
    END AS effective,
    IF(line.cost_view = 'actual' AND delivered.amortized AND NOT (line.is_committed AND line.is_bought), 'same_charge_in_amortized_view', NULL)
      AS dropped
  FROM line
  JOIN delivered ON delivered.period = line.period AND delivered.credential = line.credential
)
SELECT period, currency, credential, invoice, kind, dropped, COUNT(*) AS n, SUM(billed) AS billed, SUM(effective) AS effective
FROM counted
GROUP BY period, currency, credential, invoice, kind, dropped`
