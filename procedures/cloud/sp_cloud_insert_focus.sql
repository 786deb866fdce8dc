-- Inserts the rows of a cloud's native FOCUS exports, lifted to FOCUS 1.3. Called by each sp_cloud_*_insert_focus.
--
-- Every row and its BilledCost and EffectiveCost are taken as they are. What older versions lack is derived, what 1.3 forbids beside other
-- values is set to null.
--
-- p_native is the cloud's own part: common table expressions, the last of which is `native`. That has the columns of the raw table, those of
-- p_own_columns (columns of cost_data_standard_1_3 that this cloud alone fills), and
--   own_tags                              Tags as JSON
--   service_name                          never null
--   known_category, known_subcategory     of the service by the lookups
--   cloud, is_marketplace                 who invoices and hosts; whether PublisherName sells instead
--   own_sku, sku_meter                    id and meter, also where the export has them in other columns
--   contracted_price_given, list_price_given, contracted_cost_given, list_cost_given
--                                         null where the export does not tell them, also where it writes 0 for that
--   pricing_unit, consumed_unit, any_unit units of FOCUS; what is counted where there is none
--   region_name, own_resource_type        of RegionId and ResourceId by the lookups
--   account_type, sub_account_type, cloud_account_id
--   likely_commitment, spend_commitment, usage_commitment
--                                         category of a commitment that the export does not classify; types by category
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_insert_focus`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_org_slug STRING,
  p_provider STRING,
  p_first_period DATE,
  p_last_period DATE,
  p_credential_id STRING,
  p_run_id STRING,
  p_native STRING,
  p_own_columns STRING
)
BEGIN
  EXECUTE IMMEDIATE REPLACE(REPLACE(REPLACE(REPLACE(r"""
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
  AllocatedMethodId, AllocatedResourceId, AllocatedResourceName, AllocatedTags, ChargeType, x_ChargeSubtype, x_NativeQuantity,
  x_NativeCost, x_CostBasis, x_ListCostSource, x_SourceGaps, x_SplitPart, x_source_system, x_source_file, x_source_row, x_cloud_provider,
  x_cloud_account_id,
  x_org_name, x_org_owner_email, x_org_default_currency, x_org_default_timezone, x_org_default_country,
  x_org_subscription_plan, x_org_subscription_status,
  x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date,
  $own_columns
)
WITH
$native,
category_names AS (
  SELECT DISTINCT service_category FROM `{project_id}.organizations.focus_service_categories`
),
-- Many rows share their SKU properties: JSON is parsed once per text, not once per row.
sku_details AS (
  SELECT
    SkuPriceDetails AS native_text,
    -- Keys that FOCUS 1.3 does not know, such as those of later versions, are custom ones.
    PARSE_JSON(REGEXP_REPLACE(REGEXP_REPLACE(SkuPriceDetails, r'([{,]\s*)"([^"]+)"\s*:', r'\1"x_\2":'),
      r'"x_(x_[^"]*|CoreCount|DiskMaxIops|DiskSpace|DiskType|GpuCount|InstanceSeries|InstanceType|MemorySize|NetworkMaxIops|NetworkMaxThroughput|OperatingSystem|Redundancy|StorageClass)":',
      r'"\1":'), wide_number_mode => 'round') AS details
  FROM `$dataset.cloud_$provider_focus_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start_date BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  GROUP BY SkuPriceDetails
),
classified AS (
  SELECT
    native.*,
    sku_details.details,
    COALESCE(category_names.service_category, native.known_category, 'Other') AS service_category,
    IF(native.ChargeCategory = 'Adjustment' AND native.x_ChargeSubcategory = 'Credit', 'Credit', native.ChargeCategory) AS category,
    COALESCE(native.ServiceProviderName, IF(native.is_marketplace, native.PublisherName, NULL), native.cloud) AS service_provider,
    CASE
      WHEN native.CommitmentDiscountId IS NULL THEN NULL
      WHEN native.x_ChargeSubcategory = 'Used Commitment' THEN 'Used'
      WHEN native.x_ChargeSubcategory = 'Unused Commitment' THEN 'Unused'
      ELSE native.CommitmentDiscountStatus
    END AS commitment_status,
    IF(native.CommitmentDiscountId IS NULL, NULL, COALESCE(native.CommitmentDiscountCategory, native.likely_commitment))
      AS commitment_category,
    -- Where an export names no SKU, the service is one, and a SKU of one price names that, too.
    COALESCE(native.SkuPriceId, IF(native.ChargeCategory IN ('Usage', 'Purchase') AND native.ChargeClass IS NULL,
      COALESCE(native.own_sku, native.service_name), NULL)) AS sku_price,
    COALESCE(native.own_sku, IF(native.ChargeCategory IN ('Usage', 'Purchase') AND native.ChargeClass IS NULL, native.service_name, NULL))
      AS sku,
    -- A charge that is taken back has its quantity with the sign of its cost.
    IF(COALESCE(native.contracted_cost_given, native.BilledCost) < 0 AND native.PricingQuantity > 0, -native.PricingQuantity,
      native.PricingQuantity) AS signed_quantity
  FROM native
  LEFT JOIN sku_details ON sku_details.native_text = native.SkuPriceDetails
  LEFT JOIN category_names
    ON category_names.service_category = IF(native.ServiceCategory = 'Database', 'Databases', native.ServiceCategory)
),
measured AS (
  SELECT
    *,
    sku_price IS NOT NULL AND category <> 'Tax' AS is_priced,
    category = 'Usage' AND sku_price IS NOT NULL AND COALESCE(commitment_status, '') <> 'Unused' AS is_consumption,
    COALESCE(commitment_status = 'Unused', FALSE) OR (category = 'Purchase' AND CommitmentDiscountId IS NOT NULL) AS is_commitment_itself,
    COALESCE(CommitmentDiscountType, IF(commitment_category = 'Spend', spend_commitment, usage_commitment)) AS commitment_type,
    IF(category = 'Usage' AND CommitmentDiscountId IS NOT NULL, EffectiveCost, BilledCost) AS known_cost,
    CASE
      WHEN sku_price IS NULL OR category NOT IN ('Usage', 'Purchase') OR CommitmentDiscountId IS NULL THEN NULL
      WHEN CommitmentDiscountQuantity IS NOT NULL THEN CommitmentDiscountQuantity
      WHEN commitment_category = 'Spend' THEN IF(category = 'Purchase', BilledCost, EffectiveCost)
      ELSE COALESCE(ConsumedQuantity, PricingQuantity)
    END AS commitment_quantity,
    -- A price that is not told is the list price that was charged, or the cost by the quantity, where the division ends.
    IF(contracted_cost_given IS NULL AND CommitmentDiscountId IS NULL AND signed_quantity = ROUND(signed_quantity, 12)
      AND list_price_given = ROUND(list_price_given, 12) AND list_price_given * signed_quantity = BilledCost, list_price_given, NULL)
      AS charged_list_price,
    CASE
      WHEN signed_quantity = 1 THEN contracted_cost_given
      WHEN COALESCE(signed_quantity, 0) = 0 OR signed_quantity <> ROUND(signed_quantity, 12) THEN NULL
      WHEN ROUND(SAFE_DIVIDE(contracted_cost_given, signed_quantity), 12) * signed_quantity = contracted_cost_given
        THEN ROUND(SAFE_DIVIDE(contracted_cost_given, signed_quantity), 12)
    END AS contracted_unit_cost,
    CASE
      WHEN signed_quantity = 1 THEN list_cost_given
      WHEN COALESCE(signed_quantity, 0) = 0 OR signed_quantity <> ROUND(signed_quantity, 12) THEN NULL
      WHEN ROUND(SAFE_DIVIDE(list_cost_given, signed_quantity), 12) * signed_quantity = list_cost_given
        THEN ROUND(SAFE_DIVIDE(list_cost_given, signed_quantity), 12)
    END AS list_unit_cost,
    -- Exports round costs to ten decimals or more; on amounts so small that a millionth is finer than that, the rounding is what counts.
    GREATEST(ROUND(ABS(contracted_cost_given) * BIGNUMERIC '0.000001', 24), BIGNUMERIC '0.0000000001') AS contracted_tolerance,
    GREATEST(ROUND(ABS(list_cost_given) * BIGNUMERIC '0.000001', 24), BIGNUMERIC '0.0000000001') AS list_tolerance,
    category IN ('Credit', 'Adjustment') AND (sku_price IS NULL OR COALESCE(contracted_price_given, list_price_given) IS NULL) AS is_unpriced_credit
  FROM classified
),
priced AS (
  SELECT
    *,
    IF(is_priced, COALESCE(contracted_price_given, charged_list_price, contracted_unit_cost), NULL) AS contracted_price,
    IF(is_priced, COALESCE(list_price_given, list_unit_cost), NULL) AS list_price
  FROM measured
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
costed AS (
  SELECT
    *,
    contracted_price * pricing_quantity AS contracted_product,
    list_price * pricing_quantity AS list_product,
    is_priced AND ABS(contracted_cost_given - ROUND(contracted_price_given * signed_quantity, 24)) > contracted_tolerance AS is_unlike_contracted_price,
    is_priced AND ABS(list_cost_given - ROUND(list_price_given * signed_quantity, 24)) > list_tolerance AS is_unlike_list_price
  FROM fitted
)
SELECT
  charge.AvailabilityZone,
  charge.BilledCost,
  charge.BillingAccountId,
  charge.BillingAccountName,
  COALESCE(charge.BillingAccountType, charge.account_type) AS BillingAccountType,
  charge.BillingCurrency,
  COALESCE(charge.BillingPeriodEnd, TIMESTAMP(DATE_ADD(charge.billing_period_start_date, INTERVAL 1 MONTH))) AS BillingPeriodEnd,
  charge.BillingPeriodStart,
  charge.CapacityReservationId,
  IF(charge.CapacityReservationId IS NULL, NULL, charge.CapacityReservationStatus) AS CapacityReservationStatus,
  charge.category AS ChargeCategory,
  charge.ChargeClass,
  COALESCE(charge.ChargeDescription, CONCAT(charge.category, ' ', charge.service_name)) AS ChargeDescription,
  CASE LOWER(charge.ChargeFrequency)
    -- No purchase is: Azure's exports call some of its Marketplace so.
    WHEN 'usage-based' THEN IF(charge.category = 'Purchase', 'One-Time', 'Usage-Based')
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
  IF(charge.CommitmentDiscountId IS NULL, NULL, charge.commitment_type) AS CommitmentDiscountType,
  IF(charge.commitment_quantity IS NULL, NULL, COALESCE(charge.CommitmentDiscountUnit,
    CASE
      WHEN charge.commitment_category = 'Spend' THEN charge.BillingCurrency
      WHEN charge.CommitmentDiscountQuantity IS NULL AND charge.ConsumedQuantity IS NOT NULL THEN charge.consumed_unit
      ELSE charge.pricing_unit
    END, charge.any_unit)) AS CommitmentDiscountUnit,
  IF(charge.is_consumption, COALESCE(charge.ConsumedQuantity, charge.PricingQuantity), NULL) AS ConsumedQuantity,
  IF(charge.is_consumption AND COALESCE(charge.ConsumedQuantity, charge.PricingQuantity) IS NOT NULL,
    COALESCE(IF(charge.ConsumedQuantity IS NULL, NULL, charge.consumed_unit), charge.pricing_unit, charge.any_unit), NULL) AS ConsumedUnit,
  IF(charge.ContractApplied IS NULL, NULL,
    PARSE_JSON(REPLACE(charge.ContractApplied, '"ContractCommitmentId"', '"ContractCommitmentID"'), wide_number_mode => 'round')) AS ContractApplied,
  -- A cost that differs from price x quantity only by its own rounding is the product; a larger difference is kept and reported.
  CASE
    WHEN charge.contracted_cost_given IS NULL THEN COALESCE(charge.contracted_product, charge.known_cost)
    WHEN ABS(charge.contracted_cost_given - charge.contracted_product) <= charge.contracted_tolerance THEN charge.contracted_product
    ELSE charge.contracted_cost_given
  END AS ContractedCost,
  charge.contracted_price AS ContractedUnitPrice,
  charge.EffectiveCost,
  COALESCE(charge.HostProviderName, charge.cloud) AS HostProviderName,
  charge.InvoiceId,
  COALESCE(charge.InvoiceIssuerName, charge.cloud) AS InvoiceIssuerName,
  CASE
    WHEN charge.list_cost_given IS NULL
      THEN COALESCE(charge.list_product, charge.contracted_cost_given, charge.contracted_product, charge.known_cost)
    WHEN ABS(charge.list_cost_given - charge.list_product) <= charge.list_tolerance THEN charge.list_product
    ELSE charge.list_cost_given
  END AS ListCost,
  charge.list_price AS ListUnitPrice,
  CASE
    WHEN NOT charge.is_priced THEN NULL
    WHEN charge.PricingCategory = 'On-Demand' THEN 'Standard'
    WHEN charge.PricingCategory = 'Commitment-Based' THEN 'Committed'
    ELSE COALESCE(charge.PricingCategory, IF(charge.category = 'Usage' AND charge.CommitmentDiscountId IS NOT NULL, 'Committed', 'Standard'))
  END AS PricingCategory,
  COALESCE(charge.PricingCurrency, charge.BillingCurrency) AS PricingCurrency,
  IF(charge.is_priced, COALESCE(charge.PricingCurrencyContractedUnitPrice, charge.contracted_price), NULL) AS PricingCurrencyContractedUnitPrice,
  COALESCE(charge.PricingCurrencyEffectiveCost, charge.EffectiveCost) AS PricingCurrencyEffectiveCost,
  IF(charge.is_priced, COALESCE(charge.PricingCurrencyListUnitPrice, charge.list_price), NULL) AS PricingCurrencyListUnitPrice,
  charge.pricing_quantity AS PricingQuantity,
  IF(charge.pricing_quantity IS NULL, NULL, COALESCE(charge.pricing_unit, charge.any_unit)) AS PricingUnit,
  COALESCE(charge.ProviderName, charge.service_provider) AS ProviderName,
  COALESCE(charge.PublisherName, charge.ProviderName, charge.service_provider) AS PublisherName,
  charge.RegionId,
  IF(charge.RegionId IS NULL, NULL, COALESCE(charge.RegionName, charge.region_name, charge.RegionId)) AS RegionName,
  IF(charge.is_commitment_itself, charge.CommitmentDiscountId, charge.ResourceId) AS ResourceId,
  CASE
    WHEN charge.is_commitment_itself THEN NULLIF(charge.ResourceName, charge.CommitmentDiscountId)
    WHEN charge.ResourceId IS NOT NULL THEN NULLIF(charge.ResourceName, charge.ResourceId)
  END AS ResourceName,
  CASE
    WHEN charge.is_commitment_itself THEN COALESCE(charge.ResourceType, charge.commitment_type)
    WHEN charge.ResourceId IS NOT NULL THEN COALESCE(charge.ResourceType, charge.own_resource_type, charge.service_name)
  END AS ResourceType,
  charge.service_category AS ServiceCategory,
  charge.service_name AS ServiceName,
  charge.service_provider AS ServiceProviderName,
  CASE
    WHEN categories.service_subcategory IS NOT NULL THEN categories.service_subcategory
    WHEN charge.known_category = charge.service_category THEN charge.known_subcategory
    ELSE CONCAT('Other (', charge.service_category, ')')
  END AS ServiceSubcategory,
  IF(charge.category = 'Tax', NULL, charge.sku) AS SkuId,
  IF(charge.category = 'Tax' OR charge.sku IS NULL, NULL, COALESCE(charge.sku_meter, charge.sku)) AS SkuMeter,
  IF(charge.is_priced, charge.details, NULL) AS SkuPriceDetails,
  IF(charge.is_priced, charge.sku_price, NULL) AS SkuPriceId,
  charge.SubAccountId,
  IF(charge.SubAccountId IS NULL, NULL, charge.SubAccountName) AS SubAccountName,
  IF(charge.SubAccountId IS NULL, NULL, COALESCE(charge.SubAccountType, charge.sub_account_type)) AS SubAccountType,
  charge.own_tags AS Tags,
  IF(charge.AllocatedMethodDetails IS NULL, NULL, PARSE_JSON(charge.AllocatedMethodDetails, wide_number_mode => 'round')) AS AllocatedMethodDetails,
  charge.AllocatedMethodId,
  charge.AllocatedResourceId,
  charge.AllocatedResourceName,
  IF(charge.AllocatedTags IS NULL, NULL, PARSE_JSON(charge.AllocatedTags)) AS AllocatedTags,
  charge.ChargeCategory AS ChargeType,
  charge.x_ChargeSubcategory AS x_ChargeSubtype,
  IF(charge.pricing_quantity = charge.PricingQuantity, NULL, charge.PricingQuantity) AS x_NativeQuantity,
  charge.BilledCost AS x_NativeCost,
  'BilledCost' AS x_CostBasis,
  IF(charge.list_cost_given IS NULL AND charge.list_product IS NULL, 'contracted_price', 'native') AS x_ListCostSource,
  -- What the delivered cells leave blank, and nothing else of the row gives, or contradict; asked of the cells alone.
  NULLIF(ARRAY_TO_STRING([
    IF(charge.BillingAccountName IS NULL, 'BillingAccountName', NULL),
    IF(charge.is_consumption AND COALESCE(charge.ConsumedQuantity, charge.PricingQuantity) IS NULL, 'ConsumedQuantity', NULL),
    IF(charge.is_unlike_contracted_price OR (charge.is_unpriced_credit AND charge.contracted_cost_given <> charge.BilledCost), 'ContractedCost', NULL),
    IF(charge.is_priced AND COALESCE(charge.contracted_price_given, charge.charged_list_price, charge.contracted_unit_cost) IS NULL,
      'ContractedUnitPrice', NULL),
    IF(charge.is_unpriced_credit AND charge.EffectiveCost <> charge.BilledCost, 'EffectiveCost', NULL),
    IF(charge.is_unlike_list_price OR (charge.is_unpriced_credit AND charge.list_cost_given <> charge.BilledCost), 'ListCost', NULL),
    IF(charge.is_priced AND COALESCE(charge.list_price_given, charge.list_unit_cost) IS NULL, 'ListUnitPrice', NULL),
    IF(charge.is_priced AND charge.PricingQuantity IS NULL, 'PricingQuantity', NULL),
    IF(charge.SubAccountId IS NOT NULL AND charge.SubAccountName IS NULL, 'SubAccountName', NULL)
  ], ' '), '') AS x_SourceGaps,
  1 AS x_SplitPart,
  'cloud_$provider_focus_raw_daily' AS x_source_system,
  charge.x_source_file,
  charge.x_source_row,
  '$provider' AS x_cloud_provider,
  charge.cloud_account_id AS x_cloud_account_id,
  profile.company_name, profile.admin_email, profile.default_currency, profile.default_timezone, profile.default_country,
  profile.subscription_plan, profile.subscription_status,
  charge.x_org_slug,
  charge.x_pipeline_id,
  charge.x_credential_id,
  charge.x_pipeline_run_date,
  @run_id AS x_run_id,
  CURRENT_TIMESTAMP() AS x_ingested_at,
  CURRENT_DATE() AS x_ingestion_date,
  $own_columns
FROM costed AS charge
LEFT JOIN `$dataset.org_profile` AS profile ON profile.x_org_slug = charge.x_org_slug
LEFT JOIN `{project_id}.organizations.focus_service_categories` AS categories
  ON categories.service_category = charge.service_category AND categories.service_subcategory = charge.ServiceSubcategory
""", '$native', p_native), '$own_columns', p_own_columns), '$provider', p_provider), '$dataset', CONCAT(p_project_id, '.', p_dataset_id))
  USING p_org_slug AS org_slug, p_first_period AS first_period, p_last_period AS last_period, p_credential_id AS credential_id,
    p_run_id AS run_id;
END;
