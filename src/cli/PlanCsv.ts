/**
 * Plans from CSV text (RFC 4180, UTF-8, comma or semicolon): a header with column names, one plan a line.
 */
import * as Effect from "effect/Effect"
import { type GivenPlan, PlansRejected } from "../subscriptions/SubscriptionPlans.ts"

/** The plans of a text with the lines that they begin on; fails when it is not CSV, has no header, or a row has another number of cells. */
export const readCsv = Effect.fn("PlanCsv.readCsv")(function* (content: string) {
  const { parse } = yield* Effect.promise(() => import("csv-parse/sync"))
  const header = content.slice(0, content.indexOf("\n") + 1)
  const records = yield* Effect.try({
    try: () =>
      parse(content, {
        bom: true,
        trim: true,
        delimiter: header.includes(";") && !header.includes(",") ? ";" : ",",
        skip_empty_lines: true,
        relax_column_count: true,
        on_record: (record: ReadonlyArray<string>, { lines }) => [String(lines), ...record]
      }).map(([lastLine, ...cells]) => ({
        cells,
        line: Number(lastLine) - cells.join("").split("\n").length + 1
      })),
    catch: (cause) =>
      new PlansRejected({ faults: [{ line: lineOf(cause), reason: "is not CSV: a quote is not closed" }] })
  })
  const [names, ...rows] = records
  if (names === undefined) return yield* new PlansRejected({ faults: [{ line: 1, reason: "has no header" }] })
  const columns = names.cells.map((name) => name.toLowerCase())
  const twice = columns.find((name, index) => columns.indexOf(name) !== index)
  if (twice !== undefined) {
    return yield* new PlansRejected({
      faults: [{ line: names.line, column: twice, reason: "stands twice in the header" }]
    })
  }
  const uneven = rows.filter(({ cells }) => cells.length !== columns.length)
  if (uneven.length > 0) {
    const faults = uneven.map(({ cells, line }) => ({
      line,
      reason: `has ${cells.length} cells, the header ${columns.length}`
    }))
    return yield* new PlansRejected({ faults })
  }
  return rows.map(({ cells, line }): GivenPlan => ({
    line,
    cells: Object.fromEntries(columns.map((name, index) => [name, cells[index] ?? ""]))
  }))
})

const lineOf = (cause: unknown): number =>
  typeof cause === "object" && cause !== null && "lines" in cause && typeof cause.lines === "number" ? cause.lines : 1
