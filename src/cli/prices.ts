/**
 * `prices`: what tokens cost.
 */
import { createHash } from "node:crypto"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { readPriceList } from "../genai/PriceList.ts"
import { Day, OrgSlug } from "../platform/Identifiers.ts"
import { parseLossless } from "../platform/Json.ts"
import { Settings } from "../platform/Settings.ts"
import { importPrices, priceCsv } from "../processors/genai/Prices.ts"
import { Warehouse } from "../warehouse/Warehouse.ts"
import * as WarehouseLayers from "../warehouse/WarehouseLayers.ts"
import { table } from "./table.ts"

/** The file is no list of prices, or nothing says where its prices go. */
export class PricesRejected extends Schema.TaggedError<PricesRejected>()("PricesRejected", {
  message: Schema.String
}) {}

const importFile = Command.make(
  "import",
  {
    file: Args.file({ name: "file", exists: "yes" }).pipe(
      Args.withDescription("LiteLLM's model_prices_and_context_window.json, or genai-prices' data.json")
    ),
    org: Options.text("org").pipe(
      Options.withSchema(OrgSlug),
      Options.withDescription("The organisation whose prices they become; its own prices and overrides still win"),
      Options.optional
    ),
    output: Options.text("output").pipe(
      Options.withDescription("Write a CSV file in the layout of configs/genai/prices/payg.csv instead"),
      Options.optional
    ),
    from: Options.text("from").pipe(
      Options.withSchema(Day),
      Options.withDescription("First day of prices that the list gives none for; since ever when absent"),
      Options.optional
    ),
    source: Options.text("source").pipe(Options.withDescription("Where the list was published"), Options.optional),
    json: Options.boolean("json").pipe(Options.withDescription("Print JSON"))
  },
  ({ file, from, json, org, output, source }) =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const text = yield* files.readFileString(file)
      const content = yield* Effect.mapError(
        parseLossless(text),
        () => new PricesRejected({ message: `${file} is no JSON` })
      )
      const list = readPriceList(content, Option.getOrUndefined(source))
      if (list === undefined) {
        return yield* new PricesRejected({ message: `${file} is neither LiteLLM's nor genai-prices' list of prices` })
      }
      if (Option.isNone(org) && Option.isNone(output)) {
        return yield* new PricesRejected({ message: "name the organisation with --org, or a file with --output" })
      }
      const rows = list.rows.map((row) => ({
        ...Option.match(from, { onNone: () => ({}), onSome: (day) => ({ effective_from: day }) }),
        ...row
      }))
      if (Option.isSome(output)) yield* files.writeFileString(output.value, priceCsv(rows))
      if (Option.isSome(org)) {
        const hash = createHash("sha256").update(text).digest("hex")
        yield* Effect.gen(function* () {
          yield* importPrices(yield* (yield* Warehouse).org(org.value), list.format, rows, hash)
        }).pipe(Effect.provide(WarehouseLayers.layer.pipe(Layer.provide(Settings.layer))))
      }
      const summary = { format: list.format, prices: rows.length, models: list.models, skipped: list.skipped }
      yield* Console.log(
        json
          ? JSON.stringify(summary)
          : [
              `Took ${summary.prices} prices of ${summary.models} models from a list in the format of ${summary.format}.`,
              "Not taken:",
              table(
                ["reason", "times", "such as"],
                summary.skipped.map(({ count, example, reason }) => [reason, String(count), example])
              ),
              ...(Option.isSome(org)
                ? ["Costs follow with the next run: pipeline-service run genai/payg/cost_only"]
                : [])
            ].join("\n")
      )
    })
).pipe(
  Command.withDescription(
    "Take model prices from a public list (the embedded warehouse only while no service holds it)."
  )
)

/** The command. */
export const prices = Command.make("prices").pipe(
  Command.withDescription("Prices of models: import."),
  Command.withSubcommands([importFile])
)
