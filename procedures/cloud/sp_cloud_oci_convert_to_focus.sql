-- Converts OCI's cost reports (cloud_oci_billing_raw_daily) and FOCUS reports (cloud_oci_focus_raw_daily) to FOCUS 1.3. Every billing period
-- that the days touch is replaced whole, in one transaction. The result row accounts for every native line.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_oci_convert_to_focus`(
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
  DECLARE v_lines, v_charges, v_inserted, v_without_original INT64;
  DECLARE v_doubled, v_unknown_services STRING;
  DECLARE v_orphans INT64;
  DECLARE v_unallocated JSON;
  DECLARE v_hierarchy_failure STRING;

  CALL `{project_id}.organizations.sp_cloud_check_parameters`(
    'sp_cloud_oci_convert_to_focus', p_project_id, p_dataset_id, p_start_date, v_end_date, p_run_id);

  -- A subscription's month may come as cost reports or as FOCUS reports; both would count its money twice.
  EXECUTE IMMEDIATE REPLACE(r"""
SELECT STRING_AGG(bill, ', ' ORDER BY bill)
FROM (
  SELECT DISTINCT CONCAT(report.subscription_id, ' in ', CAST(report.billing_period_start AS STRING)) AS bill
  FROM `$dataset.cloud_oci_billing_raw_daily` AS report
  JOIN (
    SELECT DISTINCT BillingAccountId, billing_period_start_date
    FROM `$dataset.cloud_oci_focus_raw_daily`
    WHERE x_org_slug = @org_slug AND billing_period_start_date BETWEEN @first_period AND @last_period
  ) AS native
    ON native.BillingAccountId IN (report.subscription_id, report.tenancy_id) AND native.billing_period_start_date = report.billing_period_start
  WHERE report.x_org_slug = @org_slug AND report.billing_period_start BETWEEN @first_period AND @last_period
)
""", '$dataset', v_dataset)
  INTO v_doubled
  USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period;
  IF v_doubled IS NOT NULL THEN
    RAISE USING MESSAGE = FORMAT(
      'sp_cloud_oci_convert_to_focus: %s has both cost reports and FOCUS reports of subscription %s; load only one of them',
      p_dataset_id, v_doubled);
  END IF;

  -- A correction whose original was never delivered counts all the same.
  EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*), COUNTIF(line.is_correction AND original.reference_no IS NULL)
FROM `$dataset.cloud_oci_billing_raw_daily` AS line
LEFT JOIN (
  SELECT DISTINCT x_credential_id, reference_no
  FROM `$dataset.cloud_oci_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND reference_no IS NOT NULL
) AS original ON original.x_credential_id = line.x_credential_id AND original.reference_no = line.backreference_no
WHERE line.x_org_slug = @org_slug AND line.billing_period_start BETWEEN @first_period AND @last_period
  AND (@credential_id IS NULL OR line.x_credential_id = @credential_id)
""", '$dataset', v_dataset)
  INTO v_lines, v_without_original
  USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;

  EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*)
FROM `$dataset.cloud_oci_focus_raw_daily`
WHERE x_org_slug = @org_slug AND billing_period_start_date BETWEEN @first_period AND @last_period
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
  INTO v_charges
  USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;

  BEGIN
    BEGIN TRANSACTION;
    EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.cost_data_standard_1_3`
WHERE x_org_slug = @org_slug AND x_source_system IN ('cloud_oci_billing_raw_daily', 'cloud_oci_focus_raw_daily')
  AND BillingPeriodStart BETWEEN TIMESTAMP(@first_period) AND TIMESTAMP(@last_period)
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;
    IF v_lines > 0 THEN
      CALL `{project_id}.organizations.sp_cloud_oci_insert_costs`(
        p_project_id, p_dataset_id, v_org_slug, v_first_period, v_last_period, v_credential_id, p_run_id);
    END IF;
    IF v_charges > 0 THEN
      CALL `{project_id}.organizations.sp_cloud_oci_insert_focus`(
        p_project_id, p_dataset_id, v_org_slug, v_first_period, v_last_period, v_credential_id, p_run_id);
    END IF;
    CALL `{project_id}.organizations.sp_cloud_allocate_hierarchy`(
      p_project_id, p_dataset_id, v_org_slug, 'oci', v_first_period, v_last_period, v_credential_id);
    CALL `{project_id}.organizations.sp_cloud_replace_commitments`(
      p_project_id, p_dataset_id, v_org_slug, 'oci', v_first_period, v_last_period, v_credential_id, p_run_id);

    EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*), STRING_AGG(DISTINCT IF(ServiceCategory = 'Other', ServiceName, NULL), ', ')
FROM `$dataset.cost_data_standard_1_3`
WHERE x_org_slug = @org_slug AND x_source_system IN ('cloud_oci_billing_raw_daily', 'cloud_oci_focus_raw_daily')
  AND BillingPeriodStart BETWEEN TIMESTAMP(@first_period) AND TIMESTAMP(@last_period)
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    INTO v_inserted, v_unknown_services
    USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;
    IF v_inserted <> v_lines + v_charges THEN
      RAISE USING MESSAGE = FORMAT('%d rows from %d lines and %d FOCUS rows: a line was lost or doubled', v_inserted, v_lines, v_charges);
    END IF;
    COMMIT TRANSACTION;
  EXCEPTION WHEN ERROR THEN
    ROLLBACK TRANSACTION;
    RAISE USING MESSAGE = FORMAT('sp_cloud_oci_convert_to_focus on %s from %t to %t: %s',
      p_dataset_id, v_first_period, v_last_period, @@error.message);
  END;

  CALL `{project_id}.organizations.sp_cloud_check_hierarchy`(
    p_project_id, p_dataset_id, v_org_slug, 'oci', v_first_period, v_last_period, v_credential_id, p_pipeline_id, p_run_id,
    v_orphans, v_unallocated, v_hierarchy_failure);

  SELECT
    p_start_date AS start_date,
    v_end_date AS end_date,
    'oci' AS provider,
    v_inserted AS rows_inserted,
    v_lines + v_charges AS rows_native,
    v_orphans AS orphan_hierarchy_count,
    v_unallocated AS unallocated_costs,
    v_hierarchy_failure AS missing_hierarchy_check,
    v_unknown_services AS unknown_services,
    v_without_original AS corrections_without_original,
    CONCAT(p_dataset_id, '.cost_data_standard_1_3') AS target_table,
    CURRENT_TIMESTAMP() AS executed_at;
END;
