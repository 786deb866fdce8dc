/**
 * What subscription plans cost on the days of a run: counted by cycles, where the procedures count by days, so that the two can be
 * compared. A cycle's share is its days times the daily quantity; its last day also brings the remainder of the division.
 */
import type { Day } from "../platform/Identifiers.ts"
import { dateList, text } from "./SqlText.ts"

/** An inclusive range of data dates. */
export interface Days {
  readonly startDate: string
  readonly endDate: string
}

/** See NativeTable.statement; `kind` is the billing cycle. Without days: all of these months. Periods ascend. */
export const subscriptionTotals = (
  periods: ReadonlyArray<Day>,
  { startDate, endDate }: Days = wholeMonths(periods)
): string => `
WITH plan AS (
  SELECT
    plans.*, cycles.cycle, CAST(cycles.cycle_months AS INT64) AS months,
    GREATEST(plans.start_date, DATE ${text(startDate)}) AS first_day,
    LEAST(COALESCE(plans.end_date, DATE ${text(endDate)}), DATE ${text(endDate)}) AS last_day,
    IF(UPPER(TRIM(plans.pricing_model)) = 'FLAT_FEE' OR COALESCE(plans.seats, 0) < 1, 1, plans.seats) AS units,
    CAST(IF(cycles.cycle = 'annual' AND plans.yearly_price > 0, plans.yearly_price, plans.unit_price) AS BIGNUMERIC) AS list_price,
    CAST(COALESCE(plans.discount_value, 0) AS BIGNUMERIC) AS off,
    LOWER(TRIM(plans.discount_type)) AS off_type
  FROM subscription_plans AS plans
  JOIN organizations.subscription_billing_cycles AS cycles ON cycles.billing_cycle = LOWER(TRIM(plans.billing_cycle))
  WHERE plans.start_date <= DATE ${text(endDate)}
    AND (LOWER(TRIM(plans.status)) = 'active'
      OR (LOWER(TRIM(plans.status)) IN ('cancelled', 'expired') AND plans.end_date IS NOT NULL)
      OR (LOWER(TRIM(plans.status)) = 'pending' AND plans.start_date <= CURRENT_DATE()))
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY plans.subscription_id, plans.start_date
    ORDER BY plans.updated_at DESC, plans.x_ingested_at DESC, plans.unit_price DESC, plans.seats DESC
  ) = 1
),
priced AS (
  SELECT
    * EXCEPT (units, list_price),
    CAST(IF(off_type = 'fixed' AND off > 0, 1, units) AS BIGNUMERIC) AS units,
    IF(off_type = 'fixed' AND off > 0, list_price * units, list_price) AS list_price,
    CASE
      WHEN off_type = 'fixed' AND off > 0 THEN IF(off > list_price * units, BIGNUMERIC '0', list_price * units - off)
      WHEN off_type = 'percent' AND off > 100 THEN BIGNUMERIC '0'
      WHEN off_type = 'percent' AND off > 0 THEN list_price - list_price * off * BIGNUMERIC '0.01'
      ELSE list_price
    END AS price
  FROM plan
  WHERE last_day >= first_day
),
scaled AS (
  SELECT
    *,
    LEAST(12, 24 - GREATEST(
      LENGTH(COALESCE(REGEXP_EXTRACT(CAST(price AS STRING), r'\\.([0-9]*[1-9])'), '')),
      LENGTH(COALESCE(REGEXP_EXTRACT(CAST(list_price AS STRING), r'\\.([0-9]*[1-9])'), '')))) AS scale
  FROM priced
),
cycle AS (
  SELECT
    scaled.*, DATE_ADD(start_date, INTERVAL number * months MONTH) AS cycle_start,
    DATE_ADD(start_date, INTERVAL (number + 1) * months MONTH) AS cycle_end
  FROM scaled
  CROSS JOIN UNNEST(GENERATE_ARRAY(0, DIV(DATE_DIFF(last_day, start_date, MONTH), GREATEST(months, 1)))) AS number
  WHERE months > 1
  UNION ALL
  SELECT
    scaled.*,
    LEAST(DATE_ADD(month, INTERVAL COALESCE(billing_anchor_day, 1) - 1 DAY), LAST_DAY(month)),
    LEAST(DATE_ADD(DATE_ADD(month, INTERVAL 1 MONTH), INTERVAL COALESCE(billing_anchor_day, 1) - 1 DAY),
      LAST_DAY(DATE_ADD(month, INTERVAL 1 MONTH)))
  FROM scaled
  CROSS JOIN UNNEST(GENERATE_DATE_ARRAY(
    DATE_SUB(DATE_TRUNC(first_day, MONTH), INTERVAL 1 MONTH), last_day, INTERVAL 1 MONTH)) AS month
  WHERE months = 1
  UNION ALL
  SELECT scaled.*, week, DATE_ADD(week, INTERVAL 7 DAY)
  FROM scaled
  CROSS JOIN UNNEST(GENERATE_DATE_ARRAY(DATE_TRUNC(first_day, ISOWEEK), last_day, INTERVAL 7 DAY)) AS week
  WHERE months = 0
),
stretch AS (
  SELECT
    *, DATE_DIFF(cycle_end, cycle_start, DAY) AS cycle_days,
    GREATEST(cycle_start, first_day, period) AS stretch_start,
    LEAST(cycle_end, DATE_ADD(last_day, INTERVAL 1 DAY), DATE_ADD(period, INTERVAL 1 MONTH)) AS stretch_end
  FROM cycle
  CROSS JOIN UNNEST([${dateList(periods)}]) AS period
),
amount AS (
  SELECT
    *, DATE_DIFF(stretch_end, stretch_start, DAY) AS days,
    price * (DATE_DIFF(stretch_end, stretch_start, DAY) * ROUND(units / cycle_days, scale)
      + IF(stretch_end = cycle_end, units - cycle_days * ROUND(units / cycle_days, scale), BIGNUMERIC '0')) AS effective
  FROM stretch
  WHERE stretch_end > stretch_start
)
SELECT
  period, UPPER(TRIM(currency)) AS currency, x_credential_id AS credential, cycle AS kind, CAST(NULL AS STRING) AS dropped,
  SUM(days) AS n, SUM(IF(months > 1, IF(stretch_start = cycle_start, price * units, BIGNUMERIC '0'), effective)) AS billed,
  SUM(effective) AS effective
FROM amount
GROUP BY period, currency, credential, kind, dropped`

const wholeMonths = (periods: ReadonlyArray<Day>) => {
  const [startDate = "", endDate = ""] = [periods[0], periods.at(-1)]
  const [year = 0, month = 0] = endDate.split("-").map(Number)
  return { startDate, endDate: new Date(Date.UTC(year, month, 0)).toISOString().slice(0, 10) }
}
