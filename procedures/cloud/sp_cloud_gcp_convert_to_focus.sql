-- Converts Google Cloud's billing data to FOCUS 1.3: standard and detailed exports (cloud_gcp_billing_raw_daily) and native FOCUS exports
-- (cloud_gcp_focus_raw_daily). Every invoice month that the days touch is replaced whole, in one transaction, whatever usage dates its
-- rows have, so a restatement replaces exactly what it restates. The result row accounts for every native row.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_gcp_convert_to_focus`(
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
  DECLARE v_lines, v_charges, v_without_credits, v_inserted, v_split INT64;
  DECLARE v_doubled, v_unknown_services, v_unknown_credit_types, v_unknown_cost_types STRING;
  DECLARE v_orphans INT64;
  DECLARE v_unallocated JSON;
  DECLARE v_hierarchy_failure STRING;

  CALL `{project_id}.organizations.sp_cloud_check_parameters`(
    'sp_cloud_gcp_convert_to_focus', p_project_id, p_dataset_id, p_start_date, v_end_date, p_run_id);

  -- An account's month may come as a billing export or as a FOCUS export; both would count its money twice.
  EXECUTE IMMEDIATE REPLACE(r"""
SELECT STRING_AGG(bill, ', ' ORDER BY bill)
FROM (
  SELECT DISTINCT CONCAT(report.billing_account_id, ' in ', CAST(report.billing_period_start AS STRING)) AS bill
  FROM `$dataset.cloud_gcp_billing_raw_daily` AS report
  JOIN (
    SELECT DISTINCT BillingAccountId, billing_period_start_date
    FROM `$dataset.cloud_gcp_focus_raw_daily`
    WHERE x_org_slug = @org_slug AND billing_period_start_date BETWEEN @first_period AND @last_period
  ) AS native ON native.BillingAccountId = report.billing_account_id AND native.billing_period_start_date = report.billing_period_start
  WHERE report.x_org_slug = @org_slug AND report.billing_period_start BETWEEN @first_period AND @last_period
)
""", '$dataset', v_dataset)
  INTO v_doubled
  USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period;
  IF v_doubled IS NOT NULL THEN
    RAISE USING MESSAGE = FORMAT(
      'sp_cloud_gcp_convert_to_focus: %s has both a billing export and a FOCUS export of account %s; load only one of them',
      p_dataset_id, v_doubled);
  END IF;

  EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*), COUNTIF(NOT REGEXP_CONTAINS(credits_json, r'(?s)^\s*\[.*\]\s*$'))
FROM `$dataset.cloud_gcp_billing_raw_daily`
WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
  INTO v_lines, v_without_credits
  USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;
  IF v_without_credits > 0 THEN
    RAISE USING MESSAGE = FORMAT(
      'sp_cloud_gcp_convert_to_focus: %d rows of %s have credits that are no list', v_without_credits, p_dataset_id);
  END IF;

  EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*)
FROM `$dataset.cloud_gcp_focus_raw_daily`
WHERE x_org_slug = @org_slug AND billing_period_start_date BETWEEN @first_period AND @last_period
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
  INTO v_charges
  USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;

  -- What the lookups do not know; such rows are converted as Other, as Adjustment, or with a Credit row of their own.
  EXECUTE IMMEDIATE REPLACE(r"""
SELECT
  STRING_AGG(DISTINCT IF(COALESCE(by_id.service_key, by_name.service_key) IS NULL,
    COALESCE(native.service_description, native.service_id), NULL), ', '),
  STRING_AGG(DISTINCT IF(COALESCE(native.cost_type, 'regular') IN ('regular', 'tax', 'adjustment', 'rounding_error', 'roundoff'),
    NULL, native.cost_type), ', ')
FROM (
  SELECT service_id, service_description, cost_type
  FROM `$dataset.cloud_gcp_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  GROUP BY service_id, service_description, cost_type
) AS native
LEFT JOIN `{project_id}.organizations.gcp_services` AS by_id ON by_id.service_key = native.service_id
LEFT JOIN `{project_id}.organizations.gcp_services` AS by_name ON by_name.service_key = native.service_description
""", '$dataset', v_dataset)
  INTO v_unknown_services, v_unknown_cost_types
  USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;

  BEGIN
    BEGIN TRANSACTION;
    EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.cost_data_standard_1_3`
WHERE x_org_slug = @org_slug AND x_source_system IN ('cloud_gcp_billing_raw_daily', 'cloud_gcp_focus_raw_daily')
  AND DATE(BillingPeriodStart) BETWEEN @first_period AND @last_period
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;
    IF v_lines > 0 THEN
      CALL `{project_id}.organizations.sp_cloud_gcp_insert_billing`(
        p_project_id, p_dataset_id, v_org_slug, v_first_period, v_last_period, v_credential_id, p_run_id);
    END IF;
    IF v_charges > 0 THEN
      CALL `{project_id}.organizations.sp_cloud_gcp_insert_focus`(
        p_project_id, p_dataset_id, v_org_slug, v_first_period, v_last_period, v_credential_id, p_run_id);
    END IF;
    CALL `{project_id}.organizations.sp_cloud_allocate_hierarchy`(
      p_project_id, p_dataset_id, v_org_slug, 'gcp', v_first_period, v_last_period, v_credential_id);
    CALL `{project_id}.organizations.sp_cloud_replace_commitments`(
      p_project_id, p_dataset_id, v_org_slug, 'gcp', v_first_period, v_last_period, v_credential_id, p_run_id);

    EXECUTE IMMEDIATE REPLACE(r"""
SELECT
  COUNT(*), COUNTIF(x_SplitPart > 1),
  STRING_AGG(DISTINCT IF(ChargeCategory = 'Credit' AND x_source_system = 'cloud_gcp_billing_raw_daily'
    AND COALESCE(x_CreditType, '') <> 'PROMOTION', COALESCE(x_CreditType, x_CreditName, 'without a name'), NULL), ', ')
FROM `$dataset.cost_data_standard_1_3`
WHERE x_org_slug = @org_slug AND x_source_system IN ('cloud_gcp_billing_raw_daily', 'cloud_gcp_focus_raw_daily')
  AND DATE(BillingPeriodStart) BETWEEN @first_period AND @last_period
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    INTO v_inserted, v_split, v_unknown_credit_types
    USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;
    IF v_inserted <> v_lines + v_charges + v_split THEN
      RAISE USING MESSAGE = FORMAT('%d rows from %d billing rows and %d FOCUS rows with %d split parts: a row was lost or doubled',
        v_inserted, v_lines, v_charges, v_split);
    END IF;
    COMMIT TRANSACTION;
  EXCEPTION WHEN ERROR THEN
    ROLLBACK TRANSACTION;
    RAISE USING MESSAGE = FORMAT('sp_cloud_gcp_convert_to_focus on %s from %t to %t: %s',
      p_dataset_id, v_first_period, v_last_period, @@error.message);
  END;

  CALL `{project_id}.organizations.sp_cloud_check_hierarchy`(
    p_project_id, p_dataset_id, v_org_slug, 'gcp', v_first_period, v_last_period, v_credential_id, p_pipeline_id, p_run_id,
    v_orphans, v_unallocated, v_hierarchy_failure);

  SELECT
    p_start_date AS start_date,
    v_end_date AS end_date,
    'gcp' AS provider,
    v_inserted AS rows_inserted,
    v_lines + v_charges AS rows_native,
    v_split AS rows_split_extra,
    v_orphans AS orphan_hierarchy_count,
    v_unallocated AS unallocated_costs,
    v_hierarchy_failure AS missing_hierarchy_check,
    v_unknown_services AS unknown_services,
    v_unknown_credit_types AS unknown_credit_types,
    v_unknown_cost_types AS unknown_cost_types,
    CONCAT(p_dataset_id, '.cost_data_standard_1_3') AS target_table,
    CURRENT_TIMESTAMP() AS executed_at;
END;
