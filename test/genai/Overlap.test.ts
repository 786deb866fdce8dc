import { expect, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Clouds, type GpuLine, googleBill, ownPrices, vertexCredential } from "./commitmentSupport.ts"
import { acme, globex, layerWith, query, run } from "./support.ts"

const [first, last] = ["2026-06-01", "2026-06-02"]

const lines: ReadonlyArray<GpuLine> = [
  { sku: "Nvidia L4 GPU running in Iowa", day: first, hours: "10", cost: "5.6004" },
  { sku: "Nvidia L4 GPU running in Iowa", day: first, hours: "2.5", cost: "1.4001" },
  // Taken back and charged again, later: what remains is half an hour less.
  { sku: "Nvidia L4 GPU running in Iowa", day: first, hours: "-0.5", cost: "-0.28002" },
  {
    sku: "NVIDIA L4 GPU attached to Spot Preemptible VMs running in Iowa",
    day: last,
    hours: "4",
    cost: "0.776",
    machine: "vm-2"
  },
  {
    sku: "Nvidia Tesla A100 80GB GPU running in Iowa",
    day: last,
    hours: "1",
    cost: "3.92808",
    machine: "vm-3",
    project: "acme-lab"
  },
  { sku: "Nvidia L4 GPU running in Iowa", day: last, hours: "8", cost: "2.8", machine: "vm-4", model: "1 year CUD" },
  { sku: "TpuV5e running in Iowa", day: last, hours: "3", cost: "3.6", machine: "tpu-1" },
  { sku: "Nvidia Quantum GPU running in Iowa", day: last, hours: "1", cost: "9", machine: "vm-5" },
  // None of these is an hour of an accelerator.
  { sku: "G2 Instance Core running in Iowa", day: first, hours: "80", cost: "2" },
  { sku: "Commitment v1: Nvidia L4 GPU running in Iowa for 1 Year", day: first, hours: "24", cost: "8" },
  { sku: "Nvidia L4 GPU running in Iowa", day: first, hours: "1", cost: "0.1", costType: "tax" },
  { sku: "Nvidia GPU Cloud image", day: first, hours: "1", cost: "1", service: "Marketplace" },
  { sku: "Nvidia L4 GPU image", day: first, hours: "1", cost: "1", unit: "gibibyte hour" }
]

/** A pipeline's outcome, which must be good. */
const done = Effect.fnUntraced(function* (org: typeof acme, pipeline: string) {
  const { run: ended, steps } = yield* run(org, pipeline, first, last)
  expect([pipeline, ended.status, ended.errorMessage]).toEqual([pipeline, "COMPLETED", null])
  return steps.map((step) => step.metadata["output"])
})

const converted = (org: typeof acme) =>
  query(
    org,
    `SELECT x_genai_provider AS provider, COUNT(*) AS n, SUM(BilledCost) AS billed FROM cost_data_standard_1_3
    WHERE x_source_system = 'genai_costs_daily_unified' GROUP BY provider ORDER BY provider`
  )

const order = { model: "gemini-2.5-pro", region: "us-central1", units: 10, term_months: 1 }
const consolidate = "genai/unified/consolidate"

withLayer(Layer.provideMerge(Clouds.layer, layerWith({})), { excludeTestServices: true })(
  "what a loaded cloud bill has",
  (it) => {
    it.effect("is left out of GenAI's rows from the day that the bill is loaded, and a finding says so", () =>
      Effect.gen(function* () {
        yield* vertexCredential(acme, "vertex", { gsu_commitments: [order] })
        yield* done(acme, "genai/commitment/gcp_vertex")
        // Before the bill: 10 x 3.6986 x 24 on each of two days.
        yield* done(acme, consolidate)
        expect(yield* converted(acme)).toEqual([{ provider: "gcp_vertex", n: 4, billed: "1775.328" }])
        yield* googleBill(acme, lines)
        yield* done(acme, "cloud/gcp/cost/billing")
        const [loaded, priced] = yield* done(acme, "genai/infrastructure/gcp_gpu")
        expect(loaded).toMatchObject({
          findings: { genai_infrastructure_unit_unknown: { status: "FAIL", rows: 1 } },
          quarantined: 0
        })
        expect(priced).toMatchObject({
          findings: {
            genai_missing_price: {
              status: "FAIL",
              rows: 1,
              examples: ["nvidia-quantum in us-central1: no price on 2026-06-02"]
            }
          }
        })
        // 12 x 0.56004; 4 hours of spot, 65.3596 percent off; and so on.
        expect(
          (yield* query(
            acme,
            `SELECT cost_date, instance_type, pricing_type, machine_type, gpu_hours, base_cost_usd, discount_applied_usd, total_cost_usd,
              x_genai_project_id FROM genai_infrastructure_costs_daily ORDER BY cost_date, instance_type, pricing_type`
          )).map((row) => Object.values(row))
        ).toEqual([
          [first, "nvidia-l4", "on_demand", "g2-standard-8", "12", "6.72048", "0", "6.72048", "acme-data"],
          [last, "nvidia-a100-80gb", "on_demand", "g2-standard-8", "1", "3.92808", "0", "3.92808", "acme-lab"],
          [last, "nvidia-l4", "committed_1yr", "g2-standard-8", "8", "4.48032", "0", "4.48032", "acme-data"],
          [last, "nvidia-l4", "spot", "g2-standard-8", "4", "2.24016", "1.464159615", "0.776000385", "acme-data"],
          [last, "tpu-v5e", "on_demand", "g2-standard-8", "3", "3.6", "0", "3.6", "acme-data"]
        ])
        const [, focus, reconciled] = yield* done(acme, consolidate)
        expect(focus).toMatchObject({ rows_left_out: 7 })
        expect(yield* converted(acme)).toEqual([])
        expect(reconciled).toMatchObject({
          reconciliation: [
            {
              source: "genai_costs_daily_unified",
              nativeBilled: "0",
              focusBilled: "0",
              rows: { dropped: { on_a_cloud_bill: 5 } }
            },
            {
              source: "genai_costs_daily_unified",
              nativeBilled: "0",
              focusBilled: "0",
              rows: { dropped: { on_a_cloud_bill: 2 } }
            }
          ]
        })
        expect(
          yield* query(
            acme,
            `SELECT x_pipeline_run_date AS day, overall_status AS status, failed_expectations AS texts FROM org_meta_dq_results
            WHERE dq_config_id = 'genai_cloud_overlap' ORDER BY day`
          )
        ).toEqual([
          {
            day: first,
            status: "WARNING",
            texts: [
              "2026-06-01: 2 rows of gcp_gpu, gcp_vertex, gemini are left out, since the bill of their cloud is loaded; GENAI_CLOUD_OVERLAP=keep keeps them"
            ]
          },
          {
            day: last,
            status: "WARNING",
            texts: [
              "2026-06-02: 5 rows of gcp_gpu, gcp_vertex, gemini are left out, since the bill of their cloud is loaded; GENAI_CLOUD_OVERLAP=keep keeps them"
            ]
          }
        ])
        // Another month has no bill, another organisation neither.
        const { run: july } = yield* run(acme, "genai/commitment/gcp_vertex", "2026-07-01")
        expect(july.status).toBe("COMPLETED")
        const { steps } = yield* run(acme, consolidate, "2026-07-01")
        // Nothing that was done is done again.
        expect(steps.map((step) => step.metadata["output"])[1]).toMatchObject({ days: 1, rows_left_out: 0 })
        expect(yield* converted(acme)).toEqual([{ provider: "gcp_vertex", n: 2, billed: "887.664" }])
        expect(yield* converted(globex)).toEqual([])
      })
    )
  }
)

withLayer(Layer.provideMerge(Clouds.layer, layerWith({ GENAI_CLOUD_OVERLAP: "keep" })), { excludeTestServices: true })(
  "what a loaded cloud bill has, with GENAI_CLOUD_OVERLAP=keep",
  (it) => {
    it.effect("stays, with its categories and prices", () =>
      Effect.gen(function* () {
        yield* googleBill(globex, lines)
        yield* done(globex, "cloud/gcp/cost/billing")
        yield* ownPrices(globex, "genai_infrastructure_pricing", [
          {
            provider: "gcp_gpu",
            resource_type: "gpu",
            instance_type: "nvidia-quantum",
            gpu_type: "nvidia-quantum",
            region: "global",
            hourly_rate: "9.5"
          },
          {
            provider: "gcp_gpu",
            resource_type: "gpu",
            instance_type: "nvidia-l4",
            gpu_type: "nvidia-l4",
            region: "us-central1",
            hourly_rate: "0.56004",
            reserved_1yr_discount_pct: "37",
            spot_discount_pct: "100"
          }
        ])
        yield* done(globex, "genai/infrastructure/gcp_gpu")
        const [, focus, reconciled, conformance] = yield* done(globex, consolidate)
        expect(focus).toMatchObject({ rows_left_out: 0 })
        // 6.72048 + 3.92808 + 8 x 0.56004 x 0.63 + 0 + 3.6 + 9.5.
        expect(reconciled).toMatchObject({
          reconciliation: [
            { nativeBilled: "26.5711616", focusBilled: "26.5711616", difference: "0", effectiveDifference: "0" }
          ]
        })
        expect(conformance).toMatchObject({ conformance: { violated: [] } })
        expect(
          (yield* query(
            globex,
            `SELECT DATE(ChargePeriodStart), SkuId, ChargeCategory, CommitmentDiscountStatus, PricingCategory, PricingQuantity,
              ContractedUnitPrice, ListUnitPrice, BilledCost, EffectiveCost, ServiceSubcategory, SkuPriceDetails
            FROM cost_data_standard_1_3 WHERE x_genai_provider = 'gcp_gpu' ORDER BY 1, 2, 3, PricingCategory`
          )).map((row) => Object.values(row).slice(0, 11))
        ).toEqual([
          [
            first,
            "gcp_gpu/nvidia-l4",
            "Usage",
            null,
            "Standard",
            "12",
            "0.56004",
            "0.56004",
            "6.72048",
            "6.72048",
            "AI Platforms"
          ],
          [
            last,
            "gcp_gpu/nvidia-a100-80gb",
            "Usage",
            null,
            "Standard",
            "1",
            "3.92808",
            "3.92808",
            "3.92808",
            "3.92808",
            "AI Platforms"
          ],
          [
            last,
            "gcp_gpu/nvidia-l4",
            "Purchase",
            null,
            "Standard",
            "8",
            "0.3528252",
            "0.56004",
            "2.8226016",
            "0",
            "AI Platforms"
          ],
          [
            last,
            "gcp_gpu/nvidia-l4",
            "Usage",
            "Used",
            "Committed",
            "8",
            "0.3528252",
            "0.56004",
            "0",
            "2.8226016",
            "AI Platforms"
          ],
          [last, "gcp_gpu/nvidia-l4", "Usage", null, "Dynamic", "4", "0", "0.56004", "0", "0", "AI Platforms"],
          [last, "gcp_gpu/nvidia-quantum", "Usage", null, "Standard", "1", "9.5", "9.5", "9.5", "9.5", "AI Platforms"],
          [last, "gcp_gpu/tpu-v5e", "Usage", null, "Standard", "3", "1.2", "1.2", "3.6", "3.6", "AI Platforms"]
        ])
      })
    )
  }
)
