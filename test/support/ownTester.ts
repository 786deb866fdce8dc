/**
 * Runs before each file of tests. Files of one process share their modules, and `layer` of `@effect/vitest` leaves its runtime in the shared
 * `it`: the next file would run in the layer of the one before.
 */
import { effect, it, layer, live, scoped, scopedLive } from "@effect/vitest"

Object.assign(it, { effect, layer, live, scoped, scopedLive })
