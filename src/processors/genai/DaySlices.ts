/**
 * Tables whose slices are days of one credential: what was there of a day is replaced, also by nothing, and so is what a superseded
 * credential of the same account left there.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { StepContext } from "../../pipelines/Processor.ts"
import { Day } from "../../platform/Identifiers.ts"
import type { JsonObject } from "../../platform/Json.ts"
import type { OrgWarehouse, SliceReport } from "../../warehouse/Warehouse.ts"

const isDay = Schema.is(Day)
const dayMillis = 86_400_000

/** The days of a run. */
export const daysOf = ({ endDate, startDate }: Pick<StepContext, "startDate" | "endDate">): ReadonlyArray<Day> => {
  const days: Array<Day> = []
  for (let at = Date.parse(startDate); at <= Date.parse(endDate); at += dayMillis) {
    const day = new Date(at).toISOString().slice(0, 10)
    if (isDay(day)) days.push(day)
  }
  return days
}

/** Replaces one day of one credential. */
export const replaceDay = (
  org: OrgWarehouse,
  context: StepContext,
  slice: { readonly table: string; readonly pipelineId: string; readonly credentialId: string; readonly date: Day },
  rows: ReadonlyArray<JsonObject>
) =>
  org.replaceSlice({
    slice: {
      table: slice.table,
      pipelineId: slice.pipelineId,
      credentialId: slice.credentialId,
      extent: { kind: "day", date: slice.date }
    },
    source: { _tag: "Rows", rows: Stream.fromIterable(rows) },
    runId: context.runId
  })

/** The days of a run on which a table has rows, by credential. */
export const filledDays = Effect.fnUntraced(function* (
  org: OrgWarehouse,
  context: StepContext,
  tables: ReadonlyArray<string>,
  pipelineId: string
) {
  const rows = yield* org.query(
    `${tables
      .map(
        (table) =>
          `SELECT x_credential_id AS credential, x_pipeline_run_date AS day FROM ${table}
          WHERE x_pipeline_id = @pipeline_id AND x_pipeline_run_date BETWEEN @first AND @last`
      )
      .join("\nUNION DISTINCT\n")}\nORDER BY day, credential`,
    {
      pipeline_id: { type: "STRING", value: pipelineId },
      first: { type: "DATE", value: context.startDate },
      last: { type: "DATE", value: context.endDate }
    }
  )
  return rows.flatMap(({ credential, day }) =>
    typeof credential === "string" && isDay(day) ? [{ credentialId: credential, day }] : []
  )
})

/** How many rows were written by several replacements, and how many were set aside. */
export const totalOf = (reports: ReadonlyArray<SliceReport>) => ({
  written: reports.reduce((total, { rowsWritten }) => total + rowsWritten, 0),
  quarantined: reports.reduce((total, { rowsQuarantined }) => total + rowsQuarantined, 0),
  quarantine: reports.flatMap(({ quarantine }) => quarantine.map((entry) => ({ ...entry })))
})
