-- Inserts the FOCUS 1.3 rows of AWS Cost and Usage Report lines. Called by sp_cloud_aws_convert_to_focus inside its transaction, after the
-- rows of these periods were deleted.
--
-- A native line becomes one row, or two where a commitment's fee also carries what was not used of it; aws_line_item_types says which.
-- Savings plan negations and discounts that net costs already contain become no row. Amounts keep up to 24 decimals: prices are never
-- rounded, a quantity only as far as price x quantity needs to fit.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_aws_insert_cur`(
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
  ChargeFrequency, ChargePeriodEnd, ChargePeriodStart, CommitmentDiscountCategory, CommitmentDiscountId,
  CommitmentDiscountQuantity, CommitmentDiscountStatus, CommitmentDiscountType, CommitmentDiscountUnit, ConsumedQuantity,
  ConsumedUnit, ContractedCost, ContractedUnitPrice, EffectiveCost, HostProviderName, InvoiceId, InvoiceIssuerName, ListCost,
  ListUnitPrice, PricingCategory, PricingCurrency, PricingCurrencyContractedUnitPrice, PricingCurrencyEffectiveCost,
  PricingCurrencyListUnitPrice, PricingQuantity, PricingUnit, ProviderName, PublisherName, RegionId, RegionName, ResourceId,
  ResourceName, ResourceType, ServiceCategory, ServiceName, ServiceProviderName, ServiceSubcategory, SkuId, SkuMeter,
  SkuPriceDetails, SkuPriceId, SubAccountId, SubAccountName, SubAccountType, Tags, ChargeType, x_LineItemType, x_ChargeSubtype,
  x_DiscountType, x_TaxType, x_BillType, x_ProductCode, x_UsageType, x_Operation, x_Discounts, x_CostCategories, x_NativeQuantity,
  x_NativeCost, x_CostBasis, x_ListCostSource, x_SplitPart, x_source_system, x_source_record_id, x_source_file, x_source_row,
  x_cloud_provider, x_cloud_account_id, x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at,
  x_ingestion_date
)
WITH
-- The net columns exist in a file only when the account has private discounts; then they are the basis of the whole file.
cost_basis AS (
  SELECT x_source_file, LOGICAL_OR(net_unblended_cost IS NOT NULL) AS is_net
  FROM `$dataset.cloud_aws_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  GROUP BY x_source_file
),
bills AS (
  SELECT
    billing_period_start,
    TIMESTAMP(billing_period_start) AS period_start,
    TIMESTAMP(DATE_ADD(billing_period_start, INTERVAL 1 MONTH)) AS period_end
  FROM `$dataset.cloud_aws_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  GROUP BY billing_period_start
),
-- Many lines share their tags and product attributes: JSON is parsed once per text, not once per line.
tags AS (
  SELECT native_text, PARSE_JSON(own_text) AS tags, COALESCE(JSON_VALUE(own_text, '$.Name'), JSON_VALUE(own_text, '$.name')) AS resource_name
  FROM (
    SELECT resource_tags_json AS native_text, REGEXP_REPLACE(resource_tags_json, r'([{,]\s*)"user[:_]', r'\1"') AS own_text
    FROM `$dataset.cloud_aws_billing_raw_daily`
    WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
      AND (@credential_id IS NULL OR x_credential_id = @credential_id) AND resource_tags_json <> '{}'
    GROUP BY resource_tags_json
  )
),
cost_categories AS (
  SELECT cost_category_json AS native_text, PARSE_JSON(cost_category_json) AS categories
  FROM `$dataset.cloud_aws_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id) AND cost_category_json <> '{}'
  GROUP BY cost_category_json
),
products AS (
  SELECT * EXCEPT (members), IF(members = '', NULL, PARSE_JSON(CONCAT('{', members, '}'))) AS details
  FROM (
    SELECT
      *,
      ARRAY_TO_STRING([
        IF(instance_type = '', NULL, CONCAT('"InstanceType":', TO_JSON_STRING(instance_type))),
        CONCAT('"InstanceSeries":', IF(instance_type_family = '',
          CONCAT('"', REGEXP_EXTRACT(instance_type, r'([a-z0-9-]+)\.[a-z0-9-]+$'), '"'), TO_JSON_STRING(instance_type_family))),
        CONCAT('"CoreCount":', REGEXP_EXTRACT(vcpu, r'^[1-9][0-9]*$')),
        CONCAT('"GpuCount":', REGEXP_EXTRACT(gpu, r'^[1-9][0-9]*$')),
        CONCAT('"MemorySize":',
          CAST(SAFE_CAST(REPLACE(REGEXP_EXTRACT(memory, r'^([0-9][0-9,.]*) GiB$'), ',', '') AS NUMERIC) AS STRING)),
        IF(operating_system IN ('', 'NA'), NULL, CONCAT('"OperatingSystem":', TO_JSON_STRING(operating_system))),
        IF(storage_class = '', NULL, CONCAT('"StorageClass":', TO_JSON_STRING(storage_class))),
        IF(tenancy IN ('', 'NA'), NULL, CONCAT('"x_Tenancy":', TO_JSON_STRING(tenancy))),
        IF(operation = '', NULL, CONCAT('"x_Operation":', TO_JSON_STRING(operation)))
      ], ',') AS members
    FROM (
      SELECT DISTINCT
        COALESCE(product_instance_type, '') AS instance_type,
        COALESCE(product_instance_type_family, '') AS instance_type_family,
        COALESCE(product_vcpu, '') AS vcpu,
        COALESCE(product_gpu, '') AS gpu,
        COALESCE(product_memory, '') AS memory,
        COALESCE(product_operating_system, '') AS operating_system,
        COALESCE(product_storage_class, '') AS storage_class,
        COALESCE(product_tenancy, '') AS tenancy,
        COALESCE(operation, '') AS operation
      FROM `$dataset.cloud_aws_billing_raw_daily`
      WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
        AND (@credential_id IS NULL OR x_credential_id = @credential_id)
    )
  )
),
-- A reservation is counted in normalized hours when all its lines have them, because its unit must be the same on every row.
reservations AS (
  SELECT reservation_arn, LOGICAL_AND(COALESCE(
    CASE line_item_type
      WHEN 'RIFee' THEN reservation_total_reserved_normalized_units
      WHEN 'Fee' THEN normalization_factor
      ELSE normalized_usage_amount
    END, 0) > 0) AS is_size_flexible
  FROM `$dataset.cloud_aws_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
    AND reservation_arn IS NOT NULL AND line_item_type IN ('DiscountedUsage', 'RIFee', 'Fee')
  GROUP BY reservation_arn
),
native AS (
  SELECT
    line.*,
    COALESCE(basis.is_net, FALSE) AS is_net,
    types.row_kind AS native_kind,
    IF(types.split_part = '2', 2, 1) AS split_part,
    IF(basis.is_net, line.net_unblended_cost, line.unblended_cost) AS native_cost,
    COALESCE(line.bill_billing_entity = 'AWS Marketplace', FALSE) AS is_marketplace,
    COALESCE(REGEXP_CONTAINS(line.reservation_arn, r':capacity-reservation/'), FALSE) AS is_capacity_reservation,
    COALESCE(line.savings_plan_arn, IF(REGEXP_CONTAINS(line.reservation_arn, r':capacity-reservation/'), NULL, line.reservation_arn))
      AS commitment_arn,
    COALESCE(line.usage_end_time, line.usage_start_time) AS native_end_time,
    bills.period_start,
    bills.period_end,
    tags.tags,
    COALESCE(line.resource_name, tags.resource_name) AS own_name,
    cost_categories.categories,
    COALESCE(units.focus_unit, IF(ENDS_WITH(line.pricing_unit, 's'), line.pricing_unit, CONCAT(line.pricing_unit, 's')), 'Count')
      AS metered_unit,
    COALESCE(
      IF(line.region = 'global', NULL, line.region), IF(line.region_name_code = 'global', NULL, line.region_name_code),
      REGEXP_EXTRACT(line.availability_zone, r'^([a-z]{2}(?:-[a-z]+)+-[0-9]+)[a-z]?$')
    ) AS region_code,
    -- Price of a line without a rate, where the division ends.
    CASE
      WHEN line.unblended_rate <> 0 OR COALESCE(line.usage_amount, 0) = 0 THEN NULL
      WHEN line.usage_amount <> ROUND(line.usage_amount, 12) THEN NULL
      WHEN ROUND(SAFE_DIVIDE(IF(basis.is_net, line.net_unblended_cost, line.unblended_cost), line.usage_amount), 12) * line.usage_amount
        = IF(basis.is_net, line.net_unblended_cost, line.unblended_cost)
        THEN ABS(ROUND(SAFE_DIVIDE(IF(basis.is_net, line.net_unblended_cost, line.unblended_cost), line.usage_amount), 12))
    END AS unit_cost
  FROM `$dataset.cloud_aws_billing_raw_daily` AS line
  LEFT JOIN cost_basis AS basis ON basis.x_source_file = line.x_source_file
  JOIN bills ON bills.billing_period_start = line.billing_period_start
  LEFT JOIN tags ON tags.native_text = line.resource_tags_json
  LEFT JOIN cost_categories ON cost_categories.native_text = line.cost_category_json
  LEFT JOIN `{project_id}.organizations.aws_line_item_types` AS types ON types.line_item_type = line.line_item_type
  LEFT JOIN `{project_id}.organizations.aws_units` AS units ON units.native_unit = line.pricing_unit
  WHERE line.x_org_slug = @org_slug AND line.billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR line.x_credential_id = @credential_id)
),
-- Drops what has no row of its own; sp_cloud_aws_convert_to_focus counts the same drops from the native side.
classified AS (
  SELECT
    line.*,
    kinds.row_kind AS kind,
    kinds.charge_category,
    kinds.charge_frequency,
    kinds.is_priced = 'yes' AS is_priced,
    kinds.has_published_price = 'yes' AS has_published_price,
    kinds.is_covered = 'yes' AS is_covered,
    kinds.is_unused = 'yes' AS is_unused,
    kinds.is_commitment_purchase = 'yes' AS is_commitment_purchase,
    kinds.is_purchase = 'yes' AS is_purchase,
    -- A fee without a rate, or without a quantity that divides its cost, is priced as one piece.
    kinds.is_purchase = 'yes'
      AND ((COALESCE(line.unblended_rate, 0) = 0 AND line.native_cost <> 0 AND line.unit_cost IS NULL) OR COALESCE(line.usage_amount, 0) = 0)
      AS is_one_piece,
    IF('yes' IN (kinds.is_covered, kinds.is_unused, kinds.is_commitment_purchase), line.commitment_arn, NULL) AS commitment_id,
    CASE kinds.row_kind
      WHEN 'savings_plan_usage' THEN COALESCE(line.savings_plan_net_effective_cost, line.savings_plan_effective_cost)
      WHEN 'reservation_usage' THEN COALESCE(line.reservation_net_effective_cost, line.reservation_effective_cost)
      WHEN 'savings_plan_unused' THEN line.savings_plan_total_commitment_to_date - line.savings_plan_used_commitment
      WHEN 'reservation_unused' THEN
        IF(COALESCE(line.reservation_unused_recurring_fee, line.reservation_unused_amortized_upfront_fee_for_billing_period) IS NULL, NULL,
          COALESCE(line.reservation_net_unused_recurring_fee, line.reservation_unused_recurring_fee, 0)
          + COALESCE(line.reservation_net_unused_amortized_upfront_fee_for_billing_period,
            line.reservation_unused_amortized_upfront_fee_for_billing_period, 0))
      ELSE IF(kinds.is_commitment_purchase = 'yes', BIGNUMERIC '0', line.native_cost)
    END AS effective_cost,
    -- A list cost of 0 beside a real charge means that AWS lists no price: Marketplace products.
    CASE
      WHEN kinds.has_published_price <> 'yes' THEN NULL
      WHEN line.public_on_demand_rate IS NOT NULL THEN line.public_on_demand_rate
      WHEN COALESCE(line.usage_amount, 0) = 0 OR (line.public_on_demand_cost = 0 AND line.unblended_cost <> 0) THEN NULL
      WHEN line.usage_amount <> ROUND(line.usage_amount, 12) THEN NULL
      WHEN ROUND(SAFE_DIVIDE(line.public_on_demand_cost, line.usage_amount), 12) * line.usage_amount = line.public_on_demand_cost
        THEN ROUND(SAFE_DIVIDE(line.public_on_demand_cost, line.usage_amount), 12)
    END AS published_price
  FROM native AS line
  JOIN `{project_id}.organizations.aws_row_kinds` AS kinds ON kinds.row_kind =
    CASE
      WHEN line.native_kind = 'fee' THEN
        CASE
          WHEN line.commitment_arn IS NOT NULL THEN 'commitment_upfront'
          WHEN line.usage_start_time <= line.period_start AND line.native_end_time >= TIMESTAMP_SUB(line.period_end, INTERVAL 1 SECOND)
            THEN 'recurring_fee'
          ELSE 'fee'
        END
      WHEN line.native_kind = 'refund' THEN
        CASE
          WHEN line.tax_type IS NOT NULL THEN 'tax'
          WHEN line.usage_start_time < line.period_start THEN IF(line.commitment_arn IS NULL, 'earlier_refund', 'earlier_commitment_refund')
          WHEN line.commitment_arn IS NOT NULL THEN 'commitment_refund'
          WHEN COALESCE(line.pricing_rate_code, line.product_sku) IS NOT NULL AND COALESCE(line.usage_amount, 0) <> 0
            AND (line.unblended_rate <> 0 OR line.unit_cost IS NOT NULL) THEN 'usage_refund'
          ELSE 'refund'
        END
      ELSE COALESCE(line.native_kind, 'other')
    END
  WHERE CASE line.native_kind
    WHEN 'negation' THEN FALSE
    WHEN 'discount' THEN NOT line.is_net OR line.native_cost <> 0
    WHEN 'savings_plan_unused' THEN COALESCE(line.savings_plan_total_commitment_to_date <> line.savings_plan_used_commitment, FALSE)
    WHEN 'reservation_unused' THEN COALESCE(line.reservation_unused_quantity, 0) <> 0
      OR COALESCE(line.reservation_unused_recurring_fee, 0) <> 0
      OR COALESCE(line.reservation_unused_amortized_upfront_fee_for_billing_period, 0) <> 0
    ELSE TRUE
  END
),
priced AS (
  SELECT
    *,
    CASE
      WHEN NOT is_priced THEN NULL
      WHEN kind = 'savings_plan_unused' THEN BIGNUMERIC '1'
      WHEN kind = 'reservation_usage' THEN published_price
      WHEN is_one_piece THEN ABS(native_cost)
      WHEN is_purchase OR kind = 'usage_refund' THEN IF(unblended_rate <> 0, ABS(unblended_rate), COALESCE(unit_cost, unblended_rate))
      ELSE COALESCE(IF(is_unused, NULL, net_unblended_rate), unblended_rate, unit_cost)
    END AS contracted_price,
    CASE
      WHEN NOT is_priced THEN NULL
      WHEN kind = 'savings_plan_unused' THEN effective_cost
      WHEN kind = 'reservation_unused' THEN reservation_unused_quantity
      WHEN native_cost < 0 THEN IF(is_one_piece, BIGNUMERIC '-1', -ABS(usage_amount))
      ELSE IF(is_one_piece, BIGNUMERIC '1', usage_amount)
    END AS quantity
  FROM classified
),
-- The list price is the published one or the contracted one, so their decimals decide how long the quantity may be.
fitted AS (
  SELECT
    *,
    COALESCE(published_price, IF(is_marketplace OR NOT has_published_price OR kind = 'usage_refund', contracted_price, NULL)) AS list_price,
    CASE
      WHEN quantity = ROUND(quantity, 12) AND COALESCE(contracted_price = ROUND(contracted_price, 12), TRUE)
        AND (COALESCE(published_price = contracted_price, FALSE) OR COALESCE(published_price = ROUND(published_price, 12), TRUE)) THEN quantity
      ELSE ROUND(quantity, 24 - GREATEST(
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(contracted_price AS STRING), r'\.([0-9]*[1-9])'), '')),
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(published_price AS STRING), r'\.([0-9]*[1-9])'), ''))
      ), 'ROUND_HALF_EVEN')
    END AS fitted_quantity
  FROM priced
),
costed AS (
  SELECT
    *,
    contracted_price * fitted_quantity AS price_cost,
    IF(kind = 'savings_plan_unused', currency, IF(is_one_piece, 'Count', metered_unit)) AS unit,
    COALESCE(product_sku, CONCAT(product_code, COALESCE(CONCAT('/', usage_type), '')), usage_type) AS sku
  FROM fitted
)
SELECT
  NULLIF(line.availability_zone, COALESCE(line.region_code, places.region_code)) AS AvailabilityZone,
  IF(line.is_unused OR line.kind = 'savings_plan_usage', BIGNUMERIC '0', line.native_cost) AS BilledCost,
  line.payer_account_id AS BillingAccountId,
  line.payer_account_name AS BillingAccountName,
  'Payer Account' AS BillingAccountType,
  line.currency AS BillingCurrency,
  line.period_end AS BillingPeriodEnd,
  line.period_start AS BillingPeriodStart,
  IF(line.is_capacity_reservation AND line.kind = 'usage', line.reservation_arn, NULL) AS CapacityReservationId,
  CASE
    WHEN NOT (line.is_capacity_reservation AND line.kind = 'usage') THEN NULL
    WHEN REGEXP_CONTAINS(line.usage_type, r'Unused(Box|Ded)') THEN 'Unused'
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
  END AS CommitmentDiscountQuantity,
  CASE
    WHEN line.commitment_id IS NULL THEN NULL
    WHEN line.is_covered THEN 'Used'
    WHEN line.is_unused THEN 'Unused'
  END AS CommitmentDiscountStatus,
  IF(line.commitment_id IS NULL, NULL, IF(line.savings_plan_arn IS NULL, 'Reserved Instance', 'Savings Plan')) AS CommitmentDiscountType,
  CASE
    WHEN line.commitment_id IS NULL OR NOT line.is_priced THEN NULL
    WHEN line.savings_plan_arn IS NOT NULL THEN line.currency
    WHEN line.kind IN ('commitment_upfront', 'commitment_refund')
      AND COALESCE(line.pricing_lease_contract_length, '') NOT IN ('1yr', '3yr') THEN NULL
    ELSE IF(reservations.is_size_flexible, 'Normalized Hours', 'Hours')
  END AS CommitmentDiscountUnit,
  IF(line.charge_category = 'Usage' AND line.is_priced AND NOT line.is_unused, line.quantity, NULL) AS ConsumedQuantity,
  IF(line.charge_category = 'Usage' AND line.is_priced AND NOT line.is_unused AND line.quantity IS NOT NULL, line.unit, NULL) AS ConsumedUnit,
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
  line.split_part AS x_SplitPart,
  'cloud_aws_billing_raw_daily' AS x_source_system,
  line.line_item_id AS x_source_record_id,
  line.x_source_file,
  line.x_source_row,
  'aws' AS x_cloud_provider,
  line.linked_account_id AS x_cloud_account_id,
  line.x_org_slug,
  line.x_pipeline_id,
  line.x_credential_id,
  line.x_pipeline_run_date,
  @run_id AS x_run_id,
  CURRENT_TIMESTAMP() AS x_ingested_at,
  CURRENT_DATE() AS x_ingestion_date
FROM costed AS line
JOIN products
  ON products.instance_type = COALESCE(line.product_instance_type, '')
  AND products.instance_type_family = COALESCE(line.product_instance_type_family, '')
  AND products.vcpu = COALESCE(line.product_vcpu, '') AND products.gpu = COALESCE(line.product_gpu, '')
  AND products.memory = COALESCE(line.product_memory, '')
  AND products.operating_system = COALESCE(line.product_operating_system, '')
  AND products.storage_class = COALESCE(line.product_storage_class, '')
  AND products.tenancy = COALESCE(line.product_tenancy, '') AND products.operation = COALESCE(line.operation, '')
LEFT JOIN reservations ON reservations.reservation_arn = line.commitment_id
LEFT JOIN `{project_id}.organizations.aws_services` AS services
  ON services.product_code = IF(line.product_code = 'AmazonEC2' AND REGEXP_CONTAINS(line.usage_type, r'EBS:'), 'AmazonEBS', line.product_code)
LEFT JOIN `{project_id}.organizations.aws_places` AS places ON places.place = COALESCE(line.region_code, line.region_location)
LEFT JOIN `{project_id}.organizations.aws_resource_types` AS resources
  ON resources.resource_prefix = COALESCE(
    REGEXP_EXTRACT(line.resource_id, r'^arn:[^:]*:([a-z0-9-]+):'), REGEXP_EXTRACT(line.resource_id, r'^([a-z]+)-[0-9a-f]'))
""", '$dataset', CONCAT(p_project_id, '.', p_dataset_id))
  USING p_org_slug AS org_slug, p_first_period AS first_period, p_last_period AS last_period, p_credential_id AS credential_id,
    p_run_id AS run_id;
END;
