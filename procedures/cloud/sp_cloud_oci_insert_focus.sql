-- Inserts the rows of OCI FOCUS reports (1.0-preview), lifted to FOCUS 1.3. Called by sp_cloud_oci_convert_to_focus inside its transaction,
-- after the rows of these periods were deleted.
--
-- Every row and its BilledCost and EffectiveCost are taken as they are. What the version lacks is derived, what 1.3 forbids beside other
-- values is set to null.
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
  EXECUTE IMMEDIATE REPLACE(r"""
INSERT INTO `$dataset.cost_data_standard_1_3` (
  AvailabilityZone, BilledCost, BillingAccountId, BillingAccountName, BillingAccountType, BillingCurrency, BillingPeriodEnd,
  BillingPeriodStart, ChargeCategory, ChargeClass, ChargeDescription, ChargeFrequency, ChargePeriodEnd, ChargePeriodStart,
  CommitmentDiscountCategory, CommitmentDiscountId, CommitmentDiscountName, CommitmentDiscountStatus, CommitmentDiscountType,
  ConsumedQuantity, ConsumedUnit, ContractedCost, ContractedUnitPrice, EffectiveCost, HostProviderName, InvoiceId,
  InvoiceIssuerName, ListCost, ListUnitPrice, PricingCategory, PricingCurrency, PricingCurrencyContractedUnitPrice,
  PricingCurrencyEffectiveCost, PricingCurrencyListUnitPrice, PricingQuantity, PricingUnit, ProviderName, PublisherName, RegionId,
  RegionName, ResourceId, ResourceName, ResourceType, ServiceCategory, ServiceName, ServiceProviderName, ServiceSubcategory,
  SkuId, SkuMeter, SkuPriceId, SubAccountId, SubAccountName, SubAccountType, Tags, ChargeType, x_ChargeSubtype, x_ReferenceNo,
  x_BackReferenceNo, x_OverageFlag, x_NativeQuantity, x_NativeCost, x_CostBasis, x_ListCostSource, x_SplitPart, x_source_system,
  x_source_record_id, x_source_file, x_source_row, x_cloud_provider, x_cloud_account_id, x_org_slug, x_pipeline_id,
  x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
WITH
native AS (
  SELECT
    charge.*,
    COALESCE(charge.SkuPriceId, charge.SkuId) IS NOT NULL AND charge.ChargeCategory <> 'Tax' AS is_priced,
    COALESCE(services.service_name, charge.ServiceName, charge.ChargeCategory) AS service_name,
    COALESCE(services.service_category, categories.service_category, 'Other') AS service_category,
    COALESCE(services.service_subcategory,
      CONCAT('Other (', COALESCE(services.service_category, categories.service_category, 'Other'), ')')) AS service_subcategory,
    COALESCE(charge.ContractedUnitPrice, charge.ListUnitPrice) AS contracted_price,
    charge.ListUnitPrice AS list_price
  FROM `$dataset.cloud_oci_focus_raw_daily` AS charge
  LEFT JOIN `{project_id}.organizations.oci_services` AS services ON services.native_name = UPPER(REPLACE(charge.ServiceName, ' ', '_'))
  LEFT JOIN (SELECT DISTINCT service_category FROM `{project_id}.organizations.focus_service_categories`) AS categories
    ON categories.service_category = IF(charge.ServiceCategory = 'Database', 'Databases', charge.ServiceCategory)
  WHERE charge.x_org_slug = @org_slug AND charge.billing_period_start_date BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR charge.x_credential_id = @credential_id)
),
fitted AS (
  SELECT
    *,
    CASE
      WHEN NOT is_priced THEN NULL
      WHEN PricingQuantity = ROUND(PricingQuantity, 12) AND COALESCE(contracted_price = ROUND(contracted_price, 12), TRUE)
        AND COALESCE(list_price = ROUND(list_price, 12), TRUE) THEN PricingQuantity
      ELSE ROUND(PricingQuantity, 24 - GREATEST(
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(contracted_price AS STRING), r'\.([0-9]*[1-9])'), '')),
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(list_price AS STRING), r'\.([0-9]*[1-9])'), ''))
      ), 'ROUND_HALF_EVEN')
    END AS pricing_quantity
  FROM native
),
costed AS (
  SELECT
    *,
    IF(is_priced, contracted_price * pricing_quantity, NULL) AS contracted_product,
    IF(is_priced, list_price * pricing_quantity, NULL) AS list_product
  FROM fitted
)
SELECT
  charge.AvailabilityZone,
  charge.BilledCost,
  charge.BillingAccountId,
  charge.BillingAccountName,
  COALESCE(charge.BillingAccountType, 'Tenancy') AS BillingAccountType,
  charge.BillingCurrency,
  COALESCE(charge.BillingPeriodEnd, TIMESTAMP(DATE_ADD(charge.billing_period_start_date, INTERVAL 1 MONTH))) AS BillingPeriodEnd,
  charge.BillingPeriodStart,
  charge.ChargeCategory,
  charge.ChargeClass,
  charge.ChargeDescription,
  COALESCE(charge.ChargeFrequency, IF(charge.ChargeCategory = 'Usage', 'Usage-Based', 'One-Time')) AS ChargeFrequency,
  charge.ChargePeriodEnd,
  charge.ChargePeriodStart,
  charge.CommitmentDiscountCategory,
  charge.CommitmentDiscountId,
  IF(charge.CommitmentDiscountId IS NULL, NULL, charge.CommitmentDiscountName) AS CommitmentDiscountName,
  CASE charge.x_ChargeSubcategory WHEN 'Used Commitment' THEN 'Used' WHEN 'Unused Commitment' THEN 'Unused'
    ELSE charge.CommitmentDiscountStatus END AS CommitmentDiscountStatus,
  IF(charge.CommitmentDiscountId IS NULL, NULL, charge.CommitmentDiscountType) AS CommitmentDiscountType,
  IF(charge.ChargeCategory = 'Usage' AND charge.is_priced, COALESCE(charge.ConsumedQuantity, charge.PricingQuantity), NULL) AS ConsumedQuantity,
  IF(charge.ChargeCategory = 'Usage' AND charge.is_priced AND COALESCE(charge.ConsumedQuantity, charge.PricingQuantity) IS NOT NULL,
    COALESCE(charge.ConsumedUnit, charge.PricingUnit, 'Units'), NULL) AS ConsumedUnit,
  COALESCE(charge.contracted_product, charge.ContractedCost, charge.BilledCost) AS ContractedCost,
  IF(charge.is_priced, charge.contracted_price, NULL) AS ContractedUnitPrice,
  charge.EffectiveCost,
  COALESCE(charge.HostProviderName, 'Oracle') AS HostProviderName,
  charge.InvoiceId,
  COALESCE(charge.InvoiceIssuerName, 'Oracle') AS InvoiceIssuerName,
  COALESCE(charge.list_product, charge.ListCost, charge.contracted_product, charge.BilledCost) AS ListCost,
  IF(charge.is_priced, charge.list_price, NULL) AS ListUnitPrice,
  IF(charge.is_priced, COALESCE(charge.PricingCategory, 'Standard'), NULL) AS PricingCategory,
  COALESCE(charge.PricingCurrency, charge.BillingCurrency) AS PricingCurrency,
  IF(charge.is_priced, charge.contracted_price, NULL) AS PricingCurrencyContractedUnitPrice,
  charge.EffectiveCost AS PricingCurrencyEffectiveCost,
  IF(charge.is_priced, charge.list_price, NULL) AS PricingCurrencyListUnitPrice,
  charge.pricing_quantity AS PricingQuantity,
  IF(charge.pricing_quantity IS NULL, NULL, COALESCE(charge.PricingUnit, charge.ConsumedUnit, 'Units')) AS PricingUnit,
  COALESCE(charge.ProviderName, 'Oracle') AS ProviderName,
  COALESCE(charge.PublisherName, charge.ProviderName, 'Oracle') AS PublisherName,
  charge.RegionId,
  IF(charge.RegionId IS NULL, NULL, COALESCE(charge.RegionName, regions.region_name, charge.RegionId)) AS RegionName,
  charge.ResourceId,
  IF(charge.ResourceId IS NULL, NULL, NULLIF(charge.ResourceName, charge.ResourceId)) AS ResourceName,
  IF(charge.ResourceId IS NULL, NULL,
    COALESCE(charge.ResourceType, REGEXP_EXTRACT(charge.ResourceId, r'^ocid1\.([^.]+)\.'), charge.service_name)) AS ResourceType,
  charge.service_category AS ServiceCategory,
  charge.service_name AS ServiceName,
  COALESCE(charge.ServiceProviderName, charge.ProviderName, 'Oracle') AS ServiceProviderName,
  charge.service_subcategory AS ServiceSubcategory,
  IF(charge.is_priced, COALESCE(charge.SkuId, charge.SkuPriceId), NULL) AS SkuId,
  IF(charge.is_priced, COALESCE(charge.SkuMeter, charge.ChargeDescription, charge.SkuId), NULL) AS SkuMeter,
  IF(charge.is_priced, COALESCE(charge.SkuPriceId, charge.SkuId), NULL) AS SkuPriceId,
  COALESCE(charge.SubAccountId, charge.x_CompartmentId) AS SubAccountId,
  IF(COALESCE(charge.SubAccountId, charge.x_CompartmentId) IS NULL, NULL,
    COALESCE(charge.SubAccountName, charge.x_CompartmentName, charge.SubAccountId, charge.x_CompartmentId)) AS SubAccountName,
  IF(COALESCE(charge.SubAccountId, charge.x_CompartmentId) IS NULL, NULL, COALESCE(charge.SubAccountType, 'Compartment')) AS SubAccountType,
  SAFE.PARSE_JSON(charge.Tags) AS Tags,
  charge.ChargeCategory AS ChargeType,
  charge.x_ChargeSubcategory AS x_ChargeSubtype,
  charge.x_ReferenceNo,
  charge.x_BackReferenceNo,
  charge.x_OverageFlag,
  IF(charge.pricing_quantity = charge.PricingQuantity, NULL, charge.PricingQuantity) AS x_NativeQuantity,
  charge.BilledCost AS x_NativeCost,
  'BilledCost' AS x_CostBasis,
  IF(charge.list_product IS NULL AND charge.ListCost IS NULL, 'contracted_price', 'native') AS x_ListCostSource,
  1 AS x_SplitPart,
  'cloud_oci_focus_raw_daily' AS x_source_system,
  charge.x_ReferenceNo AS x_source_record_id,
  charge.x_source_file,
  charge.x_source_row,
  'oci' AS x_cloud_provider,
  charge.BillingAccountId AS x_cloud_account_id,
  charge.x_org_slug,
  charge.x_pipeline_id,
  charge.x_credential_id,
  charge.x_pipeline_run_date,
  @run_id AS x_run_id,
  CURRENT_TIMESTAMP() AS x_ingested_at,
  CURRENT_DATE() AS x_ingestion_date
FROM costed AS charge
LEFT JOIN `{project_id}.organizations.oci_regions` AS regions ON regions.region_id = charge.RegionId
""", '$dataset', CONCAT(p_project_id, '.', p_dataset_id))
  USING p_org_slug AS org_slug, p_first_period AS first_period, p_last_period AS last_period, p_credential_id AS credential_id,
    p_run_id AS run_id;
END;
