/**
 * Judges a table row by row against the rules of a FOCUS version: how many rows violate which rule, with an example of each, and how many
 * are excused by a known gap of their source.
 */
import * as Effect from "effect/Effect"
import type { Json } from "../platform/Json.ts"
import type { Day } from "../platform/Identifiers.ts"
import type { OrgWarehouse, WarehouseError } from "../warehouse/Warehouse.ts"
import type { Column } from "../warehouse/Table.ts"
import { columnsOf, type Leaf, leavesOf } from "./Expression.ts"
import * as Groups from "./Groups.ts"
import type { Dataset, Gap, Rule, RuleSet, Severity } from "./RuleSet.ts"
import { holds, inPlace, type Placement, type Subject, violation } from "./RuleSql.ts"
import * as Shapes from "./Shapes.ts"
import { and, not, startsOnOneOf, text } from "./SqlText.ts"

/** Example texts are cut here. */
const MAX_EXAMPLE_CHARACTERS = 400
/** Lead from a row of the project's own tables back to the native line; files of others may not have them. */
const IDENTITY_COLUMNS = ["x_source_record_id", "x_source_file", "x_source_row"]
const SOURCE_COLUMN = "x_source_system"

/** What to judge. */
export interface ConformanceRequest {
  readonly dataset: Dataset
  /** The columns in the table's order; those of no interest to the dataset may be left out. */
  readonly table: { readonly name: string; readonly columns: ReadonlyArray<Column> }
  /** Only rows of these billing periods, by their first day. */
  readonly billingPeriods?: ReadonlyArray<Day>
  /** Only rows whose x_source_system starts so. */
  readonly sourcePrefix?: string
  /** Abilities of the source, by the names that rules need; absent: all. */
  readonly abilities?: ReadonlyArray<string>
}

/** A rule that rows violate. */
export type Violation = {
  readonly rule: string
  readonly severity: Severity
  readonly column: string
  readonly rows: number
  /** Where the row comes from and the values that the rule looks at. */
  readonly example: string
}

/** A rule that rows cannot meet because their source has no such data. */
export type ExcusedViolation = {
  readonly rule: string
  readonly rows: number
  readonly reason: string
}

/** The judgement. Only `violated` makes a dataset non-conformant. */
export type ConformanceReport = {
  readonly version: string
  /** Rows that were judged. */
  readonly rows: number
  /** Rules that were evaluated. */
  readonly evaluated: number
  readonly violated: ReadonlyArray<Violation>
  /** Recommendations that are not followed. */
  readonly warnings: ReadonlyArray<Violation>
  readonly gaps: ReadonlyArray<ExcusedViolation>
  /** Published rules that the project evaluates in a corrected form. */
  readonly overridden: number
}

/** A rule, and for each of its known gaps the condition, ready to be counted. */
interface Judged {
  readonly rule: Rule
  readonly gaps: ReadonlyArray<Gap>
}

interface Counted extends Judged {
  readonly rows: number
  readonly excused: ReadonlyArray<number>
  readonly example: Effect.Effect<string, WarehouseError>
}

/** Judges the rows of one table: one statement for most rules, one for each JSON column and unit price in use, one for each rule about groups of rows. */
export const evaluate = Effect.fn("Conformance.evaluate")(function* (
  warehouse: OrgWarehouse,
  ruleSet: RuleSet,
  request: ConformanceRequest
) {
  const subject: Subject = {
    columns: new Map(request.table.columns.map((column) => [column.name, column.type])),
    specification: ruleSet.columns[request.dataset],
    lists: ruleSet.lists
  }
  const source: Shapes.Source = { table: request.table.name, rows: rowConditions(request) }
  const judged = ruleSet.rules[request.dataset]
    .filter((rule) => isApplicable(rule, request) && isDecidable(rule, subject))
    .map((rule): Judged => ({ rule, gaps: ruleSet.gaps.filter((gap) => gap.rules.includes(rule.id)) }))
  const single = judged.filter(({ rule }) => !Groups.isGrouped(rule))
  const cheap = single.filter(({ rule }) => leadOf(rule) === undefined)
  const leads = [...new Set(single.flatMap(({ rule }) => leadOf(rule) ?? []))]

  const shapes = Shapes.make(lowCardinality(cheap, subject))
  const rowsAlias = shapes.count("TRUE")
  const leadAliases = leads.map(
    (column) => [column, shapes.count(not(shapes.place([column], (of) => `${of(column)} IS NULL`)))] as const
  )
  const context = { warehouse, subject, source }
  const main = yield* countRows(context, cheap, shapes, subject)
  const counted = [...main.counted]
  for (const [column, alias] of leadAliases) {
    if (numberOf(main.counts[alias]) === 0) continue
    const rules = single.filter(({ rule }) => leadOf(rule) === column)
    const within = { ...source, rows: [...source.rows, `${column} IS NOT NULL`] }
    // Few documents repeat on many rows; beside a column of many values each would be parsed again for each of them.
    const alike = [...Map.groupBy(rules, ({ rule }) => columnsRead(rule).join(" ")).values()]
    const found = yield* Effect.forEach(alike, (some) =>
      countRows({ ...context, source: within }, some, Shapes.make(keysOf(some, subject)), asText(subject))
    )
    const byRule = new Map(found.flatMap((one) => one.counted.map((each) => [each.rule, each])))
    counted.push(...rules.flatMap(({ rule }) => byRule.get(rule) ?? []))
  }
  for (const { gaps, rule } of judged.filter(({ rule }) => Groups.isGrouped(rule))) {
    counted.push(yield* countGroups(context, { rule, gaps }))
  }

  const found = yield* Effect.forEach(
    counted.filter(({ rows }) => rows > 0),
    ({ example, rows, rule }) =>
      Effect.map(example, (example): Violation => ({
        rule: rule.id,
        severity: rule.severity,
        column: rule.column,
        rows,
        example
      }))
  )
  const report: ConformanceReport = {
    version: ruleSet.version,
    rows: numberOf(main.counts[rowsAlias]),
    evaluated: new Set(judged.map(({ rule }) => rule.id)).size,
    violated: found.filter(({ severity }) => severity === "error"),
    warnings: found.filter(({ severity }) => severity === "warning"),
    gaps: counted.flatMap(({ excused, gaps, rule }) =>
      gaps.flatMap(({ reason }, index) => {
        const rows = excused[index] ?? 0
        return rows === 0 ? [] : [{ rule: rule.id, rows, reason }]
      })
    ),
    overridden: ruleSet.overridden.length
  }
  return report
})

const isApplicable = (rule: Rule, { abilities }: ConformanceRequest): boolean =>
  abilities === undefined || (rule.needs ?? []).every((ability) => abilities.includes(ability))

/** If a column is absent only its presence rule reports. Custom columns that are absent count as null. */
const isDecidable = (rule: Rule, subject: Subject): boolean => {
  const leaves = [...leavesOf(rule.check), ...(rule.when === undefined ? [] : leavesOf(rule.when))]
  return leaves.every(
    (leaf) =>
      leaf[0] === "present" || columnsOf(leaf).every((column) => column.startsWith("x_") || subject.columns.has(column))
  )
}

const rowConditions = (request: ConformanceRequest): ReadonlyArray<string> => [
  ...(request.billingPeriods === undefined ? [] : [startsOnOneOf("BillingPeriodStart", request.billingPeriods)]),
  ...(request.sourcePrefix === undefined ? [] : [`STARTS_WITH(${SOURCE_COLUMN}, ${text(request.sourcePrefix)})`])
]

interface Context {
  readonly warehouse: OrgWarehouse
  readonly subject: Subject
  readonly source: Shapes.Source
}

/** Counts the violations of many rules, and whatever else was asked of the shapes, in one statement; `grouped` is the subject as the groups show it. */
const countRows = Effect.fn("Conformance.countRows")(function* (
  context: Context,
  rules: ReadonlyArray<Judged>,
  shapes: Shapes.Shapes,
  grouped: Subject
) {
  const planned = rules.map(({ gaps, rule }) => {
    const [open, ...excused] = outcomes({ rule, gaps }, grouped, shapes.place)
    return { rule, gaps, open: shapes.count(open), excused: excused.map(shapes.count) }
  })
  const [counts = {}] = yield* context.warehouse.query(shapes.statement(context.source))
  const counted = planned.map(({ excused, gaps, open, rule }): Counted => ({
    rule,
    gaps,
    rows: numberOf(counts[open]),
    excused: excused.map((alias) => numberOf(counts[alias])),
    example: exampleRow(context, { rule, gaps })
  }))
  return { counts, counted }
})

const countGroups = Effect.fn("Conformance.countGroups")(function* (context: Context, judged: Judged) {
  const { example, rows } = Groups.statements(judged.rule, context.subject, context.source)
  const [found] = yield* context.warehouse.query(rows)
  const counted: Counted = {
    ...judged,
    rows: numberOf(found?.["n"]),
    excused: [],
    example: firstExample(context.warehouse, example)
  }
  return counted
})

/** First the rows that nothing excuses, then those that each gap excuses. */
const outcomes = (
  { gaps, rule }: Judged,
  subject: Subject,
  place: Placement
): readonly [string, ...ReadonlyArray<string>] => {
  const violated = violation(rule, subject, place)
  const conditions = gaps.map((gap) => holds(gap.when, subject, place))
  return [
    and([violated, ...conditions.map(not)]),
    ...conditions.map((condition, index) => and([violated, condition, ...conditions.slice(0, index).map(not)]))
  ]
}

const exampleRow = ({ source, subject, warehouse }: Context, judged: Judged) => {
  const { rule } = judged
  const [violated] = outcomes(judged, subject, inPlace)
  const leaves = [...leavesOf(rule.check), ...(rule.when === undefined ? [] : leavesOf(rule.when))]
  const named = leaves.some((leaf) => leaf[0] === "no_words")
    ? subject.specification.filter(({ type }) => type === "String").map(({ name }) => name)
    : leaves.flatMap(columnsOf)
  const columns = [...new Set([...IDENTITY_COLUMNS, ...named])].filter((name) => subject.columns.has(name))
  if (columns.length === 0 || leaves.some((leaf) => leaf[0] === "present")) {
    return Effect.succeed(`the column ${rule.column} is absent`)
  }
  const cells = columns.map((name) => {
    const cell = subject.columns.get(name) === "JSON" ? `TO_JSON_STRING(${name})` : `CAST(${name} AS STRING)`
    return `${text(`${name}=`)}, COALESCE(${cell}, 'null')`
  })
  const where = and([...source.rows, violated])
  return firstExample(
    warehouse,
    `SELECT CONCAT(${cells.join(", ', ', ")}) AS example FROM ${source.table} WHERE ${where} LIMIT 1`
  )
}

const firstExample = (warehouse: OrgWarehouse, sql: string) =>
  Effect.map(warehouse.query(sql), ([row]) => String(row?.["example"] ?? "").slice(0, MAX_EXAMPLE_CHARACTERS))

/** The column that leads the values of a rule which is costly to decide: a document, or a price to multiply. Equal values are decided once. */
const leadOf = (rule: Rule): string | undefined =>
  leavesOf(rule.check)
    .filter(isCostly)
    .map((leaf) => columnsOf(leaf)[0])
    .at(0)

const isCostly = (leaf: Leaf): boolean =>
  leaf[0] === "json" ||
  leaf[0] === "product" ||
  (leaf[0] === "format" && (leaf[2] === "key_value" || leaf[2] === "json_object"))

const keysOf = (rules: ReadonlyArray<Judged>, subject: Subject): ReadonlyArray<Shapes.Key> =>
  [...new Set(rules.flatMap(({ rule }) => columnsRead(rule)))].map((column) =>
    subject.columns.get(column) === "JSON" ? { column, groupBy: `TO_JSON_STRING(${column})` } : { column }
  )

const columnsRead = (rule: Rule): ReadonlyArray<string> => [...new Set(leavesOf(rule.check).flatMap(columnsOf))]

/** Documents are grouped, and shown by the groups, as text. */
const asText = (subject: Subject): Subject => ({
  ...subject,
  columns: new Map([...subject.columns].map(([name, type]) => [name, type === "JSON" ? "STRING" : type]))
})

/** Columns that rules compare with given words: they hold few different values, so rows are grouped by them. */
const lowCardinality = (rules: ReadonlyArray<Judged>, subject: Subject): ReadonlyArray<Shapes.Key> => {
  const leaves = rules.flatMap(({ gaps, rule }) =>
    [rule.check, ...(rule.when === undefined ? [] : [rule.when]), ...gaps.map((gap) => gap.when)].flatMap(leavesOf)
  )
  const columns = leaves.flatMap((leaf) => (comparesWords(leaf) ? columnsOf(leaf) : []))
  return [...new Set(columns)].filter((name) => subject.columns.has(name)).map((column) => ({ column }))
}

const comparesWords = (leaf: Leaf): boolean => {
  switch (leaf[0]) {
    case "is":
    case "is_not":
      return typeof leaf[2] === "string"
    case "format":
      return leaf[2] === "unit"
    case "one_of":
    case "in_list":
    case "pair_in_list":
    case "month":
    case "source_gap":
      return true
    default:
      return false
  }
}

const numberOf = (value: Json | undefined): number => (typeof value === "number" ? value : Number(value ?? 0))
