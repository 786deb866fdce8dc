-- Inserts the rows of native FOCUS exports of Google Cloud (the BigQuery preview, and 1.0 to 1.3), lifted to FOCUS 1.3 by
-- sp_cloud_insert_focus. Called by sp_cloud_gcp_convert_to_focus inside its transaction, after the rows of these periods were deleted.
-- Whether x_Credits are in the costs already the vendor does not say, so they are not added.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_gcp_insert_focus`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_org_slug STRING,
  p_first_period DATE,
  p_last_period DATE,
  p_credential_id STRING,
  p_run_id STRING
)
BEGIN
  CALL `{project_id}.organizations.sp_cloud_insert_focus`(
    p_project_id, p_dataset_id, p_org_slug, 'gcp', p_first_period, p_last_period, p_credential_id, p_run_id, r"""
-- Many rows share their labels: JSON is read once per set, not once per row. Equal keys count once.
label_sets AS (
  SELECT *, ROW_NUMBER() OVER (ORDER BY labels_text, project_text, system_text, tags_text) AS label_set
  FROM (
    SELECT DISTINCT
      COALESCE(NULLIF(x_Labels, '[]'), '') AS labels_text,
      COALESCE(NULLIF(x_ProjectLabels, '[]'), '') AS project_text,
      COALESCE(NULLIF(x_SystemLabels, '[]'), '') AS system_text,
      COALESCE(NULLIF(x_Tags, '[]'), '') AS tags_text
    FROM `$dataset.cloud_gcp_focus_raw_daily`
    WHERE x_org_slug = @org_slug AND billing_period_start_date BETWEEN @first_period AND @last_period
      AND (@credential_id IS NULL OR x_credential_id = @credential_id) AND Tags IS NULL
  )
),
labels AS (
  SELECT
    lists.label_set,
    CONCAT(lists.prefix, COALESCE(CONCAT(JSON_VALUE(label, '$.x_Namespace'), '/'), ''), JSON_VALUE(label, '$.Key')) AS label_key,
    MIN(IF(JSON_VALUE(label, '$.Value') IS NULL, 'true', TO_JSON_STRING(JSON_VALUE(label, '$.Value')))) AS label_value
  FROM (
    SELECT label_set, '' AS prefix, labels_text AS json_text FROM label_sets WHERE labels_text <> ''
    UNION ALL
    SELECT label_set, 'project:', project_text FROM label_sets WHERE project_text <> ''
    UNION ALL
    SELECT label_set, 'system:', system_text FROM label_sets WHERE system_text <> ''
    UNION ALL
    SELECT label_set, 'tag:', tags_text FROM label_sets WHERE tags_text <> ''
  ) AS lists, UNNEST(JSON_QUERY_ARRAY(lists.json_text)) AS label
  WHERE JSON_VALUE(label, '$.Key') IS NOT NULL
  GROUP BY 1, 2
),
label_tags AS (
  SELECT
    label_sets.labels_text, label_sets.project_text, label_sets.system_text, label_sets.tags_text,
    PARSE_JSON(CONCAT('{', sets.members, '}')) AS tags
  FROM label_sets
  JOIN (
    SELECT label_set, STRING_AGG(CONCAT(TO_JSON_STRING(label_key), ':', label_value), ',' ORDER BY label_key) AS members
    FROM labels
    GROUP BY label_set
  ) AS sets ON sets.label_set = label_sets.label_set
),
tag_texts AS (
  SELECT Tags AS native_text
  FROM `$dataset.cloud_gcp_focus_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start_date BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id) AND Tags NOT IN ('{}', '[]')
  GROUP BY Tags
),
-- Tags are an object, or the list of {key, value, x_type, x_namespace} of Google's FOCUS view.
tags AS (
  SELECT native_text, PARSE_JSON(native_text) AS own_tags
  FROM tag_texts
  WHERE NOT STARTS_WITH(native_text, '[')
  UNION ALL
  SELECT native_text, PARSE_JSON(CONCAT('{', STRING_AGG(CONCAT(TO_JSON_STRING(tag_key), ':', tag_value), ',' ORDER BY tag_key), '}'))
  FROM (
    SELECT
      native_text,
      CONCAT(
        CASE JSON_VALUE(tag, '$.x_type') WHEN 'project_label' THEN 'project:' WHEN 'system_label' THEN 'system:' WHEN 'tag' THEN 'tag:' ELSE '' END,
        COALESCE(CONCAT(NULLIF(JSON_VALUE(tag, '$.x_namespace'), 'n/a'), '/'), ''), JSON_VALUE(tag, '$.key')) AS tag_key,
      MIN(IF(JSON_VALUE(tag, '$.value') IS NULL, 'true', TO_JSON_STRING(JSON_VALUE(tag, '$.value')))) AS tag_value
    FROM tag_texts, UNNEST(JSON_QUERY_ARRAY(native_text)) AS tag
    WHERE STARTS_WITH(native_text, '[') AND JSON_VALUE(tag, '$.key') IS NOT NULL
    GROUP BY 1, 2
  )
  GROUP BY native_text
),
-- Google's FOCUS view writes the words of closed lists small, calls each charge of a committed resource the commitment's, also the fee and
-- what is not covered, and ends a billing period with the start of its last day in Los Angeles.
lines AS (
  SELECT
    line.* EXCEPT (
      ChargeCategory, ChargeClass, PricingCategory, CommitmentDiscountId, CommitmentDiscountStatus, BillingPeriodEnd, ConsumedQuantity),
    IF(LOWER(line.ChargeCategory) = 'error', 'Adjustment', INITCAP(line.ChargeCategory)) AS ChargeCategory,
    INITCAP(line.ChargeClass) AS ChargeClass,
    IF(line.has_no_status AND (line.BilledCost <> 0 OR line.CommitmentDiscountId IS NULL) AND LOWER(line.PricingCategory) = 'committed', 'Other',
      INITCAP(line.PricingCategory)) AS PricingCategory,
    IF(line.has_no_status AND line.BilledCost <> 0, NULL, line.CommitmentDiscountId) AS CommitmentDiscountId,
    IF(line.has_no_status AND line.BilledCost = 0 AND line.CommitmentDiscountId IS NOT NULL, 'Used', line.CommitmentDiscountStatus)
      AS CommitmentDiscountStatus,
    IF(DATE(line.BillingPeriodEnd) = LAST_DAY(line.billing_period_start_date),
      TIMESTAMP(DATE_ADD(line.billing_period_start_date, INTERVAL 1 MONTH),
        IF(EXTRACT(HOUR FROM line.BillingPeriodStart) = 0, 'UTC', 'America/Los_Angeles')),
      line.BillingPeriodEnd) AS BillingPeriodEnd,
    -- Amounts that a decimal of 14 digits before the point cannot hold are counted in billions.
    COALESCE(
      CASE
        WHEN line.is_huge THEN CAST(FORMAT('%.9f', SAFE_CAST(line.NativeConsumedQuantity AS FLOAT64) / 1000000000) AS BIGNUMERIC)
        WHEN REGEXP_CONTAINS(line.NativeConsumedQuantity, r'[eE]|\.[0-9]{25}')
          THEN CAST(FORMAT('%.15f', SAFE_CAST(line.NativeConsumedQuantity AS FLOAT64)) AS BIGNUMERIC)
        ELSE SAFE_CAST(line.NativeConsumedQuantity AS BIGNUMERIC)
      END,
      line.ConsumedQuantity) AS ConsumedQuantity
  FROM (
    SELECT
      charge.*,
      LOWER(charge.ChargeCategory) = 'usage' AND charge.CommitmentDiscountStatus IS NULL AS has_no_status,
      COALESCE(ABS(SAFE_CAST(charge.NativeConsumedQuantity AS FLOAT64)) >= 100000000000000, FALSE) AS is_huge
    FROM `$dataset.cloud_gcp_focus_raw_daily` AS charge
    WHERE charge.x_org_slug = @org_slug AND charge.billing_period_start_date BETWEEN @first_period AND @last_period
      AND (@credential_id IS NULL OR charge.x_credential_id = @credential_id)
  ) AS line
),
native AS (
  SELECT
    charge.*,
    IF(charge.Tags IS NULL, label_tags.tags, tags.own_tags) AS own_tags,
    COALESCE(charge.ServiceName, codes.service_name, service_names.service_name, charge.ChargeCategory) AS service_name,
    COALESCE(codes.service_category, service_names.service_category) AS known_category,
    COALESCE(codes.service_subcategory, service_names.service_subcategory) AS known_subcategory,
    IF(COALESCE(REGEXP_CONTAINS(charge.ProviderName, r'^Google'), TRUE), 'Google Cloud', charge.ProviderName) AS cloud,
    -- Marketplace products carry the seller as their publisher.
    COALESCE(REGEXP_CONTAINS(charge.ProviderName, r'^Google'), TRUE)
      AND COALESCE(NOT REGEXP_CONTAINS(charge.PublisherName, r'^Google'), FALSE) AS is_marketplace,
    COALESCE(charge.SkuId, REGEXP_EXTRACT(charge.SkuPriceId, r'^[^/]+')) AS own_sku,
    COALESCE(charge.SkuMeter, charge.ChargeDescription) AS sku_meter,
    charge.ContractedUnitPrice AS contracted_price_given,
    charge.ListUnitPrice AS list_price_given,
    charge.ContractedCost AS contracted_cost_given,
    charge.ListCost AS list_cost_given,
    COALESCE(pricing_units.focus_unit, charge.PricingUnit) AS pricing_unit,
    CONCAT(IF(charge.is_huge, '1000000000 ', ''), COALESCE(consumed_units.focus_unit, charge.ConsumedUnit)) AS consumed_unit,
    'Count' AS any_unit,
    regions.region_name,
    REGEXP_EXTRACT(charge.ResourceId, r'/([A-Za-z]+)/[^/]+$') AS own_resource_type,
    'Billing Account' AS account_type,
    'Project' AS sub_account_type,
    charge.SubAccountId AS cloud_account_id,
    IF(REGEXP_CONTAINS(charge.ChargeDescription, r'(?i)dollar'), 'Spend', 'Usage') AS likely_commitment,
    'Committed Use Discount' AS spend_commitment,
    'Committed Use Discount' AS usage_commitment
  FROM lines AS charge
  LEFT JOIN tags ON tags.native_text = charge.Tags
  LEFT JOIN label_tags
    ON charge.Tags IS NULL
    AND label_tags.labels_text = COALESCE(NULLIF(charge.x_Labels, '[]'), '')
    AND label_tags.project_text = COALESCE(NULLIF(charge.x_ProjectLabels, '[]'), '')
    AND label_tags.system_text = COALESCE(NULLIF(charge.x_SystemLabels, '[]'), '')
    AND label_tags.tags_text = COALESCE(NULLIF(charge.x_Tags, '[]'), '')
  LEFT JOIN `{project_id}.organizations.gcp_services` AS codes ON codes.service_key = charge.x_ServiceId
  LEFT JOIN `{project_id}.organizations.gcp_services` AS service_names ON service_names.service_key = charge.ServiceName
  LEFT JOIN `{project_id}.organizations.gcp_units` AS pricing_units ON pricing_units.native_unit = charge.PricingUnit
  LEFT JOIN `{project_id}.organizations.gcp_units` AS consumed_units ON consumed_units.native_unit = charge.ConsumedUnit
  LEFT JOIN `{project_id}.organizations.gcp_regions` AS regions ON regions.region_id = charge.RegionId
)""", 'x_CostType');
END;
