-- Inserts the priced rows of Google Cloud's billing exports. Called by sp_cloud_gcp_insert_billing, whose common table expressions p_lines
-- are: `priced` has the parts of the native rows with their costs, prices and quantities; `commitments` says how each commitment is
-- counted; `raw` is the native rows, and `python_lists` the lists among them that are not written as JSON.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_gcp_insert_lines`(
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
  AvailabilityZone, BilledCost, BillingAccountId, BillingAccountType, BillingCurrency, BillingPeriodEnd, BillingPeriodStart,
  ChargeCategory, ChargeClass, ChargeDescription, ChargeFrequency, ChargePeriodEnd, ChargePeriodStart, CommitmentDiscountCategory,
  CommitmentDiscountId, CommitmentDiscountQuantity, CommitmentDiscountStatus, CommitmentDiscountType, CommitmentDiscountUnit,
  ConsumedQuantity, ConsumedUnit, ContractedCost, ContractedUnitPrice, EffectiveCost, HostProviderName, InvoiceIssuerName, ListCost,
  ListUnitPrice, PricingCategory, PricingCurrency, PricingCurrencyContractedUnitPrice, PricingCurrencyEffectiveCost,
  PricingCurrencyListUnitPrice, PricingQuantity, PricingUnit, ProviderName, PublisherName, RegionId, RegionName, ResourceId,
  ResourceName, ResourceType, ServiceCategory, ServiceName, ServiceProviderName, ServiceSubcategory, SkuId, SkuMeter, SkuPriceId,
  SubAccountId, SubAccountName, SubAccountType, Tags, ChargeType, x_ChargeSubtype, x_CostType, x_CreditType, x_CreditId, x_CreditName,
  x_InvoiceMonth, x_AmortizationBasis, x_NativeQuantity, x_NativeCost, x_CostBasis, x_ListCostSource, x_SourceGaps, x_SplitPart, x_source_system,
  x_source_record_id, x_source_file, x_source_row, x_cloud_provider, x_cloud_account_id,
  x_org_name, x_org_owner_email, x_org_default_currency, x_org_default_timezone, x_org_default_country,
  x_org_subscription_plan, x_org_subscription_status,
  x_org_slug, x_pipeline_id, x_credential_id,
  x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
WITH
$lines,
-- Many rows share their labels: they are read once per set, not once per row. Equal keys count once.
label_sets AS (
  SELECT *, ROW_NUMBER() OVER (ORDER BY labels_text, project_text, system_text, tags_text) AS label_set
  FROM (
    SELECT DISTINCT
      COALESCE(labels_json, '') AS labels_text,
      COALESCE(project_labels_json, '') AS project_text,
      COALESCE(system_labels_json, '') AS system_text,
      COALESCE(tags_json, '') AS tags_text
    FROM raw
    WHERE COALESCE(labels_json, project_labels_json, system_labels_json, tags_json) IS NOT NULL
  )
),
labels AS (
  SELECT
    lists.label_set,
    CONCAT(lists.prefix, COALESCE(CONCAT(JSON_VALUE(label, '$.namespace'), '/'), ''), JSON_VALUE(label, '$.key')) AS label_key,
    MIN(IF(JSON_VALUE(label, '$.value') IS NULL, 'true', TO_JSON_STRING(JSON_VALUE(label, '$.value')))) AS label_value
  FROM (
    SELECT texts.label_set, texts.prefix, COALESCE(python_lists.json_text, texts.native_text) AS json_text
    FROM (
      SELECT label_set, '' AS prefix, labels_text AS native_text FROM label_sets
      UNION ALL
      SELECT label_set, 'project:', project_text FROM label_sets
      UNION ALL
      SELECT label_set, 'system:', system_text FROM label_sets
      UNION ALL
      SELECT label_set, 'tag:', tags_text FROM label_sets
    ) AS texts
    LEFT JOIN python_lists ON python_lists.native_text = texts.native_text
    WHERE texts.native_text <> ''
  ) AS lists, UNNEST(JSON_QUERY_ARRAY(lists.json_text)) AS label
  WHERE JSON_VALUE(label, '$.key') IS NOT NULL
  GROUP BY 1, 2
),
tags AS (
  SELECT
    label_sets.labels_text, label_sets.project_text, label_sets.system_text, label_sets.tags_text,
    PARSE_JSON(CONCAT('{', sets.members, '}')) AS tags
  FROM label_sets
  JOIN (
    SELECT label_set, STRING_AGG(CONCAT(TO_JSON_STRING(label_key), ':', label_value), ',' ORDER BY label_key) AS members
    FROM labels
    GROUP BY label_set
  ) AS sets ON sets.label_set = label_sets.label_set
)
SELECT
  part.location_zone AS AvailabilityZone,
  part.billed_cost AS BilledCost,
  part.billing_account_id AS BillingAccountId,
  'Billing Account' AS BillingAccountType,
  part.currency AS BillingCurrency,
  part.period_end AS BillingPeriodEnd,
  part.period_start AS BillingPeriodStart,
  CASE part.part
    WHEN 'fee' THEN 'Purchase'
    WHEN 'tax' THEN 'Tax'
    WHEN 'credit' THEN 'Credit'
    WHEN 'adjustment' THEN 'Adjustment'
    WHEN 'rounding' THEN 'Adjustment'
    ELSE 'Usage'
  END AS ChargeCategory,
  IF((part.kind = 'adjustment' OR part.adjustment_info_json IS NOT NULL)
    AND DATE_TRUNC(part.charge_day, MONTH) < part.billing_period_start, 'Correction', NULL) AS ChargeClass,
  COALESCE(part.credit_name, JSON_VALUE(part.adjustment_info_json, '$.description'), part.sku_description, part.service_description, part.kind)
    AS ChargeDescription,
  CASE WHEN part.part = 'fee' THEN 'Recurring' WHEN part.is_priced THEN 'Usage-Based' ELSE 'One-Time' END AS ChargeFrequency,
  CASE
    WHEN part.kind IN ('tax', 'rounding') THEN part.period_end
    WHEN TIMESTAMP_TRUNC(part.usage_end_time, SECOND) <= TIMESTAMP_TRUNC(part.usage_start_time, SECOND)
      THEN TIMESTAMP_ADD(TIMESTAMP_TRUNC(part.usage_start_time, SECOND), INTERVAL 1 SECOND)
    ELSE TIMESTAMP_TRUNC(part.usage_end_time, SECOND)
  END AS ChargePeriodEnd,
  IF(part.kind IN ('tax', 'rounding'), part.period_start, TIMESTAMP_TRUNC(part.usage_start_time, SECOND)) AS ChargePeriodStart,
  IF(part.has_commitment, commitments.commitment_category, NULL) AS CommitmentDiscountCategory,
  IF(part.has_commitment, part.commitment_id, NULL) AS CommitmentDiscountId,
  CASE
    WHEN NOT part.has_commitment THEN NULL
    WHEN part.part = 'fee' THEN IF(commitments.is_metered, part.quantity, part.billed_cost)
    WHEN part.part = 'unused' THEN IF(commitments.is_metered, GREATEST(part.unused_quantity, BIGNUMERIC '0'), part.effective_cost)
    ELSE IF(commitments.is_metered, part.part_quantity, part.effective_cost)
  END AS CommitmentDiscountQuantity,
  CASE part.part WHEN 'covered' THEN 'Used' WHEN 'unused' THEN 'Unused' END AS CommitmentDiscountStatus,
  IF(part.has_commitment, 'Committed Use Discount', NULL) AS CommitmentDiscountType,
  IF(part.has_commitment, IF(commitments.is_metered, part.unit, part.currency), NULL) AS CommitmentDiscountUnit,
  -- A row that is split in two is consumed in the proportion that it is priced in.
  CASE
    WHEN NOT part.is_consumption THEN NULL
    WHEN part.part_quantity = part.quantity OR part.quantity IS NULL OR part.quantity = 0 THEN part.consumed_amount
    ELSE ROUND(SAFE_DIVIDE(part.part_quantity, part.quantity), 9) * part.consumed_amount
  END AS ConsumedQuantity,
  IF(part.is_consumption, CONCAT(IF(part.is_huge, '1000000000 ', ''),
    COALESCE(consumed_units.focus_unit, CONCAT(part.usage_unit, 's'), 'Count')), NULL) AS ConsumedUnit,
  IF(part.is_priced, COALESCE(part.contracted_product, part.native_contracted_cost), part.billed_cost) AS ContractedCost,
  IF(part.is_priced, part.contracted_price, NULL) AS ContractedUnitPrice,
  part.effective_cost AS EffectiveCost,
  IF(part.is_own_product OR part.own_resource_id IS NOT NULL, 'Google Cloud', part.seller_name) AS HostProviderName,
  'Google Cloud' AS InvoiceIssuerName,
  IF(part.is_priced, COALESCE(part.list_product, part.contracted_product, part.native_contracted_cost), part.billed_cost) AS ListCost,
  IF(part.is_priced, part.list_price, NULL) AS ListUnitPrice,
  CASE
    WHEN NOT part.is_priced THEN NULL
    WHEN part.part IN ('covered', 'unused') THEN 'Committed'
    WHEN part.part = 'usage' AND REGEXP_CONTAINS(part.sku_description, r'(?i)\b(spot|preemptible)\b') THEN 'Dynamic'
    ELSE 'Standard'
  END AS PricingCategory,
  IF(part.is_converted, 'USD', part.currency) AS PricingCurrency,
  IF(part.is_priced, IF(part.is_converted, ROUND(SAFE_DIVIDE(part.contracted_price, part.currency_conversion_rate), 12), part.contracted_price),
    NULL) AS PricingCurrencyContractedUnitPrice,
  IF(part.is_converted, ROUND(SAFE_DIVIDE(part.effective_cost, part.currency_conversion_rate), 12), part.effective_cost)
    AS PricingCurrencyEffectiveCost,
  IF(part.is_priced, IF(part.is_converted, ROUND(SAFE_DIVIDE(part.list_price, part.currency_conversion_rate), 12), part.list_price), NULL)
    AS PricingCurrencyListUnitPrice,
  IF(part.is_priced, part.part_quantity, NULL) AS PricingQuantity,
  IF(part.is_priced AND part.part_quantity IS NOT NULL, part.part_unit, NULL) AS PricingUnit,
  IF(part.is_own_product, 'Google Cloud', part.seller_name) AS ProviderName,
  IF(part.is_own_product, 'Google Cloud', part.seller_name) AS PublisherName,
  part.region AS RegionId,
  IF(part.region IS NULL, NULL, COALESCE(regions.region_name, part.region)) AS RegionName,
  CASE WHEN part.part IN ('fee', 'unused') THEN part.commitment_id ELSE part.own_resource_id END AS ResourceId,
  IF(part.part IN ('fee', 'unused'), NULL, NULLIF(part.resource_name, part.own_resource_id)) AS ResourceName,
  CASE
    WHEN part.part IN ('fee', 'unused') THEN 'Committed Use Discount'
    WHEN part.own_resource_id IS NULL THEN NULL
    ELSE COALESCE(REGEXP_EXTRACT(part.resource_global_name, r'/([A-Za-z]+)/[^/]+$'), part.service_description, 'resource')
  END AS ResourceType,
  COALESCE(by_id.service_category, by_name.service_category, 'Other') AS ServiceCategory,
  COALESCE(by_id.service_name, by_name.service_name, part.service_description, IF(part.kind = 'tax', 'Tax', 'Invoice')) AS ServiceName,
  IF(part.is_own_product, 'Google Cloud', part.seller_name) AS ServiceProviderName,
  COALESCE(by_id.service_subcategory, by_name.service_subcategory, 'Other (Other)') AS ServiceSubcategory,
  IF(part.part = 'tax', NULL, IF(part.is_priced, part.sku, part.sku_id)) AS SkuId,
  IF(part.part <> 'tax' AND (part.is_priced OR part.sku_id IS NOT NULL), COALESCE(part.sku_description, part.sku), NULL) AS SkuMeter,
  IF(part.is_priced, ARRAY_TO_STRING([
    part.sku,
    REGEXP_REPLACE(REGEXP_REPLACE(CAST(part.price_tier_start_amount AS STRING), r'(\.[0-9]*[1-9])0+$', r'\1'), r'\.0*$', ''),
    part.consumption_model_id
  ], '/'), NULL) AS SkuPriceId,
  IF(part.kind IN ('tax', 'rounding'), NULL, part.project_id) AS SubAccountId,
  IF(part.kind IN ('tax', 'rounding') OR part.project_id IS NULL, NULL, part.project_name) AS SubAccountName,
  IF(part.kind IN ('tax', 'rounding') OR part.project_id IS NULL, NULL, 'Project') AS SubAccountType,
  tags.tags AS Tags,
  COALESCE(part.cost_type, 'regular') AS ChargeType,
  CASE
    WHEN part.part = 'rounding' THEN 'Rounding'
    WHEN part.part = 'adjustment' THEN COALESCE(JSON_VALUE(part.adjustment_info_json, '$.type'), part.cost_type)
  END AS x_ChargeSubtype,
  part.cost_type AS x_CostType,
  part.credit_type AS x_CreditType,
  part.credit_id AS x_CreditId,
  part.credit_name AS x_CreditName,
  part.invoice_month AS x_InvoiceMonth,
  CASE
    WHEN part.part = 'covered' THEN part.amortization_basis
    WHEN part.part = 'unused' AND part.is_unused_by_price THEN 'commitment-price'
    WHEN part.part = 'unused' THEN 'assumed-full'
  END AS x_AmortizationBasis,
  IF(part.split_part > 1 OR part.part_quantity = part.usage_amount_in_pricing_units, NULL, part.usage_amount_in_pricing_units)
    AS x_NativeQuantity,
  IF(part.split_part = 1, part.cost, NULL) AS x_NativeCost,
  'cost and credits' AS x_CostBasis,
  CASE
    WHEN NOT part.is_priced THEN 'billed_cost'
    WHEN part.list_product IS NOT NULL THEN 'list_price'
    WHEN part.contracted_product IS NOT NULL THEN 'contracted_price'
    ELSE 'native'
  END AS x_ListCostSource,
  -- What the cells of the native row leave blank; no export has names of billing accounts.
  ARRAY_TO_STRING([
    'BillingAccountName',
    IF(part.part IN ('usage', 'covered') AND part.price_effective_price IS NULL, 'ContractedUnitPrice', NULL),
    IF(part.part IN ('usage', 'covered', 'fee') AND NOT part.is_one_piece AND part.price_list_price IS NULL, 'ListUnitPrice', NULL),
    IF(part.kind NOT IN ('tax', 'rounding') AND part.project_id IS NOT NULL AND part.project_name IS NULL, 'SubAccountName', NULL)
  ], ' ') AS x_SourceGaps,
  part.split_part AS x_SplitPart,
  'cloud_gcp_billing_raw_daily' AS x_source_system,
  ARRAY_TO_STRING([part.sku_id, part.project_id, part.own_resource_id, FORMAT_TIMESTAMP('%FT%TZ', part.usage_start_time)], '|')
    AS x_source_record_id,
  part.x_source_file,
  part.x_source_row,
  'gcp' AS x_cloud_provider,
  COALESCE(part.project_id, part.billing_account_id) AS x_cloud_account_id,
  profile.company_name, profile.admin_email, profile.default_currency, profile.default_timezone, profile.default_country,
  profile.subscription_plan, profile.subscription_status,
  part.x_org_slug,
  part.x_pipeline_id,
  part.x_credential_id,
  part.x_pipeline_run_date,
  @run_id AS x_run_id,
  CURRENT_TIMESTAMP() AS x_ingested_at,
  CURRENT_DATE() AS x_ingestion_date
FROM priced AS part
LEFT JOIN `$dataset.org_profile` AS profile ON profile.x_org_slug = part.x_org_slug
LEFT JOIN commitments ON commitments.x_credential_id = part.x_credential_id AND commitments.commitment_id = part.commitment_id
LEFT JOIN tags
  ON tags.labels_text = COALESCE(part.labels_json, '') AND tags.project_text = COALESCE(part.project_labels_json, '')
  AND tags.system_text = COALESCE(part.system_labels_json, '') AND tags.tags_text = COALESCE(part.tags_json, '')
LEFT JOIN `{project_id}.organizations.gcp_services` AS by_id ON by_id.service_key = part.service_id
LEFT JOIN `{project_id}.organizations.gcp_services` AS by_name ON by_name.service_key = part.service_description
LEFT JOIN `{project_id}.organizations.gcp_regions` AS regions ON regions.region_id = part.region
LEFT JOIN `{project_id}.organizations.gcp_units` AS consumed_units ON consumed_units.native_unit = LOWER(part.usage_unit)
""", '$lines', p_lines), '$dataset', CONCAT(p_project_id, '.', p_dataset_id))
  USING p_org_slug AS org_slug, p_first_period AS first_period, p_last_period AS last_period, p_credential_id AS credential_id,
    p_run_id AS run_id;
END;
