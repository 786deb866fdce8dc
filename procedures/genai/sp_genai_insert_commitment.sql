-- FOCUS rows of provisioned throughput of one day; called by sp_genai_3_convert_to_focus inside its transaction. p_left_out: providers, each
-- between slashes, that have none.
--
-- Units by the hour are usage. Units of a term are bought (a purchase that costs what is billed and has no effective cost) and used: the
-- day's fee is parted into the used share and the unused rest. Where nobody tells how far they were used, all of it counts as used. Use
-- beyond the units is a row of its own.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_genai_insert_commitment`(
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
    COALESCE(commitment_term_months, 0) > 0 AS is_term,
    CONCAT(CASE commitment_type WHEN 'ptu' THEN 'PTU' WHEN 'gsu' THEN 'GSU' ELSE 'Model Unit' END, '-Hours') AS unit,
    ROUND(CAST(billed_units AS BIGNUMERIC) * CAST(hours_active AS BIGNUMERIC), 9) AS committed,
    ROUND(CAST(COALESCE(LEAST(average_used_units, billed_units), billed_units) AS BIGNUMERIC) * CAST(hours_active AS BIGNUMERIC), 9) AS used,
    ROUND(CAST(GREATEST(COALESCE(average_used_units, 0) - billed_units, 0) AS BIGNUMERIC) * CAST(hours_active AS BIGNUMERIC), 9) AS beyond,
    CAST(commitment_cost_usd AS BIGNUMERIC) AS fee
  FROM `$dataset.genai_commitment_costs_daily`
  WHERE x_org_slug = @org_slug AND cost_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
    AND STRPOS(@left_out, CONCAT('/', provider, '/')) = 0
),
shared AS (
  SELECT *, IF(used = committed, fee, ROUND(fee * used / NULLIF(committed, 0), 9)) AS used_fee FROM cost
),
charge AS (
  SELECT
    shared.*,
    part,
    CASE part WHEN 1 THEN committed WHEN 2 THEN used WHEN 3 THEN committed - used ELSE beyond END AS quantity,
    IF(part = 4, overage_unit_rate, unit_rate) AS price,
    IF(part = 4, overage_unit_rate, list_unit_rate) AS list_price,
    CASE WHEN part = 1 THEN fee WHEN part = 4 THEN CAST(overage_cost_usd AS BIGNUMERIC) ELSE BIGNUMERIC '0' END AS billed_cost,
    CASE part
      WHEN 1 THEN IF(is_term, BIGNUMERIC '0', fee)
      WHEN 2 THEN used_fee
      WHEN 3 THEN fee - used_fee
      ELSE CAST(overage_cost_usd AS BIGNUMERIC)
    END AS effective_cost,
    IF(part = 1 AND is_term, 'Purchase', 'Usage') AS category,
    IF(part = 1 AND is_term, 'Recurring', 'Usage-Based') AS frequency,
    IF(part IN (2, 3), 'Committed', 'Standard') AS pricing,
    is_term AND part <> 4 AS is_commitment,
    part = 2 OR part = 4 OR (part = 1 AND NOT is_term) AS consumes,
    CONCAT(provider, '/', model, '/', commitment_type, IF(part = 4, '/overage', '')) AS sku,
    CONCAT(IF(is_term, CONCAT(CAST(commitment_term_months AS STRING), '-months'), 'hourly'), '/', region) AS sku_price,
    IF(part = 4, 'Provisioned Throughput Overage', 'Provisioned Throughput') AS meter,
    CONCAT(model, CASE part
      WHEN 1 THEN IF(is_term, ', provisioned throughput of a term', ', provisioned throughput')
      WHEN 2 THEN ', used provisioned throughput'
      WHEN 3 THEN ', unused provisioned throughput'
      ELSE ', beyond provisioned throughput'
    END) AS description
  FROM shared
  CROSS JOIN UNNEST([1, 2, 3, 4]) AS part
  WHERE part = 1 OR (part = 2 AND is_term AND used > 0) OR (part = 3 AND is_term AND committed > used) OR (part = 4 AND beyond > 0)
)
SELECT
  billed_cost, effective_cost, price * quantity, list_price * quantity, price, list_price, quantity, unit, pricing,
  'USD', price, effective_cost, list_price, IF(consumes, quantity, NULL), IF(consumes, unit, NULL),
  COALESCE(x_genai_account_id, CONCAT(charge.provider, '/', charge.x_credential_id)),
  COALESCE(x_genai_account_id, CONCAT(charge.provider, '/', charge.x_credential_id)), IF(x_genai_account_id IS NULL, 'Credential', 'Account'), 'USD',
  TIMESTAMP(DATE_TRUNC(cost_date, MONTH)), TIMESTAMP(DATE_ADD(DATE_TRUNC(cost_date, MONTH), INTERVAL 1 MONTH)),
  TIMESTAMP(cost_date), TIMESTAMP(DATE_ADD(cost_date, INTERVAL 1 DAY)), category, description, frequency,
  IF(is_commitment, 'Usage', NULL), IF(is_commitment, commitment_id, NULL), IF(is_commitment, commitment_name, NULL),
  IF(is_commitment, quantity, NULL), CASE WHEN is_commitment AND part = 2 THEN 'Used' WHEN is_commitment AND part = 3 THEN 'Unused' END,
  IF(is_commitment, 'Provisioned Throughput', NULL), IF(is_commitment, unit, NULL),
  IF(part = 2 AND commitment_start IS NOT NULL AND commitment_end IS NOT NULL, TO_JSON(STRUCT([STRUCT(
    commitment_id AS ContractId, commitment_id AS ContractCommitmentID, CAST(NULL AS BIGNUMERIC) AS ContractCommitmentAppliedCost,
    quantity AS ContractCommitmentAppliedQuantity, unit AS ContractCommitmentAppliedUnit)] AS Elements)), NULL),
  names.service_provider_name, names.service_provider_name, names.service_provider_name, names.service_provider_name,
  names.service_provider_name, names.service_name, 'AI and Machine Learning', 'Generative AI', sku, CONCAT(sku, '/', sku_price), meter,
  TO_JSON(STRUCT(model AS x_ModelId, commitment_type AS x_CommitmentType, COALESCE(commitment_term_months, 0) AS x_TermMonths)),
  commitment_id, commitment_name, CASE commitment_type WHEN 'ptu' THEN 'Deployment' WHEN 'gsu' THEN 'Order' ELSE 'Provisioned Model' END,
  x_genai_project_id, x_genai_project_id, IF(x_genai_project_id IS NULL, NULL, names.sub_account_type), NULLIF(region, 'global'),
  NULLIF(region, 'global'), 'list_price', 'computed', part,
  'genai_costs_daily_unified', x_ingestion_id, 'PaaS', IF(is_term, IF(part = 1, 'purchase', 'amortized'), 'on-demand'), 'commitment', charge.provider, model, x_genai_project_id,
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
