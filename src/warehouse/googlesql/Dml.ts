/**
 * One INSERT, UPDATE, DELETE or MERGE of an organisation: its text with the lineage of the rows that it writes, which it cannot name
 * itself, and the script that runs it exactly once.
 */
import * as Either from "effect/Either"
import type { Day, OrgSlug, RunId } from "../../platform/Identifiers.ts"
import type { SqlParameter } from "../FileMapping.ts"
import { lineageColumns } from "../Table.ts"
import { ownTables, sliceTokensTable } from "../Tables.ts"
import { OtherTenant, StatementFailed, type UnsupportedSql } from "../Warehouse.ts"
import type { Statement } from "./AstStatement.ts"
import { parseScript } from "./ParseStatement.ts"
import { type Token, tokenize } from "./Tokens.ts"

const lineage = lineageColumns.map(({ name }) => name)
/** What an update changes of a row's lineage: who wrote it when, not to whom it belongs. */
const rewritten = ["x_run_id", "x_ingested_at", "x_ingestion_date"]

type Change = Extract<Statement, { readonly kind: "insert" | "update" | "delete" | "merge" }>

const isChange = (statement: Statement | undefined): statement is Change =>
  statement !== undefined && ["insert", "update", "delete", "merge"].includes(statement.kind)

/** A statement whose rows get the lineage of the parameters `@x_org_slug` and so on. */
export interface StampedDml {
  readonly table: string
  readonly sql: string
}

/** Stamps the one statement that a text must be. Fails when it names lineage columns, leaves out its column list, or is something else. */
export const stamp = (
  org: OrgSlug,
  sql: string
): Either.Either<StampedDml, StatementFailed | UnsupportedSql | OtherTenant> =>
  Either.gen(function* () {
    const source = `change by ${org}`
    const fault = (reason: string) => Either.left(new StatementFailed({ statement: source, reason }))
    const { statements } = yield* parseScript(source, sql)
    const [statement] = statements
    if (statements.length !== 1 || !isChange(statement)) {
      return yield* fault("one INSERT, UPDATE, DELETE or MERGE is expected")
    }
    const [table = "", ...others] = statement.table
    if (others.length > 0) return yield* Either.left(new OtherTenant({ org, path: statement.table.join(".") }))
    if (ownTables.some(({ name }) => name === table)) return yield* fault(`${table} is the warehouse's own`)
    const written = writtenColumns(statement)
    if (written === undefined) return yield* fault("an INSERT must list its columns")
    const forged = written.find((column) => lineage.includes(column.toLowerCase()))
    if (forged !== undefined) return yield* fault(`${forged} is written by the warehouse`)
    const tokens = (yield* tokenize(source, sql)).filter(({ kind }) => kind !== "end")
    return { table, sql: edited(sql, tokens, statement) }
  })

/** The columns that a statement gives values to; undefined where an INSERT does not name them. */
const writtenColumns = (statement: Change): ReadonlyArray<string> | undefined => {
  switch (statement.kind) {
    case "insert":
      return statement.columns.length === 0 ? undefined : statement.columns
    case "update":
      return statement.set.map(({ column }) => column)
    case "delete":
      return []
    case "merge": {
      const columns: Array<string> = []
      for (const { action } of statement.clauses) {
        if (action.kind === "insert" && (action.columns.length === 0 || action.values === undefined)) return undefined
        if (action.kind === "insert") columns.push(...action.columns)
        if (action.kind === "update") columns.push(...action.set.map(({ column }) => column))
      }
      return columns
    }
  }
}

/** The text with the lineage put before the columns and values of each INSERT and the assignments of each UPDATE. */
const edited = (sql: string, tokens: ReadonlyArray<Token>, statement: Change): string => {
  const names = `${lineage.join(", ")}, `
  const values = `${lineage.map((name) => `@${name}`).join(", ")}, `
  const assignments = ` ${rewritten.map((name) => `${name} = @${name}`).join(", ")},`
  const isQuery = statement.kind === "insert" && statement.source.kind === "query"
  const edits: Array<{ readonly at: number; readonly text: string }> = []
  let depth = 0
  let expects: "columns" | "values" | undefined
  for (const { end, kind, text, upper } of tokens) {
    if (kind === "symbol" && text === ")") {
      depth--
      if (depth === 0 && isQuery && edits.length === 1)
        edits.push({ at: end, text: ` SELECT ${values}inserted.* FROM (` })
    }
    if (depth === 0 && kind === "identifier") {
      if (upper === "INSERT") expects = "columns"
      if (upper === "VALUES") expects = "values"
      if (upper === "WHEN") expects = undefined
      if (upper === "SET") edits.push({ at: end, text: assignments })
    }
    if (kind === "symbol" && text === "(") {
      if (depth === 0 && expects === "columns") {
        edits.push({ at: end, text: names })
        expects = undefined
      } else if (depth === 0 && expects === "values") edits.push({ at: end, text: values })
      depth++
    }
  }
  const last = tokens.findLast(({ text }) => text !== ";")?.end ?? sql.length
  if (isQuery) edits.push({ at: last, text: ") AS inserted" })
  let [result, from] = ["", 0]
  for (const { at, text } of edits) {
    result += sql.slice(from, at) + text
    from = at
  }
  return result + sql.slice(from, last)
}

/** Who changes what, as the statement's rows tell it, and the name of the work. */
export interface DmlOwner {
  readonly org: OrgSlug
  readonly pipelineId: string
  readonly credentialId: string
  readonly date: Day
  readonly runId: RunId
  readonly workId: string
  /** ISO timestamp of the write. */
  readonly at: string
}

/** The parameters of {@link changeScript} and {@link doneQuery}, beside the statement's own. */
export const parametersOf = (owner: DmlOwner, table: string): Readonly<Record<string, SqlParameter>> => ({
  x_org_slug: { type: "STRING", value: owner.org },
  x_pipeline_id: { type: "STRING", value: owner.pipelineId },
  x_credential_id: { type: "STRING", value: owner.credentialId },
  x_pipeline_run_date: { type: "DATE", value: owner.date },
  x_run_id: { type: "STRING", value: owner.runId },
  x_ingested_at: { type: "TIMESTAMP", value: owner.at },
  x_ingestion_date: { type: "DATE", value: owner.at.slice(0, 10) },
  changed_table: { type: "STRING", value: table },
  changed_by: { type: "STRING", value: `${workPrefix}${owner.workId}` }
})

/** Extents of the table of tokens that name work, not slices. */
const workPrefix = "work: "

/** Asks what the work did, if it was committed before. */
export const doneQuery = `SELECT token FROM ${sliceTokensTable.name} WHERE x_org_slug = @x_org_slug AND table_name = @changed_table AND extent = @changed_by`

/**
 * Runs the statement and keeps what it did under the work's name, in one transaction. The change tokens of the table's slices become void:
 * their content is not what their sources gave any more.
 */
export const changeScript = ({ sql }: StampedDml): string => `DECLARE changed_rows INT64;
BEGIN TRANSACTION;
DELETE FROM ${sliceTokensTable.name} WHERE x_org_slug = @x_org_slug AND table_name = @changed_table AND NOT STARTS_WITH(extent, '${workPrefix}');
${sql};
SET changed_rows = @@row_count;
INSERT INTO ${sliceTokensTable.name} (${lineage.join(", ")}, table_name, extent, days, token)
SELECT ${lineage.map((name) => `@${name}`).join(", ")}, @changed_table, @changed_by, CAST([] AS ARRAY<STRING>), CAST(changed_rows AS STRING);
COMMIT TRANSACTION;
SELECT changed_rows AS n;
`
