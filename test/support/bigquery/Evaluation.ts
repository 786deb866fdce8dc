/**
 * What the evaluator cannot do as it is asked, done another way.
 */
import { BigQueryError } from "./Store.ts"
import { type Relation, ZetaSqlError } from "./ZetaSql.ts"

/**
 * JSON_KEYS is younger than this evaluator. For flat objects, which is what this project asks it of, the keys are the strings that a colon
 * follows in the text of the object.
 */
export const withoutJsonKeys = (sql: string): string => {
  const start = sql.search(/\bJSON_KEYS\(/)
  if (start < 0) return sql
  let end = start + "JSON_KEYS(".length
  for (let depth = 1; depth > 0 && end < sql.length; end++) {
    if (sql[end] === "(") depth++
    if (sql[end] === ")") depth--
  }
  const argument = sql.slice(start + "JSON_KEYS(".length, end - 1)
  const keys = `REGEXP_EXTRACT_ALL(TO_JSON_STRING(${argument}), r'[{,]"((?:[^"\\\\]|\\\\.)*)":')`
  return sql.slice(0, start) + keys + withoutJsonKeys(sql.slice(end))
}

/** The evaluator's refusal is a query's. */
export const answered = async <A>(answer: Promise<A>): Promise<A> => {
  try {
    return await answer
  } catch (error) {
    throw error instanceof ZetaSqlError ? new BigQueryError(400, "invalidQuery", error.message) : error
  }
}

const batchCells = 60_000

/** The same tables with a part of the rows of one each time: the evaluator's messages have a limit, and a row here is for itself. */
export const batches = (
  tables: ReadonlyMap<string, Relation>,
  split: string
): ReadonlyArray<ReadonlyMap<string, Relation>> => {
  const whole = tables.get(split)
  if (whole === undefined) return [tables]
  const size = Math.max(1, Math.floor(batchCells / Math.max(1, whole.columns.length)))
  const count = Math.max(1, Math.ceil(whole.rows.length / size))
  return Array.from({ length: count }, (_, index) =>
    new Map(tables).set(split, { ...whole, rows: whole.rows.slice(index * size, (index + 1) * size) })
  )
}
