-- Calculated costs of all GenAI sources on one day in one shape: replaces genai_costs_daily_unified of the organisation, the day and, if one
-- is given, the credential. p_credential_id NULL or 'default': all of them.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_genai_2_consolidate_costs_daily`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_cost_date DATE,
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
    RAISE USING MESSAGE = 'sp_genai_2_consolidate_costs_daily: p_project_id is not a project id';
  END IF;
  IF p_dataset_id IS NULL OR NOT REGEXP_CONTAINS(p_dataset_id, r'^[a-z0-9_]{3,50}_(prod|stage|test|local|dev)$') THEN
    RAISE USING MESSAGE = 'sp_genai_2_consolidate_costs_daily: p_dataset_id is not the dataset of an organisation';
  END IF;
  IF p_cost_date IS NULL OR p_run_id IS NULL THEN
    RAISE USING MESSAGE = 'sp_genai_2_consolidate_costs_daily: p_cost_date and p_run_id must be given';
  END IF;

  BEGIN
    BEGIN TRANSACTION;
    EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*) FROM `$dataset.genai_costs_daily_unified`
WHERE x_org_slug = @org_slug AND cost_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    INTO v_deleted
    USING v_org_slug AS org_slug, p_cost_date AS day, v_credential_id AS credential_id;
    EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.genai_costs_daily_unified`
WHERE x_org_slug = @org_slug AND cost_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    USING v_org_slug AS org_slug, p_cost_date AS day, v_credential_id AS credential_id;
    EXECUTE IMMEDIATE REPLACE(r"""
INSERT INTO `$dataset.genai_costs_daily_unified` (
  cost_date, cost_type, provider, model, instance_type, gpu_type, region, is_batch, source_table, total_cost_usd, input_cost_usd,
  output_cost_usd, cached_cost_usd, cache_write_cost_usd, commitment_cost_usd, overage_cost_usd, infrastructure_cost_usd, list_cost_usd,
  discount_applied_pct, usage_quantity, usage_unit, effective_rate_input, effective_rate_output, effective_rate_cached,
  consolidated_at, x_genai_provider, x_genai_account_id, x_genai_project_id, x_genai_api_key_id, x_ingestion_id,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names,
  x_hierarchy_validated_at, x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
SELECT
  cost_date, 'payg', provider, model, CAST(NULL AS STRING), CAST(NULL AS STRING), region, is_batch, 'genai_payg_costs_daily', total_cost_usd,
  input_cost_usd, output_cost_usd, cached_cost_usd, cache_write_cost_usd, CAST(NULL AS NUMERIC), CAST(NULL AS NUMERIC),
  CAST(NULL AS NUMERIC), list_cost_usd, discount_applied_pct, CAST(total_tokens AS NUMERIC), 'tokens', effective_rate_input,
  effective_rate_output, effective_rate_cached,
  CURRENT_TIMESTAMP(), x_genai_provider, x_genai_account_id, x_genai_project_id, x_genai_api_key_id, x_ingestion_id,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names,
  x_hierarchy_validated_at, x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, @run_id, CURRENT_TIMESTAMP(), CURRENT_DATE()
FROM `$dataset.genai_payg_costs_daily`
WHERE x_org_slug = @org_slug AND cost_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
UNION ALL
SELECT
  cost_date, 'commitment', provider, model, NULL, NULL, region, NULL, 'genai_commitment_costs_daily', total_cost_usd, NULL, NULL, NULL, NULL,
  commitment_cost_usd, overage_cost_usd, NULL, NULL, NULL, ROUND(CAST(provisioned_units AS NUMERIC) * hours_active, 9), 'ptu_hours',
  NULL, NULL, NULL,
  CURRENT_TIMESTAMP(), provider, x_genai_account_id, x_genai_project_id, NULL, x_ingestion_id,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names,
  x_hierarchy_validated_at, x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, @run_id, CURRENT_TIMESTAMP(), CURRENT_DATE()
FROM `$dataset.genai_commitment_costs_daily`
WHERE x_org_slug = @org_slug AND cost_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
UNION ALL
SELECT
  cost_date, 'infrastructure', provider, NULL, instance_type, gpu_type, region, NULL, 'genai_infrastructure_costs_daily', total_cost_usd,
  NULL, NULL, NULL, NULL, NULL, NULL, total_cost_usd, base_cost_usd,
  IF(base_cost_usd = 0, NUMERIC '0', ROUND(discount_applied_usd * 100 / NULLIF(base_cost_usd, 0), 4)), gpu_hours, 'gpu_hours',
  NULL, NULL, NULL,
  CURRENT_TIMESTAMP(), provider, x_genai_account_id, x_genai_project_id, NULL, x_ingestion_id,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names,
  x_hierarchy_validated_at, x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, @run_id, CURRENT_TIMESTAMP(), CURRENT_DATE()
FROM `$dataset.genai_infrastructure_costs_daily`
WHERE x_org_slug = @org_slug AND cost_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    USING v_org_slug AS org_slug, p_cost_date AS day, v_credential_id AS credential_id, p_run_id AS run_id;
    EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*) FROM `$dataset.genai_costs_daily_unified`
WHERE x_org_slug = @org_slug AND cost_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    INTO v_inserted
    USING v_org_slug AS org_slug, p_cost_date AS day, v_credential_id AS credential_id;
    COMMIT TRANSACTION;
  EXCEPTION WHEN ERROR THEN
    ROLLBACK TRANSACTION;
    RAISE USING MESSAGE = FORMAT('sp_genai_2_consolidate_costs_daily on %s for %t: %s', p_dataset_id, p_cost_date, @@error.message);
  END;

  SELECT
    p_cost_date AS cost_date,
    v_deleted AS rows_deleted,
    v_inserted AS rows_inserted,
    CURRENT_TIMESTAMP() AS executed_at;
END;
