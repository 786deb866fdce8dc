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

/** A provider that is backfilled: its pipeline, where its usage stands, and what a key used of a model on a day. */
interface Backfill {
  readonly provider: "openai" | "anthropic"
  readonly path: string
  readonly result: (model: number, key: number) => Readonly<Record<string, unknown>>
}

const date = (model: number) =>
  `2024-${String(1 + (model % 12)).padStart(2, "0")}-${String(1 + Math.floor(model / 12)).padStart(2, "0")}`

const backfills: ReadonlyArray<Backfill> = [
  {
    provider: "openai",
    path: "usage/completions",
    result: (model, key) => ({
      object: "organization.usage.completions.result",
      input_tokens: 1_000_000 + model * keys + key,
      input_cached_tokens: 1000,
      output_tokens: 5000,
      num_model_requests: 12,
      project_id: "proj_0123456789abcdef",
      api_key_id: `key_${key}`,
      model: `gpt-4o-${date(model)}`,
      batch: false,
      service_tier: "default"
    })
  },
  {
    provider: "anthropic",
    path: "usage_report/messages",
    result: (model, key) => ({
      uncached_input_tokens: 1_000_000 + model * keys + key,
      cache_read_input_tokens: 1000,
      cache_creation: { ephemeral_5m_input_tokens: 500, ephemeral_1h_input_tokens: 200 },
      output_tokens: 5000,
      server_tool_use: { web_search_requests: 0 },
      api_key_id: `apikey_${key}`,
      workspace_id: "wrkspc_0123456789abcdef",
      model: `claude-opus-4-6-${date(model).replaceAll("-", "")}`,
      service_tier: "standard",
      context_window: "0-200k",
      inference_geo: "global"
    })
  }
]

const runOf = ({ path, provider, result }: Backfill) =>
  Effect.gen(function* () {
    const server = yield* genaiServer
    const results = JSON.stringify(
      Array.from({ length: models * keys }, (_, index) => result(index % models, Math.floor(index / models)))
    )
    let days = 0
    for (let at = Date.parse(first); at <= Date.parse(last); at += 86_400_000, days++)
      server.put(provider, path, new Date(at).toISOString().slice(0, 10), results)
    const folder = yield* temporaryFolder
    const program = yield* bundle(fileURLToPath(new URL("genaiChild.ts", import.meta.url)))
    const child = yield* Child.run(program, [provider, server.endpoint, join(folder, "data"), first, last], {
      environment: allocatorEnvironment
    })
    const steps = yield* Schema.decode(Steps)(child.lines.find((line) => line.startsWith("[")) ?? "")
    const expected = models * keys * days
    if (steps.some(({ rows }) => rows !== expected)) {
      return yield* Effect.fail(
        new Error(`of ${expected} rows the steps read ${steps.map(({ rows }) => rows).join(", ")}`)
      )
    }
    return {
      provider,
      rows: expected,
      calls: server.journal.length,
      loadSeconds: steps[0]?.seconds ?? 0,
      priceSeconds: steps[1]?.seconds ?? 0,
      peakMegabytes: child.peakMegabytes
    }
  }).pipe(Effect.scoped)

/** Runs each provider's backfill once, in a process of its own. */
export const measure = Effect.forEach(backfills, runOf)
