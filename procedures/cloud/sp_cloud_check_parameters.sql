-- Refuses what no sp_cloud_*_convert_to_focus can work with. Called by each first; messages begin with its name, p_procedure.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_check_parameters`(
  p_procedure STRING,
  p_project_id STRING,
  p_dataset_id STRING,
  p_start_date DATE,
  p_end_date DATE,
  p_run_id STRING
)
BEGIN
  IF p_project_id IS NULL OR NOT REGEXP_CONTAINS(p_project_id, r'^[a-z][a-z0-9-]*[a-z0-9]$') THEN
    RAISE USING MESSAGE = CONCAT(p_procedure, ': p_project_id is not a project id');
  END IF;
  IF p_dataset_id IS NULL OR NOT REGEXP_CONTAINS(p_dataset_id, r'^[a-z0-9_]{3,50}_(prod|stage|test|local|dev)$') THEN
    RAISE USING MESSAGE = CONCAT(p_procedure, ': p_dataset_id is not the dataset of an organisation');
  END IF;
  IF p_start_date IS NULL OR p_end_date < p_start_date THEN
    RAISE USING MESSAGE = CONCAT(p_procedure, ': p_start_date must be given and not lie after p_end_date');
  END IF;
  IF p_run_id IS NULL THEN
    RAISE USING MESSAGE = CONCAT(p_procedure, ': p_run_id must be given, it becomes the lineage of the rows');
  END IF;
END;
