/**
 * EXISTS as DuckDB SQL.
 */
import * as Either from "effect/Either"
import type { Query } from "./Ast.ts"
import { convert } from "./Coercion.ts"
import { unnestForLambda } from "./From.ts"
import type { Scope, Translate, Translator } from "./Translator.ts"
import { scalar } from "./Types.ts"

/** A boolean that is never NULL. `scope` is the query's own, inside that of the expression. */
export const translateExists = (t: Translator, query: Query, scope: Scope): Translate<string> =>
  Either.gen(function* () {
    const found = yield* foundInArray(t, query, scope)
    return found ?? `EXISTS (${(yield* t.query(query, scope)).sql})`
  })

/**
 * Over the elements of one array, a filter of the array: of each subquery the engine would make a join of all rows with their elements.
 * None for any other query.
 */
const foundInArray = (t: Translator, query: Query, scope: Scope): Translate<string | undefined> =>
  Either.gen(function* () {
    const select = query.body
    if (select.kind !== "select" || select.from?.kind !== "unnest" || select.where === undefined) return undefined
    const { from, items, where } = select
    const isPlain =
      from.offset === undefined &&
      items.every((item) => item.kind === "expr" && item.value.kind === "literal") &&
      query.with.length + select.windows.length === 0 &&
      [query.limit, query.offset, select.as, select.groupBy, select.having, select.qualify].every(
        (part) => part === undefined
      )
    if (!isPlain) return undefined
    const { array, parameter, scope: ofElement } = yield* unnestForLambda(t, from, scope)
    const filter = yield* convert(t, where.at, yield* t.expr(where, ofElement), scalar("BOOL"), "Argument of WHERE")
    // A lambda of the engine has no subquery.
    return /\bSELECT\b/i.test(filter)
      ? undefined
      : `coalesce(len(list_filter(${array}, lambda ${parameter}: ${filter})) > 0, FALSE)`
  })
