/**
 * `--metadata KEY=VALUE`: what is not secret of a credential, on the command line.
 */
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Json, type JsonObject, parse } from "../platform/Json.ts"

/** The option is not of the form KEY=VALUE, or its list or object is no JSON. */
export class MetadataInvalid extends Schema.TaggedError<MetadataInvalid>()("MetadataInvalid", {
  message: Schema.String
}) {}

/** The option, which may be repeated. */
export const metadata = Options.text("metadata").pipe(
  Options.withDescription(
    "KEY=VALUE that is not secret, as in cur_bucket=acme-cur or regions='[\"us-east-1\"]' (true, false and JSON lists and objects are no text); may be repeated"
  ),
  Options.repeated
)

/** The metadata that the options name. Numbers stay text: an account's id may begin with 0. */
export const metadataOf = (given: ReadonlyArray<string>): Effect.Effect<JsonObject, MetadataInvalid> =>
  Effect.map(Effect.forEach(given, entryOf), Object.fromEntries)

const entryOf = (text: string): Effect.Effect<readonly [key: string, value: Json], MetadataInvalid> => {
  const invalid = (reason: string) => new MetadataInvalid({ message: `--metadata ${JSON.stringify(text)} ${reason}` })
  const at = text.indexOf("=")
  if (at <= 0) return invalid("is not of the form KEY=VALUE")
  const written = text.slice(at + 1)
  const value = /^(true$|false$|\[|\{)/.test(written) ? parse(written) : Effect.succeed(written)
  return Effect.mapBoth(value, {
    onFailure: () => invalid("has a value that is no JSON"),
    onSuccess: (read) => [text.slice(0, at), read] as const
  })
}
