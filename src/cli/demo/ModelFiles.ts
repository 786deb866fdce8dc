/**
 * A week of invented model usage as its providers give it: DeepSeek's console export and saved answers of Cloud Monitoring for the Gemini API.
 * The same seed makes the same files.
 */
import { join } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"

/** The days that the files tell of. */
export interface ModelFiles {
  readonly startDate: string
  readonly endDate: string
}

const month = "2026-10"
const days = ["01", "02", "03", "04", "05", "06", "07"].map((day) => `${month}-${day}`)
const account = "0d5f2c1e-7a44-4e0b-9a3c-2f6d8b1c4e70"

/** DeepSeek's prices of one token by type, US dollars. */
const deepSeek = {
  "deepseek-v4-flash": { input_cache_miss_tokens: "1.4e-7", input_cache_hit_tokens: "2.8e-9", output_tokens: "2.8e-7" },
  "deepseek-v4-pro": { input_cache_miss_tokens: "4.35e-7", input_cache_hit_tokens: "3.625e-9", output_tokens: "8.7e-7" }
}
const gemini = ["gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite"]

/** Writes `deepseek/` and `gemini/` below the folder, whatever is there. */
export const writeModelFiles = Effect.fn("ModelFiles.write")(function* (folder: string, seed: number) {
  const files = yield* FileSystem.FileSystem
  const next = numbers(seed)
  const amounts = ["user_id,utc_date,model,api_key_name,api_key,type,price,amount"]
  const costs = ["user_id,utc_date,model,wallet_type,cost,currency"]
  for (const day of days) {
    for (const [model, prices] of Object.entries(deepSeek)) {
      let cost = BigDecimal.fromBigInt(0n)
      for (const key of ["backend", "research"]) {
        const place = `${account},${day},${model},${key},sk-${key}****`
        for (const [type, price] of Object.entries(prices)) {
          const amount = BigInt(next(type === "output_tokens" ? 2_000_000 : 9_000_000))
          const exact = BigDecimal.unsafeFromString(price)
          cost = BigDecimal.sum(cost, BigDecimal.multiply(exact, BigDecimal.fromBigInt(amount)))
          amounts.push(`${place},${type},${price},${amount}`)
        }
        amounts.push(`${place},request_count,,${next(4000)}`)
      }
      costs.push(`${account},${day},${model},Paid,${BigDecimal.format(cost)},USD`)
    }
  }
  const series = (metric: string, model: string, most: number) => ({
    metric: { type: `generativelanguage.googleapis.com/${metric}`, labels: { model } },
    resource: { type: "generativelanguage.googleapis.com/Location", labels: { location: "global" } },
    metricKind: "DELTA",
    valueType: "INT64",
    points: days
      .map((day) => ({
        interval: { startTime: `${day}T00:00:00Z`, endTime: `${dayAfter(day)}T00:00:00Z` },
        value: { int64Value: String(next(most)) }
      }))
      .toReversed()
  })
  const answers: Readonly<Record<string, ReadonlyArray<unknown>>> = {
    input: gemini.map((model) => series("quota/generate_content_paid_tier_input_token_count/usage", model, 30_000_000)),
    output: gemini.map((model) => series("generate_content_usage_output_token_count", model, 4_000_000)),
    requests: gemini.map((model) => series("quota/generate_requests_per_model/usage", model, 9000))
  }
  for (const name of ["deepseek", "gemini"]) {
    yield* files.remove(join(folder, name), { recursive: true, force: true })
    yield* files.makeDirectory(join(folder, name), { recursive: true })
  }
  const text = (lines: ReadonlyArray<string>) => `${lines.join("\n")}\n`
  yield* files.writeFileString(join(folder, "deepseek", "amount-2026-10.csv"), text(amounts))
  yield* files.writeFileString(join(folder, "deepseek", "cost-2026-10.csv"), text(costs))
  for (const [name, timeSeries] of Object.entries(answers))
    yield* files.writeFileString(join(folder, "gemini", `${name}.json`), JSON.stringify({ timeSeries }))
  const told: ModelFiles = { startDate: days[0] ?? "", endDate: days.at(-1) ?? "" }
  return told
})

const dayAfter = (day: string) => new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10)

/** Whole numbers from 1 to a limit, by a multiplicative generator. */
const numbers = (seed: number) => {
  const modulus = 2_147_483_647
  let state = (seed % (modulus - 1)) + 1
  return (limit: number) => {
    state = (state * 48_271) % modulus
    return 1 + (state % limit)
  }
}
