-- Finds what sp_cloud_allocate_hierarchy left over: orphans, which are charges whose tags name something that is no entity on their day
-- (a warning in org_meta_dq_results), and the unallocated share per currency. Called by each sp_cloud_*_convert_to_focus after its commit;
-- when it fails, the costs stand, the results are NULL and p_failure says why.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_check_hierarchy`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_org_slug STRING,
  p_provider STRING,
  p_first_period DATE,
  p_last_period DATE,
  p_credential_id STRING,
  p_pipeline_id STRING,
  p_run_id STRING,
  OUT p_orphans INT64,
  OUT p_unallocated JSON,
  OUT p_failure STRING
)
BEGIN
  DECLARE v_dataset STRING DEFAULT CONCAT(p_project_id, '.', p_dataset_id);
  DECLARE v_entities INT64;
  DECLARE v_result_id STRING DEFAULT CONCAT(p_run_id, '/cloud_hierarchy_orphan_check/', p_provider, '/', CAST(p_first_period AS STRING), '/',
    COALESCE(p_credential_id, 'default'));

  BEGIN
    EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.org_meta_dq_results` WHERE x_org_slug = @org_slug AND dq_result_id = @result_id
""", '$dataset', v_dataset)
    USING p_org_slug AS org_slug, v_result_id AS result_id;
    EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*) FROM `$dataset.org_hierarchy` WHERE x_org_slug = @org_slug
""", '$dataset', v_dataset)
    INTO v_entities
    USING p_org_slug AS org_slug;
    SET p_orphans = 0;

    -- Without a hierarchy nothing can be allocated, and no tag is wrong.
    IF v_entities > 0 THEN
      EXECUTE IMMEDIATE REPLACE(r"""
SELECT TO_JSON(ARRAY_AGG(totals ORDER BY currency))
FROM (
  SELECT
    BillingCurrency AS currency,
    COUNT(*) AS charges,
    COUNTIF(x_hierarchy_entity_id IS NULL) AS unallocated_charges,
    CAST(SUM(EffectiveCost) AS STRING) AS effective_cost,
    CAST(SUM(IF(x_hierarchy_entity_id IS NULL, EffectiveCost, BIGNUMERIC '0')) AS STRING) AS unallocated_effective_cost,
    CAST(ROUND(SAFE_DIVIDE(SUM(IF(x_hierarchy_entity_id IS NULL, EffectiveCost, BIGNUMERIC '0')), SUM(EffectiveCost)), 6) AS STRING)
      AS unallocated_share
  FROM `$dataset.cost_data_standard_1_3`
  WHERE x_org_slug = @org_slug
    AND x_source_system IN (CONCAT('cloud_', @provider, '_billing_raw_daily'), CONCAT('cloud_', @provider, '_focus_raw_daily'))
    AND DATE(BillingPeriodStart) BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  GROUP BY BillingCurrency
) AS totals
""", '$dataset', v_dataset)
      INTO p_unallocated
      USING p_org_slug AS org_slug, p_provider AS provider, p_first_period AS first_period, p_last_period AS last_period,
        p_credential_id AS credential_id;

      EXECUTE IMMEDIATE REPLACE(r"""
INSERT INTO `$dataset.org_meta_dq_results` (
  org_slug, dq_result_id, pipeline_logging_id, dq_config_id, target_table, overall_status, expectations_passed, expectations_failed,
  failed_expectations, ingestion_date, executed_at, created_at, x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date,
  x_run_id, x_ingested_at, x_ingestion_date
)
WITH orphans AS (
  SELECT
    COALESCE(
      CASE @provider
        WHEN 'gcp' THEN REGEXP_EXTRACT(
          TO_JSON_STRING(Tags), r'(?i)"(?:project:)?(?:entity_id|cost_?center|team|department)":(?:"[^"]+"|[0-9.]+)')
        WHEN 'oci' THEN REGEXP_EXTRACT(
          TO_JSON_STRING(Tags), r'(?i)"(?:[^"]+\.)?(?:entity_id|cost_?center|team|department)":(?:"[^"]+"|[0-9.]+)')
        ELSE REGEXP_EXTRACT(TO_JSON_STRING(Tags), r'(?i)"(?:entity_id|cost_?center|team|department)":(?:"[^"]+"|[0-9.]+)')
      END,
      IF(x_CostCenter IS NULL, NULL, CONCAT('"x_CostCenter":', TO_JSON_STRING(x_CostCenter))),
      REGEXP_EXTRACT(
        IF(@provider = 'aws', TO_JSON_STRING(x_CostCategories), NULL),
        r'(?i)"(?:entity_id|cost_?center|team|department)":(?:"[^"]+"|[0-9.]+)')
    ) AS tag,
    COUNT(*) AS charges
  FROM `$dataset.cost_data_standard_1_3`
  WHERE x_org_slug = @org_slug
    AND x_source_system IN (CONCAT('cloud_', @provider, '_billing_raw_daily'), CONCAT('cloud_', @provider, '_focus_raw_daily'))
    AND DATE(BillingPeriodStart) BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
    AND x_hierarchy_entity_id IS NULL
  GROUP BY tag
)
SELECT
  @org_slug, @result_id, @run_id, 'cloud_hierarchy_orphan_check', 'cost_data_standard_1_3', 'WARNING', 0, SUM(charges),
  TO_JSON(ARRAY_AGG(CONCAT(tag, ' names no entity: ', CAST(charges AS STRING), ' rows') ORDER BY charges DESC, tag LIMIT 100)),
  CURRENT_DATE(), CURRENT_TIMESTAMP(), CURRENT_TIMESTAMP(), @org_slug, @pipeline_id, COALESCE(@credential_id, 'default'), @first_period,
  @run_id, CURRENT_TIMESTAMP(), CURRENT_DATE()
FROM orphans
WHERE tag IS NOT NULL
HAVING COUNT(*) > 0
""", '$dataset', v_dataset)
      USING p_org_slug AS org_slug, v_result_id AS result_id, p_run_id AS run_id, p_provider AS provider, p_pipeline_id AS pipeline_id,
        p_first_period AS first_period, p_last_period AS last_period, p_credential_id AS credential_id;
      EXECUTE IMMEDIATE REPLACE(r"""
SELECT COALESCE(SUM(expectations_failed), 0)
FROM `$dataset.org_meta_dq_results`
WHERE x_org_slug = @org_slug AND dq_result_id = @result_id
""", '$dataset', v_dataset)
      INTO p_orphans
      USING p_org_slug AS org_slug, v_result_id AS result_id;
    END IF;
  EXCEPTION WHEN ERROR THEN
    SET p_orphans = NULL;
    SET p_unallocated = NULL;
    SET p_failure = @@error.message;
  END;
END;
