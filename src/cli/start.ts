/**
 * The start of the service: the warehouse's engine opens its file on threads of its own while the rest of the program is evaluated.
 */
import { setImmediate } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Settings } from "../platform/Settings.ts"
import * as Telemetry from "../platform/Telemetry.ts"
import * as WarehouseLayers from "../warehouse/WarehouseLayers.ts"

/** In a later turn of the event loop: fibers that start in this one, as that of the engine does, would have to wait for the evaluation. */
const service = Effect.promise(() => setImmediate().then(() => import("./service.ts")))

const layer = Layer.merge(
  Layer.discard(WarehouseLayers.layer),
  Layer.unwrapEffect(Effect.map(service, ({ layer }) => layer))
).pipe(Layer.provideMerge(Telemetry.layer), Layer.provideMerge(Settings.layer))

/** What `serve` runs. */
export const run = Effect.flatMap(service, ({ run }) => run).pipe(Effect.provide(layer))
