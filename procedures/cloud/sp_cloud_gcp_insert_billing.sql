-- Inserts the FOCUS 1.3 rows of Google Cloud's standard and detailed billing exports. Called by sp_cloud_gcp_convert_to_focus inside its
-- transaction, after the rows of these periods were deleted. Here rows are split and priced; sp_cloud_gcp_insert_lines writes their columns.
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
  CALL `{project_id}.organizations.sp_cloud_gcp_insert_lines`(
    p_project_id, p_dataset_id, p_org_slug, p_first_period, p_last_period, p_credential_id, p_run_id, r"""
-- Without the columns that nothing is made of: each of these rows goes through every step with all that it has.
raw AS (
  SELECT * EXCEPT (
      credits_json, labels_json, project_labels_json, system_labels_json, tags_json,
      native_columns_json, project_ancestors_json, project_ancestry_numbers, project_number, invoice_publisher_type, location_country,
      cost_at_list, cost_at_effective_price_default, cost_at_list_consumption_model, price_effective_price_default,
      price_list_price_consumption_model, credits_total, transaction_type, export_time, x_cloud_provider, x_cloud_account_id,
      x_run_id, x_ingested_at, x_ingestion_date
    ),
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
)""");
END;
