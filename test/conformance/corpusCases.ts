/**
 * The corpus of recorded BigQuery answers: one JSON object per line, as SOURCES.md beside it describes.
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"

interface Field {
  readonly name: string
  readonly type: string
  readonly mode: string
  readonly fields?: ReadonlyArray<Field> | undefined
}
const Field: Schema.Schema<Field> = Schema.Struct({
  name: Schema.String,
  type: Schema.String,
  mode: Schema.String,
  fields: Schema.optional(Schema.Array(Schema.suspend((): Schema.Schema<Field> => Field)))
})
export type { Field }

const Case = Schema.Struct({
  name: Schema.String,
  setup_sql: Schema.NullOr(Schema.String),
  query_sql: Schema.String,
  expected: Schema.Union(
    Schema.Struct({
      schema: Schema.Array(Field),
      rows: Schema.Array(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
    }),
    Schema.Struct({
      error: Schema.Struct({ reason: Schema.String, http_status: Schema.Number, message_pattern: Schema.String })
    })
  )
})
export type Case = typeof Case.Type

const decode = Schema.decodeUnknownEither(Schema.parseJson(Case))

/** The cases of a file's text; a line that is none is an error with its number. */
export const readCases = (text: string): Either.Either<ReadonlyArray<Case>, string> =>
  Either.all(
    text
      .split("\n")
      .map((line, index) => ({ line, number: index + 1 }))
      .filter(({ line }) => line.trim() !== "")
      .map(({ line, number }) => Either.mapLeft(decode(line), (error) => `line ${number}: ${error.message}`))
  )
