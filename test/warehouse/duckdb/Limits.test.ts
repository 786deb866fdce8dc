import { expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { Settings } from "../../../src/platform/Settings.ts"
import { limits, open } from "../../../src/warehouse/duckdb/DuckDb.ts"

const threads = (given: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const database = yield* open(":memory:", limits(yield* Settings))
    const { rows } = yield* (yield* database.connect).query("SELECT current_setting('threads')")
    return Number(rows[0]?.[0])
  }).pipe(
    Effect.provide(Settings.layer),
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(given))))
  )

it.scoped("an engine has two threads on every machine, because each takes memory of the one limit", () =>
  Effect.gen(function* () {
    expect(yield* threads({})).toBe(2)
    expect(yield* threads({ DUCKDB_THREADS: "7" })).toBe(7)
  })
)
