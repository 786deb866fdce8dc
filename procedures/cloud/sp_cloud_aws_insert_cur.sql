-- Inserts the FOCUS 1.3 rows of AWS Cost and Usage Report lines. Called by sp_cloud_aws_convert_to_focus inside its transaction, after the
-- rows of these periods were deleted. Here lines are classified and priced; sp_cloud_aws_insert_lines writes their columns.
--
-- A native line becomes one row, or two where a commitment's fee also carries what was not used of it; aws_line_item_types says which.
-- Savings plan negations and discounts that net costs already contain become no row. Amounts keep up to 24 decimals: prices are never
-- rounded, a quantity only as far as price x quantity needs to fit.
CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_cloud_aws_insert_cur`(
  p_project_id STRING,
  p_dataset_id STRING,
  p_org_slug STRING,
  p_first_period DATE,
  p_last_period DATE,
  p_credential_id STRING,
  p_run_id STRING
)
BEGIN
  CALL `{project_id}.organizations.sp_cloud_aws_insert_lines`(
    p_project_id, p_dataset_id, p_org_slug, p_first_period, p_last_period, p_credential_id, p_run_id, r"""
-- The net columns exist in a file only when the account has private discounts; then they are the basis of the whole file.
cost_basis AS (
  SELECT x_source_file, LOGICAL_OR(net_unblended_cost IS NOT NULL) AS is_net
  FROM `$dataset.cloud_aws_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  GROUP BY x_source_file
),
bills AS (
  SELECT
    billing_period_start,
    TIMESTAMP(billing_period_start) AS period_start,
    TIMESTAMP(DATE_ADD(billing_period_start, INTERVAL 1 MONTH)) AS period_end
  FROM `$dataset.cloud_aws_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
  GROUP BY billing_period_start
),
-- Many lines share their tags and product attributes: JSON is parsed once per text, not once per line.
tags AS (
  SELECT native_text, PARSE_JSON(own_text) AS tags, COALESCE(JSON_VALUE(own_text, '$.Name'), JSON_VALUE(own_text, '$.name')) AS resource_name
  FROM (
    SELECT resource_tags_json AS native_text, REGEXP_REPLACE(resource_tags_json, r'([{,]\s*)"user[:_]', r'\1"') AS own_text
    FROM `$dataset.cloud_aws_billing_raw_daily`
    WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
      AND (@credential_id IS NULL OR x_credential_id = @credential_id) AND resource_tags_json <> '{}'
    GROUP BY resource_tags_json
  )
),
cost_categories AS (
  SELECT cost_category_json AS native_text, PARSE_JSON(cost_category_json) AS categories
  FROM `$dataset.cloud_aws_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id) AND cost_category_json <> '{}'
  GROUP BY cost_category_json
),
products AS (
  SELECT * EXCEPT (members), IF(members = '', NULL, PARSE_JSON(CONCAT('{', members, '}'))) AS details
  FROM (
    SELECT
      *,
      ARRAY_TO_STRING([
        IF(instance_type = '', NULL, CONCAT('"InstanceType":', TO_JSON_STRING(instance_type))),
        CONCAT('"InstanceSeries":', IF(instance_type_family = '',
          CONCAT('"', REGEXP_EXTRACT(instance_type, r'([a-z0-9-]+)\.[a-z0-9-]+$'), '"'), TO_JSON_STRING(instance_type_family))),
        CONCAT('"CoreCount":', REGEXP_EXTRACT(vcpu, r'^[1-9][0-9]*$')),
        CONCAT('"GpuCount":', REGEXP_EXTRACT(gpu, r'^[1-9][0-9]*$')),
        CONCAT('"MemorySize":',
          CAST(SAFE_CAST(REPLACE(REGEXP_EXTRACT(memory, r'^([0-9][0-9,.]*) GiB$'), ',', '') AS NUMERIC) AS STRING)),
        IF(operating_system IN ('', 'NA'), NULL, CONCAT('"OperatingSystem":', TO_JSON_STRING(operating_system))),
        IF(storage_class = '', NULL, CONCAT('"StorageClass":', TO_JSON_STRING(storage_class))),
        IF(tenancy IN ('', 'NA'), NULL, CONCAT('"x_Tenancy":', TO_JSON_STRING(tenancy))),
        IF(operation = '', NULL, CONCAT('"x_Operation":', TO_JSON_STRING(operation)))
      ], ',') AS members
    FROM (
      SELECT DISTINCT
        COALESCE(product_instance_type, '') AS instance_type,
        COALESCE(product_instance_type_family, '') AS instance_type_family,
        COALESCE(product_vcpu, '') AS vcpu,
        COALESCE(product_gpu, '') AS gpu,
        COALESCE(product_memory, '') AS memory,
        COALESCE(product_operating_system, '') AS operating_system,
        COALESCE(product_storage_class, '') AS storage_class,
        COALESCE(product_tenancy, '') AS tenancy,
        COALESCE(operation, '') AS operation
      FROM `$dataset.cloud_aws_billing_raw_daily`
      WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
        AND (@credential_id IS NULL OR x_credential_id = @credential_id)
    )
  )
),
-- A reservation is counted in normalized hours when all its lines have them, because its unit must be the same on every row.
reservations AS (
  SELECT reservation_arn, LOGICAL_AND(COALESCE(
    CASE line_item_type
      WHEN 'RIFee' THEN reservation_total_reserved_normalized_units
      WHEN 'Fee' THEN normalization_factor
      ELSE normalized_usage_amount
    END, 0) > 0) AS is_size_flexible
  FROM `$dataset.cloud_aws_billing_raw_daily`
  WHERE x_org_slug = @org_slug AND billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR x_credential_id = @credential_id)
    AND reservation_arn IS NOT NULL AND line_item_type IN ('DiscountedUsage', 'RIFee', 'Fee')
  GROUP BY reservation_arn
),
native AS (
  SELECT
    line.*,
    COALESCE(basis.is_net, FALSE) AS is_net,
    types.row_kind AS native_kind,
    IF(types.split_part = '2', 2, 1) AS split_part,
    IF(basis.is_net, line.net_unblended_cost, line.unblended_cost) AS native_cost,
    COALESCE(line.bill_billing_entity = 'AWS Marketplace', FALSE) AS is_marketplace,
    -- Reports without columns of their own for it name it as the reservation or as the resource.
    COALESCE(
      line.capacity_reservation_arn,
      IF(STRPOS(line.reservation_arn, ':capacity-reservation/') > 0, line.reservation_arn, NULL),
      IF(STRPOS(line.resource_id, ':capacity-reservation/') > 0, line.resource_id, NULL)) AS capacity_reservation_id,
    COALESCE(line.savings_plan_arn, IF(REGEXP_CONTAINS(line.reservation_arn, r':capacity-reservation/'), NULL, line.reservation_arn))
      AS commitment_arn,
    COALESCE(line.usage_end_time, line.usage_start_time) AS native_end_time,
    bills.period_start,
    bills.period_end,
    tags.tags,
    COALESCE(line.resource_name, tags.resource_name) AS own_name,
    cost_categories.categories,
    COALESCE(units.focus_unit, IF(ENDS_WITH(line.pricing_unit, 's'), line.pricing_unit, CONCAT(line.pricing_unit, 's')), 'Count')
      AS metered_unit,
    COALESCE(
      IF(line.region = 'global', NULL, line.region), IF(line.region_name_code = 'global', NULL, line.region_name_code),
      REGEXP_EXTRACT(line.availability_zone, r'^([a-z]{2}(?:-[a-z]+)+-[0-9]+)[a-z]?$')
    ) AS region_code,
    -- Price of a line without a rate, where the division ends.
    CASE
      WHEN line.unblended_rate <> 0 OR COALESCE(line.usage_amount, 0) = 0 THEN NULL
      WHEN line.usage_amount <> ROUND(line.usage_amount, 12) THEN NULL
      -- The usual case, free and covered usage: nothing is divided.
      WHEN IF(basis.is_net, line.net_unblended_cost, line.unblended_cost) = 0 THEN BIGNUMERIC '0'
      WHEN ROUND(SAFE_DIVIDE(IF(basis.is_net, line.net_unblended_cost, line.unblended_cost), line.usage_amount), 12) * line.usage_amount
        = IF(basis.is_net, line.net_unblended_cost, line.unblended_cost)
        THEN ABS(ROUND(SAFE_DIVIDE(IF(basis.is_net, line.net_unblended_cost, line.unblended_cost), line.usage_amount), 12))
    END AS unit_cost,
    -- Without a published rate the same of the published cost; of 0 beside a real charge it means that AWS lists no price: Marketplace products.
    CASE
      WHEN line.public_on_demand_rate IS NOT NULL THEN line.public_on_demand_rate
      WHEN COALESCE(line.usage_amount, 0) = 0 OR (line.public_on_demand_cost = 0 AND line.unblended_cost <> 0) THEN NULL
      WHEN line.usage_amount <> ROUND(line.usage_amount, 12) THEN NULL
      WHEN ROUND(SAFE_DIVIDE(line.public_on_demand_cost, line.usage_amount), 12) * line.usage_amount = line.public_on_demand_cost
        THEN ROUND(SAFE_DIVIDE(line.public_on_demand_cost, line.usage_amount), 12)
    END AS public_price
  FROM `$dataset.cloud_aws_billing_raw_daily` AS line
  LEFT JOIN cost_basis AS basis ON basis.x_source_file = line.x_source_file
  JOIN bills ON bills.billing_period_start = line.billing_period_start
  LEFT JOIN tags ON tags.native_text = line.resource_tags_json
  LEFT JOIN cost_categories ON cost_categories.native_text = line.cost_category_json
  LEFT JOIN `{project_id}.organizations.aws_line_item_types` AS types ON types.line_item_type = line.line_item_type
  LEFT JOIN `{project_id}.organizations.aws_units` AS units ON units.native_unit = line.pricing_unit
  WHERE line.x_org_slug = @org_slug AND line.billing_period_start BETWEEN @first_period AND @last_period
    AND (@credential_id IS NULL OR line.x_credential_id = @credential_id)
),
-- Drops what has no row of its own; sp_cloud_aws_convert_to_focus counts the same drops from the native side.
classified AS (
  SELECT
    line.*,
    kinds.row_kind AS kind,
    kinds.charge_category,
    kinds.charge_frequency,
    kinds.is_priced = 'yes' AS is_priced,
    kinds.has_published_price = 'yes' AS has_published_price,
    kinds.is_covered = 'yes' AS is_covered,
    kinds.is_unused = 'yes' AS is_unused,
    kinds.is_commitment_purchase = 'yes' AS is_commitment_purchase,
    kinds.is_purchase = 'yes' AS is_purchase,
    -- A fee without a rate, or without a quantity that divides its cost, is priced as one piece.
    kinds.is_purchase = 'yes'
      AND ((COALESCE(line.unblended_rate, 0) = 0 AND line.native_cost <> 0 AND line.unit_cost IS NULL) OR COALESCE(line.usage_amount, 0) = 0)
      AS is_one_piece,
    IF('yes' IN (kinds.is_covered, kinds.is_unused, kinds.is_commitment_purchase), line.commitment_arn, NULL) AS commitment_id,
    CASE kinds.row_kind
      WHEN 'savings_plan_usage' THEN COALESCE(line.savings_plan_net_effective_cost, line.savings_plan_effective_cost)
      WHEN 'reservation_usage' THEN COALESCE(line.reservation_net_effective_cost, line.reservation_effective_cost)
      WHEN 'savings_plan_unused' THEN line.savings_plan_total_commitment_to_date - line.savings_plan_used_commitment
      WHEN 'reservation_unused' THEN
        IF(COALESCE(line.reservation_unused_recurring_fee, line.reservation_unused_amortized_upfront_fee_for_billing_period) IS NULL, NULL,
          COALESCE(line.reservation_net_unused_recurring_fee, line.reservation_unused_recurring_fee, 0)
          + COALESCE(line.reservation_net_unused_amortized_upfront_fee_for_billing_period,
            line.reservation_unused_amortized_upfront_fee_for_billing_period, 0))
      ELSE IF(kinds.is_commitment_purchase = 'yes', BIGNUMERIC '0', line.native_cost)
    END AS effective_cost,
    IF(kinds.has_published_price = 'yes', line.public_price, NULL) AS published_price
  FROM native AS line
  JOIN `{project_id}.organizations.aws_row_kinds` AS kinds ON kinds.row_kind =
    CASE
      WHEN line.native_kind = 'fee' THEN
        CASE
          WHEN line.commitment_arn IS NOT NULL THEN 'commitment_upfront'
          WHEN line.usage_start_time <= line.period_start AND line.native_end_time >= TIMESTAMP_SUB(line.period_end, INTERVAL 1 SECOND)
            THEN 'recurring_fee'
          ELSE 'fee'
        END
      WHEN line.native_kind = 'refund' THEN
        CASE
          WHEN line.tax_type IS NOT NULL THEN 'tax'
          WHEN line.usage_start_time < line.period_start THEN IF(line.commitment_arn IS NULL, 'earlier_refund', 'earlier_commitment_refund')
          WHEN line.commitment_arn IS NOT NULL THEN 'commitment_refund'
          WHEN COALESCE(line.pricing_rate_code, line.product_sku) IS NOT NULL AND COALESCE(line.usage_amount, 0) <> 0
            AND (line.unblended_rate <> 0 OR line.unit_cost IS NOT NULL) THEN 'usage_refund'
          ELSE 'refund'
        END
      ELSE COALESCE(line.native_kind, 'other')
    END
  WHERE CASE line.native_kind
    WHEN 'negation' THEN FALSE
    WHEN 'discount' THEN NOT line.is_net OR line.native_cost <> 0
    WHEN 'savings_plan_unused' THEN COALESCE(line.savings_plan_total_commitment_to_date <> line.savings_plan_used_commitment, FALSE)
    WHEN 'reservation_unused' THEN COALESCE(line.reservation_unused_quantity, 0) <> 0
      OR COALESCE(line.reservation_unused_recurring_fee, 0) <> 0
      OR COALESCE(line.reservation_unused_amortized_upfront_fee_for_billing_period, 0) <> 0
    ELSE TRUE
  END
),
priced AS (
  SELECT
    *,
    CASE
      WHEN NOT is_priced THEN NULL
      WHEN kind = 'savings_plan_unused' THEN BIGNUMERIC '1'
      WHEN kind = 'reservation_usage' THEN published_price
      WHEN is_one_piece THEN ABS(native_cost)
      WHEN is_purchase OR kind = 'usage_refund' THEN IF(unblended_rate <> 0, ABS(unblended_rate), COALESCE(unit_cost, unblended_rate))
      ELSE COALESCE(IF(is_unused, NULL, net_unblended_rate), unblended_rate, unit_cost)
    END AS contracted_price,
    CASE
      WHEN NOT is_priced THEN NULL
      WHEN kind = 'savings_plan_unused' THEN effective_cost
      WHEN kind = 'reservation_unused' THEN reservation_unused_quantity
      WHEN native_cost < 0 THEN IF(is_one_piece, BIGNUMERIC '-1', -ABS(usage_amount))
      ELSE IF(is_one_piece, BIGNUMERIC '1', usage_amount)
    END AS quantity,
    -- What the cells of the line do not tell, asked of the cells alone: a price lost on the way is no gap of the bill.
    is_priced AND NOT is_one_piece AND kind <> 'savings_plan_unused' AND IF(kind = 'reservation_usage', public_price,
      COALESCE(net_unblended_rate, unblended_rate, unit_cost)) IS NULL AS has_no_rate
  FROM classified
),
-- The list price is the published one or the contracted one, so their decimals decide how long the quantity may be.
fitted AS (
  SELECT
    *,
    COALESCE(published_price, IF(is_marketplace OR NOT has_published_price OR kind = 'usage_refund', contracted_price, NULL)) AS list_price,
    (NOT has_published_price OR public_price IS NULL)
      AND (has_no_rate OR (has_published_price AND NOT is_marketplace AND kind <> 'usage_refund')) AS has_no_list_rate,
    CASE
      WHEN quantity = ROUND(quantity, 12) AND COALESCE(contracted_price = ROUND(contracted_price, 12), TRUE)
        AND (COALESCE(published_price = contracted_price, FALSE) OR COALESCE(published_price = ROUND(published_price, 12), TRUE)) THEN quantity
      ELSE ROUND(quantity, 24 - GREATEST(
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(contracted_price AS STRING), r'\.([0-9]*[1-9])'), '')),
        LENGTH(COALESCE(REGEXP_EXTRACT(CAST(published_price AS STRING), r'\.([0-9]*[1-9])'), ''))
      ), 'ROUND_HALF_EVEN')
    END AS fitted_quantity
  FROM priced
),
costed AS (
  SELECT
    *,
    contracted_price * fitted_quantity AS price_cost,
    IF(kind = 'savings_plan_unused', currency, IF(is_one_piece, 'Count', metered_unit)) AS unit,
    -- A rate code begins with its SKU.
    COALESCE(product_sku, REGEXP_EXTRACT(pricing_rate_code, r'^([^.]+)[.][^.]+[.]'),
      CONCAT(product_code, COALESCE(CONCAT('/', usage_type), '')), usage_type) AS sku
  FROM fitted
)""");
END;
