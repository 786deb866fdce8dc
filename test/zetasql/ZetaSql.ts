/**
 * Google's ZetaSQL as an oracle: the parser, the analyzer and the reference implementation of the SQL that BigQuery speaks.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { type Column, start, ZetaSqlError, type ZetaSql as Server, type ZetaType } from "../support/bigquery/ZetaSql.ts"

/** ZetaSQL refused the text, in its words. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { message: Schema.String }) {}

/** A column or parameter, its type as GoogleSQL writes it. */
export interface Typed {
  readonly name: string
  readonly type: string
}
export interface CatalogTable {
  readonly name: string
  readonly columns: ReadonlyArray<Typed>
}

const make = Effect.map(Effect.promise(start), (server) => {
  const ask = <A>(question: (server: Server) => Promise<A>): Effect.Effect<A, Refused> =>
    Effect.tryPromise({
      try: () => question(server),
      catch: (cause) =>
        cause instanceof ZetaSqlError
          ? new Refused({ message: cause.message })
          : new Refused({ message: String(cause) })
    })
  return {
    /** Parses a whole script, procedures' bodies included. */
    parse: (script: string) => ask((zeta) => zeta.parse(script)),
    /** Resolves names and types of one statement. */
    analyze: (statement: string, catalog: ReadonlyArray<CatalogTable>, parameters: ReadonlyArray<Typed>) =>
      ask((zeta) =>
        zeta.analyze(statement, {
          tables: catalog.map(({ columns, name }) => ({ name, columns: columns.map(columnOf) })),
          parameters: parameters.map(columnOf)
        })
      ),
    /** The one text that a query answers; null is NULL. */
    answer: (query: string) =>
      Effect.map(
        ask((zeta) => zeta.query(query, { tables: new Map(), variables: new Map(), parameters: new Map() })),
        ({ rows }) => rows[0]?.[0]?.string_value ?? null
      )
  }
})

/** One server for the tests of a file. */
export class ZetaSql extends Context.Tag("test/ZetaSql")<ZetaSql, Effect.Effect.Success<typeof make>>() {
  static readonly layer = Layer.effect(
    ZetaSql,
    Effect.suspend(() => make)
  )
}

const columnOf = ({ name, type }: Typed): Column => ({ name, type: typeOf(type) })

const typeOf = (type: string): ZetaType => {
  const element = /^ARRAY<(.+)>$/.exec(type)?.[1]
  return element === undefined
    ? { type_kind: type === "FLOAT64" ? "TYPE_DOUBLE" : `TYPE_${type}` }
    : { type_kind: "TYPE_ARRAY", array_type: { element_type: typeOf(element) } }
}
