-- Inserts the FOCUS 1.3 rows of Azure cost details (EA, MCA, pay-as-you-go). Called by sp_cloud_azure_convert_to_focus inside its
-- transaction, after the rows of these periods were deleted.
--
-- Azure delivers each month twice: as billed (actual) and with reservations and savings plans spread over what they cover (amortized). The
-- amortized rows are taken, and of the actual ones only purchases and refunds of commitments, which the amortized view leaves out; so each
-- charge is there once, billed as the actual view bills it. Where only one view was delivered, its rows are taken. Amounts keep up to 24
-- decimals: prices are never rounded, a quantity only as far as price x quantity needs to fit.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_azure_insert_cost_details`(
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
  ConsumedUnit, ContractedCost, ContractedUnitPrice, EffectiveCost, HostProviderName, InvoiceId, InvoiceIssuerName, ListCost,
  ListUnitPrice, PricingCategory, PricingCurrency, PricingCurrencyContractedUnitPrice, PricingCurrencyEffectiveCost,
  PricingCurrencyListUnitPrice, PricingQuantity, PricingUnit, ProviderName, PublisherName, RegionId, RegionName, ResourceId,
  ResourceName, ResourceType, ServiceCategory, ServiceName, ServiceProviderName, ServiceSubcategory, SkuId, SkuMeter,
  SkuPriceDetails, SkuPriceId, SubAccountId, SubAccountName, SubAccountType, Tags, ChargeType, x_ChargeType, x_PricingModel,
  x_PublisherType, x_MeterCategory, x_ResourceGroupName, x_CostCenter, x_InvoiceSectionId, x_NativeQuantity, x_NativeCost,
  x_CostBasis, x_ListCostSource, x_SplitPart, x_source_system, x_source_file, x_source_row, x_cloud_provider, x_cloud_account_id,
  x_org_name, x_org_owner_email, x_org_default_currency, x_org_default_timezone, x_org_default_country,
  x_org_subscription_plan, x_org_subscription_status,
  x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
WITH
views AS (
  SELECT x_credential_id, billing_period_start, LOGICAL_OR(cost_view = 'amortized') AS has_amortized
  FROM `$dataset.cloud_azure_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  GROUP BY x_credential_id, billing_period_start
),
-- Many lines share their tags: JSON is parsed once per text, not once per line. Azure may leave out the outer braces.
tags AS (
  SELECT native_text, SAFE.PARSE_JSON(IF(STARTS_WITH(own_text, '{'), own_text, CONCAT('{', own_text, '}'))) AS tags
  FROM (
    SELECT resource_tags_json AS native_text, TRIM(resource_tags_json) AS own_text
    FROM `$dataset.cloud_azure_billing_raw_daily`
    WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
      AND (@credential_id IS NULL OR x_credential_id = @credential_id) AND resource_tags_json IS NOT NULL
    GROUP BY resource_tags_json
  )
  WHERE own_text NOT IN ('', '{}')
),
-- Properties of the charge. What FOCUS has a key for gets it; the others are kept as x_ keys, of flat objects only.
properties AS (
  SELECT
    native_text,
    capacity_reservation_id,
    COALESCE(
      SAFE.PARSE_JSON(CONCAT('{', ARRAY_TO_STRING([known, other], ','), '}'), wide_number_mode => 'round'),
      SAFE.PARSE_JSON(CONCAT('{', known, '}'))) AS details
  FROM (
    SELECT
      native_text,
      JSON_VALUE(info, '$.VMCapacityReservationId') AS capacity_reservation_id,
      NULLIF(ARRAY_TO_STRING([
        CONCAT('"InstanceType":', TO_JSON_STRING(NULLIF(JSON_VALUE(info, '$.ServiceType'), ''))),
        CONCAT('"CoreCount":', REGEXP_EXTRACT(JSON_VALUE(info, '$.VCPUs'), r'^[1-9][0-9]*$'))
      ], ','), '') AS known,
      IF(REGEXP_CONTAINS(own_text, r'[{\[]'), NULL, NULLIF(TRIM(REGEXP_REPLACE(
        REGEXP_REPLACE(own_text,
          r'"(?:ServiceType|VCPUs|VMName|VMCapacityReservationId|ReservationId|ReservationOrderId)"\s*:\s*(?:"[^"]*"|[^",]+)\s*,?\s*', ''),
        r'(^|,)\s*"([^"]+)"\s*:', r'\1"x_\2":'), ' ,'), '')) AS other
    FROM (
      SELECT native_text, own_text, SAFE.PARSE_JSON(CONCAT('{', own_text, '}'), wide_number_mode => 'round') AS info
      FROM (
        SELECT additional_info_json AS native_text, REGEXP_REPLACE(TRIM(additional_info_json), r'^\{\s*|\s*\}$', '') AS own_text
        FROM `$dataset.cloud_azure_billing_raw_daily`
        WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
          AND (@credential_id IS NULL OR x_credential_id = @credential_id) AND additional_info_json IS NOT NULL
        GROUP BY additional_info_json
      )
    )
    WHERE info IS NOT NULL
  )
  WHERE capacity_reservation_id IS NOT NULL OR known IS NOT NULL OR other IS NOT NULL
),
native AS (
  SELECT
    line.*,
    COALESCE(LOWER(REPLACE(line.charge_type, ' ', '')), 'usage') AS charge_kind,
    CASE
      WHEN LOWER(REPLACE(line.pricing_model, ' ', '')) IN ('reservation', 'savingsplan') THEN TRUE
      WHEN line.pricing_model IS NOT NULL THEN FALSE
      ELSE line.reservation_id IS NOT NULL OR line.benefit_id IS NOT NULL OR line.savings_plan_id IS NOT NULL
        OR COALESCE(STARTS_WITH(LOWER(line.charge_type), 'unused'), FALSE)
        OR COALESCE(REGEXP_CONTAINS(LOWER(line.product_order_name), r'savings plan|^reserved '), FALSE)
    END AS is_commitment,
    COALESCE(LOWER(line.publisher_type) = 'marketplace', FALSE) AS is_marketplace,
    COALESCE(line.benefit_id, line.savings_plan_id, line.reservation_id, line.product_order_id) AS native_commitment_id,
    COALESCE(
      REGEXP_CONTAINS(LOWER(line.benefit_id), r'/microsoft\.billingbenefits/')
      OR (line.benefit_id IS NULL AND (LOWER(REPLACE(line.pricing_model, ' ', '')) = 'savingsplan' OR line.savings_plan_id IS NOT NULL
        OR LOWER(line.charge_type) = 'unusedsavingsplan' OR REGEXP_CONTAINS(LOWER(line.product_order_name), r'savings plan'))),
      FALSE) AS is_spend,
    -- microsoft.sql/servers/databases of .../providers/Microsoft.Sql/servers/s1/databases/d1.
    COALESCE(
      CONCAT(
        REGEXP_EXTRACT(LOWER(line.resource_id), r'/providers/([^/]+/[^/]+)/[^/]+'),
        COALESCE(CONCAT('/', REGEXP_EXTRACT(LOWER(line.resource_id), r'/providers/[^/]+/[^/]+/[^/]+/([^/]+)/[^/]+')), '')),
      LOWER(line.resource_type)
    ) AS native_resource_type,
    REGEXP_EXTRACT(LOWER(line.resource_id), r'/providers/([^/]+)/') AS resource_provider,
    REGEXP_REPLACE(LOWER(line.resource_location), r'[^a-z0-9]', '') AS location_key,
    -- 10K, 100 Hours, 1 GB/Month, 1/Month: a block size and a unit.
    COALESCE(SAFE_CAST(REGEXP_EXTRACT(line.unit_of_measure, r'^\s*([0-9]+)') AS INT64), 1)
      * CASE REGEXP_EXTRACT(line.unit_of_measure, r'^\s*[0-9]+([KMB])\b')
        WHEN 'K' THEN 1000 WHEN 'M' THEN 1000000 WHEN 'B' THEN 1000000000 ELSE 1 END AS block_size,
    LOWER(TRIM(REGEXP_REPLACE(line.unit_of_measure, r'^\s*[0-9]+(?:[KMB]\b)?', ''))) AS native_unit,
    TRIM(REGEXP_REPLACE(line.unit_of_measure, r'^\s*[0-9]+(?:[KMB]\b)?', '')) AS written_unit,
    IF(line.pricing_currency <> line.billing_currency, COALESCE(line.exchange_rate, BIGNUMERIC '1'), BIGNUMERIC '1') AS rate
  FROM `$dataset.cloud_azure_billing_raw_daily` AS line
  WHERE line.x_org_slug = @org_slug AND line.billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR line.x_credential_id = @credential_id)
),
-- What was bought in the open period: its refund takes it back, any other refund corrects an earlier invoice.
purchases AS (
  SELECT DISTINCT x_credential_id, billing_period_start, COALESCE(native_commitment_id, resource_id, product_name) AS bought
  FROM native
  WHERE charge_kind = 'purchase' AND cost_view = 'actual'
),
-- Drops what the other view has; sp_cloud_azure_convert_to_focus counts the same drops from the native side.
charges AS (
  SELECT
    line.*,
    CASE
      WHEN line.charge_kind IN ('usage', 'unusedreservation', 'unusedsavingsplan') THEN 'Usage'
      WHEN line.charge_kind IN ('purchase', 'refund') THEN 'Purchase'
      WHEN line.charge_kind = 'tax' THEN 'Tax'
      WHEN line.charge_kind = 'credit' THEN 'Credit'
      ELSE 'Adjustment'
    END AS category,
    line.charge_kind = 'refund' AND (purchases.bought IS NULL OR line.previous_invoice_id IS NOT NULL) AS is_correction,
    line.is_commitment AND line.charge_kind = 'usage' AS is_covered,
    line.charge_kind IN ('unusedreservation', 'unusedsavingsplan') AS is_unused,
    line.is_commitment AND line.charge_kind IN ('purchase', 'refund') AS is_commitment_purchase,
    IF(line.is_commitment, line.native_commitment_id, NULL) AS commitment_id,
    line.charge_kind IN ('usage', 'unusedreservation', 'unusedsavingsplan', 'purchase')
      OR (line.charge_kind = 'refund' AND purchases.bought IS NOT NULL AND line.previous_invoice_id IS NULL) AS is_priced,
    COALESCE(units.focus_unit, NULLIF(line.written_unit, ''), 'Units') AS unit,
    -- Prices of Microsoft Customer Agreements may be in the pricing currency: the reading that explains the cost counts.
    IF(line.rate <> 1 AND ABS(ROUND(ROUND(line.unit_price * line.rate, 12) * ROUND(line.usage_quantity, 12), 12) - line.cost_in_billing_currency)
      <= ABS(ROUND(ROUND(line.unit_price, 12) * ROUND(line.usage_quantity, 12), 12) - line.cost_in_billing_currency),
      ROUND(line.unit_price * line.rate, 12), line.unit_price) AS own_price,
    IF(line.rate <> 1 AND ABS(ROUND(ROUND(line.effective_price * line.rate, 12) * ROUND(line.usage_quantity, 12), 12) - line.cost_in_billing_currency)
      <= ABS(ROUND(ROUND(line.effective_price, 12) * ROUND(line.usage_quantity, 12), 12) - line.cost_in_billing_currency),
      ROUND(line.effective_price * line.rate, 12), line.effective_price) AS average_price,
    IF(line.rate <> 1, ROUND(line.payg_price * line.rate, 12), line.payg_price) AS retail_price
  FROM native AS line
  JOIN views ON views.x_credential_id = line.x_credential_id AND views.billing_period_start = line.billing_period_start
  LEFT JOIN purchases
    ON purchases.x_credential_id = line.x_credential_id AND purchases.billing_period_start = line.billing_period_start
    AND purchases.bought = COALESCE(line.native_commitment_id, line.resource_id, line.product_name)
  LEFT JOIN `{project_id}.organizations.azure_units` AS units ON units.native_unit = line.native_unit
  WHERE line.cost_view = 'amortized' OR NOT views.has_amortized
    OR (line.is_commitment AND line.charge_kind IN ('purchase', 'refund'))
),
priced AS (
  SELECT
    *,
    IF(is_commitment_purchase, BIGNUMERIC '0', cost_in_billing_currency) AS effective_cost,
    IF(cost_view = 'amortized' AND (is_covered OR is_unused), BIGNUMERIC '0', cost_in_billing_currency) AS billed_cost,
    -- A purchase without a quantity is priced as one piece.
    category = 'Purchase' AND COALESCE(usage_quantity, 0) = 0 AS is_one_piece,
    CASE
      WHEN NOT is_priced THEN NULL
      WHEN is_unused AND is_spend THEN BIGNUMERIC '1'
      WHEN is_unused THEN ABS(average_price)
      WHEN is_covered THEN NULLIF(own_price, 0)
      WHEN category = 'Purchase' AND COALESCE(usage_quantity, 0) = 0 THEN ABS(cost_in_billing_currency)
      WHEN charge_kind = 'refund' THEN ABS(COALESCE(NULLIF(average_price, 0), own_price))
      WHEN own_price = 0 AND cost_in_billing_currency <> 0 THEN ABS(average_price)
      ELSE ABS(COALESCE(own_price, average_price))
    END AS contracted_price,
    CASE
      WHEN NOT is_priced THEN NULL
      WHEN is_unused AND is_spend THEN cost_in_billing_currency
      WHEN category = 'Purchase' AND COALESCE(usage_quantity, 0) = 0 THEN IF(cost_in_billing_currency < 0, BIGNUMERIC '-1', BIGNUMERIC '1')
      WHEN cost_in_billing_currency < 0 THEN -ABS(usage_quantity)
      ELSE usage_quantity
    END AS quantity
  FROM charges
),
-- A retail price of 0 means unknown where a commitment or a seller sets the price, and beside a price that is charged.
listed AS (
  SELECT
    *,
    CASE
      WHEN NOT is_priced THEN NULL
      WHEN retail_price <> 0 AND NOT is_unused THEN retail_price
      WHEN is_covered OR is_commitment_purchase OR is_marketplace THEN NULL
      ELSE contracted_price
    END AS list_price
  FROM priced
),
fitted AS (
  SELECT
    *,
    CASE
      WHEN quantity = ROUND(quantity, 12) AND COALESCE(contracted_price = ROUND(contracted_price, 12), TRUE)
        AND COALESCE(list_price = ROUND(list_price, 12), TRUE) THEN quantity
      ELSE ROUND(quantity, 24 - GREATEST(
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(contracted_price AS STRING), r'\.([0-9]*[1-9])'), '')),
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(list_price AS STRING), r'\.([0-9]*[1-9])'), ''))
      ), 'ROUND_HALF_EVEN')
    END AS fitted_quantity
  FROM listed
),
-- One commitment is counted in one unit: that of what it covers, else that of its purchase.
commitments AS (
  SELECT commitment_id, COALESCE(MIN(IF(category = 'Usage', unit, NULL)), MIN(unit)) AS unit
  FROM fitted
  WHERE commitment_id IS NOT NULL
  GROUP BY commitment_id
),
costed AS (
  SELECT
    *,
    contracted_price * fitted_quantity AS price_cost,
    IF(is_unused AND is_spend, billing_currency, IF(block_size = 1 OR is_one_piece, unit, CONCAT(CAST(block_size AS STRING), ' ', unit)))
      AS pricing_unit_name,
    COALESCE(product_id, NULLIF(meter_id, '00000000-0000-0000-0000-000000000000'), product_order_id,
      IF(REGEXP_CONTAINS(part_number, r'^-?[0-9]?$'), NULL, part_number), CONCAT(product_name, COALESCE(CONCAT('/', plan_name), '')),
      plan_name, publisher_name, meter_name, meter_category, consumed_service) AS sku,
    COALESCE(meter_name, meter_subcategory, product_name, product_order_name, meter_category, charge_type, 'Usage') AS meter,
    REGEXP_CONTAINS(billing_account_id, r'^[0-9]+$') AS is_enrollment
  FROM fitted
)
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
  IF(line.contracted_price IS NULL OR line.rate = 1, line.contracted_price,
    IF(line.is_unused AND line.is_spend, line.contracted_price, COALESCE(NULLIF(line.unit_price, 0), line.effective_price))) AS PricingCurrencyContractedUnitPrice,
  IF(line.effective_cost = 0, line.effective_cost, COALESCE(line.cost_in_pricing_currency, line.effective_cost)) AS PricingCurrencyEffectiveCost,
  IF(line.list_price IS NULL OR line.rate = 1, line.list_price,
    IF(line.list_price = line.retail_price, line.payg_price, COALESCE(NULLIF(line.unit_price, 0), line.effective_price))) AS PricingCurrencyListUnitPrice,
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
""", '$dataset', CONCAT(p_project_id, '.', p_dataset_id))
  USING p_org_slug AS org_slug, p_first_period AS first_period, p_last_period AS last_period, p_credential_id AS credential_id,
    p_run_id AS run_id;
END;
