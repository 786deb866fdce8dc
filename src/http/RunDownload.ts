/**
 * A run as a file: JSON as the API shows it, or CSV for a spreadsheet.
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type { Json } from "../platform/Json.ts"
import type { RunView, StepView } from "../runs/Runs.ts"
import { detailOf, stepOf } from "./RunSchemas.ts"

/** The formats of a download. */
export const formats = ["json", "csv"] as const

/** The attachment `pipeline_run_{id}.{format}`. */
export const attachment = (
  format: (typeof formats)[number],
  run: RunView,
  steps: ReadonlyArray<StepView>
): HttpServerResponse.HttpServerResponse => {
  const text = format === "json" ? `${JSON.stringify(detailOf(run, steps), null, 2)}\n` : csvOf(run, steps)
  return HttpServerResponse.text(text, {
    contentType: format === "json" ? "application/json" : "text/csv; charset=utf-8",
    headers: { "content-disposition": `attachment; filename="pipeline_run_${run.runId}.${format}"` }
  })
}

/** The run as lines of name and value, an empty line, the steps as a table. */
const csvOf = (run: RunView, steps: ReadonlyArray<StepView>): string => {
  const { steps: _steps, ...head } = detailOf(run, [])
  const table = steps.map((step) => Object.entries(stepOf(step)))
  const lines = [
    ["field", "value"],
    ...Object.entries(head).map(([name, value]) => [name, value]),
    [],
    table[0]?.map(([name]) => name) ?? [],
    ...table.map((columns) => columns.map(([, value]) => value))
  ]
  return lines.map((line) => `${line.map(cellOf).join(",")}\r\n`).join("")
}

/** What a spreadsheet would evaluate begins with an apostrophe, so that it is shown as text. */
const cellOf = (value: Json): string => {
  if (value === null) return ""
  if (typeof value === "number" || typeof value === "boolean") return String(value)
  const text = typeof value === "string" ? value : JSON.stringify(value)
  const safe = /^\s*[=+\-@|%]|^[\t\r\n]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
