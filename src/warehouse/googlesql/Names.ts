/**
 * What a name means: a column of the innermost query that has it, then of the outer ones, then a variable.
 */
import * as Either from "effect/Either"
import type { Token } from "./Tokens.ts"
import {
  invalid,
  rejected,
  unsupported,
  type Scope,
  type ScopeColumn,
  type Translate,
  type Translator,
  type Typed
} from "./Translator.ts"
import { fieldName, quoteText, typeName, type SqlType } from "./Types.ts"

/** The value of `a`, `alias.column`, `column.field` ... */
export const lookUp = (t: Translator, at: Token, parts: ReadonlyArray<string>, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    const first = parts[0] ?? ""
    const found = yield* findInScopes(t, at, parts, scope)
    if (found !== undefined) return yield* descend(t, at, found.value, parts.slice(found.used))
    const variable = t.environment.variables.get(first.toLowerCase())
    if (variable !== undefined) return yield* descend(t, at, variable, parts.slice(1))
    return first.startsWith("_")
      ? yield* unsupported(t, at, `the pseudo-column ${first}`)
      : yield* invalid(t, at, `Unrecognized name: ${parts.join(".")}`)
  })

/** The value of a name that is in scope, without the variables; undefined when there is none. */
const findInScopes = (
  t: Translator,
  at: Token,
  parts: ReadonlyArray<string>,
  scope: Scope
): Translate<{ readonly value: Typed; readonly used: number } | undefined> =>
  Either.gen(function* () {
    const first = parts[0] ?? ""
    for (let level: Scope | undefined = scope; level !== undefined; level = level.parent) {
      const alias = parts.length === 1 ? level.aliases.get(first.toLowerCase()) : undefined
      if (alias !== undefined) return { value: alias, used: 1 }
      const relations = level.relations.filter((relation) => same(relation.alias, first))
      if (relations.length > 1) return yield* rejected(t, at, `Duplicate table alias ${first} in the same FROM clause`)
      const relation = relations[0]
      if (relation !== undefined && parts.length > 1) {
        const name = parts[1] ?? ""
        const column = yield* one(t, at, columnsNamed(relation.columns, name), name)
        if (column !== undefined) return { value: column.value, used: 2 }
        if (relation.whole !== undefined) return { value: relation.whole, used: 1 }
      }
      const merged = yield* one(t, at, columnsNamed(level.merged, first), first)
      if (merged !== undefined) return { value: merged.value, used: 1 }
      const column = yield* one(
        t,
        at,
        level.relations.flatMap((each) =>
          each === relation && each.whole?.type.kind !== "STRUCT" ? [] : columnsNamed(each.columns, first)
        ),
        first
      )
      if (
        column !== undefined &&
        !(relation !== undefined && relation.whole !== undefined && relation.whole.type.kind !== "STRUCT")
      ) {
        return { value: column.value, used: 1 }
      }
      if (relation?.whole !== undefined) return { value: relation.whole, used: 1 }
    }
    return undefined
  })

const same = (a: string | undefined, b: string): boolean => a !== undefined && a.toLowerCase() === b.toLowerCase()

/** A statement asks for hundreds of names of relations that have a hundred columns each, so these are looked through once. */
const byName = new WeakMap<ReadonlyArray<ScopeColumn>, ReadonlyMap<string, ReadonlyArray<ScopeColumn>>>()

/** The columns of this name, in any case. */
export const columnsNamed = (columns: ReadonlyArray<ScopeColumn>, name: string): ReadonlyArray<ScopeColumn> => {
  let named = byName.get(columns)
  if (named === undefined) {
    named = Map.groupBy(columns, (column) => column.name.toLowerCase())
    byName.set(columns, named)
  }
  return named.get(name.toLowerCase()) ?? []
}

const one = (
  t: Translator,
  at: Token,
  matches: ReadonlyArray<ScopeColumn>,
  name: string
): Translate<ScopeColumn | undefined> => {
  if (matches.length > 1) return rejected(t, at, `Column name ${name} is ambiguous`)
  const match = matches[0]
  return match !== undefined && match.value.type.kind === "OTHER"
    ? unsupported(t, at, `the engine type of column ${name}`)
    : Either.right(match)
}

/** The value of `value.field.field`. */
export const descend = (t: Translator, at: Token, value: Typed, fields: ReadonlyArray<string>): Translate<Typed> =>
  Either.gen(function* () {
    let current = value
    for (const name of fields) {
      if (current.type.kind === "JSON") {
        current = { sql: `CAST(bq_json_field(${current.sql}, ${quoteText(name)}) AS JSON)`, type: current.type }
        continue
      }
      if (current.type.kind !== "STRUCT") {
        return yield* rejected(t, at, `Cannot access field ${name} on a value with type ${typeName(current.type)}`)
      }
      const index = current.type.fields.findIndex((field) => same(field.name, name))
      const field = current.type.fields[index]
      if (field === undefined)
        return yield* rejected(t, at, `Field name ${name} does not exist in ${typeName(current.type)}`)
      current = fieldOf(current, index, field)
    }
    return current
  })

/** One field of a struct value. */
export const fieldOf = (
  value: Typed,
  index: number,
  field: { readonly name: string; readonly type: SqlType }
): Typed => ({
  sql: `struct_extract(${value.sql}, ${quoteText(fieldName(field, index))})`,
  type: field.type
})
