-- Inserts the priced lines of Azure cost details. Called by sp_cloud_azure_insert_cost_details, whose common table expressions p_lines are:
-- `costed` has the lines with their kind, amounts and quantities; `tags` and `properties` are what many lines share; `commitments` says in
-- which unit each commitment is counted.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_azure_insert_lines`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_org_slug STRING,
  p_first_period DATE,
  p_last_period DATE,
  p_credential_id STRING,
  p_run_id STRING,
  p_lines STRING
)
BEGIN
  EXECUTE IMMEDIATE REPLACE(REPLACE(r"""
INSERT INTO `$dataset.cost_data_standard_1_3` (
  AvailabilityZone, BilledCost, BillingAccountId, BillingAccountName, BillingAccountType, BillingCurrency, BillingPeriodEnd,
  BillingPeriodStart, CapacityReservationId, CapacityReservationStatus, ChargeCategory, ChargeClass, ChargeDescription,
  ChargeFrequency, ChargePeriodEnd, ChargePeriodStart, CommitmentDiscountCategory, CommitmentDiscountId, CommitmentDiscountName,
  CommitmentDiscountQuantity, CommitmentDiscountStatus, CommitmentDiscountType, CommitmentDiscountUnit, ConsumedQuantity,
  ConsumedUnit, ContractedCost, ContractedUnitPrice, EffectiveCost, HostProviderName, InvoiceId, InvoiceIssuerName, ListCost,
  ListUnitPrice, PricingCategory, PricingCurrency, PricingCurrencyContractedUnitPrice, PricingCurrencyEffectiveCost,
  PricingCurrencyListUnitPrice, PricingQuantity, PricingUnit, ProviderName, PublisherName, RegionId, RegionName, ResourceId,
  ResourceName, ResourceType, ServiceCategory, ServiceName, ServiceProviderName, ServiceSubcategory, SkuId, SkuMeter,
  SkuPriceDetails, SkuPriceId, SubAccountId, SubAccountName, SubAccountType, Tags, ChargeType, x_ChargeType, x_PricingModel,
  x_PublisherType, x_MeterCategory, x_ResourceGroupName, x_CostCenter, x_InvoiceSectionId, x_NativeQuantity, x_NativeCost,
  x_CostBasis, x_ListCostSource, x_SourceGaps, x_SplitPart, x_source_system, x_source_file, x_source_row, x_cloud_provider,
  x_cloud_account_id,
  x_org_name, x_org_owner_email, x_org_default_currency, x_org_default_timezone, x_org_default_country,
  x_org_subscription_plan, x_org_subscription_status,
  x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
WITH
$lines
SELECT
  line.availability_zone AS AvailabilityZone,
  line.billed_cost AS BilledCost,
  CASE
    WHEN NOT COALESCE(line.is_enrollment, FALSE) AND line.billing_profile_id IS NOT NULL THEN line.billing_profile_id
    ELSE COALESCE(line.billing_account_id, line.subscription_id)
  END AS BillingAccountId,
  CASE
    WHEN NOT COALESCE(line.is_enrollment, FALSE) AND line.billing_profile_id IS NOT NULL
      THEN COALESCE(line.billing_profile_name, line.billing_profile_id)
    ELSE COALESCE(line.billing_account_name, line.billing_account_id, line.subscription_name, line.subscription_id)
  END AS BillingAccountName,
  CASE
    WHEN NOT COALESCE(line.is_enrollment, FALSE) AND line.billing_profile_id IS NOT NULL THEN 'Billing Profile'
    ELSE IF(line.billing_account_id IS NULL, 'Subscription', 'Billing Account')
  END AS BillingAccountType,
  line.billing_currency AS BillingCurrency,
  TIMESTAMP(DATE_ADD(line.billing_period_start, INTERVAL 1 MONTH)) AS BillingPeriodEnd,
  TIMESTAMP(line.billing_period_start) AS BillingPeriodStart,
  IF(line.category = 'Usage', properties.capacity_reservation_id, NULL) AS CapacityReservationId,
  CASE
    WHEN line.category <> 'Usage' OR properties.capacity_reservation_id IS NULL THEN NULL
    WHEN LOWER(properties.capacity_reservation_id) = LOWER(line.resource_id) THEN 'Unused'
    ELSE 'Used'
  END AS CapacityReservationStatus,
  line.category AS ChargeCategory,
  IF(line.is_correction, 'Correction', NULL) AS ChargeClass,
  COALESCE(line.product_name, line.product_order_name,
    CONCAT(COALESCE(line.meter_category, line.service_name, line.consumed_service, line.category), COALESCE(CONCAT(' - ', line.meter_name), '')))
    AS ChargeDescription,
  CASE
    WHEN line.category NOT IN ('Usage', 'Purchase') THEN IF(LOWER(line.frequency) = 'recurring', 'Recurring', 'One-Time')
    WHEN LOWER(line.frequency) = 'recurring' THEN 'Recurring'
    WHEN line.category = 'Purchase' OR LOWER(line.frequency) = 'onetime' THEN 'One-Time'
    ELSE 'Usage-Based'
  END AS ChargeFrequency,
  TIMESTAMP(DATE_ADD(line.usage_date, INTERVAL 1 DAY)) AS ChargePeriodEnd,
  TIMESTAMP(line.usage_date) AS ChargePeriodStart,
  IF(line.commitment_id IS NULL, NULL, IF(line.is_spend, 'Spend', 'Usage')) AS CommitmentDiscountCategory,
  line.commitment_id AS CommitmentDiscountId,
  IF(line.commitment_id IS NULL, NULL, COALESCE(line.benefit_name, line.savings_plan_name, line.reservation_name)) AS CommitmentDiscountName,
  CASE
    WHEN line.commitment_id IS NULL OR NOT line.is_priced THEN NULL
    WHEN line.is_spend THEN IF(line.is_commitment_purchase, line.cost_in_billing_currency, line.effective_cost)
    ELSE line.quantity
  END AS CommitmentDiscountQuantity,
  CASE
    WHEN line.commitment_id IS NULL THEN NULL
    WHEN line.is_covered THEN 'Used'
    WHEN line.is_unused THEN 'Unused'
  END AS CommitmentDiscountStatus,
  IF(line.commitment_id IS NULL, NULL, IF(line.is_spend, 'Savings Plan', 'Reservation')) AS CommitmentDiscountType,
  CASE
    WHEN line.commitment_id IS NULL OR NOT line.is_priced THEN NULL
    WHEN line.is_spend THEN line.billing_currency
    WHEN line.quantity IS NULL THEN NULL
    ELSE commitments.unit
  END AS CommitmentDiscountUnit,
  IF(line.category = 'Usage' AND line.is_priced AND NOT line.is_unused, line.quantity * line.block_size, NULL) AS ConsumedQuantity,
  IF(line.category = 'Usage' AND line.is_priced AND NOT line.is_unused AND line.quantity IS NOT NULL, line.unit, NULL) AS ConsumedUnit,
  COALESCE(line.price_cost, IF(line.is_commitment_purchase, line.cost_in_billing_currency, line.effective_cost)) AS ContractedCost,
  line.contracted_price AS ContractedUnitPrice,
  line.effective_cost AS EffectiveCost,
  'Microsoft' AS HostProviderName,
  line.invoice_id AS InvoiceId,
  COALESCE(line.partner_name, 'Microsoft') AS InvoiceIssuerName,
  CASE
    WHEN line.list_price IS NOT NULL AND line.fitted_quantity IS NOT NULL
      THEN IF(line.list_price = line.contracted_price, line.price_cost, line.list_price * line.fitted_quantity)
    ELSE COALESCE(line.price_cost, IF(line.is_commitment_purchase, line.cost_in_billing_currency, line.effective_cost))
  END AS ListCost,
  line.list_price AS ListUnitPrice,
  CASE
    WHEN NOT line.is_priced THEN NULL
    WHEN line.is_covered OR line.is_unused THEN IF(line.commitment_id IS NULL, 'Other', 'Committed')
    WHEN line.category = 'Usage' AND LOWER(line.pricing_model) = 'spot' THEN 'Dynamic'
    ELSE 'Standard'
  END AS PricingCategory,
  COALESCE(line.pricing_currency, line.billing_currency) AS PricingCurrency,
  IF(line.contracted_price IS NULL OR line.rate = 1 OR (line.is_unused AND line.is_spend), line.contracted_price, line.written_price)
    AS PricingCurrencyContractedUnitPrice,
  IF(line.effective_cost = 0, line.effective_cost, COALESCE(line.cost_in_pricing_currency, line.effective_cost)) AS PricingCurrencyEffectiveCost,
  IF(line.list_price IS NULL OR line.rate = 1, line.list_price, IF(line.list_price = line.retail_price, line.payg_price, line.written_price))
    AS PricingCurrencyListUnitPrice,
  line.fitted_quantity AS PricingQuantity,
  IF(line.fitted_quantity IS NULL, NULL, line.pricing_unit_name) AS PricingUnit,
  IF(line.is_marketplace, COALESCE(line.publisher_name, 'Microsoft'), 'Microsoft') AS ProviderName,
  COALESCE(line.publisher_name, 'Microsoft') AS PublisherName,
  CASE
    WHEN line.location_key IN ('', 'global', 'unassigned', 'unknown', 'allregions', 'intercontinental', 'none', 'na') THEN NULL
    ELSE COALESCE(regions.region_id, line.location_key)
  END AS RegionId,
  CASE
    WHEN line.location_key IN ('', 'global', 'unassigned', 'unknown', 'allregions', 'intercontinental', 'none', 'na') THEN NULL
    ELSE COALESCE(regions.region_name, line.resource_location)
  END AS RegionName,
  IF(line.is_unused OR line.is_commitment_purchase, line.commitment_id, line.resource_id) AS ResourceId,
  IF(line.is_unused OR line.is_commitment_purchase OR line.resource_id IS NULL, NULL,
    NULLIF(COALESCE(line.resource_name, REGEXP_EXTRACT(line.resource_id, r'/([^/]+)/?$')), line.resource_id)) AS ResourceName,
  CASE
    WHEN line.is_unused OR line.is_commitment_purchase
      THEN IF(line.commitment_id IS NULL, NULL, IF(line.is_spend, 'Savings Plan', 'Reservation'))
    WHEN line.resource_id IS NULL THEN NULL
    ELSE COALESCE(resources.display_name, line.native_resource_type, line.consumed_service, line.meter_category, 'Resource')
  END AS ResourceType,
  COALESCE(by_type.service_category, by_provider.service_category, by_service.service_category, by_meter.service_category, 'Other')
    AS ServiceCategory,
  COALESCE(by_type.service_name, by_provider.service_name, by_service.service_name, by_meter.service_name,
    NULLIF(line.meter_category, 'Unassigned'), line.consumed_service, line.service_name,
    IF(line.is_marketplace, line.publisher_name, NULL), IF(line.category = 'Tax', 'Tax', 'Invoice')) AS ServiceName,
  IF(line.is_marketplace, COALESCE(line.publisher_name, 'Microsoft'), 'Microsoft') AS ServiceProviderName,
  COALESCE(by_type.service_subcategory, by_provider.service_subcategory, by_service.service_subcategory,
    by_meter.service_subcategory, 'Other (Other)') AS ServiceSubcategory,
  IF(line.is_priced, line.sku, NULL) AS SkuId,
  IF(line.is_priced AND line.sku IS NOT NULL, line.meter, NULL) AS SkuMeter,
  IF(line.is_priced AND line.category = 'Usage', properties.details, NULL) AS SkuPriceDetails,
  IF(line.is_priced, CONCAT(line.sku, '/', COALESCE(line.unit_of_measure, ''), '/', COALESCE(line.term, '')), NULL) AS SkuPriceId,
  line.subscription_id AS SubAccountId,
  IF(line.subscription_id IS NULL, NULL, COALESCE(line.subscription_name, line.subscription_id)) AS SubAccountName,
  IF(line.subscription_id IS NULL, NULL, 'Subscription') AS SubAccountType,
  tags.tags AS Tags,
  line.charge_type AS ChargeType,
  line.charge_type AS x_ChargeType,
  line.pricing_model AS x_PricingModel,
  line.publisher_type AS x_PublisherType,
  line.meter_category AS x_MeterCategory,
  line.resource_group AS x_ResourceGroupName,
  line.cost_center AS x_CostCenter,
  line.invoice_section_id AS x_InvoiceSectionId,
  IF(line.fitted_quantity = line.usage_quantity, NULL, line.usage_quantity) AS x_NativeQuantity,
  line.cost_in_billing_currency AS x_NativeCost,
  CONCAT(line.cost_view, '_cost') AS x_CostBasis,
  CASE
    WHEN line.list_price = line.retail_price AND line.fitted_quantity IS NOT NULL THEN 'list_price'
    WHEN line.price_cost IS NOT NULL THEN 'contracted_price'
    WHEN line.is_covered OR line.is_unused THEN 'effective_cost'
    ELSE 'billed_cost'
  END AS x_ListCostSource,
  NULLIF(ARRAY_TO_STRING([
    IF(line.has_no_quantity AND line.category = 'Usage' AND NOT line.is_unused, 'ConsumedQuantity', NULL),
    IF(line.has_no_price, 'ContractedUnitPrice', NULL),
    IF(line.has_no_list_price, 'ListUnitPrice', NULL),
    IF(line.has_no_quantity, 'PricingQuantity', NULL)
  ], ' '), '') AS x_SourceGaps,
  1 AS x_SplitPart,
  'cloud_azure_billing_raw_daily' AS x_source_system,
  line.x_source_file,
  line.x_source_row,
  'azure' AS x_cloud_provider,
  line.subscription_id AS x_cloud_account_id,
  profile.company_name, profile.admin_email, profile.default_currency, profile.default_timezone, profile.default_country,
  profile.subscription_plan, profile.subscription_status,
  line.x_org_slug,
  line.x_pipeline_id,
  line.x_credential_id,
  line.x_pipeline_run_date,
  @run_id AS x_run_id,
  CURRENT_TIMESTAMP() AS x_ingested_at,
  CURRENT_DATE() AS x_ingestion_date
FROM costed AS line
LEFT JOIN `$dataset.org_profile` AS profile ON profile.x_org_slug = line.x_org_slug
LEFT JOIN tags ON tags.native_text = line.resource_tags_json
LEFT JOIN properties ON properties.native_text = line.additional_info_json
LEFT JOIN commitments ON commitments.commitment_id = line.commitment_id
LEFT JOIN `{project_id}.organizations.azure_regions` AS regions ON regions.location = line.location_key
LEFT JOIN `{project_id}.organizations.azure_resource_types` AS resources ON resources.resource_type = line.native_resource_type
LEFT JOIN `{project_id}.organizations.azure_services` AS by_type ON by_type.native_name = line.native_resource_type
LEFT JOIN `{project_id}.organizations.azure_services` AS by_provider ON by_provider.native_name = line.resource_provider
LEFT JOIN `{project_id}.organizations.azure_services` AS by_service ON by_service.native_name = LOWER(line.consumed_service)
LEFT JOIN `{project_id}.organizations.azure_services` AS by_meter ON by_meter.native_name = LOWER(COALESCE(line.meter_category, line.service_name))
""", '$lines', p_lines), '$dataset', CONCAT(p_project_id, '.', p_dataset_id))
  USING p_org_slug AS org_slug, p_first_period AS first_period, p_last_period AS last_period, p_credential_id AS credential_id,
    p_run_id AS run_id;
END;
