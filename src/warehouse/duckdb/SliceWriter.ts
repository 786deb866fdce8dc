/**
 * Replaces one slice in one transaction from the parts of its source: each part is checked as a whole first, then inserted.
 */
import { DuckDBListValue, type DuckDBValue } from "@duckdb/node-api"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Day, type OrgSlug } from "../../platform/Identifiers.ts"
import type { Table } from "../Table.ts"
import { quarantineTable, sliceTokensTable } from "../Tables.ts"
import {
  type Slice,
  type SliceReport,
  type SliceWrite,
  SourceRejected,
  StatementFailed,
  type WarehouseError
} from "../Warehouse.ts"
import { type Connection, type ResultSet, transaction } from "./DuckDb.ts"
import type { Part } from "./Part.ts"
import { name, text, texts } from "./SqlText.ts"

/** What is written, by whom, when. */
export interface Target {
  readonly connection: Connection
  readonly org: OrgSlug
  readonly dataset: string
  readonly table: Table
  readonly write: Pick<SliceWrite, "slice" | "runId" | "token">
  /** ISO timestamp of the write. */
  readonly ingestedAt: string
}

/** A report names at most so many reasons. */
const QUARANTINE_REASON_LIMIT = 100

/** Replaces the slice; each part is opened, loaded and closed before the next one. */
export const replace = Effect.fn("SliceWriter.replace")(function* <E>(
  target: Target,
  parts: ReadonlyArray<Effect.Effect<Part, WarehouseError | E, Scope.Scope>>
) {
  return yield* transaction(
    target.connection,
    Effect.gen(function* () {
      const { slice, token } = target.write
      const state: Progress = { replaced: new Set(), rowsRead: 0, rowsWritten: 0, unmapped: new Set() }
      yield* clear(target, state, expectedDays(slice))
      yield* forgetTokens(target, expectedDays(slice))
      for (const part of parts) {
        yield* Effect.scoped(Effect.flatMap(part, (part) => load(target, state, part)))
      }
      if (token !== undefined) yield* saveToken(target, token, state.replaced)
      const report: SliceReport = {
        rowsRead: state.rowsRead,
        rowsWritten: state.rowsWritten,
        rowsQuarantined: state.rowsRead - state.rowsWritten,
        quarantine: yield* quarantineReport(target),
        unmappedColumns: [...state.unmapped].sort(),
        periods: slice.extent.kind === "day" ? [] : [...state.replaced].sort()
      }
      return report
    })
  )
})

/** Text that tells the extent of a slice from every other of its table, pipeline and credential. */
export const extentText = ({ extent }: Slice): string =>
  extent.kind === "day" ? extent.date : `${extent.periodColumn}: ${extent.expected?.toSorted().join(" ") ?? "all"}`

/** SQL that selects the rows of the slice's pipeline and credential. */
export const ownerCondition = (org: OrgSlug, slice: Slice): string =>
  `x_org_slug = ${text(org)} AND x_pipeline_id = ${text(slice.pipelineId)} AND x_credential_id = ${text(slice.credentialId)}`

interface Progress {
  readonly replaced: Set<Day>
  readonly unmapped: Set<string>
  rowsRead: number
  rowsWritten: number
}

const expectedDays = ({ extent }: Slice): ReadonlyArray<Day> =>
  extent.kind === "day" ? [extent.date] : (extent.expected ?? [])

const path = (target: Target, table: Table): string => `${name(target.dataset)}.${name(table.name)}`

const run = (
  target: Target,
  what: string,
  sql: string,
  { needs }: Pick<Part, "needs"> = { needs: "load" }
): Effect.Effect<ResultSet, StatementFailed> =>
  target.connection.query(sql, { label: `${what} ${target.dataset}.${target.table.name}`, needs })

/** Deletes what the given days or periods held, rows and quarantine. */
const clear = Effect.fn("SliceWriter.clear")(function* (target: Target, state: Progress, days: ReadonlyArray<Day>) {
  if (days.length === 0) return
  const { slice } = target.write
  const owner = ownerCondition(target.org, slice)
  const list = dates(days)
  const ofExtent =
    slice.extent.kind === "day"
      ? `x_pipeline_run_date IN (${list})`
      : `CAST(${name(slice.extent.periodColumn)} AS DATE) IN (${list})`
  yield* run(target, "clear the slice of", `DELETE FROM ${path(target, target.table)} WHERE ${owner} AND ${ofExtent}`)
  yield* run(
    target,
    "clear the quarantine of",
    `DELETE FROM ${path(target, quarantineTable)} WHERE ${owner} AND table_name = ${text(target.table.name)} AND x_pipeline_run_date IN (${list})`
  )
  for (const day of days) state.replaced.add(day)
})

const dates = (days: Iterable<Day>): string => Array.from(days, (day) => `DATE ${text(day)}`).join(", ")

/** Tokens stand for the content of days or periods: whoever replaces one of them makes them void. */
const forgetTokens = (target: Target, days: ReadonlyArray<Day>) =>
  run(
    target,
    "forget the tokens of",
    `DELETE FROM ${path(target, sliceTokensTable)} WHERE ${ownerCondition(target.org, target.write.slice)} ` +
      `AND table_name = ${text(target.table.name)} AND (extent = ${text(extentText(target.write.slice))} ` +
      `OR list_has_any(days, CAST([${texts(days)}] AS VARCHAR[])))`
  )

const load = Effect.fn("SliceWriter.load")(function* (target: Target, state: Progress, part: Part) {
  const rows = plan(target, part)
  const { extent } = target.write.slice
  const knowsDays = extent.kind === "day" || extent.expected !== undefined
  // Where all rows of a known number can be loaded, reading them once is enough; otherwise they are judged first.
  const early = knowsDays && part.rows !== undefined ? yield* insert(target, part, rows, true) : undefined
  const isWhole = early !== undefined && early === part.rows
  const found = isWhole ? { total: early, bad: 0, periods: [] } : yield* check(target, part, rows)
  if (!knowsDays) {
    const added = found.periods.filter((period) => !state.replaced.has(period))
    yield* clear(target, state, added)
    yield* forgetTokens(target, added)
  }
  const inserted = early ?? (yield* insert(target, part, rows, found.bad > 0))
  const quarantined = found.bad > 0 ? yield* quarantine(target, state, part, rows) : 0
  if (inserted + quarantined !== (part.rows ?? found.total)) {
    return yield* new StatementFailed({
      statement: `load ${part.uri} into ${target.dataset}.${target.table.name}`,
      reason: `${part.rows ?? found.total} rows were read, ${inserted} written and ${quarantined} quarantined: the file changed meanwhile`
    })
  }
  for (const column of part.unmapped) state.unmapped.add(column)
  state.rowsRead += found.total
  state.rowsWritten += inserted
})

/** SQL of what the slice adds to a part: the day of each row, its period, and the reason why it cannot be loaded. */
interface RowPlan {
  readonly runDate: string
  readonly period: string | undefined
  /** NULL for a row that can be loaded. */
  readonly problem: string
}

const plan = (target: Target, part: Part): RowPlan => {
  const { extent } = target.write.slice
  const checks = [...part.checks]
  if (extent.kind === "day")
    return { runDate: `DATE ${text(extent.date)}`, period: undefined, problem: problemOf(checks) }
  const dayOf = (column: string) => {
    const found = part.values.find((value) => value.column.name === column)
    return found === undefined ? "CAST(NULL AS DATE)" : `CAST(${found.sql} AS DATE)`
  }
  const period = dayOf(extent.periodColumn)
  const runDate = dayOf(extent.runDateColumn)
  checks.push({ bad: `${period} IS NULL`, reason: `${extent.periodColumn}: the billing period is missing` })
  checks.push({ bad: `${runDate} IS NULL`, reason: `${extent.runDateColumn}: the day of the row is missing` })
  if (extent.expected !== undefined) {
    const reason = `${extent.periodColumn}: not one of the billing periods ${extent.expected.join(", ")}`
    checks.push({ bad: `${period} NOT IN (${dates(extent.expected)})`, reason })
  }
  return { runDate, period, problem: problemOf(checks) }
}

const problemOf = (checks: Part["checks"]): string =>
  checks.length === 0
    ? "CAST(NULL AS VARCHAR)"
    : `CASE ${checks.map(({ bad, reason }) => `WHEN ${bad} THEN ${text(reason)}`).join(" ")} END`

/** Reads the part once and counts, without writing: the engine does this with all its threads. */
const check = Effect.fn("SliceWriter.check")(function* (target: Target, part: Part, { period, problem }: RowPlan) {
  const stops = part.stops.map(({ missing }, index) => `${missing} AS stop${index}`)
  const result = yield* run(
    target,
    `check ${part.uri} for`,
    `SELECT count(*), count(problem), list(DISTINCT period) FILTER (problem IS NULL)` +
      part.stops.map((_, index) => `, count(*) FILTER (stop${index})`).join("") +
      ` FROM (SELECT ${[`${problem} AS problem`, `${period ?? "CAST(NULL AS DATE)"} AS period`, ...stops].join(", ")} ` +
      `FROM ${part.relation(false)})`,
    part
  ).pipe(Effect.mapError(part.refused))
  const [total, bad, periods, ...stopped] = result.rows[0] ?? []
  const stop = part.stops[stopped.findIndex((rows) => Number(rows) > 0)]
  if (stop !== undefined) {
    const first = yield* run(
      target,
      `find the row of ${part.uri} that stops`,
      `SELECT min(source_row) FROM ${part.relation(true)} WHERE ${stop.missing}`,
      part
    )
    return yield* new SourceRejected({
      file: part.uri,
      line: Number(first.rows[0]?.[0]) + part.headerLines,
      reason: stop.reason
    })
  }
  return { total: Number(total), bad: Number(bad), periods: daysOf(periods) }
})

const isDay = Schema.is(Day)

const daysOf = (list: DuckDBValue | undefined): ReadonlyArray<Day> =>
  list instanceof DuckDBListValue ? list.items.map(String).filter(isDay).sort() : []

const lineage = (target: Target, runDate: string): ReadonlyArray<readonly [column: string, sql: string]> => [
  ["x_org_slug", text(target.org)],
  ["x_pipeline_id", text(target.write.slice.pipelineId)],
  ["x_credential_id", text(target.write.slice.credentialId)],
  ["x_pipeline_run_date", runDate],
  ["x_run_id", text(target.write.runId)],
  ["x_ingested_at", `TIMESTAMPTZ ${text(target.ingestedAt)}`],
  ["x_ingestion_date", `DATE ${text(target.ingestedAt.slice(0, 10))}`]
]

const insertInto = (
  target: Target,
  table: Table,
  columns: ReadonlyArray<readonly [column: string, sql: string]>,
  from: string
): string =>
  `INSERT INTO ${path(target, table)} (${columns.map(([column]) => name(column)).join(", ")}) ` +
  `SELECT ${columns.map(([, sql]) => sql).join(", ")} FROM ${from}`

/** Inserts the rows; with `filtered` only those without a problem that do not stop the slice. */
const insert = (target: Target, part: Part, rows: RowPlan, filtered: boolean) =>
  run(
    target,
    `load ${part.uri} into`,
    insertInto(
      target,
      target.table,
      [...part.values.map(({ column, sql }) => [column.name, sql] as const), ...lineage(target, rows.runDate)],
      `${part.relation(true)}${filtered ? ` WHERE ${[`${rows.problem} IS NULL`, ...part.stops.map(({ missing }) => `(${missing}) IS NOT TRUE`)].join(" AND ")}` : ""}`
    ),
    part
  ).pipe(Effect.mapBoth({ onFailure: part.refused, onSuccess: changedRows }))

const changedRows = (result: ResultSet): number => Number(result.rows[0]?.[0] ?? 0)

/** Quarantined rows belong to their own period where it is one that is replaced, otherwise to the first of those. */
const quarantine = Effect.fn("SliceWriter.quarantine")(function* (
  target: Target,
  state: Progress,
  part: Part,
  rows: RowPlan
) {
  const [first] = [...state.replaced].sort()
  if (first === undefined) {
    const row = yield* run(
      target,
      `find the first problem of ${part.uri} for`,
      `SELECT source_row, ${rows.problem} FROM ${part.relation(true)} ORDER BY source_row LIMIT 1`,
      part
    )
    const [number, problem] = row.rows[0] ?? []
    return yield* new SourceRejected({
      file: part.uri,
      line: Number(number) + part.headerLines,
      reason: `no row of any billing period can be loaded; the first one: ${String(problem)}`
    })
  }
  const own =
    rows.period === undefined
      ? "NULL"
      : `CASE WHEN ${rows.period} IN (${dates(state.replaced)}) THEN ${rows.period} END`
  const result = yield* run(
    target,
    `quarantine rows of ${part.uri} for`,
    insertInto(
      target,
      quarantineTable,
      [
        ["table_name", text(target.table.name)],
        ["reason", rows.problem],
        ["source_file", text(part.uri)],
        ["source_row", "source_row"],
        ["raw", part.raw],
        ...lineage(target, `coalesce(${own}, DATE ${text(first)})`)
      ],
      `${part.relation(true)} WHERE ${rows.problem} IS NOT NULL`
    ),
    part
  ).pipe(Effect.mapError(part.refused))
  return changedRows(result)
})

const quarantineReport = (target: Target) =>
  run(
    target,
    "count the quarantine of",
    `SELECT reason, count(*), arg_min(concat_ws(':', source_file, source_row), source_row) FROM ${path(target, quarantineTable)} ` +
      `WHERE ${ownerCondition(target.org, target.write.slice)} AND table_name = ${text(target.table.name)} ` +
      `AND x_run_id = ${text(target.write.runId)} AND x_ingested_at = TIMESTAMPTZ ${text(target.ingestedAt)} ` +
      `GROUP BY reason ORDER BY count(*) DESC, reason LIMIT ${QUARANTINE_REASON_LIMIT}`
  ).pipe(
    Effect.map(({ rows }) =>
      rows.map(([reason, count, example]) => ({
        reason: String(reason),
        rows: Number(count),
        example: String(example)
      }))
    )
  )

const saveToken = (target: Target, token: string, replaced: ReadonlySet<Day>) =>
  run(
    target,
    "save the token of",
    insertInto(
      target,
      sliceTokensTable,
      [
        ["table_name", text(target.table.name)],
        ["extent", text(extentText(target.write.slice))],
        ["days", `CAST([${texts([...replaced].sort())}] AS VARCHAR[])`],
        ["token", text(token)],
        ...lineage(target, `DATE ${text([...replaced].sort()[0] ?? target.ingestedAt.slice(0, 10))}`)
      ],
      "(SELECT 1)"
    )
  )

/** The token saved with the slice's present content. */
export const token = (connection: Connection, org: OrgSlug, dataset: string, slice: Slice) =>
  connection
    .query(
      `SELECT token FROM ${name(dataset)}.${name(sliceTokensTable.name)} WHERE ${ownerCondition(org, slice)} ` +
        `AND table_name = ${text(slice.table)} AND extent = ${text(extentText(slice))}`,
      { label: `read the token of ${dataset}.${slice.table}` }
    )
    .pipe(Effect.map(({ rows }) => (rows[0] === undefined ? undefined : String(rows[0][0]))))
