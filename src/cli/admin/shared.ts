/**
 * What the admin commands have in common.
 */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
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

/** The command line is not usable as it is; the message says what to write instead. */
export class AdminUsageError extends Schema.TaggedError<AdminUsageError>()("AdminUsageError", {
  message: Schema.String
}) {}

/** `--file`: the JSON object of a command. */
export const jsonFile = Options.text("file").pipe(
  Options.withDescription("file with the JSON object; standard input when absent"),
  Options.optional
)

/** Says where the JSON is wrong, without its values: an address is a secret. */
export const decodeJson = <A, I>(schema: Schema.Schema<A, I>) => {
  const decodeText = Schema.decode(Schema.parseJson(schema), { onExcessProperty: "error" })
  return (text: Redacted.Redacted) =>
    Effect.mapError(decodeText(Redacted.value(text)), (error) => {
      const places = ParseResult.ArrayFormatter.formatErrorSync(error).map(({ path }) => path.map(String).join("."))
      const where = [...new Set(places)].filter((place) => place !== "").join(", ")
      return new AdminUsageError({
        message: where === "" ? "this is no JSON object" : `these members are not valid: ${where}`
      })
    })
}

/** More than any secret has; what is longer is refused by the store. */
const SECRET_MAX_BYTES = 128 * 1024

/** The text of the file, or of standard input: what must not be seen in the list of processes. */
export const readSecret = Effect.fnUntraced(function* (file: Option.Option<string>) {
  const fs = yield* FileSystem.FileSystem
  if (Option.isNone(file) && process.stdin.isTTY) {
    return yield* new AdminUsageError({
      message: "give the secret with --secret-file FILE, or pipe it in, so that it stays out of the shell's history"
    })
  }
  const source = Option.isSome(file) ? fs.stream(file.value) : NodeStream.stdin
  const bytes = yield* source.pipe(
    Stream.mapConcat((chunk) => chunk),
    Stream.take(SECRET_MAX_BYTES),
    Stream.runCollect,
    Effect.mapError(
      (error) => new AdminUsageError({ message: `the file of the secret cannot be read: ${error.message}` })
    )
  )
  return Redacted.make(Buffer.from([...bytes]).toString("utf8"))
})
