-- Inserts the rows of native Azure FOCUS exports (1.0-preview to 1.2), lifted to FOCUS 1.3 by sp_cloud_insert_focus. Called by
-- sp_cloud_azure_convert_to_focus inside its transaction, after the rows of these periods were deleted.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_azure_insert_focus`(
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
    p_project_id, p_dataset_id, p_org_slug, 'azure', p_first_period, p_last_period, p_credential_id, p_run_id, r"""
service_names AS (
  SELECT service_name, MIN(service_category) AS service_category, MIN(service_subcategory) AS service_subcategory
  FROM `{project_id}.organizations.azure_services`
  GROUP BY service_name
),
-- Many rows share their tags: JSON is parsed once per text, not once per row.
tags AS (
  SELECT native_text, SAFE.PARSE_JSON(IF(STARTS_WITH(own_text, '{'), own_text, CONCAT('{', own_text, '}'))) AS tags
  FROM (
    SELECT Tags AS native_text, TRIM(Tags) AS own_text
    FROM `$dataset.cloud_azure_focus_raw_daily`
    WHERE x_org_slug = @org_slug AND billing_period_start_date BETWEEN @first_period AND @last_period
      AND (@credential_id IS NULL OR x_credential_id = @credential_id) AND Tags <> '{}'
    GROUP BY Tags
  )
),
native AS (
  SELECT
    charge.*,
    charge.x_SkuMeterCategory AS x_MeterCategory,
    tags.tags AS own_tags,
    -- Exports name no service on Marketplace products of Enterprise Agreements, and on purchases, credits and rounding of others.
    COALESCE(charge.ServiceName, by_type.service_name,
      IF(COALESCE(charge.x_PublisherCategory, '') = 'Vendor', charge.PublisherName, NULL),
      charge.x_SkuMeterSubcategory, charge.x_SkuMeterCategory, charge.ChargeCategory) AS service_name,
    COALESCE(service_names.service_category, by_type.service_category) AS known_category,
    COALESCE(service_names.service_subcategory, by_type.service_subcategory) AS known_subcategory,
    COALESCE(charge.ProviderName, 'Microsoft') AS cloud,
    COALESCE(NOT STARTS_WITH(charge.PublisherName, 'Microsoft'), FALSE) AS is_marketplace,
    charge.SkuId AS own_sku,
    COALESCE(charge.SkuMeter, charge.x_SkuMeterSubcategory, charge.x_SkuMeterCategory, charge.SkuId) AS sku_meter,
    -- A price of 0 beside a charge, or on rows whose price a commitment or a seller sets, and a cost of 0 mean unknown.
    IF(COALESCE(STARTS_WITH(charge.PublisherName, 'Microsoft'), TRUE) AND charge.CommitmentDiscountId IS NULL AND charge.BilledCost = 0,
      charge.ContractedUnitPrice, NULLIF(charge.ContractedUnitPrice, 0)) AS contracted_price_given,
    IF(COALESCE(STARTS_WITH(charge.PublisherName, 'Microsoft'), TRUE) AND charge.CommitmentDiscountId IS NULL AND charge.BilledCost = 0,
      charge.ListUnitPrice, NULLIF(charge.ListUnitPrice, 0)) AS list_price_given,
    NULLIF(charge.ContractedCost, 0) AS contracted_cost_given,
    NULLIF(charge.ListCost, 0) AS list_cost_given,
    COALESCE(pricing_units.focus_unit, charge.PricingUnit) AS pricing_unit,
    COALESCE(consumed_units.focus_unit, charge.ConsumedUnit) AS consumed_unit,
    'Units' AS any_unit,
    regions.region_name,
    COALESCE(resources.display_name, REGEXP_EXTRACT(charge.ResourceId, r'/providers/([^/]+/[^/]+)/')) AS own_resource_type,
    'Billing Account' AS account_type,
    'Subscription' AS sub_account_type,
    charge.SubAccountId AS cloud_account_id,
    IF(REGEXP_CONTAINS(LOWER(charge.CommitmentDiscountId), r'/microsoft\.billingbenefits/'), 'Spend', 'Usage') AS likely_commitment,
    'Savings Plan' AS spend_commitment,
    'Reservation' AS usage_commitment
  FROM `$dataset.cloud_azure_focus_raw_daily` AS charge
  LEFT JOIN tags ON tags.native_text = charge.Tags
  LEFT JOIN service_names ON service_names.service_name = charge.ServiceName
  LEFT JOIN `{project_id}.organizations.azure_services` AS by_type
    ON by_type.native_name = REGEXP_EXTRACT(LOWER(charge.ResourceId), r'/providers/([^/]+)/')
  LEFT JOIN `{project_id}.organizations.azure_units` AS pricing_units ON pricing_units.native_unit = LOWER(charge.PricingUnit)
  LEFT JOIN `{project_id}.organizations.azure_units` AS consumed_units ON consumed_units.native_unit = LOWER(charge.ConsumedUnit)
  LEFT JOIN `{project_id}.organizations.azure_regions` AS regions ON regions.location = charge.RegionId
  LEFT JOIN `{project_id}.organizations.azure_resource_types` AS resources
    ON resources.resource_type = LOWER(REGEXP_EXTRACT(charge.ResourceId, r'/providers/([^/]+/[^/]+)/[^/]+'))
  WHERE charge.x_org_slug = @org_slug AND charge.billing_period_start_date BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR charge.x_credential_id = @credential_id)
)""", 'x_MeterCategory, x_ResourceGroupName, x_CostCenter, x_InvoiceSectionId');
END;
