/**
 * A query's result in a local file: rows come page by page, the embedded engine writes the format.
 */
import { open } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { JsonObject } from "../../platform/Json.ts"
import * as Statements from "../duckdb/Statements.ts"
import { name as duckName, readNdjson, text as duckText, typeOf as duckType } from "../duckdb/SqlText.ts"
import { ColumnType } from "../Table.ts"
import { StatementFailed, WarehouseUnavailable } from "../Warehouse.ts"
import * as Conversion from "./Conversion.ts"
import type { Session } from "./Session.ts"
import * as Queries from "./Queries.ts"
import type { Field } from "./Results.ts"
import { typeOf } from "./Tables.ts"

const isColumnType = Schema.is(ColumnType)

/** Writes the rows to a new file; answers their number. */
export const write = Effect.fn("BigQueryExport.write")(function* (
  session: Session,
  workplace: Conversion.Workplace,
  what: string,
  result: Queries.Result,
  file: { readonly path: string; readonly format: "csv" | "parquet" }
) {
  const folder = yield* Conversion.temporaryFolder(workplace.folder)
  const { connection } = yield* Conversion.engine(workplace, folder)
  const spool = join(folder, "rows.ndjson")
  const handle = yield* Effect.acquireRelease(
    onDisk(() => open(spool, "w")),
    (handle) => Effect.promise(() => handle.close())
  )
  yield* Stream.runForEach(Queries.pages(session, what, result), (page) =>
    onDisk(() => handle.write(page.map((row) => `${JSON.stringify(texts(result.fields, row))}\n`).join("")))
  )
  const cells = yield* Effect.forEach(result.fields, (field) => cellOf(what, field))
  const columns = result.fields.map((field) => `${duckText(field.name)}: 'VARCHAR'`).join(", ")
  const source = `SELECT ${cells.join(", ")} FROM ${readNdjson(spool, `columns = {${columns}}`)}`
  return yield* Statements.copyTo(connection, source, file, what)
})

const onDisk = <A>(use: () => Promise<A>) =>
  Effect.tryPromise({
    try: use,
    catch: (cause) => new WarehouseUnavailable({ message: `the export cannot be written: ${String(cause)}` })
  })

/** Every value as text, so that no decimal becomes a float on the way. */
const texts = (fields: ReadonlyArray<Field>, row: JsonObject): JsonObject =>
  Object.fromEntries(
    fields.map(({ name, type }) => {
      const value = row[name] ?? null
      const isText = value === null || (typeof value === "string" && type !== "JSON")
      return [name, isText ? value : JSON.stringify(value)]
    })
  )

const cellOf = (what: string, field: Field): Effect.Effect<string, StatementFailed> => {
  const type = typeOf(field)
  const cell = duckName(field.name)
  if (!isColumnType(type)) {
    return Effect.fail(
      new StatementFailed({ statement: what, reason: `the column ${field.name} is ${type}, which no file has` })
    )
  }
  switch (type) {
    case "BYTES":
      return Effect.succeed(`from_base64(${cell}) AS ${cell}`)
    case "ARRAY<STRING>":
      return Effect.succeed(`from_json(${cell}, '["VARCHAR"]') AS ${cell}`)
    default:
      return Effect.succeed(`CAST(${cell} AS ${duckType[type]}) AS ${cell}`)
  }
}
