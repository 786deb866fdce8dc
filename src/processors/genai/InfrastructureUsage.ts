/**
 * `genai.infrastructure_usage`: takes the hours of rented GPUs and TPUs out of the loaded bill of Google Cloud, for every day of the run.
 * Cores and memory of their machines are other lines of the bill, and so are fees of commitments: neither is an hour of an accelerator.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import { Credentials } from "../../credentials/Credentials.ts"
import { zero } from "../../genai/Listed.ts"
import type { Processor, StepContext } from "../../pipelines/Processor.ts"
import type { Day } from "../../platform/Identifiers.ts"
import { type JsonObject, textOrNull } from "../../platform/Json.ts"
import { decimalText } from "../../sources/genai/Commitments.ts"
import { type OrgWarehouse, type SliceReport, Warehouse } from "../../warehouse/Warehouse.ts"
import { monthsOf } from "../focus/Periods.ts"
import * as StepFailure from "../StepFailure.ts"
import * as Allocation from "./Allocation.ts"
import { daysOf, filledDays, replaceDay, totalOf } from "./DaySlices.ts"
import { Findings } from "./Findings.ts"
import { identify } from "./PaygRows.ts"
import { decimalAt } from "./PriceFile.ts"

const table = "genai_infrastructure_usage_raw"
const pipelineId = "genai_infrastructure_gcp_gpu"
const provider = "gcp_gpu"
const rowKey = ["usage_date", "instance_id", "instance_type", "pricing_type", "region", "x_genai_project_id"]
const secondsOfHour = BigDecimal.fromBigInt(3600n)

/** Accelerators of Compute Engine (6F81-5844-456A) and Cloud TPU; corrections are lines of their own and are summed up. */
const sql = `
SELECT
  x_credential_id AS credential, sku_description AS sku, COALESCE(location_region, 'global') AS region, resource_global_name AS instance_id,
  system_labels_json AS labels, consumption_model_json AS model, project_id AS project, billing_account_id AS account,
  SUM(IF(usage_pricing_unit = 'hour', usage_amount_in_pricing_units, NULL)) AS hours,
  SUM(IF(usage_pricing_unit IS NULL AND usage_unit = 'seconds', CAST(usage_amount AS BIGNUMERIC), NULL)) AS seconds,
  COUNTIF(COALESCE(usage_pricing_unit, IF(usage_unit = 'seconds', 'hour', '')) <> 'hour') AS others
FROM cloud_gcp_billing_raw_daily
WHERE DATE(usage_start_time) = @day AND COALESCE(cost_type, 'regular') = 'regular'
  AND (service_id = '6F81-5844-456A' OR service_description IN ('Compute Engine', 'Cloud TPU'))
  AND REGEXP_CONTAINS(LOWER(sku_description), r'\\bgpu\\b|\\btpu') AND NOT STARTS_WITH(LOWER(sku_description), 'commitment')
GROUP BY x_credential_id, sku_description, location_region, resource_global_name, system_labels_json, consumption_model_json, project_id,
  billing_account_id
ORDER BY credential, sku, region, instance_id, project`

/** Makes the processor. Output: `details` has the findings by check, also kept in org_meta_dq_results. */
export const make: Effect.Effect<Processor, never, Warehouse | Credentials> = Effect.gen(function* () {
  const warehouse = yield* Warehouse
  const credentials = yield* Credentials

  const execute = Effect.fn("InfrastructureUsage.execute")(
    function* (context: StepContext) {
      const org = yield* warehouse.org(context.org)
      const allocate = yield* Allocation.load(org, credentials, context.org)
      const findings = new Findings()
      const filled = yield* filledDays(org, context, [table], pipelineId)
      const reports: Array<SliceReport> = []
      let read = 0
      for (const day of daysOf(context)) {
        const rows = yield* rowsOf(org, day, allocate, findings)
        read += rows.length
        const owners = new Set([
          ...rows.map(({ credentialId }) => credentialId),
          ...filled.flatMap((each) => (each.day === day ? [each.credentialId] : []))
        ])
        for (const credentialId of owners) {
          if (context.credentialId !== undefined && context.credentialId !== credentialId) continue
          const own = rows.flatMap((each) => (each.credentialId === credentialId ? [each.row] : []))
          const identified = own.map(identify(rowKey, [context.org, pipelineId, credentialId]))
          reports.push(yield* replaceDay(org, context, { table, pipelineId, credentialId, date: day }, identified))
          yield* context.progress({ rows: totalOf(reports).written })
        }
      }
      yield* findings.record(org, context, "cloud_gcp_billing_raw_daily")
      const { quarantine, quarantined, written } = totalOf(reports)
      return {
        rowsProcessed: read,
        rowsWritten: written,
        outputTable: table,
        affectedPeriods: monthsOf(context),
        details: { findings: findings.report(), quarantined, quarantine }
      }
    },
    Effect.mapError((error) =>
      error._tag === "CredentialsUnavailable" ? StepFailure.ofCredentials(error) : StepFailure.ofWarehouse(error)
    )
  )

  return {
    type: "genai.infrastructure_usage",
    check: ({ provider: name }) => (name === provider ? undefined : `config.provider must be ${provider}`),
    execute
  }
})

const rowsOf = Effect.fnUntraced(function* (
  org: OrgWarehouse,
  day: Day,
  allocate: Allocation.Allocate,
  findings: Findings
) {
  const lines = yield* org.query(sql, { day: { type: "DATE", value: day } })
  return lines.flatMap((line) => {
    const text = (name: string) => textOrNull(line[name])
    const sku = text("sku") ?? ""
    const credentialId = text("credential") ?? "default"
    if (line["others"] !== 0) {
      findings.add("genai_infrastructure_unit_unknown", "FAIL", `${sku}: a quantity that is neither hours nor seconds`)
    }
    const [hours, seconds] = [decimalAt(line, "hours"), decimalAt(line, "seconds")]
    if (hours === undefined && seconds === undefined) return []
    const used = BigDecimal.sum(hours ?? zero, BigDecimal.unsafeDivide(seconds ?? zero, secondsOfHour))
    const accelerator = acceleratorOf(sku)
    const row: JsonObject = {
      usage_date: day,
      provider,
      resource_type: accelerator.startsWith("tpu") ? "tpu" : "gpu",
      instance_type: accelerator,
      gpu_type: accelerator,
      region: text("region"),
      instance_id: text("instance_id"),
      machine_type: machineTypeOf(text("labels") ?? ""),
      pricing_type: pricingTypeOf(sku, text("model") ?? ""),
      // The bill counts the hours of accelerators, however many a machine has.
      instance_count: 1,
      hours_used: decimalText(used),
      gpu_hours: decimalText(used),
      x_genai_account_id: text("account"),
      x_genai_project_id: text("project"),
      ...allocate({ credentialId, day, keys: [text("project")] })
    }
    return [{ credentialId, row }]
  })
})

/** `Nvidia Tesla A100 80GB GPU running in Iowa` is nvidia-a100-80gb, `TpuV5e running in Ohio` tpu-v5e. */
const acceleratorOf = (sku: string): string => {
  const gpu = /nvidia\s+(?:tesla\s+)?(.+?)\s+gpu/i.exec(sku)?.[1]
  if (gpu !== undefined) return `nvidia-${slug(gpu)}`
  const tpu = /tpu[\s-]*v?(\d+[a-z]*)/i.exec(sku)?.[1]
  return tpu === undefined ? slug(sku) : `tpu-v${tpu.toLowerCase()}`
}

const slug = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")

const machineTypeOf = (labels: string) =>
  /machine_spec['"]\s*,\s*['"]value['"]\s*:\s*['"]([^'"]+)/.exec(labels)?.[1] ?? null

const pricingTypeOf = (sku: string, consumptionModel: string): string => {
  if (/\bspot\b/i.test(sku)) return "spot"
  if (/preemptible/i.test(sku)) return "preemptible"
  if (/^reserved\b/i.test(sku)) return "reserved"
  const years = /\b([13])[\s-]*(?:yr|year)/i.exec(consumptionModel)?.[1]
  return years === undefined ? "on_demand" : `committed_${years}yr`
}
