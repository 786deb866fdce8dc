/**
 * Rows of each cloud's bills per second from file to FOCUS, processor time and peak memory, beside DuckDB's own read and insert of the
 * same files. The service is measured as it ships: bundled, because the types that Node strips from the sources stay in memory.
 */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { allocatorEnvironment } from "../../src/platform/Allocator.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"
import * as Bills from "./Bills.ts"
import { bundle } from "./Bundle.ts"
import * as Child from "./Child.ts"

const program = (name: string) => fileURLToPath(new URL(name, import.meta.url))

const Timed = Schema.Struct({ seconds: Schema.Number, rows: Schema.NullOr(Schema.Number) })
const Steps = Schema.parseJson(
  Schema.Struct({ extract_billing: Timed, convert_to_focus: Timed, reconcile: Timed, check_conformance: Timed })
)
const Ceiling = Schema.parseJson(Schema.Struct({ seconds: Schema.Number, rows: Schema.Number }))

/** Rows per second; the ratio is of the service's rate to DuckDB's own. */
export interface ConversionRate {
  readonly provider: Bills.Provider
  readonly rows: number
  readonly extractSeconds: number
  readonly convertSeconds: number
  readonly reconcileSeconds: number
  readonly conformanceSeconds: number
  readonly rowsPerSecond: number
  /** Of the whole run: start, four steps, end. */
  readonly processorSeconds: number
  readonly peakMegabytes: number
  readonly duckDbRowsPerSecond: number
  readonly duckDbProcessorSeconds: number
  readonly duckDbPeakMegabytes: number
  readonly ratio: number
}

/** Generates exports of so many rows and measures both. */
export const measure = (provider: Bills.Provider, rows: number) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const exportsFolder = join(folder, "exports")
    yield* Bills.generate(provider, exportsFolder, rows)
    const files = readdirSync(exportsFolder, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".gz"))
      .map((name) => join(exportsFolder, name))
    const own = yield* Child.run(program("duckDbChild.ts"), [join(folder, "ceiling.duckdb"), "256MB", ...files])
    const ceiling = yield* Schema.decode(Ceiling)(own.lines[0] ?? "")
    const service = yield* Child.run(
      yield* bundle(program("conversionChild.ts")),
      [provider, exportsFolder, join(folder, "data")],
      {
        environment: allocatorEnvironment
      }
    )
    const steps = yield* Schema.decode(Steps)(service.lines.find((line) => line.startsWith("{")) ?? "")
    if (steps.extract_billing.rows !== ceiling.rows) {
      return yield* Effect.fail(new Error(`the service loaded ${steps.extract_billing.rows} of ${ceiling.rows} rows`))
    }
    const seconds = steps.extract_billing.seconds + steps.convert_to_focus.seconds
    const rate: ConversionRate = {
      provider,
      rows: ceiling.rows,
      extractSeconds: steps.extract_billing.seconds,
      convertSeconds: steps.convert_to_focus.seconds,
      reconcileSeconds: steps.reconcile.seconds,
      conformanceSeconds: steps.check_conformance.seconds,
      rowsPerSecond: ceiling.rows / seconds,
      processorSeconds: service.processorSeconds,
      peakMegabytes: service.peakMegabytes,
      duckDbRowsPerSecond: ceiling.rows / ceiling.seconds,
      duckDbProcessorSeconds: own.processorSeconds,
      duckDbPeakMegabytes: own.peakMegabytes,
      ratio: ceiling.seconds / seconds
    }
    return rate
  }).pipe(Effect.scoped)
