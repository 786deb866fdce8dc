-- Inserts the rows of native Azure FOCUS exports (1.0-preview to 1.2), lifted to FOCUS 1.3. Called by sp_cloud_azure_convert_to_focus inside its
-- transaction, after the rows of these periods were deleted.
--
-- Every row and its BilledCost and EffectiveCost are taken as they are. What older versions lack is derived, what 1.3 forbids beside other
-- values is set to null.
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
  EXECUTE IMMEDIATE REPLACE(r"""
INSERT INTO `$dataset.cost_data_standard_1_3` (
  AvailabilityZone, BilledCost, BillingAccountId, BillingAccountName, BillingAccountType, BillingCurrency, BillingPeriodEnd,
  BillingPeriodStart, CapacityReservationId, CapacityReservationStatus, ChargeCategory, ChargeClass, ChargeDescription,
  ChargeFrequency, ChargePeriodEnd, ChargePeriodStart, CommitmentDiscountCategory, CommitmentDiscountId, CommitmentDiscountName,
  CommitmentDiscountQuantity, CommitmentDiscountStatus, CommitmentDiscountType, CommitmentDiscountUnit, ConsumedQuantity,
  ConsumedUnit, ContractApplied, ContractedCost, ContractedUnitPrice, EffectiveCost, HostProviderName, InvoiceId,
  InvoiceIssuerName, ListCost, ListUnitPrice, PricingCategory, PricingCurrency, PricingCurrencyContractedUnitPrice,
  PricingCurrencyEffectiveCost, PricingCurrencyListUnitPrice, PricingQuantity, PricingUnit, ProviderName, PublisherName, RegionId,
  RegionName, ResourceId, ResourceName, ResourceType, ServiceCategory, ServiceName, ServiceProviderName, ServiceSubcategory,
  SkuId, SkuMeter, SkuPriceDetails, SkuPriceId, SubAccountId, SubAccountName, SubAccountType, Tags, AllocatedMethodDetails,
  AllocatedMethodId, AllocatedResourceId, AllocatedResourceName, AllocatedTags, ChargeType, x_ChargeSubtype, x_MeterCategory,
  x_ResourceGroupName, x_CostCenter, x_InvoiceSectionId, x_NativeQuantity, x_NativeCost, x_CostBasis, x_ListCostSource,
  x_SplitPart, x_source_system, x_source_file, x_source_row, x_cloud_provider, x_cloud_account_id, x_org_slug, x_pipeline_id,
  x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
WITH
service_names AS (
  SELECT service_name, MIN(service_category) AS service_category, MIN(service_subcategory) AS service_subcategory
  FROM `{project_id}.organizations.azure_services`
  GROUP BY service_name
),
category_names AS (
  SELECT DISTINCT service_category FROM `{project_id}.organizations.focus_service_categories`
),
-- Many rows share their tags and SKU properties: JSON is parsed once per text, not once per row.
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
sku_details AS (
  SELECT
    SkuPriceDetails AS native_text,
    -- Keys that FOCUS 1.3 does not know, such as those of later versions, are custom ones.
    PARSE_JSON(REGEXP_REPLACE(REGEXP_REPLACE(SkuPriceDetails, r'([{,]\s*)"([^"]+)"\s*:', r'\1"x_\2":'),
      r'"x_(x_[^"]*|CoreCount|DiskMaxIops|DiskSpace|DiskType|GpuCount|InstanceSeries|InstanceType|MemorySize|NetworkMaxIops|NetworkMaxThroughput|OperatingSystem|Redundancy|StorageClass)":',
      r'"\1":'), wide_number_mode => 'round') AS details
  FROM `$dataset.cloud_azure_focus_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start_date BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  GROUP BY SkuPriceDetails
),
native AS (
  SELECT
    charge.*,
    tags.tags AS own_tags,
    sku_details.details,
    charge.ChargeCategory AS category,
    -- Exports name no service on Marketplace products of Enterprise Agreements, and on purchases, credits and rounding of others.
    COALESCE(charge.ServiceName, by_type.service_name,
      IF(COALESCE(charge.x_PublisherCategory, '') = 'Vendor', charge.PublisherName, NULL),
      charge.x_SkuMeterSubcategory, charge.x_SkuMeterCategory, charge.ChargeCategory) AS service_name,
    COALESCE(service_names.service_category, by_type.service_category) AS known_category,
    COALESCE(service_names.service_subcategory, by_type.service_subcategory) AS known_subcategory,
    COALESCE(category_names.service_category, service_names.service_category, by_type.service_category, 'Other') AS service_category,
    COALESCE(charge.PublisherName <> 'Microsoft' AND NOT STARTS_WITH(charge.PublisherName, 'Microsoft'), FALSE) AS is_marketplace,
    charge.SkuId AS sku,
    IF(charge.CommitmentDiscountId IS NULL, NULL,
      CASE charge.x_ChargeSubcategory WHEN 'Used Commitment' THEN 'Used' WHEN 'Unused Commitment' THEN 'Unused'
        ELSE charge.CommitmentDiscountStatus END) AS commitment_status,
    IF(charge.CommitmentDiscountId IS NULL, NULL, COALESCE(charge.CommitmentDiscountCategory,
      IF(REGEXP_CONTAINS(LOWER(charge.CommitmentDiscountId), r'/microsoft\.billingbenefits/'), 'Spend', 'Usage'))) AS commitment_category,
    COALESCE(pricing_units.focus_unit, charge.PricingUnit) AS pricing_unit
  FROM `$dataset.cloud_azure_focus_raw_daily` AS charge
  LEFT JOIN tags ON tags.native_text = charge.Tags
  LEFT JOIN sku_details ON sku_details.native_text = charge.SkuPriceDetails
  LEFT JOIN service_names ON service_names.service_name = charge.ServiceName
  LEFT JOIN `{project_id}.organizations.azure_services` AS by_type
    ON by_type.native_name = REGEXP_EXTRACT(LOWER(charge.ResourceId), r'/providers/([^/]+)/')
  LEFT JOIN category_names
    ON category_names.service_category = IF(charge.ServiceCategory = 'Database', 'Databases', charge.ServiceCategory)
  LEFT JOIN `{project_id}.organizations.azure_units` AS pricing_units ON pricing_units.native_unit = LOWER(charge.PricingUnit)
  WHERE charge.x_org_slug = @org_slug AND charge.billing_period_start_date BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR charge.x_credential_id = @credential_id)
),
priced AS (
  SELECT
    *,
    SkuPriceId IS NOT NULL AND category <> 'Tax' AS is_priced,
    -- A charge that is taken back has its quantity with the sign of its cost.
    IF(COALESCE(NULLIF(ContractedCost, 0), BilledCost) < 0 AND PricingQuantity > 0, -PricingQuantity, PricingQuantity) AS signed_quantity,
    IF(category = 'Usage' AND CommitmentDiscountId IS NOT NULL, EffectiveCost, BilledCost) AS known_cost,
    category = 'Usage' AND SkuPriceId IS NOT NULL AND COALESCE(commitment_status, '') <> 'Unused' AS is_consumption,
    COALESCE(ServiceProviderName, IF(is_marketplace, PublisherName, NULL), ProviderName, 'Microsoft') AS service_provider,
    IF(commitment_status = 'Unused' OR (category = 'Purchase' AND CommitmentDiscountId IS NOT NULL), CommitmentDiscountId, ResourceId)
      AS resource_id,
    CASE
      WHEN SkuPriceId IS NULL OR category NOT IN ('Usage', 'Purchase') OR CommitmentDiscountId IS NULL THEN NULL
      WHEN CommitmentDiscountQuantity IS NOT NULL THEN CommitmentDiscountQuantity
      WHEN commitment_category = 'Spend' THEN IF(category = 'Purchase', BilledCost, EffectiveCost)
      ELSE COALESCE(ConsumedQuantity, PricingQuantity)
    END AS commitment_quantity,
    CASE
      WHEN SkuPriceId IS NULL OR category = 'Tax' THEN NULL
      -- A price of 0 beside a charge, or on rows whose price a commitment or a seller sets, means unknown.
      WHEN ContractedUnitPrice <> 0 THEN ContractedUnitPrice
      WHEN ContractedUnitPrice = 0 AND NOT is_marketplace AND CommitmentDiscountId IS NULL AND BilledCost = 0 THEN ContractedUnitPrice
      WHEN ContractedCost = 0 THEN NULL
      WHEN COALESCE(PricingQuantity, 0) = 0 OR PricingQuantity <> ROUND(PricingQuantity, 12) THEN NULL
      WHEN ROUND(SAFE_DIVIDE(ContractedCost, PricingQuantity), 12) * PricingQuantity = ContractedCost
        THEN ROUND(SAFE_DIVIDE(ContractedCost, PricingQuantity), 12)
    END AS contracted_price,
    CASE
      WHEN SkuPriceId IS NULL OR category = 'Tax' THEN NULL
      -- A price of 0 beside a charge, or on rows whose price a commitment or a seller sets, means unknown.
      WHEN ListUnitPrice <> 0 THEN ListUnitPrice
      WHEN ListUnitPrice = 0 AND NOT is_marketplace AND CommitmentDiscountId IS NULL AND BilledCost = 0 THEN ListUnitPrice
      WHEN ListCost = 0 THEN NULL
      WHEN COALESCE(PricingQuantity, 0) = 0 OR PricingQuantity <> ROUND(PricingQuantity, 12) THEN NULL
      WHEN ROUND(SAFE_DIVIDE(ListCost, PricingQuantity), 12) * PricingQuantity = ListCost
        THEN ROUND(SAFE_DIVIDE(ListCost, PricingQuantity), 12)
    END AS list_price
  FROM native
),
fitted AS (
  SELECT
    *,
    CASE
      WHEN NOT is_priced THEN NULL
      WHEN signed_quantity = ROUND(signed_quantity, 12) AND COALESCE(contracted_price = ROUND(contracted_price, 12), TRUE)
        AND (COALESCE(list_price = contracted_price, FALSE) OR COALESCE(list_price = ROUND(list_price, 12), TRUE)) THEN signed_quantity
      ELSE ROUND(signed_quantity, 24 - GREATEST(
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(contracted_price AS STRING), r'\.([0-9]*[1-9])'), '')),
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(list_price AS STRING), r'\.([0-9]*[1-9])'), ''))
      ), 'ROUND_HALF_EVEN')
    END AS pricing_quantity
  FROM priced
),
-- Exports round costs to ten decimals or more; on amounts so small that a millionth is finer than that, the rounding is what counts.
costed AS (
  SELECT
    *,
    contracted_price * pricing_quantity AS contracted_product,
    list_price * pricing_quantity AS list_product,
    GREATEST(ROUND(ABS(ContractedCost) * BIGNUMERIC '0.000001', 24), BIGNUMERIC '0.0000000001') AS contracted_tolerance,
    GREATEST(ROUND(ABS(ListCost) * BIGNUMERIC '0.000001', 24), BIGNUMERIC '0.0000000001') AS list_tolerance
  FROM fitted
)
SELECT
  charge.AvailabilityZone,
  charge.BilledCost,
  charge.BillingAccountId,
  charge.BillingAccountName,
  COALESCE(charge.BillingAccountType, 'Billing Account') AS BillingAccountType,
  charge.BillingCurrency,
  COALESCE(charge.BillingPeriodEnd, TIMESTAMP(DATE_ADD(charge.billing_period_start_date, INTERVAL 1 MONTH))) AS BillingPeriodEnd,
  charge.BillingPeriodStart,
  charge.CapacityReservationId,
  IF(charge.CapacityReservationId IS NULL, NULL, charge.CapacityReservationStatus) AS CapacityReservationStatus,
  charge.category AS ChargeCategory,
  charge.ChargeClass,
  COALESCE(charge.ChargeDescription, CONCAT(charge.category, ' ', charge.ServiceName)) AS ChargeDescription,
  CASE LOWER(charge.ChargeFrequency)
    WHEN 'usage-based' THEN 'Usage-Based'
    WHEN 'recurring' THEN 'Recurring'
    WHEN 'one-time' THEN 'One-Time'
    ELSE COALESCE(charge.ChargeFrequency, IF(charge.category = 'Usage', 'Usage-Based', 'One-Time'))
  END AS ChargeFrequency,
  TIMESTAMP_TRUNC(COALESCE(charge.ChargePeriodEnd, TIMESTAMP_ADD(charge.ChargePeriodStart, INTERVAL 1 HOUR)), SECOND) AS ChargePeriodEnd,
  TIMESTAMP_TRUNC(charge.ChargePeriodStart, SECOND) AS ChargePeriodStart,
  charge.commitment_category AS CommitmentDiscountCategory,
  charge.CommitmentDiscountId,
  IF(charge.CommitmentDiscountId IS NULL, NULL, charge.CommitmentDiscountName) AS CommitmentDiscountName,
  charge.commitment_quantity AS CommitmentDiscountQuantity,
  charge.commitment_status AS CommitmentDiscountStatus,
  IF(charge.CommitmentDiscountId IS NULL, NULL, COALESCE(charge.CommitmentDiscountType,
    IF(charge.commitment_category = 'Spend', 'Savings Plan', 'Reservation'))) AS CommitmentDiscountType,
  IF(charge.commitment_quantity IS NULL, NULL, COALESCE(charge.CommitmentDiscountUnit,
    IF(charge.commitment_category = 'Spend', charge.BillingCurrency, charge.pricing_unit), 'Units')) AS CommitmentDiscountUnit,
  IF(charge.is_consumption, charge.ConsumedQuantity, NULL) AS ConsumedQuantity,
  IF(charge.is_consumption AND charge.ConsumedQuantity IS NOT NULL,
    COALESCE(consumed_units.focus_unit, charge.ConsumedUnit, charge.pricing_unit, 'Units'), NULL) AS ConsumedUnit,
  IF(charge.ContractApplied IS NULL, NULL,
    PARSE_JSON(REPLACE(charge.ContractApplied, '"ContractCommitmentId"', '"ContractCommitmentID"'), wide_number_mode => 'round')) AS ContractApplied,
  -- A cost that differs from price x quantity only by its own rounding is the product; a larger difference is kept and reported. A cost
  -- of 0 without a price means unknown.
  CASE
    WHEN COALESCE(charge.ContractedCost, 0) = 0 THEN COALESCE(charge.contracted_product, charge.known_cost)
    WHEN ABS(charge.ContractedCost - charge.contracted_product) <= charge.contracted_tolerance THEN charge.contracted_product
    ELSE charge.ContractedCost
  END AS ContractedCost,
  charge.contracted_price AS ContractedUnitPrice,
  charge.EffectiveCost,
  COALESCE(charge.HostProviderName, 'Microsoft') AS HostProviderName,
  charge.InvoiceId,
  COALESCE(charge.InvoiceIssuerName, 'Microsoft') AS InvoiceIssuerName,
  CASE
    WHEN COALESCE(charge.ListCost, 0) = 0
      THEN COALESCE(charge.list_product, NULLIF(charge.ContractedCost, 0), charge.contracted_product, charge.known_cost)
    WHEN ABS(charge.ListCost - charge.list_product) <= charge.list_tolerance THEN charge.list_product
    ELSE charge.ListCost
  END AS ListCost,
  charge.list_price AS ListUnitPrice,
  IF(charge.is_priced, CASE charge.PricingCategory WHEN 'On-Demand' THEN 'Standard' WHEN 'Commitment-Based' THEN 'Committed'
    ELSE charge.PricingCategory END, NULL) AS PricingCategory,
  COALESCE(charge.PricingCurrency, charge.BillingCurrency) AS PricingCurrency,
  IF(charge.is_priced, COALESCE(charge.PricingCurrencyContractedUnitPrice, charge.contracted_price), NULL) AS PricingCurrencyContractedUnitPrice,
  COALESCE(charge.PricingCurrencyEffectiveCost, charge.EffectiveCost) AS PricingCurrencyEffectiveCost,
  IF(charge.is_priced, COALESCE(charge.PricingCurrencyListUnitPrice, charge.list_price), NULL) AS PricingCurrencyListUnitPrice,
  charge.pricing_quantity AS PricingQuantity,
  IF(charge.pricing_quantity IS NULL, NULL, COALESCE(charge.pricing_unit, 'Units')) AS PricingUnit,
  COALESCE(charge.ProviderName, charge.service_provider) AS ProviderName,
  COALESCE(charge.PublisherName, charge.ProviderName, charge.service_provider) AS PublisherName,
  charge.RegionId,
  IF(charge.RegionId IS NULL, NULL, COALESCE(charge.RegionName, regions.region_name, charge.RegionId)) AS RegionName,
  charge.resource_id AS ResourceId,
  IF(charge.resource_id IS NULL, NULL, NULLIF(charge.ResourceName, charge.resource_id)) AS ResourceName,
  IF(charge.resource_id IS NULL, NULL, COALESCE(charge.ResourceType, resources.display_name,
    REGEXP_EXTRACT(charge.resource_id, r'/providers/([^/]+/[^/]+)/'), charge.service_name)) AS ResourceType,
  charge.service_category AS ServiceCategory,
  charge.service_name AS ServiceName,
  charge.service_provider AS ServiceProviderName,
  CASE
    WHEN categories.service_subcategory IS NOT NULL THEN categories.service_subcategory
    WHEN charge.known_category = charge.service_category THEN charge.known_subcategory
    ELSE CONCAT('Other (', charge.service_category, ')')
  END AS ServiceSubcategory,
  IF(charge.category = 'Tax', NULL, charge.sku) AS SkuId,
  IF(charge.category = 'Tax' OR charge.sku IS NULL, NULL, COALESCE(charge.SkuMeter, charge.x_SkuMeterSubcategory, charge.x_SkuMeterCategory, charge.sku)) AS SkuMeter,
  IF(charge.is_priced, charge.details, NULL) AS SkuPriceDetails,
  IF(charge.is_priced, charge.SkuPriceId, NULL) AS SkuPriceId,
  charge.SubAccountId,
  IF(charge.SubAccountId IS NULL, NULL, charge.SubAccountName) AS SubAccountName,
  IF(charge.SubAccountId IS NULL, NULL, COALESCE(charge.SubAccountType, 'Subscription')) AS SubAccountType,
  charge.own_tags AS Tags,
  IF(charge.AllocatedMethodDetails IS NULL, NULL, PARSE_JSON(charge.AllocatedMethodDetails, wide_number_mode => 'round')) AS AllocatedMethodDetails,
  charge.AllocatedMethodId,
  charge.AllocatedResourceId,
  charge.AllocatedResourceName,
  IF(charge.AllocatedTags IS NULL, NULL, PARSE_JSON(charge.AllocatedTags)) AS AllocatedTags,
  charge.ChargeCategory AS ChargeType,
  charge.x_ChargeSubcategory AS x_ChargeSubtype,
  charge.x_SkuMeterCategory AS x_MeterCategory,
  charge.x_ResourceGroupName,
  charge.x_CostCenter,
  charge.x_InvoiceSectionId,
  IF(charge.pricing_quantity = charge.PricingQuantity, NULL, charge.PricingQuantity) AS x_NativeQuantity,
  charge.BilledCost AS x_NativeCost,
  'BilledCost' AS x_CostBasis,
  IF(COALESCE(charge.ListCost, 0) = 0 AND charge.list_product IS NULL, 'contracted_price', 'native') AS x_ListCostSource,
  1 AS x_SplitPart,
  'cloud_azure_focus_raw_daily' AS x_source_system,
  charge.x_source_file,
  charge.x_source_row,
  'azure' AS x_cloud_provider,
  charge.SubAccountId AS x_cloud_account_id,
  charge.x_org_slug,
  charge.x_pipeline_id,
  charge.x_credential_id,
  charge.x_pipeline_run_date,
  @run_id AS x_run_id,
  CURRENT_TIMESTAMP() AS x_ingested_at,
  CURRENT_DATE() AS x_ingestion_date
FROM costed AS charge
LEFT JOIN `{project_id}.organizations.focus_service_categories` AS categories
  ON categories.service_category = charge.service_category AND categories.service_subcategory = charge.ServiceSubcategory
LEFT JOIN `{project_id}.organizations.azure_units` AS consumed_units ON consumed_units.native_unit = LOWER(charge.ConsumedUnit)
LEFT JOIN `{project_id}.organizations.azure_regions` AS regions ON regions.location = charge.RegionId
LEFT JOIN `{project_id}.organizations.azure_resource_types` AS resources
  ON resources.resource_type = LOWER(REGEXP_EXTRACT(charge.resource_id, r'/providers/([^/]+/[^/]+)/[^/]+'))
""", '$dataset', CONCAT(p_project_id, '.', p_dataset_id))
  USING p_org_slug AS org_slug, p_first_period AS first_period, p_last_period AS last_period, p_credential_id AS credential_id,
    p_run_id AS run_id;
END;
