/**
 * A backfill of model usage, 90 days of 50 models and 20 keys: its calls, and the memory of the process that loads and prices it.
 */
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { allocatorEnvironment } from "../../src/platform/Allocator.ts"
import { genaiServer } from "../support/genaiServer.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"
import * as Child from "./Child.ts"
import { bundle } from "./Bundle.ts"

const [first, last] = ["2026-06-03", "2026-08-31"]
const models = 50
const keys = 20

const Steps = Schema.parseJson(Schema.Array(Schema.Struct({ seconds: Schema.Number, rows: Schema.Number })))

/** Runs the backfill once. */
export const measure = Effect.gen(function* () {
  const server = yield* genaiServer
  const results = JSON.stringify(
    Array.from({ length: models * keys }, (_, index) => ({
      object: "organization.usage.completions.result",
      input_tokens: 1_000_000 + index,
      input_cached_tokens: 1000,
      output_tokens: 5000,
      num_model_requests: 12,
      project_id: "proj_0123456789abcdef",
      api_key_id: `key_${index % keys}`,
      model: `gpt-4o-2024-${String(10 + (index % models)).padStart(2, "0")}-01`,
      batch: false,
      service_tier: "default"
    }))
  )
  let days = 0
  for (let at = Date.parse(first); at <= Date.parse(last); at += 86_400_000, days++)
    server.put("openai", "usage/completions", new Date(at).toISOString().slice(0, 10), results)
  const folder = yield* temporaryFolder
  const program = yield* bundle(fileURLToPath(new URL("genaiChild.ts", import.meta.url)))
  const child = yield* Child.run(program, [server.endpoint, join(folder, "data"), first, last], {
    environment: allocatorEnvironment
  })
  const steps = yield* Schema.decode(Steps)(child.lines.find((line) => line.startsWith("[")) ?? "")
  const expected = models * keys * days
  if (steps[0]?.rows !== expected) {
    return yield* Effect.fail(new Error(`the service loaded ${steps[0]?.rows} of ${expected} rows`))
  }
  return {
    rows: expected,
    calls: server.journal.length,
    loadSeconds: steps[0].seconds,
    priceSeconds: steps[1]?.seconds ?? 0,
    peakMegabytes: child.peakMegabytes
  }
}).pipe(Effect.scoped)
