/**
 * A whole installation in a temporary folder, with plans in its warehouse and runs of the subscription pipeline.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Installation from "../../src/Installation.ts"
import { Organizations } from "../../src/organizations/Organizations.ts"
import { Day, OrgSlug, RunId } from "../../src/platform/Identifiers.ts"
import type { JsonObject } from "../../src/platform/Json.ts"
import { Settings } from "../../src/platform/Settings.ts"
import { Runs } from "../../src/runs/Runs.ts"
import { ProcedureSync } from "../../src/warehouse/ProcedureSync.ts"
import { Warehouse } from "../../src/warehouse/Warehouse.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

const slug = Schema.decodeSync(OrgSlug)
export const acme = slug("acme_corp")
export const globex = slug("globex_2")
const day = Schema.decodeSync(Day)

/** The installation, with its procedures created and two organisations. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const organizations = yield* Organizations
    for (const org of [acme, globex]) {
      yield* organizations.create({ org, companyName: org, adminEmail: `ops@${org}.test`, plan: "ENTERPRISE" })
    }
    const { failed } = yield* (yield* ProcedureSync).sync()
    if (failed.length > 0) yield* Effect.dieMessage(JSON.stringify(failed))
  })
).pipe(
  Layer.provideMerge(Installation.layer),
  Layer.provideMerge(
    Layer.unwrapScoped(
      Effect.map(temporaryFolder, (folder) =>
        Settings.layer.pipe(
          Layer.provide(
            Layer.setConfigProvider(
              ConfigProvider.fromMap(
                new Map([
                  ["DATA_DIR", folder],
                  ["ENVIRONMENT", "test"]
                ])
              )
            )
          )
        )
      )
    )
  ),
  Layer.provideMerge(Logger.minimumLogLevel(LogLevel.Error))
)

/** One plan: ten dollars a seat and month, from the beginning of 2026, changed by `change`. */
export const plan = (subscriptionId: string, change: JsonObject = {}): JsonObject => ({
  subscription_id: subscriptionId,
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
  ...change
})

/** Puts plans into the table as another service would: unchecked. They replace what this wrote before. */
export const writePlans = (org: OrgSlug, plans: ReadonlyArray<JsonObject>) =>
  Effect.gen(function* () {
    const dataset = yield* (yield* Warehouse).org(org)
    const { rowsQuarantined } = yield* dataset.replaceSlice({
      slice: {
        table: "subscription_plans",
        pipelineId: "another_service",
        credentialId: "default",
        extent: { kind: "day", date: day("2026-01-01") }
      },
      source: { _tag: "Rows", rows: Stream.fromIterable(plans) },
      runId: Schema.decodeSync(RunId)("00000000-0000-4000-8000-000000000000")
    })
    if (rowsQuarantined > 0) yield* Effect.dieMessage(`${rowsQuarantined} plans cannot be written`)
  })

/** Runs the pipeline; dates absent: its default range. */
export const run = (org: OrgSlug, startDate?: string, endDate = startDate) =>
  Effect.gen(function* () {
    const runs = yield* Runs
    const { runId } = yield* runs.request({
      org,
      configId: "subscription/costs/subscription_cost",
      trigger: "manual",
      triggerBy: "test",
      ...(startDate === undefined ? {} : { startDate: day(startDate) }),
      ...(endDate === undefined ? {} : { endDate: day(endDate) })
    })
    yield* runs.awaitEnd(runId)
    return yield* runs.get(runId)
  })

/** Rows of a query on the organisation's tables. */
export const query = (org: OrgSlug, sql: string) =>
  Effect.flatMap(Warehouse, (warehouse) => Effect.flatMap(warehouse.org(org), (dataset) => dataset.query(sql)))
