-- Inserts the FOCUS 1.3 rows of Google Cloud's standard and detailed billing exports. Called by sp_cloud_gcp_convert_to_focus inside its
-- transaction, after the rows of these periods were deleted.
--
-- A native row becomes its base row and, where it has them, the part that no commitment covers, one row per promotion, and once per
-- commitment and day what the fee paid for and nobody used. Price discounts among the credits are folded into the costs. The billed and the
-- effective total are both SUM(cost) + SUM(credits): fees are amortised within their day.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_gcp_insert_billing`(
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
  AvailabilityZone, BilledCost, BillingAccountId, BillingAccountType, BillingCurrency, BillingPeriodEnd, BillingPeriodStart,
  ChargeCategory, ChargeClass, ChargeDescription, ChargeFrequency, ChargePeriodEnd, ChargePeriodStart, CommitmentDiscountCategory,
  CommitmentDiscountId, CommitmentDiscountQuantity, CommitmentDiscountStatus, CommitmentDiscountType, CommitmentDiscountUnit,
  ConsumedQuantity, ConsumedUnit, ContractedCost, ContractedUnitPrice, EffectiveCost, HostProviderName, InvoiceIssuerName, ListCost,
  ListUnitPrice, PricingCategory, PricingCurrency, PricingCurrencyContractedUnitPrice, PricingCurrencyEffectiveCost,
  PricingCurrencyListUnitPrice, PricingQuantity, PricingUnit, ProviderName, PublisherName, RegionId, RegionName, ResourceId,
  ResourceName, ResourceType, ServiceCategory, ServiceName, ServiceProviderName, ServiceSubcategory, SkuId, SkuMeter, SkuPriceId,
  SubAccountId, SubAccountName, SubAccountType, Tags, ChargeType, x_ChargeSubtype, x_CostType, x_CreditType, x_CreditId, x_CreditName,
  x_InvoiceMonth, x_AmortizationBasis, x_NativeQuantity, x_NativeCost, x_CostBasis, x_ListCostSource, x_SplitPart, x_source_system,
  x_source_record_id, x_source_file, x_source_row, x_cloud_provider, x_cloud_account_id,
  x_org_name, x_org_owner_email, x_org_default_currency, x_org_default_timezone, x_org_default_country,
  x_org_subscription_plan, x_org_subscription_status,
  x_org_slug, x_pipeline_id, x_credential_id,
  x_pipeline_run_date, x_run_id, x_ingested_at, x_ingestion_date
)
WITH
raw AS (
  SELECT * EXCEPT (credits_json, labels_json, project_labels_json, system_labels_json, tags_json),
    NULLIF(credits_json, '[]') AS credits_json,
    NULLIF(labels_json, '[]') AS labels_json,
    NULLIF(project_labels_json, '[]') AS project_labels_json,
    NULLIF(system_labels_json, '[]') AS system_labels_json,
    NULLIF(tags_json, '[]') AS tags_json
  FROM `$dataset.cloud_gcp_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
),
-- Some dumps hold lists as Python writes them: 'text', None, True.
python_lists AS (
  SELECT
    native_text,
    ARRAY_TO_STRING(ARRAY(
      SELECT CASE
        WHEN STARTS_WITH(token, "'")
          THEN CONCAT('"', REPLACE(REPLACE(SUBSTR(token, 2, LENGTH(token) - 2), r"\'", "'"), '"', r'\"'), '"')
        WHEN STARTS_WITH(token, '"') THEN token
        ELSE REPLACE(REPLACE(REPLACE(token, 'None', 'null'), 'True', 'true'), 'False', 'false')
      END
      FROM UNNEST(REGEXP_EXTRACT_ALL(native_text, r'''(?s)'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^'"]+''')) AS token WITH OFFSET AS position
      ORDER BY position
    ), '') AS json_text
  FROM (
    SELECT credits_json AS native_text FROM raw WHERE STARTS_WITH(credits_json, "[{'")
    UNION DISTINCT
    SELECT labels_json FROM raw WHERE STARTS_WITH(labels_json, "[{'")
    UNION DISTINCT
    SELECT project_labels_json FROM raw WHERE STARTS_WITH(project_labels_json, "[{'")
    UNION DISTINCT
    SELECT system_labels_json FROM raw WHERE STARTS_WITH(system_labels_json, "[{'")
    UNION DISTINCT
    SELECT tags_json FROM raw WHERE STARTS_WITH(tags_json, "[{'")
  )
),
credit_texts AS (
  SELECT credits_json AS native_text FROM raw WHERE credits_json IS NOT NULL GROUP BY credits_json
),
credits AS (
  SELECT
    found.*,
    COALESCE(types.treatment, 'split') AS treatment
  FROM (
    SELECT
      texts.native_text,
      position,
      JSON_VALUE(credit, '$.id') AS credit_id,
      COALESCE(JSON_VALUE(credit, '$.full_name'), JSON_VALUE(credit, '$.name')) AS credit_name,
      -- A credit without an amount is an error, not a zero.
      CAST(COALESCE(JSON_VALUE(credit, '$.amount'), 'a credit without an amount') AS BIGNUMERIC) AS amount,
      COALESCE(
        NULLIF(UPPER(JSON_VALUE(credit, '$.type')), ''),
        -- Old exports have names only.
        CASE
          WHEN REGEXP_CONTAINS(JSON_VALUE(credit, '$.name'), r'(?i)commit.*dollar') THEN 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE'
          WHEN REGEXP_CONTAINS(JSON_VALUE(credit, '$.name'), r'(?i)committed') THEN 'COMMITTED_USAGE_DISCOUNT'
          WHEN REGEXP_CONTAINS(JSON_VALUE(credit, '$.name'), r'(?i)sustained') THEN 'SUSTAINED_USAGE_DISCOUNT'
          WHEN REGEXP_CONTAINS(JSON_VALUE(credit, '$.name'), r'(?i)free ?trial|promotion') THEN 'PROMOTION'
        END
      ) AS credit_type
    FROM (
      SELECT credit_texts.native_text, COALESCE(python_lists.json_text, credit_texts.native_text) AS json_text
      FROM credit_texts
      LEFT JOIN python_lists ON python_lists.native_text = credit_texts.native_text
    ) AS texts, UNNEST(JSON_QUERY_ARRAY(texts.json_text)) AS credit WITH OFFSET AS position
  ) AS found
  LEFT JOIN `{project_id}.organizations.gcp_credit_types` AS types ON types.credit_type = found.credit_type
),
credit_sums AS (
  SELECT
    native_text,
    SUM(IF(treatment = 'fold', amount, BIGNUMERIC '0')) AS folded,
    SUM(IF(treatment IN ('resource_commitment', 'spend_commitment'), amount, BIGNUMERIC '0')) AS committed,
    LOGICAL_OR(treatment = 'spend_commitment') AS is_spend_commitment,
    LOGICAL_OR(credit_type = 'FEE_UTILIZATION_OFFSET') AS has_fee_offset,
    MIN(IF(treatment IN ('resource_commitment', 'spend_commitment'), credit_id, NULL)) AS commitment_credit_id,
    MIN(IF(treatment IN ('resource_commitment', 'spend_commitment'), credit_name, NULL)) AS commitment_credit_name
  FROM credits
  GROUP BY native_text
),
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
    MIN(COALESCE(TO_JSON_STRING(JSON_VALUE(label, '$.value')), 'true')) AS label_value
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
),
bills AS (
  SELECT
    billing_period_start,
    TIMESTAMP(billing_period_start, 'America/Los_Angeles') AS period_start,
    TIMESTAMP(DATE_ADD(billing_period_start, INTERVAL 1 MONTH), 'America/Los_Angeles') AS period_end
  FROM raw
  GROUP BY billing_period_start
),
native AS (
  SELECT
    line.*,
    bills.period_start,
    bills.period_end,
    DATE(line.usage_start_time, 'America/Los_Angeles') AS charge_day,
    COALESCE(line.location_region, IF(LOWER(line.location_location) = 'global', NULL, line.location_location)) AS region,
    CASE
      WHEN line.cost_type = 'tax' THEN 'tax'
      WHEN line.cost_type IN ('rounding_error', 'roundoff') THEN 'rounding'
      WHEN COALESCE(line.cost_type, 'regular') <> 'regular' THEN 'adjustment'
      WHEN STARTS_WITH(line.sku_description, 'Commitment') THEN 'fee'
      ELSE 'usage'
    END AS kind,
    COALESCE(credit_sums.folded, BIGNUMERIC '0') AS folded,
    COALESCE(credit_sums.committed, BIGNUMERIC '0') AS committed,
    COALESCE(credit_sums.is_spend_commitment, FALSE) AS is_spend_credit,
    COALESCE(credit_sums.has_fee_offset, FALSE) AS has_fee_offset,
    credit_sums.commitment_credit_id,
    credit_sums.commitment_credit_name,
    REGEXP_EXTRACT(LOWER(COALESCE(credit_sums.commitment_credit_name, line.sku_description)), r'\bcpu\b|\bcore\b|\bram\b|\bgpu\b|\bssd\b') AS resource_word,
    JSON_VALUE(line.consumption_model_json, '$.id') AS consumption_model_id,
    COALESCE(line.price_pricing_unit_quantity, BIGNUMERIC '1') AS unit_quantity,
    GREATEST(
      LENGTH(COALESCE(REGEXP_EXTRACT(CAST(line.price_effective_price AS STRING), r'\.([0-9]*[1-9])'), '')),
      LENGTH(COALESCE(REGEXP_EXTRACT(CAST(line.price_list_price AS STRING), r'\.([0-9]*[1-9])'), ''))
    ) AS price_decimals,
    COALESCE(units.focus_unit, CONCAT(line.usage_pricing_unit, 's'), 'Count') AS unit_name
  FROM raw AS line
  JOIN bills ON bills.billing_period_start = line.billing_period_start
  LEFT JOIN credit_sums ON credit_sums.native_text = line.credits_json
  LEFT JOIN `{project_id}.organizations.gcp_units` AS units ON units.native_unit = LOWER(line.usage_pricing_unit)
),
-- A commitment's benefit is folded into any row but usage; there it makes the row a covered one, if the two are of opposite sign.
measured AS (
  SELECT
    line.*,
    line.kind = 'usage' AND line.committed <> 0 AND SIGN(line.cost) = -SIGN(line.committed) AS is_credit_covered,
    line.kind = 'usage' AND line.committed <> 0 AND SIGN(line.cost) <> -SIGN(line.committed) AS has_lone_commitment_credit,
    line.cost + line.folded
      + IF(line.kind = 'usage' AND SIGN(line.cost) <> -SIGN(line.committed), BIGNUMERIC '0', line.committed) AS net_cost,
    ROUND(
      IF(line.unit_quantity = 1, line.usage_amount_in_pricing_units, SAFE_DIVIDE(line.usage_amount_in_pricing_units, line.unit_quantity)),
      24 - line.price_decimals, 'ROUND_HALF_EVEN') AS quantity,
    IF(line.unit_quantity = 1, line.unit_name,
      CONCAT(REGEXP_REPLACE(CAST(line.unit_quantity AS STRING), r'\.0+$', ''), ' ', line.unit_name)) AS unit
  FROM native AS line
),
fee_rows AS (
  SELECT
    *,
    COALESCE(subscription_instance_id, CONCAT(sku_id, '/', COALESCE(region, 'global'))) AS commitment_id,
    IF(REGEXP_CONTAINS(sku_description, r'(?i)dollar'), 'Spend', 'Usage') AS commitment_category
  FROM measured
  WHERE kind = 'fee'
),
fees AS (
  SELECT
    x_credential_id, billing_period_start, currency, billing_account_id, commitment_id, charge_day,
    MIN(commitment_category) AS commitment_category,
    SUM(net_cost) AS fee,
    SUM(quantity) AS fee_quantity,
    IF(COUNT(price_effective_price) = COUNT(*) AND MIN(price_effective_price) = MAX(price_effective_price),
      MIN(price_effective_price), NULL) AS price,
    IF(MIN(unit) = MAX(unit), MIN(unit), NULL) AS unit,
    LOGICAL_OR(has_fee_offset) AS has_fee_offset,
    MIN(CONCAT(x_source_file, ' ', LPAD(CAST(x_source_row AS STRING), 12, '0'))) AS first_row
  FROM fee_rows
  GROUP BY x_credential_id, billing_period_start, currency, billing_account_id, commitment_id, charge_day
),
-- A standard export does not tell which commitment a row belongs to: then the one for the same resource in the same region.
fees_by_resource AS (
  SELECT
    x_credential_id, billing_period_start, currency, billing_account_id, resource_word, COALESCE(region, '') AS region,
    MIN(commitment_id) AS commitment_id
  FROM fee_rows
  WHERE subscription_instance_id IS NULL AND resource_word IS NOT NULL
  GROUP BY x_credential_id, billing_period_start, currency, billing_account_id, resource_word, COALESCE(region, '')
),
-- Usage that a commitment covers: by a credit of its own, or at the commitment's price where the fee has an offset.
covered AS (
  SELECT
    line.x_credential_id, line.billing_period_start, line.currency, line.billing_account_id, line.commitment_id, line.charge_day,
    line.x_source_file, line.x_source_row, line.is_credit_covered, line.net_cost, line.unit, line.is_spend_credit,
    IF(line.is_credit_covered, ABS(line.committed), BIGNUMERIC '0') AS weight,
    -- Exact where the whole row is covered.
    CASE
      WHEN NOT line.is_credit_covered OR ABS(line.committed) >= ABS(line.cost) THEN line.quantity
      ELSE ROUND(ROUND(line.quantity, 12) * ROUND(SAFE_DIVIDE(ABS(line.committed), ABS(line.cost)), 12), 12)
    END AS covered_quantity,
    CASE
      WHEN NOT line.is_credit_covered OR ABS(line.committed) >= ABS(line.cost) THEN line.cost
      ELSE -line.committed
    END AS covered_cost,
    fees.fee, fees.fee_quantity, fees.price, fees.unit AS fee_unit, fees.commitment_category
  FROM (
    SELECT
      measured.*,
      COALESCE(
        measured.subscription_instance_id,
        fees_by_resource.commitment_id,
        measured.commitment_credit_id,
        CONCAT(COALESCE(measured.commitment_credit_name, 'commitment'), '/', COALESCE(measured.region, 'global'))
      ) AS commitment_id
    FROM measured
    LEFT JOIN fees_by_resource
      ON measured.is_credit_covered
      AND fees_by_resource.x_credential_id = measured.x_credential_id
      AND fees_by_resource.billing_period_start = measured.billing_period_start
      AND fees_by_resource.currency = measured.currency
      AND fees_by_resource.billing_account_id = measured.billing_account_id
      AND fees_by_resource.resource_word = measured.resource_word
      AND fees_by_resource.region = COALESCE(measured.region, '')
    WHERE measured.is_credit_covered OR (measured.kind = 'usage' AND measured.subscription_instance_id IS NOT NULL
      AND measured.consumption_model_id IS NOT NULL)
  ) AS line
  LEFT JOIN fees
    ON fees.x_credential_id = line.x_credential_id AND fees.billing_period_start = line.billing_period_start
    AND fees.currency = line.currency AND fees.billing_account_id = line.billing_account_id
    AND fees.commitment_id = line.commitment_id AND fees.charge_day = line.charge_day
  WHERE line.is_credit_covered OR fees.has_fee_offset
),
shares AS (
  SELECT
    *,
    SUM(weight) OVER (
      PARTITION BY x_credential_id, billing_period_start, currency, billing_account_id, commitment_id, charge_day
      ORDER BY x_source_file, x_source_row ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS weight_so_far,
    SUM(weight) OVER (
      PARTITION BY x_credential_id, billing_period_start, currency, billing_account_id, commitment_id, charge_day
    ) AS weight_of_day,
    -- The commitment's price tells the share where it is one price in one unit and does not exceed the fee.
    commitment_category = 'Usage' AND price IS NOT NULL AND MIN(IF(covered_quantity >= 0 AND unit = fee_unit, 1, 0)) OVER (
      PARTITION BY x_credential_id, billing_period_start, currency, billing_account_id, commitment_id, charge_day
    ) = 1 AND SUM(ROUND(covered_quantity, 12) * ROUND(price, 12)) OVER (
      PARTITION BY x_credential_id, billing_period_start, currency, billing_account_id, commitment_id, charge_day
    ) <= fee AS is_by_price
  FROM covered
),
used AS (
  SELECT
    *,
    CASE
      WHEN NOT is_credit_covered THEN 'consumption-model'
      WHEN fee IS NULL THEN NULL
      WHEN is_by_price THEN 'commitment-price'
      ELSE 'assumed-full'
    END AS amortization_basis,
    CASE
      WHEN NOT is_credit_covered THEN net_cost
      WHEN fee IS NULL THEN BIGNUMERIC '0'
      WHEN is_by_price THEN ROUND(covered_quantity, 12) * ROUND(price, 12)
      -- Differences of running shares add up to the fee exactly.
      ELSE IF(weight_so_far = weight_of_day, fee, ROUND(fee, 12) * ROUND(SAFE_DIVIDE(weight_so_far, weight_of_day), 12))
        - ROUND(fee, 12) * ROUND(SAFE_DIVIDE(weight_so_far - weight, weight_of_day), 12)
    END AS used_cost
  FROM shares
),
fee_days AS (
  SELECT
    fees.*,
    fees.fee - COALESCE(days.used_cost, BIGNUMERIC '0') AS unused_cost,
    fees.fee_quantity - COALESCE(days.covered_quantity, BIGNUMERIC '0') AS unused_quantity,
    COALESCE(days.is_by_price, fees.price IS NOT NULL AND fees.commitment_category = 'Usage') AS is_by_price,
    COALESCE(days.consumption_cost, BIGNUMERIC '0') AS consumption_cost
  FROM fees
  LEFT JOIN (
    SELECT
      x_credential_id, billing_period_start, currency, billing_account_id, commitment_id, charge_day,
      SUM(IF(is_credit_covered, used_cost, BIGNUMERIC '0')) AS used_cost,
      SUM(IF(is_credit_covered, BIGNUMERIC '0', net_cost)) AS consumption_cost,
      SUM(covered_quantity) AS covered_quantity,
      LOGICAL_AND(is_credit_covered AND is_by_price) AS is_by_price
    FROM used
    GROUP BY x_credential_id, billing_period_start, currency, billing_account_id, commitment_id, charge_day
  ) AS days
    ON days.x_credential_id = fees.x_credential_id AND days.billing_period_start = fees.billing_period_start
    AND days.currency = fees.currency AND days.billing_account_id = fees.billing_account_id
    AND days.commitment_id = fees.commitment_id AND days.charge_day = fees.charge_day
),
-- A commitment is counted in one unit: the unit of its rows where they agree, else money.
commitments AS (
  SELECT
    x_credential_id, commitment_id,
    COALESCE(MIN(fee_category), MIN(credit_category)) AS commitment_category,
    COALESCE(MIN(fee_category), MIN(credit_category)) = 'Usage' AND COUNT(unit) = COUNT(*) AND MIN(unit) = MAX(unit) AS is_metered
  FROM (
    SELECT x_credential_id, commitment_id, unit, commitment_category AS fee_category, CAST(NULL AS STRING) AS credit_category FROM fees
    UNION ALL
    SELECT x_credential_id, commitment_id, unit, commitment_category, IF(is_spend_credit, 'Spend', 'Usage') FROM used
  )
  GROUP BY x_credential_id, commitment_id
),
joined AS (
  SELECT
    line.*,
    used.x_source_row IS NOT NULL AS is_covered,
    COALESCE(used.commitment_id, IF(line.kind = 'fee',
      COALESCE(line.subscription_instance_id, CONCAT(line.sku_id, '/', COALESCE(line.region, 'global'))), NULL)) AS commitment_id,
    used.covered_quantity,
    used.covered_cost,
    used.used_cost,
    used.amortization_basis,
    used.is_credit_covered AS is_by_credit,
    fee_days.unused_cost,
    fee_days.unused_quantity,
    fee_days.is_by_price AS is_unused_by_price,
    COALESCE(fee_days.consumption_cost, BIGNUMERIC '0') AS consumption_cost,
    -- Fees without a price are priced as one piece.
    line.kind = 'fee' AND (line.price_effective_price IS NULL OR line.quantity IS NULL) AS is_one_piece
  FROM measured AS line
  LEFT JOIN used
    ON used.x_source_file = line.x_source_file AND used.x_source_row = line.x_source_row AND used.x_credential_id = line.x_credential_id
  LEFT JOIN fee_days
    ON line.kind = 'fee' AND fee_days.x_credential_id = line.x_credential_id
    AND fee_days.first_row = CONCAT(line.x_source_file, ' ', LPAD(CAST(line.x_source_row AS STRING), 12, '0'))
),
parts AS (
  -- The row itself, or the part of it that a commitment covers.
  SELECT
    line.*,
    1 AS split_part,
    IF(line.is_covered, 'covered', line.kind) AS part,
    CASE
      WHEN line.is_covered THEN BIGNUMERIC '0'
      WHEN line.kind = 'fee' THEN line.net_cost + line.consumption_cost
      ELSE line.net_cost
    END AS billed_cost,
    CASE WHEN line.is_covered THEN line.used_cost WHEN line.kind = 'fee' THEN BIGNUMERIC '0' ELSE line.net_cost END AS effective_cost,
    CASE
      WHEN line.is_covered THEN line.covered_quantity
      WHEN line.is_one_piece THEN IF(line.net_cost < 0, BIGNUMERIC '-1', BIGNUMERIC '1')
      ELSE line.quantity
    END AS part_quantity,
    IF(line.is_one_piece, ABS(line.net_cost), line.price_effective_price) AS contracted_price,
    IF(line.is_one_piece, ABS(line.net_cost), line.price_list_price) AS list_price,
    CASE
      WHEN line.is_covered THEN line.covered_cost
      WHEN line.kind IN ('usage', 'fee') THEN line.cost
      ELSE line.net_cost
    END AS native_contracted_cost,
    CAST(NULL AS STRING) AS credit_type, CAST(NULL AS STRING) AS credit_id, CAST(NULL AS STRING) AS credit_name
  FROM joined AS line
  UNION ALL
  -- What the commitment did not cover of it.
  SELECT
    line.*, 2, 'usage', line.net_cost, line.net_cost, line.quantity - line.covered_quantity, line.price_effective_price,
    line.price_list_price, line.cost - line.covered_cost, NULL, NULL, NULL
  FROM joined AS line
  WHERE line.is_by_credit AND (line.net_cost <> 0 OR line.quantity <> line.covered_quantity)
  UNION ALL
  -- What the fees of a commitment and day paid for and nobody used.
  SELECT
    line.*, 2, 'unused', BIGNUMERIC '0', line.unused_cost,
    IF(line.is_unused_by_price AND line.unused_quantity >= 0, line.unused_quantity, line.unused_cost),
    IF(line.is_unused_by_price AND line.unused_quantity >= 0, line.price_effective_price, BIGNUMERIC '1'),
    IF(line.is_unused_by_price AND line.unused_quantity >= 0, line.price_effective_price, BIGNUMERIC '1'),
    line.unused_cost, NULL, NULL, NULL
  FROM joined AS line
  WHERE line.unused_cost <> 0
  UNION ALL
  -- Promotions and credits of unknown kind; a commitment's credit on a row that it cannot cover.
  SELECT
    line.*, 3 + credits.position, 'credit', credits.amount, credits.amount, NULL, NULL, NULL, credits.amount, credits.credit_type,
    credits.credit_id, credits.credit_name
  FROM joined AS line
  JOIN credits ON credits.native_text = line.credits_json
  WHERE credits.treatment = 'split'
    OR (line.has_lone_commitment_credit AND credits.treatment IN ('resource_commitment', 'spend_commitment'))
),
-- Only usage and fees have a price; an unused part is counted as its commitment is.
priced AS (
  SELECT
    part.*,
    part.part IN ('usage', 'covered', 'fee', 'unused') AS is_priced,
    part.part IN ('covered', 'fee', 'unused') AS has_commitment,
    IF(part.part = 'unused' AND NOT (part.is_unused_by_price AND part.unused_quantity >= 0), part.currency,
      IF(part.is_one_piece AND part.part = 'fee', 'Count', part.unit)) AS part_unit,
    part.contracted_price * part.part_quantity AS contracted_product,
    part.list_price * part.part_quantity AS list_product,
    COALESCE(part.sku_id, part.sku_description, part.service_id) AS sku,
    COALESCE(part.resource_global_name, part.resource_name) AS own_resource_id,
    part.part IN ('usage', 'covered') AND part.usage_amount IS NOT NULL AS is_consumption,
    -- Amounts that a decimal of 14 digits before the point cannot hold are counted in billions.
    ABS(part.usage_amount) >= 100000000000000 AS is_huge,
    CAST(IF(ABS(part.usage_amount) >= 100000000000000, part.usage_amount / 1000000000, part.usage_amount) AS BIGNUMERIC) AS consumed_amount,
    REGEXP_CONTAINS(COALESCE(part.seller_name, 'Google'), r'(?i)^google') AS is_own_product,
    part.currency_conversion_rate <> 1 AND part.currency_conversion_rate > 0 AND part.currency <> 'USD' AS is_converted
  FROM parts AS part
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
  IF(part.is_priced AND part.part_quantity IS NOT NULL, part.contracted_price, NULL) AS ContractedUnitPrice,
  part.effective_cost AS EffectiveCost,
  IF(part.is_own_product OR part.own_resource_id IS NOT NULL, 'Google Cloud', part.seller_name) AS HostProviderName,
  'Google Cloud' AS InvoiceIssuerName,
  IF(part.is_priced, COALESCE(part.list_product, part.contracted_product, part.native_contracted_cost), part.billed_cost) AS ListCost,
  IF(part.is_priced AND part.part_quantity IS NOT NULL, part.list_price, NULL) AS ListUnitPrice,
  CASE
    WHEN NOT part.is_priced THEN NULL
    WHEN part.part IN ('covered', 'unused') THEN 'Committed'
    WHEN part.part = 'usage' AND REGEXP_CONTAINS(part.sku_description, r'(?i)\b(spot|preemptible)\b') THEN 'Dynamic'
    ELSE 'Standard'
  END AS PricingCategory,
  IF(part.is_converted, 'USD', part.currency) AS PricingCurrency,
  IF(part.is_priced AND part.part_quantity IS NOT NULL,
    IF(part.is_converted, ROUND(SAFE_DIVIDE(part.contracted_price, part.currency_conversion_rate), 12), part.contracted_price), NULL)
    AS PricingCurrencyContractedUnitPrice,
  IF(part.is_converted, ROUND(SAFE_DIVIDE(part.effective_cost, part.currency_conversion_rate), 12), part.effective_cost)
    AS PricingCurrencyEffectiveCost,
  IF(part.is_priced AND part.part_quantity IS NOT NULL,
    IF(part.is_converted, ROUND(SAFE_DIVIDE(part.list_price, part.currency_conversion_rate), 12), part.list_price), NULL)
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
""", '$dataset', CONCAT(p_project_id, '.', p_dataset_id))
  USING p_org_slug AS org_slug, p_first_period AS first_period, p_last_period AS last_period, p_credential_id AS credential_id,
    p_run_id AS run_id;
END;
