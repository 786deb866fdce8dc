import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { cli } from "../support/commandLine.ts"
import { temporaryFolder } from "../support/TemporaryDatabase.ts"

it.scopedLive("exchange rates are imported whole, or not at all", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const settings = { DATA_DIR: join(folder, "data"), ENVIRONMENT: "test" }
    const file = join(folder, "rates.csv")
    const importLines = (...lines: ReadonlyArray<string>) => {
      writeFileSync(file, ["rate_date,from_currency,to_currency,rate,rate_source", ...lines].join("\n"))
      return cli(settings, "rates", "import", file, "--org", "acme_corp", "--json")
    }
    const { failure, out } = yield* importLines("2026-10-01,USD,EUR,0.8512,ECB", "2026-10-02,USD,EUR,0.8531,ECB")
    expect(failure).toBeUndefined()
    expect(JSON.parse(out)).toEqual({ rates: 2 })
    const refused = yield* importLines("2026-10-03,USD,EUR,free,ECB")
    expect(String(refused.failure)).toContain("line 2: is no rate")
    const kept = yield* cli(
      settings,
      "query",
      "--org",
      "acme_corp",
      "--json",
      "SELECT rate, rate_source FROM exchange_rates ORDER BY rate_date"
    )
    expect(JSON.parse(kept.out)).toEqual([
      { rate: "0.8512", rate_source: "ECB" },
      { rate: "0.8531", rate_source: "ECB" }
    ])
  })
)
