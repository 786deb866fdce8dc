/**
 * What the translation of one statement knows: tables, variables, parameters, routines, and the names in scope.
 */
import * as Either from "effect/Either"
import type { Expr, Query } from "./Ast.ts"
import type { Parameter } from "./AstStatement.ts"
import type { Token } from "./Tokens.ts"
import { OtherTenant, StatementFailed, UnsupportedSql } from "../Warehouse.ts"
import { type SqlType } from "./Types.ts"

export type TranslateError = UnsupportedSql | OtherTenant | StatementFailed
export type Translate<A> = Either.Either<A, TranslateError>

/** A translated expression: DuckDB SQL and its GoogleSQL type. */
export interface Typed {
  readonly sql: string
  readonly type: SqlType
  /** A literal or parameter that takes another type by itself; `text` is its value. */
  readonly literal?: "string" | "int" | "float" | undefined
  readonly text?: string | undefined
  /** Elements of an array literal or fields of a struct constructor, which are coerced one by one. */
  readonly parts?: ReadonlyArray<Typed> | undefined
  /** The operands of a decimal product or quotient: ROUND, CAST to NUMERIC and comparisons need more digits of it than a value can hold. */
  readonly operands?: DecimalOperands | undefined
}

export interface DecimalOperands {
  readonly operation: "multiply" | "divide"
  readonly left: string
  readonly right: string
  readonly safe: boolean
}

export interface OutputColumn {
  /** Name that the user sees; empty when anonymous. */
  readonly name: string
  readonly type: SqlType
  /** Name inside DuckDB, unique in its relation. */
  readonly column: string
}

/** A translated query. A value table (SELECT AS STRUCT) has one column whose value is the row. */
export interface TranslatedQuery {
  readonly sql: string
  readonly columns: ReadonlyArray<OutputColumn>
  readonly valueTable: boolean
  readonly ordered: boolean
}

/** A name that a FROM item brings into scope. */
export interface ScopeColumn {
  readonly name: string
  readonly value: Typed
  /** Not part of `*`. */
  readonly hidden?: boolean
}

export interface Relation {
  readonly alias: string | undefined
  readonly columns: ReadonlyArray<ScopeColumn>
  /** The alias by itself: the element of an UNNEST, or the whole row. */
  readonly whole: Typed | undefined
}

export interface Scope {
  readonly parent: Scope | undefined
  readonly relations: ReadonlyArray<Relation>
  /** What `*` means, in order; with USING it differs from the relations' columns. */
  readonly star: ReadonlyArray<ScopeColumn>
  /** Columns of USING: they hide the same names of both sides. */
  readonly merged: ReadonlyArray<ScopeColumn>
  /** Select-list aliases, which win in GROUP BY and ORDER BY. */
  readonly aliases: ReadonlyMap<string, Typed>
  readonly windows: ReadonlyMap<string, string>
  readonly ctes: ReadonlyMap<string, CommonTable>
}

export interface CommonTable {
  readonly sqlName: string
  readonly columns: ReadonlyArray<OutputColumn>
  readonly valueTable: boolean
}

export interface UserFunction {
  readonly parameters: ReadonlyArray<Parameter>
  readonly returns: SqlType | undefined
  readonly body: Expr
}

export interface UserTableFunction {
  /** Tables that the body reads. */
  readonly tables: ReadonlyArray<ReadonlyArray<string>>
  readonly parameters: ReadonlyArray<Parameter>
  readonly body: Query
}

/** A variable or parameter: its SQL is a constant while one statement runs. */
export type Binding = Typed

export interface Environment {
  readonly source: string
  /** DuckDB's name of a table, or the reason why it may not be named. */
  readonly resolveTable: (path: ReadonlyArray<string>) => Either.Either<string, OtherTenant | string>
  /** Columns of the tables that the statement mentions, by their resolved name. */
  readonly tables: ReadonlyMap<string, ReadonlyArray<OutputColumn>>
  readonly variables: ReadonlyMap<string, Binding>
  readonly parameters: ReadonlyMap<string, Binding>
  /** Values of `?` in order. */
  readonly positions: ReadonlyArray<Binding>
  /** `error.message`, `row_count` ... */
  readonly system: ReadonlyMap<string, Binding>
  readonly functions: ReadonlyMap<string, UserFunction>
  readonly tableFunctions: ReadonlyMap<string, UserTableFunction>
}

/** One statement's translation in progress. */
export interface Translator {
  readonly environment: Environment
  readonly expr: (expr: Expr, scope: Scope) => Translate<Typed>
  readonly query: (query: Query, scope: Scope) => Translate<TranslatedQuery>
  /** The same translation with other variables, as in a function's body. */
  readonly rebind: (environment: Environment) => Translator
  /** A number that was not given before, for names inside DuckDB. */
  readonly fresh: () => number
}

export const emptyScope: Scope = {
  parent: undefined,
  relations: [],
  star: [],
  merged: [],
  aliases: new Map(),
  windows: new Map(),
  ctes: new Map()
}

/** A scope for a query inside another: it sees the outer names after its own. */
export const innerScope = (parent: Scope): Scope => ({ ...emptyScope, parent, ctes: parent.ctes })

/** GoogleSQL that the adapter does not run. */
export const unsupported = (t: Translator, at: Token, reason: string): Either.Either<never, UnsupportedSql> =>
  Either.left(new UnsupportedSql({ source: t.environment.source, line: at.line, column: at.column, reason }))

/** GoogleSQL that BigQuery refuses too, in words that may differ from its own. */
export const rejected = unsupported

/** GoogleSQL that BigQuery refuses with this very message. */
export const invalid = (t: Translator, at: Token, reason: string): Either.Either<never, StatementFailed> =>
  Either.left(
    new StatementFailed({ statement: t.environment.source, reason: `${reason} at [${at.line}:${at.column}]` })
  )

/** The resolved name of a table or routine of a dataset. */
export const resolvePath = (t: Translator, at: Token, path: ReadonlyArray<string>): Translate<string> =>
  Either.orElse(t.environment.resolveTable(path), (reason): Translate<string> =>
    typeof reason !== "string"
      ? Either.left(reason)
      : path.every((part) => /^[A-Za-z0-9_-]+$/.test(part))
        ? invalid(t, at, reason)
        : unsupported(t, at, `the name ${path.join(".")}`)
  )
