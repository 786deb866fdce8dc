/**
 * Which billing periods a step of this room works on.
 */
import * as Schema from "effect/Schema"
import type { StepContext } from "../../pipelines/Processor.ts"
import { Day } from "../../platform/Identifiers.ts"

const isDay = Schema.is(Day)

/** The first days of the periods that the direct dependencies changed, else of the months that the run's dates touch; ascending. */
export const periodsOf = (context: StepContext): ReadonlyArray<Day> => {
  const named = Object.values(context.outputs).flatMap(({ affectedPeriods }) =>
    affectedPeriods === undefined ? [] : [affectedPeriods]
  )
  const days = named.length === 0 ? monthsOf(context) : named.flat()
  return [...new Set(days)].filter(isDay).sort()
}

/** The first days of the months that the run's dates touch; ascending. */
export const monthsOf = ({ startDate, endDate }: StepContext): ReadonlyArray<string> => {
  const months: Array<string> = []
  const day = new Date(`${startDate.slice(0, 7)}-01T00:00:00Z`)
  for (; day.toISOString().slice(0, 10) <= endDate; day.setUTCMonth(day.getUTCMonth() + 1)) {
    months.push(day.toISOString().slice(0, 10))
  }
  return months
}
