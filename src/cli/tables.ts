/**
 * `tables`: the catalogue of tables, from the declarations; no service is needed.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Settings } from "../platform/Settings.ts"
import { columnsOf, declared } from "../warehouse/Tables.ts"
import { table } from "./table.ts"

/** No table has the name that was given. */
export class NoSuchTable extends Schema.TaggedError<NoSuchTable>()("NoSuchTable", { name: Schema.String }) {
  override get message() {
    return `there is no table ${this.name}: pipeline-service tables lists them`
  }
}

const name = Args.text({ name: "name" }).pipe(Args.withDescription("A table; absent: all"), Args.optional)
const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))

/** The command. */
export const tables = Command.make(
  "tables",
  { name, json },
  Effect.fnUntraced(function* (given) {
    const all = yield* declared(yield* Settings)
    if (Option.isNone(given.name)) {
      const list = [...all.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
      return yield* Console.log(
        given.json
          ? JSON.stringify(list.map(({ description, name }) => ({ name, description })))
          : table(
              ["table", "columns", "meaning"],
              list.map((each) => [each.name, columnsOf(each).length, firstSentence(each.description)])
            )
      )
    }
    const found = all.get(given.name.value)
    if (found === undefined) return yield* new NoSuchTable({ name: given.name.value })
    const columns = columnsOf(found)
    yield* Console.log(
      given.json
        ? JSON.stringify({ name: found.name, description: found.description, columns })
        : `${found.description}\n\n${table(
            ["column", "type", "null", "meaning"],
            columns.map((each) => [each.name, each.type, each.required ? "no" : "yes", each.description])
          )}`
    )
  })
).pipe(
  Command.withDescription("The tables of an organisation's dataset, or the columns of one."),
  Command.provide(Settings.layer)
)

const firstSentence = (text: string): string => text.split(/(?<=\.)\s/, 1)[0] ?? text
