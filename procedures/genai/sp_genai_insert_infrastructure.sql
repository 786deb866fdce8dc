-- FOCUS rows of rented GPUs and TPUs of one day; called by sp_genai_3_convert_to_focus inside its transaction. p_left_out: providers, each
-- between slashes, that have none. Hours of a reservation are bought and used on the same day: what is billed is the purchase, what was used
-- has the effective cost.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_genai_insert_infrastructure`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_org_slug STRING,
  p_cost_date DATE,
  p_credential_id STRING,
  p_left_out STRING,
  p_run_id STRING
)
BEGIN
  DECLARE v_dataset STRING DEFAULT CONCAT(p_project_id, '.', p_dataset_id);

  EXECUTE IMMEDIATE REPLACE(r"""
INSERT INTO `$dataset.cost_data_standard_1_3` (
  BilledCost, EffectiveCost, ContractedCost, ListCost, ContractedUnitPrice, ListUnitPrice, PricingQuantity, PricingUnit, PricingCategory,
  PricingCurrency, PricingCurrencyContractedUnitPrice, PricingCurrencyEffectiveCost, PricingCurrencyListUnitPrice, ConsumedQuantity,
  ConsumedUnit, BillingAccountId, BillingAccountName, BillingAccountType, BillingCurrency, BillingPeriodStart, BillingPeriodEnd, ChargePeriodStart,
  ChargePeriodEnd, ChargeCategory, ChargeDescription, ChargeFrequency, CommitmentDiscountCategory, CommitmentDiscountId,
  CommitmentDiscountName, CommitmentDiscountQuantity, CommitmentDiscountStatus, CommitmentDiscountType, CommitmentDiscountUnit,
  ContractApplied, InvoiceIssuerName, ProviderName, PublisherName, ServiceProviderName, HostProviderName, ServiceName, ServiceCategory,
  ServiceSubcategory, SkuId, SkuPriceId, SkuMeter, SkuPriceDetails, ResourceId, ResourceName, ResourceType, SubAccountId, SubAccountName,
  SubAccountType, RegionId, RegionName, x_ListCostSource, x_CostSource, x_SplitPart, x_source_system, x_source_record_id, x_service_model,
  x_amortization_class, x_genai_cost_type, x_genai_provider, x_genai_model, x_genai_project_id,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names,
  x_hierarchy_validated_at,
  x_org_name, x_org_owner_email, x_org_default_currency, x_org_default_timezone, x_org_default_country,
  x_org_subscription_plan, x_org_subscription_status,
  x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
WITH cost AS (
  SELECT
    *,
    REGEXP_CONTAINS(COALESCE(pricing_type, ''), r'^(reserved|committed)_[13]yr$') AS is_term,
    ROUND(CAST(hours_used AS BIGNUMERIC) * CAST(COALESCE(instance_count, 1) AS BIGNUMERIC), 9) AS quantity,
    hourly_rate AS price,
    list_hourly_rate AS list_price,
    'Hours' AS unit,
    CONCAT(provider, '/', instance_type) AS sku,
    CONCAT(COALESCE(pricing_type, 'on_demand'), '/', region) AS sku_price
  FROM `$dataset.genai_infrastructure_costs_daily`
  WHERE x_org_slug = @org_slug AND cost_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
    AND STRPOS(@left_out, CONCAT('/', provider, '/')) = 0
),
charge AS (
  SELECT
    cost.*,
    part,
    IF(part = 1, CAST(total_cost_usd AS BIGNUMERIC), BIGNUMERIC '0') AS billed_cost,
    IF(part = 1 AND is_term, BIGNUMERIC '0', CAST(total_cost_usd AS BIGNUMERIC)) AS effective_cost,
    IF(part = 1 AND is_term, 'Purchase', 'Usage') AS category,
    IF(part = 1 AND is_term, 'Recurring', 'Usage-Based') AS frequency,
    CASE WHEN part = 2 THEN 'Committed' WHEN pricing_type IN ('spot', 'preemptible') THEN 'Dynamic' ELSE 'Standard' END AS pricing,
    part = 2 OR NOT is_term AS consumes,
    CONCAT(instance_type, ' hours', IF(part = 2, ' of a reservation, used', IF(is_term, ' of a reservation', ''))) AS description,
    IF(is_term, CONCAT(sku, '/', sku_price), instance_id) AS resource,
    IF(resource_type = 'tpu', 'TPU Hours', 'GPU Hours') AS meter
  FROM cost
  CROSS JOIN UNNEST([1, 2]) AS part
  WHERE part = 1 OR is_term
)
SELECT
  billed_cost, effective_cost, price * quantity, list_price * quantity, price, list_price, quantity, unit, pricing,
  'USD', price, effective_cost, list_price, IF(consumes, quantity, NULL), IF(consumes, unit, NULL),
  COALESCE(x_genai_account_id, CONCAT(charge.provider, '/', charge.x_credential_id)),
  COALESCE(x_genai_account_id, CONCAT(charge.provider, '/', charge.x_credential_id)), IF(x_genai_account_id IS NULL, 'Credential', 'Account'), 'USD',
  TIMESTAMP(DATE_TRUNC(cost_date, MONTH)), TIMESTAMP(DATE_ADD(DATE_TRUNC(cost_date, MONTH), INTERVAL 1 MONTH)),
  TIMESTAMP(cost_date), TIMESTAMP(DATE_ADD(cost_date, INTERVAL 1 DAY)), category, description, frequency,
  IF(is_term, 'Usage', NULL), IF(is_term, resource, NULL), CAST(NULL AS STRING), IF(is_term, quantity, NULL),
  IF(is_term AND part = 2, 'Used', NULL), IF(is_term, 'Committed Use Discount', NULL), IF(is_term, unit, NULL), CAST(NULL AS JSON),
  names.service_provider_name, names.service_provider_name, names.service_provider_name, names.service_provider_name,
  names.service_provider_name, names.service_name, 'AI and Machine Learning', 'AI Platforms', sku, CONCAT(sku, '/', sku_price), meter,
  TO_JSON(STRUCT(
    COALESCE(machine_type, instance_type) AS InstanceType, COALESCE(gpu_count, 1) AS GpuCount, gpu_type AS x_GpuType,
    COALESCE(pricing_type, 'on_demand') AS x_PricingType)),
  resource, CAST(NULL AS STRING), CASE WHEN is_term THEN 'Commitment' WHEN instance_id IS NOT NULL THEN 'Virtual Machine' END,
  x_genai_project_id, x_genai_project_id, IF(x_genai_project_id IS NULL, NULL, names.sub_account_type), NULLIF(region, 'global'),
  NULLIF(region, 'global'), 'list_price', 'computed', part,
  'genai_costs_daily_unified', x_ingestion_id, 'IaaS', IF(is_term, IF(part = 1, 'purchase', 'amortized'), 'on-demand'), 'infrastructure', charge.provider, CAST(NULL AS STRING), x_genai_project_id,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names,
  x_hierarchy_validated_at,
  profile.company_name, profile.admin_email, profile.default_currency, profile.default_timezone, profile.default_country,
  profile.subscription_plan, profile.subscription_status,
  charge.x_org_slug, charge.x_pipeline_id, charge.x_credential_id, charge.x_pipeline_run_date, @run_id, CURRENT_TIMESTAMP(), CURRENT_DATE()
FROM charge
LEFT JOIN `$dataset.org_profile` AS profile ON profile.x_org_slug = charge.x_org_slug
JOIN `{project_id}.organizations.genai_providers` AS names ON names.provider = charge.provider
""", '$dataset', v_dataset)
  USING p_org_slug AS org_slug, p_cost_date AS day, p_credential_id AS credential_id, p_left_out AS left_out, p_run_id AS run_id;
END;
