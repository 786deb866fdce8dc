-- Inserts what savings plan negations leave over. A negation takes the on-demand cost of covered usage back, so both sum to zero per
-- billing period and payer; what they do not sum to is money on the bill and becomes one Adjustment row.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_aws_insert_residue`(
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
  BilledCost, EffectiveCost, ContractedCost, ListCost, PricingCurrencyEffectiveCost, BillingAccountId, BillingAccountName,
  BillingAccountType, BillingCurrency, PricingCurrency, BillingPeriodStart, BillingPeriodEnd, ChargePeriodStart, ChargePeriodEnd,
  ChargeCategory, ChargeDescription, ChargeFrequency, InvoiceId, InvoiceIssuerName, ProviderName, PublisherName,
  ServiceProviderName, HostProviderName, ServiceName, ServiceCategory, ServiceSubcategory, ChargeType, x_LineItemType, x_ChargeSubtype,
  x_CostBasis, x_ListCostSource, x_SourceGaps, x_SplitPart, x_source_system, x_source_record_id, x_cloud_provider, x_cloud_account_id,
  x_org_name, x_org_owner_email, x_org_default_currency, x_org_default_timezone, x_org_default_country,
  x_org_subscription_plan, x_org_subscription_status,
  x_org_slug, x_pipeline_id, x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
WITH cost_basis AS (
  SELECT x_source_file, LOGICAL_OR(net_unblended_cost IS NOT NULL) AS is_net
  FROM `$dataset.cloud_aws_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  GROUP BY x_source_file
),
residue AS (
  SELECT
    line.payer_account_id, line.currency, line.billing_period_start, line.x_org_slug, line.x_pipeline_id, line.x_credential_id,
    COALESCE(basis.is_net, FALSE) AS is_net,
    SUM(IF(basis.is_net, line.net_unblended_cost, line.unblended_cost)) AS cost,
    MAX(line.payer_account_name) AS payer_account_name,
    line.invoice_id,
    MAX(COALESCE(line.bill_invoicing_entity, line.legal_entity, 'AWS')) AS issuer
  FROM `$dataset.cloud_aws_billing_raw_daily` AS line
  LEFT JOIN cost_basis AS basis ON basis.x_source_file = line.x_source_file
  WHERE line.x_org_slug = @org_slug AND line.billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR line.x_credential_id = @credential_id)
    AND line.line_item_type IN ('SavingsPlanCoveredUsage', 'SavingsPlanNegation')
  GROUP BY line.payer_account_id, line.currency, line.billing_period_start, line.x_org_slug, line.x_pipeline_id, line.x_credential_id,
    line.invoice_id, basis.is_net
)
SELECT
  cost, cost, cost, cost, cost, payer_account_id, payer_account_name,
  'Payer Account', currency, currency, TIMESTAMP(billing_period_start),
  TIMESTAMP(DATE_ADD(billing_period_start, INTERVAL 1 MONTH)), TIMESTAMP(billing_period_start),
  TIMESTAMP(DATE_ADD(billing_period_start, INTERVAL 1 MONTH)),
  'Adjustment', 'Savings plan covered usage that no negation takes back', 'One-Time', invoice_id, issuer, 'AWS', 'AWS',
  'AWS', 'AWS', 'Invoice', 'Other', 'Other (Other)', 'SavingsPlanNegation', 'SavingsPlanNegation', 'Savings Plan Residue',
  IF(is_net, 'net_unblended_cost', 'unblended_cost'), 'billed_cost',
  IF(payer_account_name IS NULL, 'BillingAccountName', NULL), 1, 'cloud_aws_billing_raw_daily',
  CONCAT('savings-plan-residue/', payer_account_id, '/', CAST(billing_period_start AS STRING), COALESCE(CONCAT('/', invoice_id), '')), 'aws', payer_account_id,
  profile.company_name, profile.admin_email, profile.default_currency, profile.default_timezone, profile.default_country,
  profile.subscription_plan, profile.subscription_status,
  residue.x_org_slug, residue.x_pipeline_id, residue.x_credential_id, billing_period_start, @run_id, CURRENT_TIMESTAMP(), CURRENT_DATE()
FROM residue
LEFT JOIN `$dataset.org_profile` AS profile ON profile.x_org_slug = residue.x_org_slug
WHERE cost <> 0
""", '$dataset', CONCAT(p_project_id, '.', p_dataset_id))
  USING p_org_slug AS org_slug, p_first_period AS first_period, p_last_period AS last_period, p_credential_id AS credential_id,
    p_run_id AS run_id;
END;
