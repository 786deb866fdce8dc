/**
 * The syntax tree of statements: data definition, data manipulation and the procedural language.
 */
import type { Expr, FromItem, Query, TypeName } from "./Ast.ts"
import type { Token } from "./Tokens.ts"

export interface ColumnDefinition {
  readonly name: string
  readonly type: TypeName
  readonly required: boolean
  readonly default: Expr | undefined
}

export interface Parameter {
  readonly name: string
  /** Undefined for ANY TYPE. */
  readonly type: TypeName | undefined
  readonly mode: "IN" | "OUT" | "INOUT"
}

export interface Creation {
  readonly replace: boolean
  readonly temporary: boolean
  readonly ifNotExists: boolean
}

export type MergeAction =
  | { readonly kind: "update"; readonly set: ReadonlyArray<Assignment> }
  | { readonly kind: "delete" }
  | {
      readonly kind: "insert"
      readonly columns: ReadonlyArray<string>
      readonly values: ReadonlyArray<Expr> | undefined
    }

export interface MergeClause {
  readonly at: Token
  readonly match: "MATCHED" | "NOT MATCHED" | "NOT MATCHED BY SOURCE"
  readonly and: Expr | undefined
  readonly action: MergeAction
}

export interface Assignment {
  readonly at: Token
  readonly column: string
  readonly value: Expr
}

export type Statement =
  | { readonly kind: "query"; readonly at: Token; readonly query: Query }
  | {
      readonly kind: "insert"
      readonly at: Token
      readonly table: ReadonlyArray<string>
      readonly columns: ReadonlyArray<string>
      readonly source:
        | { readonly kind: "values"; readonly rows: ReadonlyArray<ReadonlyArray<Expr>> }
        | { readonly kind: "query"; readonly query: Query }
    }
  | {
      readonly kind: "update"
      readonly at: Token
      readonly table: ReadonlyArray<string>
      readonly alias: string | undefined
      readonly set: ReadonlyArray<Assignment>
      readonly from: FromItem | undefined
      readonly where: Expr
    }
  | {
      readonly kind: "delete"
      readonly at: Token
      readonly table: ReadonlyArray<string>
      readonly alias: string | undefined
      readonly where: Expr
    }
  | {
      readonly kind: "merge"
      readonly at: Token
      readonly table: ReadonlyArray<string>
      readonly alias: string | undefined
      readonly source: FromItem
      readonly on: Expr
      readonly clauses: ReadonlyArray<MergeClause>
    }
  | { readonly kind: "truncate"; readonly at: Token; readonly table: ReadonlyArray<string> }
  | {
      readonly kind: "create-table"
      readonly at: Token
      readonly creation: Creation
      readonly table: ReadonlyArray<string>
      readonly columns: ReadonlyArray<ColumnDefinition>
      readonly partitionBy: Expr | undefined
      readonly clusterBy: ReadonlyArray<string>
      readonly query: Query | undefined
    }
  | {
      readonly kind: "create-view"
      readonly at: Token
      readonly creation: Creation
      readonly table: ReadonlyArray<string>
      readonly query: Query
    }
  | {
      readonly kind: "create-function"
      readonly at: Token
      readonly creation: Creation
      readonly path: ReadonlyArray<string>
      readonly parameters: ReadonlyArray<Parameter>
      readonly returns: TypeName | undefined
      readonly body: Expr
      /** Where the whole statement ends in the text. */
      readonly end: number
    }
  | {
      readonly kind: "create-table-function"
      readonly at: Token
      readonly creation: Creation
      readonly path: ReadonlyArray<string>
      readonly parameters: ReadonlyArray<Parameter>
      readonly body: Query
      /** Where the whole statement ends in the text. */
      readonly end: number
    }
  | {
      readonly kind: "create-procedure"
      readonly at: Token
      readonly creation: Creation
      readonly path: ReadonlyArray<string>
      readonly parameters: ReadonlyArray<Parameter>
      readonly body: ReadonlyArray<Statement>
      /** Where the whole statement ends in the text. */
      readonly end: number
    }
  | {
      readonly kind: "drop"
      readonly at: Token
      readonly what: "TABLE" | "VIEW" | "FUNCTION" | "TABLE FUNCTION" | "PROCEDURE"
      readonly ifExists: boolean
      readonly path: ReadonlyArray<string>
    }
  | {
      readonly kind: "declare"
      readonly at: Token
      readonly names: ReadonlyArray<string>
      readonly type: TypeName | undefined
      readonly default: Expr | undefined
    }
  | {
      readonly kind: "set"
      readonly at: Token
      readonly names: ReadonlyArray<string>
      readonly value: Expr
      readonly tuple: boolean
    }
  | {
      readonly kind: "if"
      readonly at: Token
      readonly branches: ReadonlyArray<{ readonly when: Expr; readonly run: ReadonlyArray<Statement> }>
      readonly otherwise: ReadonlyArray<Statement>
    }
  | {
      readonly kind: "case"
      readonly at: Token
      readonly value: Expr | undefined
      readonly branches: ReadonlyArray<{ readonly when: Expr; readonly run: ReadonlyArray<Statement> }>
      readonly otherwise: ReadonlyArray<Statement> | undefined
    }
  | {
      readonly kind: "block"
      readonly at: Token
      readonly body: ReadonlyArray<Statement>
      readonly handler: ReadonlyArray<Statement> | undefined
    }
  | {
      readonly kind: "loop"
      readonly at: Token
      readonly body: ReadonlyArray<Statement>
      readonly while: Expr | undefined
      readonly until: Expr | undefined
      readonly label: string | undefined
    }
  | {
      readonly kind: "for"
      readonly at: Token
      readonly variable: string
      readonly query: Query
      readonly body: ReadonlyArray<Statement>
      readonly label: string | undefined
    }
  | { readonly kind: "leave" | "continue"; readonly at: Token; readonly label: string | undefined }
  | { readonly kind: "return"; readonly at: Token }
  | { readonly kind: "transaction"; readonly at: Token; readonly what: "BEGIN" | "COMMIT" | "ROLLBACK" }
  | { readonly kind: "assert"; readonly at: Token; readonly condition: Expr; readonly message: string | undefined }
  | { readonly kind: "raise"; readonly at: Token; readonly message: Expr | undefined }
  | {
      readonly kind: "call"
      readonly at: Token
      readonly path: ReadonlyArray<string>
      readonly args: ReadonlyArray<Expr>
    }
  | {
      readonly kind: "execute"
      readonly at: Token
      readonly text: Expr
      readonly into: ReadonlyArray<string>
      readonly using: ReadonlyArray<{ readonly name: string | undefined; readonly value: Expr }>
    }
