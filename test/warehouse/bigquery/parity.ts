/**
 * One input through one pipeline on an installation of its own, on either warehouse: what its steps answered and what every table holds
 * afterwards. What differs from run to run is written in words.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { existsSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Cloud, credentialOf } from "../../../src/cli/ConversionInput.ts"
import { Credentials } from "../../../src/credentials/Credentials.ts"
import * as Installation from "../../../src/Installation.ts"
import { Organizations } from "../../../src/organizations/Organizations.ts"
import { Day, OrgSlug } from "../../../src/platform/Identifiers.ts"
import { isObject, type Json } from "../../../src/platform/Json.ts"
import { Settings } from "../../../src/platform/Settings.ts"
import { Runs } from "../../../src/runs/Runs.ts"
import { SubscriptionPlans } from "../../../src/subscriptions/SubscriptionPlans.ts"
import { ProcedureSync } from "../../../src/warehouse/ProcedureSync.ts"
import * as Tables from "../../../src/warehouse/Tables.ts"
import { Warehouse } from "../../../src/warehouse/Warehouse.ts"
import { ociFocusReport } from "../../support/ociFocusReport.ts"
import { temporaryFolder } from "../../support/TemporaryDatabase.ts"
import { genaiInputs } from "./genaiInputs.ts"

const configs = fileURLToPath(new URL("../../../configs", import.meta.url))
const samples = fileURLToPath(new URL("../../../../shared/samples", import.meta.url))

/** The samples are no part of the project: without them their tests are skipped, but never in CI. */
export const samplesMissing = !existsSync(samples) && process.env["CI"] !== "true"

const org = Schema.decodeSync(OrgSlug)("acme_corp")
const day = Schema.decodeSync(Day)

type Services = Layer.Layer.Success<typeof Installation.layer> | Settings

export interface PipelineRun {
  readonly pipeline: string
  readonly days?: { readonly from: string; readonly to: string }
}

/** Pipelines with their input. A new pipeline joins by a line of its own in {@link inputs}. */
export interface Input {
  readonly name: string
  /** One after the other; without days, of yesterday. */
  readonly runs: readonly [PipelineRun, ...ReadonlyArray<PipelineRun>]
  readonly settings?: Readonly<Record<string, string>>
  /** Puts the input where the pipeline finds it; what it opens ends with the outcome's scope. */
  readonly prepare: Effect.Effect<unknown, unknown, Services | Scope.Scope>
}

const bill = (cloud: Cloud, sample: string, ...then: ReadonlyArray<PipelineRun>): Input => ({
  name: `${cloud}: ${sample}`,
  runs: [{ pipeline: `cloud/${cloud}/cost/billing` }, ...then],
  prepare: Effect.gen(function* () {
    const credential = yield* credentialOf(cloud, join(samples, sample))
    yield* (yield* Credentials).put({ org, credentialId: "input", ...credential })
  })
})

const ociFocus: Input = {
  name: "oci: a FOCUS report",
  runs: [{ pipeline: "cloud/oci/cost/billing" }],
  prepare: Effect.gen(function* () {
    // One path for both warehouses: it becomes lineage.
    const file = join(tmpdir(), `oci-focus-${process.pid}.csv`)
    yield* Effect.acquireRelease(
      Effect.sync(() => writeFileSync(file, ociFocusReport)),
      () => Effect.sync(() => rmSync(file, { force: true }))
    )
    yield* (yield* Credentials).put({ org, credentialId: "input", ...(yield* credentialOf("oci", file)) })
  })
}

const plans = (name: string, given: ReadonlyArray<Readonly<Record<string, string | number | boolean>>>): Input => ({
  name: `subscription: ${name}`,
  runs: [{ pipeline: "subscription/costs/subscription_cost", days: { from: "2026-01-20", to: "2026-02-10" } }],
  prepare: Effect.gen(function* () {
    const subscriptions = yield* SubscriptionPlans
    yield* subscriptions.importPlans({
      org,
      plans: given.map((plan, index) => ({
        line: index + 1,
        cells: {
          provider: "slack",
          plan_name: "pro",
          category: "communication",
          status: "active",
          start_date: "2026-01-01",
          billing_cycle: "monthly",
          currency: "USD",
          pricing_model: "PER_SEAT",
          unit_price: "10",
          seats: 1,
          auto_renew: true,
          ...plan
        }
      })),
      replaceAll: true
    })
  })
})

/** Every pipeline of `configs/`, each with inputs that reach its procedures. */
export const inputs: ReadonlyArray<Input> = [
  bill("aws", "aws/cur2/hard_cases.csv"),
  bill(
    "aws",
    "aws/cur1/savings_plan_covered_2023-06_final.csv",
    { pipeline: "cloud/aws/cost/focus_convert", days: { from: "2023-06-01", to: "2023-06-30" } },
    { pipeline: "cloud/unified/focus_convert", days: { from: "2023-06-01", to: "2023-06-30" } }
  ),
  bill("aws", "aws/focus-1.2-variants/bom-export.csv.gz"),
  bill("oci", "oci/cost-report/hard_cases.csv", {
    pipeline: "cloud/oci/cost/focus_convert",
    days: { from: "2026-03-01", to: "2026-03-31" }
  }),
  ociFocus,
  bill("azure", "azure/ea/hard_cases_actual.csv", {
    pipeline: "cloud/azure/cost/focus_convert",
    days: { from: "2026-04-01", to: "2026-04-30" }
  }),
  bill("azure", "azure/focus-1.2-export"),
  bill("gcp", "gcp/detailed/hard_cases.jsonl", {
    pipeline: "cloud/gcp/cost/focus_convert",
    days: { from: "2026-03-01", to: "2026-03-31" }
  }),
  bill("gcp", "gcp/focus-bq/fixture_2026-05.json"),
  plans("monthly, yearly and discounted plans", [
    { subscription_id: "seats", seats: 3, discount_type: "percent", discount_value: "12.5" },
    { subscription_id: "anchored", billing_anchor_day: 31, discount_type: "fixed", discount_value: "3", seats: 4 },
    { subscription_id: "yearly", start_date: "2024-02-29", billing_cycle: "annual", seats: 7, unit_price: "99.99" }
  ]),
  {
    name: "own tables by statements",
    runs: [{ pipeline: "generic/own/statements", days: { from: "2026-03-07", to: "2026-03-07" } }],
    settings: { CUSTOM_CONFIGS_PATH: fileURLToPath(new URL("configs", import.meta.url)) },
    prepare: Effect.void
  },
  ...genaiInputs
]

/** Pipelines that are not held against each other yet: their input is the API of a provider, not a file. */
export const withoutParity = /^(genai\/payg|aggregated|cloud\/gcp\/api)\//

/** What a pipeline left behind. */
export interface Outcome {
  /** Pipeline, status, error and what each step answered. */
  readonly runs: ReadonlyArray<Json>
  readonly tables: Readonly<Record<string, ReadonlyArray<Json>>>
}

/** Runs a pipeline on the warehouse of the settings given. */
export const outcomeOf = (input: Input, settings: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    yield* (yield* Organizations).create({ org, companyName: "Acme", adminEmail: "ops@acme.test", plan: "ENTERPRISE" })
    const { failed } = yield* (yield* ProcedureSync).sync()
    if (failed.length > 0) return yield* Effect.dieMessage(JSON.stringify(failed))
    yield* input.prepare
    const runs = yield* Runs
    const outcomes: Array<Json> = []
    const ids: Array<string> = []
    for (const { days, pipeline } of input.runs) {
      const { runId } = yield* runs.request({
        org,
        configId: pipeline,
        trigger: "manual",
        triggerBy: "parity",
        ...(days === undefined ? {} : { startDate: day(days.from), endDate: day(days.to) })
      })
      ids.push(runId)
      const ended = yield* runs.awaitEnd(runId)
      const { steps } = yield* runs.get(runId)
      outcomes.push([
        pipeline,
        ended.status,
        ended.errorMessage,
        steps.map((step) => [step.stepId, step.status, step.metadata["output"] ?? null])
      ])
    }
    const dataset = yield* (yield* Warehouse).org(org)
    const tables: Record<string, ReadonlyArray<Json>> = {}
    for (const table of (yield* Tables.load(join(configs, "tables"))).keys()) {
      const rows = yield* dataset.query(`SELECT * FROM ${table}`)
      tables[table] = rows.map((row) => steady(row, ids)).sort(byText)
    }
    const outcome: Outcome = {
      runs: outcomes.map((outcome) => steady(outcome, ids)),
      tables
    }
    return outcome
  }).pipe(Effect.provide(installation({ ...input.settings, ...settings })))

const installation = (settings: Readonly<Record<string, string>>) =>
  Installation.layer.pipe(
    Layer.provideMerge(
      Layer.unwrapScoped(
        Effect.map(temporaryFolder, (folder) =>
          Settings.layer.pipe(
            Layer.provide(
              Layer.setConfigProvider(
                ConfigProvider.fromMap(
                  new Map([["DATA_DIR", folder], ["ENVIRONMENT", "test"], ...Object.entries(settings)])
                )
              )
            )
          )
        )
      )
    ),
    Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None))
  )

const recently = /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/
const momentsMillis = 10 * 60 * 1000

/** Ids of runs, and moments and days of the run itself, in words. */
const steady = (value: Json, runs: ReadonlyArray<string>): Json => {
  if (typeof value === "string") {
    const named = runs.findIndex((run) => value.includes(run))
    if (named >= 0) return value.replaceAll(runs[named] ?? "", `run ${named}`)
    if (recently.test(value) && Math.abs(Date.now() - Date.parse(value)) < momentsMillis) return "now"
    return value === new Date().toISOString().slice(0, 10) ? "today" : value
  }
  if (Array.isArray(value)) return value.map((member) => steady(member, runs))
  if (isObject(value)) {
    return Object.fromEntries(
      Object.keys(value)
        .sort()
        .map((key) => {
          const member = steady(value[key] ?? null, runs)
          // What was put in before the runs has an id of its own making.
          return [key, key === "x_run_id" && !String(member).startsWith("run ") ? "before the runs" : member]
        })
    )
  }
  return value
}

const byText = (a: Json, b: Json): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)
