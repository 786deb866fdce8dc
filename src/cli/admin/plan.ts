/**
 * `admin plan`: the subscription plans of an organisation, on a running service.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ApiError } from "../../http/Errors.ts"
import { readCsv } from "../PlanCsv.ts"
import { ServiceClient, ServiceRefused } from "../client/ServiceClient.ts"
import { table } from "../table.ts"

/** Plans of one page of the list. */
const PAGE_PLANS = 1000

const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))

const importPlans = Command.make(
  "import",
  {
    file: Args.text({ name: "file" }).pipe(
      Args.withDescription("CSV with a header of the columns of subscription_plans")
    ),
    replaceAll: Options.boolean("replace-all").pipe(
      Options.withDescription(
        "The file has all plans there are; without it only the subscriptions that it names are replaced"
      )
    ),
    json
  },
  Effect.fnUntraced(function* (given) {
    const content = yield* (yield* FileSystem.FileSystem)
      .readFileString(given.file)
      .pipe(
        Effect.mapError(
          () => new ServiceRefused({ message: `${given.file}: there is no such file, or it cannot be read` })
        )
      )
    const plans = yield* readCsv(content)
    const org = yield* ServiceClient.ownOrg
    const payload = {
      plans: plans.map(({ cells }) => cells),
      lines: plans.map(({ line }) => line),
      replace_all: given.replaceAll
    }
    const imported = yield* (yield* ServiceClient).call(({ subscriptions }) =>
      Effect.mapError(subscriptions.importPlans({ path: { org }, payload }), (error) => readable(given.file, error))
    )
    yield* Console.log(
      given.json
        ? JSON.stringify(imported)
        : `Imported ${imported.imported} plans of ${imported.subscriptions} subscriptions; ${org} has ${imported.total} now.\n` +
            "Next: pipeline-service run subscription/costs/subscription_cost"
    )
  })
).pipe(Command.withDescription("Import plans from a CSV file: all, or none when one is faulty."))

const list = Command.make(
  "list",
  { json },
  Effect.fnUntraced(function* (given) {
    const client = yield* ServiceClient
    const org = yield* ServiceClient.ownOrg
    const { plans, total } = yield* client.call(({ subscriptions }) =>
      subscriptions.plans({ path: { org }, urlParams: { limit: PAGE_PLANS, offset: 0 } })
    )
    if (given.json) return yield* Console.log(JSON.stringify(plans))
    if (plans.length === 0) return yield* Console.log(`${org} has no plans: pipeline-service admin plan import FILE`)
    const names = [
      "subscription_id",
      "provider",
      "plan_name",
      "status",
      "start_date",
      "end_date",
      "billing_cycle",
      "seats",
      "unit_price",
      "currency"
    ]
    const rows = plans.map((plan) => names.map((name) => (plan[name] === null ? undefined : String(plan[name]))))
    yield* Console.log(table(names, rows))
    if (total > plans.length) yield* Console.log(`and ${total - plans.length} more`)
  })
).pipe(Command.withDescription("List the plans."))

const decodeFaults = Schema.decodeUnknownOption(Schema.Array(Schema.Struct({ msg: Schema.String })))

/** A refusal as lines of the file. */
const readable = <E>(file: string, error: E): E | ServiceRefused => {
  const faults = error instanceof ApiError ? decodeFaults(error.detail) : Option.none()
  return Option.isNone(faults)
    ? error
    : new ServiceRefused({
        message: `${file}: nothing was imported\n${faults.value.map(({ msg }) => `  ${msg}`).join("\n")}`
      })
}

/** The command. It needs PIPELINE_API_KEY; the key names the organisation. */
export const planCommand = Command.make("plan").pipe(
  Command.withDescription("What an organisation pays vendors of software, on a running service: import, list."),
  Command.withSubcommands([importPlans, list]),
  Command.provide(ServiceClient.layer)
)
