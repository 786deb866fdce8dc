/**
 * What the native rows of a cloud say that they cost, in GoogleSQL of its own: it shares nothing with the procedures that convert them, so
 * that the two can be compared.
 */
import type { Day } from "../platform/Identifiers.ts"
import { azureTotals } from "./AzureTotals.ts"
import { genaiTotals } from "./GenaiTotals.ts"
import { dateList } from "./SqlText.ts"
import { type Days, subscriptionTotals } from "./SubscriptionTotals.ts"

/** A native table, and the statement that sums it up. */
export interface NativeTable {
  /** The table's name, and x_source_system of the FOCUS rows that are made of it. */
  readonly table: string
  /**
   * One row per billing period, currency, credential, invoice (`invoice`, absent or NULL without one), kind of row (`kind`) and reason why
   * such rows have no FOCUS row (`dropped`, NULL for rows that have one): number of rows, billed and amortised total.
   */
  readonly statement: (periods: ReadonlyArray<Day>, days?: Days, keepsCloudOverlap?: boolean) => string
  /** True: a run replaces its days and leaves the others of their billing periods alone, so only its days are compared. */
  readonly isByDay?: boolean
}

/** A bill's cost is the net cost where the file has that column, else the unblended one; one basis for a whole file. */
const awsBilling: NativeTable = {
  table: "cloud_aws_billing_raw_daily",
  statement: (periods) => `
WITH basis AS (
  SELECT x_source_file AS file, COUNT(net_unblended_cost) > 0 AS net
  FROM cloud_aws_billing_raw_daily
  WHERE billing_period_start IN (${dateList(periods)})
  GROUP BY x_source_file
),
line AS (
  SELECT
    raw.billing_period_start AS period, raw.currency, raw.x_credential_id AS credential, raw.invoice_id AS invoice,
    raw.line_item_type AS kind,
    IF(basis.net, raw.net_unblended_cost, raw.unblended_cost) AS billed,
    CASE
      WHEN raw.line_item_type = 'SavingsPlanNegation' THEN 'savings_plan_negation'
      WHEN basis.net AND raw.net_unblended_cost = 0 AND raw.line_item_type IN
        ('EdpDiscount', 'PrivateRateDiscount', 'BundledDiscount', 'Discount', 'RiVolumeDiscount', 'SppDiscount')
        THEN 'discount_folded_into_net_cost'
    END AS dropped,
    CASE
      WHEN raw.line_item_type = 'SavingsPlanUpfrontFee' THEN 0
      WHEN raw.line_item_type IN ('Fee', 'Refund') AND raw.tax_type IS NULL
        AND (raw.savings_plan_arn IS NOT NULL OR STRPOS(raw.reservation_arn, ':capacity-reservation/') = 0) THEN 0
      WHEN raw.line_item_type = 'SavingsPlanRecurringFee'
        THEN COALESCE(raw.savings_plan_total_commitment_to_date - raw.savings_plan_used_commitment, 0)
      WHEN raw.line_item_type = 'RIFee' THEN
        COALESCE(raw.reservation_net_unused_recurring_fee, raw.reservation_unused_recurring_fee, 0)
        + COALESCE(raw.reservation_net_unused_amortized_upfront_fee_for_billing_period,
          raw.reservation_unused_amortized_upfront_fee_for_billing_period, 0)
      WHEN raw.line_item_type = 'DiscountedUsage' THEN COALESCE(raw.reservation_net_effective_cost, raw.reservation_effective_cost)
      -- A negation takes back what the covered usage would have cost; what both leave over is amortised as it is billed.
      WHEN raw.line_item_type = 'SavingsPlanCoveredUsage'
        THEN COALESCE(raw.savings_plan_net_effective_cost, raw.savings_plan_effective_cost)
          + IF(basis.net, raw.net_unblended_cost, raw.unblended_cost)
      ELSE IF(basis.net, raw.net_unblended_cost, raw.unblended_cost)
    END AS effective
  FROM cloud_aws_billing_raw_daily AS raw
  JOIN basis ON basis.file = raw.x_source_file
  WHERE raw.billing_period_start IN (${dateList(periods)})
)
SELECT period, currency, credential, invoice, kind, dropped, COUNT(*) AS n, SUM(billed) AS billed, SUM(effective) AS effective
FROM line
GROUP BY period, currency, credential, invoice, kind, dropped`
}

/** A cloud's native FOCUS exports. */
const focusExports = (table: string): NativeTable => ({
  table,
  statement: (periods) => `
SELECT
  billing_period_start_date AS period, BillingCurrency AS currency, x_credential_id AS credential, InvoiceId AS invoice,
  ChargeCategory AS kind, CAST(NULL AS STRING) AS dropped, COUNT(*) AS n, SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective
FROM ${table}
WHERE billing_period_start_date IN (${dateList(periods)})
GROUP BY period, currency, credential, invoice, kind`
})

/** The cost of a row is before its credits; fees are amortised inside of their month, so both totals are cost and credits. */
const gcpBilling: NativeTable = {
  table: "cloud_gcp_billing_raw_daily",
  statement: (periods) => `
WITH line AS (
  SELECT
    billing_period_start AS period, currency, x_credential_id AS credential, COALESCE(cost_type, 'regular') AS kind,
    cost + COALESCE((
      SELECT SUM(CAST(amount AS BIGNUMERIC))
      FROM UNNEST(REGEXP_EXTRACT_ALL(credits_json, r'''['"]amount['"]\\s*:\\s*['"]?([-0-9.eE+]+)''')) AS amount
    ), BIGNUMERIC '0') AS total
  FROM cloud_gcp_billing_raw_daily
  WHERE billing_period_start IN (${dateList(periods)})
)
SELECT period, currency, credential, kind, CAST(NULL AS STRING) AS dropped, COUNT(*) AS n, SUM(total) AS billed, SUM(total) AS effective
FROM line
GROUP BY period, currency, credential, kind`
}

/** With universal credits a prepaid commitment pays, so only overage is billed. */
const ociBilling: NativeTable = {
  table: "cloud_oci_billing_raw_daily",
  statement: (periods) => `
SELECT
  billing_period_start AS period, currency, x_credential_id AS credential, IF(is_correction, 'correction', 'usage') AS kind,
  CAST(NULL AS STRING) AS dropped, COUNT(*) AS n,
  SUM(IF(subscription_kind = 'universal_credits', COALESCE(my_cost_overage, BIGNUMERIC '0'), my_cost)) AS billed, SUM(my_cost) AS effective
FROM cloud_oci_billing_raw_daily
WHERE billing_period_start IN (${dateList(periods)})
GROUP BY period, currency, credential, kind`
}

const subscriptions: NativeTable = {
  table: "subscription_costs_daily",
  isByDay: true,
  statement: subscriptionTotals
}

/** The native tables of each cloud, of model providers, and of subscriptions. */
export const nativeTables: Readonly<Record<string, ReadonlyArray<NativeTable>>> = {
  aws: [awsBilling, focusExports("cloud_aws_focus_raw_daily")],
  azure: [
    { table: "cloud_azure_billing_raw_daily", statement: azureTotals },
    focusExports("cloud_azure_focus_raw_daily")
  ],
  gcp: [gcpBilling, focusExports("cloud_gcp_focus_raw_daily")],
  oci: [ociBilling, focusExports("cloud_oci_focus_raw_daily")],
  genai: [{ table: "genai_costs_daily_unified", statement: genaiTotals }],
  subscription: [subscriptions]
}

const owners: Readonly<Record<string, string>> = {
  genai: "genai_unified_consolidate",
  subscription: "subscription_costs_subscription_cost"
}

/** x_pipeline_id of a provider's rows: the template that owns them, whoever executes. */
export const ownerOf = (provider: string): string => owners[provider] ?? `cloud_${provider}_cost_billing`
