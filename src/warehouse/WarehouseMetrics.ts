/**
 * What `/metrics` and traces tell of the warehouse, whatever engine it is. Labels are bounded: declared tables, kinds of work, outcomes.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import type { OrgWarehouse } from "./Warehouse.ts"

const seconds = Metric.histogram(
  "warehouse_operation_seconds",
  MetricBoundaries.exponential({ start: 0.01, factor: 4, count: 9 }),
  "Seconds of replacing a slice, a query, a procedure or an export, by outcome"
)
const rows = Metric.counter("warehouse_slice_rows_total", {
  description: "Rows of replaced slices by table: written, or quarantined",
  incremental: true
})

type Operation = "replace_slice" | "query" | "change" | "call" | "export"

const timed = (operation: Operation) => {
  const ofOperation = Metric.tagged(seconds, "operation", operation)
  return <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Clock.currentTimeMillis, (started) =>
      Effect.onExit(effect, (exit) =>
        Effect.flatMap(Clock.currentTimeMillis, (ended) =>
          Metric.update(
            Metric.tagged(ofOperation, "outcome", Exit.isSuccess(exit) ? "succeeded" : "failed"),
            (ended - started) / 1000
          )
        )
      )
    )
}

const [replacing, querying, changing, calling, exporting] = [
  timed("replace_slice"),
  timed("query"),
  timed("change"),
  timed("call"),
  timed("export")
]

const counted = (table: string, outcome: "written" | "quarantined", count: number) =>
  Metric.incrementBy(Metric.tagged(Metric.tagged(rows, "table", table), "outcome", outcome), count)

/** The same dataset, whose work is measured and traced. */
export const observed = (warehouse: OrgWarehouse): OrgWarehouse => ({
  ...warehouse,
  replaceSlice: (write) =>
    warehouse.replaceSlice(write).pipe(
      Effect.tap(({ rowsQuarantined, rowsWritten }) =>
        Effect.zipRight(
          counted(write.slice.table, "written", rowsWritten),
          counted(write.slice.table, "quarantined", rowsQuarantined)
        )
      ),
      replacing,
      Effect.withSpan("warehouse.replaceSlice", {
        attributes: { org: warehouse.org, table: write.slice.table, run: write.runId },
        captureStackTrace: false
      })
    ),
  query: (sql, parameters) =>
    warehouse
      .query(sql, parameters)
      .pipe(
        querying,
        Effect.withSpan("warehouse.query", { attributes: { org: warehouse.org }, captureStackTrace: false })
      ),
  change: (change) =>
    warehouse.change(change).pipe(
      changing,
      Effect.withSpan("warehouse.change", {
        attributes: { org: warehouse.org, run: change.runId },
        captureStackTrace: false
      })
    ),
  call: (procedure, args) =>
    warehouse
      .call(procedure, args)
      .pipe(
        calling,
        Effect.withSpan("warehouse.call", { attributes: { org: warehouse.org, procedure }, captureStackTrace: false })
      ),
  exportTo: (sql, file) =>
    warehouse
      .exportTo(sql, file)
      .pipe(
        exporting,
        Effect.withSpan("warehouse.export", { attributes: { org: warehouse.org }, captureStackTrace: false })
      )
})
