/**
 * The price lists of provisioned throughput, and of rented GPUs and TPUs: how a row of each table is read.
 */
import type { CommitmentPrice } from "../../genai/CommitmentPrice.ts"
import type { InfrastructurePrice } from "../../genai/InfrastructurePrice.ts"
import { zero } from "../../genai/Listed.ts"
import { decimalAt, listedOf, type PriceKind, textAt } from "./PriceFile.ts"

export const commitment: PriceKind<CommitmentPrice> = {
  file: "commitment.csv",
  table: "genai_commitment_pricing",
  read: (row) => ({
    ...listedOf(row),
    commitmentType: textAt(row, "commitment_type") ?? "",
    model: textAt(row, "model") ?? "",
    termMonths: typeof row["commitment_term_months"] === "number" ? row["commitment_term_months"] : undefined,
    minUnits: decimalAt(row, "min_units"),
    tokensPerUnitMinute: decimalAt(row, "tokens_per_unit_minute"),
    hourly: decimalAt(row, "ptu_hourly_rate"),
    monthly: decimalAt(row, "ptu_monthly_rate"),
    overrideHourly: decimalAt(row, "override_hourly_rate"),
    overrideMonthly: decimalAt(row, "override_monthly_rate"),
    termDiscountPct: decimalAt(row, "term_discount_pct"),
    volumeDiscountPct: decimalAt(row, "volume_discount_pct")
  })
}

export const infrastructure: PriceKind<InfrastructurePrice> = {
  file: "infrastructure.csv",
  table: "genai_infrastructure_pricing",
  read: (row) => ({
    ...listedOf(row),
    instanceType: textAt(row, "instance_type") ?? "",
    gpuCount: decimalAt(row, "gpu_count"),
    hourly: decimalAt(row, "hourly_rate") ?? zero,
    overrideHourly: decimalAt(row, "override_hourly_rate"),
    spotDiscountPct: decimalAt(row, "spot_discount_pct"),
    reserved1yrDiscountPct: decimalAt(row, "reserved_1yr_discount_pct"),
    reserved3yrDiscountPct: decimalAt(row, "reserved_3yr_discount_pct")
  })
}
