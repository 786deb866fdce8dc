/**
 * The language that the rule data of `configs/focus/` is written in: an operator followed by its operands, as one YAML
 * sequence, joined by `{all: [...]}` and `{any: [...]}`.
 *
 * Null is not a value: a comparison in a check passes on null (`null` and `not_null` alone look at it), the same comparison in a condition
 * or inside `any` is false on null, and `is_not` is always true on null.
 */
import * as Schema from "effect/Schema"

/** Formats of a column's values: `string` is any text, `key_value` a flat JSON object, `json_object` any JSON object. */
export const Format = Schema.Literal("string", "numeric", "datetime", "unit", "key_value", "json_object")
export type Format = typeof Format.Type

/** Stored types that the specification knows. */
export const StoredType = Schema.Literal("string", "decimal", "datetime")
export type StoredType = typeof StoredType.Type

/** The column in which a conversion names what a row's source cells do not tell: FOCUS columns, separated by spaces. */
export const SOURCE_GAPS_COLUMN = "x_SourceGaps"

const Value = Schema.Union(Schema.String, Schema.Number)
const JsonType = Schema.Literal("array", "object", "string", "decimal")

const Leaf = Schema.Union(
  /** The dataset has the column. */
  Schema.Tuple(Schema.Literal("present"), Schema.String),
  Schema.Tuple(Schema.Literal("type"), Schema.String, StoredType),
  Schema.Tuple(Schema.Literal("format"), Schema.String, Format),
  Schema.Tuple(Schema.Literal("null"), Schema.String),
  Schema.Tuple(Schema.Literal("not_null"), Schema.String),
  Schema.Tuple(Schema.Literal("is"), Schema.String, Value),
  Schema.Tuple(Schema.Literal("is_not"), Schema.String, Value),
  Schema.Tuple(Schema.Literal("one_of"), Schema.String, Schema.NonEmptyArray(Schema.String)),
  /** The value stands in the list of that name. */
  Schema.Tuple(Schema.Literal("in_list"), Schema.String, Schema.String),
  /** Both columns together stand in the list of that name, which has the values of the second by the value of the first. */
  Schema.Tuple(Schema.Literal("pair_in_list"), Schema.String, Schema.String, Schema.String),
  Schema.Tuple(Schema.Literal("at_least"), Schema.String, Schema.Number),
  /** First times second is exactly the third. */
  Schema.Tuple(Schema.Literal("product"), Schema.String, Schema.String, Schema.String),
  /** Both columns have the same value, which is not null. */
  Schema.Tuple(Schema.Literal("equal"), Schema.String, Schema.String),
  /** The first is later than the second. */
  Schema.Tuple(Schema.Literal("later"), Schema.String, Schema.String),
  /** Start and end are the first instants of a month and of the next one, in that time zone. */
  Schema.Tuple(Schema.Literal("month"), Schema.String, Schema.String, Schema.String),
  /** No text column of the specification holds a word of that list; with `blank`, none is empty or all spaces. */
  Schema.Tuple(Schema.Literal("no_words"), Schema.String, Schema.Literal("blank", "words")),
  /** Columns outside the specification start with `x_` and stand after it. */
  Schema.Tuple(Schema.Literal("custom_columns_last")),
  /** Each value of the first column has so many values of the second, over all rows that fulfil the condition. */
  Schema.Tuple(Schema.Literal("distinct"), Schema.String, Schema.String, Schema.Int),
  Schema.Tuple(Schema.Literal("unique"), Schema.String),
  /** The row's own source cells leave the column blank or contradict it: {@link SOURCE_GAPS_COLUMN} names it. */
  Schema.Tuple(Schema.Literal("source_gap"), Schema.String),
  Schema.Tuple(Schema.Literal("json"), Schema.String, Schema.String, Schema.Literal("type"), JsonType),
  /** At a path of a JSON column; `[*]` stands for each element. */
  Schema.Tuple(
    Schema.Literal("json"),
    Schema.String,
    Schema.String,
    Schema.Literal("exists", "null", "not_null", "string", "numeric", "unit", "flat")
  ),
  Schema.Tuple(
    Schema.Literal("json"),
    Schema.String,
    Schema.String,
    Schema.Literal("keys_start_with"),
    Schema.String,
    Schema.Array(Schema.String)
  ),
  Schema.Tuple(Schema.Literal("json"), Schema.String, Schema.String, Schema.Literal("same_as_column"), Schema.String),
  /** The first path has one value for each value of the second. */
  Schema.Tuple(Schema.Literal("json"), Schema.String, Schema.String, Schema.Literal("one_per_value"), Schema.String)
)
export type Leaf = typeof Leaf.Type

/** A condition or a check. */
export type Expression =
  | Leaf
  | { readonly all: ReadonlyArray<Expression> }
  | { readonly any: ReadonlyArray<Expression> }

/** Schema of {@link Expression}. */
export const Expression: Schema.Schema<Expression> = Schema.suspend(() =>
  Schema.Union(Leaf, Schema.Struct({ all: Schema.Array(Expression) }), Schema.Struct({ any: Schema.Array(Expression) }))
)

/** The leaves of an expression, from left to right. */
export const leavesOf = (expression: Expression): ReadonlyArray<Leaf> => {
  if ("all" in expression) return expression.all.flatMap(leavesOf)
  if ("any" in expression) return expression.any.flatMap(leavesOf)
  return [expression]
}

/** The columns that a leaf reads; none for one that looks at the whole dataset. */
export const columnsOf = (leaf: Leaf): ReadonlyArray<string> => {
  switch (leaf[0]) {
    case "no_words":
    case "custom_columns_last":
      return []
    case "source_gap":
      return [SOURCE_GAPS_COLUMN]
    case "product":
      return [leaf[1], leaf[2], leaf[3]]
    case "pair_in_list":
    case "equal":
    case "later":
    case "month":
    case "distinct":
      return [leaf[1], leaf[2]]
    case "json":
      return leaf[3] === "same_as_column" ? [leaf[1], leaf[4]] : [leaf[1]]
    default:
      return [leaf[1]]
  }
}
