/**
 * Where a generic step writes: a declared table of the organisation, whose slice of this pipeline and day it replaces, adds to, or merges
 * into by keys.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { StepContext } from "../../pipelines/Processor.ts"
import type { SqlParameter } from "../../warehouse/FileMapping.ts"
import type { OrgWarehouse } from "../../warehouse/Warehouse.ts"
import * as StepFailure from "../StepFailure.ts"
import { invalid } from "./StatementParameters.ts"

/** How a SELECT becomes rows of a table. */
export interface Writing {
  readonly table: string
  readonly mode: "overwrite" | "append" | "merge"
  /** The columns of the SELECT that are written, which `append` and `merge` must name. */
  readonly columns: ReadonlyArray<string>
  readonly keys: ReadonlyArray<string>
}

/** What was written, and the rows that could not be. */
export interface Written {
  readonly rows: number
  readonly quarantined: number
}

/** Writes the SELECT. Adding and merging happen once for a step of a run; keys that come twice, or are NULL, fail. */
export const write = Effect.fn("TableDestination.write")(function* (
  org: OrgWarehouse,
  context: StepContext,
  { columns, keys, mode, table }: Writing,
  sql: string,
  parameters: Readonly<Record<string, SqlParameter>>
) {
  const owner = { pipelineId: context.pipelineId, credentialId: context.credentialId ?? "default" }
  if (mode === "overwrite") {
    const slice = { table, ...owner, extent: { kind: "day", date: context.startDate } } as const
    const report = yield* Effect.mapError(
      org.replaceSlice({ slice, source: { _tag: "Query", sql, parameters }, runId: context.runId }),
      StepFailure.ofWarehouse
    )
    return { rows: report.rowsWritten, quarantined: report.rowsQuarantined } satisfies Written
  }
  if (mode === "merge") yield* checkKeys(org, keys, sql, parameters)
  const list = columns.join(", ")
  const statement =
    mode === "append"
      ? `INSERT INTO ${table} (${list}) SELECT ${list} FROM (${sql}) AS given`
      : mergeOf({ table, columns, keys }, sql)
  const { rows } = yield* Effect.mapError(
    org.change({
      sql: statement,
      parameters: {
        ...parameters,
        own_pipeline: { type: "STRING", value: owner.pipelineId },
        own_credential: { type: "STRING", value: owner.credentialId }
      },
      ...owner,
      date: context.startDate,
      runId: context.runId,
      workId: `${context.runId} ${context.stepId}`
    }),
    StepFailure.ofWarehouse
  )
  if (rows === undefined) return yield* invalid(`there is no table ${table}`)
  return { rows, quarantined: 0 } satisfies Written
})

/** Rows of this pipeline and credential with the same keys are changed, others are added. */
const mergeOf = ({ columns, keys, table }: Pick<Writing, "table" | "columns" | "keys">, sql: string): string => {
  const same = keys.map((key) => `kept.${key} = given.${key}`)
  const others = columns.filter((column) => !keys.includes(column))
  const update =
    others.length === 0
      ? ""
      : ` WHEN MATCHED THEN UPDATE SET ${others.map((column) => `${column} = given.${column}`).join(", ")}`
  return (
    `MERGE ${table} AS kept USING (${sql}) AS given ON ${same.join(" AND ")} AND kept.x_pipeline_id = @own_pipeline AND kept.x_credential_id = @own_credential` +
    `${update} WHEN NOT MATCHED THEN INSERT (${columns.join(", ")}) VALUES (${columns.map((column) => `given.${column}`).join(", ")})`
  )
}

const checkKeys = Effect.fnUntraced(function* (
  org: OrgWarehouse,
  keys: ReadonlyArray<string>,
  sql: string,
  parameters: Readonly<Record<string, SqlParameter>>
) {
  const list = keys.join(", ")
  const isNull = keys.map((key) => `${key} IS NULL`).join(" OR ")
  const [found] = yield* Effect.mapError(
    org.query(
      `SELECT COUNTIF(n > 1) AS doubled, COUNTIF(is_null) AS missing FROM (SELECT COUNT(*) AS n, LOGICAL_OR(${isNull}) AS is_null FROM (${sql}) AS given GROUP BY ${list}) AS counted`,
      parameters
    ),
    StepFailure.ofWarehouse
  )
  if (Number(found?.["doubled"] ?? 0) > 0 || Number(found?.["missing"] ?? 0) > 0) {
    return yield* invalid(
      `the merge keys ${list} are not unique: ${String(found?.["doubled"])} come more than once, ${String(found?.["missing"])} are NULL`
    )
  }
})

/** The part of a config that says where to write; `append` and `merge` name columns, `merge` its keys. */
export const isConsistent = ({ columns, keys, mode }: Omit<Writing, "table">): boolean =>
  (mode === "overwrite" || columns.length > 0) &&
  (mode === "merge") === keys.length > 0 &&
  keys.every((key) => columns.includes(key))

/** A list of column names; none when it is absent. */
export const Names = Schema.optionalWith(Schema.Array(Schema.String.pipe(Schema.pattern(/^[A-Za-z_][A-Za-z0-9_]*$/))), {
  default: () => []
})
