-- Replaces the contract commitments of subscriptions: each one whose plan has a contract and an end is committed to what its term will
-- bill. Called by sp_subscription_insert_focus inside its transaction; reads every day that was ever calculated, so the table is whole
-- whatever days a run has.
--
-- FOCUS wants the commitment of a Purchase to be its resource, so a subscription is one commitment, its versions together; versions of
-- another contract or currency than the latest one stay outside.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_subscription_insert_commitments`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_org_slug STRING,
  p_credential_id STRING,
  p_run_id STRING
)
BEGIN
  DECLARE v_dataset STRING DEFAULT CONCAT(p_project_id, '.', p_dataset_id);

  EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.contract_commitment_1_3`
WHERE x_org_slug = @org_slug AND x_source_system = 'subscription_costs_daily'
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
""", '$dataset', v_dataset)
  USING p_org_slug AS org_slug, p_credential_id AS credential_id;

  EXECUTE IMMEDIATE REPLACE(r"""
INSERT INTO `$dataset.contract_commitment_1_3` (
  ContractId, ContractPeriodStart, ContractPeriodEnd, ContractCommitmentId, ContractCommitmentCategory, ContractCommitmentType,
  ContractCommitmentDescription, ContractCommitmentPeriodStart, ContractCommitmentPeriodEnd, ContractCommitmentCost, BillingCurrency,
  x_currency, x_sub_account_id, x_service_provider_name, x_source_system, x_source_record_id, x_hierarchy_entity_id,
  x_hierarchy_entity_name, x_hierarchy_level_code, x_hierarchy_path, x_hierarchy_path_names, x_org_slug, x_pipeline_id,
  x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
WITH version AS (
  SELECT cost.*, CAST(cycles.cycle_months AS INT64) AS cycle_months
  FROM `$dataset.subscription_plan_costs_daily` AS cost
  JOIN `{project_id}.organizations.subscription_billing_cycles` AS cycles ON cycles.billing_cycle = cost.billing_cycle
  WHERE cost.x_org_slug = @org_slug AND cost.contract_id IS NOT NULL AND cost.plan_end_date IS NOT NULL
    AND (@credential_id IS NULL OR cost.x_credential_id = @credential_id)
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY cost.subscription_id, cost.plan_start_date ORDER BY cost.x_ingested_at DESC, cost.cost_date DESC
  ) = 1
),
latest AS (
  SELECT *
  FROM version
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY subscription_id ORDER BY plan_start_date DESC) = 1
),
committed AS (
  SELECT version.*
  FROM version
  JOIN latest ON latest.subscription_id = version.subscription_id AND latest.contract_id = version.contract_id
    AND latest.currency = version.currency
),
-- A cycle of a month or less bills the days that it has in the term.
month_or_less AS (
  SELECT
    committed.*,
    IF(cycle_months = 0, first_day, LEAST(DATE_ADD(first_day, INTERVAL COALESCE(billing_anchor_day, 1) - 1 DAY), LAST_DAY(first_day)))
      AS from_day,
    IF(cycle_months = 0, DATE_ADD(first_day, INTERVAL 7 DAY), LEAST(
      DATE_ADD(DATE_ADD(first_day, INTERVAL 1 MONTH), INTERVAL COALESCE(billing_anchor_day, 1) - 1 DAY),
      LAST_DAY(DATE_ADD(first_day, INTERVAL 1 MONTH)))) AS to_day
  FROM committed
  CROSS JOIN UNNEST(IF(cycle_months = 0,
    GENERATE_DATE_ARRAY(DATE_TRUNC(plan_start_date, ISOWEEK), plan_end_date, INTERVAL 7 DAY),
    GENERATE_DATE_ARRAY(DATE_SUB(DATE_TRUNC(plan_start_date, MONTH), INTERVAL 1 MONTH), plan_end_date, INTERVAL 1 MONTH))) AS first_day
  WHERE NOT is_prepaid
),
term AS (
  SELECT
    subscription_id, plan_start_date,
    SUM(contracted_unit_price * (
      DATE_DIFF(LEAST(to_day, DATE_ADD(plan_end_date, INTERVAL 1 DAY)), GREATEST(from_day, plan_start_date), DAY)
        * ROUND(cycle_quantity / DATE_DIFF(to_day, from_day, DAY), quantity_decimals)
      + IF(to_day <= DATE_ADD(plan_end_date, INTERVAL 1 DAY),
        cycle_quantity - DATE_DIFF(to_day, from_day, DAY) * ROUND(cycle_quantity / DATE_DIFF(to_day, from_day, DAY), quantity_decimals),
        BIGNUMERIC '0'))) AS cost
  FROM month_or_less
  WHERE to_day > plan_start_date AND from_day <= plan_end_date
  GROUP BY subscription_id, plan_start_date
  UNION ALL
  -- A longer cycle is billed whole when it starts.
  SELECT
    subscription_id, plan_start_date,
    contracted_unit_price * cycle_quantity * (
      DIV(DATE_DIFF(plan_end_date, plan_start_date, MONTH), cycle_months)
      + IF(DATE_ADD(plan_start_date, INTERVAL DIV(DATE_DIFF(plan_end_date, plan_start_date, MONTH), cycle_months) * cycle_months MONTH)
        > plan_end_date, 0, 1)) AS cost
  FROM committed
  WHERE is_prepaid
),
subscription AS (
  SELECT
    committed.subscription_id, MIN(committed.plan_start_date) AS first_day, MAX(committed.plan_end_date) AS last_day, SUM(term.cost) AS cost
  FROM committed
  JOIN term ON term.subscription_id = committed.subscription_id AND term.plan_start_date = committed.plan_start_date
  GROUP BY committed.subscription_id
)
SELECT
  latest.contract_id,
  TIMESTAMP(MIN(subscription.first_day) OVER (PARTITION BY latest.contract_id)),
  TIMESTAMP(DATE_ADD(MAX(subscription.last_day) OVER (PARTITION BY latest.contract_id), INTERVAL 1 DAY)),
  latest.subscription_id, 'Spend', 'Subscription Term', COALESCE(latest.display_name, latest.plan_name),
  TIMESTAMP(subscription.first_day), TIMESTAMP(DATE_ADD(subscription.last_day, INTERVAL 1 DAY)), subscription.cost, latest.currency,
  latest.currency, latest.x_org_slug, COALESCE(vendors.service_provider_name, latest.provider), 'subscription_costs_daily',
  latest.subscription_id, latest.x_hierarchy_entity_id, latest.x_hierarchy_entity_name, latest.x_hierarchy_level_code,
  latest.x_hierarchy_path, latest.x_hierarchy_path_names, latest.x_org_slug, latest.x_pipeline_id, latest.x_credential_id,
  subscription.first_day, @run_id, CURRENT_TIMESTAMP(), CURRENT_DATE()
FROM subscription
JOIN latest ON latest.subscription_id = subscription.subscription_id
LEFT JOIN `{project_id}.organizations.saas_vendors` AS vendors ON vendors.provider = LOWER(TRIM(latest.provider))
""", '$dataset', v_dataset)
  USING p_org_slug AS org_slug, p_credential_id AS credential_id, p_run_id AS run_id;
END;
