/**
 * FOCUS datasets of a test in a real embedded warehouse: tables of the specification's columns, filled with rows as JSON.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Arr from "effect/Array"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { readFileSync } from "node:fs"
import * as RuleSet from "../../src/focus/RuleSet.ts"
import { Day, OrgSlug, RunId } from "../../src/platform/Identifiers.ts"
import type { JsonObject } from "../../src/platform/Json.ts"
import { Settings } from "../../src/platform/Settings.ts"
import * as WarehouseDuckDb from "../../src/warehouse/duckdb/WarehouseDuckDb.ts"
import type { Column, ColumnType } from "../../src/warehouse/Table.ts"
import { Warehouse } from "../../src/warehouse/Warehouse.ts"

/** The project's own rule data. */
export const ruleSet = RuleSet.load("configs", "1.3").pipe(Effect.provide(NodeContext.layer))

const storedTypes: Readonly<Record<RuleSet.FocusColumn["type"], ColumnType>> = {
  String: "STRING",
  Decimal: "BIGNUMERIC",
  "Date/Time": "TIMESTAMP",
  JSON: "JSON"
}

const column = (name: string, type: ColumnType): Column => ({ name, type, required: false, description: name })

const custom = [
  column("x_source_record_id", "STRING"),
  column("x_source_system", "STRING"),
  column("x_DiscountType", "STRING")
]

/** Columns as the project stores them, and custom ones behind. */
export const typedColumns = (rules: RuleSet.RuleSet, dataset: RuleSet.Dataset): ReadonlyArray<Column> => [
  ...rules.columns[dataset].map(({ name, type }) => column(name, storedTypes[type])),
  ...custom
]

/** Every column as text, as a file that somebody delivered. */
export const textColumns = (rules: RuleSet.RuleSet, dataset: RuleSet.Dataset): ReadonlyArray<Column> =>
  rules.columns[dataset].map(({ name }) => column(name, "STRING"))

const org = Schema.decodeSync(OrgSlug)("focus_test")
const runId = Schema.decodeSync(RunId)("00000000-0000-4000-8000-000000000001")
const day = Schema.decodeSync(Day)("2026-05-01")

/** A throwaway warehouse that has tables of these columns; answers how to fill one, and the org's warehouse. */
export const make = Effect.fn("FocusTables.make")(function* (tables: Readonly<Record<string, ReadonlyArray<Column>>>) {
  const declared = Object.entries(tables).flatMap(([name, columns]) =>
    Arr.isNonEmptyReadonlyArray(columns) ? [{ name, description: name, clusterBy: [], columns }] : []
  )
  const context = yield* Layer.build(
    WarehouseDuckDb.layerTemporaryOf(declared).pipe(
      Layer.provide(Settings.layer),
      Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map())))
    )
  )
  const warehouse = yield* Effect.provide(Warehouse, context)
  const own = yield* warehouse.org(org)
  const fill = (table: string, rows: ReadonlyArray<JsonObject>) =>
    own.replaceSlice({
      slice: { table, pipelineId: "test", credentialId: "default", extent: { kind: "day", date: day } },
      source: { _tag: "Rows", rows: Stream.fromIterable(rows) },
      runId
    })
  return { warehouse: own, fill }
})

/** Rows of a CSV file as text; empty cells are null. */
export const readCsv = (file: string): ReadonlyArray<Readonly<Record<string, string | null>>> => {
  const [header = [], ...rows] = cells(readFileSync(file, "utf8"))
  return rows.map((row) =>
    Object.fromEntries(header.map((name, index) => [name, row[index] === "" ? null : (row[index] ?? null)]))
  )
}

const cells = (text: string): ReadonlyArray<ReadonlyArray<string>> =>
  text
    .split(/\r?\n/)
    .filter((line) => line !== "")
    .map((line) =>
      [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(,|$)/g)]
        .slice(0, line.endsWith(",") ? undefined : -1)
        .map(([, cell = ""]) => (cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell))
    )
