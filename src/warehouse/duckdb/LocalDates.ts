/**
 * Dates that are written in the order of a country: which part of them is the day, and their ISO form.
 */
import * as Effect from "effect/Effect"
import { SourceRejected } from "../Warehouse.ts"
import type { Connection } from "./DuckDb.ts"
import type { Part } from "./Part.ts"
import { text, texts } from "./SqlText.ts"

/** The order of day and month, for the engine's parser. */
export type Order = "%m/%d" | "%d/%m"

const pattern = String.raw`^([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4}|[0-9]{2})\b`

/**
 * The order in which a file writes its dates; undefined when its first row has none but ISO dates. `firstDays` are the cells among them
 * that hold first days of months. A file with both orders is refused.
 */
export const orderOf = Effect.fn("LocalDates.orderOf")(function* (
  connection: Connection,
  part: Part,
  cells: { readonly all: ReadonlyArray<string>; readonly firstDays: ReadonlyArray<string> }
) {
  if (cells.all.length === 0) return undefined
  const ask = (sql: string) =>
    connection.query(sql, { label: `read the dates of ${part.uri}`, needs: part.needs }).pipe(
      Effect.map(({ rows }) => rows[0] ?? []),
      Effect.mapError(part.refused)
    )
  const isLocal = cells.all.map((cell) => `coalesce(regexp_matches(${cell}, ${text(pattern)}), false)`).join(" OR ")
  const [local] = yield* ask(`SELECT bool_or(${isLocal}) FROM (SELECT * FROM ${part.relation(false)} LIMIT 1)`)
  if (local !== true) return undefined

  const above12 = (group: number) =>
    `bool_or(${cells.all.map((cell) => `coalesce(${partOf(cell, group)} > 12, false)`).join(" OR ")})`
  const alwaysOne = (group: number) =>
    cells.firstDays.length === 0
      ? "false"
      : `bool_and(${cells.firstDays.map((cell) => `coalesce(${partOf(cell, group)} = 1, true)`).join(" AND ")})`
  const [dayFirst, monthFirst, firstIsOne, secondIsOne] = yield* ask(
    `SELECT ${above12(1)}, ${above12(2)}, ${alwaysOne(1)}, ${alwaysOne(2)} FROM ${part.relation(false)}`
  )
  if (dayFirst === true && monthFirst === true) {
    return yield* new SourceRejected({
      file: part.uri,
      reason: "some dates have the day first and some the month: a part above 12 stands in both places"
    })
  }
  const isDayFirst = dayFirst === true || (monthFirst !== true && firstIsOne === true && secondIsOne !== true)
  const order: Order = isDayFirst ? "%d/%m" : "%m/%d"
  return order
})

const partOf = (cell: string, group: number) =>
  `TRY_CAST(nullif(regexp_extract(${cell}, ${text(pattern)}, ${group}), '') AS INTEGER)`

/** SQL of a cell whose local date is in ISO form; what is none stays as it is. */
export const iso = (cell: string, order: Order): string =>
  `coalesce(strftime(try_strptime(translate(nullif(regexp_extract(${cell}, ${text(pattern)}), ''), '.-', '//'), [${texts([`${order}/%y`, `${order}/%Y`])}]), '%Y-%m-%d') ` +
  `|| regexp_replace(${cell}, ${text(pattern)}, ''), ${cell})`
