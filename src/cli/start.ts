/**
 * The start of the service: the warehouse's engine opens its file on threads of its own while the rest of the program is evaluated.
 */
import { setImmediate } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Settings } from "../platform/Settings.ts"
import * as Telemetry from "../platform/Telemetry.ts"
import * as WarehouseLayers from "../warehouse/WarehouseLayers.ts"

const service = Effect.promise(() => import("./service.ts"))

/** Fibers that start in this turn of the event loop, as that of the engine does, would have to wait for the evaluation. */
const nextTurn = Effect.promise(() => setImmediate())

const layer = Layer.merge(
  Layer.discard(WarehouseLayers.layer),
  Layer.unwrapEffect(Effect.map(Effect.zipRight(nextTurn, service), ({ layer }) => layer))
).pipe(Layer.provideMerge(Telemetry.layer), Layer.provideMerge(Settings.layer))

/** What `serve` runs. */
export const run = Effect.flatMap(service, ({ run }) => run).pipe(Effect.provide(layer))
