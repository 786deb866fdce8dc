-- Inserts the FOCUS 1.3 rows of Azure cost details (EA, MCA, pay-as-you-go). Called by sp_cloud_azure_convert_to_focus inside its
-- transaction, after the rows of these periods were deleted. Here charges are classified and priced; sp_cloud_azure_insert_lines writes
-- their columns.
--
-- Azure delivers each month twice: as billed (actual) and with reservations and savings plans spread over what they cover (amortized). The
-- amortized rows are taken, and of the actual ones only purchases and refunds of commitments, which the amortized view leaves out; so each
-- charge is there once, billed as the actual view bills it. Where only one view was delivered, its rows are taken. Amounts keep up to 24
-- decimals: prices are never rounded, a quantity only as far as price x quantity needs to fit.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_azure_insert_cost_details`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_org_slug STRING,
  p_first_period DATE,
  p_last_period DATE,
  p_credential_id STRING,
  p_run_id STRING
)
BEGIN
  CALL `{project_id}.organizations.sp_cloud_azure_insert_lines`(
    p_project_id, p_dataset_id, p_org_slug, p_first_period, p_last_period, p_credential_id, p_run_id, r"""
views AS (
  SELECT x_credential_id, billing_period_start, LOGICAL_OR(cost_view = 'amortized') AS has_amortized
  FROM `$dataset.cloud_azure_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  GROUP BY x_credential_id, billing_period_start
),
-- Many lines share their tags: JSON is parsed once per text, not once per line. Azure may leave out the outer braces.
tags AS (
  SELECT native_text, SAFE.PARSE_JSON(IF(STARTS_WITH(own_text, '{'), own_text, CONCAT('{', own_text, '}'))) AS tags
  FROM (
    SELECT resource_tags_json AS native_text, TRIM(resource_tags_json) AS own_text
    FROM `$dataset.cloud_azure_billing_raw_daily`
    WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
      AND (@credential_id IS NULL OR x_credential_id = @credential_id) AND resource_tags_json IS NOT NULL
    GROUP BY resource_tags_json
  )
  WHERE own_text NOT IN ('', '{}')
),
-- Properties of the charge. What FOCUS has a key for gets it; the others are kept as x_ keys, of flat objects only.
properties AS (
  SELECT
    native_text,
    capacity_reservation_id,
    IF(known IS NULL AND other IS NULL, NULL, COALESCE(
      SAFE.PARSE_JSON(CONCAT('{', ARRAY_TO_STRING([known, other], ','), '}'), wide_number_mode => 'round'),
      SAFE.PARSE_JSON(CONCAT('{', known, '}')))) AS details
  FROM (
    SELECT
      native_text,
      JSON_VALUE(info, '$.VMCapacityReservationId') AS capacity_reservation_id,
      NULLIF(ARRAY_TO_STRING([
        IF(COALESCE(JSON_VALUE(info, '$.ServiceType'), '') = '', NULL,
          CONCAT('"InstanceType":', TO_JSON_STRING(JSON_VALUE(info, '$.ServiceType')))),
        CONCAT('"CoreCount":', REGEXP_EXTRACT(JSON_VALUE(info, '$.VCPUs'), r'^[1-9][0-9]*$'))
      ], ','), '') AS known,
      IF(REGEXP_CONTAINS(own_text, r'[{\[]'), NULL, NULLIF(TRIM(REGEXP_REPLACE(
        REGEXP_REPLACE(own_text,
          r'"(?:ServiceType|VCPUs|VMName|VMCapacityReservationId|ReservationId|ReservationOrderId)"\s*:\s*(?:"[^"]*"|[^",]+)\s*,?\s*', ''),
        r'(^|,)\s*"([^"]+)"\s*:', r'\1"x_\2":'), ' ,'), '')) AS other
    FROM (
      SELECT native_text, own_text, SAFE.PARSE_JSON(CONCAT('{', own_text, '}'), wide_number_mode => 'round') AS info
      FROM (
        SELECT additional_info_json AS native_text, REGEXP_REPLACE(TRIM(additional_info_json), r'^\{\s*|\s*\}$', '') AS own_text
        FROM `$dataset.cloud_azure_billing_raw_daily`
        WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
          AND (@credential_id IS NULL OR x_credential_id = @credential_id) AND additional_info_json IS NOT NULL
        GROUP BY additional_info_json
      )
    )
    WHERE info IS NOT NULL
  )
  WHERE capacity_reservation_id IS NOT NULL OR known IS NOT NULL OR other IS NOT NULL
),
native AS (
  SELECT
    line.*,
    COALESCE(LOWER(REPLACE(line.charge_type, ' ', '')), 'usage') AS charge_kind,
    CASE
      WHEN LOWER(REPLACE(line.pricing_model, ' ', '')) IN ('reservation', 'savingsplan') THEN TRUE
      WHEN line.pricing_model IS NOT NULL THEN FALSE
      ELSE line.reservation_id IS NOT NULL OR line.benefit_id IS NOT NULL OR line.savings_plan_id IS NOT NULL
        OR COALESCE(STARTS_WITH(LOWER(line.charge_type), 'unused'), FALSE)
        OR COALESCE(REGEXP_CONTAINS(LOWER(line.product_order_name), r'savings plan|^reserved '), FALSE)
    END AS is_commitment,
    COALESCE(LOWER(line.publisher_type) = 'marketplace', FALSE) AS is_marketplace,
    COALESCE(line.benefit_id, line.savings_plan_id, line.reservation_id, line.product_order_id) AS native_commitment_id,
    COALESCE(
      REGEXP_CONTAINS(LOWER(line.benefit_id), r'/microsoft\.billingbenefits/')
      OR (line.benefit_id IS NULL AND (LOWER(REPLACE(line.pricing_model, ' ', '')) = 'savingsplan' OR line.savings_plan_id IS NOT NULL
        OR LOWER(line.charge_type) = 'unusedsavingsplan' OR REGEXP_CONTAINS(LOWER(line.product_order_name), r'savings plan'))),
      FALSE) AS is_spend,
    -- microsoft.sql/servers/databases of .../providers/Microsoft.Sql/servers/s1/databases/d1.
    COALESCE(
      CONCAT(
        REGEXP_EXTRACT(LOWER(line.resource_id), r'/providers/([^/]+/[^/]+)/[^/]+'),
        COALESCE(CONCAT('/', REGEXP_EXTRACT(LOWER(line.resource_id), r'/providers/[^/]+/[^/]+/[^/]+/([^/]+)/[^/]+')), '')),
      LOWER(line.resource_type)
    ) AS native_resource_type,
    REGEXP_EXTRACT(LOWER(line.resource_id), r'/providers/([^/]+)/') AS resource_provider,
    REGEXP_REPLACE(LOWER(line.resource_location), r'[^a-z0-9]', '') AS location_key,
    -- 10K, 100 Hours, 1 GB/Month, 1/Month: a block size and a unit.
    COALESCE(SAFE_CAST(REGEXP_EXTRACT(line.unit_of_measure, r'^\s*([0-9]+)') AS INT64), 1)
      * CASE REGEXP_EXTRACT(line.unit_of_measure, r'^\s*[0-9]+([KMB])\b')
        WHEN 'K' THEN 1000 WHEN 'M' THEN 1000000 WHEN 'B' THEN 1000000000 ELSE 1 END AS block_size,
    LOWER(TRIM(REGEXP_REPLACE(line.unit_of_measure, r'^\s*[0-9]+(?:[KMB]\b)?', ''))) AS native_unit,
    TRIM(REGEXP_REPLACE(line.unit_of_measure, r'^\s*[0-9]+(?:[KMB]\b)?', '')) AS written_unit,
    IF(line.pricing_currency <> line.billing_currency, COALESCE(line.exchange_rate, BIGNUMERIC '1'), BIGNUMERIC '1') AS rate
  FROM `$dataset.cloud_azure_billing_raw_daily` AS line
  WHERE line.x_org_slug = @org_slug AND line.billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR line.x_credential_id = @credential_id)
),
-- What was bought in the open period: its refund takes it back, any other refund corrects an earlier invoice.
purchases AS (
  SELECT DISTINCT x_credential_id, billing_period_start, COALESCE(native_commitment_id, resource_id, product_name) AS bought
  FROM native
  WHERE charge_kind = 'purchase' AND cost_view = 'actual'
),
-- Drops what the other view has; sp_cloud_azure_convert_to_focus counts the same drops from the native side.
charges AS (
  SELECT
    line.*,
    CASE
      WHEN line.charge_kind IN ('usage', 'unusedreservation', 'unusedsavingsplan') THEN 'Usage'
      WHEN line.charge_kind IN ('purchase', 'refund') THEN 'Purchase'
      WHEN line.charge_kind = 'tax' THEN 'Tax'
      WHEN line.charge_kind = 'credit' THEN 'Credit'
      ELSE 'Adjustment'
    END AS category,
    line.charge_kind = 'refund' AND (purchases.bought IS NULL OR line.previous_invoice_id IS NOT NULL) AS is_correction,
    line.is_commitment AND line.charge_kind = 'usage' AS is_covered,
    line.charge_kind IN ('unusedreservation', 'unusedsavingsplan') AS is_unused,
    line.is_commitment AND line.charge_kind IN ('purchase', 'refund') AS is_commitment_purchase,
    IF(line.is_commitment, line.native_commitment_id, NULL) AS commitment_id,
    line.charge_kind IN ('usage', 'unusedreservation', 'unusedsavingsplan', 'purchase')
      OR (line.charge_kind = 'refund' AND purchases.bought IS NOT NULL AND line.previous_invoice_id IS NULL) AS is_priced,
    COALESCE(units.focus_unit, NULLIF(line.written_unit, ''), 'Units') AS unit,
    -- Prices of Microsoft Customer Agreements may be in the pricing currency: the reading that explains the cost counts.
    IF(line.rate <> 1 AND ABS(ROUND(ROUND(line.unit_price * line.rate, 12) * ROUND(line.usage_quantity, 12), 12) - line.cost_in_billing_currency)
      <= ABS(ROUND(ROUND(line.unit_price, 12) * ROUND(line.usage_quantity, 12), 12) - line.cost_in_billing_currency),
      ROUND(line.unit_price * line.rate, 12), line.unit_price) AS own_price,
    IF(line.rate <> 1 AND ABS(ROUND(ROUND(line.effective_price * line.rate, 12) * ROUND(line.usage_quantity, 12), 12) - line.cost_in_billing_currency)
      <= ABS(ROUND(ROUND(line.effective_price, 12) * ROUND(line.usage_quantity, 12), 12) - line.cost_in_billing_currency),
      ROUND(line.effective_price * line.rate, 12), line.effective_price) AS average_price,
    IF(line.rate <> 1, ROUND(line.payg_price * line.rate, 12), line.payg_price) AS retail_price,
    -- Price of a line without one, where the division ends. Nobody asks for it where both prices are given.
    CASE
      WHEN line.unit_price IS NOT NULL AND line.effective_price IS NOT NULL THEN NULL
      WHEN COALESCE(line.usage_quantity, 0) = 0 OR line.usage_quantity <> ROUND(line.usage_quantity, 12) THEN NULL
      WHEN ROUND(SAFE_DIVIDE(line.cost_in_billing_currency, line.usage_quantity), 12) * line.usage_quantity = line.cost_in_billing_currency
        THEN ROUND(SAFE_DIVIDE(line.cost_in_billing_currency, line.usage_quantity), 12)
    END AS unit_cost
  FROM native AS line
  JOIN views ON views.x_credential_id = line.x_credential_id AND views.billing_period_start = line.billing_period_start
  LEFT JOIN purchases
    ON purchases.x_credential_id = line.x_credential_id AND purchases.billing_period_start = line.billing_period_start
    AND purchases.bought = COALESCE(line.native_commitment_id, line.resource_id, line.product_name)
  LEFT JOIN `{project_id}.organizations.azure_units` AS units ON units.native_unit = line.native_unit
  WHERE line.cost_view = 'amortized' OR NOT views.has_amortized
    OR (line.is_commitment AND line.charge_kind IN ('purchase', 'refund'))
),
priced AS (
  SELECT
    *,
    IF(is_commitment_purchase, BIGNUMERIC '0', cost_in_billing_currency) AS effective_cost,
    IF(cost_view = 'amortized' AND (is_covered OR is_unused), BIGNUMERIC '0', cost_in_billing_currency) AS billed_cost,
    -- A purchase without a quantity is priced as one piece.
    category = 'Purchase' AND COALESCE(usage_quantity, 0) = 0 AS is_one_piece,
    CASE
      WHEN NOT is_priced THEN NULL
      WHEN is_unused AND is_spend THEN BIGNUMERIC '1'
      WHEN is_unused THEN ABS(COALESCE(average_price, unit_cost))
      WHEN is_covered THEN NULLIF(own_price, 0)
      WHEN category = 'Purchase' AND COALESCE(usage_quantity, 0) = 0 THEN ABS(cost_in_billing_currency)
      WHEN charge_kind = 'refund' THEN ABS(COALESCE(NULLIF(average_price, 0), own_price, unit_cost))
      WHEN own_price = 0 AND cost_in_billing_currency <> 0 THEN ABS(COALESCE(average_price, unit_cost))
      ELSE ABS(COALESCE(own_price, average_price, unit_cost))
    END AS contracted_price,
    CASE
      WHEN NOT is_priced THEN NULL
      WHEN is_unused AND is_spend THEN cost_in_billing_currency
      WHEN category = 'Purchase' AND COALESCE(usage_quantity, 0) = 0 THEN IF(cost_in_billing_currency < 0, BIGNUMERIC '-1', BIGNUMERIC '1')
      WHEN cost_in_billing_currency < 0 THEN -ABS(usage_quantity)
      ELSE usage_quantity
    END AS quantity,
    -- What the cells of the line do not tell, asked of the cells alone: a price lost on the way is no gap of the bill.
    is_priced AND NOT (is_unused AND is_spend) AND category <> 'Purchase' AND usage_quantity IS NULL AS has_no_quantity,
    CASE
      WHEN NOT is_priced OR (is_unused AND is_spend) THEN FALSE
      WHEN is_covered THEN COALESCE(unit_price, 0) = 0
      WHEN category = 'Purchase' AND COALESCE(usage_quantity, 0) = 0 THEN FALSE
      WHEN is_unused OR (unit_price = 0 AND cost_in_billing_currency <> 0 AND charge_kind <> 'refund')
        THEN COALESCE(effective_price, unit_cost) IS NULL
      ELSE COALESCE(unit_price, effective_price, unit_cost) IS NULL
    END AS has_no_price
  FROM charges
),
-- A retail price of 0 means unknown where a commitment or a seller sets the price, and beside a price that is charged.
listed AS (
  SELECT
    *,
    CASE
      WHEN NOT is_priced THEN NULL
      WHEN retail_price <> 0 AND NOT is_unused THEN retail_price
      WHEN is_covered OR is_commitment_purchase OR is_marketplace THEN NULL
      ELSE contracted_price
    END AS list_price,
    is_priced AND (is_unused OR COALESCE(payg_price, 0) = 0)
      AND (is_covered OR is_commitment_purchase OR is_marketplace OR has_no_price) AS has_no_list_price
  FROM priced
),
fitted AS (
  SELECT
    *,
    CASE
      WHEN quantity = ROUND(quantity, 12) AND COALESCE(contracted_price = ROUND(contracted_price, 12), TRUE)
        AND COALESCE(list_price = ROUND(list_price, 12), TRUE) THEN quantity
      ELSE ROUND(quantity, 24 - GREATEST(
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(contracted_price AS STRING), r'\.([0-9]*[1-9])'), '')),
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(list_price AS STRING), r'\.([0-9]*[1-9])'), ''))
      ), 'ROUND_HALF_EVEN')
    END AS fitted_quantity
  FROM listed
),
-- One commitment is counted in one unit: that of what it covers, else that of its purchase.
commitments AS (
  SELECT commitment_id, COALESCE(MIN(IF(category = 'Usage', unit, NULL)), MIN(unit)) AS unit
  FROM fitted
  WHERE commitment_id IS NOT NULL
  GROUP BY commitment_id
),
costed AS (
  SELECT
    *,
    contracted_price * fitted_quantity AS price_cost,
    -- In the currency of the price list.
    COALESCE(NULLIF(unit_price, 0), effective_price, ROUND(SAFE_DIVIDE(contracted_price, rate), 12)) AS written_price,
    IF(is_unused AND is_spend, billing_currency, IF(block_size = 1 OR is_one_piece, unit, CONCAT(CAST(block_size AS STRING), ' ', unit)))
      AS pricing_unit_name,
    COALESCE(product_id, NULLIF(meter_id, '00000000-0000-0000-0000-000000000000'), product_order_id,
      IF(REGEXP_CONTAINS(part_number, r'^-?[0-9]?$'), NULL, part_number), CONCAT(product_name, COALESCE(CONCAT('/', plan_name), '')),
      plan_name, publisher_name, meter_name, meter_category, consumed_service) AS sku,
    COALESCE(meter_name, meter_subcategory, product_name, product_order_name, meter_category, charge_type, 'Usage') AS meter,
    REGEXP_CONTAINS(billing_account_id, r'^[0-9]+$') AS is_enrollment
  FROM fitted
)""");
END;
