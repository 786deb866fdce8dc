-- Records what one check found about GenAI usage and costs of a run and a day; p_texts is a JSON array of texts, each naming its rows. A repeated step
-- replaces its own result.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_genai_insert_quality`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_run_id STRING,
  p_pipeline_id STRING,
  p_day DATE,
  p_check STRING,
  p_status STRING,
  p_target STRING,
  p_texts STRING
)
BEGIN
  DECLARE v_org_slug STRING DEFAULT REGEXP_REPLACE(p_dataset_id, r'_(prod|stage|test|local|dev)$', '');
  DECLARE v_dataset STRING DEFAULT CONCAT(p_project_id, '.', p_dataset_id);

  BEGIN
    BEGIN TRANSACTION;
    EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.org_meta_dq_results`
WHERE x_org_slug = @org_slug AND dq_result_id = CONCAT(@run_id, '/', @check, '/', CAST(@day AS STRING))
""", '$dataset', v_dataset)
    USING v_org_slug AS org_slug, p_run_id AS run_id, p_check AS check, p_day AS day;
    EXECUTE IMMEDIATE REPLACE(r"""
INSERT INTO `$dataset.org_meta_dq_results` (
  org_slug, dq_result_id, pipeline_logging_id, dq_config_id, target_table, overall_status, expectations_passed, expectations_failed,
  failed_expectations, ingestion_date, executed_at, created_at, x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date,
  x_run_id, x_ingested_at, x_ingestion_date
)
VALUES (
  @org_slug, CONCAT(@run_id, '/', @check, '/', CAST(@day AS STRING)), @run_id, @check, @target, @status, 0, 1, PARSE_JSON(@texts), CURRENT_DATE(),
  CURRENT_TIMESTAMP(), CURRENT_TIMESTAMP(), @org_slug, @pipeline_id, 'default', @day, @run_id, CURRENT_TIMESTAMP(), CURRENT_DATE()
)
""", '$dataset', v_dataset)
    USING v_org_slug AS org_slug, p_run_id AS run_id, p_check AS check, p_target AS target, p_status AS status, p_texts AS texts,
      p_pipeline_id AS pipeline_id, p_day AS day;
    COMMIT TRANSACTION;
  EXCEPTION WHEN ERROR THEN
    ROLLBACK TRANSACTION;
    RAISE USING MESSAGE = FORMAT('sp_genai_insert_quality on %s: %s', p_dataset_id, @@error.message);
  END;
END;
