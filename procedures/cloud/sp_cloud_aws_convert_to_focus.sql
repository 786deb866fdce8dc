-- Converts AWS billing data to FOCUS 1.3: Cost and Usage Reports (cloud_aws_billing_raw_daily) and native FOCUS exports
-- (cloud_aws_focus_raw_daily). Every billing period that the days touch is replaced whole, in one transaction, whatever usage dates its
-- lines have, so a restatement replaces exactly what it restates. The result row accounts for every native line.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_aws_convert_to_focus`(
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
  DECLARE v_lines, v_charges, v_negations, v_folded, v_without_cost, v_without_commitment, v_inserted, v_split, v_residue INT64;
  DECLARE v_doubled, v_unknown_product_codes, v_unknown_line_item_types STRING;
  DECLARE v_orphans INT64;
  DECLARE v_unallocated JSON;
  DECLARE v_hierarchy_failure STRING;

  CALL `{project_id}.organizations.sp_cloud_check_parameters`(
    'sp_cloud_aws_convert_to_focus', p_project_id, p_dataset_id, p_start_date, v_end_date, p_run_id);

  -- One payer's month may come as a Cost and Usage Report or as a FOCUS export; both would count its money twice.
  EXECUTE IMMEDIATE REPLACE(r"""
SELECT STRING_AGG(bill, ', ' ORDER BY bill)
FROM (
  SELECT DISTINCT CONCAT(report.payer_account_id, ' in ', CAST(report.billing_period_start AS STRING)) AS bill
  FROM `$dataset.cloud_aws_billing_raw_daily` AS report
  JOIN (
    SELECT DISTINCT BillingAccountId, billing_period_start_date
    FROM `$dataset.cloud_aws_focus_raw_daily`
    WHERE x_org_slug = @org_slug AND billing_period_start_date BETWEEN @first_period AND @last_period
  ) AS native ON native.BillingAccountId = report.payer_account_id AND native.billing_period_start_date = report.billing_period_start
  WHERE report.x_org_slug = @org_slug AND report.billing_period_start BETWEEN @first_period AND @last_period
)
""", '$dataset', v_dataset)
  INTO v_doubled
  USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period;
  IF v_doubled IS NOT NULL THEN
    RAISE USING MESSAGE = FORMAT(
      'sp_cloud_aws_convert_to_focus: %s has both a Cost and Usage Report and a FOCUS export of payer %s; load only one of them',
      p_dataset_id, v_doubled);
  END IF;

  -- What becomes of the native lines, counted on their side.
  EXECUTE IMMEDIATE REPLACE(r"""
WITH cost_basis AS (
  SELECT x_source_file, LOGICAL_OR(net_unblended_cost IS NOT NULL) AS is_net
  FROM `$dataset.cloud_aws_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  GROUP BY x_source_file
)
SELECT
  COUNT(*),
  COUNTIF(types.row_kind = 'negation'),
  COUNTIF(types.row_kind = 'discount' AND basis.is_net AND line.net_unblended_cost = 0),
  COUNTIF(
    (basis.is_net AND line.net_unblended_cost IS NULL)
    OR (types.row_kind = 'savings_plan_usage' AND COALESCE(line.savings_plan_net_effective_cost, line.savings_plan_effective_cost) IS NULL)
    OR (types.row_kind = 'reservation_usage' AND COALESCE(line.reservation_net_effective_cost, line.reservation_effective_cost) IS NULL)
    OR (types.row_kind = 'reservation_fee' AND COALESCE(line.reservation_unused_quantity, 0) <> 0
      AND COALESCE(line.reservation_unused_recurring_fee, line.reservation_unused_amortized_upfront_fee_for_billing_period) IS NULL)
  ),
  COUNTIF(types.row_kind = 'savings_plan_fee'
    AND (line.savings_plan_total_commitment_to_date IS NULL OR line.savings_plan_used_commitment IS NULL))
FROM `$dataset.cloud_aws_billing_raw_daily` AS line
LEFT JOIN cost_basis AS basis ON basis.x_source_file = line.x_source_file
LEFT JOIN `{project_id}.organizations.aws_line_item_types` AS types
  ON types.line_item_type = line.line_item_type AND types.split_part = '1'
WHERE line.x_org_slug = @org_slug AND line.billing_period_start BETWEEN @first_period AND @last_period
  AND (@credential_id IS NULL OR line.x_credential_id = @credential_id)
""", '$dataset', v_dataset)
  INTO v_lines, v_negations, v_folded, v_without_cost, v_without_commitment
  USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;
  IF v_without_cost > 0 THEN
    RAISE USING MESSAGE = FORMAT(
      'sp_cloud_aws_convert_to_focus: %d lines of %s have no net cost though their file has that column, are covered usage without an effective cost, or have unused reservation hours without their fee: let the report include these columns',
      v_without_cost, p_dataset_id);
  END IF;

  EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*)
FROM `$dataset.cloud_aws_focus_raw_daily`
WHERE x_org_slug = @org_slug AND billing_period_start_date BETWEEN @first_period AND @last_period
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
  INTO v_charges
  USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;

  -- What the lookups do not know; such lines are converted as Other or Adjustment.
  EXECUTE IMMEDIATE REPLACE(r"""
SELECT
  STRING_AGG(DISTINCT IF(services.product_code IS NULL, codes.product_code, NULL), ', '),
  STRING_AGG(DISTINCT IF(types.line_item_type IS NULL, codes.line_item_type, NULL), ', ')
FROM (
  SELECT product_code, line_item_type
  FROM `$dataset.cloud_aws_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  GROUP BY product_code, line_item_type
) AS codes
LEFT JOIN `{project_id}.organizations.aws_services` AS services ON services.product_code = codes.product_code
LEFT JOIN `{project_id}.organizations.aws_line_item_types` AS types
  ON types.line_item_type = codes.line_item_type AND types.split_part = '1'
""", '$dataset', v_dataset)
  INTO v_unknown_product_codes, v_unknown_line_item_types
  USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;

  BEGIN
    BEGIN TRANSACTION;
    EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.cost_data_standard_1_3`
WHERE x_org_slug = @org_slug AND x_source_system IN ('cloud_aws_billing_raw_daily', 'cloud_aws_focus_raw_daily')
  AND BillingPeriodStart BETWEEN TIMESTAMP(@first_period) AND TIMESTAMP(@last_period)
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;
    IF v_lines > 0 THEN
      CALL `{project_id}.organizations.sp_cloud_aws_insert_cur`(
        p_project_id, p_dataset_id, v_org_slug, v_first_period, v_last_period, v_credential_id, p_run_id);
      CALL `{project_id}.organizations.sp_cloud_aws_insert_residue`(
        p_project_id, p_dataset_id, v_org_slug, v_first_period, v_last_period, v_credential_id, p_run_id);
    END IF;
    IF v_charges > 0 THEN
      CALL `{project_id}.organizations.sp_cloud_aws_insert_focus`(
        p_project_id, p_dataset_id, v_org_slug, v_first_period, v_last_period, v_credential_id, p_run_id);
    END IF;
    CALL `{project_id}.organizations.sp_cloud_allocate_hierarchy`(
      p_project_id, p_dataset_id, v_org_slug, 'aws', v_first_period, v_last_period, v_credential_id);
    CALL `{project_id}.organizations.sp_cloud_replace_commitments`(
      p_project_id, p_dataset_id, v_org_slug, 'aws', v_first_period, v_last_period, v_credential_id, p_run_id);

    EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*), COUNTIF(x_SplitPart > 1), COUNTIF(COALESCE(x_ChargeSubtype, '') = 'Savings Plan Residue')
FROM `$dataset.cost_data_standard_1_3`
WHERE x_org_slug = @org_slug AND x_source_system IN ('cloud_aws_billing_raw_daily', 'cloud_aws_focus_raw_daily')
  AND BillingPeriodStart BETWEEN TIMESTAMP(@first_period) AND TIMESTAMP(@last_period)
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    INTO v_inserted, v_split, v_residue
    USING v_org_slug AS org_slug, v_first_period AS first_period, v_last_period AS last_period, v_credential_id AS credential_id;
    IF v_inserted <> v_lines + v_charges - v_negations - v_folded + v_split + v_residue THEN
      RAISE USING MESSAGE = FORMAT(
        '%d rows from %d report lines and %d FOCUS rows, %d negations, %d folded discounts, %d split parts, %d residues: a line was lost or doubled',
        v_inserted, v_lines, v_charges, v_negations, v_folded, v_split, v_residue);
    END IF;
    COMMIT TRANSACTION;
  EXCEPTION WHEN ERROR THEN
    ROLLBACK TRANSACTION;
    RAISE USING MESSAGE = FORMAT('sp_cloud_aws_convert_to_focus on %s from %t to %t: %s',
      p_dataset_id, v_first_period, v_last_period, @@error.message);
  END;

  CALL `{project_id}.organizations.sp_cloud_check_hierarchy`(
    p_project_id, p_dataset_id, v_org_slug, 'aws', v_first_period, v_last_period, v_credential_id, p_pipeline_id, p_run_id,
    v_orphans, v_unallocated, v_hierarchy_failure);

  SELECT
    p_start_date AS start_date,
    v_end_date AS end_date,
    'aws' AS provider,
    v_inserted AS rows_inserted,
    v_lines + v_charges AS rows_native,
    v_negations AS rows_dropped_negation,
    v_folded AS rows_dropped_folded,
    v_split AS rows_split_extra,
    v_residue AS rows_residue,
    v_orphans AS orphan_hierarchy_count,
    v_unallocated AS unallocated_costs,
    v_hierarchy_failure AS missing_hierarchy_check,
    v_unknown_product_codes AS unknown_product_codes,
    v_unknown_line_item_types AS unknown_line_item_types,
    IF(v_without_commitment = 0, NULL, FORMAT(
      'the unused part of %d recurring fees, whose total and used commitment the report does not have', v_without_commitment))
      AS missing_savings_plan_commitments,
    CONCAT(p_dataset_id, '.cost_data_standard_1_3') AS target_table,
    CURRENT_TIMESTAMP() AS executed_at;
END;
