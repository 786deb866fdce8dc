CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_genai_test`(p_project_id STRING, p_dataset_id STRING)
BEGIN
  SELECT 2 AS two;
END;
