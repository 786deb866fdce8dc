/**
 * `genai.infrastructure_cost`: calculates what the GPUs and TPUs of genai_infrastructure_usage_raw cost, always anew.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Schema from "effect/Schema"
import { costOf, type InfrastructureUsage, resolve } from "../../genai/InfrastructurePrice.ts"
import { zero } from "../../genai/Listed.ts"
import { type JsonObject, textOrNull } from "../../platform/Json.ts"
import { decimalText } from "../../sources/genai/Commitments.ts"
import * as DayCost from "./DayCost.ts"
import { decimalAt, textAt } from "./PriceFile.ts"
import * as PriceKinds from "./PriceKinds.ts"

/** Makes the processor. */
export const make = DayCost.make({
  type: "genai.infrastructure_cost",
  usageTable: "genai_infrastructure_usage_raw",
  costTable: "genai_infrastructure_costs_daily",
  prices: PriceKinds.infrastructure,
  config: Schema.Struct({ provider: Schema.Literal("gcp_gpu") }),
  configHelp: "config.provider must be gcp_gpu",
  ownersOf: () => ["genai_infrastructure_gcp_gpu"],
  kept: [
    "provider",
    "resource_type",
    "instance_type",
    "region",
    "instance_id",
    "machine_type",
    "gpu_type",
    "pricing_type",
    "instance_count",
    "hours_used",
    "gpu_hours",
    "x_genai_account_id",
    "x_genai_project_id"
  ],
  counts: ["instance_count"],
  keysOf: (row) => [textOrNull(row["x_genai_project_id"])],
  price: (prices, row, _config, findings) => {
    const usage = usageOf(row)
    const price = resolve(prices, usage)
    if (price === undefined) {
      const { day, instanceType, region } = usage
      findings.add("genai_missing_price", "FAIL", `${instanceType} in ${region}: no price on ${day}`)
      return undefined
    }
    const cost = costOf(price, usage)
    return {
      gpu_count: decimalText(price.gpuCount ?? BigDecimal.fromBigInt(1n), 0),
      gpu_hours: decimalText(cost.gpuHours),
      total_cost_usd: decimalText(cost.total),
      base_cost_usd: decimalText(cost.base),
      discount_applied_usd: decimalText(cost.discount),
      effective_hourly_rate: decimalText(cost.effectiveHourlyRate),
      hourly_rate: BigDecimal.format(cost.rate),
      list_hourly_rate: BigDecimal.format(cost.listRate)
    }
  }
})

const usageOf = (row: JsonObject): InfrastructureUsage => ({
  provider: textAt(row, "provider") ?? "",
  instanceType: textAt(row, "instance_type") ?? "",
  region: textAt(row, "region") ?? "global",
  day: textAt(row, "day") ?? "",
  pricingType: textAt(row, "pricing_type") ?? "on_demand",
  hours: decimalAt(row, "hours_used") ?? zero,
  count: decimalAt(row, "instance_count") ?? BigDecimal.fromBigInt(1n),
  gpuHours: decimalAt(row, "gpu_hours")
})
