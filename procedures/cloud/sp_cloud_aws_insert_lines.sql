-- Inserts the priced lines of Cost and Usage Reports. Called by sp_cloud_aws_insert_cur, whose common table expressions p_lines are: `costed`
-- has the lines with their kind, amounts and quantities; `products` and `reservations` are what many lines share.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_aws_insert_lines`(
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
  ChargeFrequency, ChargePeriodEnd, ChargePeriodStart, CommitmentDiscountCategory, CommitmentDiscountId,
  CommitmentDiscountQuantity, CommitmentDiscountStatus, CommitmentDiscountType, CommitmentDiscountUnit, ConsumedQuantity,
  ConsumedUnit, ContractApplied, ContractedCost, ContractedUnitPrice, EffectiveCost, HostProviderName, InvoiceId, InvoiceIssuerName,
  ListCost, ListUnitPrice, PricingCategory, PricingCurrency, PricingCurrencyContractedUnitPrice, PricingCurrencyEffectiveCost,
  PricingCurrencyListUnitPrice, PricingQuantity, PricingUnit, ProviderName, PublisherName, RegionId, RegionName, ResourceId,
  ResourceName, ResourceType, ServiceCategory, ServiceName, ServiceProviderName, ServiceSubcategory, SkuId, SkuMeter,
  SkuPriceDetails, SkuPriceId, SubAccountId, SubAccountName, SubAccountType, Tags, ChargeType, x_LineItemType, x_ChargeSubtype,
  x_DiscountType, x_TaxType, x_BillType, x_ProductCode, x_UsageType, x_Operation, x_Discounts, x_CostCategories, x_NativeQuantity,
  x_NativeCost, x_CostBasis, x_ListCostSource, x_SourceGaps, x_SplitPart, x_source_system, x_source_record_id, x_source_file, x_source_row,
  x_cloud_provider, x_cloud_account_id,
  x_org_name, x_org_owner_email, x_org_default_currency, x_org_default_timezone, x_org_default_country,
  x_org_subscription_plan, x_org_subscription_status,
  x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at,
  x_ingestion_date
)
WITH
$lines,
committed AS (
  SELECT
    line.*,
    IF(line.is_unused OR line.kind = 'savings_plan_usage', BIGNUMERIC '0', line.native_cost) AS billed_cost,
    -- Hours or normalized hours of a reservation, money of a savings plan.
    CASE
      WHEN line.commitment_id IS NULL OR NOT line.is_priced THEN NULL
      WHEN line.kind IN ('savings_plan_usage', 'savings_plan_unused') THEN line.effective_cost
      WHEN line.kind = 'savings_plan_fee' THEN COALESCE(line.savings_plan_total_commitment_to_date,
        line.savings_plan_recurring_commitment_for_billing_period, line.native_cost)
      WHEN line.savings_plan_arn IS NOT NULL THEN line.native_cost
      WHEN line.kind = 'reservation_usage' THEN IF(reservations.is_size_flexible, line.normalized_usage_amount, line.usage_amount)
      WHEN line.kind = 'reservation_unused' THEN IF(reservations.is_size_flexible, line.reservation_unused_normalized_unit_quantity,
        line.reservation_unused_quantity)
      WHEN line.kind = 'reservation_fee' THEN IF(reservations.is_size_flexible, line.reservation_total_reserved_normalized_units,
        line.usage_amount)
      ELSE CASE line.pricing_lease_contract_length WHEN '1yr' THEN 8760 WHEN '3yr' THEN 26280 END
        * IF(reservations.is_size_flexible, line.usage_amount * line.normalization_factor, line.usage_amount)
    END AS commitment_quantity,
    CASE
      WHEN line.commitment_id IS NULL OR NOT line.is_priced THEN NULL
      WHEN line.savings_plan_arn IS NOT NULL THEN line.currency
      WHEN line.kind IN ('commitment_upfront', 'commitment_refund')
        AND COALESCE(line.pricing_lease_contract_length, '') NOT IN ('1yr', '3yr') THEN NULL
      ELSE IF(reservations.is_size_flexible, 'Normalized Hours', 'Hours')
    END AS commitment_unit
  FROM costed AS line
  LEFT JOIN reservations ON reservations.reservation_arn = line.commitment_id
)
SELECT
  NULLIF(line.availability_zone, COALESCE(line.region_code, places.region_code)) AS AvailabilityZone,
  line.billed_cost AS BilledCost,
  line.payer_account_id AS BillingAccountId,
  line.payer_account_name AS BillingAccountName,
  'Payer Account' AS BillingAccountType,
  line.currency AS BillingCurrency,
  line.period_end AS BillingPeriodEnd,
  line.period_start AS BillingPeriodStart,
  line.capacity_reservation_id AS CapacityReservationId,
  CASE
    WHEN line.capacity_reservation_id IS NULL OR line.charge_category <> 'Usage' THEN NULL
    WHEN line.capacity_reservation_status IN ('Unused', 'Canceled') OR REGEXP_CONTAINS(line.usage_type, r'Unused(Box|Ded)') THEN 'Unused'
    ELSE 'Used'
  END AS CapacityReservationStatus,
  line.charge_category AS ChargeCategory,
  IF(line.native_kind = 'refund' AND line.usage_start_time < line.period_start, 'Correction', NULL) AS ChargeClass,
  COALESCE(line.line_item_description, CONCAT(line.line_item_type, COALESCE(CONCAT(' ', line.usage_type), ''))) AS ChargeDescription,
  line.charge_frequency AS ChargeFrequency,
  -- Old reports end a period at its last second.
  CASE
    WHEN line.native_end_time <= line.usage_start_time THEN TIMESTAMP_ADD(line.usage_start_time, INTERVAL 1 SECOND)
    WHEN EXTRACT(SECOND FROM line.native_end_time) = 59 THEN TIMESTAMP_ADD(line.native_end_time, INTERVAL 1 SECOND)
    ELSE line.native_end_time
  END AS ChargePeriodEnd,
  line.usage_start_time AS ChargePeriodStart,
  IF(line.commitment_id IS NULL, NULL, IF(line.savings_plan_arn IS NULL, 'Usage', 'Spend')) AS CommitmentDiscountCategory,
  line.commitment_id AS CommitmentDiscountId,
  line.commitment_quantity AS CommitmentDiscountQuantity,
  CASE
    WHEN line.commitment_id IS NULL THEN NULL
    WHEN line.is_covered THEN 'Used'
    WHEN line.is_unused THEN 'Unused'
  END AS CommitmentDiscountStatus,
  IF(line.commitment_id IS NULL, NULL, IF(line.savings_plan_arn IS NULL, 'Reserved Instance', 'Savings Plan')) AS CommitmentDiscountType,
  line.commitment_unit AS CommitmentDiscountUnit,
  IF(line.charge_category = 'Usage' AND line.is_priced AND NOT line.is_unused, line.quantity, NULL) AS ConsumedQuantity,
  IF(line.charge_category = 'Usage' AND line.is_priced AND NOT line.is_unused AND line.quantity IS NOT NULL, line.unit, NULL) AS ConsumedUnit,
  -- What sp_cloud_replace_commitments would fill in; here it costs no second writing of the rows.
  IF(line.commitment_id IS NULL, NULL, TO_JSON(STRUCT([STRUCT(
    line.commitment_id AS ContractId,
    line.commitment_id AS ContractCommitmentID,
    CASE
      WHEN line.commitment_unit = line.currency THEN line.commitment_quantity
      WHEN line.savings_plan_arn IS NOT NULL OR line.commitment_quantity IS NULL
        THEN IF(line.charge_category = 'Purchase', line.billed_cost, line.effective_cost)
    END AS ContractCommitmentAppliedCost,
    IF(line.savings_plan_arn IS NULL AND line.commitment_unit <> line.currency, line.commitment_quantity, NULL)
      AS ContractCommitmentAppliedQuantity,
    IF(line.savings_plan_arn IS NULL AND line.commitment_unit <> line.currency AND line.commitment_quantity IS NOT NULL,
      line.commitment_unit, NULL) AS ContractCommitmentAppliedUnit)] AS Elements))) AS ContractApplied,
  COALESCE(line.price_cost, IF(line.is_covered OR line.is_unused, line.effective_cost, line.native_cost)) AS ContractedCost,
  line.contracted_price AS ContractedUnitPrice,
  line.effective_cost AS EffectiveCost,
  CASE
    WHEN NOT line.is_marketplace OR line.resource_id IS NOT NULL OR line.product_instance_type IS NOT NULL
      OR REGEXP_CONTAINS(line.usage_type, r'(Software|Box|Instance)Usage') THEN 'AWS'
    ELSE COALESCE(line.legal_entity, 'AWS')
  END AS HostProviderName,
  line.invoice_id AS InvoiceId,
  COALESCE(line.bill_invoicing_entity, IF(line.is_marketplace, NULL, line.legal_entity), 'AWS') AS InvoiceIssuerName,
  CASE
    WHEN line.kind = 'discount' THEN BIGNUMERIC '0'
    WHEN line.list_price IS NULL OR line.fitted_quantity IS NULL
      THEN COALESCE(line.price_cost, IF(line.is_covered OR line.is_unused, line.effective_cost, line.native_cost))
    WHEN line.list_price = line.contracted_price THEN line.price_cost
    ELSE line.list_price * line.fitted_quantity
  END AS ListCost,
  line.list_price AS ListUnitPrice,
  CASE
    WHEN NOT line.is_priced THEN NULL
    WHEN line.is_covered OR line.is_unused THEN IF(line.commitment_id IS NULL, 'Other', 'Committed')
    WHEN line.kind = 'usage' AND (REGEXP_CONTAINS(line.usage_type, r'SpotUsage') OR REGEXP_CONTAINS(line.operation, r':SV[0-9]*$')) THEN 'Dynamic'
    ELSE 'Standard'
  END AS PricingCategory,
  COALESCE(line.pricing_currency, line.currency) AS PricingCurrency,
  line.contracted_price AS PricingCurrencyContractedUnitPrice,
  line.effective_cost AS PricingCurrencyEffectiveCost,
  line.list_price AS PricingCurrencyListUnitPrice,
  line.fitted_quantity AS PricingQuantity,
  IF(line.fitted_quantity IS NULL, NULL, line.unit) AS PricingUnit,
  IF(line.is_marketplace, COALESCE(line.legal_entity, 'AWS'), 'AWS') AS ProviderName,
  COALESCE(line.legal_entity, 'AWS') AS PublisherName,
  COALESCE(line.region_code, places.region_code) AS RegionId,
  CASE
    WHEN COALESCE(line.region_code, places.region_code) IS NULL THEN NULL
    WHEN line.region_location_type = 'AWS Region' AND line.region_location IS NOT NULL THEN line.region_location
    ELSE COALESCE(places.region_name, line.region_code)
  END AS RegionName,
  IF(line.is_unused OR line.is_commitment_purchase, line.commitment_id, line.resource_id) AS ResourceId,
  IF(line.is_unused OR line.is_commitment_purchase OR line.resource_id IS NULL, NULL,
    NULLIF(line.own_name, line.resource_id)) AS ResourceName,
  CASE
    WHEN line.is_unused OR line.is_commitment_purchase
      THEN IF(line.commitment_id IS NULL, NULL, IF(line.savings_plan_arn IS NULL, 'Reserved Instance', 'Savings Plan'))
    WHEN line.resource_id IS NULL THEN NULL
    ELSE COALESCE(
      resources.resource_type,
      REGEXP_EXTRACT(line.resource_id, r'^arn:[^:]*:[^:]*:[^:]*:[^:]*:/?([A-Za-z][A-Za-z0-9-]*)[:/]'),
      line.product_family, services.service_name, line.product_code, 'resource')
  END AS ResourceType,
  COALESCE(services.service_category, 'Other') AS ServiceCategory,
  COALESCE(services.service_name, line.product_name, line.product_code, IF(line.kind = 'tax', 'Tax', 'Invoice')) AS ServiceName,
  IF(line.is_marketplace, COALESCE(line.legal_entity, 'AWS'), 'AWS') AS ServiceProviderName,
  COALESCE(services.service_subcategory, 'Other (Other)') AS ServiceSubcategory,
  CASE WHEN line.kind = 'tax' THEN NULL WHEN line.is_priced THEN line.sku ELSE line.product_sku END AS SkuId,
  IF(line.kind <> 'tax' AND (line.is_priced OR line.product_sku IS NOT NULL), COALESCE(line.usage_type, line.line_item_type), NULL) AS SkuMeter,
  IF(line.is_priced, products.details, NULL) AS SkuPriceDetails,
  IF(line.is_priced, COALESCE(line.pricing_rate_code, line.pricing_rate_id, line.sku), NULL) AS SkuPriceId,
  line.linked_account_id AS SubAccountId,
  line.linked_account_name AS SubAccountName,
  'Linked Account' AS SubAccountType,
  line.tags AS Tags,
  line.line_item_type AS ChargeType,
  line.line_item_type AS x_LineItemType,
  CASE
    WHEN line.native_kind = 'refund' THEN 'Refund'
    WHEN line.kind = 'discount' THEN 'Discount'
    WHEN line.kind = 'other' THEN 'Unknown Line Item Type'
  END AS x_ChargeSubtype,
  IF(line.kind = 'discount', line.line_item_type, NULL) AS x_DiscountType,
  line.tax_type AS x_TaxType,
  line.bill_type AS x_BillType,
  line.product_code AS x_ProductCode,
  line.usage_type AS x_UsageType,
  line.operation AS x_Operation,
  IF(COALESCE(line.discount_json, '{}') = '{}', NULL, PARSE_JSON(line.discount_json, wide_number_mode => 'round')) AS x_Discounts,
  line.categories AS x_CostCategories,
  IF(line.fitted_quantity = line.usage_amount, NULL, line.usage_amount) AS x_NativeQuantity,
  IF(line.split_part = 1, line.native_cost, NULL) AS x_NativeCost,
  IF(line.is_net, 'net_unblended_cost', 'unblended_cost') AS x_CostBasis,
  CASE
    WHEN line.kind = 'discount' THEN NULL
    WHEN line.published_price IS NOT NULL AND line.fitted_quantity IS NOT NULL THEN 'list_price'
    WHEN line.price_cost IS NOT NULL THEN 'contracted_price'
    WHEN line.is_covered OR line.is_unused THEN 'effective_cost'
    ELSE 'billed_cost'
  END AS x_ListCostSource,
  NULLIF(ARRAY_TO_STRING([
    IF(line.payer_account_name IS NULL, 'BillingAccountName', NULL),
    IF(line.has_no_rate, 'ContractedUnitPrice', NULL),
    IF(line.has_no_list_rate, 'ListUnitPrice', NULL),
    IF(line.linked_account_name IS NULL, 'SubAccountName', NULL)
  ], ' '), '') AS x_SourceGaps,
  line.split_part AS x_SplitPart,
  'cloud_aws_billing_raw_daily' AS x_source_system,
  line.line_item_id AS x_source_record_id,
  line.x_source_file,
  line.x_source_row,
  'aws' AS x_cloud_provider,
  line.linked_account_id AS x_cloud_account_id,
  profile.company_name, profile.admin_email, profile.default_currency, profile.default_timezone, profile.default_country,
  profile.subscription_plan, profile.subscription_status,
  line.x_org_slug,
  line.x_pipeline_id,
  line.x_credential_id,
  line.x_pipeline_run_date,
  @run_id AS x_run_id,
  CURRENT_TIMESTAMP() AS x_ingested_at,
  CURRENT_DATE() AS x_ingestion_date
FROM committed AS line
LEFT JOIN `$dataset.org_profile` AS profile ON profile.x_org_slug = line.x_org_slug
JOIN products
  ON products.instance_type = COALESCE(line.product_instance_type, '')
  AND products.instance_type_family = COALESCE(line.product_instance_type_family, '')
  AND products.vcpu = COALESCE(line.product_vcpu, '') AND products.gpu = COALESCE(line.product_gpu, '')
  AND products.memory = COALESCE(line.product_memory, '')
  AND products.operating_system = COALESCE(line.product_operating_system, '')
  AND products.storage_class = COALESCE(line.product_storage_class, '')
  AND products.tenancy = COALESCE(line.product_tenancy, '') AND products.operation = COALESCE(line.operation, '')
LEFT JOIN `{project_id}.organizations.aws_services` AS services
  ON services.product_code = IF(line.product_code = 'AmazonEC2' AND REGEXP_CONTAINS(line.usage_type, r'EBS:'), 'AmazonEBS', line.product_code)
LEFT JOIN `{project_id}.organizations.aws_places` AS places ON places.place = COALESCE(line.region_code, line.region_location)
LEFT JOIN `{project_id}.organizations.aws_resource_types` AS resources
  ON resources.resource_prefix = COALESCE(
    REGEXP_EXTRACT(line.resource_id, r'^arn:[^:]*:([a-z0-9-]+):'), REGEXP_EXTRACT(line.resource_id, r'^([a-z]+)-[0-9a-f]'))
""", '$lines', p_lines), '$dataset', CONCAT(p_project_id, '.', p_dataset_id))
  USING p_org_slug AS org_slug, p_first_period AS first_period, p_last_period AS last_period, p_credential_id AS credential_id,
    p_run_id AS run_id;
END;
