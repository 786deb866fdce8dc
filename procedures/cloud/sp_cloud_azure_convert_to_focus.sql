-- Converts Azure billing data to FOCUS 1.3: cost details, actual and amortized (cloud_azure_billing_raw_daily), and native FOCUS exports
-- (cloud_azure_focus_raw_daily). Every billing period that the days touch is replaced whole, in one transaction, whatever usage dates its
-- lines have, so a restatement replaces exactly what it restates. The result row accounts for every native line.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_azure_convert_to_focus`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_start_date DATE,
  p_end_date DATE,
  p_pipeline_id STRING,
  p_credential_id STRING,
  p_run_id STRING
)
BEGIN
  DECLARE v_end_date DATE DEFAULT COALESCE(p_end_date, p_start_date);
  DECLARE v_first_period DATE DEFAULT DATE_TRUNC(p_start_date, MONTH);
  -- Some billing periods start within a month.
  DECLARE v_last_period DATE DEFAULT LAST_DAY(COALESCE(p_end_date, p_start_date));
  DECLARE v_credential_id STRING DEFAULT NULLIF(p_credential_id, 'default');
  DECLARE v_org_slug STRING DEFAULT REGEXP_REPLACE(p_dataset_id, r'_(prod|stage|test|local|dev)$', '');
  DECLARE v_dataset STRING DEFAULT CONCAT(p_project_id, '.', p_dataset_id);
  DECLARE v_lines, v_charges, v_duplicates, v_inserted INT64;
  DECLARE v_doubled, v_missing_views, v_unknown_services STRING;
  DECLARE v_orphans INT64;
  DECLARE v_unallocated JSON;
  DECLARE v_hierarchy_failure STRING;

  CALL `{project_id}.organizations.sp_cloud_check_parameters`(
    'sp_cloud_azure_convert_to_focus', p_project_id, p_dataset_id, p_start_date, v_end_date, p_run_id);

  -- One subscription's month may come as cost details or as a FOCUS export; both would count its money twice.
  EXECUTE IMMEDIATE REPLACE(r"""
SELECT STRING_AGG(bill, ', ' ORDER BY bill)
FROM (
  SELECT DISTINCT CONCAT(details.subscription_id, ' in ', CAST(details.billing_period_start AS STRING)) AS bill
  FROM `$dataset.cloud_azure_billing_raw_daily` AS details
  JOIN (
    SELECT DISTINCT REGEXP_EXTRACT(SubAccountId, r'([^/]+)$') AS subscription_id, billing_period_start_date
    FROM `$dataset.cloud_azure_focus_raw_daily`
    WHERE x_org_slug = @org_slug AND billing_period_start_date BETWEEN @first_period AND @last_period
  ) AS native
    ON LOWER(native.subscription_id) = LOWER(details.subscription_id) AND native.billing_period_start_date = details.billing_period_start
  WHERE details.x_org_slug = @org_slug AND details.billing_period_start BETWEEN @first_period AND @last_period
)
""", '$dataset', v_dataset)
  INTO v_doubled
  USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period;
  IF v_doubled IS NOT NULL THEN
    RAISE USING MESSAGE = FORMAT(
      'sp_cloud_azure_convert_to_focus: %s has both cost details and a FOCUS export of subscription %s; load only one of them',
      p_dataset_id, v_doubled);
  END IF;

  -- What becomes of the native lines, counted on their side. Where the amortized view is there, the actual one adds only what it leaves out:
  -- purchases and refunds of commitments. A month with commitments and one view alone is flagged.
  EXECUTE IMMEDIATE REPLACE(r"""
WITH lines AS (
  SELECT
    x_credential_id, billing_period_start, cost_view,
    COALESCE(LOWER(REPLACE(charge_type, ' ', '')), 'usage') AS charge_kind,
    CASE
      WHEN LOWER(REPLACE(pricing_model, ' ', '')) IN ('reservation', 'savingsplan') THEN TRUE
      WHEN pricing_model IS NOT NULL THEN FALSE
      ELSE reservation_id IS NOT NULL OR benefit_id IS NOT NULL OR savings_plan_id IS NOT NULL
        OR COALESCE(STARTS_WITH(LOWER(charge_type), 'unused'), FALSE)
        OR COALESCE(REGEXP_CONTAINS(LOWER(product_order_name), r'savings plan|^reserved '), FALSE)
    END AS is_commitment
  FROM `$dataset.cloud_azure_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
),
periods AS (
  SELECT
    x_credential_id, billing_period_start,
    LOGICAL_OR(cost_view = 'actual') AS has_actual,
    LOGICAL_OR(cost_view = 'amortized') AS has_amortized,
    LOGICAL_OR(is_commitment) AS has_commitments,
    COUNT(*) AS n,
    COUNTIF(cost_view = 'actual' AND NOT (is_commitment AND charge_kind IN ('purchase', 'refund'))) AS actual_beside_purchases
  FROM lines
  GROUP BY x_credential_id, billing_period_start
)
SELECT
  COALESCE(SUM(n), 0),
  COALESCE(SUM(IF(has_amortized, actual_beside_purchases, 0)), 0),
  STRING_AGG(IF(has_commitments AND NOT (has_actual AND has_amortized),
    CONCAT(CAST(billing_period_start AS STRING), ' (credential ', x_credential_id, ') has no ', IF(has_actual, 'amortized', 'actual'), ' export'),
    NULL), ', ' ORDER BY x_credential_id, billing_period_start)
FROM periods
""", '$dataset', v_dataset)
  INTO v_lines, v_duplicates, v_missing_views
  USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;

  EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*)
FROM `$dataset.cloud_azure_focus_raw_daily`
WHERE x_org_slug = @org_slug AND billing_period_start_date BETWEEN @first_period AND @last_period
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
  INTO v_charges
  USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;

  BEGIN
    BEGIN TRANSACTION;
    EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.cost_data_standard_1_3`
WHERE x_org_slug = @org_slug AND x_source_system IN ('cloud_azure_billing_raw_daily', 'cloud_azure_focus_raw_daily')
  AND BillingPeriodStart BETWEEN TIMESTAMP(@first_period) AND TIMESTAMP(@last_period)
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;
    IF v_lines > 0 THEN
      CALL `{project_id}.organizations.sp_cloud_azure_insert_cost_details`(
        p_project_id, p_dataset_id, v_org_slug, v_first_period, v_last_period, v_credential_id, p_run_id);
    END IF;
    IF v_charges > 0 THEN
      CALL `{project_id}.organizations.sp_cloud_azure_insert_focus`(
        p_project_id, p_dataset_id, v_org_slug, v_first_period, v_last_period, v_credential_id, p_run_id);
    END IF;
    CALL `{project_id}.organizations.sp_cloud_allocate_hierarchy`(
      p_project_id, p_dataset_id, v_org_slug, 'azure', v_first_period, v_last_period, v_credential_id);
    CALL `{project_id}.organizations.sp_cloud_replace_commitments`(
      p_project_id, p_dataset_id, v_org_slug, 'azure', v_first_period, v_last_period, v_credential_id, p_run_id);

    -- Services that the lookup does not know are converted as Other; rows without any service, such as tax, are not meant.
    EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*), STRING_AGG(DISTINCT IF(focus.ServiceCategory = 'Other' AND known.service_name IS NULL
  AND focus.ChargeCategory IN ('Usage', 'Purchase'), focus.ServiceName, NULL), ', ')
FROM `$dataset.cost_data_standard_1_3` AS focus
LEFT JOIN (SELECT DISTINCT service_name FROM `{project_id}.organizations.azure_services`) AS known
  ON known.service_name = focus.ServiceName
WHERE focus.x_org_slug = @org_slug AND focus.x_source_system IN ('cloud_azure_billing_raw_daily', 'cloud_azure_focus_raw_daily')
  AND focus.BillingPeriodStart BETWEEN TIMESTAMP(@first_period) AND TIMESTAMP(@last_period)
  AND (@credential_id IS NULL OR focus.x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    INTO v_inserted, v_unknown_services
    USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;
    IF v_inserted <> v_lines + v_charges - v_duplicates THEN
      RAISE USING MESSAGE = FORMAT(
        '%d rows from %d lines and %d FOCUS rows, %d of them in both cost views: a line was lost or doubled',
        v_inserted, v_lines, v_charges, v_duplicates);
    END IF;
    COMMIT TRANSACTION;
  EXCEPTION WHEN ERROR THEN
    ROLLBACK TRANSACTION;
    RAISE USING MESSAGE = FORMAT('sp_cloud_azure_convert_to_focus on %s from %t to %t: %s',
      p_dataset_id, v_first_period, v_last_period, @@error.message);
  END;

  CALL `{project_id}.organizations.sp_cloud_check_hierarchy`(
    p_project_id, p_dataset_id, v_org_slug, 'azure', v_first_period, v_last_period, v_credential_id, p_pipeline_id, p_run_id,
    v_orphans, v_unallocated, v_hierarchy_failure);

  SELECT
    p_start_date AS start_date,
    v_end_date AS end_date,
    'azure' AS provider,
    v_inserted AS rows_inserted,
    v_lines + v_charges AS rows_native,
    v_duplicates AS rows_dropped_duplicate,
    v_orphans AS orphan_hierarchy_count,
    v_unallocated AS unallocated_costs,
    v_hierarchy_failure AS missing_hierarchy_check,
    v_unknown_services AS unknown_services,
    v_missing_views AS missing_cost_views,
    CONCAT(p_dataset_id, '.cost_data_standard_1_3') AS target_table,
    CURRENT_TIMESTAMP() AS executed_at;
END;
