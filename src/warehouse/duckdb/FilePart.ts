/**
 * Compiles the mapping of a native format and the header of one file to SQL: rows go from the file to the table inside the engine.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { type ColumnSource, type FileMapping, reduced } from "../FileMapping.ts"
import { type Column, lineageColumns, type Table } from "../Table.ts"
import { SourceRejected, type StatementFailed } from "../Warehouse.ts"
import { kindOf, unreadable, value } from "./CellValue.ts"
import type { Connection } from "./DuckDb.ts"
import * as LocalDates from "./LocalDates.ts"
import { jsonObject, type Part, type PartValue } from "./Part.ts"
import { type NativeColumn, type ReadableFile, withoutPath } from "./SourceFile.ts"
import { name, text, texts } from "./SqlText.ts"

/** A row of a CSV file may not be longer. */
const ROW_LIMIT_BYTES = 1_000_000
/** The engine reads ahead with several such buffers, which count against its memory; its own choice is 16 rows of the limit. */
const READ_BUFFER_BYTES = 4 * ROW_LIMIT_BYTES

/** Where a value comes from: a native column, or a key of a native map column. */
interface Source {
  readonly native: NativeColumn
  /** SQL of the cell as VARCHAR, NULL when empty. */
  readonly cell: string
  readonly key?: string
}

/** The part that a file is; fails when the mapping refuses the file. `values` are texts for columns that the file has not. */
export const open = Effect.fn("FilePart.open")(function* (
  connection: Connection,
  file: ReadableFile,
  mapping: FileMapping,
  table: Table,
  values: Readonly<Record<string, string>> = {}
) {
  const { localDates } = mapping
  const isoPart = yield* compile(file, mapping, table, values, undefined)
  if (localDates === undefined) return isoPart
  const order = yield* LocalDates.orderOf(connection, isoPart, yield* dateCells(file, mapping, table))
  return order === undefined ? isoPart : yield* compile(file, mapping, table, values, order)
})

/** The cells that dates are read from, and which of them hold first days of months. */
const dateCells = (file: ReadableFile, mapping: FileMapping, table: Table) =>
  Either.gen(function* () {
    const natives = new NativeColumns(file)
    const types = new Map(table.columns.map(({ name, type }) => [name, type]))
    const names = mapping.columns
      .filter(({ column }) => types.get(column) === "DATE" || types.get(column) === "TIMESTAMP")
      .flatMap(({ from, whenEmpty = [] }) => [...from, ...whenEmpty])
    const cells = (wanted: Iterable<string>) =>
      Either.map(Either.all(Array.from(wanted, (name) => natives.firstOf([name]))), (found) =>
        found.flatMap((source) => (source === undefined ? [] : [source.cell]))
      )
    return { all: yield* cells(new Set(names)), firstDays: yield* cells(mapping.localDates?.firstDays ?? []) }
  })

const compile = (
  file: ReadableFile,
  mapping: FileMapping,
  table: Table,
  given: Readonly<Record<string, string>>,
  dates: LocalDates.Order | undefined
): Either.Either<Part, SourceRejected> =>
  Either.gen(function* () {
    const natives = new NativeColumns(file)
    const columns = new Map(table.columns.map((column) => [column.name.toLowerCase(), column]))
    const declared = (wanted: string): Either.Either<Column, SourceRejected> =>
      Either.fromNullable(columns.get(wanted.toLowerCase()), () =>
        refusal(file, `the mapping names the column ${wanted}, which ${table.name} has not`)
      )
    const values: Array<PartValue> = []
    const checks: Array<Part["checks"][number]> = []
    const stops: Array<Part["stops"][number]> = []

    for (const source of mapping.columns.filter((source) => !isLineage(source.column))) {
      const column = yield* declared(source.column)
      const found = yield* natives.filled(source)
      const [first] = found
      if (first === undefined) {
        if (given[source.column] !== undefined) continue
        if (source.mustExist === true || source.mustHaveValue === true || column.required) {
          return yield* Either.left(
            refusal(file, `the column ${source.from.join(" or ")}, which ${column.name} needs, is missing`, 1)
          )
        }
        continue
      }
      const label = first.key === undefined ? first.native.name : `${first.native.name}[${first.key}]`
      const isDate = column.type === "DATE" || column.type === "TIMESTAMP"
      const cells = found
        .map(({ cell }) => (isDate && dates !== undefined ? LocalDates.iso(cell, dates) : cell))
        .map((cell) => meant(cell, source.words))
      const cell = cells.length === 1 ? String(cells[0]) : `coalesce(${cells.join(", ")})`
      const sql = source.isMonth === true ? monthOf(cells) : value(cell, column.type)
      values.push({ column, sql })
      if (source.mustHaveValue === true) {
        stops.push({ missing: `${cell} IS NULL`, reason: `${label} has no value` })
      } else if (column.required) {
        checks.push({ bad: `${cell} IS NULL`, reason: `${label}: has no value` })
      }
      if (source.mustMatch !== undefined) {
        const reason = `${label} is not of the form ${source.mustMatch}`
        stops.push({ missing: `NOT regexp_full_match(${cell}, ${text(source.mustMatch)})`, reason })
      }
      const bad =
        source.isMonth === true
          ? `${cell} IS NOT NULL AND ${sql} IS NULL`
          : unreadable(cell, column.type, source.rounded === true || found.every(isBinary))
      if (bad !== undefined) checks.push({ bad, reason: `${label}: is not ${kindOf[column.type]}` })
    }
    for (const [wanted, literal] of Object.entries(given)) {
      const column = yield* declared(wanted)
      if (!values.some((known) => known.column === column))
        values.push({ column, sql: value(text(literal), column.type) })
    }
    for (const { column: wanted, prefixes, maps } of mapping.collected) {
      const column = yield* declared(wanted)
      const wholeMaps = yield* Either.all(maps.map((map) => natives.whole(map)))
      const pieces = wholeMaps.flatMap((map) =>
        map === undefined ? [] : [`TRY_CAST(nullif(${map.cell}, '{}') AS JSON)`]
      )
      const family = jsonObject(natives.family(prefixes))
      if (family !== undefined) pieces.push(family)
      if (pieces.length > 0) values.push({ column, sql: merged(pieces) })
    }
    for (const map of natives.usedMaps()) {
      checks.push({ bad: isNoJsonObject(map.cell), reason: `${map.name}: is not a JSON object` })
    }

    const drift = natives.unused()
    const driftColumn = yield* declared(mapping.driftColumn)
    const driftObject = jsonObject(drift.map((native) => [native.name, native.cell]))
    if (driftObject !== undefined) values.push({ column: driftColumn, sql: driftObject })
    values.push({ column: yield* declared(mapping.fileColumn), sql: text(file.uri) })
    values.push({ column: yield* declared(mapping.rowColumn), sql: "source_row" })

    const known = new Set(
      mapping.columns
        .flatMap(({ from, whenEmpty = [] }) => [...from, ...whenEmpty])
        .map((native) => reduced(splitKey(native).name))
    )
    return {
      uri: file.uri,
      needs: "load",
      relation: (numbered) => relation(file, mapping, natives, numbered),
      values,
      checks,
      stops,
      raw: jsonObject(natives.all.map((native) => [native.name, native.cell])) ?? "NULL",
      unmapped: drift.map((native) => native.name).filter((native) => !known.has(reduced(native))),
      headerLines: file.headerLines,
      ...(file.rows === undefined ? {} : { rows: file.rows }),
      refused: (error) => sourceError(file, error)
    }
  })

/** A number whose decimals are those of the shortest text that means it. */
const isBinary = ({ key, native }: Source): boolean => key === undefined && /^(DOUBLE|FLOAT)$/.test(native.type)

/** The cell with the words that mean another one replaced. */
const meant = (cell: string, words: ColumnSource["words"]): string => {
  const cases = Object.entries(words ?? {}).map(([written, read]) => `WHEN ${text(written)} THEN ${text(read)}`)
  return cases.length === 0 ? cell : `CASE ${cell} ${cases.join(" ")} ELSE ${cell} END`
}

const lineageNames = new Set(lineageColumns.map((column) => column.name))
const isLineage = (column: string): boolean => lineageNames.has(column.toLowerCase())

const refusal = (file: ReadableFile, reason: string, line?: number): SourceRejected =>
  new SourceRejected({ file: file.uri, reason, ...(line === undefined ? {} : { line }) })

const splitKey = (from: string): { readonly name: string; readonly key?: string } => {
  const match = /^(.+)\[(.+)\]$/.exec(from)
  return match?.[1] === undefined || match[2] === undefined ? { name: from } : { name: match[1], key: match[2] }
}

/** What begins with a brace and is JSON is an object; only the rest is looked at again. */
const isNoJsonObject = (cell: string): string =>
  `${cell} IS NOT NULL AND NOT (starts_with(${cell}, '{') AND json_valid(${cell})) ` +
  `AND CASE WHEN json_valid(${cell}) THEN json_type(${cell}) <> 'OBJECT' ELSE true END`

/** The first of the cells that is a month's first day, else the month of the last one that is filled. */
const monthOf = (cells: ReadonlyArray<string>): string => {
  const days = cells.map((cell) => value(cell, "DATE"))
  const firstDays = days.map((day) => `CASE WHEN day(${day}) = 1 THEN ${day} END`)
  return `coalesce(${firstDays.join(", ")}, CAST(date_trunc('month', coalesce(${days.toReversed().join(", ")})) AS DATE))`
}

/** One JSON object of several, each NULL when it is empty; compared as JSON, because a cast would read the text once more. */
const merged = (pieces: ReadonlyArray<string>): string =>
  pieces.length === 1
    ? pieces.join("")
    : `nullif(json_merge_patch(${pieces.map((piece) => `coalesce(${piece}, '{}')`).join(", ")}), CAST('{}' AS JSON))`

interface NativeCell extends NativeColumn {
  readonly cell: string
}

/** The native columns of one file, and which of them the mapping has used. */
class NativeColumns {
  readonly all: ReadonlyArray<NativeCell>
  readonly #used = new Set<NativeCell>()
  readonly #keys = new Map<NativeCell, Array<string>>()
  readonly #maps = new Set<NativeCell>()
  readonly #file: ReadableFile

  constructor(file: ReadableFile) {
    this.#file = file
    this.all = file.columns.map((column, index) => ({ ...column, cell: `c${index}` }))
  }

  /** The first of the names that the file has. */
  firstOf(names: ReadonlyArray<string>): Either.Either<Source | undefined, SourceRejected> {
    const whole = names.flatMap((wanted) => {
      const found = this.#find(wanted)
      return found === undefined ? [] : [{ found }]
    })[0]
    if (whole !== undefined) {
      return Either.map(whole.found, (native) => {
        this.#used.add(native)
        return { native, cell: native.cell }
      })
    }
    for (const wanted of names) {
      const { name: map, key } = splitKey(wanted)
      if (key === undefined) continue
      const found = this.#find(map)
      if (found === undefined) continue
      return Either.map(found, (native) => {
        const keys = this.#keys.get(native) ?? []
        if (!keys.includes(key)) keys.push(key)
        this.#keys.set(native, keys)
        return { native, key, cell: keyCell(native, keys.indexOf(key)) }
      })
    }
    return Either.right(undefined)
  }

  /** Where a column's value comes from: the first of its names, then each of its stand-ins. */
  filled(source: ColumnSource): Either.Either<ReadonlyArray<Source>, SourceRejected> {
    const named = [source.from, ...(source.whenEmpty ?? []).map((name) => [name])]
    return Either.map(Either.all(named.map((names) => this.firstOf(names))), (found) =>
      found.filter((each) => each !== undefined)
    )
  }

  /** A native column that holds a whole map. */
  whole(wanted: string): Either.Either<NativeCell | undefined, SourceRejected> {
    const found = this.#find(wanted)
    if (found === undefined) return Either.right(undefined)
    return Either.map(found, (native) => {
      this.#used.add(native)
      this.#maps.add(native)
      return native
    })
  }

  /** Columns whose names start with one of the prefixes, with the rest of their names. */
  family(prefixes: ReadonlyArray<string>): ReadonlyArray<readonly [key: string, cell: string]> {
    const longestFirst = prefixes.toSorted((a, b) => b.length - a.length)
    return this.all.flatMap((native) => {
      const prefix = longestFirst.find((prefix) => native.name.toLowerCase().startsWith(prefix.toLowerCase()))
      if (prefix === undefined || prefix.length === native.name.length) return []
      this.#used.add(native)
      return [[native.name.slice(prefix.length), native.cell] as const]
    })
  }

  /** Map columns of which the mapping uses keys or the whole. */
  usedMaps(): ReadonlyArray<NativeCell> {
    return this.all.filter((native) => this.#maps.has(native) || this.#keys.has(native))
  }

  /** Map columns with the keys that are read from them. */
  keys(): ReadonlyMap<NativeCell, ReadonlyArray<string>> {
    return this.#keys
  }

  /** Columns that nothing receives as a whole. */
  unused(): ReadonlyArray<NativeCell> {
    return this.all.filter((native) => !this.#used.has(native))
  }

  #find(wanted: string): Either.Either<NativeCell, SourceRejected> | undefined {
    const exact = this.all.find((native) => native.name === wanted)
    if (exact !== undefined) return Either.right(exact)
    const [first, second] = this.all.filter((native) => reduced(native.name) === reduced(wanted))
    if (first === undefined) return undefined
    if (second === undefined) return Either.right(first)
    return Either.left(refusal(this.#file, `${first.name} and ${second.name} both mean ${wanted}`, 1))
  }
}

const keyCell = (map: NativeCell, index: number): string => `${map.cell}_keys[${index + 1}]`

const relation = (file: ReadableFile, mapping: FileMapping, natives: NativeColumns, numbered: boolean): string => {
  const cells = natives.all.map((native) => `${cellText(file, native, mapping.nullWords)} AS ${native.cell}`)
  const source = `SELECT ${[...cells, ...(numbered ? [rowNumber[file.format]] : [])].join(", ")} FROM ${reader(file, mapping, natives)}`
  const keyLists = Array.from(natives.keys(), ([map, keys]) => {
    const paths = keys.map((key) => text(`$."${key.replaceAll('"', '\\"')}"`)).join(", ")
    const found = `list_transform(json_extract_string(${map.cell}, [${paths}]), found -> nullif(found, ''))`
    return `CASE WHEN json_valid(${map.cell}) THEN ${found} END AS ${map.cell}_keys`
  })
  return keyLists.length === 0 ? `(${source})` : `(SELECT *, ${keyLists.join(", ")} FROM (${source}))`
}

/** The row's number: a text file was given it when it was made ready, a Parquet file's reader knows it. */
const rowNumber: Readonly<Record<ReadableFile["format"], string>> = {
  csv: "source_row",
  parquet: "file_row_number + 1 AS source_row"
}

/** The engine does not unite the empty cell and the null words for Parquet; for CSV its reader does. */
const cellText = (file: ReadableFile, native: NativeCell, nullWords: ReadonlyArray<string>): string => {
  if (file.format === "csv") return native.cell
  const column = name(native.name)
  if (/^(MAP|STRUCT)\(|\]$/.test(native.type)) {
    return `CAST(json_merge_patch('{}', to_json(${column})) AS VARCHAR)`
  }
  const written = `CAST(${column} AS VARCHAR)`
  return native.type === "VARCHAR"
    ? `CASE WHEN ${written} NOT IN (${texts(["", ...nullWords])}) THEN ${written} END`
    : written
}

const reader = (file: ReadableFile, mapping: FileMapping, natives: NativeColumns): string => {
  const path = text(file.path)
  switch (file.format) {
    case "parquet":
      return `read_parquet(${path}, binary_as_string = true, file_row_number = true)`
    case "csv": {
      const columns = natives.all.map((native) => `${text(native.cell)}: 'VARCHAR'`).join(", ")
      return (
        `read_csv(${path}, auto_detect = false, header = ${file.headerLines > 0}, buffer_size = ${READ_BUFFER_BYTES}, max_line_size = ${ROW_LIMIT_BYTES}, delim = ${text(file.delimiter)}, quote = ${text(file.quote)}, escape = ${text(file.quote)}, ` +
        `nullstr = [${texts(["", ...mapping.nullWords])}], columns = {source_row: 'BIGINT', ${columns}})`
      )
    }
  }
}

/** Failures that are not the file's fault. */
const engineFailure = /^(Out of Memory|INTERRUPT|INTERNAL|FATAL|Parser|Binder|Catalog|TransactionContext|Constraint)/

const sourceError = (file: ReadableFile, error: StatementFailed): SourceRejected | StatementFailed => {
  if (engineFailure.test(error.reason)) return error
  const line = /CSV Error on Line: (\d+)/.exec(error.reason)?.[1]
  return refusal(file, withoutPath(error, file), line === undefined ? undefined : Number(line))
}
