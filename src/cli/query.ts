/**
 * `query`: one GoogleSQL SELECT over an organisation's tables.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Json } from "../platform/Json.ts"
import { OrgSlug } from "../platform/Identifiers.ts"
import { Settings } from "../platform/Settings.ts"
import * as WarehouseDuckDb from "../warehouse/duckdb/WarehouseDuckDb.ts"
import { Warehouse } from "../warehouse/Warehouse.ts"
import * as TextTable from "./TextTable.ts"

const org = Options.text("org").pipe(
  Options.withSchema(OrgSlug),
  Options.withDescription("The organisation whose tables are read")
)
const json = Options.boolean("json").pipe(Options.withDescription("Print the rows as one JSON array"))
const sql = Args.text({ name: "sql" }).pipe(
  Args.withDescription("GoogleSQL; tables by their plain names, such as cost_data_standard_1_3")
)

/** The command. */
export const query = Command.make("query", { org, json, sql }, (options) =>
  Effect.gen(function* () {
    const rows = yield* (yield* (yield* Warehouse).org(options.org)).query(options.sql)
    yield* Console.log(options.json ? JSON.stringify(rows) : table(rows))
  }).pipe(Effect.provide(WarehouseDuckDb.layer.pipe(Layer.provide(Settings.layer))))
).pipe(Command.withDescription("Run one SELECT on an organisation's tables (while no service holds the warehouse)."))

const table = (rows: ReadonlyArray<{ readonly [name: string]: Json }>): string => {
  const names = Object.keys(rows[0] ?? {})
  return names.length === 0
    ? "no rows"
    : TextTable.render(
        names.map((title) => ({ title, align: rows.every((row) => isFigure(row[title])) ? "right" : "left" })),
        rows.map((row) => names.map((name) => cell(row[name])))
      )
}

const isFigure = (value: Json | undefined): boolean =>
  value === null || typeof value === "number" || (typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value))

const cell = (value: Json | undefined): string =>
  value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value)
