-- Replaces the FOCUS 1.3 rows of subscription plans by what subscription_plan_costs_daily has for these days. Called inside the
-- transaction of sp_subscription_3_convert_to_focus and sp_subscription_4_run_pipeline.
--
-- A cycle of a month or less is a Purchase of each day: what is billed is the day's share. A longer cycle is invoiced when it starts: one
-- Purchase row for the whole cycle (part 2), whose EffectiveCost is 0 because the daily Usage rows (part 1, BilledCost 0) carry it.
-- Costs are price x quantity on every row, so the shares of a cycle's quantity make the shares of its price.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_subscription_insert_focus`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_org_slug STRING,
  p_start_date DATE,
  p_end_date DATE,
  p_credential_id STRING,
  p_run_id STRING
)
BEGIN
  DECLARE v_dataset STRING DEFAULT CONCAT(p_project_id, '.', p_dataset_id);
  DECLARE v_expected, v_inserted INT64;

  CALL `{project_id}.organizations.sp_subscription_insert_commitments`(
    p_project_id, p_dataset_id, p_org_slug, p_credential_id, p_run_id);

  EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.cost_data_standard_1_3`
WHERE x_org_slug = @org_slug AND x_source_system = 'subscription_costs_daily'
  AND x_pipeline_run_date BETWEEN @start_date AND @end_date
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
  USING p_org_slug AS org_slug, p_start_date AS start_date, p_end_date AS end_date, p_credential_id AS credential_id;

  EXECUTE IMMEDIATE REPLACE(r"""
INSERT INTO `$dataset.cost_data_standard_1_3` (
  BilledCost, EffectiveCost, ContractedCost, ListCost, ContractedUnitPrice, ListUnitPrice, PricingQuantity, PricingUnit, PricingCategory,
  PricingCurrency, PricingCurrencyContractedUnitPrice, PricingCurrencyEffectiveCost, PricingCurrencyListUnitPrice, ConsumedQuantity,
  ConsumedUnit, BillingAccountId, BillingAccountName, BillingAccountType, BillingCurrency, BillingPeriodStart, BillingPeriodEnd,
  ChargePeriodStart, ChargePeriodEnd, ChargeCategory, ChargeDescription, ChargeFrequency, InvoiceIssuerName, ProviderName, PublisherName,
  ServiceProviderName, HostProviderName, ServiceName, ServiceCategory, ServiceSubcategory, SkuId, SkuPriceId, SkuMeter,
  SkuPriceDetails, ResourceId, ResourceName, ResourceType, SubAccountId, SubAccountName, SubAccountType, x_ListCostSource, x_SplitPart,
  ContractApplied, x_source_system, x_source_record_id, x_service_model, x_amortization_class, x_original_currency, x_exchange_rate_used,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names,
  x_hierarchy_validated_at,
  x_org_name, x_org_owner_email, x_org_default_currency, x_org_default_timezone, x_org_default_country,
  x_org_subscription_plan, x_org_subscription_status,
  x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
WITH part AS (
  SELECT
    cost.*,
    split_part,
    IF(split_part = 2, cycle_quantity, day_quantity) AS quantity,
    IF(split_part = 2, cycle_end, DATE_ADD(cost_date, INTERVAL 1 DAY)) AS charge_end,
    is_prepaid AND split_part = 1 AS is_usage,
    COALESCE(vendors.service_provider_name, cost.provider) AS vendor,
    -- A service has one category, so an unknown vendor's software of a known kind is a service of its own.
    COALESCE(vendors.service_name, IF(kinds.category IS NULL, cost.provider, CONCAT(cost.provider, ' ', kinds.category))) AS service,
    COALESCE(vendors.service_category, kinds.service_category, 'Business Applications') AS service_category,
    COALESCE(vendors.service_subcategory, kinds.service_subcategory, 'Other (Business Applications)') AS service_subcategory,
    CONCAT(cost.provider, '/', cost.plan_name) AS sku,
    -- What is billed counts towards the commitment.
    IF(cost.plan_end_date IS NULL OR (cost.is_prepaid AND split_part = 1), NULL, commitments.ContractId) AS applied_contract_id
  FROM `$dataset.subscription_plan_costs_daily` AS cost
  CROSS JOIN UNNEST([1, 2]) AS split_part
  LEFT JOIN `{project_id}.organizations.saas_vendors` AS vendors ON vendors.provider = LOWER(TRIM(cost.provider))
  LEFT JOIN `{project_id}.organizations.saas_categories` AS kinds ON kinds.category = LOWER(TRIM(cost.category))
  LEFT JOIN `$dataset.contract_commitment_1_3` AS commitments
    ON commitments.ContractCommitmentId = cost.subscription_id AND commitments.ContractId = cost.contract_id
    AND commitments.BillingCurrency = cost.currency AND commitments.x_source_system = 'subscription_costs_daily'
    AND commitments.x_org_slug = cost.x_org_slug
  WHERE cost.x_org_slug = @org_slug AND cost.cost_date BETWEEN @start_date AND @end_date
    AND (@credential_id IS NULL OR cost.x_credential_id = @credential_id)
    AND (split_part = 1 OR (cost.is_prepaid AND cost.cost_date = cost.cycle_start))
),
costed AS (
  SELECT *, contracted_unit_price * quantity AS contracted_cost, list_unit_price * quantity AS list_cost
  FROM part
)
SELECT
  IF(is_usage, BIGNUMERIC '0', contracted_cost) AS BilledCost,
  IF(split_part = 2, BIGNUMERIC '0', contracted_cost) AS EffectiveCost,
  contracted_cost AS ContractedCost,
  list_cost AS ListCost,
  contracted_unit_price AS ContractedUnitPrice,
  list_unit_price AS ListUnitPrice,
  quantity AS PricingQuantity,
  pricing_unit AS PricingUnit,
  'Standard' AS PricingCategory,
  currency AS PricingCurrency,
  contracted_unit_price AS PricingCurrencyContractedUnitPrice,
  IF(split_part = 2, BIGNUMERIC '0', contracted_cost) AS PricingCurrencyEffectiveCost,
  list_unit_price AS PricingCurrencyListUnitPrice,
  IF(is_usage, quantity, NULL) AS ConsumedQuantity,
  IF(is_usage, pricing_unit, NULL) AS ConsumedUnit,
  -- Without a contract the organisation is the account that the vendor knows.
  COALESCE(contract_id, CONCAT(provider, '/', costed.x_org_slug)) AS BillingAccountId,
  profile.company_name AS BillingAccountName,
  IF(contract_id IS NULL, 'Vendor Account', 'Contract') AS BillingAccountType,
  currency AS BillingCurrency,
  TIMESTAMP(DATE_TRUNC(cost_date, MONTH)) AS BillingPeriodStart,
  TIMESTAMP(DATE_ADD(DATE_TRUNC(cost_date, MONTH), INTERVAL 1 MONTH)) AS BillingPeriodEnd,
  TIMESTAMP(cost_date) AS ChargePeriodStart,
  TIMESTAMP(charge_end) AS ChargePeriodEnd,
  IF(is_usage, 'Usage', 'Purchase') AS ChargeCategory,
  CONCAT(COALESCE(display_name, plan_name), ', ', billing_cycle, IF(pricing_model = 'FLAT_FEE', ', flat fee',
    CONCAT(', ', CAST(seats AS STRING), IF(seats = 1, ' seat', ' seats')))) AS ChargeDescription,
  'Recurring' AS ChargeFrequency,
  vendor AS InvoiceIssuerName,
  vendor AS ProviderName,
  vendor AS PublisherName,
  vendor AS ServiceProviderName,
  vendor AS HostProviderName,
  service AS ServiceName,
  service_category AS ServiceCategory,
  service_subcategory AS ServiceSubcategory,
  sku AS SkuId,
  CONCAT(sku, '/', billing_cycle) AS SkuPriceId,
  IF(pricing_model = 'FLAT_FEE', 'Subscription', 'Seats') AS SkuMeter,
  TO_JSON(STRUCT(billing_cycle AS x_BillingCycle, pricing_model AS x_PricingModel)) AS SkuPriceDetails,
  subscription_id AS ResourceId,
  NULLIF(display_name, subscription_id) AS ResourceName,
  'Subscription' AS ResourceType,
  costed.x_org_slug AS SubAccountId,
  costed.x_org_slug AS SubAccountName,
  'Organization' AS SubAccountType,
  'list_price' AS x_ListCostSource,
  split_part AS x_SplitPart,
  IF(applied_contract_id IS NULL, NULL, TO_JSON(STRUCT([STRUCT(
    applied_contract_id AS ContractId, subscription_id AS ContractCommitmentID, contracted_cost AS ContractCommitmentAppliedCost,
    CAST(NULL AS BIGNUMERIC) AS ContractCommitmentAppliedQuantity, CAST(NULL AS STRING) AS ContractCommitmentAppliedUnit)] AS Elements)))
    AS ContractApplied,
  'subscription_costs_daily' AS x_source_system,
  x_ingestion_id AS x_source_record_id,
  'SaaS' AS x_service_model,
  IF(is_usage, 'amortized', 'purchase') AS x_amortization_class,
  source_currency AS x_original_currency,
  exchange_rate_used AS x_exchange_rate_used,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names,
  x_hierarchy_validated_at,
  profile.company_name, profile.admin_email, profile.default_currency, profile.default_timezone, profile.default_country,
  profile.subscription_plan, profile.subscription_status,
  costed.x_org_slug, costed.x_pipeline_id, costed.x_credential_id, costed.x_pipeline_run_date, @run_id AS x_run_id,
  CURRENT_TIMESTAMP() AS x_ingested_at, CURRENT_DATE() AS x_ingestion_date
FROM costed
LEFT JOIN `$dataset.org_profile` AS profile ON profile.x_org_slug = costed.x_org_slug
""", '$dataset', v_dataset)
  USING p_org_slug AS org_slug, p_start_date AS start_date, p_end_date AS end_date, p_credential_id AS credential_id,
    p_run_id AS run_id;

  EXECUTE IMMEDIATE REPLACE(r"""
SELECT
  (SELECT COUNT(*) + COUNTIF(is_prepaid AND cost_date = cycle_start)
    FROM `$dataset.subscription_plan_costs_daily`
    WHERE x_org_slug = @org_slug AND cost_date BETWEEN @start_date AND @end_date
      AND (@credential_id IS NULL OR x_credential_id = @credential_id)),
  (SELECT COUNT(*)
    FROM `$dataset.cost_data_standard_1_3`
    WHERE x_org_slug = @org_slug AND x_source_system = 'subscription_costs_daily'
      AND x_pipeline_run_date BETWEEN @start_date AND @end_date
      AND (@credential_id IS NULL OR x_credential_id = @credential_id))
""", '$dataset', v_dataset)
  INTO v_expected, v_inserted
  USING p_org_slug AS org_slug, p_start_date AS start_date, p_end_date AS end_date, p_credential_id AS credential_id;
  IF v_inserted <> v_expected THEN
    RAISE USING MESSAGE = FORMAT('%d FOCUS rows from %d daily costs and purchases: a row was lost or doubled', v_inserted, v_expected);
  END IF;
END;
