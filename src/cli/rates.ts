/**
 * `rates`: the exchange rates that an organisation's costs are shown in one currency by.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { importRates, RatesRejected } from "../focus/ExchangeRates.ts"
import { OrgSlug } from "../platform/Identifiers.ts"
import { Settings } from "../platform/Settings.ts"
import { Warehouse } from "../warehouse/Warehouse.ts"
import * as WarehouseLayers from "../warehouse/WarehouseLayers.ts"
import { readCsv } from "./PlanCsv.ts"

const importFile = Command.make(
  "import",
  {
    org: Options.text("org").pipe(
      Options.withSchema(OrgSlug),
      Options.withDescription("The organisation whose rates they are")
    ),
    file: Args.file({ name: "file", exists: "yes" }).pipe(
      Args.withDescription("CSV of all rates: rate_date, from_currency, to_currency, rate, rate_source (may be absent)")
    ),
    json: Options.boolean("json").pipe(Options.withDescription("Print JSON"))
  },
  ({ file, json, org }) =>
    Effect.gen(function* () {
      const content = yield* (yield* FileSystem.FileSystem).readFileString(file)
      const rows = yield* Effect.mapError(readCsv(content), ({ faults }) => new RatesRejected({ faults }))
      const imported = yield* importRates(yield* (yield* Warehouse).org(org), rows)
      yield* Console.log(json ? JSON.stringify(imported) : `Imported ${imported.rates} rates; ${org} has no others.`)
    }).pipe(Effect.provide(WarehouseLayers.layer.pipe(Layer.provide(Settings.layer))))
).pipe(
  Command.withDescription(
    "Replace the exchange rates by a CSV file, all or nothing (the embedded warehouse only while no service holds it)."
  )
)

/** The command. */
export const rates = Command.make("rates").pipe(
  Command.withDescription("Exchange rates: import."),
  Command.withSubcommands([importFile])
)
