-- Inserts the rows of native AWS FOCUS exports (1.0-preview to 1.3), lifted to FOCUS 1.3 by sp_cloud_insert_focus. Called by
-- sp_cloud_aws_convert_to_focus inside its transaction, after the rows of these periods were deleted.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_aws_insert_focus`(
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
    p_project_id, p_dataset_id, p_org_slug, 'aws', p_first_period, p_last_period, p_credential_id, p_run_id, r"""
service_names AS (
  SELECT service_name, MIN(service_category) AS service_category, MIN(service_subcategory) AS service_subcategory
  FROM `{project_id}.organizations.aws_services`
  GROUP BY service_name
),
-- Many rows share their tags: JSON is parsed once per text, not once per row.
tags AS (
  SELECT native_text, PARSE_JSON(own_text) AS tags
  FROM (
    SELECT Tags AS native_text, REGEXP_REPLACE(Tags, r'([{,]\s*)"user:', r'\1"') AS own_text
    FROM `$dataset.cloud_aws_focus_raw_daily`
    WHERE x_org_slug = @org_slug AND billing_period_start_date BETWEEN @first_period AND @last_period
      AND (@credential_id IS NULL OR x_credential_id = @credential_id) AND Tags <> '{}'
    GROUP BY Tags
  )
),
services AS (
  SELECT
    charge.* EXCEPT (x_Discounts, x_CostCategories),
    IF(charge.x_Discounts IS NULL, NULL, PARSE_JSON(charge.x_Discounts, wide_number_mode => 'round')) AS x_Discounts,
    IF(charge.x_CostCategories IS NULL, NULL, PARSE_JSON(charge.x_CostCategories)) AS x_CostCategories,
    COALESCE(codes.service_name, service_names.service_name) AS known_name,
    COALESCE(codes.service_category, service_names.service_category) AS own_category,
    COALESCE(codes.service_subcategory, service_names.service_subcategory) AS own_subcategory,
    -- Volumes are billed as EC2, of which they are no machines: one service has one category.
    COALESCE(charge.ServiceCategory = 'Storage'
      AND COALESCE(codes.service_name, service_names.service_name) = 'Amazon Elastic Compute Cloud', FALSE) AS is_volume
  FROM `$dataset.cloud_aws_focus_raw_daily` AS charge
  LEFT JOIN `{project_id}.organizations.aws_services` AS codes ON codes.product_code = COALESCE(charge.x_ServiceCode, charge.ServiceName)
  LEFT JOIN service_names ON service_names.service_name = charge.ServiceName
  WHERE charge.x_org_slug = @org_slug AND charge.billing_period_start_date BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR charge.x_credential_id = @credential_id)
),
native AS (
  SELECT
    charge.*,
    charge.x_ServiceCode AS x_ProductCode,
    tags.tags AS own_tags,
    IF(charge.is_volume, 'Amazon EBS', COALESCE(charge.ServiceName, charge.known_name, charge.ChargeCategory)) AS service_name,
    IF(charge.is_volume, 'Storage', charge.own_category) AS known_category,
    IF(charge.is_volume, 'Block Storage', charge.own_subcategory) AS known_subcategory,
    IF(COALESCE(REGEXP_CONTAINS(charge.ProviderName, r'^(AWS|Amazon)'), TRUE), 'AWS', charge.ProviderName) AS cloud,
    -- Marketplace products carry the seller as their publisher.
    COALESCE(REGEXP_CONTAINS(charge.ProviderName, r'^(AWS|Amazon)'), TRUE)
      AND COALESCE(NOT REGEXP_CONTAINS(charge.PublisherName, r'^(AWS|Amazon)'), FALSE) AS is_marketplace,
    COALESCE(charge.SkuId, REGEXP_EXTRACT(charge.SkuPriceId, r'^[^.]+'),
      CONCAT(charge.x_ServiceCode, COALESCE(CONCAT('/', charge.x_UsageType), ''))) AS own_sku,
    COALESCE(charge.SkuMeter, charge.x_UsageType, charge.ChargeDescription) AS sku_meter,
    charge.ContractedUnitPrice AS contracted_price_given,
    charge.ListUnitPrice AS list_price_given,
    charge.ContractedCost AS contracted_cost_given,
    charge.ListCost AS list_cost_given,
    COALESCE(pricing_units.focus_unit, charge.PricingUnit) AS pricing_unit,
    COALESCE(consumed_units.focus_unit, charge.ConsumedUnit) AS consumed_unit,
    'Count' AS any_unit,
    places.region_name,
    COALESCE(resources.resource_type,
      REGEXP_EXTRACT(charge.ResourceId, r'^arn:[^:]*:[^:]*:[^:]*:[^:]*:/?([A-Za-z][A-Za-z0-9-]*)[:/]')) AS own_resource_type,
    'Payer Account' AS account_type,
    'Linked Account' AS sub_account_type,
    charge.SubAccountId AS cloud_account_id,
    IF(STRPOS(charge.CommitmentDiscountId, ':savingsplan') > 0, 'Spend', 'Usage') AS likely_commitment,
    'Savings Plan' AS spend_commitment,
    'Reserved Instance' AS usage_commitment
  FROM services AS charge
  LEFT JOIN tags ON tags.native_text = charge.Tags
  LEFT JOIN `{project_id}.organizations.aws_units` AS pricing_units ON pricing_units.native_unit = charge.PricingUnit
  LEFT JOIN `{project_id}.organizations.aws_units` AS consumed_units ON consumed_units.native_unit = charge.ConsumedUnit
  LEFT JOIN `{project_id}.organizations.aws_places` AS places ON places.place = charge.RegionId
  LEFT JOIN `{project_id}.organizations.aws_resource_types` AS resources
    ON resources.resource_prefix = COALESCE(
      REGEXP_EXTRACT(charge.ResourceId, r'^arn:[^:]*:([a-z0-9-]+):'), REGEXP_EXTRACT(charge.ResourceId, r'^([a-z]+)-[0-9a-f]'))
)""", 'x_ProductCode, x_UsageType, x_Operation, x_Discounts, x_CostCategories');
END;
