-- Inserts the rows of OCI FOCUS reports (1.0-preview), lifted to FOCUS 1.3 by sp_cloud_insert_focus. Called by
-- sp_cloud_oci_convert_to_focus inside its transaction, after the rows of these periods were deleted.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_oci_insert_focus`(
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
    p_project_id, p_dataset_id, p_org_slug, 'oci', p_first_period, p_last_period, p_credential_id, p_run_id, r"""
native AS (
  SELECT
    charge.* EXCEPT (SubAccountId, SubAccountName, ServiceCategory),
    charge.x_ReferenceNo AS x_source_record_id,
    COALESCE(charge.SubAccountId, charge.x_CompartmentId) AS SubAccountId,
    COALESCE(charge.SubAccountName, charge.x_CompartmentName, charge.SubAccountId, charge.x_CompartmentId) AS SubAccountName,
    -- Of a known service the lookup tells the category: one service has one.
    COALESCE(services.service_category, charge.ServiceCategory) AS ServiceCategory,
    SAFE.PARSE_JSON(charge.Tags) AS own_tags,
    COALESCE(services.service_name, charge.ServiceName, charge.ChargeCategory) AS service_name,
    services.service_category AS known_category,
    services.service_subcategory AS known_subcategory,
    COALESCE(charge.ProviderName, 'Oracle') AS cloud,
    FALSE AS is_marketplace,
    COALESCE(charge.SkuId, charge.SkuPriceId) AS own_sku,
    COALESCE(charge.SkuMeter, charge.ChargeDescription, charge.SkuId, charge.SkuPriceId) AS sku_meter,
    charge.ContractedUnitPrice AS contracted_price_given,
    charge.ListUnitPrice AS list_price_given,
    charge.ContractedCost AS contracted_cost_given,
    charge.ListCost AS list_cost_given,
    COALESCE(charge.PricingUnit, charge.ConsumedUnit) AS pricing_unit,
    charge.ConsumedUnit AS consumed_unit,
    'Units' AS any_unit,
    regions.region_name,
    REGEXP_EXTRACT(charge.ResourceId, r'^ocid1\.([^.]+)\.') AS own_resource_type,
    'Tenancy' AS account_type,
    'Compartment' AS sub_account_type,
    charge.BillingAccountId AS cloud_account_id,
    'Spend' AS likely_commitment,
    'Commitment' AS spend_commitment,
    'Commitment' AS usage_commitment
  FROM `$dataset.cloud_oci_focus_raw_daily` AS charge
  LEFT JOIN `{project_id}.organizations.oci_services` AS services ON services.native_name = UPPER(REPLACE(charge.ServiceName, ' ', '_'))
  LEFT JOIN `{project_id}.organizations.oci_regions` AS regions ON regions.region_id = charge.RegionId
  WHERE charge.x_org_slug = @org_slug AND charge.billing_period_start_date BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR charge.x_credential_id = @credential_id)
)""", 'x_ReferenceNo, x_BackReferenceNo, x_OverageFlag, x_source_record_id');
END;
