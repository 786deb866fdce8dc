/**
 * Rules as GoogleSQL. Every boolean made here is TRUE or FALSE, never NULL, so that it can be negated and counted.
 */
import type { ColumnType } from "../warehouse/Table.ts"
import { columnsOf, type Expression, type Leaf, leavesOf } from "./Expression.ts"
import { decimal, hasFormat, json, timestamp } from "./FormatSql.ts"
import { elementsOf, type JsonLeaf, passes } from "./JsonSql.ts"
import type { FocusColumn, Lists, Rule } from "./RuleSet.ts"
import { and, coalesce, not, or, text, textList } from "./SqlText.ts"

/** The dataset under judgement. */
export interface Subject {
  /** Stored type by column name, in the table's order. */
  readonly columns: ReadonlyMap<string, ColumnType>
  readonly specification: ReadonlyArray<FocusColumn>
  readonly lists: Lists
}

/** How a column is named at the place where a test stands. */
export type Reference = (column: string) => string

/** Puts a test of some columns where it is evaluated and answers how its outcome is named. */
export type Placement = (columns: ReadonlyArray<string>, test: (of: Reference) => string) => string

/** Evaluates a test where the rows are. */
export const inPlace: Placement = (_columns, test) => test((column) => column)

/** What a comparison with null gives: a check passes, a condition does not hold. */
type OnNull = "TRUE" | "FALSE"

/** TRUE for the rows that violate the rule; the word `FALSE` when no row of such a table can. */
export const violation = (rule: Rule, subject: Subject, place: Placement): string => {
  const conditions = rule.when === undefined ? [] : "all" in rule.when ? rule.when.all : [rule.when]
  const [elements] = leavesOf(rule.check).flatMap((leaf) => elementsOf(leaf) ?? [])
  if (elements === undefined) {
    return and([
      ...conditions.map((one) => holds(one, subject, place)),
      not(fulfils(rule.check, subject, place, "TRUE"))
    ])
  }
  const ofRow = conditions.filter((one) => !readsElements(one))
  const columns = [...new Set(leavesOf(rule.check).flatMap(columnsOf))]
  const faulty = place(columns, (of) => {
    const document = json(of(elements.column), subject.columns.get(elements.column))
    const test = (one: Expression) =>
      and(
        leavesOf(one)
          .filter(isJsonLeaf)
          .map((leaf) => passes(leaf, document, of))
      )
    const fault = and([...conditions.filter(readsElements).map(test), not(test(rule.check))])
    const array = `JSON_QUERY_ARRAY(${document}, ${text(elements.array)})`
    return fault === "FALSE" ? fault : `EXISTS (SELECT 1 FROM UNNEST(${array}) AS element WHERE ${fault})`
  })
  return and([...ofRow.map((one) => holds(one, subject, place)), faulty])
}

/** TRUE for the rows that fulfil a condition. */
export const holds = (condition: Expression, subject: Subject, place: Placement): string =>
  fulfils(condition, subject, place, "FALSE")

const fulfils = (expression: Expression, subject: Subject, place: Placement, onNull: OnNull): string => {
  if ("all" in expression) return and(expression.all.map((part) => fulfils(part, subject, place, onNull)))
  if ("any" in expression) return or(expression.any.map((part) => fulfils(part, subject, place, "FALSE")))
  const type = subject.columns.get(columnsOf(expression)[0] ?? "")
  return type === undefined
    ? withoutColumn(expression, subject, place, onNull)
    : withColumn(expression, type, subject, place, onNull)
}

const isJsonLeaf = (leaf: Leaf): leaf is JsonLeaf => leaf[0] === "json"

const readsElements = (expression: Expression) => leavesOf(expression).some((leaf) => elementsOf(leaf) !== undefined)

const formatOfType = { string: "string", decimal: "numeric", datetime: "datetime" } as const

const withColumn = (leaf: Leaf, type: ColumnType, subject: Subject, place: Placement, onNull: OnNull): string => {
  const columns = columnsOf(leaf)
  const [column = "", second = "", third = ""] = columns
  const test = (sql: (of: Reference) => string) => place(columns, (of) => coalesce(sql(of), onNull))
  const number = (of: Reference, name: string) => decimal(of(name), subject.columns.get(name))
  const time = (of: Reference, name: string) => timestamp(of(name), subject.columns.get(name))
  switch (leaf[0]) {
    case "null":
      return place(columns, (of) => `${of(column)} IS NULL`)
    case "not_null":
      return not(place(columns, (of) => `${of(column)} IS NULL`))
    case "type":
    case "format": {
      const format = leaf[0] === "type" ? formatOfType[leaf[2]] : leaf[2]
      const known = hasFormat(format, column, type)
      return known === "TRUE" || known === "FALSE"
        ? known
        : place(columns, (of) => or([`${of(column)} IS NULL`, coalesce(hasFormat(format, of(column), type), "FALSE")]))
    }
    case "is": {
      const value = leaf[2]
      return typeof value === "number"
        ? test((of) => `${number(of, column)} = ${value}`)
        : test((of) => `${of(column)} = ${text(value)}`)
    }
    case "is_not":
      return not(withColumn(["is", leaf[1], leaf[2]], type, subject, place, "FALSE"))
    case "one_of":
      return test((of) => `${of(column)} IN ${textList(leaf[2])}`)
    case "in_list":
      return test((of) => `${of(column)} IN ${textList(pairsOf(subject, leaf[2]).flatMap(([, values]) => values))}`)
    case "pair_in_list": {
      const pairs = pairsOf(subject, leaf[3])
      return test((of) =>
        or(pairs.map(([key, values]) => `(${of(column)} = ${text(key)} AND ${of(second)} IN ${textList(values)})`))
      )
    }
    case "at_least":
      return test((of) => `${number(of, column)} >= ${leaf[2]}`)
    case "product":
      return test((of) => `${number(of, column)} * ${number(of, second)} = ${number(of, third)}`)
    case "equal":
      return place(columns, (of) => coalesce(`${of(column)} = ${of(second)}`, "FALSE"))
    case "later":
      return test((of) => `${time(of, column)} > ${time(of, second)}`)
    case "month": {
      const zone = text(leaf[3])
      return test((of) => {
        const start = time(of, column)
        const next = `TIMESTAMP(DATE_ADD(DATE(${start}, ${zone}), INTERVAL 1 MONTH), ${zone})`
        return `${start} = TIMESTAMP_TRUNC(${start}, MONTH, ${zone}) AND ${time(of, second)} = ${next}`
      })
    }
    case "source_gap":
      return test((of) => `STRPOS(CONCAT(' ', ${of(column)}, ' '), ${text(` ${leaf[1]} `)}) > 0`)
    case "json":
      return place(columns, (of) => passes(leaf, json(of(column), type), of))
    case "present":
    case "distinct":
    case "unique":
    case "no_words":
    case "custom_columns_last":
      return "TRUE"
  }
}

/** A leaf that looks at the whole row, or at a custom column that the table does not have and that therefore counts as null. */
const withoutColumn = (leaf: Leaf, subject: Subject, place: Placement, onNull: OnNull): string => {
  switch (leaf[0]) {
    case "no_words":
      return hasNoWords(leaf[1], leaf[2], subject, place)
    case "custom_columns_last":
      return areCustomColumnsLast(subject) ? "TRUE" : "FALSE"
    case "null":
    case "is_not":
      return "TRUE"
    case "present":
    case "not_null":
    case "equal":
      return "FALSE"
    default:
      return onNull
  }
}

const pairsOf = (subject: Subject, list: string): ReadonlyArray<readonly [string, ReadonlyArray<string>]> => {
  const values = subject.lists[list] ?? []
  return isPlain(values) ? [[list, values]] : Object.entries(values)
}

const isPlain = (list: Lists[string]): list is ReadonlyArray<string> => Array.isArray(list)

const hasNoWords = (list: string, extent: "blank" | "words", subject: Subject, place: Placement): string => {
  const words = textList(pairsOf(subject, list).flatMap(([, values]) => values))
  const texts = subject.specification.filter((column) => column.type === "String" && subject.columns.has(column.name))
  return not(
    or(
      texts.map(({ name }) =>
        place([name], (of) => {
          const word = `${of(name)} IN ${words}`
          // A text that is empty or all spaces sorts before every text that starts with a letter or a digit: few rows need the trimming.
          return coalesce(extent === "words" ? word : `IF(${of(name)} < '!', TRIM(${of(name)}) = '', ${word})`, "FALSE")
        })
      )
    )
  )
}

const areCustomColumnsLast = (subject: Subject): boolean => {
  const specified = new Set(subject.specification.map((column) => column.name))
  const names = [...subject.columns.keys()]
  const others = names.filter((name) => !specified.has(name))
  const firstOther = names.findIndex((name) => !specified.has(name))
  const lastSpecified = names.findLastIndex((name) => specified.has(name))
  return others.every((name) => name.startsWith("x_")) && (firstOther < 0 || lastSpecified < firstOther)
}
