-- Records what is doubtful about the plans of a range of days: plans that were skipped, and plans that were counted though something
-- about them is odd. Called inside the transaction that writes the costs.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_subscription_insert_quality`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_org_slug STRING,
  p_start_date DATE,
  p_end_date DATE,
  p_run_id STRING
)
BEGIN
  DECLARE v_dataset STRING DEFAULT CONCAT(p_project_id, '.', p_dataset_id);

  EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.org_meta_dq_results`
WHERE x_org_slug = @org_slug AND pipeline_logging_id = @run_id AND dq_config_id <> 'subscription_pre_pipeline_validation'
""", '$dataset', v_dataset)
  USING p_org_slug AS org_slug, p_run_id AS run_id;

  EXECUTE IMMEDIATE REPLACE(r"""
INSERT INTO `$dataset.org_meta_dq_results` (
  org_slug, dq_result_id, pipeline_logging_id, dq_config_id, target_table, overall_status, expectations_passed, expectations_failed,
  failed_expectations, ingestion_date, executed_at, created_at, x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date,
  x_run_id, x_ingested_at, x_ingestion_date
)
WITH plan AS (
  SELECT
    subscription_id, start_date, end_date, seats, LOWER(TRIM(status)) AS status, LOWER(TRIM(plans.billing_cycle)) AS billing_cycle,
    cycles.cycle IS NULL AS is_unknown_cycle, UPPER(TRIM(pricing_model)) AS pricing_model,
    CONCAT(subscription_id, COALESCE(CONCAT(' from ', CAST(start_date AS STRING)), '')) AS label,
    ROW_NUMBER() OVER (ORDER BY subscription_id, start_date, updated_at, unit_price) AS number
  FROM `$dataset.subscription_plans` AS plans
  LEFT JOIN `{project_id}.organizations.subscription_billing_cycles` AS cycles
    ON cycles.billing_cycle = LOWER(TRIM(plans.billing_cycle))
  WHERE plans.x_org_slug = @org_slug
),
finding AS (
  SELECT 'start_date_check' AS name, 'WARNING' AS outcome, 'subscription_plans' AS target,
    CONCAT(label, ': skipped, it has no start_date') AS message
  FROM plan WHERE start_date IS NULL
  UNION ALL
  SELECT 'end_date_check', 'WARNING', 'subscription_plans', CONCAT(label, ': skipped, it is ', status, ' but has no end_date')
  FROM plan WHERE status IN ('cancelled', 'expired') AND end_date IS NULL
  UNION ALL
  SELECT 'billing_cycle_check', 'FAIL', 'subscription_plans',
    CONCAT(label, ': skipped, ', COALESCE(billing_cycle, 'nothing'), ' is no billing cycle')
  FROM plan WHERE is_unknown_cycle
  UNION ALL
  SELECT 'status_check', 'FAIL', 'subscription_plans', CONCAT(label, ': skipped, ', COALESCE(status, 'nothing'), ' is no status')
  FROM plan WHERE COALESCE(status, '') NOT IN ('active', 'pending', 'cancelled', 'expired')
  UNION ALL
  SELECT 'null_seats_check', 'WARNING', 'subscription_plans', CONCAT(label, ': no seats, counted as 1')
  FROM plan WHERE COALESCE(seats, 0) <= 0 AND COALESCE(pricing_model, '') <> 'FLAT_FEE'
  UNION ALL
  SELECT 'plan_overlap', 'WARNING', 'subscription_plans',
    CONCAT(one.label, ' and ', two.label, ': both versions have the day ', CAST(GREATEST(one.start_date, two.start_date) AS STRING))
  FROM plan AS one
  JOIN plan AS two ON two.subscription_id = one.subscription_id AND two.number > one.number
  WHERE one.start_date <= COALESCE(two.end_date, DATE '9999-12-31') AND two.start_date <= COALESCE(one.end_date, DATE '9999-12-31')
    AND GREATEST(one.start_date, two.start_date) <= @end_date
    AND LEAST(COALESCE(one.end_date, DATE '9999-12-31'), COALESCE(two.end_date, DATE '9999-12-31')) >= @start_date
  UNION ALL
  SELECT 'zero_cost_check', 'WARNING', 'subscription_plan_costs_daily', 'no plan accrues on any of the days'
  FROM (SELECT COUNT(*) AS n FROM `$dataset.subscription_plan_costs_daily`
    WHERE x_org_slug = @org_slug AND cost_date BETWEEN @start_date AND @end_date)
  WHERE n = 0
  UNION ALL
  SELECT 'future_day_check', 'WARNING', 'subscription_plan_costs_daily',
    CONCAT('the days after today, to ', CAST(@end_date AS STRING), ', are what the plans will cost if nothing changes')
  FROM UNNEST([1]) WHERE @end_date > CURRENT_DATE()
)
SELECT
  @org_slug, CONCAT(@run_id, '/', name), @run_id, name, target, outcome, 0, 1, TO_JSON(ARRAY_AGG(message ORDER BY message LIMIT 100)),
  CURRENT_DATE(), CURRENT_TIMESTAMP(), CURRENT_TIMESTAMP(), @org_slug, 'subscription_costs_subscription_cost', 'default', @end_date,
  @run_id, CURRENT_TIMESTAMP(), CURRENT_DATE()
FROM finding
GROUP BY name, outcome, target
""", '$dataset', v_dataset)
  USING p_org_slug AS org_slug, p_start_date AS start_date, p_end_date AS end_date, p_run_id AS run_id;
END;
