/**
 * `admin org`: organisations and their plans.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Organizations, planLimits } from "../../organizations/Organizations.ts"
import { table } from "../table.ts"
import { answer, json, org } from "./shared.ts"

const orgCreate = Command.make(
  "create",
  {
    org,
    name: Options.text("name").pipe(Options.withDescription("company name"), Options.optional),
    email: Options.text("email").pipe(Options.withDescription("who administers it"), Options.optional),
    plan: Options.text("plan").pipe(
      Options.withDescription(`one of ${Object.keys(planLimits).join(", ")}`),
      Options.withDefault("STARTER")
    ),
    currency: Options.text("currency").pipe(Options.withDescription("ISO 4217"), Options.withDefault("USD")),
    json
  },
  Effect.fnUntraced(function* (options) {
    const organizations = yield* Organizations
    const created = yield* organizations.create({
      org: options.org,
      companyName: Option.getOrElse(options.name, () => options.org),
      adminEmail: Option.getOrElse(options.email, () => "admin@localhost"),
      plan: options.plan,
      defaultCurrency: options.currency
    })
    const { concurrentLimit, dailyLimit } = planLimits[created.plan]
    yield* answer(
      options.json,
      created,
      `Created ${created.org} on the plan ${created.plan}: ${dailyLimit} successful runs a day, ${concurrentLimit} at a time.\n` +
        `Next: pipeline-service admin key create ${created.org}`
    )
  })
).pipe(Command.withDescription("Make an organisation."))

const orgList = Command.make(
  "list",
  { json },
  Effect.fnUntraced(function* (options) {
    const organizations = yield* Organizations
    const list = yield* Effect.forEach(yield* organizations.list, (each) =>
      Effect.map(organizations.subscription(each.org), (subscription) => ({
        ...each,
        subscription: subscription?.status
      }))
    )
    yield* answer(
      options.json,
      list,
      list.length === 0
        ? "There is no organisation yet: pipeline-service admin org create ORG"
        : table(
            ["org", "company", "status", "plan", "subscription", "currency", "created"],
            list.map((each) => [
              each.org,
              each.companyName,
              each.status,
              each.plan,
              each.subscription,
              each.defaultCurrency,
              each.createdAt
            ])
          )
    )
  })
).pipe(Command.withDescription("List the organisations."))

const orgPlan = Command.make(
  "plan",
  {
    org,
    plan: Args.text({ name: "plan" }).pipe(Args.withDescription(`one of ${Object.keys(planLimits).join(", ")}`)),
    status: Options.text("status").pipe(
      Options.withDescription("ACTIVE, TRIAL, SUSPENDED, CANCELLED or EXPIRED"),
      Options.withDefault("ACTIVE")
    ),
    json
  },
  Effect.fnUntraced(function* (options) {
    const changed = yield* (yield* Organizations).subscribe(options.org, options.plan, options.status)
    yield* answer(
      options.json,
      changed,
      `${changed.org} has the plan ${changed.plan} (${changed.status}): ${changed.dailyLimit} successful runs a day, ` +
        `${changed.monthlyLimit} a month, ${changed.concurrentLimit} at a time.`
    )
  })
).pipe(Command.withDescription("Change an organisation's plan, or suspend it."))

/** The command. */
export const orgCommand = Command.make("org").pipe(
  Command.withDescription("Organisations and their plans."),
  Command.withSubcommands([orgCreate, orgList, orgPlan])
)
