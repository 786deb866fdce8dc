/**
 * The demo as a user starts it, on either warehouse.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { commandLine } from "../../support/commandLine.ts"
import { temporaryFolder } from "../../support/TemporaryDatabase.ts"
import { project } from "./support.ts"

/** The least that the demo takes. */
const rows = ["--rows", "1000"]

/** The demo's screen from the costs by category to the model providers. */
const totalsOf = (screen: string): string =>
  /^3 {2}Cost by service category$[^]*(?=^─+$[^]*The data lie in)/m.exec(screen)?.[0] ?? ""

it.scopedLive(
  "the demo prints the same totals on BigQuery as on the embedded warehouse",
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const counterpart = yield* project
      const embedded = yield* commandLine({ DATA_DIR: join(folder, "duckdb") }, "demo", ...rows)
      expect([embedded.err, embedded.code]).toEqual(["", 0])
      const settings = { DATA_DIR: join(folder, "bigquery"), BIGQUERY_ENDPOINT: counterpart.url }
      const bigQuery = yield* commandLine(settings, "demo", "--warehouse", "bigquery", ...rows)
      expect([bigQuery.err, bigQuery.code]).toEqual(["", 0])
      expect(bigQuery.out).toContain(`The data lie in bigquery: project ${counterpart.project}`)
      const totals = totalsOf(embedded.out)
      expect(totals).toMatch(/^ +2026-\d\d-01 +USD +(\S+) +\1 +0$/m)
      expect(totals).toContain("6  Model providers: billed against calculated")
      expect(totalsOf(bigQuery.out)).toBe(totals)
    }),
  600_000
)
