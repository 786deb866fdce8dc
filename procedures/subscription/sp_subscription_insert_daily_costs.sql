-- Replaces the daily costs of subscription plans. Called inside the transaction of sp_subscription_2_calculate_daily_costs and
-- sp_subscription_4_run_pipeline.
--
-- A plan version accrues on start_date..end_date, both inclusive. Each day lies in one billing cycle: the ISO week, the month (from
-- billing_anchor_day, cut to the month's last day), or start_date + k x 3, 6 or 12 months, cut likewise and always counted from
-- start_date itself. A cycle's price is spread over its days so that they sum to it exactly: money by the difference of rounded running
-- totals, quantity by equal shares of 12 decimals of which the last day takes the remainder.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_subscription_insert_daily_costs`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_org_slug STRING,
  p_start_date DATE,
  p_end_date DATE,
  p_credential_id STRING,
  p_run_id STRING
)
BEGIN
  DECLARE v_dataset STRING DEFAULT CONCAT(p_project_id, '.', p_dataset_id);

  EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.subscription_plan_costs_daily`
WHERE x_org_slug = @org_slug AND cost_date BETWEEN @start_date AND @end_date
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
  USING p_org_slug AS org_slug, p_start_date AS start_date, p_end_date AS end_date, p_credential_id AS credential_id;

  EXECUTE IMMEDIATE REPLACE(r"""
INSERT INTO `$dataset.subscription_plan_costs_daily` (
  cost_date, subscription_id, provider, x_subscription_provider, plan_name, display_name, billing_cycle, currency, pricing_model, seats,
  cycle_cost, daily_cost, list_daily_cost, monthly_run_rate, annual_run_rate, invoice_id_last, source, created_at, updated_at,
  plan_start_date, plan_end_date, cycle_start, cycle_end, is_prepaid, list_unit_price, contracted_unit_price, cycle_quantity,
  day_quantity, quantity_decimals, pricing_unit, billing_anchor_day, category, contract_id, source_currency, exchange_rate_used, x_ingestion_id, x_hierarchy_entity_id,
  x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names, x_org_slug, x_pipeline_id,
  x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
WITH version AS (
  SELECT
    plan.* EXCEPT (billing_cycle, seats, pricing_model, discount_type, display_name, contract_id),
    NULLIF(TRIM(plan.display_name), '') AS display_name,
    NULLIF(TRIM(plan.contract_id), '') AS contract_id,
    cycles.cycle,
    CAST(cycles.cycle_months AS INT64) AS cycle_months,
    cycles.seat_unit,
    cycles.subscription_unit,
    IF(COALESCE(plan.seats, 0) > 0, plan.seats, 1) AS seats,
    IF(UPPER(TRIM(plan.pricing_model)) = 'FLAT_FEE', 'FLAT_FEE', 'PER_SEAT') AS pricing_model,
    LOWER(TRIM(plan.discount_type)) AS discount_type,
    LEAST(GREATEST(COALESCE(plan.billing_anchor_day, 1), 1), 31) AS anchor_day,
    CAST(IF(cycles.cycle = 'annual' AND plan.yearly_price > 0, plan.yearly_price, plan.unit_price) AS BIGNUMERIC) AS base
  FROM `$dataset.subscription_plans` AS plan
  JOIN `{project_id}.organizations.subscription_billing_cycles` AS cycles ON cycles.billing_cycle = LOWER(TRIM(plan.billing_cycle))
  WHERE plan.x_org_slug = @org_slug
    AND (@credential_id IS NULL OR plan.x_credential_id = @credential_id)
    AND plan.start_date <= @end_date
    AND (plan.end_date IS NULL OR plan.end_date >= GREATEST(@start_date, plan.start_date))
    AND CASE LOWER(TRIM(plan.status))
      WHEN 'active' THEN TRUE
      WHEN 'expired' THEN plan.end_date IS NOT NULL
      WHEN 'cancelled' THEN plan.end_date IS NOT NULL
      WHEN 'pending' THEN plan.start_date <= CURRENT_DATE()
      ELSE FALSE
    END
  -- A version that the table holds twice counts once, as it was last changed.
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY plan.subscription_id, plan.start_date
    ORDER BY plan.updated_at DESC, plan.x_ingested_at DESC, plan.unit_price DESC, plan.seats DESC
  ) = 1
),
discounted AS (
  SELECT
    *,
    base * IF(pricing_model = 'FLAT_FEE', 1, seats) AS gross,
    discount_type = 'fixed' AND discount_value > 0 AS has_fixed_discount
  FROM version
),
-- Money off a whole cycle has no price per seat: such a plan is priced as one piece.
priced AS (
  SELECT
    *,
    IF(pricing_model = 'FLAT_FEE' OR COALESCE(has_fixed_discount, FALSE), subscription_unit, seat_unit) AS pricing_unit,
    CAST(IF(pricing_model = 'FLAT_FEE' OR COALESCE(has_fixed_discount, FALSE), 1, seats) AS BIGNUMERIC) AS cycle_quantity,
    IF(COALESCE(has_fixed_discount, FALSE), gross, base) AS list_unit_price,
    CASE
      WHEN has_fixed_discount THEN GREATEST(gross - CAST(discount_value AS BIGNUMERIC), BIGNUMERIC '0')
      WHEN discount_type = 'percent'
        THEN base * (100 - LEAST(GREATEST(CAST(COALESCE(discount_value, 0) AS BIGNUMERIC), BIGNUMERIC '0'), BIGNUMERIC '100')) * BIGNUMERIC '0.01'
      ELSE base
    END AS contracted_unit_price
  FROM discounted
),
-- Price times quantity has to fit 24 decimals; a price with more than 12 leaves fewer to the quantity.
scaled AS (
  SELECT
    *,
    contracted_unit_price * cycle_quantity AS cycle_cost,
    CASE
      WHEN contracted_unit_price = ROUND(contracted_unit_price, 12) AND list_unit_price = ROUND(list_unit_price, 12) THEN 12
      ELSE 24 - GREATEST(
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(contracted_unit_price AS STRING), r'\.([0-9]*[1-9])'), '')),
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(list_unit_price AS STRING), r'\.([0-9]*[1-9])'), '')))
    END AS quantity_scale
  FROM priced
),
ranged AS (
  SELECT
    *,
    GREATEST(start_date, @start_date) AS first_day,
    LEAST(COALESCE(end_date, @end_date), @end_date) AS last_day
  FROM scaled
),
-- Cycles are numbered from the plan's start, from the month or from the week of its first day in the range; the first number may be one
-- too early, because a cycle may begin after that day of its month.
numbered AS (
  SELECT
    ranged.*, number, DATE_TRUNC(first_day, ISOWEEK) AS first_week, DATE_ADD(DATE_TRUNC(first_day, MONTH), INTERVAL number MONTH) AS month
  FROM ranged
  CROSS JOIN UNNEST(CASE
    WHEN cycle_months = 0 THEN GENERATE_ARRAY(0, DIV(DATE_DIFF(last_day, DATE_TRUNC(first_day, ISOWEEK), DAY), 7))
    WHEN cycle_months = 1 THEN GENERATE_ARRAY(-1, DATE_DIFF(last_day, first_day, MONTH))
    ELSE GENERATE_ARRAY(
      GREATEST(DIV(DATE_DIFF(first_day, start_date, MONTH), cycle_months) - 1, 0), DIV(DATE_DIFF(last_day, start_date, MONTH), cycle_months))
  END) AS number
),
bounded AS (
  SELECT
    *,
    CASE cycle
      WHEN 'weekly' THEN DATE_ADD(first_week, INTERVAL 7 * number DAY)
      WHEN 'monthly' THEN LEAST(DATE_ADD(month, INTERVAL anchor_day - 1 DAY), LAST_DAY(month))
      ELSE DATE_ADD(start_date, INTERVAL number * cycle_months MONTH)
    END AS cycle_start,
    CASE cycle
      WHEN 'weekly' THEN DATE_ADD(first_week, INTERVAL 7 * (number + 1) DAY)
      WHEN 'monthly' THEN LEAST(
        DATE_ADD(DATE_ADD(month, INTERVAL 1 MONTH), INTERVAL anchor_day - 1 DAY), LAST_DAY(DATE_ADD(month, INTERVAL 1 MONTH)))
      ELSE DATE_ADD(start_date, INTERVAL (number + 1) * cycle_months MONTH)
    END AS cycle_end
  FROM numbered
),
shared AS (
  SELECT
    *,
    DATE_DIFF(cycle_end, cycle_start, DAY) AS cycle_days,
    ROUND(cycle_quantity / DATE_DIFF(cycle_end, cycle_start, DAY), quantity_scale) AS share
  FROM bounded
  WHERE cycle_end > first_day AND cycle_start <= last_day
),
-- What is the same on all days that a cycle has in a calendar month.
monthly AS (
  SELECT
    * EXCEPT (month),
    GREATEST(cycle_start, first_day, month_start) AS stretch_start,
    LEAST(DATE_SUB(cycle_end, INTERVAL 1 DAY), last_day, LAST_DAY(month_start)) AS stretch_end,
    DATE_DIFF(GREATEST(cycle_start, first_day, month_start), cycle_start, DAY) AS days_before,
    cycle_quantity - (cycle_days - 1) * share AS last_share,
    ROUND(cycle_cost * EXTRACT(DAY FROM LAST_DAY(month_start)) / cycle_days, 9) AS monthly_run_rate,
    ROUND(cycle_cost * EXTRACT(DAYOFYEAR FROM LAST_DAY(month_start, YEAR)) / cycle_days, 9) AS annual_run_rate,
    CONCAT(@org_slug, '/', subscription_id, '/', CAST(start_date AS STRING), '/') AS key_start
  FROM shared
  CROSS JOIN UNNEST(GENERATE_DATE_ARRAY(
    DATE_TRUNC(GREATEST(cycle_start, first_day), MONTH), LEAST(DATE_SUB(cycle_end, INTERVAL 1 DAY), last_day), INTERVAL 1 MONTH)) AS month_start
),
counted AS (
  SELECT
    monthly.*,
    cost_date,
    days_before + position + 1 AS cycle_day,
    TO_HEX(SHA1(CONCAT(key_start, CAST(cost_date AS STRING)))) AS key_hash
  FROM monthly
  CROSS JOIN UNNEST(GENERATE_DATE_ARRAY(stretch_start, stretch_end)) AS cost_date WITH OFFSET AS position
),
spread AS (
  SELECT
    *,
    ROUND(cycle_cost * cycle_day / cycle_days, 9) - ROUND(cycle_cost * (cycle_day - 1) / cycle_days, 9) AS daily_cost
  FROM counted
)
SELECT
  cost_date, subscription_id, provider, provider, plan_name, display_name, cycle, UPPER(TRIM(currency)), pricing_model, seats,
  CAST(ROUND(cycle_cost, 9) AS NUMERIC),
  CAST(daily_cost AS NUMERIC),
  CAST(IF(gross = cycle_cost, daily_cost,
    ROUND(gross * cycle_day / cycle_days, 9) - ROUND(gross * (cycle_day - 1) / cycle_days, 9)) AS NUMERIC),
  CAST(monthly_run_rate AS NUMERIC), CAST(annual_run_rate AS NUMERIC),
  invoice_id_last, 'subscription_amortization', CURRENT_TIMESTAMP(), CURRENT_TIMESTAMP(), start_date, end_date, cycle_start, cycle_end,
  cycle_months > 1, list_unit_price, contracted_unit_price, cycle_quantity, IF(cycle_day = cycle_days, last_share, share),
  quantity_scale, pricing_unit, billing_anchor_day, category, contract_id, UPPER(TRIM(source_currency)), exchange_rate_used,
  -- Version 5 and variant 1 of RFC 9562; of the variant's digit only the fixed bits are kept.
  REGEXP_REPLACE(key_hash, r'^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$', r'\1-\2-5\3-8\4-\5'),
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names, @org_slug,
  'subscription_costs_subscription_cost', x_credential_id, cost_date, @run_id, CURRENT_TIMESTAMP(), CURRENT_DATE()
FROM spread
""", '$dataset', v_dataset)
  USING p_org_slug AS org_slug, p_start_date AS start_date, p_end_date AS end_date, p_credential_id AS credential_id,
    p_run_id AS run_id;
END;
