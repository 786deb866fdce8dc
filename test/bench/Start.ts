/**
 * Time and memory from the start of the bundle to the open port, on a data folder that is prepared already.
 */
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"
import * as Child from "./Child.ts"

const bundle = fileURLToPath(new URL("../../dist/main.js", import.meta.url))

/** Medians of several starts. */
export interface StartRate {
  readonly starts: number
  readonly seconds: number
  readonly peakMegabytes: number
}

/** Starts the bundle so many times after a first start that prepares the folder. `npm run build` makes the bundle. */
export const measure = (starts: number) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const environment = { DATA_DIR: join(folder, "data"), API_PORT: "0", LOG_LEVEL: "OFF" }
    const start = Child.run(bundle, ["serve"], { until: "Listening on", environment })
    yield* start
    const reports = yield* Effect.replicateEffect(start, starts)
    const median = (values: ReadonlyArray<number>) =>
      values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
    const rate: StartRate = {
      starts,
      seconds: median(reports.map((report) => report.seconds)),
      peakMegabytes: median(reports.map((report) => report.peakMegabytes))
    }
    return rate
  }).pipe(Effect.scoped)
