CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_aws_convert_to_focus`(p_project_id STRING, p_dataset_id STRING)
BEGIN
  SELECT 1 AS one;
END;
