/**
 * A slice filled from files or a stream of rows: converted here, loaded into staging tables by load jobs, committed in one transaction.
 */
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import * as Effect from "effect/Effect"
import { columnsOf, quarantineTable } from "../Tables.ts"
import type { Table } from "../Table.ts"
import {
  type SliceSource,
  type SliceWrite,
  SourceRejected,
  type WarehouseError,
  WarehouseUnavailable
} from "../Warehouse.ts"
import * as Commit from "./Commit.ts"
import * as Conversion from "./Conversion.ts"
import type { Session } from "./Session.ts"
import { path } from "./SqlText.ts"
import * as Staging from "./Staging.ts"

/** Tries to commit what another process, which wrote the same, took away. */
const STAGING_TRIES = 3

/** Another process has committed the same slice from the same files, and removed what both had staged. */
const isStagingGone = (error: WarehouseError): boolean =>
  error._tag === "StatementFailed" && /Not found: Table \S*x_staging_/.test(error.reason)

/** Replaces the slice; answers the report. */
export const replace = Effect.fn("BigQueryFileSlice.replace")(function* <E>(
  session: Session,
  workplace: Conversion.Workplace,
  target: Commit.Target,
  write: SliceWrite<E>,
  source: Exclude<SliceSource<E>, { readonly _tag: "Query" }>
) {
  const { report, rows, quarantine } = yield* Conversion.convert(workplace, target, write, source)
  const key = yield* keyOf(target, source)
  const stage = (table: Table, part: string, file: string | undefined, count: number) =>
    file === undefined
      ? Effect.succeed(undefined)
      : staged(session, target, table, Staging.nameOf(key, part), file, count)
  const { extent } = write.slice
  const days = extent.kind === "day" ? [extent.date] : report.periods
  yield* Effect.all(
    [
      stage(target.table, "rows", rows, report.rowsWritten),
      stage(quarantineTable, "quarantine", quarantine, report.rowsQuarantined)
    ],
    { concurrency: 2 }
  ).pipe(
    Effect.flatMap(([rowsInsert, quarantineInsert]) =>
      Commit.commit(session, target, days, { rows: rowsInsert, quarantine: quarantineInsert })
    ),
    Effect.retry({ times: STAGING_TRIES - 1, while: isStagingGone }),
    Effect.catchIf(isStagingGone, ({ message }) => new WarehouseUnavailable({ message }))
  )
  yield* Effect.forEach(["rows", "quarantine"], (part) =>
    Staging.remove(session, target.dataset, Staging.nameOf(key, part))
  )
  return report
})

const staged = Effect.fnUntraced(function* (
  session: Session,
  target: Commit.Target,
  table: Table,
  staging: string,
  file: string,
  rows: number
) {
  const { dataset } = target
  yield* Staging.load(session, { dataset, table: staging, of: table, file, rows, labels: Commit.labelsOf(target) })
  const columns = columnsOf(table)
  const insert: Commit.Insert = {
    columns: columns.map((column) => column.name),
    select: `SELECT ${columns.map(Staging.valueOf).join(", ")} FROM ${path(session.api.projectId, dataset, staging)}`
  }
  return insert
})

/** Equal for the same files of the same run and slice, so that a run that was killed finds what it had loaded; else new. */
const keyOf = Effect.fnUntraced(function* <E>(
  { dataset, table, write }: Commit.Target,
  source: Exclude<SliceSource<E>, { readonly _tag: "Query" }>
) {
  const hash = createHash("sha256").update(JSON.stringify([dataset, columnsOf(table), write.slice, write.runId]))
  if (source._tag === "Rows") hash.update(crypto.randomUUID())
  else {
    hash.update(JSON.stringify([source.mapping, source.format]))
    for (const file of source.files) {
      hash.update(JSON.stringify([file.uri, file.values]))
      yield* Effect.tryPromise({
        try: async () => {
          for await (const chunk of createReadStream(file.path)) hash.update(chunk)
        },
        catch: () => new SourceRejected({ file: file.uri, reason: "the file cannot be read" })
      })
    }
  }
  return hash.digest("hex").slice(0, 32)
})
