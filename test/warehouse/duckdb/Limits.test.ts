import { expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { Settings } from "../../../src/platform/Settings.ts"
import { type Connection, limits, open } from "../../../src/warehouse/duckdb/DuckDb.ts"
import { withBill } from "./support.ts"

const withEngine = <A, E>(
  given: Readonly<Record<string, string>>,
  use: (connection: Connection) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const database = yield* open(":memory:", limits(yield* Settings))
    return yield* use(yield* database.connect)
  }).pipe(
    Effect.provide(Settings.layer),
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(given)))),
    Effect.scoped
  )

const settingOf = (connection: Connection, setting: string, options: Parameters<Connection["query"]>[1] = {}) =>
  Effect.map(connection.query(`SELECT current_setting('${setting}')`, options), ({ rows }) => String(rows[0]?.[0]))

it.effect("an engine has two threads on every machine, because each takes memory of the one limit", () =>
  Effect.gen(function* () {
    const threads = (connection: Connection) => settingOf(connection, "threads")
    expect(yield* withEngine({}, threads)).toBe("2")
    expect(yield* withEngine({ DUCKDB_THREADS: "7" }, threads)).toBe("7")
  })
)

it.effect("only statements that write wide rows may fill the memory limit, and only loads most of it", () =>
  withEngine({ DUCKDB_MEMORY_LIMIT: "300MiB" }, (connection) =>
    Effect.gen(function* () {
      const limit = (options?: Parameters<Connection["query"]>[1]) => settingOf(connection, "memory_limit", options)
      expect(yield* limit()).toBe("100.0 MiB")
      expect(yield* limit({ needs: "wide" })).toBe("300.0 MiB")
      expect(yield* limit({ needs: "load" })).toBe("150.0 MiB")
      expect(yield* limit()).toBe("100.0 MiB")
      yield* Effect.flip(connection.query("SELECT error('no')", { needs: "wide" }))
      expect(yield* limit()).toBe("100.0 MiB")
    })
  )
)

it.effect("an export to Parquet has rows of many columns beyond what the engine could gather in its memory", () =>
  withBill((acme, { folder }) =>
    Effect.gen(function* () {
      const path = join(folder, "wide.parquet")
      const columns = Array.from(
        { length: 200 },
        (_, index) => `CONCAT('${index} ', CAST(number AS STRING)) AS c${index}`
      )
      const sql = `SELECT ${columns.join(", ")} FROM UNNEST(GENERATE_ARRAY(1, 130000)) AS number`
      expect(yield* acme.exportTo(sql, { path, format: "parquet" })).toBe(130_000)
    })
  )
)
