-- Converts one day of GenAI costs to FOCUS 1.3: replaces the FOCUS rows of the organisation, the day and, if one is given, the credential.
--
-- What a provider's own cost API billed on the day is what the day cost: where there are such lines of a credential, they are its rows.
-- Where there are none, the rows are usage times price, one for each class of tokens. Provisioned throughput and rented GPUs follow.
--
-- What a cloud bills itself is not counted twice: rows of a provider whose cloud's bill of the month is loaded are left out, and a quality
-- result says so. With the setting GENAI_CLOUD_OVERLAP=keep, which the text below is given when it is created, they stay.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_genai_3_convert_to_focus`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_cost_date DATE,
  p_credential_id STRING,
  p_pipeline_id STRING,
  p_run_id STRING
)
BEGIN
  DECLARE v_org_slug STRING DEFAULT REGEXP_REPLACE(p_dataset_id, r'_(prod|stage|test|local|dev)$', '');
  DECLARE v_dataset STRING DEFAULT CONCAT(p_project_id, '.', p_dataset_id);
  DECLARE v_credential_id STRING DEFAULT NULLIF(p_credential_id, 'default');
  DECLARE v_overlap STRING DEFAULT '{genai_cloud_overlap}';
  DECLARE v_left_out STRING DEFAULT '';
  DECLARE v_rows_left_out, v_inserted INT64 DEFAULT 0;

  IF p_project_id IS NULL OR NOT REGEXP_CONTAINS(p_project_id, r'^[a-z][a-z0-9-]*[a-z0-9]$') THEN
    RAISE USING MESSAGE = 'sp_genai_3_convert_to_focus: p_project_id is not a project id';
  END IF;
  IF p_dataset_id IS NULL OR NOT REGEXP_CONTAINS(p_dataset_id, r'^[a-z0-9_]{3,50}_(prod|stage|test|local|dev)$') THEN
    RAISE USING MESSAGE = 'sp_genai_3_convert_to_focus: p_dataset_id is not the dataset of an organisation';
  END IF;
  IF p_cost_date IS NULL OR p_run_id IS NULL THEN
    RAISE USING MESSAGE = 'sp_genai_3_convert_to_focus: p_cost_date and p_run_id must be given';
  END IF;
  IF p_cost_date < DATE '2020-01-01' OR p_cost_date > CURRENT_DATE() THEN
    RAISE USING MESSAGE = 'sp_genai_3_convert_to_focus: p_cost_date lies before 2020 or in the future';
  END IF;

  BEGIN
    BEGIN TRANSACTION;
    IF v_overlap <> 'keep' THEN
      EXECUTE IMMEDIATE REPLACE(r"""
SELECT COALESCE(STRING_AGG(CONCAT('/', names.provider, '/'), '' ORDER BY names.provider), '')
FROM (
  SELECT DISTINCT REGEXP_EXTRACT(x_source_system, r'^cloud_([a-z]+)_') AS cloud
  FROM `$dataset.cost_data_standard_1_3`
  WHERE x_org_slug = @org_slug AND STARTS_WITH(x_source_system, 'cloud_') AND DATE(BillingPeriodStart) = DATE_TRUNC(@day, MONTH)
) AS bill
JOIN `{project_id}.organizations.genai_providers` AS names ON names.cloud = bill.cloud
""", '$dataset', v_dataset)
      INTO v_left_out
      USING v_org_slug AS org_slug, p_cost_date AS day;
      EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*)
FROM (
  SELECT provider FROM `$dataset.genai_payg_billed_raw`
  WHERE x_org_slug = @org_slug AND cost_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  UNION ALL
  SELECT provider FROM `$dataset.genai_costs_daily_unified`
  WHERE x_org_slug = @org_slug AND cost_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
)
WHERE STRPOS(@left_out, CONCAT('/', provider, '/')) > 0
""", '$dataset', v_dataset)
      INTO v_rows_left_out
      USING v_org_slug AS org_slug, p_cost_date AS day, v_credential_id AS credential_id, v_left_out AS left_out;
    END IF;
    EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.cost_data_standard_1_3`
WHERE x_org_slug = @org_slug AND x_source_system = 'genai_costs_daily_unified' AND x_pipeline_run_date = @day
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    USING v_org_slug AS org_slug, p_cost_date AS day, v_credential_id AS credential_id;
    EXECUTE IMMEDIATE REPLACE(r"""
INSERT INTO `$dataset.cost_data_standard_1_3` (
  BilledCost, EffectiveCost, ContractedCost, ListCost, ContractedUnitPrice, ListUnitPrice, PricingQuantity, PricingUnit, PricingCategory,
  PricingCurrency, PricingCurrencyContractedUnitPrice, PricingCurrencyEffectiveCost, PricingCurrencyListUnitPrice, ConsumedQuantity,
  ConsumedUnit, BillingAccountId, BillingAccountName, BillingAccountType, BillingCurrency, BillingPeriodStart, BillingPeriodEnd, ChargePeriodStart,
  ChargePeriodEnd, ChargeCategory, ChargeDescription, ChargeFrequency, InvoiceIssuerName, ProviderName, PublisherName,
  ServiceProviderName, HostProviderName, ServiceName, ServiceCategory, ServiceSubcategory, SkuId, SkuPriceId, SkuMeter,
  SkuPriceDetails, SubAccountId, SubAccountName, SubAccountType, RegionId, RegionName, x_ListCostSource, x_CostSource, x_SourceGaps, x_SplitPart,
  x_NativeQuantity, x_source_system, x_source_record_id, x_service_model, x_genai_cost_type, x_genai_provider, x_genai_model,
  x_genai_token_type, x_genai_service_tier, x_genai_project_id, x_genai_api_key_id,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names,
  x_hierarchy_validated_at,
  x_org_name, x_org_owner_email, x_org_default_currency, x_org_default_timezone, x_org_default_country,
  x_org_subscription_plan, x_org_subscription_status,
  x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
WITH billed AS (
  SELECT
    *,
    -- A line that takes money back for what was promised, not for what was used.
    amount < 0 AND REGEXP_CONTAINS(LOWER(line_item), r'credit|promotion') AS is_credit,
    -- What the columns of FOCUS cannot hold stays in the native row alone.
    CASE
      WHEN ABS(quantity) >= 100000000000 THEN NULL
      WHEN LOWER(quantity_unit) = 'tokens' THEN CAST(quantity AS BIGNUMERIC) * BIGNUMERIC '0.000001'
      WHEN LOWER(quantity_unit) = '1000_tokens' THEN CAST(quantity AS BIGNUMERIC) * BIGNUMERIC '0.001'
      WHEN quantity_unit IS NOT NULL THEN CAST(quantity AS BIGNUMERIC)
    END AS priced_quantity,
    IF(LOWER(quantity_unit) IN ('tokens', '1000_tokens'), 'Tokens', INITCAP(REPLACE(quantity_unit, '_', ' '))) AS unit
  FROM `$dataset.genai_payg_billed_raw`
  WHERE x_org_slug = @org_slug AND cost_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
),
computed AS (
  SELECT
    costs.*,
    part,
    CASE part
      WHEN 1 THEN input_tokens - cached_input_tokens - cache_write_tokens - cache_write_1h_tokens
      WHEN 2 THEN cached_input_tokens
      WHEN 3 THEN cache_write_tokens
      WHEN 4 THEN cache_write_1h_tokens
      ELSE output_tokens
    END AS tokens,
    CAST(CASE part
      WHEN 1 THEN effective_rate_input
      WHEN 2 THEN effective_rate_cached
      WHEN 3 THEN effective_rate_cache_write
      WHEN 4 THEN effective_rate_cache_write_1h
      ELSE effective_rate_output
    END AS BIGNUMERIC) AS price,
    CAST(CASE part
      WHEN 1 THEN list_rate_input
      WHEN 2 THEN list_rate_cached
      WHEN 3 THEN list_rate_cache_write
      WHEN 4 THEN list_rate_cache_write_1h
      ELSE list_rate_output
    END AS BIGNUMERIC) AS list_price,
    CASE part
      WHEN 1 THEN 'input'
      WHEN 2 THEN 'cached_input'
      WHEN 3 THEN 'cache_write_5m'
      WHEN 4 THEN 'cache_write_1h'
      ELSE 'output'
    END AS token_class,
    CONCAT(
      COALESCE(CONCAT(UPPER(SUBSTR(token_kind, 1, 1)), SUBSTR(token_kind, 2), ' '), ''),
      CASE part
        WHEN 1 THEN 'Input Tokens'
        WHEN 2 THEN 'Cached Input Tokens'
        WHEN 3 THEN 'Cache Write Tokens 5m'
        WHEN 4 THEN 'Cache Write Tokens 1h'
        ELSE 'Output Tokens'
      END) AS meter,
    -- A batch has a price of its own, whatever tier the provider names beside it.
    CASE
      WHEN is_batch THEN 'batch'
      WHEN COALESCE(service_tier, 'default') IN ('default', 'auto') THEN 'standard'
      ELSE service_tier
    END AS tier
  FROM `$dataset.genai_payg_costs_daily` AS costs
  CROSS JOIN UNNEST([1, 2, 3, 4, 5]) AS part
  WHERE x_org_slug = @org_slug AND cost_date = @day AND (@credential_id IS NULL OR x_credential_id = @credential_id)
    AND NOT EXISTS (
      SELECT 1 FROM billed WHERE billed.x_pipeline_id = costs.x_pipeline_id AND billed.x_credential_id = costs.x_credential_id)
),
charge AS (
  SELECT
    amount AS cost, amount AS contracted_cost, amount AS list_cost, CAST(NULL AS BIGNUMERIC) AS price, CAST(NULL AS BIGNUMERIC) AS list_price,
    IF(is_credit, NULL, priced_quantity) AS quantity, unit,
    currency, cost_date, is_credit, line_item AS description,
    CONCAT(provider, '/', COALESCE(CONCAT(model, '/', COALESCE(token_type, line_item)), line_item)) AS sku,
    CONCAT(COALESCE(service_tier, 'standard'), COALESCE(CONCAT('/', context_window), '')) AS sku_price,
    CAST(NULL AS STRING) AS meter, model, token_type, token_type AS token_class, service_tier AS tier, context_window, CAST(NULL AS STRING) AS region,
    service_tier = 'batch' AS is_batch, 'billed_cost' AS list_source, 'provider' AS cost_source,
    -- A line is an amount; some have a quantity, none a price.
    CASE
      WHEN is_credit THEN NULL
      WHEN quantity IS NULL OR quantity_unit IS NULL THEN 'ConsumedQuantity ContractedUnitPrice ListUnitPrice PricingQuantity'
      ELSE 'ContractedUnitPrice ListUnitPrice'
    END AS source_gaps, 1 AS part,
    IF(ABS(quantity) >= 100000000000000, NULL, CAST(quantity AS BIGNUMERIC)) AS native_quantity,
    provider, x_genai_account_id, x_genai_project_id, x_genai_api_key_id, x_ingestion_id, x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names, x_hierarchy_validated_at,
    x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date
  FROM billed
  UNION ALL
  SELECT
    price * (CAST(tokens AS BIGNUMERIC) * BIGNUMERIC '0.000001'), price * (CAST(tokens AS BIGNUMERIC) * BIGNUMERIC '0.000001'),
    list_price * (CAST(tokens AS BIGNUMERIC) * BIGNUMERIC '0.000001'), price, list_price, CAST(tokens AS BIGNUMERIC) * BIGNUMERIC '0.000001',
    'Tokens', 'USD', cost_date, FALSE, CONCAT(model, ', ', LOWER(meter), IF(tier = 'standard', '', CONCAT(', ', tier))),
    CONCAT(provider, '/', model, '/', COALESCE(CONCAT(token_kind, '_'), ''), token_class),
    CONCAT(tier, COALESCE(CONCAT('/', context_window), ''), COALESCE(CONCAT('/', region), '')),
    meter, model, CONCAT(COALESCE(CONCAT(token_kind, '_'), ''), token_class), token_class, tier, context_window, region, is_batch, 'list_price', 'computed', CAST(NULL AS STRING),
    ROW_NUMBER() OVER (PARTITION BY x_credential_id, x_ingestion_id ORDER BY part), CAST(NULL AS BIGNUMERIC),
    provider, x_genai_account_id, x_genai_project_id, x_genai_api_key_id, x_ingestion_id, x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names, x_hierarchy_validated_at,
    x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date
  FROM computed
  WHERE tokens > 0
)
SELECT
  cost, cost, contracted_cost, list_cost, price, list_price, quantity,
  IF(quantity IS NULL, NULL, IF(unit = 'Tokens', '1000000 Tokens', unit)),
  IF(is_credit, NULL, 'Standard'), currency, price, cost, list_price,
  IF(unit = 'Tokens', quantity * 1000000, quantity), IF(quantity IS NULL, NULL, unit),
  COALESCE(x_genai_account_id, CONCAT(charge.provider, '/', charge.x_credential_id)),
  COALESCE(x_genai_account_id, CONCAT(charge.provider, '/', charge.x_credential_id)), IF(x_genai_account_id IS NULL, 'Credential', 'Organization'),
  currency, TIMESTAMP(DATE_TRUNC(cost_date, MONTH)), TIMESTAMP(DATE_ADD(DATE_TRUNC(cost_date, MONTH), INTERVAL 1 MONTH)),
  TIMESTAMP(cost_date), TIMESTAMP(DATE_ADD(cost_date, INTERVAL 1 DAY)), IF(is_credit, 'Credit', 'Usage'), description,
  IF(is_credit, 'One-Time', 'Usage-Based'), names.service_provider_name, names.service_provider_name, names.service_provider_name,
  names.service_provider_name, names.service_provider_name, names.service_name, 'AI and Machine Learning', 'Generative AI',
  IF(is_credit, NULL, sku), IF(is_credit, NULL, CONCAT(sku, '/', sku_price)), IF(is_credit, NULL, meter),
  IF(is_credit OR model IS NULL, NULL, TO_JSON(STRUCT(
    model AS x_ModelId, REGEXP_REPLACE(model, r'(-[0-9]{8}|-[0-9]{4}-[0-9]{2}-[0-9]{2}|@.*)$', '') AS x_ModelFamily,
    REGEXP_EXTRACT(model, r'[-@]([0-9][0-9-]{6,8}[0-9])$') AS x_ModelVersion,
    IF(token_class IN ('output', 'output_tokens'), 'Output', 'Input') AS x_TokenDirection,
    CASE
      WHEN token_class IN ('input', 'uncached_input_tokens') THEN 'Uncached'
      WHEN token_class IN ('cached_input', 'cache_read_input_tokens') THEN 'Read'
      WHEN STARTS_WITH(token_class, 'cache_write') OR STARTS_WITH(token_class, 'cache_creation') THEN 'Write'
    END AS x_TokenCacheAction,
    COALESCE(tier, 'standard') AS x_ServiceTier, context_window AS x_ContextWindow, COALESCE(is_batch, FALSE) AS x_Batch))),
  x_genai_project_id, x_genai_project_id, IF(x_genai_project_id IS NULL, NULL, names.sub_account_type), region, region,
  list_source, cost_source, source_gaps, part, native_quantity, 'genai_costs_daily_unified', x_ingestion_id, 'SaaS', 'payg', charge.provider, model,
  token_type, tier, x_genai_project_id, x_genai_api_key_id,
  x_hierarchy_entity_id, x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names,
  x_hierarchy_validated_at,
  profile.company_name, profile.admin_email, profile.default_currency, profile.default_timezone, profile.default_country,
  profile.subscription_plan, profile.subscription_status,
  charge.x_org_slug, charge.x_pipeline_id, charge.x_credential_id, charge.x_pipeline_run_date, @run_id, CURRENT_TIMESTAMP(), CURRENT_DATE()
FROM charge
LEFT JOIN `$dataset.org_profile` AS profile ON profile.x_org_slug = charge.x_org_slug
JOIN `{project_id}.organizations.genai_providers` AS names ON names.provider = charge.provider
WHERE STRPOS(@left_out, CONCAT('/', charge.provider, '/')) = 0
""", '$dataset', v_dataset)
    USING v_org_slug AS org_slug, p_cost_date AS day, v_credential_id AS credential_id, p_run_id AS run_id, v_left_out AS left_out;
    CALL `{project_id}.organizations.sp_genai_insert_commitment`(
      p_project_id, p_dataset_id, v_org_slug, p_cost_date, v_credential_id, v_left_out, p_run_id);
    CALL `{project_id}.organizations.sp_genai_insert_infrastructure`(
      p_project_id, p_dataset_id, v_org_slug, p_cost_date, v_credential_id, v_left_out, p_run_id);
    CALL `{project_id}.organizations.sp_genai_insert_contracts`(p_project_id, p_dataset_id, v_org_slug, p_run_id);
    EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*) FROM `$dataset.cost_data_standard_1_3`
WHERE x_org_slug = @org_slug AND x_source_system = 'genai_costs_daily_unified' AND x_pipeline_run_date = @day
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
    INTO v_inserted
    USING v_org_slug AS org_slug, p_cost_date AS day, v_credential_id AS credential_id;
    COMMIT TRANSACTION;
  EXCEPTION WHEN ERROR THEN
    ROLLBACK TRANSACTION;
    RAISE USING MESSAGE = FORMAT('sp_genai_3_convert_to_focus on %s for %t: %s', p_dataset_id, p_cost_date, @@error.message);
  END;

  IF v_rows_left_out > 0 THEN
    CALL `{project_id}.organizations.sp_genai_insert_quality`(
      p_project_id, p_dataset_id, p_run_id, p_pipeline_id, p_cost_date, 'genai_cloud_overlap', 'WARNING', 'cost_data_standard_1_3',
      TO_JSON_STRING([FORMAT(
        '%t: %d rows of %s are left out, since the bill of their cloud is loaded; GENAI_CLOUD_OVERLAP=keep keeps them',
        p_cost_date, v_rows_left_out, TRIM(REPLACE(v_left_out, '//', ', '), '/'))]));
  END IF;

  SELECT
    p_cost_date AS cost_date,
    v_inserted AS rows_inserted,
    v_rows_left_out AS rows_left_out,
    CONCAT(p_dataset_id, '.cost_data_standard_1_3') AS target_table,
    CURRENT_TIMESTAMP() AS executed_at;
END;
