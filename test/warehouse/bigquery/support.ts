/**
 * The warehouse on a counterpart of its own, with the small bill of the embedded warehouse's tests.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { join } from "node:path"
import { Settings } from "../../../src/platform/Settings.ts"
import * as WarehouseBigQuery from "../../../src/warehouse/bigquery/WarehouseBigQuery.ts"
import { Warehouse } from "../../../src/warehouse/Warehouse.ts"
import { type Counterpart, startCounterpart } from "../../support/bigquery/Counterpart.ts"
import { type Fixture, fixture } from "../duckdb/support.ts"

export { billByPeriods, billOf, billTable, day, fileSource, load, org, runId } from "../duckdb/support.ts"

export interface World extends Fixture {
  readonly counterpart: Counterpart
}

/** A counterpart that ends with the scope. */
export const project = Effect.acquireRelease(
  Effect.promise(() => startCounterpart()),
  (running) => Effect.promise(() => running.close())
)

/** The same, and a folder of declarations. */
export const world = (tables?: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const given = yield* fixture(tables)
    return { ...given, counterpart: yield* project } satisfies World
  })

/** A new process of the service on the same project. */
export const warehouseOf = (
  { configs, counterpart, folder }: Fixture & { readonly counterpart: { readonly url: string } },
  more: Readonly<Record<string, string>> = {}
) =>
  WarehouseBigQuery.layer.pipe(
    Layer.provide(Settings.layer),
    Layer.provide(
      Layer.setConfigProvider(
        ConfigProvider.fromMap(
          new Map([
            ["DATA_DIR", join(folder, "data")],
            ["CONFIGS_BASE_PATH", configs],
            ["ENVIRONMENT", "test"],
            ["BIGQUERY_ENDPOINT", counterpart.url],
            ["BQ_MAX_RETRY_ATTEMPTS", "2"],
            ...Object.entries(more)
          ])
        )
      )
    )
  )

/** Runs `use` with a warehouse. */
export const onBigQuery = <A, E>(
  use: (given: World) => Effect.Effect<A, E, Warehouse | Scope.Scope>,
  tables?: Readonly<Record<string, string>>
) =>
  Effect.gen(function* () {
    const given = yield* world(tables)
    return yield* Effect.provide(use(given), warehouseOf(given))
  }).pipe(Effect.scoped)
