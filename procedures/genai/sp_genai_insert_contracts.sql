-- Contract commitments of provisioned throughput whose term is known, as the latest day tells them: replaces those of the organisation.
-- Called by sp_genai_3_convert_to_focus inside its transaction.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_genai_insert_contracts`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_org_slug STRING,
  p_run_id STRING
)
BEGIN
  DECLARE v_dataset STRING DEFAULT CONCAT(p_project_id, '.', p_dataset_id);

  EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.contract_commitment_1_3`
WHERE x_org_slug = @org_slug AND x_source_system = 'genai_costs_daily_unified'
""", '$dataset', v_dataset)
  USING p_org_slug AS org_slug;

  EXECUTE IMMEDIATE REPLACE(r"""
INSERT INTO `$dataset.contract_commitment_1_3` (
  ContractId, ContractPeriodStart, ContractPeriodEnd, ContractCommitmentId, ContractCommitmentCategory, ContractCommitmentType,
  ContractCommitmentDescription, ContractCommitmentPeriodStart, ContractCommitmentPeriodEnd, ContractCommitmentQuantity,
  ContractCommitmentUnit, BillingCurrency, x_currency, x_sub_account_id, x_service_provider_name, x_source_system, x_source_record_id,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names, x_org_slug,
  x_pipeline_id, x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
WITH latest AS (
  SELECT *
  FROM `$dataset.genai_commitment_costs_daily`
  WHERE x_org_slug = @org_slug AND COALESCE(commitment_term_months, 0) > 0 AND commitment_start IS NOT NULL
    AND commitment_end IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (PARTITION BY commitment_id ORDER BY cost_date DESC, x_ingested_at DESC, x_ingestion_id) = 1
)
SELECT
  commitment_id, TIMESTAMP(commitment_start), TIMESTAMP(commitment_end), commitment_id, 'Usage', 'Provisioned Throughput',
  CONCAT(COALESCE(commitment_name, commitment_id), ', ', model), TIMESTAMP(commitment_start), TIMESTAMP(commitment_end),
  CAST(billed_units AS BIGNUMERIC) * (24 * DATE_DIFF(commitment_end, commitment_start, DAY)),
  CONCAT(CASE commitment_type WHEN 'ptu' THEN 'PTU' WHEN 'gsu' THEN 'GSU' ELSE 'Model Unit' END, '-Hours'), 'USD', 'USD',
  COALESCE(x_genai_project_id, x_genai_account_id), names.service_provider_name, 'genai_costs_daily_unified', x_ingestion_id,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names, x_org_slug,
  x_pipeline_id, x_credential_id, commitment_start, @run_id, CURRENT_TIMESTAMP(), CURRENT_DATE()
FROM latest
JOIN `{project_id}.organizations.genai_providers` AS names ON names.provider = latest.provider
""", '$dataset', v_dataset)
  USING p_org_slug AS org_slug, p_run_id AS run_id;
END;
