/**
 * The syntax tree of the GoogleSQL that the adapter runs. `at` is the token where a node begins, for error messages.
 */
import type { Token } from "./Tokens.ts"

export interface TypeName {
  readonly at: Token
  readonly name: string
  /** ARRAY's element or STRUCT's fields. */
  readonly fields: ReadonlyArray<{ readonly name: string; readonly type: TypeName }>
  /** Numbers in parentheses, as NUMERIC(38,9). */
  readonly parameters: ReadonlyArray<string>
}

export interface OrderItem {
  readonly value: Expr
  readonly descending: boolean
  readonly nulls: "FIRST" | "LAST" | undefined
}

export interface Window {
  readonly base: string | undefined
  readonly partitionBy: ReadonlyArray<Expr>
  readonly orderBy: ReadonlyArray<OrderItem>
  readonly frame: { readonly unit: "ROWS" | "RANGE"; readonly from: FrameBound; readonly to: FrameBound } | undefined
}

export interface FrameBound {
  readonly kind: "UNBOUNDED PRECEDING" | "UNBOUNDED FOLLOWING" | "CURRENT ROW" | "PRECEDING" | "FOLLOWING"
  readonly amount: Expr | undefined
}

export interface Call {
  readonly kind: "call"
  readonly at: Token
  readonly path: ReadonlyArray<string>
  readonly safe: boolean
  readonly args: ReadonlyArray<Expr>
  readonly named: ReadonlyArray<{ readonly name: string; readonly value: Expr }>
  readonly star: boolean
  readonly distinct: boolean
  readonly nulls: "IGNORE" | "RESPECT" | undefined
  readonly having: { readonly kind: "MAX" | "MIN"; readonly value: Expr } | undefined
  readonly orderBy: ReadonlyArray<OrderItem>
  readonly limit: Expr | undefined
  readonly over: Window | undefined
}

/** A plain call of a function. */
export const callOf = (at: Token, name: string, args: ReadonlyArray<Expr>): Call => ({
  kind: "call",
  at,
  path: [name],
  safe: false,
  args,
  named: [],
  star: false,
  distinct: false,
  nulls: undefined,
  having: undefined,
  orderBy: [],
  limit: undefined,
  over: undefined
})

export type Expr =
  | { readonly kind: "literal"; readonly at: Token; readonly type: LiteralType; readonly text: string }
  | { readonly kind: "path"; readonly at: Token; readonly parts: ReadonlyArray<string> }
  | { readonly kind: "field"; readonly at: Token; readonly target: Expr; readonly name: string }
  | { readonly kind: "index"; readonly at: Token; readonly target: Expr; readonly mode: string; readonly index: Expr }
  | { readonly kind: "parameter"; readonly at: Token; readonly name: string }
  | { readonly kind: "position"; readonly at: Token; readonly index: number }
  | { readonly kind: "system"; readonly at: Token; readonly name: string }
  | { readonly kind: "unary"; readonly at: Token; readonly operator: "-" | "+" | "~" | "NOT"; readonly value: Expr }
  | {
      readonly kind: "binary"
      readonly at: Token
      readonly operator: string
      readonly left: Expr
      readonly right: Expr
    }
  | {
      readonly kind: "between"
      readonly at: Token
      readonly value: Expr
      readonly low: Expr
      readonly high: Expr
      readonly not: boolean
    }
  | {
      readonly kind: "in"
      readonly at: Token
      readonly value: Expr
      readonly not: boolean
      readonly options: InOptions
    }
  | { readonly kind: "like"; readonly at: Token; readonly value: Expr; readonly pattern: Expr; readonly not: boolean }
  | {
      readonly kind: "is"
      readonly at: Token
      readonly value: Expr
      readonly what: "NULL" | "TRUE" | "FALSE"
      readonly not: boolean
    }
  | {
      readonly kind: "distinct-from"
      readonly at: Token
      readonly left: Expr
      readonly right: Expr
      readonly not: boolean
    }
  | {
      readonly kind: "case"
      readonly at: Token
      readonly value: Expr | undefined
      readonly branches: ReadonlyArray<{ readonly when: Expr; readonly result: Expr }>
      readonly otherwise: Expr | undefined
    }
  | { readonly kind: "cast"; readonly at: Token; readonly safe: boolean; readonly value: Expr; readonly type: TypeName }
  | Call
  | {
      readonly kind: "extract"
      readonly at: Token
      readonly part: Expr
      readonly value: Expr
      readonly zone: Expr | undefined
    }
  | { readonly kind: "interval"; readonly at: Token; readonly amount: Expr; readonly unit: string }
  | {
      readonly kind: "array"
      readonly at: Token
      readonly type: TypeName | undefined
      readonly items: ReadonlyArray<Expr>
    }
  | {
      readonly kind: "struct"
      readonly at: Token
      readonly type: TypeName | undefined
      readonly fields: ReadonlyArray<{ readonly name: string | undefined; readonly value: Expr }>
    }
  | { readonly kind: "array-query"; readonly at: Token; readonly query: Query }
  | { readonly kind: "exists"; readonly at: Token; readonly query: Query }
  | { readonly kind: "query"; readonly at: Token; readonly query: Query }

export type LiteralType =
  | "INT64"
  | "FLOAT64"
  | "STRING"
  | "BYTES"
  | "BOOL"
  | "NULL"
  | "NUMERIC"
  | "BIGNUMERIC"
  | "DATE"
  | "DATETIME"
  | "TIMESTAMP"
  | "TIME"
  | "JSON"

export type InOptions =
  | { readonly kind: "list"; readonly items: ReadonlyArray<Expr> }
  | { readonly kind: "query"; readonly query: Query }
  | { readonly kind: "unnest"; readonly array: Expr }

export interface Query {
  readonly at: Token
  readonly recursive: boolean
  readonly with: ReadonlyArray<{ readonly name: string; readonly at: Token; readonly query: Query }>
  readonly body: QueryBody
  readonly orderBy: ReadonlyArray<OrderItem>
  readonly limit: Expr | undefined
  readonly offset: Expr | undefined
}

export type QueryBody =
  | Select
  | { readonly kind: "nested"; readonly query: Query }
  | {
      readonly kind: "set"
      readonly at: Token
      readonly operator: "UNION ALL" | "UNION DISTINCT" | "INTERSECT DISTINCT" | "EXCEPT DISTINCT"
      readonly left: QueryBody
      readonly right: QueryBody
    }

export interface Select {
  readonly kind: "select"
  readonly at: Token
  readonly distinct: boolean
  readonly as: "STRUCT" | "VALUE" | undefined
  readonly items: ReadonlyArray<SelectItem>
  readonly from: FromItem | undefined
  readonly where: Expr | undefined
  readonly groupBy: GroupBy | undefined
  readonly having: Expr | undefined
  readonly qualify: Expr | undefined
  readonly windows: ReadonlyArray<{ readonly name: string; readonly window: Window }>
}

export interface GroupBy {
  readonly all: boolean
  readonly items: ReadonlyArray<GroupItem>
}

export type GroupItem =
  | { readonly kind: "expr"; readonly value: Expr }
  | { readonly kind: "ROLLUP" | "CUBE"; readonly sets: ReadonlyArray<ReadonlyArray<Expr>> }
  | { readonly kind: "GROUPING SETS"; readonly sets: ReadonlyArray<ReadonlyArray<Expr>> }

export type SelectItem =
  | { readonly kind: "expr"; readonly value: Expr; readonly alias: string | undefined }
  | {
      readonly kind: "star"
      readonly at: Token
      /** `t.*` or `expr.*`. */
      readonly of: Expr | undefined
      readonly except: ReadonlyArray<string>
      readonly replace: ReadonlyArray<{ readonly name: string; readonly value: Expr }>
    }

export interface Labelled {
  readonly value: Expr
  readonly alias: string | undefined
}

export type FromItem =
  | {
      readonly kind: "table"
      readonly at: Token
      readonly path: ReadonlyArray<string>
      readonly alias: string | undefined
    }
  | { readonly kind: "subquery"; readonly at: Token; readonly query: Query; readonly alias: string | undefined }
  | {
      readonly kind: "unnest"
      readonly at: Token
      readonly array: Expr
      readonly alias: string | undefined
      /** Column of the element's position, counted from 0. */
      readonly offset: string | undefined
    }
  | {
      readonly kind: "function"
      readonly at: Token
      readonly path: ReadonlyArray<string>
      readonly args: ReadonlyArray<Expr>
      readonly alias: string | undefined
    }
  | {
      readonly kind: "pivot"
      readonly at: Token
      readonly source: FromItem
      readonly aggregates: ReadonlyArray<Labelled>
      readonly by: Expr
      readonly values: ReadonlyArray<Labelled>
      readonly alias: string | undefined
    }
  | {
      readonly kind: "unpivot"
      readonly at: Token
      readonly source: FromItem
      readonly value: string
      readonly name: string
      readonly columns: ReadonlyArray<Labelled>
      readonly includeNulls: boolean
      readonly alias: string | undefined
    }
  | {
      readonly kind: "join"
      readonly at: Token
      readonly type: "INNER" | "LEFT" | "RIGHT" | "FULL" | "CROSS"
      readonly left: FromItem
      readonly right: FromItem
      readonly on: Expr | undefined
      readonly using: ReadonlyArray<string>
    }
