-- Checks the subscription plans of an organisation before anything is calculated from them: 8 expectations of every plan. The result is
-- recorded; when a plan does not meet one, all messages are raised, so that the run stops.
--
-- A plan may have any currency: amounts of different currencies are never added up.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_subscription_1_validate_data`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_pipeline_logging_id STRING
)
BEGIN
  DECLARE v_org_slug STRING DEFAULT REGEXP_REPLACE(p_dataset_id, r'_(prod|stage|test|local|dev)$', '');
  DECLARE v_dataset STRING DEFAULT CONCAT(p_project_id, '.', p_dataset_id);
  DECLARE v_plans, v_broken, v_failures INT64;
  DECLARE v_messages ARRAY<STRING>;

  IF p_project_id IS NULL OR NOT REGEXP_CONTAINS(p_project_id, r'^[a-z][a-z0-9-]*[a-z0-9]$') THEN
    RAISE USING MESSAGE = 'sp_subscription_1_validate_data: p_project_id is not a project id';
  END IF;
  IF p_dataset_id IS NULL OR NOT REGEXP_CONTAINS(p_dataset_id, r'^[a-z0-9_]{3,50}_(prod|stage|test|local|dev)$') THEN
    RAISE USING MESSAGE = 'sp_subscription_1_validate_data: p_dataset_id is not the dataset of an organisation';
  END IF;
  IF p_pipeline_logging_id IS NULL THEN
    RAISE USING MESSAGE = 'sp_subscription_1_validate_data: p_pipeline_logging_id must be given, the result is recorded under it';
  END IF;

  EXECUTE IMMEDIATE REPLACE(r"""
WITH plan AS (
  SELECT
    plans.* EXCEPT (billing_cycle, discount_type, status),
    LOWER(TRIM(plans.status)) AS status,
    LOWER(TRIM(plans.billing_cycle)) AS billing_cycle,
    LOWER(NULLIF(TRIM(plans.discount_type), '')) AS discount_type,
    cycles.cycle,
    IF(cycles.cycle = 'annual' AND yearly_price > 0, yearly_price, unit_price)
      * IF(UPPER(TRIM(pricing_model)) = 'FLAT_FEE' OR COALESCE(seats, 0) <= 0, 1, seats) AS gross,
    CONCAT(COALESCE(subscription_id, 'a plan without id'), COALESCE(CONCAT(' from ', CAST(start_date AS STRING)), ''), ': ') AS label
  FROM `$dataset.subscription_plans` AS plans
  LEFT JOIN `{project_id}.organizations.subscription_billing_cycles` AS cycles
    ON cycles.billing_cycle = LOWER(TRIM(plans.billing_cycle))
),
failure AS (
  SELECT 'x_org_slug' AS expectation, label, 'it belongs to another organisation' AS message
  FROM plan WHERE x_org_slug <> @org_slug
  UNION ALL
  SELECT 'subscription_id', label, 'subscription_id is empty' FROM plan WHERE TRIM(COALESCE(subscription_id, '')) = ''
  UNION ALL
  SELECT 'currency', label, CONCAT('currency ', COALESCE(currency, 'nothing'), ' is no ISO 4217 code')
  FROM plan WHERE NOT REGEXP_CONTAINS(UPPER(TRIM(COALESCE(currency, ''))), r'^[A-Z]{3}$')
  UNION ALL
  SELECT 'status', label, CONCAT('status ', COALESCE(status, 'nothing'), ' is none of active, pending, cancelled, expired')
  FROM plan WHERE COALESCE(status, '') NOT IN ('active', 'pending', 'cancelled', 'expired')
  UNION ALL
  SELECT 'billing_cycle', label,
    CONCAT('billing_cycle ', COALESCE(billing_cycle, 'nothing'), ' is none of weekly, monthly, quarterly, semi-annual, annual')
  FROM plan WHERE cycle IS NULL
  UNION ALL
  SELECT 'end_date', label, CONCAT('end_date ', CAST(end_date AS STRING), ' lies before start_date') FROM plan WHERE end_date < start_date
  UNION ALL
  SELECT 'discount', label,
    CASE
      WHEN discount_value < 0 THEN CONCAT('discount ', CAST(discount_value AS STRING), ' is negative')
      WHEN discount_type = 'percent' THEN CONCAT('discount ', CAST(discount_value AS STRING), ' is more than 100 percent')
      WHEN discount_type = 'fixed'
        THEN CONCAT('discount ', CAST(discount_value AS STRING), ' is more than the price of a cycle, ', CAST(gross AS STRING))
      ELSE CONCAT('discount_type ', COALESCE(discount_type, 'nothing'), ' is none of percent, fixed')
    END
  FROM plan
  WHERE discount_value < 0 OR (discount_type = 'percent' AND discount_value > 100) OR (discount_type = 'fixed' AND discount_value > gross)
    OR (discount_value <> 0 AND COALESCE(discount_type, '') NOT IN ('percent', 'fixed'))
  UNION ALL
  SELECT 'billing_anchor_day', label,
    IF(cycle = 'monthly', 'billing_anchor_day is not from 1 to 31', 'billing_anchor_day is only for monthly cycles')
  FROM plan WHERE billing_anchor_day IS NOT NULL AND (COALESCE(cycle, '') <> 'monthly' OR billing_anchor_day NOT BETWEEN 1 AND 31)
)
SELECT
  (SELECT COUNT(*) FROM plan),
  COUNT(DISTINCT label),
  COUNT(DISTINCT expectation),
  ARRAY_AGG(CONCAT(label, message) ORDER BY label, message LIMIT 100)
FROM failure
""", '$dataset', v_dataset)
  INTO v_plans, v_broken, v_failures, v_messages
  USING v_org_slug AS org_slug;

  EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.org_meta_dq_results`
WHERE x_org_slug = @org_slug AND dq_result_id = CONCAT(@run_id, '/subscription_pre_pipeline_validation')
""", '$dataset', v_dataset)
  USING v_org_slug AS org_slug, p_pipeline_logging_id AS run_id;

  EXECUTE IMMEDIATE REPLACE(r"""
INSERT INTO `$dataset.org_meta_dq_results` (
  org_slug, dq_result_id, pipeline_logging_id, dq_config_id, target_table, overall_status, expectations_passed, expectations_failed,
  failed_expectations, ingestion_date, executed_at, created_at, x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date,
  x_run_id, x_ingested_at, x_ingestion_date
)
VALUES (
  @org_slug, CONCAT(@run_id, '/subscription_pre_pipeline_validation'), @run_id, 'subscription_pre_pipeline_validation',
  'subscription_plans', IF(@failures = 0, 'PASS', 'FAIL'), 8 - @failures, @failures, TO_JSON(ARRAY(SELECT message FROM UNNEST(@messages) AS message ORDER BY message)), CURRENT_DATE(),
  CURRENT_TIMESTAMP(), CURRENT_TIMESTAMP(), @org_slug, 'subscription_costs_subscription_cost', 'default', CURRENT_DATE(), @run_id,
  CURRENT_TIMESTAMP(), CURRENT_DATE()
)
""", '$dataset', v_dataset)
  USING v_org_slug AS org_slug, p_pipeline_logging_id AS run_id, v_failures AS failures, v_messages AS messages;

  IF v_failures > 0 THEN
    RAISE USING MESSAGE = FORMAT('sp_subscription_1_validate_data: %d of %d plans of %s cannot be billed: %s%s',
      v_broken, v_plans, v_org_slug, ARRAY_TO_STRING(v_messages, '; '), IF(ARRAY_LENGTH(v_messages) = 100, '; and more', ''));
  END IF;

  SELECT
    v_plans AS plans_checked,
    8 AS expectations_passed,
    'PASS' AS overall_status,
    CONCAT(p_dataset_id, '.subscription_plans') AS target_table,
    CURRENT_TIMESTAMP() AS executed_at;
END;
