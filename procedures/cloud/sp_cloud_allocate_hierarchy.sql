-- Allocates cloud charges to the organisation's hierarchy: fills x_hierarchy_* of the FOCUS rows of the periods. Called by each
-- sp_cloud_*_convert_to_focus inside its transaction, after its inserts.
--
-- A charge names entities by its tags entity_id, cost_center, team and department (keys and ids in any case), then by a second place: cost
-- categories (AWS), project labels (Google Cloud), defined tags (OCI); Azure's cost center column comes right after the tag entity_id. Last
-- comes the account, project, subscription or compartment itself. The first that is an entity on the charge's day bears the cost. An
-- entity's first version also counts for the days before it. Rows are updated, never joined into new ones, and no amount is touched.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_allocate_hierarchy`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_org_slug STRING,
  p_provider STRING,
  p_first_period DATE,
  p_last_period DATE,
  p_credential_id STRING
)
BEGIN
  DECLARE v_dataset STRING DEFAULT CONCAT(p_project_id, '.', p_dataset_id);
  DECLARE v_entities INT64;

  EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*) FROM `$dataset.org_hierarchy` WHERE x_org_slug = @org_slug
""", '$dataset', v_dataset)
  INTO v_entities
  USING p_org_slug AS org_slug;

  IF v_entities > 0 THEN
    EXECUTE IMMEDIATE REPLACE(r"""
UPDATE `$dataset.cost_data_standard_1_3` AS focus
SET
  x_hierarchy_entity_id = found.entity_id,
  x_hierarchy_entity_name = found.entity_name,
  x_hierarchy_level_code = found.level_code,
  x_hierarchy_path = found.path,
  x_hierarchy_path_names = found.path_names,
  x_hierarchy_validated_at = CURRENT_TIMESTAMP()
FROM (
  WITH charges AS (
    SELECT DISTINCT
      COALESCE(TO_JSON_STRING(Tags), '') AS tags,
      COALESCE(TO_JSON_STRING(x_CostCategories), '') AS categories,
      COALESCE(x_CostCenter, '') AS cost_center,
      COALESCE(SubAccountId, '') AS sub_account,
      DATE(ChargePeriodStart) AS charge_date
    FROM `$dataset.cost_data_standard_1_3`
    WHERE x_org_slug = @org_slug
      AND x_source_system IN (CONCAT('cloud_', @provider, '_billing_raw_daily'), CONCAT('cloud_', @provider, '_focus_raw_daily'))
      AND DATE(BillingPeriodStart) BETWEEN @first_period AND @last_period
      AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  ),
  labels AS (
    SELECT DISTINCT tags, categories, cost_center, sub_account
    FROM charges
  ),
  members AS (
    SELECT labels.*, 0 AS place, member
    FROM labels
    CROSS JOIN UNNEST(REGEXP_EXTRACT_ALL(tags, r'"(?:[^"\\]|\\.)*":(?:"(?:[^"\\]|\\.)*"|[^,}"]+)')) AS member
    UNION ALL
    SELECT labels.*, 1 AS place, member
    FROM labels
    CROSS JOIN UNNEST(REGEXP_EXTRACT_ALL(
      IF(@provider = 'aws', categories, ''), r'"(?:[^"\\]|\\.)*":(?:"(?:[^"\\]|\\.)*"|[^,}"]+)')) AS member
  ),
  -- project:team of Google Cloud and Finance.team of OCI are keys of the second place.
  keyed AS (
    SELECT
      *,
      CASE
        WHEN @provider = 'gcp' AND STARTS_WITH(native_key, 'project:') THEN SUBSTR(native_key, 9)
        WHEN @provider = 'oci' THEN REGEXP_EXTRACT(native_key, r'([^.]*)$')
        ELSE native_key
      END AS own_key
    FROM (
      SELECT
        members.*,
        LOWER(REGEXP_EXTRACT(member, r'^"([^"]*)":')) AS native_key,
        SUBSTR(member, LENGTH(REGEXP_EXTRACT(member, r'^"([^"]*)":')) + 4) AS json_value
      FROM members
    )
  ),
  named AS (
    SELECT
      keyed.tags, keyed.categories, keyed.cost_center, keyed.sub_account,
      100 * GREATEST(keyed.place, IF(keyed.own_key = keyed.native_key, 0, 1)) + own_keys.position AS priority,
      JSON_VALUE(keyed.json_value, '$') AS entity
    FROM keyed
    JOIN UNNEST([
      STRUCT('entity_id' AS own_key, 1 AS position), ('cost_center', 3), ('costcenter', 3), ('team', 4), ('department', 5)
    ]) AS own_keys ON own_keys.own_key = keyed.own_key
    UNION ALL
    SELECT tags, categories, cost_center, sub_account, 2 AS priority, cost_center AS entity
    FROM labels
    UNION ALL
    SELECT tags, categories, cost_center, sub_account, 200 AS priority, sub_account AS entity
    FROM labels
  ),
  versions AS (
    SELECT
      LOWER(TRIM(entity_id)) AS entity_key, id, entity_id, entity_name, level_code, path,
      ARRAY_TO_STRING(path_names, ' > ') AS path_names, created_at,
      IF(ROW_NUMBER() OVER (PARTITION BY LOWER(TRIM(entity_id)) ORDER BY created_at, id) = 1, DATE '0001-01-01', DATE(created_at))
        AS valid_from,
      COALESCE(DATE(end_date), DATE '9999-12-31') AS valid_to
    FROM `$dataset.org_hierarchy`
    WHERE x_org_slug = @org_slug
  )
  SELECT
    charges.tags, charges.categories, charges.cost_center, charges.sub_account, charges.charge_date,
    versions.entity_id, versions.entity_name, versions.level_code, versions.path, versions.path_names
  FROM charges
  JOIN named
    ON named.tags = charges.tags AND named.categories = charges.categories AND named.cost_center = charges.cost_center
      AND named.sub_account = charges.sub_account
  JOIN versions
    ON versions.entity_key = LOWER(TRIM(named.entity))
      AND charges.charge_date >= versions.valid_from AND charges.charge_date < versions.valid_to
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY charges.tags, charges.categories, charges.cost_center, charges.sub_account, charges.charge_date
    ORDER BY named.priority, named.entity, versions.created_at DESC, versions.id DESC
  ) = 1
) AS found
WHERE focus.x_org_slug = @org_slug
  AND focus.x_source_system IN (CONCAT('cloud_', @provider, '_billing_raw_daily'), CONCAT('cloud_', @provider, '_focus_raw_daily'))
  AND DATE(focus.BillingPeriodStart) BETWEEN @first_period AND @last_period
  AND (@credential_id IS NULL OR focus.x_credential_id = @credential_id)
  AND COALESCE(TO_JSON_STRING(focus.Tags), '') = found.tags
  AND COALESCE(TO_JSON_STRING(focus.x_CostCategories), '') = found.categories
  AND COALESCE(focus.x_CostCenter, '') = found.cost_center
  AND COALESCE(focus.SubAccountId, '') = found.sub_account
  AND DATE(focus.ChargePeriodStart) = found.charge_date
""", '$dataset', v_dataset)
    USING p_org_slug AS org_slug, p_provider AS provider, p_first_period AS first_period, p_last_period AS last_period,
      p_credential_id AS credential_id;
  END IF;
END;
