/**
 * `procedures`: the stored procedures of a running service's warehouse.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { ServiceClient, ServiceRefused } from "./client/ServiceClient.ts"
import { table } from "./table.ts"

const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))

const list = Command.make(
  "list",
  { json },
  Effect.fnUntraced(function* (given) {
    const { procedures } = yield* (yield* ServiceClient).call((api) => api.procedures.list())
    yield* Console.log(
      given.json
        ? JSON.stringify(procedures)
        : table(
            ["procedure", "dataset", "in sync", "modified"],
            procedures.map((each) => [each.name, each.dataset, each.in_sync ? "yes" : "no", each.modified_at])
          )
    )
  })
).pipe(Command.withDescription("The procedures that the warehouse has, and whether they equal their files."))

const show = Command.make(
  "show",
  { name: Args.text({ name: "name" }), json },
  Effect.fnUntraced(function* (given) {
    const procedure = yield* (yield* ServiceClient).call((api) => api.procedures.get({ path: { name: given.name } }))
    yield* Console.log(given.json ? JSON.stringify(procedure) : procedure.definition)
  })
).pipe(Command.withDescription("A procedure's text."))

const sync = Command.make(
  "sync",
  {
    force: Options.boolean("force").pipe(Options.withDescription("Replace also what has not changed")),
    json
  },
  Effect.fnUntraced(function* (given) {
    const report = yield* (yield* ServiceClient).call((api) => api.procedures.sync({ payload: { force: given.force } }))
    yield* Console.log(given.json ? JSON.stringify(report) : report.message)
    if (!report.success) {
      return yield* new ServiceRefused({
        message: report.failed.map(({ error, procedure }) => `${procedure}: ${error}`).join("\n")
      })
    }
  })
).pipe(Command.withDescription("Create what is missing, replace what has changed."))

/** The command. It needs CA_ROOT_API_KEY. */
export const procedures = Command.make("procedures").pipe(
  Command.withDescription("The stored procedures of a running service (root key): list, show, sync."),
  Command.withSubcommands([list, show, sync]),
  Command.provide(ServiceClient.layer)
)
