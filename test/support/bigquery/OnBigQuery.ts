/**
 * Stands in for the embedded warehouse where tests of the warehouse's contract and of the procedures run a second time, on BigQuery: the
 * same layers, each on the counterpart's project of its data folder.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Settings, type SettingsValues } from "../../../src/platform/Settings.ts"
import * as WarehouseBigQuery from "../../../src/warehouse/bigquery/WarehouseBigQuery.ts"
import { type OrgWarehouse, Warehouse, type WarehouseService } from "../../../src/warehouse/Warehouse.ts"
import { type Counterpart, startCounterpart } from "./Counterpart.ts"

const projects = new Map<string, Promise<Counterpart>>()

/** The counterpart of a data folder; it lives as long as the process, as BigQuery does. */
export const counterpartOf = (folder: string): Promise<Counterpart> => {
  const started = projects.get(folder) ?? startCounterpart()
  projects.set(folder, started)
  return started
}

const on = (folder: (settings: SettingsValues) => string) =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const settings = yield* Settings
      const dataDir = folder(settings)
      const counterpart = yield* Effect.promise(() => counterpartOf(dataDir))
      const changed: SettingsValues = {
        ...settings,
        dataDir,
        warehouse: "bigquery",
        bigqueryEndpoint: Option.some(counterpart.url)
      }
      return Layer.effect(Warehouse, Effect.map(Warehouse, inRealTime)).pipe(
        Layer.provide(WarehouseBigQuery.layer),
        Layer.provide(Layer.succeed(Settings, changed))
      )
    })
  )

/** What the clock says is the test's; waiting for jobs takes real time, which that clock would never let pass. */
const inRealTime = (service: WarehouseService): WarehouseService => ({
  ...service,
  org: (org) => Effect.map(real(service.org(org)), datasetInRealTime),
  columnsOf: (file) => real(service.columnsOf(file)),
  ready: real(service.ready),
  procedures: {
    list: real(service.procedures.list),
    create: (definitions) => real(service.procedures.create(definitions)),
    drop: (name) => real(service.procedures.drop(name))
  }
})

const datasets = new WeakMap<OrgWarehouse, OrgWarehouse>()

const datasetInRealTime = (dataset: OrgWarehouse): OrgWarehouse => {
  const known = datasets.get(dataset)
  if (known !== undefined) return known
  const wrapped: OrgWarehouse = {
    ...dataset,
    replaceSlice: (write) => real(dataset.replaceSlice(write)),
    token: (slice) => real(dataset.token(slice)),
    query: (sql, parameters) => real(dataset.query(sql, parameters)),
    call: (procedure, args) => real(dataset.call(procedure, args)),
    exportTo: (sql, file) => real(dataset.exportTo(sql, file))
  }
  datasets.set(dataset, wrapped)
  return wrapped
}

/** Takes real time, whatever the test's clock says. */
export const real = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.clockWith((test) => {
    const clock = Clock.make()
    return Effect.withClock(effect, {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      sleep: clock.sleep,
      unsafeCurrentTimeMillis: () => test.unsafeCurrentTimeMillis(),
      unsafeCurrentTimeNanos: () => test.unsafeCurrentTimeNanos(),
      currentTimeMillis: test.currentTimeMillis,
      currentTimeNanos: test.currentTimeNanos
    })
  })

/** The warehouse of DATA_DIR. */
export const layer = on((settings) => settings.dataDir)

/** A warehouse of its own. */
export const layerTemporary = on((settings) => `${settings.dataDir}/${crypto.randomUUID()}`)
