-- Inserts the FOCUS 1.3 rows of OCI cost reports. Called by sp_cloud_oci_convert_to_focus inside its transaction, after the rows of these
-- periods were deleted.
--
-- Every line becomes one row. With universal credits a prepaid commitment pays: only overage is billed, and ContractApplied carries the rest.
-- Amounts keep up to 24 decimals: prices are never rounded, a quantity only as far as price x quantity needs to fit.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_oci_insert_costs`(
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
  AvailabilityZone, BilledCost, BillingAccountId, BillingAccountType, BillingCurrency, BillingPeriodEnd, BillingPeriodStart,
  ChargeCategory, ChargeClass, ChargeDescription, ChargeFrequency, ChargePeriodEnd, ChargePeriodStart, ConsumedQuantity,
  ConsumedUnit, ContractApplied, ContractedCost, ContractedUnitPrice, EffectiveCost, HostProviderName, InvoiceIssuerName, ListCost,
  ListUnitPrice, PricingCategory, PricingCurrency, PricingCurrencyContractedUnitPrice, PricingCurrencyEffectiveCost,
  PricingCurrencyListUnitPrice, PricingQuantity, PricingUnit, ProviderName, PublisherName, RegionId, RegionName, ResourceId,
  ResourceName, ResourceType, ServiceCategory, ServiceName, ServiceProviderName, ServiceSubcategory, SkuId, SkuMeter, SkuPriceId,
  SubAccountId, SubAccountName, SubAccountType, Tags, ChargeType, x_ReferenceNo, x_BackReferenceNo, x_OverageFlag,
  x_OverageUnitPrice, x_OverageQuantity, x_CompartmentPath, x_TenancyId, x_NativeQuantity, x_NativeCost, x_CostBasis,
  x_ListCostSource, x_SourceGaps, x_SplitPart, x_source_system, x_source_record_id, x_source_file, x_source_row, x_cloud_provider,
  x_cloud_account_id,
  x_org_name, x_org_owner_email, x_org_default_currency, x_org_default_timezone, x_org_default_country,
  x_org_subscription_plan, x_org_subscription_status,
  x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
WITH
-- 1 GiB MONTHS STORAGE_SIZE, 1000000 NONE NONE DATAPOINTS, 1 NONE HOURS OCPU: block, size, period, what is counted.
parsed_units AS (
  SELECT
    native_unit,
    REGEXP_EXTRACT(native_unit, r'^([0-9]+) ') AS block,
    NULLIF(REGEXP_EXTRACT(native_unit, r'^[0-9]+ ([A-Za-z]+)'), 'NONE') AS size,
    NULLIF(REGEXP_EXTRACT(native_unit, r'^[0-9]+ [A-Za-z]+ ([A-Z]+)'), 'NONE') AS period,
    REGEXP_EXTRACT(native_unit, r'^[0-9]+ [A-Za-z]+ [A-Z]+ ([A-Z][A-Z_]*)$') AS counted
  FROM (
    SELECT unit AS native_unit
    FROM `$dataset.cloud_oci_billing_raw_daily`
    WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
      AND (@credential_id IS NULL OR x_credential_id = @credential_id) AND unit IS NOT NULL
    GROUP BY unit
  )
),
units AS (
  SELECT
    parsed.native_unit,
    CONCAT(
      IF(parsed.block IS NULL OR parsed.block = '1', '', CONCAT(parsed.block, ' ')),
      COALESCE(parsed.size, IF(parsed.period IS NULL, words.plural, words.singular), INITCAP(REPLACE(parsed.counted, '_', ' ')), 'Units'),
      COALESCE(CONCAT('-', INITCAP(parsed.period)), '')
    ) AS focus_unit
  FROM parsed_units AS parsed
  LEFT JOIN `{project_id}.organizations.oci_units` AS words ON words.counted = parsed.counted
),
native AS (
  SELECT
    line.*,
    line.subscription_kind = 'universal_credits' AS is_prepaid,
    line.sku_part_number IS NOT NULL AS is_priced,
    COALESCE(line.is_correction, FALSE) AND DATE(line.usage_start_time) < line.billing_period_start AS is_correction_of_past,
    COALESCE(units.focus_unit, 'Units') AS focus_unit,
    -- Price of a line without one, where the division ends; a cost of 0 tells no price.
    CASE
      WHEN line.unit_price IS NOT NULL THEN NULL
      WHEN SIGN(line.cost) * SIGN(line.usage_quantity) <> 1 OR line.usage_quantity <> ROUND(line.usage_quantity, 12) THEN NULL
      WHEN ROUND(SAFE_DIVIDE(line.cost, line.usage_quantity), 12) * line.usage_quantity = line.cost
        THEN ROUND(SAFE_DIVIDE(line.cost, line.usage_quantity), 12)
    END AS unit_cost
  FROM `$dataset.cloud_oci_billing_raw_daily` AS line
  LEFT JOIN units ON units.native_unit = line.unit
  WHERE line.x_org_slug = @org_slug AND line.billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR line.x_credential_id = @credential_id)
),
priced AS (
  SELECT
    *,
    IF(is_priced, COALESCE(unit_price, unit_cost), NULL) AS contracted_price,
    IF(is_priced, COALESCE(list_rate, IF(is_prepaid, NULL, COALESCE(unit_price, unit_cost))), NULL) AS list_price
  FROM native
),
fitted AS (
  SELECT
    *,
    CASE
      WHEN NOT is_priced THEN NULL
      WHEN usage_quantity = ROUND(usage_quantity, 12) AND COALESCE(contracted_price = ROUND(contracted_price, 12), TRUE)
        AND COALESCE(list_price = ROUND(list_price, 12), TRUE) THEN usage_quantity
      ELSE ROUND(usage_quantity, 24 - GREATEST(
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(contracted_price AS STRING), r'\.([0-9]*[1-9])'), '')),
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(list_price AS STRING), r'\.([0-9]*[1-9])'), ''))
      ), 'ROUND_HALF_EVEN')
    END AS fitted_quantity
  FROM priced
),
costed AS (
  SELECT
    *,
    contracted_price * fitted_quantity AS contracted_product,
    list_price * fitted_quantity AS list_product,
    IF(is_prepaid, COALESCE(my_cost_overage, BIGNUMERIC '0'), cost) AS billed_cost
  FROM fitted
)
SELECT
  line.availability_domain AS AvailabilityZone,
  line.billed_cost AS BilledCost,
  COALESCE(line.subscription_id, line.tenancy_id) AS BillingAccountId,
  IF(line.subscription_id IS NULL, 'Tenancy', 'Subscription') AS BillingAccountType,
  line.currency AS BillingCurrency,
  TIMESTAMP(DATE_ADD(line.billing_period_start, INTERVAL 1 MONTH)) AS BillingPeriodEnd,
  TIMESTAMP(line.billing_period_start) AS BillingPeriodStart,
  'Usage' AS ChargeCategory,
  IF(line.is_correction_of_past, 'Correction', NULL) AS ChargeClass,
  COALESCE(line.sku_name, line.sku_part_number, line.service_name, 'Usage') AS ChargeDescription,
  'Usage-Based' AS ChargeFrequency,
  line.usage_end_time AS ChargePeriodEnd,
  line.usage_start_time AS ChargePeriodStart,
  IF(line.is_priced, line.usage_quantity, NULL) AS ConsumedQuantity,
  IF(line.is_priced AND line.usage_quantity IS NOT NULL, line.focus_unit, NULL) AS ConsumedUnit,
  IF(line.is_prepaid AND line.cost <> line.billed_cost, PARSE_JSON(CONCAT(
    '{"Elements":[{"ContractId":', TO_JSON_STRING(COALESCE(line.subscription_id, line.tenancy_id)),
    ',"ContractCommitmentID":', TO_JSON_STRING(COALESCE(line.subscription_id, line.tenancy_id)),
    ',"ContractCommitmentAppliedCost":', CAST(line.cost - line.billed_cost AS STRING),
    ',"ContractCommitmentAppliedQuantity":null,"ContractCommitmentAppliedUnit":null}]}'), wide_number_mode => 'round'), NULL) AS ContractApplied,
  COALESCE(line.contracted_product, line.cost) AS ContractedCost,
  line.contracted_price AS ContractedUnitPrice,
  line.cost AS EffectiveCost,
  'Oracle' AS HostProviderName,
  'Oracle' AS InvoiceIssuerName,
  COALESCE(line.list_product, line.contracted_product, line.cost) AS ListCost,
  line.list_price AS ListUnitPrice,
  IF(line.is_priced, 'Standard', NULL) AS PricingCategory,
  line.currency AS PricingCurrency,
  line.contracted_price AS PricingCurrencyContractedUnitPrice,
  line.cost AS PricingCurrencyEffectiveCost,
  line.list_price AS PricingCurrencyListUnitPrice,
  line.fitted_quantity AS PricingQuantity,
  IF(line.fitted_quantity IS NULL, NULL, line.focus_unit) AS PricingUnit,
  'Oracle' AS ProviderName,
  'Oracle' AS PublisherName,
  line.region AS RegionId,
  IF(line.region IS NULL, NULL, COALESCE(regions.region_name, line.region)) AS RegionName,
  line.resource_id AS ResourceId,
  IF(line.resource_id IS NULL, NULL, NULLIF(line.resource_name, line.resource_id)) AS ResourceName,
  IF(line.resource_id IS NULL, NULL, COALESCE(REGEXP_EXTRACT(line.resource_id, r'^ocid1\.([^.]+)\.'), services.service_name, 'Resource')) AS ResourceType,
  COALESCE(services.service_category, 'Other') AS ServiceCategory,
  COALESCE(services.service_name, line.service_name, 'Oracle Cloud Infrastructure') AS ServiceName,
  'Oracle' AS ServiceProviderName,
  COALESCE(services.service_subcategory, 'Other (Other)') AS ServiceSubcategory,
  line.sku_part_number AS SkuId,
  IF(line.is_priced, COALESCE(line.sku_name, line.sku_part_number), NULL) AS SkuMeter,
  line.sku_part_number AS SkuPriceId,
  line.compartment_id AS SubAccountId,
  IF(line.compartment_id IS NULL, NULL, COALESCE(line.compartment_name, line.compartment_id)) AS SubAccountName,
  IF(line.compartment_id IS NULL, NULL, 'Compartment') AS SubAccountType,
  line.defined_tags_json AS Tags,
  'Usage' AS ChargeType,
  line.reference_no AS x_ReferenceNo,
  line.backreference_no AS x_BackReferenceNo,
  line.overage_flag AS x_OverageFlag,
  line.unit_price_overage AS x_OverageUnitPrice,
  line.usage_quantity_overage AS x_OverageQuantity,
  line.compartment_path AS x_CompartmentPath,
  line.tenancy_id AS x_TenancyId,
  IF(line.fitted_quantity = line.usage_quantity, NULL, line.usage_quantity) AS x_NativeQuantity,
  line.cost AS x_NativeCost,
  IF(line.is_prepaid, 'my_cost_overage', 'my_cost') AS x_CostBasis,
  CASE
    WHEN line.list_rate IS NOT NULL AND line.list_product IS NOT NULL THEN 'list_price'
    WHEN line.contracted_product IS NOT NULL THEN 'contracted_price'
    ELSE 'billed_cost'
  END AS x_ListCostSource,
  -- The reports have no account names, and of universal credits no list prices.
  ARRAY_TO_STRING([
    'BillingAccountName',
    IF(line.is_priced AND COALESCE(line.unit_price, line.unit_cost) IS NULL, 'ContractedUnitPrice', NULL),
    IF(line.is_priced AND line.list_rate IS NULL AND (line.is_prepaid OR COALESCE(line.unit_price, line.unit_cost) IS NULL),
      'ListUnitPrice', NULL)
  ], ' ') AS x_SourceGaps,
  1 AS x_SplitPart,
  'cloud_oci_billing_raw_daily' AS x_source_system,
  line.reference_no AS x_source_record_id,
  line.x_source_file,
  line.x_source_row,
  'oci' AS x_cloud_provider,
  line.tenancy_id AS x_cloud_account_id,
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
LEFT JOIN `{project_id}.organizations.oci_services` AS services ON services.native_name = UPPER(line.service_name)
LEFT JOIN `{project_id}.organizations.oci_regions` AS regions ON regions.region_id = line.region
""", '$dataset', CONCAT(p_project_id, '.', p_dataset_id))
  USING p_org_slug AS org_slug, p_first_period AS first_period, p_last_period AS last_period, p_credential_id AS credential_id,
    p_run_id AS run_id;
END;
