/**
 * The same pipelines with the same inputs on both warehouses: every step answers the same, every table holds the same cells.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Json } from "../../../src/platform/Json.ts"
import { typeOf } from "../../../src/warehouse/bigquery/Tables.ts"
import * as Tables from "../../../src/warehouse/Tables.ts"
import { type Input, inputs, outcomeOf, samplesMissing, withoutParity } from "./parity.ts"
import { project } from "./support.ts"

const root = fileURLToPath(new URL("../../..", import.meta.url))

const withoutSteps = (run: Json): Json => (Array.isArray(run) ? run.slice(0, 3) : run)

const parity = (input: Input) =>
  Effect.gen(function* () {
    const counterpart = yield* project
    const bigQuery = yield* outcomeOf(input, { WAREHOUSE: "bigquery", BIGQUERY_ENDPOINT: counterpart.url })
    const embedded = yield* outcomeOf(input, { WAREHOUSE: "duckdb" })
    for (const run of embedded.runs) expect(run).toEqual([expect.anything(), "COMPLETED", null, expect.anything()])
    expect(bigQuery.runs.map(withoutSteps)).toEqual(embedded.runs.map(withoutSteps))
    for (const [table, rows] of Object.entries(embedded.tables)) {
      const found = bigQuery.tables[table] ?? []
      expect([table, found.length]).toEqual([table, rows.length])
      for (const [index, row] of rows.entries()) expect(found[index], `${table}, row ${index}`).toEqual(row)
    }
    expect(bigQuery.runs).toEqual(embedded.runs)
    for (const table of (yield* Tables.load(join(root, "configs/tables"))).values()) {
      const types = counterpart.store
        .table(`${counterpart.project}.acme_corp_test.${table.name}`)
        .fields.map((field) => `${field.name} ${typeOf(field)}`)
      expect(types).toEqual(Tables.columnsOf(table).map(({ name, type }) => `${name} ${type}`))
    }
  }).pipe(Effect.scoped)

describe.concurrent("on BigQuery as on the embedded warehouse:", () => {
  for (const input of inputs) {
    it.live.skipIf(samplesMissing)(input.name, () => parity(input))
  }

  it("every pipeline is named", () => {
    const files = readdirSync(join(root, "configs"), { recursive: true, encoding: "utf8" })
    const pipelines = files
      .filter((file) => /^[a-z]+\/[a-z_]+\/.+\.yml$/.test(file) || /^subscription\/.+\.yml$/.test(file))
      .filter((file) => !/^(focus|tables|alerts|system|lookups|notifications)\//.test(file))
      .map((file) => file.replace(/\.yml$/, ""))
      .filter((pipeline) => !withoutParity.test(pipeline))
    expect(
      pipelines.filter((pipeline) => !inputs.some(({ runs }) => runs.some((run) => run.pipeline === pipeline)))
    ).toEqual([])
  })
})
