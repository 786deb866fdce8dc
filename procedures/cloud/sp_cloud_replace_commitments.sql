-- Links cloud charges to their contract commitments and replaces the cloud's rows of contract_commitment_1_3. Called by each
-- sp_cloud_*_convert_to_focus inside its transaction, after its inserts.
--
-- A reservation, savings plan or committed use discount is one commitment; commitments that a FOCUS export or OCI's universal credits name
-- in ContractApplied are taken as they name them. A commitment lasts longer than a billing period, so its row is made of all charges of the
-- cloud that the organisation has, whatever periods a conversion has. What is committed over the term is extrapolated from the fees;
-- without a fee or a term it is what the charges applied, or else the sum of the fees. x_PeriodSource and x_AmountSource say which.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_replace_commitments`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_org_slug STRING,
  p_provider STRING,
  p_first_period DATE,
  p_last_period DATE,
  p_credential_id STRING,
  p_run_id STRING
)
BEGIN
  DECLARE v_dataset STRING DEFAULT CONCAT(p_project_id, '.', p_dataset_id);
  DECLARE v_applied INT64;

  EXECUTE IMMEDIATE REPLACE(r"""
UPDATE `$dataset.cost_data_standard_1_3`
SET ContractApplied = TO_JSON(STRUCT([STRUCT(
  COALESCE(REGEXP_EXTRACT(CommitmentDiscountId, r'^(.*/[A-Za-z]+Orders/[^/]+)/'), CommitmentDiscountId) AS ContractId,
  CommitmentDiscountId AS ContractCommitmentID,
  CASE
    WHEN CommitmentDiscountUnit = BillingCurrency THEN CommitmentDiscountQuantity
    WHEN CommitmentDiscountCategory = 'Spend' OR CommitmentDiscountQuantity IS NULL THEN IF(ChargeCategory = 'Purchase', BilledCost, EffectiveCost)
  END AS ContractCommitmentAppliedCost,
  IF(CommitmentDiscountCategory = 'Usage' AND CommitmentDiscountUnit <> BillingCurrency, CommitmentDiscountQuantity, NULL)
    AS ContractCommitmentAppliedQuantity,
  IF(CommitmentDiscountCategory = 'Usage' AND CommitmentDiscountUnit <> BillingCurrency AND CommitmentDiscountQuantity IS NOT NULL,
    CommitmentDiscountUnit, NULL) AS ContractCommitmentAppliedUnit)] AS Elements))
WHERE x_org_slug = @org_slug
  AND x_source_system IN (CONCAT('cloud_', @provider, '_billing_raw_daily'), CONCAT('cloud_', @provider, '_focus_raw_daily'))
  AND DATE(BillingPeriodStart) BETWEEN @first_period AND @last_period
  AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  AND CommitmentDiscountId IS NOT NULL AND ContractApplied IS NULL
""", '$dataset', v_dataset)
  USING p_org_slug AS org_slug, p_provider AS provider, p_first_period AS first_period, p_last_period AS last_period,
    p_credential_id AS credential_id;

  EXECUTE IMMEDIATE REPLACE(r"""
DELETE FROM `$dataset.contract_commitment_1_3`
WHERE x_org_slug = @org_slug
  AND x_source_system IN (CONCAT('cloud_', @provider, '_billing_raw_daily'), CONCAT('cloud_', @provider, '_focus_raw_daily'))
""", '$dataset', v_dataset)
  USING p_org_slug AS org_slug, p_provider AS provider;

  EXECUTE IMMEDIATE REPLACE(r"""
SELECT COUNT(*)
FROM `$dataset.cost_data_standard_1_3`
WHERE x_org_slug = @org_slug
  AND x_source_system IN (CONCAT('cloud_', @provider, '_billing_raw_daily'), CONCAT('cloud_', @provider, '_focus_raw_daily'))
  AND ContractApplied IS NOT NULL
""", '$dataset', v_dataset)
  INTO v_applied
  USING p_org_slug AS org_slug, p_provider AS provider;

  IF v_applied > 0 THEN
    EXECUTE IMMEDIATE REPLACE(r"""
INSERT INTO `$dataset.contract_commitment_1_3` (
  ContractId, ContractPeriodStart, ContractPeriodEnd, ContractCommitmentId, ContractCommitmentCategory, ContractCommitmentType,
  ContractCommitmentDescription, ContractCommitmentPeriodStart, ContractCommitmentPeriodEnd, ContractCommitmentCost,
  ContractCommitmentQuantity, ContractCommitmentUnit, BillingCurrency, x_currency, x_commitment_utilization, x_PeriodSource,
  x_AmountSource, x_sub_account_id, x_service_provider_name, x_source_system, x_source_record_id, x_org_slug, x_pipeline_id,
  x_credential_id, x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
WITH
charge AS (
  SELECT
    -- The documents of other charges are not read below, and all charges may be kept on the way.
    * REPLACE (IF(CommitmentDiscountId IS NULL OR x_source_system = CONCAT('cloud_', @provider, '_focus_raw_daily'), ContractApplied, NULL)
      AS ContractApplied),
    COALESCE(REGEXP_EXTRACT(CommitmentDiscountId, r'^(.*/[A-Za-z]+Orders/[^/]+)/'), CommitmentDiscountId) AS contract_id
  FROM `$dataset.cost_data_standard_1_3`
  WHERE x_org_slug = @org_slug
    AND x_source_system IN (CONCAT('cloud_', @provider, '_billing_raw_daily'), CONCAT('cloud_', @provider, '_focus_raw_daily'))
    AND ContractApplied IS NOT NULL
),
applied AS (
  SELECT
    x_credential_id, BillingCurrency AS currency, x_source_system, x_pipeline_id, CommitmentDiscountId AS commitment_id, contract_id,
    CAST(NULL AS STRING) AS named_contract_id, CommitmentDiscountCategory AS category, CommitmentDiscountType AS commitment_type,
    CommitmentDiscountName AS commitment_name, SubAccountId, ServiceProviderName, BillingPeriodStart, ChargePeriodStart, ChargePeriodEnd,
    ChargeCategory = 'Purchase' AS is_fee, ChargeFrequency = 'One-Time' AS is_upfront, CommitmentDiscountStatus AS status,
    IF(ChargeCategory = 'Purchase', ChargeDescription, NULL) AS fee_name,
    CASE
      WHEN CommitmentDiscountCategory = 'Usage' OR CommitmentDiscountUnit = BillingCurrency THEN CommitmentDiscountQuantity
      ELSE IF(ChargeCategory = 'Purchase', BilledCost, EffectiveCost)
    END AS amount,
    IF(CommitmentDiscountCategory = 'Usage', CommitmentDiscountUnit, NULL) AS unit
  FROM charge
  WHERE CommitmentDiscountId IS NOT NULL
  UNION ALL
  -- Elements of FOCUS exports, and of charges that a prepaid contract pays; what they say about a commitment discount of the charge itself is
  -- known by its columns.
  SELECT
    x_credential_id, BillingCurrency, x_source_system, x_pipeline_id, JSON_VALUE(element, '$.ContractCommitmentID'), NULL,
    JSON_VALUE(element, '$.ContractId'),
    IF(JSON_VALUE(element, '$.ContractCommitmentID') = CommitmentDiscountId, CommitmentDiscountCategory,
      IF(JSON_VALUE(element, '$.ContractCommitmentAppliedCost') IS NULL, 'Usage', 'Spend')),
    NULL, NULL, SubAccountId, ServiceProviderName, BillingPeriodStart, ChargePeriodStart, ChargePeriodEnd, FALSE, FALSE, NULL, NULL,
    IF(JSON_VALUE(element, '$.ContractCommitmentID') = CommitmentDiscountId, NULL, COALESCE(
      CAST(JSON_VALUE(element, '$.ContractCommitmentAppliedCost') AS BIGNUMERIC),
      CAST(JSON_VALUE(element, '$.ContractCommitmentAppliedQuantity') AS BIGNUMERIC))),
    JSON_VALUE(element, '$.ContractCommitmentAppliedUnit')
  FROM charge
  CROSS JOIN UNNEST(JSON_QUERY_ARRAY(ContractApplied, '$.Elements')) AS element
  WHERE ContractApplied IS NOT NULL
),
-- An id that several credentials or currencies have is told by the one that has it last.
commitment AS (
  SELECT
    x_credential_id, currency, commitment_id, MAX(x_source_system) AS x_source_system, MAX(x_pipeline_id) AS x_pipeline_id,
    COALESCE(MIN(named_contract_id), MIN(contract_id)) AS contract_id,
    MIN(category) AS category, MIN(commitment_type) AS commitment_type, MIN(commitment_name) AS commitment_name, MIN(unit) AS unit,
    MIN(fee_name) AS fee_name, MIN(SubAccountId) AS sub_account_id, MIN(ServiceProviderName) AS service_provider_name,
    MIN(ChargePeriodStart) AS first_charge, MAX(ChargePeriodEnd) AS last_charge,
    MIN(IF(is_fee AND is_upfront AND amount > 0, ChargePeriodStart, NULL)) AS bought_at,
    SUM(IF(is_fee AND is_upfront, amount, NULL)) AS upfront,
    SUM(IF(is_fee, NULL, amount)) AS applied,
    SUM(IF(is_fee, amount, NULL)) AS fees,
    ROUND(SAFE_DIVIDE(SUM(IF(status = 'Used', amount, NULL)), SUM(IF(status IN ('Used', 'Unused'), amount, NULL))), 6) AS utilization
  FROM applied
  GROUP BY x_credential_id, currency, commitment_id
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY commitment_id ORDER BY MAX(BillingPeriodStart) DESC, MAX(ChargePeriodEnd) DESC, x_credential_id, currency
  ) = 1
),
-- What the native rows tell about the terms. Exports of Google Cloud tell the length in the fee's name.
native_term AS (
  SELECT
    commitment_id, MIN(starts_at) AS starts_at, MAX(ends_at) AS ends_at, MAX(months) AS months, MAX(description) AS description
  FROM (
    SELECT
      COALESCE(savings_plan_arn, reservation_arn) AS commitment_id,
      SAFE_CAST(COALESCE(JSON_VALUE(attributes, '$.StartTime'), JSON_VALUE(attributes, '$.start_time')) AS TIMESTAMP) AS starts_at,
      SAFE_CAST(COALESCE(JSON_VALUE(attributes, '$.EndTime'), JSON_VALUE(attributes, '$.end_time')) AS TIMESTAMP) AS ends_at,
      CASE term_length WHEN '1yr' THEN 12 WHEN '3yr' THEN 36 END AS months,
      description
    FROM (
      SELECT DISTINCT
        savings_plan_arn, reservation_arn,
        IF(savings_plan_arn IS NULL, reservation_attributes_json, savings_plan_attributes_json) AS attributes,
        IF(savings_plan_arn IS NULL, pricing_lease_contract_length, savings_plan_purchase_term) AS term_length,
        IF(savings_plan_arn IS NULL, NULL,
          CONCAT(savings_plan_offering_type, ', ', savings_plan_purchase_term, ', ', savings_plan_payment_option)) AS description
      FROM `$dataset.cloud_aws_billing_raw_daily`
      WHERE @provider = 'aws' AND x_org_slug = @org_slug AND COALESCE(savings_plan_arn, reservation_arn) IS NOT NULL
    )
    UNION ALL
    SELECT DISTINCT
      COALESCE(benefit_id, savings_plan_id, reservation_id, product_order_id), CAST(NULL AS TIMESTAMP), CAST(NULL AS TIMESTAMP),
      SAFE_CAST(term AS INT64), product_order_name
    FROM `$dataset.cloud_azure_billing_raw_daily`
    WHERE @provider = 'azure' AND x_org_slug = @org_slug
      AND COALESCE(benefit_id, savings_plan_id, reservation_id, product_order_id) IS NOT NULL
    UNION ALL
    SELECT DISTINCT
      CommitmentDiscountId, CAST(NULL AS TIMESTAMP), CAST(NULL AS TIMESTAMP),
      12 * CAST(REGEXP_EXTRACT(ChargeDescription, r'(?i)for ([1-9]) years?$') AS INT64), ChargeDescription
    FROM charge
    WHERE @provider = 'gcp' AND x_source_system = 'cloud_gcp_billing_raw_daily' AND ChargeCategory = 'Purchase'
      AND CommitmentDiscountId IS NOT NULL
  )
  GROUP BY commitment_id
),
term AS (
  SELECT
    commitment.*,
    COALESCE(native_term.description, commitment.commitment_name, commitment.fee_name, commitment.commitment_type) AS description,
    native_term.months,
    COALESCE(native_term.starts_at, commitment.bought_at, commitment.first_charge) AS starts_at,
    CASE
      WHEN native_term.starts_at IS NOT NULL AND native_term.ends_at IS NOT NULL
        -- Some terms end at their last second.
        THEN TIMESTAMP_ADD(native_term.ends_at, INTERVAL IF(EXTRACT(SECOND FROM native_term.ends_at) = 59, 1, 0) SECOND)
      WHEN native_term.months IS NOT NULL THEN TIMESTAMP(DATETIME_ADD(
        DATETIME(COALESCE(native_term.starts_at, commitment.bought_at, commitment.first_charge)), INTERVAL native_term.months MONTH))
      ELSE commitment.last_charge
    END AS ends_at,
    CASE
      WHEN native_term.starts_at IS NOT NULL AND native_term.ends_at IS NOT NULL THEN 'term'
      WHEN native_term.months IS NOT NULL AND commitment.bought_at IS NOT NULL THEN 'purchase'
      WHEN native_term.months IS NOT NULL THEN 'first charge'
      ELSE 'charges'
    END AS period_source
  FROM commitment
  LEFT JOIN native_term ON native_term.commitment_id = commitment.commitment_id
),
-- A recurring fee tells what is committed in its time: Azure's a month of money or a number of units, the others' an amount of its hours.
recurring_fee AS (
  SELECT
    applied.commitment_id, applied.x_credential_id, applied.currency, applied.ChargePeriodStart, applied.ChargePeriodEnd,
    SUM(applied.amount) AS amount
  FROM applied
  WHERE is_fee AND NOT is_upfront AND amount > 0
  GROUP BY commitment_id, x_credential_id, currency, ChargePeriodStart, ChargePeriodEnd
),
recurring AS (
  SELECT
    term.commitment_id,
    MAX(CASE
      WHEN @provider <> 'azure' THEN ROUND(SAFE_DIVIDE(
        fee.amount * TIMESTAMP_DIFF(term.ends_at, term.starts_at, SECOND),
        CAST(TIMESTAMP_DIFF(fee.ChargePeriodEnd, fee.ChargePeriodStart, SECOND) AS BIGNUMERIC)), 12)
      WHEN term.category = 'Spend' THEN fee.amount * term.months
      WHEN term.unit = 'Hours' THEN ROUND(SAFE_DIVIDE(
        fee.amount * TIMESTAMP_DIFF(term.ends_at, term.starts_at, SECOND), BIGNUMERIC '3600'), 12)
    END) AS amount
  FROM term
  JOIN recurring_fee AS fee
    ON fee.commitment_id = term.commitment_id AND fee.x_credential_id = term.x_credential_id AND fee.currency = term.currency
  WHERE term.period_source <> 'charges'
  GROUP BY term.commitment_id
),
committed AS (
  SELECT
    term.*,
    COALESCE(recurring.amount, term.upfront, term.applied, term.fees) AS amount,
    IF(recurring.amount IS NULL AND term.upfront IS NULL AND term.applied IS NOT NULL, 'charges', 'fees') AS amount_source
  FROM term
  LEFT JOIN recurring ON recurring.commitment_id = term.commitment_id
)
SELECT
  contract_id,
  MIN(starts_at) OVER (PARTITION BY contract_id),
  MAX(ends_at) OVER (PARTITION BY contract_id),
  commitment_id,
  category,
  COALESCE(commitment_type, CONCAT(category, ' Commitment')),
  COALESCE(description, CONCAT(category, ' Commitment')),
  starts_at,
  ends_at,
  IF(category = 'Spend', amount, NULL),
  IF(category = 'Usage', amount, NULL),
  IF(category = 'Usage', COALESCE(unit, 'Units'), NULL),
  currency,
  currency,
  CAST(utilization AS FLOAT64),
  period_source,
  amount_source,
  sub_account_id,
  service_provider_name,
  x_source_system,
  commitment_id,
  @org_slug,
  x_pipeline_id,
  x_credential_id,
  DATE(starts_at),
  @run_id,
  CURRENT_TIMESTAMP(),
  CURRENT_DATE()
FROM committed
""", '$dataset', v_dataset)
    USING p_org_slug AS org_slug, p_provider AS provider, p_run_id AS run_id;
  END IF;
END;
