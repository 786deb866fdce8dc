/**
 * What the admin commands have in common.
 */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { OrganizationError, Organizations } from "../../organizations/Organizations.ts"
import { OrgSlug } from "../../platform/Identifiers.ts"

/** The organisation that a command is about. */
export const org = Args.text({ name: "org" }).pipe(
  Args.withDescription("organisation, as in acme_corp"),
  Args.withSchema(OrgSlug)
)
/** `--json`: for a program to read. */
export const json = Options.boolean("json").pipe(Options.withDescription("print JSON"))
/** `--expires`. */
export const expires = Options.text("expires").pipe(
  Options.withDescription("when it ends, as in 2027-01-31 or 2027-01-31T12:00:00Z"),
  Options.optional
)

/** Prints the value as JSON, or the text for a person. */
export const answer = (asJson: boolean, value: unknown, text: string) =>
  Console.log(asJson ? JSON.stringify(value, null, 2) : text)

/** Fails when the organisation does not exist: a mistyped name must not look like an empty list. */
export const knownOrg = Effect.fnUntraced(function* (org: OrgSlug) {
  if ((yield* (yield* Organizations).get(org)) === undefined) {
    return yield* new OrganizationError({ message: `organisation ${org} does not exist: see admin org list` })
  }
})
