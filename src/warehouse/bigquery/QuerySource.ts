/**
 * A slice filled from a SELECT, inside BigQuery: the result is kept in a staging table, its columns are checked against the table's, and
 * what does not fit goes to the quarantine.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Day } from "../../platform/Identifiers.ts"
import type { Json } from "../../platform/Json.ts"
import { type Column, type ColumnType, lineageColumns } from "../Table.ts"
import { type SliceReport, type SliceSource, SourceRejected, StatementFailed } from "../Warehouse.ts"
import { kindOf } from "../duckdb/CellValue.ts"
import * as Commit from "./Commit.ts"
import * as Jobs from "./Jobs.ts"
import type { Session } from "./Session.ts"
import * as Queries from "./Queries.ts"
import type { Field } from "./Results.ts"
import { dates, name, path, text } from "./SqlText.ts"
import * as Staging from "./Staging.ts"
import { TableResource, typeOf } from "./Tables.ts"

/** A report names at most so many reasons. */
const QUARANTINE_REASON_LIMIT = 100

/** Types of results that become a column's type without a guess. */
const accepted: Readonly<Record<ColumnType, ReadonlyArray<string>>> = {
  STRING: ["STRING"],
  INT64: ["INT64"],
  NUMERIC: ["NUMERIC", "BIGNUMERIC", "INT64"],
  BIGNUMERIC: ["NUMERIC", "BIGNUMERIC", "INT64"],
  FLOAT64: ["FLOAT64", "NUMERIC", "BIGNUMERIC", "INT64"],
  BOOL: ["BOOL"],
  DATE: ["DATE"],
  TIMESTAMP: ["TIMESTAMP"],
  JSON: ["JSON"],
  BYTES: ["BYTES"],
  "ARRAY<STRING>": ["ARRAY<STRING>"]
}

interface Plan {
  readonly values: ReadonlyArray<{ readonly column: string; readonly sql: string }>
  readonly runDate: string
  readonly period: string | undefined
  /** SQL of why a row cannot be loaded; NULL when it can. */
  readonly problem: string
}

/** Runs the query and replaces the slice by its result. */
export const replace = Effect.fn("BigQueryQuerySource.replace")(function* (
  session: Session,
  target: Commit.Target,
  source: Extract<SliceSource, { readonly _tag: "Query" }>
) {
  const { dataset, table } = target
  const staging = Staging.nameOf(crypto.randomUUID().replaceAll("-", ""), "query")
  const from = path(session.api.projectId, dataset, staging)
  const what = `fill ${dataset}.${table.name} from a query`
  const labels = Commit.labelsOf(target)
  yield* Effect.addFinalizer(() => Staging.remove(session, dataset, staging))
  yield* Staging.create(session, dataset, staging, undefined)
  yield* Queries.run(session, {
    what,
    sql: source.sql,
    parameters: source.parameters,
    dataset,
    labels,
    destination: { dataset, table: staging }
  })
  const { schema } = yield* Jobs.call(
    session,
    what,
    { method: "GET", path: `/datasets/${dataset}/tables/${staging}` },
    TableResource
  )
  const select = (sql: string) =>
    Effect.flatMap(Queries.run(session, { what, sql, labels }), (jobId) =>
      Effect.flatMap(Queries.result(session, what, jobId), (result) => Queries.rows(session, what, result))
    )
  const plan = yield* planOf(what, target, schema?.fields ?? [], (column) =>
    Effect.map(select(`SELECT COUNT(${name(column)}) AS n FROM ${from}`), ([row]) => Number(row?.["n"]) === 0)
  )
  const [counts] = yield* select(
    `SELECT COUNT(*) AS total, COUNT(problem) AS bad, ARRAY_AGG(DISTINCT IF(problem IS NULL, CAST(period AS STRING), NULL) IGNORE NULLS) AS periods ` +
      `FROM (SELECT ${plan.problem} AS problem, ${plan.period ?? "CAST(NULL AS DATE)"} AS period FROM ${from})`
  )
  const total = Number(counts?.["total"])
  const bad = Number(counts?.["bad"])
  const days = replacedDays(target, counts?.["periods"])
  if (bad > 0 && days.length === 0) {
    return yield* new SourceRejected({ file: "query", reason: "no row of any billing period can be loaded" })
  }
  yield* Commit.commit(session, target, days, {
    rows: total === bad ? undefined : rowsOf(target, plan, from),
    quarantine: bad === 0 ? undefined : quarantineOf(target, plan, from, schema?.fields ?? [], days)
  })
  const reasons =
    bad === 0
      ? []
      : yield* select(
          `SELECT problem, COUNT(*) AS n FROM (SELECT ${plan.problem} AS problem FROM ${from}) WHERE problem IS NOT NULL ` +
            `GROUP BY problem ORDER BY n DESC, problem LIMIT ${QUARANTINE_REASON_LIMIT}`
        )
  const report: SliceReport = {
    rowsRead: total,
    rowsWritten: total - bad,
    rowsQuarantined: bad,
    quarantine: reasons.map((row) => ({ reason: String(row["problem"]), rows: Number(row["n"]), example: "query" })),
    unmappedColumns: [],
    periods: target.write.slice.extent.kind === "day" ? [] : days
  }
  return report
})

const planOf = Effect.fnUntraced(function* <E, R>(
  what: string,
  target: Commit.Target,
  fields: ReadonlyArray<Field>,
  isOnlyNull: (column: string) => Effect.Effect<boolean, E, R>
) {
  const { table } = target
  const columns = new Map(table.columns.map((column) => [column.name.toLowerCase(), column]))
  const lineage = new Set(lineageColumns.map((column) => column.name))
  const values: Array<Plan["values"][number]> = []
  const checks: Array<{ readonly bad: string; readonly reason: string }> = []
  for (const field of fields.filter((field) => !lineage.has(field.name.toLowerCase()))) {
    const column = columns.get(field.name.toLowerCase())
    if (column === undefined) {
      return yield* new StatementFailed({ statement: what, reason: `the table has no column ${field.name}` })
    }
    const type = typeOf(field)
    if (!accepted[column.type].includes(type)) {
      // NULL by itself is a whole number to GoogleSQL, and fits every column.
      if (type === "INT64" && (yield* isOnlyNull(field.name))) continue
      const reason = `the query's column ${field.name} is ${type}, the table's is ${column.type}`
      return yield* new StatementFailed({ statement: what, reason })
    }
    values.push({ column: column.name, sql: valueOf(field, column) })
    checks.push(...checksOf(field, column, type))
  }
  const missing = table.columns.find(
    (column) => column.required && values.every((value) => value.column !== column.name)
  )
  if (missing !== undefined) {
    return yield* new StatementFailed({
      statement: what,
      reason: `the query has no column ${missing.name}, which is required`
    })
  }
  return withExtent(target, values, checks)
})

const valueOf = (field: Field, column: Column): string =>
  typeOf(field) === column.type ? name(field.name) : `SAFE_CAST(${name(field.name)} AS ${column.type})`

/** There and back: a decimal that would be rounded, or a value out of range, is not the same any more. */
const checksOf = (field: Field, column: Column, type: string): ReadonlyArray<{ bad: string; reason: string }> => {
  const cell = name(field.name)
  return [
    ...(type === column.type
      ? []
      : [
          {
            bad: `SAFE_CAST(SAFE_CAST(${cell} AS ${column.type}) AS ${type}) IS DISTINCT FROM ${cell}`,
            reason: `${column.name}: is not ${kindOf[column.type]}`
          }
        ]),
    ...(column.required ? [{ bad: `${cell} IS NULL`, reason: `${column.name}: has no value` }] : [])
  ]
}

const withExtent = (
  { table, write }: Commit.Target,
  values: Plan["values"],
  checks: ReadonlyArray<{ readonly bad: string; readonly reason: string }>
): Plan => {
  const { extent } = write.slice
  if (extent.kind === "day") {
    return { values, runDate: `DATE ${text(extent.date)}`, period: undefined, problem: problemOf(checks) }
  }
  const dayOf = (wanted: string): string => {
    const sql = values.find(({ column }) => column.toLowerCase() === wanted.toLowerCase())?.sql
    if (sql === undefined) return "CAST(NULL AS DATE)"
    const column = table.columns.find((column) => column.name.toLowerCase() === wanted.toLowerCase())
    return column?.type === "TIMESTAMP" ? `DATE(${sql})` : sql
  }
  const period = dayOf(extent.periodColumn)
  const runDate = dayOf(extent.runDateColumn)
  return {
    values,
    runDate,
    period,
    problem: problemOf([
      ...checks,
      { bad: `${period} IS NULL`, reason: `${extent.periodColumn}: the billing period is missing` },
      { bad: `${runDate} IS NULL`, reason: `${extent.runDateColumn}: the day of the row is missing` },
      ...(extent.expected === undefined
        ? []
        : [
            {
              bad: `${period} NOT IN (${dates(extent.expected)})`,
              reason: `${extent.periodColumn}: not one of the billing periods ${extent.expected.join(", ")}`
            }
          ])
    ])
  }
}

const problemOf = (checks: ReadonlyArray<{ readonly bad: string; readonly reason: string }>): string =>
  checks.length === 0
    ? "CAST(NULL AS STRING)"
    : `CASE ${checks.map(({ bad, reason }) => `WHEN ${bad} THEN ${text(reason)}`).join(" ")} END`

const isDay = Schema.is(Day)

const replacedDays = ({ write }: Commit.Target, found: Json | undefined): ReadonlyArray<Day> => {
  const { extent } = write.slice
  if (extent.kind === "day") return [extent.date]
  return extent.expected?.toSorted() ?? (Array.isArray(found) ? found.map(String).filter(isDay).sort() : [])
}

const rowsOf = (target: Commit.Target, plan: Plan, from: string): Commit.Insert => {
  const cells = [
    ...plan.values.map(({ column, sql }) => [column, sql] as const),
    ...Commit.lineage(target, plan.runDate)
  ]
  return {
    columns: cells.map(([column]) => column),
    select: `SELECT ${cells.map(([, sql]) => sql).join(", ")} FROM ${from} WHERE ${plan.problem} IS NULL`
  }
}

/** Quarantined rows belong to their own period where it is one that is replaced, otherwise to the first of those. */
const quarantineOf = (
  target: Commit.Target,
  plan: Plan,
  from: string,
  fields: ReadonlyArray<Field>,
  days: ReadonlyArray<Day>
): Commit.Insert => {
  const own = plan.period === undefined ? "NULL" : `IF(${plan.period} IN (${dates(days)}), ${plan.period}, NULL)`
  const columns = fields.map((field) => name(field.name)).join(", ")
  const cells: ReadonlyArray<readonly [string, string]> = [
    ["table_name", text(target.table.name)],
    ["reason", plan.problem],
    ["source_file", text("query")],
    ["source_row", "ROW_NUMBER() OVER ()"],
    ["raw", `JSON_STRIP_NULLS(TO_JSON(STRUCT(${columns}), stringify_wide_numbers => TRUE))`],
    ...Commit.lineage(target, `COALESCE(${own}, DATE ${text(days[0] ?? target.ingestedAt.slice(0, 10))})`)
  ]
  return {
    columns: cells.map(([column]) => column),
    select: `SELECT ${cells.map(([, sql]) => sql).join(", ")} FROM ${from} WHERE ${plan.problem} IS NOT NULL`
  }
}
