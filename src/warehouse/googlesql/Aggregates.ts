/**
 * Aggregate and window functions.
 */
import * as Either from "effect/Either"
import type { Call, OrderItem, Window } from "./Ast.ts"
import { convert } from "./Coercion.ts"
import type { Token } from "./Tokens.ts"
import { rejected, unsupported, type Scope, type Translate, type Translator, type Typed } from "./Translator.ts"
import { arrayOf, duckType, isGroupable, scalar, typeName, type SqlType } from "./Types.ts"

export const aggregateNames: ReadonlySet<string> = new Set(
  `COUNT COUNTIF SUM AVG MIN MAX ANY_VALUE ARRAY_AGG STRING_AGG ARRAY_CONCAT_AGG LOGICAL_AND LOGICAL_OR BIT_AND BIT_OR BIT_XOR MAX_BY MIN_BY
   STDDEV STDDEV_SAMP STDDEV_POP VARIANCE VAR_SAMP VAR_POP GROUPING PERCENTILE_CONT`.split(/\s+/)
)
export const windowNames: ReadonlySet<string> = new Set(
  `ROW_NUMBER RANK DENSE_RANK PERCENT_RANK CUME_DIST NTILE LAG LEAD FIRST_VALUE LAST_VALUE NTH_VALUE`.split(/\s+/)
)

const statistics: Readonly<Record<string, string>> = {
  STDDEV: "stddev_samp",
  STDDEV_SAMP: "stddev_samp",
  STDDEV_POP: "stddev_pop",
  VARIANCE: "var_samp",
  VAR_SAMP: "var_samp",
  VAR_POP: "var_pop"
}

/** Sort keys in BigQuery's order: NULL first when ascending and last when descending, NaN before every other FLOAT64. */
export const sortKeys = (t: Translator, item: OrderItem, value: Typed): Translate<string> => {
  if (!isGroupable(value.type)) return unsupported(t, item.value.at, `ORDER BY over ${typeName(value.type)}`)
  const direction = `${item.descending ? "DESC" : "ASC"} NULLS ${item.nulls ?? (item.descending ? "LAST" : "FIRST")}`
  return Either.right(
    value.type.kind === "FLOAT64"
      ? `(NOT isnan(${value.sql})) ${direction}, ${value.sql} ${direction}`
      : `${value.sql} ${direction}`
  )
}

const orderSql = (t: Translator, items: ReadonlyArray<OrderItem>, scope: Scope): Translate<string> =>
  Either.map(
    Either.all(items.map((item) => Either.flatMap(t.expr(item.value, scope), (value) => sortKeys(t, item, value)))),
    (keys) => keys.join(", ")
  )

/** What stands in the parentheses of OVER. */
export const windowSql = (t: Translator, at: Token, window: Window, scope: Scope): Translate<string> =>
  Either.gen(function* () {
    if (window.base !== undefined) {
      const named = scope.windows.get(window.base.toLowerCase())
      if (
        named === undefined ||
        window.partitionBy.length > 0 ||
        window.orderBy.length > 0 ||
        window.frame !== undefined
      ) {
        return yield* unsupported(t, at, `the window ${window.base}`)
      }
      return named
    }
    const parts: Array<string> = []
    if (window.partitionBy.length > 0) {
      const keys: Array<string> = []
      for (const e of window.partitionBy) {
        const key = yield* t.expr(e, scope)
        if (!isGroupable(key.type)) return yield* unsupported(t, e.at, `PARTITION BY over ${typeName(key.type)}`)
        keys.push(key.sql)
      }
      parts.push(`PARTITION BY ${keys.join(", ")}`)
    }
    if (window.orderBy.length > 0) parts.push(`ORDER BY ${yield* orderSql(t, window.orderBy, scope)}`)
    if (window.frame !== undefined) {
      const { unit, from, to } = window.frame
      const bounds: Array<string> = []
      for (const bound of [from, to]) {
        if (bound.amount === undefined) {
          bounds.push(bound.kind)
          continue
        }
        const amount = yield* t.expr(bound.amount, scope)
        const key = window.orderBy[0] === undefined ? undefined : yield* t.expr(window.orderBy[0].value, scope)
        if (
          amount.type.kind !== "INT64" ||
          (unit === "RANGE" && (window.orderBy.length !== 1 || key?.type.kind !== "INT64"))
        ) {
          return yield* unsupported(t, bound.amount.at, "this window frame")
        }
        bounds.push(`${amount.sql} ${bound.kind}`)
      }
      parts.push(`${unit} BETWEEN ${bounds.join(" AND ")}`)
    }
    return parts.join(" ")
  })

/** One call of an aggregate or window function. */
export const translateAggregate = (t: Translator, e: Call, name: string, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    const args: Array<Typed> = []
    for (const arg of e.args) args.push(yield* t.expr(arg, scope))
    const over = e.over === undefined ? "" : ` OVER (${yield* windowSql(t, e.at, e.over, scope)})`
    if (windowNames.has(name)) return yield* translateWindowFunction(t, e, name, args, over)
    if (e.having !== undefined && name !== "ANY_VALUE") return yield* unsupported(t, e.at, `HAVING within ${name}`)
    if (
      (e.limit !== undefined || e.orderBy.length > 0 || e.nulls !== undefined) &&
      !["ARRAY_AGG", "STRING_AGG", "ARRAY_CONCAT_AGG"].includes(name)
    ) {
      return yield* unsupported(t, e.at, `ORDER BY, LIMIT or NULLS within ${name}`)
    }
    const distinct = e.distinct ? "DISTINCT " : ""
    const call = (fn: string, sql: string, filter = "") => `${fn}(${distinct}${sql})${filter}${over}`
    const int = (sql: string): Typed => ({ sql: `CAST(${sql} AS BIGINT)`, type: scalar("INT64") })
    if (name === "COUNT" && e.star) return int(`count(*)${over}`)
    const value = args[0]
    if (value === undefined || e.star || e.named.length > 0)
      return yield* unsupported(t, e.at, `${name} without arguments`)
    const more = { STRING_AGG: 2, MAX_BY: 2, MIN_BY: 2, PERCENTILE_CONT: 2 }[name]
    if (args.length > (more ?? 1)) return yield* unsupported(t, e.at, `${name} with ${args.length} arguments`)
    if (e.distinct && !isGroupable(value.type))
      return yield* unsupported(t, e.at, `DISTINCT over ${typeName(value.type)}`)
    const noSignature = () =>
      unsupported(
        t,
        e.at,
        `No matching signature for aggregate function ${name} for argument types: ${args.map((arg) => typeName(arg.type)).join(", ")}`
      )
    const kind = value.type.kind
    switch (name) {
      case "COUNT":
        return int(call("count", value.sql))
      case "COUNTIF": {
        if (e.distinct) return yield* unsupported(t, e.at, "COUNTIF(DISTINCT)")
        return int(`count(*) FILTER (WHERE ${yield* convert(t, e.at, value, scalar("BOOL"), "COUNTIF")})${over}`)
      }
      case "SUM":
        if (kind === "INT64") return int(call("sum", value.sql))
        if (kind !== "FLOAT64" && kind !== "NUMERIC" && kind !== "BIGNUMERIC") return yield* noSignature()
        return { sql: call("sum", value.sql), type: value.type }
      case "AVG": {
        if (kind === "INT64" || kind === "FLOAT64") return { sql: call("avg", value.sql), type: scalar("FLOAT64") }
        if (kind !== "NUMERIC" && kind !== "BIGNUMERIC") return yield* noSignature()
        const left = call("sum", value.sql)
        const right = `CAST(${call("count", value.sql)} AS ${duckType(value.type)})`
        return {
          sql: `bq_${kind.toLowerCase()}_divide(${left}, ${right})`,
          type: value.type,
          operands: { operation: "divide", left, right, safe: false }
        }
      }
      case "MIN":
      case "MAX": {
        if (!isGroupable(value.type) || kind === "NULL") return yield* noSignature()
        const plain = call(name.toLowerCase(), value.sql)
        return kind === "FLOAT64"
          ? {
              sql: `(CASE WHEN bool_or(isnan(${value.sql}))${over} THEN CAST('nan' AS DOUBLE) ELSE ${plain} END)`,
              type: value.type
            }
          : { sql: plain, type: value.type }
      }
      case "ANY_VALUE": {
        if (e.having === undefined) return { sql: call("any_value", value.sql), type: value.type }
        return yield* extremeBy(t, e, value, yield* t.expr(e.having.value, scope), e.having.kind === "MAX", over)
      }
      case "MAX_BY":
      case "MIN_BY": {
        const by = args[1]
        return by === undefined ? yield* noSignature() : yield* extremeBy(t, e, value, by, name === "MAX_BY", over)
      }
      case "LOGICAL_AND":
      case "LOGICAL_OR":
        return {
          sql: call(
            name === "LOGICAL_AND" ? "bool_and" : "bool_or",
            yield* convert(t, e.at, value, scalar("BOOL"), name)
          ),
          type: scalar("BOOL")
        }
      case "BIT_AND":
      case "BIT_OR":
      case "BIT_XOR":
        return kind === "INT64" ? { sql: call(name.toLowerCase(), value.sql), type: value.type } : yield* noSignature()
      case "GROUPING":
        return int(`grouping(${value.sql})`)
      case "PERCENTILE_CONT": {
        const fraction = args[1]
        if ((kind !== "INT64" && kind !== "FLOAT64") || fraction?.text === undefined || e.over === undefined)
          return yield* noSignature()
        return {
          sql: `CAST(quantile_cont(CAST(${value.sql} AS DOUBLE), ${fraction.sql})${over} AS DOUBLE)`,
          type: scalar("FLOAT64")
        }
      }
      case "ARRAY_AGG":
      case "ARRAY_CONCAT_AGG":
      case "STRING_AGG":
        return yield* collect(t, e, name, args, over, scope)
      default: {
        const statistic = statistics[name]
        if (statistic === undefined || (kind !== "INT64" && kind !== "FLOAT64")) return yield* noSignature()
        return { sql: call(statistic, `CAST(${value.sql} AS DOUBLE)`), type: scalar("FLOAT64") }
      }
    }
  })

const extremeBy = (t: Translator, e: Call, value: Typed, by: Typed, max: boolean, over: string): Translate<Typed> =>
  !isGroupable(by.type) || by.type.kind === "FLOAT64" || e.distinct
    ? unsupported(t, e.at, `an extreme by ${typeName(by.type)}`)
    : Either.right({
        sql: `${max ? "arg_max_null" : "arg_min_null"}(${value.sql}, ${by.sql})${over}`,
        type: value.type
      })

const collect = (
  t: Translator,
  e: Call,
  name: string,
  args: ReadonlyArray<Typed>,
  over: string,
  scope: Scope
): Translate<Typed> =>
  Either.gen(function* () {
    const value = args[0]
    if (value === undefined) return yield* unsupported(t, e.at, name)
    if (over !== "" && (e.orderBy.length > 0 || e.limit !== undefined))
      return yield* unsupported(t, e.at, `ORDER BY or LIMIT within ${name} OVER`)
    const order = e.orderBy.length === 0 ? "" : ` ORDER BY ${yield* orderSql(t, e.orderBy, scope)}`
    const distinct = e.distinct ? "DISTINCT " : ""
    const limit = e.limit === undefined ? undefined : yield* t.expr(e.limit, scope)
    if (limit !== undefined && limit.type.kind !== "INT64") return yield* rejected(t, e.at, "LIMIT expects an integer")
    const cut = (list: string): string => (limit === undefined ? list : `list_slice(${list}, 1, ${limit.sql})`)
    if (name === "STRING_AGG") {
      const bytes = value.type.kind !== "STRING" && value.type.kind !== "NULL"
      if (bytes) return yield* unsupported(t, e.at, `STRING_AGG over ${typeName(value.type)}`)
      const text = yield* convert(t, e.at, value, scalar("STRING"), name)
      const separator =
        args[1] === undefined ? "','" : yield* convert(t, e.at, args[1], scalar("STRING"), "STRING_AGG separator")
      const list = cut(`list(${distinct}${text}${order}) FILTER (WHERE ${text} IS NOT NULL)${over}`)
      return { sql: `list_aggregate(${list}, 'string_agg', ${separator})`, type: scalar("STRING") }
    }
    if (name === "ARRAY_CONCAT_AGG") {
      if (value.type.kind !== "ARRAY" || e.distinct)
        return yield* unsupported(t, e.at, `ARRAY_CONCAT_AGG over ${typeName(value.type)}`)
      return {
        sql: `flatten(${cut(`list(${value.sql}${order}) FILTER (WHERE ${value.sql} IS NOT NULL)${over}`)})`,
        type: value.type
      }
    }
    if (value.type.kind === "ARRAY")
      return yield* rejected(t, e.at, "The argument to ARRAY_AGG must not be an array type")
    const type: SqlType = value.type.kind === "NULL" ? scalar("INT64") : value.type
    const filter = e.nulls === "IGNORE" ? ` FILTER (WHERE ${value.sql} IS NOT NULL)` : ""
    return { sql: cut(`list(${distinct}${value.sql}${order})${filter}${over}`), type: arrayOf(type) }
  })

const translateWindowFunction = (
  t: Translator,
  e: Call,
  name: string,
  args: ReadonlyArray<Typed>,
  over: string
): Translate<Typed> =>
  Either.gen(function* () {
    if (over === "")
      return yield* rejected(t, e.at, `Analytic function ${name} cannot be called without an OVER clause`)
    if (
      e.distinct ||
      e.star ||
      e.orderBy.length > 0 ||
      e.limit !== undefined ||
      e.named.length > 0 ||
      e.having !== undefined
    ) {
      return yield* unsupported(t, e.at, `this form of ${name}`)
    }
    const value = args[0]
    const nulls = e.nulls === undefined ? "" : ` ${e.nulls} NULLS`
    switch (name) {
      case "ROW_NUMBER":
      case "RANK":
      case "DENSE_RANK":
        return args.length === 0
          ? { sql: `${name.toLowerCase()}()${over}`, type: scalar("INT64") }
          : yield* unsupported(t, e.at, name)
      case "PERCENT_RANK":
      case "CUME_DIST":
        return args.length === 0
          ? { sql: `${name.toLowerCase()}()${over}`, type: scalar("FLOAT64") }
          : yield* unsupported(t, e.at, name)
      case "NTILE":
        return args.length === 1 && value !== undefined && value.literal === "int"
          ? { sql: `ntile(${value.sql})${over}`, type: scalar("INT64") }
          : yield* unsupported(t, e.at, "NTILE without a literal number")
      default:
    }
    if (value === undefined) return yield* unsupported(t, e.at, `${name} without arguments`)
    const type: SqlType = value.type.kind === "NULL" ? scalar("INT64") : value.type
    if (name === "FIRST_VALUE" || name === "LAST_VALUE") {
      return args.length === 1
        ? { sql: `${name.toLowerCase()}(${value.sql}${nulls})${over}`, type }
        : yield* unsupported(t, e.at, name)
    }
    const offset = args[1]
    if (offset !== undefined && offset.literal !== "int")
      return yield* unsupported(t, e.at, `${name} with an offset that is no literal`)
    if (name === "NTH_VALUE") {
      return args.length === 2 && offset !== undefined
        ? { sql: `nth_value(${value.sql}, ${offset.sql}${nulls})${over}`, type }
        : yield* unsupported(t, e.at, name)
    }
    if (args.length > 3 || e.nulls !== undefined || offset?.text?.startsWith("-") === true)
      return yield* unsupported(t, e.at, `this form of ${name}`)
    const fallback = args[2] === undefined ? "" : `, ${yield* convert(t, e.at, args[2], type, name)}`
    return { sql: `${name.toLowerCase()}(${value.sql}, ${offset?.sql ?? "CAST(1 AS BIGINT)"}${fallback})${over}`, type }
  })
