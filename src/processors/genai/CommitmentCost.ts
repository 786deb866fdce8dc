/**
 * `genai.commitment_cost`: calculates what the units of genai_commitment_usage_raw cost, always anew.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type CommitmentUsage, costOf, resolve } from "../../genai/CommitmentPrice.ts"
import { type Decimal, zero } from "../../genai/Listed.ts"
import { type JsonObject, textOrNull } from "../../platform/Json.ts"
import { decimalText } from "../../sources/genai/Commitments.ts"
import { providers } from "./Commitments.ts"
import * as DayCost from "./DayCost.ts"
import { decimalAt, textAt } from "./PriceFile.ts"
import * as PriceKinds from "./PriceKinds.ts"

const all = "all"
const defaultOverageMultiplier = "1.5"

const Config = Schema.Struct({
  provider: Schema.optionalWith(
    Schema.String.pipe(Schema.filter((name) => name === all || Object.hasOwn(providers, name.toLowerCase()))),
    { default: () => all }
  ),
  /** What an hour of a unit beyond the commitment costs, in times of the list price. */
  overage_multiplier: Schema.optionalWith(Schema.String.pipe(Schema.pattern(/^\d{1,3}(\.\d{1,6})?$/)), {
    default: () => defaultOverageMultiplier
  })
})

const kept = [
  "provider",
  "commitment_type",
  "model",
  "region",
  "commitment_id",
  "commitment_name",
  "hours_active",
  "provisioned_units",
  "used_units",
  "average_used_units",
  "tokens_processed",
  "commitment_start",
  "commitment_end",
  "x_genai_account_id",
  "x_genai_project_id"
]

/** Makes the processor. */
export const make = DayCost.make({
  type: "genai.commitment_cost",
  usageTable: "genai_commitment_usage_raw",
  costTable: "genai_commitment_costs_daily",
  prices: PriceKinds.commitment,
  config: Config,
  configHelp: `config.provider must be all or one of ${Object.keys(providers).join(", ")}, config.overage_multiplier a text like "1.5"`,
  ownersOf: ({ provider }) =>
    Object.entries(providers).flatMap(([name, { pipelineId }]) =>
      provider === all || provider.toLowerCase() === name ? [pipelineId] : []
    ),
  kept: [...kept, "commitment_term_months"],
  counts: ["provisioned_units", "used_units", "tokens_processed"],
  keysOf: (row) => [textOrNull(row["commitment_id"]), textOrNull(row["x_genai_project_id"])],
  price: (prices, row, config, findings) => {
    const usage = usageOf(row)
    const place = `${usage.provider} ${usage.commitmentType}, ${usage.model} in ${usage.region}`
    const term = usage.termMonths === undefined || usage.termMonths === 0 ? "" : `, ${usage.termMonths} months`
    const price = resolve(prices, usage)
    if (price === undefined) {
      findings.add("genai_missing_price", "FAIL", `${place}${term}: no price on ${usage.day}`)
      return undefined
    }
    const cost = costOf(price, usage, BigDecimal.unsafeFromString(config.overage_multiplier))
    if (cost.used === undefined) {
      findings.add(
        "genai_commitment_use_unknown",
        "WARNING",
        `${place}: how far the units were used is not told; a term's whole fee counts as used`
      )
    }
    return {
      commitment_term_months: cost.termMonths ?? 0,
      billed_units: decimalText(cost.units),
      average_used_units: orNull(cost.used),
      used_units: orNull(cost.used, 0),
      tokens_processed: orNull(cost.tokens, 0),
      utilization_pct: orNull(cost.utilizationPct),
      total_cost_usd: decimalText(cost.total),
      commitment_cost_usd: decimalText(cost.commitment),
      overage_cost_usd: decimalText(cost.overage),
      effective_rate_per_unit: orNull(cost.ratePerUsedUnit),
      unit_rate: BigDecimal.format(cost.rate),
      list_unit_rate: BigDecimal.format(cost.listRate),
      overage_unit_rate: BigDecimal.format(cost.overageRate)
    }
  }
})

const usageOf = (row: JsonObject): CommitmentUsage => ({
  provider: textAt(row, "provider") ?? "",
  commitmentType: textAt(row, "commitment_type") ?? "",
  model: textAt(row, "model") ?? "",
  region: textAt(row, "region") ?? "global",
  day: textAt(row, "day") ?? "",
  units: decimalAt(row, "provisioned_units") ?? zero,
  hours: decimalAt(row, "hours_active") ?? zero,
  used: decimalAt(row, "average_used_units") ?? decimalAt(row, "used_units"),
  tokens: decimalAt(row, "tokens_processed"),
  termMonths: Option.getOrUndefined(Option.map(Option.fromNullable(row["commitment_term_months"]), Number))
})

const orNull = (value: Decimal | undefined, scale?: number) => (value === undefined ? null : decimalText(value, scale))
