/**
 * The rules' meaning said a second time, row by row in plain TypeScript: what the statements of the project must agree with.
 */
import * as BigDecimal from "effect/BigDecimal"
import { columnsOf, type Expression, type Leaf, leavesOf } from "../../src/focus/Expression.ts"
import type { Dataset, Rule, RuleSet } from "../../src/focus/RuleSet.ts"
import { isObject, type Json, type JsonObject } from "../../src/platform/Json.ts"

/** How many of the rows violate the rule. */
export const countViolations = (
  rule: Rule,
  rows: ReadonlyArray<JsonObject>,
  rules: RuleSet,
  dataset: Dataset
): number => {
  const conditions = rule.when === undefined ? [] : "all" in rule.when ? rule.when.all : [rule.when]
  const ofElements = (one: Expression) => leavesOf(one).some((leaf) => leaf[0] === "json" && leaf[2].includes("[*]"))
  const judge = { rules, dataset }
  const applies = (row: JsonObject) =>
    conditions.filter((one) => !ofElements(one)).every((one) => evaluate(one, row, judge, false))
  const applicable = rows.filter(applies)
  const [leaf] = leavesOf(rule.check)
  if (leaf?.[0] === "distinct")
    return inFaultyGroups(applicable, leaf[1], (group) => valuesOf(group, leaf[2]).size !== leaf[3])
  if (leaf?.[0] === "unique") return inFaultyGroups(applicable, leaf[1], (group) => group.length > 1)
  if (leaf?.[0] === "json" && leaf[3] === "one_per_value") {
    const elements = applicable.flatMap((row) => elementsOf(row[leaf[1]]).filter(isObject).map(scalars))
    return inFaultyGroups(elements, keyOf(leaf[4]), (group) => valuesOf(group, keyOf(leaf[2])).size > 1)
  }
  if (ofElements(rule.check)) {
    const column = columnsOf(leaf ?? ["unique", ""])[0] ?? ""
    const element = (one: Expression, value: Json, row: JsonObject) =>
      leavesOf(one).every((leaf) => leaf[0] !== "json" || atPath(leaf, below(leaf[2], value), row))
    return applicable.filter((row) =>
      elementsOf(row[column]).some(
        (value) =>
          conditions.filter(ofElements).every((one) => element(one, value, row)) && !element(rule.check, value, row)
      )
    ).length
  }
  return applicable.filter((row) => !evaluate(rule.check, row, judge, true)).length
}

interface Judge {
  readonly rules: RuleSet
  readonly dataset: Dataset
}

const evaluate = (expression: Expression, row: JsonObject, judge: Judge, onNull: boolean): boolean => {
  if ("all" in expression) return expression.all.every((part) => evaluate(part, row, judge, onNull))
  if ("any" in expression) return expression.any.some((part) => evaluate(part, row, judge, false))
  return holds(expression, row, judge, onNull)
}

const holds = (leaf: Leaf, row: JsonObject, judge: Judge, onNull: boolean): boolean => {
  const values = columnsOf(leaf).map((name) => row[name] ?? null)
  const [a = null, b = null, c = null] = values
  const ifKnown = (test: () => boolean) => (values.includes(null) ? onNull : test())
  switch (leaf[0]) {
    case "null":
      return a === null
    case "not_null":
      return a !== null
    case "is":
      return ifKnown(() => (typeof leaf[2] === "number" ? same(a, leaf[2]) : a === leaf[2]))
    case "is_not":
      return a === null || a !== leaf[2]
    case "one_of":
      return ifKnown(() => leaf[2].includes(String(a)))
    case "in_list": {
      const list = judge.rules.lists[leaf[2]] ?? []
      return ifKnown(() => Object.values(list).flat().includes(String(a)))
    }
    case "pair_in_list": {
      const list = judge.rules.lists[leaf[3]] ?? {}
      return ifKnown(() =>
        Object.entries(list).some(([key, values]) => key === a && [values].flat().includes(String(b)))
      )
    }
    case "at_least":
      return ifKnown(() => BigDecimal.greaterThanOrEqualTo(decimal(a), decimal(leaf[2])))
    case "product":
      return ifKnown(() => BigDecimal.equals(BigDecimal.multiply(decimal(a), decimal(b)), decimal(c)))
    case "equal":
      return a !== null && b !== null && (a === b || (isDecimal(a) && isDecimal(b) && same(a, b)))
    case "later":
      return ifKnown(() => Date.parse(String(a)) > Date.parse(String(b)))
    case "month":
      return leaf[3] === "UTC" && ifKnown(() => isMonth(new Date(String(a)), new Date(String(b))))
    case "no_words": {
      const words = Object.values(judge.rules.lists[leaf[1]] ?? []).flat()
      const texts = judge.rules.columns[judge.dataset]
        .filter(({ type }) => type === "String")
        .map(({ name }) => row[name] ?? null)
      return !texts.some(
        (text) => text !== null && (words.includes(String(text)) || (leaf[2] === "blank" && String(text).trim() === ""))
      )
    }
    case "format":
      return a === null || hasFormat(leaf[2], a)
    case "json":
      return atPath(leaf, leaf[2] === "$" ? a : member(a, leaf[2].slice(2)), row)
    default:
      return true
  }
}

const atPath = (
  leaf: Extract<Leaf, readonly ["json", ...ReadonlyArray<unknown>]>,
  value: Json | undefined,
  row: JsonObject
): boolean => {
  const known = value ?? null
  switch (leaf[3]) {
    case "exists":
      return value !== undefined
    case "null":
      return known === null
    case "not_null":
      return known !== null
    case "type":
      return known === null || typeOf(known) === leaf[4]
    case "numeric":
      return known === null || typeof known === "object" || isDecimal(known)
    case "unit":
      return known === null || typeof known === "object" || hasFormat("unit", known)
    case "flat":
      return known === null || hasFormat("key_value", known)
    case "keys_start_with":
      return !isObject(known) || Object.keys(known).every((key) => key.startsWith(leaf[4]) || leaf[5].includes(key))
    case "same_as_column":
      return known === row[leaf[4]]
    default:
      return true
  }
}

const hasFormat = (format: string, value: Json): boolean => {
  switch (format) {
    case "unit": {
      const words = String(value).split(/[ -]/)
      return (
        /^(\d+ )?[A-Za-z][A-Za-z0-9]*([ -][A-Za-z0-9]+)*(\/(\d+ )?[A-Za-z]+)?$/.test(String(value)) &&
        !["Hrs", "Mo", "Hour", "Month", "hours"].includes(words.at(-1) ?? "")
      )
    }
    case "key_value":
      return isObject(value) && Object.values(value).every((member) => typeof member !== "object" || member === null)
    case "json_object":
      return isObject(value)
    default:
      return true
  }
}

const typeOf = (value: Json): string =>
  Array.isArray(value) ? "array" : typeof value === "number" ? "decimal" : typeof value

const elementsOf = (value: Json | undefined): ReadonlyArray<Json> => {
  const elements = member(value ?? null, "Elements")
  return Array.isArray(elements) ? elements : []
}

/** Objects and lists are no values that could be compared. */
const scalars = (element: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(element).map(([key, value]) => [key, typeof value === "object" ? null : String(value)])
  )

const keyOf = (path: string): string => path.slice(path.indexOf("[*].") + 4)

const below = (path: string, element: Json): Json | undefined =>
  path.endsWith("[*]") ? element : member(element, keyOf(path))

const member = (value: Json, key: string): Json | undefined => (isObject(value) ? value[key] : undefined)

const isDecimal = (value: Json): boolean => /^-?\d+(\.\d+)?(e-?\d+)?$/i.test(String(value))

const decimal = (value: Json): BigDecimal.BigDecimal => BigDecimal.unsafeFromString(String(value))

const same = (a: Json, b: Json): boolean => BigDecimal.equals(decimal(a), decimal(b))

const isMonth = (start: Date, end: Date): boolean =>
  start.toISOString().endsWith("-01T00:00:00.000Z") &&
  end.getTime() === Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1, 1)

const valuesOf = (rows: ReadonlyArray<JsonObject>, column: string) =>
  new Set(rows.map((row) => row[column] ?? null).filter((value) => value !== null))

const inFaultyGroups = (
  rows: ReadonlyArray<JsonObject>,
  column: string,
  isFaulty: (group: ReadonlyArray<JsonObject>) => boolean
): number =>
  groupBy(
    rows.filter((row) => (row[column] ?? null) !== null),
    (row) => String(row[column])
  )
    .filter(isFaulty)
    .reduce((total, group) => total + group.length, 0)

const groupBy = <A>(values: ReadonlyArray<A>, key: (value: A) => string): ReadonlyArray<ReadonlyArray<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const value of values) groups.set(key(value), [...(groups.get(key(value)) ?? []), value])
  return [...groups.values()]
}
