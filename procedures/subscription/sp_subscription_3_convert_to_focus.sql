-- Converts the daily costs of subscription plans to FOCUS 1.3: replaces the FOCUS rows of the organisation and the days, in one
-- transaction. p_end_date NULL: one day.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_subscription_3_convert_to_focus`(
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
  DECLARE v_org_slug STRING DEFAULT REGEXP_REPLACE(p_dataset_id, r'_(prod|stage|test|local|dev)$', '');
  DECLARE v_dataset STRING DEFAULT CONCAT(p_project_id, '.', p_dataset_id);
  DECLARE v_credential_id STRING DEFAULT NULLIF(p_credential_id, 'default');
  DECLARE v_inserted INT64;

  IF p_project_id IS NULL OR NOT REGEXP_CONTAINS(p_project_id, r'^[a-z][a-z0-9-]*[a-z0-9]$') THEN
    RAISE USING MESSAGE = 'sp_subscription_3_convert_to_focus: p_project_id is not a project id';
  END IF;
  IF p_dataset_id IS NULL OR NOT REGEXP_CONTAINS(p_dataset_id, r'^[a-z0-9_]{3,50}_(prod|stage|test|local|dev)$') THEN
    RAISE USING MESSAGE = 'sp_subscription_3_convert_to_focus: p_dataset_id is not the dataset of an organisation';
  END IF;
  IF p_start_date IS NULL OR v_end_date < p_start_date THEN
    RAISE USING MESSAGE = 'sp_subscription_3_convert_to_focus: p_start_date must be given and not lie after p_end_date';
  END IF;
  IF p_run_id IS NULL THEN
    RAISE USING MESSAGE = 'sp_subscription_3_convert_to_focus: p_run_id must be given, it becomes the lineage of the rows';
  END IF;

  BEGIN
    BEGIN TRANSACTION;
    CALL `{project_id}.organizations.sp_subscription_insert_focus`(
      p_project_id, p_dataset_id, v_org_slug, p_start_date, v_end_date, v_credential_id, p_run_id);
    EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*)
FROM `$dataset.cost_data_standard_1_3`
WHERE x_org_slug = @org_slug AND x_source_system = 'subscription_costs_daily' AND x_pipeline_run_date BETWEEN @start_date AND @end_date
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    INTO v_inserted
    USING v_org_slug AS org_slug, p_start_date AS start_date, v_end_date AS end_date, v_credential_id AS credential_id;
    COMMIT TRANSACTION;
  EXCEPTION WHEN ERROR THEN
    ROLLBACK TRANSACTION;
    RAISE USING MESSAGE = FORMAT('sp_subscription_3_convert_to_focus on %s from %t to %t: %s', p_dataset_id, p_start_date, v_end_date, @@error.message);
  END;

  SELECT
    p_start_date AS start_date,
    v_end_date AS end_date,
    v_inserted AS rows_inserted,
    CONCAT(p_dataset_id, '.cost_data_standard_1_3') AS target_table,
    CURRENT_TIMESTAMP() AS executed_at;
END;
