/**
 * A stream of rows as a part: spooled to a file in bounded chunks first, so that the warehouse is not held while a provider answers.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { mkdir, open, rm } from "node:fs/promises"
import { join } from "node:path"
import type { Json, JsonObject } from "../../platform/Json.ts"
import { type Column, lineageColumns, type Table } from "../Table.ts"
import { SourceRejected, WarehouseUnavailable } from "../Warehouse.ts"
import { kindOf, unreadable, value } from "./CellValue.ts"
import { jsonObject, type Part } from "./Part.ts"
import { name, readNdjson, text } from "./SqlText.ts"

/** Rows that are turned to text at a time. */
const SPOOL_CHUNK_ROWS = 1_000

const uri = "rows"

/** The part that a stream of rows is. Keys are column names; lineage columns among them are ignored, unknown ones refuse the stream. */
export const spool = <E>(
  rows: Stream.Stream<JsonObject, E>,
  table: Table,
  spillFolder: string
): Effect.Effect<Part, SourceRejected | WarehouseUnavailable | E, Scope.Scope> =>
  Effect.gen(function* () {
    const path = join(spillFolder, `${crypto.randomUUID()}.rows`)
    yield* Effect.addFinalizer(() => Effect.promise(() => rm(path, { force: true })))
    const file = yield* Effect.acquireRelease(
      inSpill(async () => {
        await mkdir(spillFolder, { recursive: true })
        return open(path, "w")
      }),
      (handle) => Effect.promise(() => handle.close())
    )
    const columns = new Map(table.columns.map((column) => [column.name.toLowerCase(), column]))
    const lineage = new Set(lineageColumns.map((column) => column.name))
    let count = 0
    yield* rows.pipe(
      Stream.rechunk(SPOOL_CHUNK_ROWS),
      Stream.runForEachChunk((chunk) =>
        Effect.gen(function* () {
          let lines = ""
          for (const row of Chunk.toReadonlyArray(chunk)) {
            count++
            const cells: Record<string, string | null> = {}
            for (const [key, member] of Object.entries(row)) {
              const column = columns.get(key.toLowerCase())
              if (column !== undefined) cells[column.name] = cellText(member, column)
              else if (!lineage.has(key.toLowerCase())) {
                const reason = `${table.name} has no column ${JSON.stringify(key)}`
                return yield* new SourceRejected({ file: uri, line: count, reason })
              }
            }
            lines += `${JSON.stringify(cells)}\n`
          }
          yield* inSpill(() => file.write(lines))
        })
      )
    )
    return part(path, table)
  })

const inSpill = <A>(use: () => Promise<A>): Effect.Effect<A, WarehouseUnavailable> =>
  Effect.tryPromise({
    try: use,
    catch: (cause) =>
      new WarehouseUnavailable({
        message: `the warehouse cannot write its temporary files: ${cause instanceof Error ? cause.message : String(cause)}`
      })
  })

const cellText = (member: Json, column: Column): string | null => {
  if (member === null) return null
  if (column.type === "JSON") return JSON.stringify(member)
  return typeof member === "object" ? JSON.stringify(member) : String(member)
}

const part = (path: string, table: Table): Part => {
  const natives = table.columns.map((column) => `${text(column.name)}: 'VARCHAR'`).join(", ")
  const reader = readNdjson(path, `columns = {${natives}}`)
  return {
    uri,
    needs: "documents",
    relation: (numbered) => `(SELECT *${numbered ? ", row_number() OVER () AS source_row" : ""} FROM ${reader})`,
    values: table.columns.map((column) => ({ column, sql: value(name(column.name), column.type) })),
    checks: table.columns.flatMap((column) => {
      const cell = name(column.name)
      const bad = unreadable(cell, column.type)
      return [
        ...(column.required ? [{ bad: `${cell} IS NULL`, reason: `${column.name}: has no value` }] : []),
        ...(bad === undefined ? [] : [{ bad, reason: `${column.name}: is not ${kindOf[column.type]}` }])
      ]
    }),
    stops: [],
    raw: jsonObject(table.columns.map((column) => [column.name, name(column.name)])) ?? "NULL",
    unmapped: [],
    headerLines: 0,
    refused: (error) => error
  }
}
