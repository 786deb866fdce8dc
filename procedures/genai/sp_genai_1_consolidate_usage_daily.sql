-- Usage of all GenAI sources on one day in one shape: replaces genai_usage_daily_unified of the organisation, the day and, if one is given,
-- the credential. p_credential_id NULL or 'default': all of them.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_genai_1_consolidate_usage_daily`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_usage_date DATE,
  p_credential_id STRING,
  p_pipeline_id STRING,
  p_run_id STRING
)
BEGIN
  DECLARE v_org_slug STRING DEFAULT REGEXP_REPLACE(p_dataset_id, r'_(prod|stage|test|local|dev)$', '');
  DECLARE v_dataset STRING DEFAULT CONCAT(p_project_id, '.', p_dataset_id);
  DECLARE v_credential_id STRING DEFAULT NULLIF(p_credential_id, 'default');
  DECLARE v_deleted, v_inserted INT64;

  IF p_project_id IS NULL OR NOT REGEXP_CONTAINS(p_project_id, r'^[a-z][a-z0-9-]*[a-z0-9]$') THEN
    RAISE USING MESSAGE = 'sp_genai_1_consolidate_usage_daily: p_project_id is not a project id';
  END IF;
  IF p_dataset_id IS NULL OR NOT REGEXP_CONTAINS(p_dataset_id, r'^[a-z0-9_]{3,50}_(prod|stage|test|local|dev)$') THEN
    RAISE USING MESSAGE = 'sp_genai_1_consolidate_usage_daily: p_dataset_id is not the dataset of an organisation';
  END IF;
  IF p_usage_date IS NULL OR p_run_id IS NULL THEN
    RAISE USING MESSAGE = 'sp_genai_1_consolidate_usage_daily: p_usage_date and p_run_id must be given';
  END IF;

  BEGIN
    BEGIN TRANSACTION;
    EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*) FROM `$dataset.genai_usage_daily_unified`
WHERE x_org_slug = @org_slug AND usage_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    INTO v_deleted
    USING v_org_slug AS org_slug, p_usage_date AS day, v_credential_id AS credential_id;
    EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.genai_usage_daily_unified`
WHERE x_org_slug = @org_slug AND usage_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    USING v_org_slug AS org_slug, p_usage_date AS day, v_credential_id AS credential_id;
    EXECUTE IMMEDIATE REPLACE(r"""
INSERT INTO `$dataset.genai_usage_daily_unified` (
  usage_date, cost_type, provider, model, instance_type, gpu_type, region, is_batch, source_table, request_count, input_tokens, cached_tokens,
  cache_write_tokens, cache_write_1h_tokens, output_tokens, total_tokens, ptu_units, used_units, gpu_hours, instance_hours, utilization_pct,
  consolidated_at, x_genai_provider, x_genai_account_id, x_genai_project_id, x_genai_api_key_id, x_ingestion_id,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names,
  x_hierarchy_validated_at, x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
SELECT
  usage_date, 'payg', provider, model, CAST(NULL AS STRING), CAST(NULL AS STRING), region, is_batch, 'genai_payg_usage_raw', request_count,
  input_tokens, cached_input_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, total_tokens, CAST(NULL AS INT64),
  CAST(NULL AS INT64), CAST(NULL AS NUMERIC), CAST(NULL AS NUMERIC), CAST(NULL AS FLOAT64),
  CURRENT_TIMESTAMP(), x_genai_provider, x_genai_account_id, x_genai_project_id, x_genai_api_key_id, x_ingestion_id,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names,
  x_hierarchy_validated_at, x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, @run_id, CURRENT_TIMESTAMP(), CURRENT_DATE()
FROM `$dataset.genai_payg_usage_raw`
WHERE x_org_slug = @org_slug AND usage_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
UNION ALL
SELECT
  usage_date, 'commitment', provider, model, NULL, NULL, region, NULL, 'genai_commitment_usage_raw', request_count,
  NULL, NULL, NULL, NULL, NULL, tokens_processed, provisioned_units, used_units, NULL, NULL, utilization_pct,
  CURRENT_TIMESTAMP(), provider, x_genai_account_id, x_genai_project_id, NULL, x_ingestion_id,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names,
  x_hierarchy_validated_at, x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, @run_id, CURRENT_TIMESTAMP(), CURRENT_DATE()
FROM `$dataset.genai_commitment_usage_raw`
WHERE x_org_slug = @org_slug AND usage_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
UNION ALL
SELECT
  usage_date, 'infrastructure', provider, NULL, instance_type, gpu_type, region, NULL, 'genai_infrastructure_usage_raw', NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, gpu_hours, hours_used * CAST(instance_count AS NUMERIC), avg_gpu_utilization_pct,
  CURRENT_TIMESTAMP(), provider, x_genai_account_id, x_genai_project_id, NULL, x_ingestion_id,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names,
  x_hierarchy_validated_at, x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, @run_id, CURRENT_TIMESTAMP(), CURRENT_DATE()
FROM `$dataset.genai_infrastructure_usage_raw`
WHERE x_org_slug = @org_slug AND usage_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    USING v_org_slug AS org_slug, p_usage_date AS day, v_credential_id AS credential_id, p_run_id AS run_id;
    EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*) FROM `$dataset.genai_usage_daily_unified`
WHERE x_org_slug = @org_slug AND usage_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    INTO v_inserted
    USING v_org_slug AS org_slug, p_usage_date AS day, v_credential_id AS credential_id;
    COMMIT TRANSACTION;
  EXCEPTION WHEN ERROR THEN
    ROLLBACK TRANSACTION;
    RAISE USING MESSAGE = FORMAT('sp_genai_1_consolidate_usage_daily on %s for %t: %s', p_dataset_id, p_usage_date, @@error.message);
  END;

  SELECT
    p_usage_date AS usage_date,
    v_deleted AS rows_deleted,
    v_inserted AS rows_inserted,
    CURRENT_TIMESTAMP() AS executed_at;
END;
