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
import { Warehouse } from "../warehouse/Warehouse.ts"
import * as WarehouseLayers from "../warehouse/WarehouseLayers.ts"
import { table } from "./table.ts"

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
    yield* Console.log(options.json ? JSON.stringify(rows) : render(rows))
  }).pipe(Effect.provide(WarehouseLayers.layer.pipe(Layer.provide(Settings.layer))))
).pipe(
  Command.withDescription(
    "Run one SELECT on an organisation's tables (the embedded warehouse only while no service holds it)."
  )
)

const render = (rows: ReadonlyArray<{ readonly [name: string]: Json }>): string => {
  const names = Object.keys(rows[0] ?? {})
  return names.length === 0
    ? "no rows"
    : table(
        names,
        rows.map((row) => names.map((name) => cell(row[name])))
      )
}

const cell = (value: Json | undefined): string | undefined =>
  value === null || value === undefined ? undefined : typeof value === "string" ? value : JSON.stringify(value)
